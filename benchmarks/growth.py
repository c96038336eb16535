"""How time grows with rows, width and depth, next to the matrix products alone."""

from functools import partial

import numpy as np

from benchmarks import sides
from benchmarks.problems import Problem
from benchmarks.timing import interleave, table


def run(*, quick: bool) -> dict:
    """Time our classifier with batch norm and dropout, one factor at a time."""
    rows = {
        f"{n:,} rows": Problem(n, 100, (256, 128), 10, 256, max(1, 40_000 // n), 1)
        for n in (1_000, 3_000, 10_000, 100_000, *(() if quick else (1_000_000,)))
    }
    widths = {
        f"width {n}": Problem(10_000, 100, (n, n), 10, 256, 2, 1)
        for n in (64, 256, 512, 1024, 2048)
    }
    depths = {
        f"depth {n}": Problem(10_000, 100, (128,) * n, 10, 256, 3, 1) for n in (1, 2, 4, 8, 16)
    }
    results = {}
    for title, problems in (("rows", rows), ("width", widths), ("depth", depths)):
        results[title] = {name: _point(problem, quick) for name, problem in problems.items()}
        columns = ["ns per row and epoch, plain", "with", "plain / products", "with / products"]
        print(
            table(
                f"Growth with {title}, float32",
                columns,
                {name: [*point.values()] for name, point in results[title].items()},
            )
        )
    return results


def _point(problem: Problem, quick: bool) -> dict[str, float]:
    """Nanoseconds per row and epoch; what fit does once is taken off by a difference.

    Two fits are timed, one of them an epoch count longer, so that validation of the input
    and the last pass for batch norm's statistics, which a fit pays once, drop out.
    """
    X, y = problem.data(np.float32)
    epochs = problem.epochs
    runs = {
        f"{name} {n}": partial(sides.train, sides.ours(problem, n, **settings), X, y)
        for name, settings in (("plain", {"batchnorm": False}), ("with", {"keep_prob": 0.8}))
        for n in (epochs, 2 * epochs)
    }
    runs["products"] = sides.products(problem, X, epochs)
    seconds = interleave(runs, 3)
    scale = 1e9 / (epochs * len(X))
    products = np.median(seconds["products"]) * scale
    point = {}
    for name in ("plain", "with"):
        point[name] = float(
            np.median(seconds[f"{name} {2 * epochs}"] - seconds[f"{name} {epochs}"])
        )
        point[name] *= scale
    return point | {f"{name} / products": point[name] / products for name in ("plain", "with")}
