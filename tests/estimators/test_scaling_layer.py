"""The first layer's trained factor of each input."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from sknormnet import NormNetClassifier, NormNetRegressor
from sknormnet.inspection import initialized
from sknormnet.nn.layers import ScaledDense

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = scale(X)
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}
LINEAR = {"hidden_layer_sizes": (), "scale_inputs": None, "input_bins": 0}


def factors_of(model):
    """The factors of the inputs, or None without a scaling layer."""
    layers = model._networks[0].layers_and_arrays()
    return next((6 * a.scale.ravel() for x, a in layers if isinstance(x, ScaledDense)), None)


@pytest.mark.parametrize(
    ("settings", "kind", "expected"),
    [
        ({}, np.asarray, True),
        ({"input_bins": 3}, np.asarray, True),
        ({"input_bins": 0}, np.asarray, False),
        ({"input_bins": 0, "scaling_layer": True}, np.asarray, True),
        ({"scaling_layer": False}, np.asarray, False),
        ({"solver": "rmsprop"}, np.asarray, True),
        ({"solver": "sgd"}, np.asarray, False),
        ({"solver": "sgd", "scaling_layer": True}, np.asarray, True),
        ({"solver": "lbfgs"}, np.asarray, False),
        ({"solver": "lbfgs", "scaling_layer": True}, np.asarray, True),
        ({}, sparse.csr_array, False),
        ({"scaling_layer": True}, sparse.csr_array, True),
    ],
)
def test_what_auto_stands_for(settings, kind, expected):
    model = NormNetClassifier(**SMALL | settings).fit(kind(X), Y)
    factors = factors_of(model)
    assert (factors is not None) == expected
    if expected:
        assert (abs(factors - 1) > 1e-4).all()  # they are trained


@pytest.mark.parametrize("settings", [{}, {"scaling_layer": True, "input_bins": 0}])
def test_factors_start_at_one(settings):
    with_factors = initialized(NormNetClassifier(**SMALL | settings), X, Y)
    without = initialized(NormNetClassifier(**SMALL | settings | {"scaling_layer": False}), X, Y)
    assert_allclose(factors_of(with_factors), 1)
    assert_allclose(with_factors.predict_proba(X), without.predict_proba(X), rtol=1e-12)


def test_coefs_include_the_factors():
    settings = SMALL | LINEAR | {"scaling_layer": True, "standardize_target": False}
    model = NormNetRegressor(**settings).fit(X, Y)
    (W,), (b,) = model.coefs_, model.intercepts_
    assert_allclose(model.predict(X), (X @ W + b).ravel())
    own = model._networks[0].arrays()[0].W
    assert_allclose(W, factors_of(model)[:, None] * own)
    assert abs(W - own).max() > 0.01


def test_sparse_and_dense_rows_give_the_same_network():
    settings = SMALL | {"scaling_layer": True, "scale_inputs": None, "input_bins": 0}
    dense, csr = (
        NormNetClassifier(**settings).fit(kind(X), Y) for kind in (np.asarray, sparse.csr_array)
    )
    assert_allclose(csr.predict_proba(X), dense.predict_proba(X), rtol=1e-10)


def test_inputs_that_help_get_large_factors():
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(1500, 20))
    y = np.where(columns[:, 0] + columns[:, 1] ** 2 > 1, "yes", "no")
    model = NormNetClassifier(input_bins=0, scaling_layer=True, random_state=0).fit(columns, y)
    factors = abs(factors_of(model))
    assert factors[:2].min() > 1.5 * factors[2:].max()


@pytest.mark.parametrize("first", [np.asarray, sparse.csr_array])
def test_later_calls_keep_the_layer_of_the_first(first):
    model = NormNetClassifier(**SMALL, input_bins=0, scale_inputs=None)
    model.set_params(input_bins="auto" if first is np.asarray else 0)
    model.partial_fit(first(X), Y, classes=[0, 1, 2])
    had = factors_of(model)
    model.set_params(input_bins="auto").partial_fit(X, Y).partial_fit(sparse.csr_array(X), Y)
    assert (factors_of(model) is None) == (had is None) == (first is sparse.csr_array)


@pytest.mark.parametrize("call", ["partial_fit", "fit"])
def test_the_layer_cannot_be_added_later(call):
    model = NormNetClassifier(**SMALL, scaling_layer=False, warm_start=True).fit(X, Y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="need the same hidden_layer_sizes, batchnorm, scaling_"):
        getattr(model.set_params(scaling_layer=True), call)(X, Y)
    assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("solver", ["adamw", "lbfgs"])
def test_weights_are_repeated_rows(solver):
    weight = np.arange(len(Y)) % 3
    settings = {"solver": solver, "batch_size": "auto", "keep_prob": 1.0}
    settings |= SMALL | {"scaling_layer": True, "dtype": "float64", "weight_decay": 1.0}
    weighted = NormNetClassifier(**settings).fit(X, Y, sample_weight=weight)
    repeated = NormNetClassifier(**settings).fit(np.repeat(X, weight, 0), np.repeat(Y, weight))
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-7)
