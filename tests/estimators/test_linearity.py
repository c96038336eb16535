"""Default settings where few rows show no curves."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone

from sknormnet import NormNetClassifier, NormNetRegressor, PackedGridSearchCV
from sknormnet.estimators import linearity
from sknormnet.estimators.linearity import curves

N_ROWS = 600
SMALL = {"hidden_layer_sizes": (5,), "max_iter": 1, "random_state": 0}
CAUTIOUS = {"input_keep_prob": 0.8, "input_bins": 3, "input_frequencies": 0}
CONFIDENT = {"input_keep_prob": 1.0, "input_bins": 6, "input_frequencies": 4}

rng = np.random.default_rng(0)
X = rng.normal(size=(N_ROWS, 4))
WITH_WORDS = pd.DataFrame(X, columns=[*"wxyz"]).assign(word=np.tile(["a", "b"], N_ROWS // 2))
NOISE = rng.normal(size=N_ROWS)
LINES = X @ [1.0, 2.0, 0.0, -1.0] + NOISE
CURVES = {
    "of a column": np.sin(2 * X[:, 0]) + 0.3 * NOISE,
    "of a product": X[:, 0] * X[:, 1] + 0.3 * NOISE,
}


@pytest.fixture
def not_examined(monkeypatch):
    """Let a fit fail that examines whether there are curves."""
    monkeypatch.delattr(linearity, "curves")


def assert_equal_networks(model, other):
    for found, expected in zip(model.coefs_, other.coefs_, strict=True):
        assert_array_equal(found, expected)


# ------------------------------------------------------------------- the gain, and what is noise


def gain_of_curves(X, y, weight=None):
    return curves(X, y, weight).gain


@pytest.mark.parametrize("n_targets", [1, 3])
def test_lines_have_no_gain(n_targets):
    y = LINES[:, None] + np.arange(n_targets)
    assert abs(gain_of_curves(X, y)) < 0.02


@pytest.mark.parametrize("y", CURVES.values(), ids=CURVES)
def test_curves_have_a_gain(y):
    assert 0.3 < gain_of_curves(X, y) < 1
    assert gain_of_curves(X, 1e150 * y) == pytest.approx(gain_of_curves(X, y), rel=1e-6)


def test_noise_hides_curves():
    gains = [gain_of_curves(X, CURVES["of a column"] + noise * NOISE) for noise in (0, 1, 5)]
    assert gains[0] > 2 * gains[1] > 4 * gains[2]


def test_weights_decide_which_rows_count():
    y = np.where(np.arange(N_ROWS) % 2, LINES, CURVES["of a product"])
    for first, expected in enumerate((CURVES["of a product"], LINES)):
        weight = np.where(np.arange(N_ROWS) % 2 == first, 1.0, 1e-9)
        alone = gain_of_curves(X[first::2], expected[first::2])
        assert gain_of_curves(X, y, weight) == pytest.approx(alone, abs=0.1)


@pytest.mark.parametrize("inputs", [np.full((50, 1), np.inf), np.empty((50, 0))])
def test_no_gain_without_usable_inputs(inputs):
    assert gain_of_curves(inputs, np.arange(50.0)) == 0


@pytest.mark.parametrize("value", [0, 1, 5.3, 1e9])
@pytest.mark.parametrize("weight", [None, np.random.default_rng(0).uniform(0, 1, N_ROWS)])
def test_a_constant_has_no_gain_and_is_no_noise(value, weight):
    assert curves(X, np.full(N_ROWS, 1.0 * value), weight) == (0, 1)
    assert curves(X, np.full((N_ROWS, 2), 1.0 * value), weight) == (0, 1)


@pytest.mark.parametrize("signal", [X[:, 0], X[:, 0] ** 2], ids=["line", "square"])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
def test_the_share_that_is_no_noise(signal, share):
    y = np.sqrt(share) * signal / signal.std() + np.sqrt(1 - share) * NOISE
    assert curves(X, y).explained == pytest.approx(share, abs=0.05)
    targets = np.column_stack([1 + 3 * y, -3 * y])
    assert curves(X, targets).explained == pytest.approx(share, abs=0.05)
    weight = np.repeat([1.0, 1e-9], N_ROWS // 2)
    found = curves(X, np.where(weight == 1, y, NOISE), weight).explained
    assert found == pytest.approx(curves(X[: N_ROWS // 2], y[: N_ROWS // 2]).explained, abs=0.05)


# ------------------------------------------------------------------------------------ what follows


@pytest.mark.parametrize(
    ("y", "settings"), [(LINES, CAUTIOUS), *((y, CONFIDENT) for y in CURVES.values())]
)
def test_settings_of_a_regressor(y, settings):
    one, other = (NormNetRegressor(**SMALL | given).fit(X, y) for given in ({}, settings))
    assert_equal_networks(one, other)


@pytest.mark.parametrize(("y", "keep_prob"), [(LINES, 0.8), (CURVES["of a product"], 1.0)])
def test_settings_of_a_classifier(y, keep_prob):
    y = np.where(y > 0, "up", "down")
    models = [
        NormNetClassifier(**SMALL | given).fit(X, y)
        for given in ({}, {"input_keep_prob": keep_prob})
    ]
    assert_equal_networks(*models)


@pytest.mark.parametrize(
    ("table", "flipped", "keep_prob"),
    [(X, 0.05, 0.8), (WITH_WORDS, 0.05, 0.75), (X, 0.2, 0.55), (WITH_WORDS, 0.2, 0.55)],
)
def test_a_classifier_drops_more_inputs_if_most_is_noise(table, flipped, keep_prob):
    y = (LINES > 0) ^ (np.random.default_rng(1).random(N_ROWS) < flipped)
    models = [
        NormNetClassifier(**SMALL | given).fit(table, y)
        for given in ({}, {"input_keep_prob": keep_prob})
    ]
    assert_equal_networks(*models)


@pytest.mark.parametrize("name", CAUTIOUS)
def test_what_is_set_stays(name):
    one, other = (
        NormNetRegressor(**SMALL | {name: CONFIDENT[name]} | given).fit(X, LINES)
        for given in ({}, {k: v for k, v in CAUTIOUS.items() if k != name})
    )
    assert_equal_networks(one, other)


def test_categories_and_missing_values():
    gone = X[:, 0] < -1
    table = pd.DataFrame(
        {"x": np.where(gone, np.nan, X[:, 0]), "z": np.where(X[:, 1] > 0, "a", "b")}
    )
    cautious = CAUTIOUS | {"input_keep_prob": 0.75}  # with categories
    for y, settings in ((1.0 * (X[:, 1] > 0) + NOISE, cautious), (np.cos(3 * X[:, 0]), CONFIDENT)):
        one, other = (NormNetRegressor(**SMALL | given).fit(table, y) for given in ({}, settings))
        assert_equal_networks(one, other)


def test_a_new_fit_examines_anew():
    model = NormNetRegressor(**SMALL, warm_start=True).fit(X, LINES)
    before = model.coefs_[0].shape
    model.fit(X, CURVES["of a column"])
    assert model.coefs_[0].shape == before  # the inputs are those of the first fit
    fresh = clone(model).set_params(warm_start=False).fit(X, CURVES["of a column"])
    assert fresh.coefs_[0].shape != before


@pytest.mark.parametrize(
    ("rows", "settings"),
    [
        (slice(99), {}),
        (slice(None), CAUTIOUS),
        (slice(None), {"keep_prob": 0.7, "input_bins": 3, "input_frequencies": 0}),
        (slice(None), {"solver": "lbfgs", "keep_prob": 1.0}),
        (slice(None), {"early_stopping": True}),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.usefixtures("not_examined")
def test_nothing_is_examined_in_vain(rows, settings):
    NormNetRegressor(**SMALL | settings).fit(X[rows], LINES[rows])


@pytest.mark.usefixtures("not_examined")
def test_neither_chunks_nor_many_rows_nor_sparse_ones_are_examined():
    NormNetRegressor(**SMALL).partial_fit(X, LINES)
    NormNetRegressor(**SMALL).fit(np.tile(X, (2, 1)), np.tile(LINES, 2))
    NormNetRegressor(**SMALL).fit(csr_array(X), LINES)


def test_a_packed_search_examines_each_fold_once(monkeypatch):
    seen = []

    def spy(X, y, weight):
        seen.append(len(X))
        return curves(X, y, weight)

    monkeypatch.setattr(linearity, "curves", spy)
    search = PackedGridSearchCV(
        NormNetRegressor(**SMALL), {"alpha": [0.0, 1.0, 2.0]}, cv=3, refit=False
    )
    search.fit(X, LINES)
    assert seen == [400, 400, 400]


@pytest.mark.parametrize("y", [LINES, *CURVES.values()], ids=["lines", *CURVES])
def test_repeated_rows_count_as_weights(y):
    repeated = NormNetRegressor(**SMALL).fit(np.repeat(X[:300], 3, axis=0), np.repeat(y[:300], 3))
    weighted = NormNetRegressor(**SMALL).fit(X[:300], y[:300], np.full(300, 3.0))
    assert repeated.coefs_[0].shape == weighted.coefs_[0].shape


@pytest.mark.usefixtures("not_examined")
def test_classifiers_of_few_rows_drop_inputs_anyway():
    few, y = X[:499], LINES[:499] > 0
    models = [NormNetClassifier(**SMALL | x).fit(few, y) for x in ({}, {"input_keep_prob": 0.8})]
    assert_equal_networks(*models)
