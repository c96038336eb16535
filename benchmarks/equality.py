"""Whether a change of the code changes any result: several hundred fits, compared to the bit.

Run ``python -m benchmarks.equality record FILE`` on the code as it was, and ``python -m
benchmarks.equality compare FILE`` on the code as it is, on the same machine. The fits are drawn
from one seed over all options of both estimators, over kinds of input, sample weights and calls
(`fit`, `fit` again with warm_start, `partial_fit`, pickles, packed searches).
"""

import argparse
import pickle
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone, is_classifier
from threadpoolctl import threadpool_limits

from sknormnet import NormNetClassifier, NormNetRegressor, PackedGridSearchCV

N_FITS = 600

ARCHITECTURE: dict[str, list] = {
    "hidden_layer_sizes": [(), 7, (12,), (9, 5), (16, 8, 4)],
    "activation": ["relu", "tanh", "logistic", "identity", "elu", "selu", "gelu", "silu", "mish"],
    "batchnorm": [False, True, "before", "after"],
    "keep_prob": ["auto", 1.0, 0.8, 0.5],
    "input_keep_prob": [1.0, 1.0, 0.9],
    "input_bins": [0, 0, 4],
    "init": ["auto", "he_uniform", "xavier_normal", "lecun_uniform", "orthogonal", "normal"],
    "dtype": ["auto", "float32", "float64"],
}
TRAINING: dict[str, list] = {
    "solver": ["adam", "adamw", "adamw", "nadam", "rmsprop", "sgd", "lbfgs"],
    "alpha": [0.0, 0.0, 0.1, 10.0],
    "weight_decay": [0.0, 1.0],
    "batch_size": ["auto", "scale", 16, 1],
    "learning_rate": ["cosine", "constant", "invscaling", "adaptive", "onecycle", "warmup"],
    "learning_rate_init": [0.01, 0.001, 0.05],
    "max_iter": [1, 3, 8],
    "shuffle": [True, True, False],
    "momentum": [0.9, 0.0],
    "nesterovs_momentum": [True, False],
    "early_stopping": [False, False, True, "auto"],
    "scoring": [None, None, "loss"],
    "validation_fraction": [0.1, 0.3],
    "n_iter_no_change": [1, 2, 10],
    "max_grad_norm": [None, None, 0.1],
    "batchnorm_momentum": [0.9, 0.0],
    "n_members": [1, 1, 1, 2, 4],
}
OF_CLASSIFIER: dict[str, list] = {
    "class_weight": [None, None, "balanced", {0: 2.0}],
    "label_smoothing": [0.0, 0.01, 0.2],
}
OF_REGRESSOR: dict[str, list] = {
    "loss": ["squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma"],
    "standardize_target": [True, False],
}


def draw(rng: np.random.Generator) -> tuple[Any, dict[str, Any], str]:
    """One estimator, the arguments of its calls, and the name of what is called."""
    kind = NormNetClassifier if rng.random() < 0.5 else NormNetRegressor
    own = OF_CLASSIFIER if kind is NormNetClassifier else OF_REGRESSOR
    options = ARCHITECTURE | TRAINING | own
    names = [*options]
    drawn = rng.choice(len(names), size=rng.integers(2, 9), replace=False)
    parameters = {names[i]: options[names[i]][rng.integers(len(options[names[i]]))] for i in drawn}
    estimator = kind(**{"max_iter": 4, "hidden_layer_sizes": (10, 6)} | parameters, random_state=3)
    data = draw_data(rng, is_classifier(estimator))
    return estimator, data, [*CALLS][rng.integers(len(CALLS))]


def draw_data(rng: np.random.Generator, classes: bool) -> dict[str, Any]:
    """Rows to train on, weights or none, and rows to validate and to predict on."""
    n_rows, n_features = int(rng.integers(30, 260)), int(rng.integers(1, 7))
    X = rng.normal(size=(n_rows + 60, n_features)).astype(rng.choice(["f4", "f8"]))
    signal = X[:, 0] + np.abs(X[:, -1]) + 0.3 * rng.normal(size=len(X))
    if classes:
        y = np.digitize(signal, [0.5] if rng.random() < 0.5 else [0.0, 1.0])
        if rng.random() < 0.15:
            y = np.column_stack([y > 0, X[:, 0] > 0]).astype(int)
    else:
        y = np.exp(signal)
        if rng.random() < 0.15:
            y = np.column_stack([y, y[::-1]])
    form = [np.asarray, np.asarray, np.asfortranarray, sparse.csr_matrix][rng.integers(4)]
    weight = rng.integers(0, 4, n_rows).astype(float) if rng.random() < 0.3 else None
    train, val, new = slice(n_rows), slice(n_rows, n_rows + 30), slice(n_rows + 30, None)
    return {
        "X": form(X[train]), "y": y[train], "sample_weight": weight,
        "X_val": form(X[val]), "y_val": y[val], "X_new": form(X[new]),
    }  # fmt: skip


