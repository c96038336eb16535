"""Without a hidden layer, and trained to the end, the networks are scikit-learn's linear models."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from plain import plain_classifier, plain_regressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.preprocessing import scale

# tol is on the gradient, far below what can be reached: L-BFGS ends when the loss stands still.
TO_THE_END = {
    "hidden_layer_sizes": (),
    "solver": "lbfgs",
    "tol": 1e-12,
    "max_iter": 10_000,
    "max_fun": 100_000,
    "random_state": 0,
}


def weights_of(y):
    return np.random.RandomState(0).uniform(0.2, 3, len(y))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("C", [0.1, 1.0])
@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
def test_logistic_regression(load, C, weighted):
    X, y = load(return_X_y=True)
    X, sample_weight = scale(X), weights_of(y) if weighted else None
    linear = LogisticRegression(C=C, tol=1e-10, max_iter=10_000).fit(X, y, sample_weight)
    net = plain_classifier(alpha=1 / C, **TO_THE_END).fit(X, y, sample_weight)
    assert_allclose(net.coefs_[0].T, linear.coef_, rtol=0, atol=1e-3)
    assert_allclose(net.predict_proba(X), linear.predict_proba(X), rtol=0, atol=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0, 1.0, 100.0])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_ridge(n_outputs, alpha, weighted):
    X, y = load_diabetes(return_X_y=True)
    X, y, sample_weight = scale(X), y / 50, weights_of(y) if weighted else None
    if n_outputs == 2:
        y = np.c_[y, np.sin(y)]
    linear = Ridge(alpha=alpha).fit(X, y, sample_weight)
    net = plain_regressor(alpha=alpha, **TO_THE_END).fit(X, y, sample_weight)
    assert net.predict(X).shape == y.shape
    assert_allclose(net.predict(X), linear.predict(X), rtol=0, atol=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0, 0.1])
def test_poisson_regressor(alpha, weighted):
    X, y = load_diabetes(return_X_y=True)
    X, y, sample_weight = scale(X), y // 50, weights_of(y) if weighted else None
    linear = PoissonRegressor(alpha=alpha, tol=1e-8, max_iter=10_000).fit(X, y, sample_weight)
    # PoissonRegressor's alpha stands next to a mean, ours is divided by the weight of all rows.
    total = len(y) if sample_weight is None else sample_weight.sum()
    net = plain_regressor(loss="poisson", alpha=alpha * total, **TO_THE_END)
    net.fit(X, y, sample_weight)
    assert_allclose(net.predict(X), linear.predict(X), rtol=1e-3)
    assert_allclose(net.coefs_[0].ravel(), linear.coef_, rtol=0, atol=1e-3)
