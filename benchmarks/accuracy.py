"""Accuracy of default settings, side by side, over the data sets of a folder.

``python -m benchmarks.accuracy DIR`` reads every ``NAME.npz`` in DIR: arrays ``X`` of shape
(n_rows, n_features), numbers without gaps, and ``y``, whole numbers for classification or
floats for regression. With ``--tables``, it reads every ``NAME.csv.gz`` instead: tables whose
last column is the target, numbers for regression or words for classification, and prints a
second table for those with categories; CatBoost is compared if it is installed. A file
``meta.json`` may list the categorical columns of each, as ``{NAME: {"task": "regression",
"categorical_raw_columns": [...]}}``; by default, they are the columns of words.

Each model is fitted to the same 75% of the rows, on one thread. A line of JSON is appended
for each run; models, seeds and sets that have one are not run again.
"""

import argparse
import json
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy.stats import trim_mean
from sklearn.base import BaseEstimator
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
)
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, label_binarize
from threadpoolctl import threadpool_limits

from benchmarks.timing import table
from sknormnet import NormNetClassifier, NormNetRegressor

BASELINE = "MLP"
# A ratio to a result of nothing at all says nothing: results count as no better than these.
METRICS = {
    "error": 1e-3,
    "log loss": 1e-3,
    "1 - AUC": 1e-4,
    "ECE": 1e-3,
    "nRMSE": 1e-3,
    "fit seconds": 1e-3,
}
PRINTED = "error", "log loss", "1 - AUC", "nRMSE"  # for each data set
BINS = 15  # of confidence, for the expected calibration error


def _scaled(model):
    return make_pipeline(StandardScaler(), model)


def _standardized(model):
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def _realmlp(classification: bool, seed: int):
    """As its authors advise for log loss and AUC."""
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor  # pip install pytabkit

    if not classification:
        return RealMLP_TD_S_Regressor(device="cpu", n_threads=1, random_state=seed)
    for_probabilities = {"val_metric_name": "cross_entropy", "use_ls": False}
    return RealMLP_TD_S_Classifier(
        device="cpu", n_threads=1, random_state=seed, **for_probabilities
    )


def _catboost(classification: bool, seed: int, **parameters):
    from catboost import CatBoostClassifier, CatBoostRegressor  # pip install catboost

    return (CatBoostClassifier if classification else CatBoostRegressor)(
        random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False, **parameters
    )


def _lightgbm(classification: bool, seed: int):
    from lightgbm import LGBMClassifier, LGBMRegressor  # pip install lightgbm

    kind = LGBMClassifier if classification else LGBMRegressor
    return kind(n_jobs=1, random_state=seed, verbose=-1)


def _xgboost(classification: bool, seed: int):
    from xgboost import XGBClassifier, XGBRegressor  # pip install xgboost

    return (XGBClassifier if classification else XGBRegressor)(n_jobs=1, random_state=seed)


# Name -> (is it classification?, seed) -> estimator, all with their defaults.
MODELS = {
    "MLP": lambda c, seed: (
        _scaled(MLPClassifier(random_state=seed))
        if c
        else _standardized(_scaled(MLPRegressor(random_state=seed)))
    ),
    "NormNet": lambda c, seed: _scaled(
        (NormNetClassifier if c else NormNetRegressor)(random_state=seed)
    ),
    "for_accuracy": lambda c, seed: _scaled(
        (NormNetClassifier if c else NormNetRegressor).for_accuracy(random_state=seed)
    ),
    "HistGradientBoosting": lambda c, seed: (
        HistGradientBoostingClassifier if c else HistGradientBoostingRegressor
    )(random_state=seed),
    "linear": lambda c, seed: _scaled(
        LogisticRegression(max_iter=1000) if c else RidgeCV(np.logspace(-3, 3, 13))
    ),
    "RealMLP_TD_S": _realmlp,
    "CatBoost": _catboost,
    "LightGBM": _lightgbm,
    "XGBoost": _xgboost,
}
DEFAULT = ("MLP", "NormNet", "for_accuracy", "HistGradientBoosting", "linear")


