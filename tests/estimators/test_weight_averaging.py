"""Averages of the weights over the epochs, as a parameter of the estimators."""

import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification, make_regression

from sknormnet import NormNetClassifier, NormNetRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS = {"n_samples": 1000, "n_features": 4, "n_informative": 3, "random_state": 0}
DATA = {
    NormNetClassifier: make_classification(**ROWS, n_redundant=0, flip_y=0.2),
    NormNetRegressor: make_regression(**ROWS, noise=20),
}
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0}


def weights(kind, n_rows=1000, **settings):
    """The output weights of an estimator that is fitted to some of the rows."""
    X, y = DATA[kind]
    return kind(**SMALL | settings).fit(X[:n_rows], y[:n_rows]).coefs_[-1]


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 1 - 16 / 20),  # 20 epochs; a tenth of the rows is held out
        ({"max_iter": 40}, 1 - 16 / 40),
        ({"max_iter": 10}, 0.0),
        ({"n_rows": 900}, 0.0),
        ({"n_rows": 900, "early_stopping": True}, 1 - 16 / 20),
        ({"learning_rate": "constant"}, 0.0),
        ({"early_stopping": False}, 0.0),
    ],
)
def test_what_auto_stands_for(kind, settings, expected):
    found = weights(kind, **settings)
    assert_array_equal(found, weights(kind, **settings, weight_averaging=expected))
    other = weights(kind, **settings, weight_averaging=0.5)
    assert abs(found - other).max() > 1e-4


@pytest.mark.parametrize("kind", DATA)
def test_partial_fit_does_not_average(kind):
    X, y = DATA[kind]
    classes = {"classes": [0, 1]} if kind is NormNetClassifier else {}
    models = [kind(**SMALL, weight_averaging=x).partial_fit(X, y, **classes) for x in (0.0, 0.9)]
    assert_array_equal(*[model.partial_fit(X, y).coefs_[-1] for model in models])


@pytest.mark.parametrize("kind", DATA)
def test_lbfgs_does_not_average_and_says_so(kind):
    message = "weight_averaging=0.9 is not used by solver='lbfgs', which trains on all rows."
    with pytest.warns(UserWarning, match=message):
        found = weights(kind, solver="lbfgs", weight_averaging=0.9)
    assert_array_equal(found, weights(kind, solver="lbfgs"))
