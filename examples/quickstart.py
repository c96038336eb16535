"""
NormNetClassifier and MLPClassifier on three data sets
======================================================

Handwritten digits, breast cancer, and a made-up table of customers with numbers, words and
missing values. Both classifiers have their default parameters. ``MLPClassifier`` needs a pipeline
in front, since it takes scaled numbers only, and stops after 200 epochs even where it has not
converged. On one split of small data, a difference of one or two rows does not show which is
better. README.md has a comparison on many data sets.
"""

import warnings
from time import perf_counter

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sknormnet import NormNetClassifier


def customers(n_rows=4000, seed=0):
    """Customers of a phone company: who leaves depends on price, contract and region."""
    rng = np.random.default_rng(seed)
    months, bill = rng.integers(1, 72, n_rows), rng.lognormal(3.5, 0.5, n_rows)
    contract = rng.choice(["monthly", "yearly", "two years"], n_rows, p=[0.5, 0.3, 0.2])
    region = rng.choice([f"region {k}" for k in range(12)], n_rows)
    of_region = dict(zip(np.unique(region), rng.normal(0, 1, 12), strict=True))
    odds = 0.03 * (bill - 40) * (contract == "monthly") - 0.04 * months + 1
    odds += [of_region[x] for x in region] + 1.5 * (contract == "monthly")
    leaves = np.where(rng.random(n_rows) < 1 / (1 + np.exp(-odds)), "leaves", "stays")
    X = np.array([months, bill, contract, region], dtype=object).T
    X[rng.random(n_rows) < 0.1, 1] = np.nan
    return X, leaves


def mlp(X):
    """MLPClassifier with what it needs in front of it."""
    classifier = MLPClassifier(random_state=0)
    if X.dtype != object:
        return make_pipeline(StandardScaler(), classifier)
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    columns = [("numbers", numbers, [0, 1]), ("words", OneHotEncoder(), [2, 3])]
    return make_pipeline(ColumnTransformer(columns), classifier)


def compare(title, X, y):
    """Fit both classifiers to three quarters of the data and score them on the rest."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, stratify=y, random_state=0
    )
    heading = f"{title}: {len(y_train)} training rows, {len(y_test)} test rows"
    print(f"{heading}\n{'=' * len(heading)}\n")
    print(f"{'':20}{'accuracy':>10}{'wrong rows':>12}{'log loss':>10}{'seconds':>9}")
    models = {"MLPClassifier": mlp(X), "NormNetClassifier": NormNetClassifier(random_state=0)}
    for name, model in models.items():
        start = perf_counter()
        model.fit(X_train, y_train)
        seconds = perf_counter() - start
        n_wrong = (model.predict(X_test) != y_test).sum()
        loss = log_loss(y_test, model.predict_proba(X_test))
        accuracy = 1 - n_wrong / len(y_test)
        print(f"{name:20}{accuracy:10.4f}{n_wrong:12d}{loss:10.3f}{seconds:9.2f}")
    print()


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=ConvergenceWarning)  # of MLPClassifier
    compare("Handwritten digits", *load_digits(return_X_y=True))
    compare("Breast cancer", *load_breast_cancer(return_X_y=True))
    compare("Customers, with words and missing values", *customers())
