"""Prediction of one row, a thousand and a million, side by side."""

from functools import partial

import numpy as np
from sklearn.utils.validation import validate_data

from benchmarks import sides
from benchmarks.problems import Problem
from benchmarks.timing import interleave, ratio, table

PROBLEM = Problem(20_000, 100, (256, 128), 10, 256, 1, 1)
CALLS = {1: 1000, 1_000: 30, 1_000_000: 1}  # number of rows -> of calls timed together


def run(*, quick: bool) -> dict:
    """Time predict of ours, with batch norm and without, MLPClassifier's and skorch's."""
    X, y = PROBLEM.data(np.float32)
    models = {
        "mlp": sides.mlp(PROBLEM, 1),
        "plain": sides.ours(PROBLEM, 1),
        "with": sides.ours(PROBLEM, 1, keep_prob=sides.KEEP_PROB),
        "skorch with": sides.skorch(PROBLEM, 1),
    }
    for model in models.values():
        sides.train(model, X, y)
    columns = {}
    for n_rows, calls in CALLS.items():
        if quick and n_rows > 1_000:
            continue
        name = f"{n_rows:,} row{'s' * (n_rows > 1)}"
        rows = np.resize(X, (n_rows, X.shape[1]))
        runs = {
            side: partial(_repeat, model.predict, rows, calls) for side, model in models.items()
        }
        validate = partial(validate_data, models["plain"], reset=False)
        runs["validation"] = partial(_repeat, validate, rows, calls)
        seconds = interleave(runs, 9 if n_rows <= 1_000 else 3)
        ours = seconds["with"]
        columns[name] = {
            "MLPClassifier / ours, with": ratio(ours, seconds["mlp"]),
            "skorch / ours, with": ratio(ours, seconds["skorch with"]),
            "ours, with / ours, plain": ratio(seconds["plain"], ours),
            "microseconds, ours": float(np.median(ours) / calls * 1e6),
            "... of it scikit-learn's validation": float(
                np.median(seconds["validation"]) / calls * 1e6
            ),
        }
    rows = {key: [column[key] for column in columns.values()] for key in columns["1 row"]}
    print(table("Prediction, float32, (256, 128) on 100 features", [*columns], rows))
    return columns


def _repeat(call, X, calls: int) -> None:
    for _ in range(calls):
        call(X)
