"""Bins without a scale: ramps and bin edges by hand, edges that trees place."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sknormnet.inputs import InputEncoder, fit_inputs

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# Column 0 has the values 0 to 9, column 1 two values, column 2 four.
COLUMNS = np.array([np.arange(10), np.arange(10) % 2, np.arange(10) % 4]).T[::-1].astype(float)
# With two bins, the edges of column 0 are 0, 4 and 9, those of column 2 are 0, 1 and 3.
X = np.array([[1.0, 7, 0.5], [6.5, 7, 2], [-9, 7, -1], [4, 7, 4]])
RAMPS = [[-0.5, 0, -1, -1], [1, 1, 0, 0], [-1, -1, -1, -1], [1, 1, -1, 1]]


def fitted(X=COLUMNS, n_bins=2, dtype=np.float64, **options):
    return fit_inputs(X, scale=None, n_bins=n_bins, dtype=dtype, **options)


def edges_of(encoder):
    return np.transpose([edges for edges in encoder.bin_edges() if edges is not None])


@DTYPES
@pytest.mark.parametrize("kind", [np.asarray, np.asfortranarray, sparse.csr_array])
def test_ramps_by_hand(kind, dtype):
    encoder = fitted(dtype=dtype)
    y = encoder.encode(kind(X.astype(dtype)))
    assert isinstance(y, np.ndarray)
    assert y.dtype == dtype
    assert y.shape == (4, encoder.n_outputs)
    assert_array_equal(y[:, :3], X.astype(dtype))
    assert_allclose(y[:, 3:], RAMPS, rtol=1e-6)


@DTYPES
def test_a_bin_of_width_0_is_a_step(dtype):
    encoder = fitted(np.r_[np.full(8, 5.0), 6, 7][:, None], 2, dtype)
    x = np.array([[-1e9], [5], [np.nextafter(dtype(5), dtype(6))], [1e9]], dtype)
    # Bins are not narrower than 1e-12.
    expected = [-1, -1, 1, 1] if dtype == np.float32 else [-1, -1, -1, 1]
    assert_array_equal(edges_of(encoder)[:, 0], [5, 5, 7])
    assert_allclose(encoder.encode(x)[:, 1], expected, atol=0.01)


def test_the_edges_of_each_column():
    first, none, last = fitted().bin_edges()
    assert none is None
    assert_array_equal(first, [0, 4, 9])
    assert_array_equal(last, [0, 1, 3])


@pytest.mark.parametrize("shape", [(8,), (2, 8)])
def test_the_result_may_be_written_to_an_array(shape):
    x = np.random.default_rng(0).normal(size=(*shape, 3), scale=4)
    before, out = x.copy(), np.full((*shape, 7), np.nan)
    assert fitted().encode(x, out) is out
    assert_array_equal(x, before)
    rows = x.reshape(-1, 3)
    assert_array_equal(out.reshape(-1, 7), fitted().encode(rows))


def test_networks_with_one_encoder_share_it():
    encoder = fitted()
    assert InputEncoder.stacked([encoder] * 3) is encoder


@DTYPES
def test_columns_with_more_values_than_bins_are_in_bins(dtype):
    # The quantile of order q is the smallest value with at least a fraction q of the rows.
    binned = [fitted(n_bins=n, dtype=dtype).numeric.binned for n in (1, 2, 3, 4, 10)]
    assert binned == [(0, 1, 2), (0, 2), (0, 2), (0,), ()]
    assert_array_equal(edges_of(fitted(n_bins=3, dtype=dtype)), [[0, 0], [3, 1], [6, 2], [9, 3]])


def test_edges_are_those_of_the_training_rows():
    rows = np.flatnonzero(COLUMNS[:, 0] < 4)
    assert_array_equal(edges_of(fitted(rows=rows))[:, 0], [0, 1, 3])
    assert fitted(n_bins=4, rows=rows).is_identity


def test_weights_are_those_of_all_rows_of_X():
    weight, rows = np.arange(10.0) ** 4, np.array([9, 8, 7, 6, 5])
    found = edges_of(fitted(rows=rows, weight=weight))
    assert_array_equal(found, edges_of(fitted(COLUMNS[rows], weight=weight[rows])))
    assert found[1, 0] != edges_of(fitted(COLUMNS[rows]))[1, 0]


@pytest.mark.parametrize(
    ("X", "n_bins"),
    [(COLUMNS, 0), (COLUMNS, 10), (sparse.csr_array(COLUMNS), 2), (np.ones((5, 2)), 1)],
    ids=["no bins", "few values", "sparse", "constant"],
)
def test_rows_are_their_own_encoding_if_no_column_is_in_bins(X, n_bins):
    encoder = fitted(X, n_bins)
    assert encoder.encode(X) is X
    assert encoder.bin_edges() == [None] * X.shape[1]


def test_extreme_values_are_edges():
    x = np.random.default_rng(0).normal(size=(100, 2))
    edges = edges_of(fitted(x, 6))
    assert_array_equal(edges[[0, -1]], [x.min(axis=0), x.max(axis=0)])
    assert (np.diff(edges, axis=0) >= 0).all()


# ------------------------------------------------------------------------- edges placed by trees

RNG = np.random.default_rng(0)
MANY = RNG.integers(-3000, 3000, (400, 2)) / 1024  # exact in float32, in which trees work
WAVES = np.sin(3 * MANY) + RNG.normal(0, 0.1, (400, 2))
WEIGHT = RNG.integers(1, 4, 400)
TARGETS = {
    "classes": np.digitize(WAVES[:, 0], [-0.5, 0.5]),
    "numbers": WAVES[:, :1],
    "two numbers": WAVES,
}
EVERY_TARGET = pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))


def tree_edges(X, target, n_bins=6):
    return edges_of(fitted(X, n_bins, target=target))


@EVERY_TARGET
@pytest.mark.parametrize("n_bins", [2, 6, 12])
def test_inner_edges_are_thresholds_of_a_tree_on_the_column(n_bins, target):
    kind = DecisionTreeClassifier if target.ndim == 1 else DecisionTreeRegressor
    tree = kind(max_leaf_nodes=n_bins, min_weight_fraction_leaf=8 / 400, random_state=0)
    for x, edges in zip(MANY.T, tree_edges(MANY, target, n_bins).T, strict=True):
        found = tree.fit(x[:, None], target).tree_
        thresholds = found.threshold[found.feature >= 0]
        assert_array_equal(edges, [x.min(), *np.sort(thresholds), x.max()])


@pytest.mark.parametrize("n_tail", [7, 8, 15])
@pytest.mark.parametrize("n_targets", [0, 1, 2])
def test_a_step_in_the_tail_gets_an_edge_if_eight_rows_are_beyond(n_targets, n_tail):
    x = np.arange(1000.0)
    step = (x >= 1000 - n_tail).astype(int)
    target = np.stack([0 * step, step][-n_targets:], axis=1) if n_targets else step
    edges = tree_edges(x[:, None], target)[:, 0]
    assert (1000 - n_tail - 0.5 in edges) == (n_tail >= 8)


@EVERY_TARGET
@pytest.mark.parametrize("unit", [1, 0.7, 1e-200])
def test_trees_count_weights_as_repeated_rows(unit, target):
    repeated = tree_edges(MANY.repeat(WEIGHT, axis=0), target.repeat(WEIGHT, axis=0))
    weighted = edges_of(fitted(MANY, 6, target=target, weight=unit * WEIGHT))
    assert_array_equal(weighted, repeated)
    assert (weighted != tree_edges(MANY, target)).any()


@EVERY_TARGET
@pytest.mark.parametrize("exponent", [-200, -6, 3, 50, 200])  # most beyond the range of float32
def test_the_unit_of_a_column_moves_no_edge(exponent, target):
    edges = tree_edges(MANY * 10.0**exponent, target) / 10.0**exponent
    assert_allclose(edges, tree_edges(MANY, target), rtol=1e-12)


def test_where_a_tree_has_too_few_leaves_edges_are_spread_over_the_values():
    x = np.arange(100.0)[:, None]
    edges = tree_edges(x, np.zeros(100, int), 4)[:, 0]
    assert_array_equal(edges, [0, 24.5, 49.5, 74.5, 99])
    edges = tree_edges(x, (x[:, 0] > 30).astype(int), 4)[:, 0]
    assert_array_equal(edges, [0, 30.5, 33.5, 65.5, 99])


def test_no_edge_is_at_a_value_but_the_first_and_the_last():
    # So that rows in another precision are on the same side of each edge.
    for n in (3, 5, 40):
        x = np.random.default_rng(n).integers(0, n, (300, 1)) / 10
        edges = tree_edges(x, (x[:, 0] > 0.1).astype(int), 6)[1:-1, 0]
        assert not np.isin(edges, x).any()


@EVERY_TARGET
def test_trees_leave_missing_values_out(target):
    X = MANY.copy()
    X[::7, 0] = np.nan
    present = np.arange(400) % 7 > 0
    edges = tree_edges(X, target)
    assert_array_equal(edges[:, :1], tree_edges(MANY[present, :1], target[present]))
    assert_array_equal(edges[:, 1:], tree_edges(MANY[:, 1:], target))


@EVERY_TARGET
def test_trees_see_the_training_rows_only(target):
    rows = np.arange(0, 400, 2)
    edges = edges_of(fitted(MANY, 6, rows=rows, target=target))
    assert_array_equal(edges, tree_edges(MANY[rows], target[rows]))


def test_with_a_target_columns_of_few_values_are_in_bins_too():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, n, 200) for n in (1, 2, 3, 9)]).astype(float)
    target = (X[:, 2] == 1).astype(int)
    assert fitted(X, n_bins=6, target=target).numeric.binned == (2, 3)
    assert fitted(X, n_bins=6).numeric.binned == (3,)
    edges = fitted(X, n_bins=2, target=target).bin_edges()[2]
    assert edges[0] == 0
    assert edges[1] in (0.5, 1.5)
    assert edges[2] == 2
