"""Fourier features of the inputs: the network that the same features, made by hand, would get."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from sknormnet import NormNetClassifier, NormNetRegressor, PackedGridSearchCV
from sknormnet.inspection import input_gradients, input_summary

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_RAW, Y = load_diabetes(return_X_y=True, scaled=False)  # input 1 has two values only
X = StandardScaler().fit_transform(X_RAW)
VARIED = [0, *range(2, 10)]
SMALL = {"hidden_layer_sizes": (8, 6), "max_iter": 4, "random_state": 0, "weight_decay": 1.0}
PLAIN = SMALL | {"scale_inputs": None, "input_bins": 0, "input_frequencies": 0}


def encoded(X, n_frequencies=3):
    """The inputs, and sines and cosines of those that vary."""
    far = np.clip(X[:, VARIED], -4, 4)
    angles = [2 * np.pi * 0.25 * 2**k * far for k in range(n_frequencies)]
    waves = [np.sin(x) for x in angles] + [np.cos(x) for x in angles]
    return np.hstack([X, *(0.1 * x for x in waves)])


@pytest.mark.parametrize("settings", [{}, {"n_members": 3}, {"solver": "lbfgs", "alpha": 1.0}])
def test_the_network_is_that_of_features_made_by_hand(settings):
    model = NormNetRegressor(**PLAIN | settings | {"input_frequencies": 3}).fit(X, Y)
    plain = NormNetRegressor(**PLAIN | settings).fit(encoded(X), Y)
    assert_allclose(model.predict(X), plain.predict(encoded(X)), rtol=1e-9)
    scaled = NormNetRegressor(**PLAIN | settings | {"input_frequencies": 3})
    scaled.set_params(scale_inputs="standard").fit(X_RAW, Y)
    assert_allclose(scaled.predict(X_RAW), plain.predict(encoded(X)), rtol=1e-7)


def test_by_default_regressors_have_four_frequencies_beside_bins():
    for kind, y, settings, n in (
        (NormNetRegressor, np.square(X[:, 0]), {}, 4),
        (NormNetRegressor, np.square(X[:, 0]), {"input_bins": 0}, 0),
        (NormNetClassifier, Y > 100, {}, 0),
        (NormNetClassifier, Y > 100, {"input_frequencies": 2}, 2),
    ):
        model = kind(**SMALL | settings).fit(X, y)
        n_bins = 0 if "input_bins" in settings else 6
        assert model.coefs_[0].shape[0] == 10 + 9 * (n_bins + 2 * n)
        words = input_summary(model)[0].becomes
        assert words.endswith(f"with {n} frequencies") == (n > 0)


def test_a_missing_value_has_neither_sine_nor_cosine():
    rows = X.copy()
    rows[::5, 3] = np.nan
    model = NormNetRegressor(**PLAIN | {"input_frequencies": 2}).fit(rows, Y)
    found = model._inputs.encode(rows)
    owner = model._inputs.numeric.owners
    waves = (np.arange(found.shape[1]) >= 10) & (owner == 3)
    assert_array_equal(found[::5][:, waves], np.eye(1, 5, 4).repeat(len(rows[::5]), axis=0))
    assert (found[1::5][:, waves][:, :4] != 0).all()


def test_derivatives_are_those_of_finite_differences():
    model = NormNetRegressor(**SMALL | {"input_bins": 3, "activation": "tanh"}).fit(X_RAW, Y)
    step = 1e-5 * X_RAW.std(axis=0)
    found = input_gradients(model, X_RAW[:40])
    for k in VARIED:
        moved = np.eye(10)[k] * step
        ends = [model.predict(X_RAW[:40] + sign * moved) for sign in (1, -1)]
        differences = (ends[0] - ends[1]) / (2 * step[k])
        # At the edges of bins, the derivative jumps.
        assert np.median(np.abs(differences / found[:, k] - 1)) < 1e-4


def test_a_sparse_X_has_none_and_says_so():
    rows = sparse.csr_array(np.where(X > 0, X, 0))
    with pytest.warns(UserWarning, match="input_frequencies=2 is not used, because X is sparse"):
        model = NormNetRegressor(**SMALL | {"input_frequencies": 2}).fit(rows, Y)
    assert model.coefs_[0].shape[0] == 10


def test_candidates_with_other_frequencies_are_searched_together():
    grid = {"input_frequencies": [0, 2, 4], "alpha": [0.0, 1.0]}
    found = PackedGridSearchCV(NormNetRegressor(**SMALL), grid, cv=3, refit=False).fit(X, Y)
    for params, score in zip(
        found.cv_results_["params"], found.cv_results_["mean_test_score"], strict=True
    ):
        alone = cross_val_score(NormNetRegressor(**SMALL | params), X, Y, cv=3)
        assert score == pytest.approx(alone.mean(), rel=1e-6)


def test_smooth_curves_of_high_frequency_are_learned():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (2000, 2))
    y = np.sin(4 * X[:, 0]) + np.cos(6 * X[:, 1])
    with_waves, without = (
        1
        - NormNetRegressor(input_frequencies=n, random_state=0)
        .fit(X[:1500], y[:1500])
        .score(X[1500:], y[1500:])
        for n in (4, 0)
    )
    assert with_waves < without / 2


def test_a_classifier_may_have_them_too():
    X, y = load_iris(return_X_y=True)
    model = NormNetClassifier(**SMALL | {"input_frequencies": 4, "max_iter": 40}).fit(X, y)
    assert model.score(X, y) > 0.95