def _encoded(model):
    """A model behind the pipeline that tables need otherwise: imputer, scaler, 0/1 inputs."""
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    words = OneHotEncoder(handle_unknown="infrequent_if_exist", sparse_output=False)
    is_word = make_column_selector(dtype_include="category")
    is_number = make_column_selector(dtype_exclude="category")
    columns = ColumnTransformer([("numbers", numbers, is_number), ("words", words, is_word)])
    return make_pipeline(columns, model)


def _norm_net(classification: bool, **parameters):
    return (NormNetClassifier if classification else NormNetRegressor)(**parameters)


def _boosted(classification: bool, seed: int):
    kind = HistGradientBoostingClassifier if classification else HistGradientBoostingRegressor
    return kind(random_state=seed, categorical_features="from_dtype")


class NamedCategories(BaseEstimator):
    """CatBoost with its defaults; words are its own affair, but missing ones need a name."""

    def __init__(self, classification: bool, seed: int):
        self.classification, self.seed = classification, seed

    def fit(self, X, y):
        words = [name for name in X if X[name].dtype == "category"]
        model = _catboost(self.classification, self.seed, cat_features=words)
        self.model_ = model.fit(self._named(X), y)
        self.classes_ = getattr(self.model_, "classes_", None)
        return self

    @staticmethod
    def _named(X):
        words = X.select_dtypes("category")
        return X.assign(**{k: x.astype(object).fillna("missing") for k, x in words.items()})

    def predict(self, X):
        return self.model_.predict(self._named(X))

    def predict_proba(self, X):
        return self.model_.predict_proba(self._named(X))


# The same for tables
TABLE_MODELS = {
    "MLP": lambda c, seed: (
        _encoded(MLPClassifier(random_state=seed))
        if c
        else _standardized(_encoded(MLPRegressor(random_state=seed)))
    ),
    "NormNet": lambda c, seed: _norm_net(c, random_state=seed),
    "NormNet encoded": lambda c, seed: _encoded(_norm_net(c, scale_inputs=None, random_state=seed)),
    "for_accuracy": lambda c, seed: (NormNetClassifier if c else NormNetRegressor).for_accuracy(
        random_state=seed
    ),
    "HistGradientBoosting": _boosted,
    "CatBoost": NamedCategories,
    "linear": lambda c, seed: _encoded(
        LogisticRegression(max_iter=1000) if c else RidgeCV(np.logspace(-3, 3, 13))
    ),
}


# Where our defaults are not scikit-learn's: what becomes of the result with one undone.
UNDONE = {
    "hidden_layer_sizes": (100,),
    "batchnorm": False,
    "keep_prob": 1.0,
    "init": "xavier_uniform",
    "solver": "adam",
    "beta_2": 0.999,
    "learning_rate": "constant",
    "learning_rate_init": 0.001,
    "max_iter": 200,
    "batch_size": "auto",
    "input_bins": 0,
    "bin_strategy": "quantile",
    "input_frequencies": 0,
    "scaling_layer": False,
    "early_stopping": False,
    "weight_averaging": 0.0,
    "calibrate": False,
    "weight_decay": 1.0,
    "standardize_target": False,
}


def _undone(name: str, value: object):
    def build(classification: bool, seed: int):
        kind = NormNetClassifier if classification else NormNetRegressor
        known = name in kind().get_params()
        return _scaled(kind(random_state=seed, **({name: value} if known else {})))

    return build


ABLATIONS = {f"{name}={value!r}": _undone(name, value) for name, value in UNDONE.items()}
MODELS |= ABLATIONS