def _fit(model, data):
    return model.fit(data["X"], data["y"], data["sample_weight"])


def _fit_with_validation(model, data):
    return model.fit(
        data["X"], data["y"], data["sample_weight"], X_val=data["X_val"], y_val=data["y_val"]
    )


def _warm_start(model, data):
    _fit(model.set_params(warm_start=True), data)
    return _fit(model.set_params(learning_rate_init=0.002), data)


def _partial_fit(model, data):
    _fit(model, data)
    for _ in range(2):
        model = pickle.loads(pickle.dumps(model))
        model.partial_fit(data["X"], data["y"], data["sample_weight"])
    return model


def _stream(model, data):
    classes = {}
    if is_classifier(model):
        y = data["y"]
        classes = {"classes": np.arange(y.shape[1]) if y.ndim == 2 else [0, 1, 2]}
    for start in range(0, data["X"].shape[0] - 10, 20):
        rows = slice(start, start + 20)
        model.partial_fit(data["X"][rows], data["y"][rows], **classes)
    return model


def _packed_search(model, data):
    grid = {"alpha": [0.0, 1.0], "keep_prob": [1.0, 0.7]}
    search = PackedGridSearchCV(model, grid, cv=2, error_score="raise")
    return search.fit(data["X"], data["y"], sample_weight=data["sample_weight"])


CALLS: dict[str, Callable] = {
    "fit": _fit,
    "fit with validation": _fit_with_validation,
    "warm start": _warm_start,
    "fit, partial_fit": _partial_fit,
    "stream": _stream,
    "packed search": _packed_search,
}


def results(number: int) -> dict[str, np.ndarray]:
    """All that one of the fits leaves behind, or the kind of error that it raises."""
    estimator, data, call = draw(np.random.default_rng(number))
    try:
        model = CALLS[call](clone(estimator), data)
    except (ValueError, AttributeError) as error:
        return {"error": np.array(type(error).__name__)}
    found = {}
    if call == "packed search":
        found["scores"] = model.cv_results_["mean_test_score"]
        model = model.best_estimator_
    method = "predict_proba" if is_classifier(model) else "predict"
    found["predictions"] = getattr(model, method)(data["X_new"])
    found["loss_curve"] = np.array(model.loss_curve_)
    found["scores"] = np.array(model.validation_scores_ or [])
    found["n_iter"] = np.array(model.n_iter_)
    found["weights"] = np.concatenate([W.ravel() for W in model.coefs_])
    found["means"] = np.concatenate([[0.0], *(x.ravel() for x in model.running_means_)])
    return found


def everything() -> dict[str, np.ndarray]:
    """The results of all fits, by the number of the fit and what it is."""
    found = {}
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(N_FITS):
            found |= {f"{number} {name}": x for name, x in results(number).items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.equality", description=__doc__)
    parser.add_argument("action", choices=["record", "compare"])
    parser.add_argument("file", help="a .npz file")
    arguments = parser.parse_args()
    now = everything()
    failed = sum(name.endswith("error") for name in now)
    print(f"{N_FITS} fits, of which {failed} raise an error")
    if arguments.action == "record":
        np.savez_compressed(arguments.file, **now)
        return
    with np.load(arguments.file) as before:
        changed = sorted(
            (name for name in {*before, *now} if not _same(before, now, name)),
            key=lambda name: int(name.split()[0]),
        )
    for name in changed:
        estimator, _, call = draw(np.random.default_rng(int(name.split()[0])))
        print(f"{name} ({call}) has changed: {estimator}")
    print(f"{len({name.split()[0] for name in changed})} fits have changed")
    sys.exit(bool(changed))


def _same(before, now: dict[str, np.ndarray], name: str) -> bool:
    if name not in before or name not in now:
        return False
    old, new = before[name], now[name]
    return old.dtype == new.dtype and np.array_equal(old, new, equal_nan=old.dtype.kind == "f")


if __name__ == "__main__":
    main()
