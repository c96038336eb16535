"""Training: the six problems, all sides interleaved."""

from functools import partial

import numpy as np

from benchmarks import sides
from benchmarks.problems import PROBLEMS
from benchmarks.timing import interleave, ratio, table

REPEATS = 3
TOLERANCE = 0.05  # of the untrained loss: how far apart final training losses may be

# Row of the table: (whose time, divided by whose)
RATIOS = {
    "MLPClassifier / ours, plain": ("mlp", "plain"),
    "MLPClassifier without / ours with": ("mlp", "with"),
    "MLPClassifier / ours with numba, plain": ("mlp", "numba plain"),
    "PyTorch / ours, plain": ("torch", "plain"),
    "PyTorch / ours, with": ("torch with", "with"),
    "PyTorch / ours with numba, plain": ("torch", "numba plain"),
    "PyTorch / ours with numba, with": ("torch with", "numba with"),
    "skorch / ours, with": ("skorch with", "with"),
    "ours / matrix products, plain": ("plain", "products"),
    "ours / matrix products, with": ("with", "products"),
    "ours with numba / matrix products, plain": ("numba plain", "products"),
    "ours with numba / matrix products, with": ("numba with", "products"),
}


def run(*, quick: bool) -> dict:
    """Time all problems in float32, and unless `quick` the plain ones in float64 too."""
    results = {"float32": _table("float32", quick, RATIOS)}
    if not quick:
        plain = {name: pair for name, pair in RATIOS.items() if name.endswith("/ ours, plain")}
        results["float64"] = _table("float64", quick, plain)
    return results


def _table(dtype: str, quick: bool, ratios: dict) -> dict:
    wanted = {name for pair in ratios.values() for name in pair}
    columns, losses = {}, {}
    for name, problem in PROBLEMS.items():
        seconds, losses[name] = _problem(problem, dtype, quick, wanted)
        columns[name] = {row: ratio(seconds[b], seconds[a]) for row, (a, b) in ratios.items()}
        print(f"{dtype} {name}: " + ", ".join(f"{k} {v:.2f}" for k, v in columns[name].items()))
    rows = {row: [column[row] for column in columns.values()] for row in ratios}
    print(
        table(f"Training, {dtype}: time ratios (above 1, the second is faster)", [*columns], rows)
    )
    loss_rows = {
        side: [losses[name].get(side) for name in columns] for side in next(iter(losses.values()))
    }
    print(table("Training loss in the last epoch", [*columns], loss_rows))
    return {"ratios": columns, "losses": losses}


def _problem(problem, dtype: str, quick: bool, wanted: set[str]):
    X, y = problem.data(np.dtype(dtype).type)
    epochs = problem.quick_epochs if quick else problem.epochs
    estimators = {
        "mlp": sides.mlp(problem, epochs),
        "plain": sides.ours(problem, epochs, batchnorm=False),
        "with": sides.ours(problem, epochs, keep_prob=sides.KEEP_PROB),
        "skorch with": sides.skorch(problem, epochs),
    }
    runs = {
        **{name: partial(sides.train, model, X, y) for name, model in estimators.items()},
        "numba plain": partial(sides.train, estimators["plain"], X, y, fused=True),
        "numba with": partial(sides.train, estimators["with"], X, y, fused=True),
        "torch": sides.torch_loop(problem, X, y, epochs, both=False),
        "torch with": sides.torch_loop(problem, X, y, epochs, both=True),
        "products": sides.products(problem, X, epochs),
    }
    losses: dict[str, float] = {}

    def keeping(name, run):
        def kept():
            losses[name] = run()

        return kept

    chosen = {name: keeping(name, run) for name, run in runs.items() if name in wanted}
    seconds = interleave(chosen, REPEATS)
    losses.pop("products", None)
    _check(losses, np.log(problem.n_classes))
    return seconds, losses


def _check(losses: dict[str, float], untrained: float) -> None:
    """Nobody may win by training less."""
    for name, loss in losses.items():
        ours = losses["with" if name.endswith("with") else "plain"]
        if abs(loss - ours) > TOLERANCE * untrained:
            raise AssertionError(f"Training losses are too far apart: {losses}")