def load(path: Path) -> tuple:
    """Return X, y and whether they are a classification."""
    if path.suffix == ".npz":
        with np.load(path) as data:
            X, y = data["X"], data["y"]
        return X, y, y.dtype.kind in "iub"
    import pandas as pd

    table, meta = pd.read_csv(path, low_memory=False), path.parent / "meta.json"
    meta = meta if meta.exists() else path.parent.parent / "meta.json"
    name = path.name.partition(".")[0]
    known = json.loads(meta.read_text()).get(name, {}) if meta.exists() else {}
    X, y = table.iloc[:, :-1], table.iloc[:, -1].to_numpy()
    words = known.get("categorical_raw_columns") or [*X.select_dtypes(exclude="number")]
    X = X.assign(**{k: X[k].where(X[k].isna(), X[k].astype(str)).astype("category") for k in words})
    classification = known.get("task", "") == "classification" or y.dtype.kind == "O"
    return X, y.astype(str) if classification else y, classification


def measure(
    path: Path, model: str, seed: int, n_rows: int | None = None, flip: float = 0.0
) -> dict:
    """Fit a model to 75% of a data set, or to `n_rows`, and score it on a quarter.

    A share `flip` of the labels, of test rows too, is replaced by those of other rows.
    """
    X, y, classification = load(path)
    if classification and flip:
        rng = np.random.default_rng(seed)
        y = np.where(rng.random(len(y)) < flip, rng.permutation(y), y)
    X, X_test, y, y_test = train_test_split(
        X,
        y,
        test_size=0.25,
        train_size=n_rows,
        random_state=seed,
        stratify=y if classification else None,
    )
    models = MODELS if path.suffix == ".npz" else TABLE_MODELS
    estimator = models[model](classification, seed)
    start = time.perf_counter()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(X, y)
        seconds = time.perf_counter() - start
        if classification:
            scores = _scores(estimator.classes_, y_test, estimator.predict_proba(X_test))
        else:
            r2 = r2_score(y_test, np.ravel(estimator.predict(X_test)))
            scores = {"nRMSE": float(np.sqrt(1 - r2))}
    run = {"set": path.name.partition(".")[0], "model": model, "seed": seed, "rows": n_rows}
    run |= {"categorical": X.select_dtypes("category").shape[1]} if path.suffix == ".gz" else {}
    run |= {"flip": flip} if flip else {}
    return run | scores | {"fit seconds": seconds}


def _scores(classes, y, p) -> dict[str, float]:
    p = p.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    truth = label_binarize(y, classes=classes)
    return {
        "error": float(np.mean(classes[p.argmax(axis=1)] != y)),
        "log loss": float(log_loss(y, p, labels=classes)),
        "1 - AUC": float(1 - roc_auc_score(truth, p[:, 1] if len(classes) == 2 else p)),
        "ECE": _calibration_error(classes[p.argmax(axis=1)] == y, p.max(axis=1)),
    }


def _calibration_error(right: np.ndarray, confidence: np.ndarray) -> float:
    """By how much confidence is off the share of right predictions, on average over the rows.

    Guo et al. (2017), "On calibration of modern neural networks", arXiv 1706.04599.
    """
    numbers = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return float(np.abs(np.bincount(numbers, right - confidence)).sum() / len(right))


def compare(runs: list[dict], of: str = "") -> str:
    """Tables of ratios to the baseline: geometric means, trimmed means, and each data set.

    The ratios of a set's seeds are averaged first, so that each set counts alike. A trimmed mean
    leaves out a tenth of the sets at either end.
    """
    logs, names = log_ratios(runs), [*MODELS, *TABLE_MODELS]
    models = [x for x in dict.fromkeys(names) if any(model == x for model, _ in logs)]
    means: dict[str, list[object]] = {model: [] for model in models}
    trimmed: dict[str, list[object]] = {model: [] for model in models}
    for model in models:
        for metric in METRICS:
            found = np.array([*logs.get((model, metric), {}).values()])
            mean = f"{np.exp(found.mean()):.3f} ({(found < 0).mean():.0%})" if len(found) else None
            means[model].append(mean)
            middle = float(np.exp(trim_mean(found, 0.1))) if len(found) else None
            trimmed[model].append(middle)
    title = f"Ratios to {BASELINE}{of}"
    lower = "geometric means; lower is better (share of sets below 1)"
    tables = [table(f"{title}, {lower}", [*METRICS], means)]
    tables += [table(f"{title}, trimmed geometric means", [*METRICS], trimmed)]
    for metric in PRINTED:
        sets = sorted({name for (_, own), x in logs.items() if own == metric for name in x})
        rows: dict[str, list[object]] = {
            name: [_ratio(logs.get((model, metric), {}).get(name)) for model in models]
            for name in sets
        }
        tables += [table(f"{title}, {metric}", models, rows)] if sets else []
    return "\n".join(tables)


