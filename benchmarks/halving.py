"""Successive halving beside the whole random search: 200 candidates, 3 folds, 81 epochs of digits.

Both search the same candidates. The score is that of the chosen candidate with all epochs, relative
to the best of all candidates: 1 is the same, and a larger log loss or a smaller accuracy is worse.
Time is processor time, which other processes disturb less; the searches run in one process.
"""

import time
import warnings

import numpy as np
from scipy.stats import loguniform, uniform

from benchmarks.problems import Problem
from benchmarks.timing import table
from sknormnet import (
    NormNetClassifier,
    PackedHalvingRandomSearchCV,
    PackedRandomizedSearchCV,
)

PROBLEM = Problem(None, 64, (64,), 10, 64, 81, 81)
N_CANDIDATES, N_SEEDS, FEWER = 200, 10, 2
SPACE = {
    "learning_rate_init": loguniform(1e-4, 0.3),
    "keep_prob": uniform(0.3, 0.7),
    "weight_decay": loguniform(0.01, 30),
    "batchnorm": [True, False],
}
METRICS = "accuracy", "neg_log_loss"
RUNGS = (3, "accuracy"), (3, "neg_log_loss"), (9, "neg_log_loss")  # epochs of the first rung


def run(*, quick: bool) -> dict:
    """Search with several seeds, each for the candidates and for the networks."""
    columns = [_compare(seed) for seed in range(FEWER if quick else N_SEEDS)]
    results = {name: [column[name] for column in columns] for name in columns[0]}
    rows: dict[str, list[object]] = {
        name: [float(reduce(values)) for reduce in (np.mean, np.min, np.max)]
        for name, values in results.items()
    }
    title = f"Halving / random search of {N_CANDIDATES} candidates, over {len(columns)} seeds"
    print(table(title, ["mean", "least", "most"], rows))
    return results


def _compare(seed: int) -> dict[str, float]:
    X, y = PROBLEM.data(np.float64)
    model = NormNetClassifier(PROBLEM.hidden, max_iter=PROBLEM.epochs, random_state=seed)
    settings = {"cv": 3, "refit": False, "random_state": seed}
    whole = PackedRandomizedSearchCV(model, SPACE, n_iter=N_CANDIDATES, scoring=METRICS, **settings)
    seconds = _seconds(whole, X, y)
    ratios = {"seconds of random search": seconds}
    for n_epochs, metric in RUNGS:
        halving = PackedHalvingRandomSearchCV(
            model, SPACE, n_candidates=N_CANDIDATES, resource="max_iter", min_resources=n_epochs,
            max_resources=PROBLEM.epochs, scoring=metric, return_train_score=False, **settings,
        )  # fmt: skip
        ratios[f"{metric} from {n_epochs}, time"] = _seconds(halving, X, y) / seconds
        best = np.nanmax(whole.cv_results_[f"mean_test_{metric}"])
        ratios[f"{metric} from {n_epochs}, score"] = float(halving.best_score_ / best)
    print(", ".join(f"{name} {value:.4g}" for name, value in ratios.items()), flush=True)
    return ratios


def _seconds(search, X, y) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.process_time()
        search.fit(X, y)
        return time.process_time() - started
