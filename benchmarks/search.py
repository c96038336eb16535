"""Searches over digits: 24 candidates, 5 folds, 50 epochs, in batches of 200 and of 32 rows."""

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from sklearn.model_selection import GridSearchCV

from benchmarks import sides
from benchmarks.problems import Problem
from benchmarks.timing import interleave, ratio, table
from sknormnet import PackedGridSearchCV

PROBLEM = Problem(None, 64, (100,), 10, 200, 50, 50)
ALPHAS = np.logspace(-5, -2, 4)
OURS = {"batchnorm": [False, True], "keep_prob": [1.0, 0.8, 0.5], "alpha": ALPHAS}
FEWER = 4  # of the 24 candidates, for skorch, which would take most of the time
SEARCHES = {
    "packed": (PackedGridSearchCV, sides.ours, OURS),
    "ours": (GridSearchCV, sides.ours, OURS),
    "mlp": (GridSearchCV, sides.mlp, {"alpha": np.logspace(-5, -2, 24)}),
    "skorch": (
        GridSearchCV,
        sides.skorch,
        {"module__both": [False, True], "optimizer__weight_decay": [0.0, 1e-6]},
    ),
}


def run(*, quick: bool) -> dict:
    """Time the searches with one job and with two."""
    X, y = PROBLEM.data(np.float32)
    results = {}
    for batch_size in (200, 32):
        problem = replace(PROBLEM, batch_size=batch_size)
        for n_jobs in (1, 2):
            results[f"{batch_size} rows, n_jobs={n_jobs}"] = _compare(problem, n_jobs, X, y)
    rows = {
        key: [column[key] for column in results.values()] for key in next(iter(results.values()))
    }
    print(table("Searches, 24 candidates x 5 folds x 50 epochs of digits", [*results], rows))
    return results


def _compare(problem: Problem, n_jobs: int, X, y) -> dict[str, float]:
    searches = {
        name: kind(model(problem, problem.epochs), grid, cv=5, n_jobs=n_jobs, refit=False)
        for name, (kind, model, grid) in SEARCHES.items()
    }
    for name, search in searches.items():  # the workers start, and import what they need
        kind, *_ = SEARCHES[name]
        _search(kind(search.estimator, {}, cv=2, n_jobs=n_jobs), X, y)
    runs = {name: partial(_search, search, X, y) for name, search in searches.items()}
    seconds = interleave({name: runs.pop(name) for name in ("packed", "ours")}, 3, warm_up=False)
    seconds |= interleave(runs, 1, warm_up=False)  # they take long, and differ by factors
    seconds["skorch"] *= 24 / FEWER
    return {
        "GridSearchCV of ours / packed": ratio(seconds["packed"], seconds["ours"]),
        "MLPClassifier / packed": ratio(seconds["packed"], seconds["mlp"]),
        "skorch / packed": ratio(seconds["packed"], seconds["skorch"]),
        "MLPClassifier / GridSearchCV of ours": ratio(seconds["ours"], seconds["mlp"]),
        "skorch / GridSearchCV of ours": ratio(seconds["ours"], seconds["skorch"]),
        "seconds, packed": float(np.median(seconds["packed"])),
    }


def _search(search, X, y) -> None:
    torch.set_num_threads(1)  # small networks: PyTorch is fastest so
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
    torch.set_num_threads(sides.cores())
