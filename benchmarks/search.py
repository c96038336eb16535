"""GridSearchCV: 24 candidates, 5 folds, 50 epochs of digits."""

import warnings
from functools import partial

import numpy as np
import torch
from sklearn.model_selection import GridSearchCV

from benchmarks import sides
from benchmarks.problems import Problem
from benchmarks.timing import interleave, ratio, table

PROBLEM = Problem(None, 64, (100,), 10, 200, 50, 50)
ALPHAS = np.logspace(-5, -2, 4)
GRIDS = {
    "ours": {"batchnorm": [False, True], "keep_prob": [1.0, 0.8, 0.5], "alpha": ALPHAS},
    "mlp": {"alpha": np.logspace(-5, -2, 24)},
    "skorch": {
        "module__both": [False, True],
        "optimizer__weight_decay": [0.0, 1e-6, 1e-5],
        "optimizer__eps": [1e-8, 1e-7, 1e-6, 1e-5],
    },
}


def run(*, quick: bool) -> dict:
    """Time the searches with one job and with two."""
    X, y = PROBLEM.data(np.float32)
    results = {}
    for n_jobs in (1, 2):
        estimators = {
            "ours": sides.ours(PROBLEM, PROBLEM.epochs),
            "mlp": sides.mlp(PROBLEM, PROBLEM.epochs),
            "skorch": sides.skorch(PROBLEM, PROBLEM.epochs),
        }
        runs = {
            name: partial(_search, GridSearchCV(model, GRIDS[name], cv=5, n_jobs=n_jobs), X, y)
            for name, model in estimators.items()
        }
        for model in estimators.values():  # the workers start, and import what they need
            _search(GridSearchCV(model, {}, cv=2, n_jobs=n_jobs), X, y)
        seconds = interleave(runs, 1, warm_up=False)  # 120 fits each are repeats enough
        results[f"n_jobs={n_jobs}"] = {
            "MLPClassifier / ours": ratio(seconds["ours"], seconds["mlp"]),
            "skorch / ours": ratio(seconds["ours"], seconds["skorch"]),
            "seconds, ours": float(np.median(seconds["ours"])),
        }
    rows = {key: [column[key] for column in results.values()] for key in results["n_jobs=1"]}
    print(table("GridSearchCV, 24 candidates x 5 folds x 50 epochs of digits", [*results], rows))
    return results


def _search(search: GridSearchCV, X, y) -> None:
    torch.set_num_threads(1)  # small networks: PyTorch is fastest so
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
    torch.set_num_threads(sides.cores())
