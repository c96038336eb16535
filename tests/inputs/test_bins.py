"""The piecewise linear encoding by hand, and the columns and bin edges that are fitted."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sknormnet.inputs import BinEncoder, bins, fit_bins

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# Edges of columns 2 and 0; the first bin of column 0 has width 0 and is a step.
EDGES = np.array([[0.0, 5], [1, 5], [3, 6]])
X = np.array([[5, 7, 0.25], [5.5, 7, 2], [9, 7, -1], [4, 7, 4]])
RAMPS = [[-0.5, -1, -1, -1], [1, 1, 0, 0], [-1, 1, -1, 1], [1, -1, 1, -1]]


def encoder_of(edges=EDGES, dtype=np.float64):
    return BinEncoder(3, (2, 0), edges.astype(dtype))


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=(*shape, 3), scale=4)


# ---------------------------------------------------------------------------------- encoding


@DTYPES
@pytest.mark.parametrize("kind", [np.asarray, np.asfortranarray, sparse.csr_array])
def test_ramps_by_hand(kind, dtype):
    encoder = encoder_of(dtype=dtype)
    y = encoder.encode(kind(X.astype(dtype)))
    assert isinstance(y, np.ndarray)
    assert y.dtype == dtype
    assert y.shape == (4, encoder.n_outputs)
    assert_array_equal(y[:, :3], X.astype(dtype))
    assert_allclose(y[:, 3:], RAMPS, rtol=1e-6)


@DTYPES
def test_a_bin_of_width_0_is_a_step(dtype):
    encoder = BinEncoder(1, (0,), np.full((2, 1), 5, dtype))
    above = np.nextafter(dtype(5), dtype(6))
    x = np.array([[-1e9], [5], [above], [1e9]], dtype)
    expected = [-1, -1, 1, 1] if dtype == np.float32 else [-1, -1, -1, 1]  # narrower than 1e-12
    assert_allclose(encoder.encode(x)[:, 1], expected, atol=0.01)


def test_numbers_of_bins_and_outputs():
    encoder = encoder_of()
    assert (encoder.n_columns, encoder.n_bins, encoder.n_outputs) == (3, 2, 7)


def test_the_edges_of_each_column():
    second, none, first = encoder_of().bin_edges()
    assert none is None
    assert_array_equal(first, [0, 1, 3])
    assert_array_equal(second, [5, 5, 6])


def test_rows_may_have_axes_in_front():
    x = rows(2, 5)
    y = encoder_of().encode(x)
    assert_array_equal(y, np.stack([encoder_of().encode(each) for each in x]))


@pytest.mark.parametrize("shape", [(8,), (2, 8)])
def test_the_result_may_be_written_to_an_array(shape):
    x = rows(*shape)
    before = x.copy()
    out = np.full((*shape, 7), np.nan)
    assert encoder_of().encode(x, out) is out
    assert_array_equal(out, encoder_of().encode(x))
    assert_array_equal(x, before)


@pytest.mark.parametrize("largest", [0.0, 0.5, 3.0, 100.0])
def test_no_output_exceeds_the_bound(largest):
    x = np.clip(rows(50), -largest, largest)
    x[0] = largest
    bound = encoder_of().bound(largest)
    assert abs(encoder_of().encode(x)).max() <= bound == max(largest, 1)


def test_an_encoder_can_be_pickled():
    encoder, x = encoder_of(), rows(8)
    y = encoder.encode(x)
    again = pickle.loads(pickle.dumps(encoder))
    assert_array_equal(again.encode(x), y)
    assert again.stacking_key() == encoder.stacking_key()


# ------------------------------------------------------------------------------------- stacks


def test_each_network_of_a_stack_has_its_own_edges():
    encoders = [encoder_of(), encoder_of(2 * EDGES)]
    stacked = BinEncoder.stacked(encoders)
    assert (stacked.n_bins, stacked.n_outputs) == (2, 7)
    x = rows(2, 8)
    expected = [encoder.encode(each) for encoder, each in zip(encoders, x, strict=True)]
    assert_array_equal(stacked.encode(x), np.stack(expected))
    assert not np.array_equal(expected[0], encoders[1].encode(x[0]))


def test_networks_with_one_encoder_share_it():
    encoder = encoder_of()
    assert BinEncoder.stacked([encoder] * 3) is encoder


def test_what_the_encoders_of_a_stack_have_in_common():
    key = encoder_of().stacking_key()
    assert encoder_of(2 * EDGES).stacking_key() == key
    for other in (
        BinEncoder(4, (2, 0), EDGES),
        BinEncoder(3, (2, 1), EDGES),
        BinEncoder(3, (2, 0), EDGES[:2]),
    ):
        assert other.stacking_key() != key


# ------------------------------------------------------------------------------------ fitting

# Column 0 has the values 0 to 9, column 1 two values, column 2 four.
COLUMNS = np.array([np.arange(10), np.arange(10) % 2, np.arange(10) % 4]).T[::-1].astype(float)


@DTYPES
def test_edges_are_quantiles_of_columns_with_more_values_than_bins(dtype):
    # The quantile of order q is the smallest value with at least a fraction q of the rows.
    encoder = fit_bins(COLUMNS, 2, dtype=dtype)
    assert (encoder.n_columns, encoder.encoded) == (3, (0, 2))
    assert_array_equal(encoder.edges, [[0, 0], [4, 1], [9, 3]])
    assert encoder.edges.dtype == dtype
    assert fit_bins(COLUMNS, 3, dtype=dtype).encoded == (0, 2)
    assert fit_bins(COLUMNS, 4, dtype=dtype).encoded == (0,)


def test_edges_are_those_of_the_training_rows():
    rows = np.flatnonzero(COLUMNS[:, 0] < 4)
    encoder = fit_bins(COLUMNS, 2, rows=rows, dtype=np.float64)
    assert_array_equal(encoder.edges[:, 0], [0, 1, 3])
    assert fit_bins(COLUMNS, 4, rows=rows, dtype=np.float64) is None


def test_a_row_of_weight_2_counts_like_two_rows():
    weight = np.random.default_rng(0).integers(1, 4, 10)
    repeated = fit_bins(COLUMNS.repeat(weight, axis=0), 2, dtype=np.float64)
    weighted = fit_bins(COLUMNS, 2, weight=weight.astype(float), dtype=np.float64)
    assert_array_equal(weighted.edges, repeated.edges)


def test_weights_are_those_of_all_rows_of_X():
    weight = np.arange(10.0) ** 4
    rows = np.array([9, 8, 7, 6, 5])
    encoder = fit_bins(COLUMNS, 2, rows=rows, weight=weight, dtype=np.float64)
    by_hand = fit_bins(COLUMNS[rows], 2, weight=weight[rows], dtype=np.float64)
    assert_array_equal(encoder.edges, by_hand.edges)
    assert encoder.edges[1, 0] != fit_bins(COLUMNS[rows], 2, dtype=np.float64).edges[1, 0]


@pytest.mark.parametrize(
    ("X", "n_bins"),
    [(COLUMNS, 0), (COLUMNS, 10), (sparse.csr_array(COLUMNS), 2), (np.ones((5, 2)), 1)],
    ids=["no bins", "few values", "sparse", "constant"],
)
def test_no_encoder_if_no_column_is_encoded(X, n_bins):
    assert fit_bins(X, n_bins, dtype=np.float64) is None


@pytest.mark.parametrize("rows", [None, np.arange(1000, 2000)])
def test_edges_come_from_rows_spread_over_many(rows, monkeypatch):
    monkeypatch.setattr(bins, "MOST_ROWS", 10)
    x = np.arange(2000.0)[:, None]
    edges = fit_bins(x, 4, rows=rows, dtype=np.float64).edges[:, 0]
    used = np.linspace(*((0, 1999) if rows is None else (1000, 1999)), 10).astype(int)
    assert_array_equal(edges, used[[0, 2, 4, 7, 9]])


def test_extreme_values_are_edges():
    x = np.random.default_rng(0).normal(size=(100, 2))
    edges = fit_bins(x, 6, dtype=np.float64).edges
    assert_array_equal(edges[[0, -1]], [x.min(axis=0), x.max(axis=0)])
    assert (np.diff(edges, axis=0) >= 0).all()