def log_ratios(runs: list[dict]) -> dict[tuple[str, str], dict[str, float]]:
    """Return the logarithms of the ratios, by (model, metric) and by data set."""
    found = {(run["model"], run["set"], run["seed"]): run for run in runs}
    logs: dict[tuple[str, str], dict[str, list[float]]] = {}
    for (model, name, seed), run in found.items():
        theirs = found.get((BASELINE, name, seed), {})
        for metric, least in METRICS.items():
            if model != BASELINE and metric in run and metric in theirs:
                ratio = max(run[metric], least) / max(theirs[metric], least)
                of_set = logs.setdefault((model, metric), {}).setdefault(name, [])
                of_set.append(np.log(ratio))
    return {key: {k: float(np.mean(x)) for k, x in own.items()} for key, own in logs.items()}


def _ratio(log: float | None) -> float | None:
    return None if log is None else float(np.exp(log))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--models", nargs="+", choices=[*MODELS, *TABLE_MODELS])
    parser.add_argument("--tables", action="store_true", help="read tables, NAME.csv.gz")
    parser.add_argument("--ablate", action="store_true", help="undo each of our defaults as well")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--rows", type=int, help="train on so few, instead of 75 %% of them")
    parser.add_argument("--flip", type=float, default=0.0, help="share of labels made wrong")
    parser.add_argument("--results", type=Path, default=Path("accuracy-results.jsonl"))
    arguments = parser.parse_args()
    pattern = "*.csv.gz" if arguments.tables else "*.npz"
    paths = sorted(arguments.folder.glob(pattern))
    if not paths:
        parser.error(f"DIR must hold files {pattern}. Got {arguments.folder} instead.")
    has_catboost = find_spec("catboost") is not None
    tables = [x for x in TABLE_MODELS if x != "CatBoost" or has_catboost]
    default = tables if arguments.tables else DEFAULT
    lines = arguments.results.read_text().splitlines() if arguments.results.exists() else []
    chosen = [BASELINE, *(arguments.models or default), *(ABLATIONS if arguments.ablate else ())]
    models = dict.fromkeys(chosen)
    # A run on another number of rows, or with other labels, is none of these.
    kind = arguments.rows, arguments.flip
    runs = [x for x in map(json.loads, lines) if (x.get("rows"), x.get("flip", 0.0)) == kind]
    done = {(run["set"], run["model"], run["seed"]) for run in runs}
    for path in paths:
        for seed in arguments.seeds:
            for model in models:
                if (path.name.partition(".")[0], model, seed) in done:
                    continue
                runs.append(measure(path, model, seed, *kind))
                with arguments.results.open("a") as file:
                    file.write(json.dumps(runs[-1]) + "\n")
    # What has been run before but not asked for now stays out of the table.
    runs = [run for run in runs if run["model"] in models]
    sets, seeds = {path.name.partition(".")[0] for path in paths}, set(arguments.seeds)
    runs = [run for run in runs if run["set"] in sets and run["seed"] in seeds]
    print(compare(runs))
    if with_categories := [run for run in runs if run.get("categorical")]:
        print(compare(with_categories, " on tables with categories"))


if __name__ == "__main__":
    main()
