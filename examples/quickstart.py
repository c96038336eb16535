"""
Quickstart: four models on five tables
======================================

Handwritten digits, breast cancer and diabetes are real data. The customers of
a phone company and the rentals of bikes are simulated: they have numbers, text
and missing values, and curves that a linear model cannot follow. All models
have their default parameters. The linear model and the MLP of scikit-learn
need a pipeline in front; the networks of sknormnet take the tables as they
are. One split of small data does not show which of two close models is better:
see the benchmarks for many data sets.
"""

import sys
import warnings
from time import perf_counter

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sknormnet import NormNetClassifier, NormNetRegressor


def customers(n_rows=3000, seed=0):
    """Customers who leave, depending on price, contract and region."""
    rng = np.random.default_rng(seed)
    months, bill = rng.integers(1, 72, n_rows), rng.lognormal(3.5, 0.5, n_rows)
    contract = rng.choice(
        ["monthly", "yearly", "two years"], n_rows, p=[0.5, 0.3, 0.2]
    )
    region = rng.choice([f"region {k}" for k in range(12)], n_rows)
    of_region = dict(zip(np.unique(region), rng.normal(0, 1, 12), strict=True))
    odds = 0.03 * (bill - 40) * (contract == "monthly") - 0.04 * months + 1
    odds += [of_region[x] for x in region] + 1.5 * (contract == "monthly")
    leaves = np.where(
        rng.random(n_rows) < 1 / (1 + np.exp(-odds)), "leaves", "stays"
    )
    X = np.array([months, bill, contract, region], dtype=object).T
    X[rng.random(n_rows) < 0.1, 1] = np.nan
    return X, leaves


def rentals(n_rows=3000, seed=0):
    """Bikes rented in an hour: two peaks on workdays, one on weekends."""
    rng = np.random.default_rng(seed)
    hour, warmth = rng.integers(0, 24, n_rows), rng.normal(15, 8, n_rows)
    day = rng.choice(["workday", "weekend"], n_rows, p=[5 / 7, 2 / 7])
    weather = rng.choice(
        ["clear", "cloudy", "rain"], n_rows, p=[0.6, 0.3, 0.1]
    )
    peaks = bell(hour, 8, 1.5) + 1.3 * bell(hour, 17.5, 2)
    rate = 20 + 300 * np.where(day == "workday", peaks, bell(hour, 14, 4))
    rate *= bell(warmth, 22, 18) * np.where(weather == "rain", 0.4, 1)
    X = np.array([hour, warmth, day, weather], dtype=object).T
    X[rng.random(n_rows) < 0.1, 1] = np.nan
    return X, rng.poisson(rate * rng.gamma(20, 1 / 20, n_rows)).astype(float)


def bell(x, center, width):
    return np.exp(-(((x - center) / width) ** 2))


def prepared(X, model):
    """A model of scikit-learn with what it needs in front of it."""
    if X.dtype != object:
        return make_pipeline(StandardScaler(), model)
    numbers = make_pipeline(
        SimpleImputer(add_indicator=True), StandardScaler()
    )
    columns = [
        ("numbers", numbers, [0, 1]),
        ("text", OneHotEncoder(), [2, 3]),
    ]
    return make_pipeline(ColumnTransformer(columns), model)


def models(X, is_regression):
    """The four models, by name."""
    net = NormNetRegressor if is_regression else NormNetClassifier
    options = {"random_state": 0, "verbose": sys.stdout.isatty()}
    linear = Ridge() if is_regression else LogisticRegression(max_iter=1000)
    mlp = prepared(
        X, (MLPRegressor if is_regression else MLPClassifier)(random_state=0)
    )
    if is_regression:
        mlp = TransformedTargetRegressor(mlp, transformer=StandardScaler())
    return {
        "linear": prepared(X, linear),
        "MLP": mlp,
        "NormNet": net(**options),
        "for_accuracy": net.for_accuracy(**options),
    }


def scores(model, X, y, is_regression):
    """Accuracy or R2, log loss, and expected calibration error (15 bins)."""
    if is_regression:
        return r2_score(y, model.predict(X)), np.nan, np.nan
    probabilities = model.predict_proba(X).astype(float)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    right = model.classes_[probabilities.argmax(axis=1)] == y
    confidence = probabilities.max(axis=1)
    bins = np.minimum((15 * confidence).astype(int), 14)
    gaps = np.bincount(bins, right - confidence) / len(y)
    loss = log_loss(y, probabilities, labels=model.classes_)
    return right.mean(), loss, np.abs(gaps).sum()


def compare(title, X, y, is_regression=False):
    """Fit all models to three quarters of the data.

    Returns
    -------
    rows : list of str
        The rows of the printed table.
    losses : dict of str to float
        By model: the log loss, or 1 - R2.
    """
    print(f"{title}: {' x '.join(map(str, X.shape))}", flush=True)
    stratify = None if is_regression else y
    X, X_test, y, y_test = train_test_split(
        X, y, stratify=stratify, random_state=0
    )
    rows, losses = [], {}
    for name, model in models(X, is_regression).items():
        start = perf_counter()
        model.fit(X, y)
        seconds = perf_counter() - start
        score, loss, error = scores(model, X_test, y_test, is_regression)
        row = f"{'' if losses else title:22}{name:14}{score:10.3f}{loss:10.3f}"
        rows += [f"{row}{error:13.3f}{seconds:9.1f}".replace("nan", "  -")]
        losses[name] = 1 - score if is_regression else loss
    return rows, losses


if __name__ == "__main__":
    # Those of the MLP
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    compared = [
        compare("digits", *load_digits(return_X_y=True)),
        compare("breast cancer", *load_breast_cancer(return_X_y=True)),
        compare("diabetes", *load_diabetes(return_X_y=True), True),
        compare("customers (simulated)", *customers()),
        compare("rentals (simulated)", *rentals(), True),
    ]
    heads = f"{'acc. or R2':>10}{'log loss':>10}{'calib. error':>13}  seconds"
    print(f"\n{'data':22}{'model':14}{heads}\n")
    n_better = n_best = 0
    for rows, losses in compared:
        print(*rows, sep="\n", end="\n\n")
        n_better += losses["NormNet"] < losses["MLP"]
        n_best += min(losses, key=losses.get) == "for_accuracy"
    print(
        "By log loss, or R2 where there are no classes, NormNet's defaults"
        f" beat the MLP on\n{n_better} of {len(compared)} tables, and"
        f" for_accuracy() was the best of all on {n_best}."
    )
