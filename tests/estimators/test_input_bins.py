"""Inputs in bins: the network that the same encoding, made by hand, would have got."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import StandardScaler, scale

from sknormnet import NormNetClassifier, NormNetRegressor
from sknormnet.estimators import prepared
from sknormnet.inspection import initialized, layer_gradients, layer_statistics

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_BINS = 5
X_RAW, Y = load_diabetes(return_X_y=True, scaled=False)  # input 1 has two values only
X = scale(X_RAW)
X_IRIS, Y_IRIS = load_iris(return_X_y=True)
UNSCALED = {"scale_inputs": None}
SMALL = {"hidden_layer_sizes": (8, 6), "max_iter": 4, "random_state": 0} | UNSCALED
SMALL |= {"input_bins": 0, "weight_decay": 1.0, "scaling_layer": False}
BINNED = SMALL | {"input_bins": N_BINS, "bin_strategy": "quantile", "input_frequencies": 0}


def knots_of(X, weight=None):
    """Quantiles: of each input, the smallest value with at least this share of the rows."""
    weight = np.ones(len(X)) if weight is None else weight
    found = []
    for x in X.T:
        order = np.argsort(x, kind="stable")
        shares = np.cumsum(weight[order]) / weight.sum()
        shares[-1] = 1
        places = [np.argmax(shares >= k / N_BINS) for k in range(N_BINS + 1)]
        found.append(x[order][places])
    return np.array(found).T


def encoded(X, knots, inputs):
    """The inputs, and for each bin a ramp of each of `inputs`."""
    ramps = [X]
    for low, high in pairwise(knots):
        for k in inputs:
            width = high[k] - low[k]
            share = (X[:, k] - low[k]) / width if width else X[:, k] > low[k]
            ramps.append(2 * np.clip(share, 0, 1)[:, None] - 1)
    return np.hstack(ramps)


def inputs_of(X):
    return [k for k, x in enumerate(X.T) if len(set(x)) > N_BINS]


def edges_of(model):
    """The edges of all columns in bins, of shape (n_bins + 1, n_columns)."""
    return np.transpose([edges for edges in model.bin_edges_ if edges is not None])


def training_rows_of(model, X, y):
    """The rows that are not held out for validation."""
    numbers = clone(model)._prepare_fit(X, y).rows.numbers
    return np.arange(len(X)) if numbers is None else numbers


@pytest.mark.parametrize(
    "settings",
    [{}, {"n_members": 2, "scale_inputs": "robust"}, {"early_stopping": True}, {"solver": "lbfgs"}],
)
def test_rows_may_be_encoded_once_or_once_an_epoch(settings, monkeypatch):
    x = X.copy()
    x[::7, 2] = np.nan
    model = NormNetRegressor(**BINNED | {"scale_inputs": "standard"} | settings)
    weight = np.random.default_rng(0).integers(0, 3, len(Y))  # rows of weight 0 are not in use
    once = model.fit(x, Y, sample_weight=weight).predict(x)
    assert model._prepare_fit(x, Y).inputs.kept.shape == (len(x), model._inputs.n_outputs)
    monkeypatch.setattr(prepared, "KEPT_INPUTS", 0)
    assert model._prepare_fit(x, Y).inputs.kept is None
    assert_array_equal(model.fit(x, Y, sample_weight=weight).predict(x), once)


KINDS = {
    "default": {},
    "ensemble": {"n_members": 3},
    "early stopping": {"early_stopping": True},
    "no batch norm": {"batchnorm": False},
    "input dropout": {"input_keep_prob": 0.8},
    "lbfgs": {"solver": "lbfgs", "keep_prob": 1.0},
    "linear": {"hidden_layer_sizes": ()},
}


@pytest.mark.parametrize("parameters", KINDS.values(), ids=list(KINDS))
def test_the_network_is_that_of_inputs_encoded_by_hand(parameters):
    model = NormNetRegressor(**BINNED | parameters).fit(X, Y)
    training = training_rows_of(model, X, Y)  # the edges are quantiles of these only
    by_hand = encoded(X, knots_of(X[training]), inputs_of(X))
    plain = NormNetRegressor(**SMALL | parameters).fit(by_hand, Y)
    assert by_hand.shape[1] == 10 + 9 * N_BINS
    for mine, theirs in zip(model.coefs_, plain.coefs_, strict=True):
        assert_allclose(mine, theirs, rtol=1e-9, atol=1e-11)
    assert_allclose(model.predict(X), plain.predict(by_hand), rtol=1e-9)
    assert model.n_features_in_ == 10


@pytest.mark.parametrize("parameters", KINDS.values(), ids=list(KINDS))
def test_bins_of_scaled_inputs_are_those_of_a_standard_scaler(parameters):
    model = NormNetRegressor(**BINNED | parameters | {"scale_inputs": "standard"})
    model.fit(X_RAW, Y)
    training = training_rows_of(model, X_RAW, Y)
    scaled = StandardScaler().fit(X_RAW[training]).transform(X_RAW)
    by_hand = encoded(scaled, knots_of(scaled[training]), inputs_of(scaled))
    plain = NormNetRegressor(**SMALL | parameters).fit(by_hand, Y)
    assert_allclose(model.predict(X_RAW), plain.predict(by_hand), rtol=1e-9)
    assert_array_equal(edges_of(model), knots_of(X_RAW[training])[:, inputs_of(X_RAW)])


def test_all_that_looks_at_rows_encodes_them():
    model = NormNetRegressor(**BINNED).fit(X, Y)
    by_hand = encoded(X, knots_of(X), inputs_of(X))
    plain = NormNetRegressor(**SMALL).fit(by_hand, Y)
    assert_allclose(model.hidden_activations(X, 0), plain.hidden_activations(by_hand, 0), atol=1e-9)
    drawn = [m.predict_samples(x, 3, random_state=0) for m, x in ((model, X), (plain, by_hand))]
    assert_allclose(*drawn, rtol=1e-9)
    for mine, theirs in zip(
        [*layer_statistics(model, X), *layer_gradients(model, X, Y)],
        [*layer_statistics(plain, by_hand), *layer_gradients(plain, by_hand, Y)],
        strict=True,
    ):
        name = "std" if hasattr(mine, "std") else "gradient_norm"
        assert getattr(mine, name) == pytest.approx(getattr(theirs, name), rel=1e-6)
    assert_allclose(
        initialized(model, X, Y).predict(X), initialized(plain, by_hand, Y).predict(by_hand)
    )


def test_weights_weigh_the_quantiles():
    weight = np.arange(len(Y)) % 4 * 1.0
    model = NormNetRegressor(**BINNED).fit(X, Y, weight)
    repeated = X.repeat(weight.astype(int), axis=0)
    knots = edges_of(model)
    assert_allclose(knots, knots_of(repeated)[:, inputs_of(X)])
    plain = NormNetRegressor(**SMALL).fit(encoded(X, knots_of(repeated), inputs_of(X)), Y, weight)
    assert_allclose(model.coefs_[0], plain.coefs_[0], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("kind", "y"), [(NormNetRegressor, Y), (NormNetClassifier, Y > 150)])
def test_trees_count_a_row_of_weight_two_like_two_rows(kind, y):
    weight = np.arange(len(Y)) % 4
    model = kind(**BINNED | {"bin_strategy": "tree"}).fit(X, y, weight)
    repeated = clone(model).fit(X.repeat(weight, axis=0), y.repeat(weight))
    assert_array_equal(edges_of(model), edges_of(repeated))
    assert (edges_of(model) != edges_of(clone(model).fit(X, y))).any()


def test_the_default_is_six_bins_by_trees_for_a_dense_x():
    settings = {"hidden_layer_sizes": (4,), "max_iter": 1}
    y = np.square(X[:, 0])  # a curve
    given = NormNetRegressor(**settings, input_bins=6, bin_strategy="tree").fit(X, y)
    model = NormNetRegressor(**settings).fit(X, y)
    assert edges_of(model).shape == (7, 9)
    assert_array_equal(edges_of(model), edges_of(given))
    model.fit(sparse.csr_array(X), Y)  # without a warning
    assert model.bin_edges_ == [None] * 10


@pytest.mark.parametrize("weight", [0.1, 7.3, 1 / 3, 0.7])
@pytest.mark.parametrize("n_rows", [60, 70, 95, 125])
def test_equal_weights_do_not_move_the_quantiles(n_rows, weight):
    model = NormNetRegressor(**BINNED | {"input_bins": 6}).fit(X[:n_rows], Y[:n_rows])
    expected = edges_of(model)
    model.fit(X[:n_rows], Y[:n_rows], np.full(n_rows, weight))
    assert_array_equal(edges_of(model), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_other_dtypes(dtype):
    data = (X_IRIS * 10).astype(dtype)
    model = NormNetClassifier(**BINNED).fit(data, Y_IRIS)
    by_hand = encoded(data.astype(float), knots_of(data.astype(float)), inputs_of(data))
    kind = np.float32 if dtype == np.float32 else np.float64
    plain = NormNetClassifier(**SMALL).fit(by_hand.astype(kind), Y_IRIS)
    assert model.coefs_[0].dtype == kind
    assert_allclose(model.predict_proba(data), plain.predict_proba(by_hand), atol=1e-4)


def test_repeated_quantiles_are_steps():
    x = np.r_[np.zeros(60), np.linspace(1, 2, 40)][:, None]
    y = (x[:, 0] > 0.5) * 1.0
    model = NormNetRegressor(**BINNED).fit(x, y)
    assert model.bin_edges_[0].tolist() == [0, 0, 0, 0, x[79, 0], 2]
    plain = NormNetRegressor(**SMALL).fit(encoded(x, knots_of(x), [0]), y)
    assert_allclose(model.coefs_[0], plain.coefs_[0], rtol=1e-9)


@pytest.mark.filterwarnings("ignore:Most values of column")  # three times as large
def test_training_goes_on_with_the_first_quantiles():
    model = NormNetRegressor(**BINNED)
    model.partial_fit(X[:100], Y[:100]).partial_fit(X[100:] * 3, Y[100:])
    knots = edges_of(model)
    assert_allclose(knots, knots_of(X[:100])[:, inputs_of(X[:100])])
    warm = NormNetRegressor(**BINNED, warm_start=True).fit(X, Y).fit(X, Y)
    by_hand = encoded(X, knots_of(X), inputs_of(X))
    plain = NormNetRegressor(**SMALL, warm_start=True).fit(by_hand, Y).fit(by_hand, Y)
    assert_allclose(warm.predict(X), plain.predict(by_hand), rtol=1e-9)


def test_nothing_to_encode():
    few = np.round(X)[:, :3] % 2
    for data in (few, sparse.csr_array(X)):
        model = NormNetRegressor(**BINNED)
        if sparse.issparse(data):
            with pytest.warns(UserWarning, match="input_bins=5 is not used, because X is sparse"):
                model.fit(data, Y)
        else:
            model.fit(data, Y)
        plain = NormNetRegressor(**SMALL).fit(data, Y)
        assert_array_equal(model.predict(data), plain.predict(data))


@pytest.mark.parametrize("n_members", [1, 2])
def test_sparse_rows_after_dense_ones(n_members):
    model = NormNetRegressor(**BINNED, n_members=n_members).fit(X, Y)
    data = sparse.csr_array(X)
    assert_allclose(model.predict(data), model.predict(X), rtol=1e-12)
    other = clone(model).fit(X, Y)
    assert_allclose(
        other.partial_fit(data, Y).predict(X), model.partial_fit(X, Y).predict(X), rtol=1e-6
    )


def test_rows_taken_for_quantiles_are_bounded(monkeypatch):
    monkeypatch.setattr("sknormnet.inputs.measures.SAMPLE_ROWS", 50)
    model = NormNetRegressor(**BINNED).fit(X, Y)
    rows = np.linspace(0, len(X) - 1, 50).astype(int)
    knots = edges_of(model)
    assert_allclose(knots, knots_of(X[rows])[:, inputs_of(X[rows])])


@pytest.mark.parametrize("bin_strategy", ["tree", "quantile"])
def test_bins_help_where_the_target_bends(bin_strategy):
    settings = {"bin_strategy": bin_strategy, "weight_decay": 1.0, "keep_prob": 0.8}
    settings |= {"hidden_layer_sizes": (32,), "random_state": 0}
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (600, 1))
    y = np.sin(20 * x[:, 0]) + rng.normal(0, 0.1, 600)
    scores = []
    for n_bins in (0, 12):
        model = NormNetRegressor(input_bins=n_bins, **settings)
        scores.append(model.fit(x[:400], y[:400]).score(x[400:], y[400:]))
    assert scores[1] > scores[0] + 0.2
