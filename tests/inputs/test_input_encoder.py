"""The encoder of the inputs: what each column becomes, fitted on training rows only."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from peak_memory import peak_of
from scipy import sparse
from sklearn.preprocessing import StandardScaler

from sknormnet.inputs import InputEncoder, fit_inputs

RNG = np.random.default_rng(0)
SCALES = ["standard", "robust", None]
EVERY_SCALE = pytest.mark.parametrize("scale", SCALES)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
N_LEVELS = [0, 2, 40, 5, 0]


def mixed(n_rows=1000, seed=0, dtype=np.float64):
    """Numbers, two levels, many levels, few levels, two of them rare, and numbers."""
    rng = np.random.default_rng(seed)
    X = rng.normal(3, 2, size=(n_rows, 5)).astype(dtype)
    X[:, 1] = rng.integers(0, 2, n_rows)
    X[:, 2] = rng.integers(0, 40, n_rows)
    X[:, 3] = rng.integers(0, 3, n_rows)
    X[:4, 3] = 3, 3, 4, 4
    X[np.ix_(rng.random(n_rows) < 0.1, [0, 2])] = np.nan
    return X


def ramps(X, edges):
    """For each bin the ramp of each column, as the formula says."""
    found = [2 * np.clip((X - a) / (b - a), 0, 1) - 1 for a, b in pairwise(edges)]
    return np.hstack(found)


# ------------------------------------------------------------------------ numeric columns


@DTYPES
def test_standard_scale_is_that_of_standard_scaler(dtype):
    X = RNG.normal([0, 5, -1e5], [1, 1e-4, 1e3], size=(300, 3)).astype(dtype)
    encoder = fit_inputs(X, dtype=dtype)
    y = encoder.encode(X)
    assert y.dtype == dtype
    tolerance = 1e-3 if dtype == np.float32 else 1e-9
    assert_allclose(y, StandardScaler().fit_transform(X), rtol=tolerance, atol=tolerance)


def test_robust_scale_by_hand():
    # Quartiles 1, 2 and 4 of five rows: 2, (7 - 2) / 3 = 5 / 3, ...
    X = np.array([[0.0], [1], [2], [4], [7]])
    z = (X - 2) / 3
    assert_allclose(fit_inputs(X, scale="robust").encode(X), z / np.sqrt(1 + (z / 3) ** 2))


def test_no_scale_and_no_bins_return_the_rows_themselves():
    X = mixed()[:, [1, 4]]
    encoder = fit_inputs(X, scale=None)
    assert encoder.is_identity
    assert encoder.encode(X) is X


@EVERY_SCALE
@DTYPES
def test_bins_are_ramps_between_weighted_quantiles(scale, dtype):
    X, weight = RNG.normal(size=(500, 3)).astype(dtype), RNG.integers(0, 4, 500)
    X[:, 1] = RNG.integers(0, 4, 500)  # not more distinct values than bins
    encoder = fit_inputs(X, weight=weight, scale=scale, n_bins=4, dtype=dtype)
    repeated = X.repeat(weight, axis=0)[:, [0, 2]]
    edges = np.quantile(repeated, np.arange(5) / 4, axis=0, method="inverted_cdf")
    assert encoder.numeric.binned == (0, 2)
    assert_array_equal(encoder.numeric.bin_edges, edges)
    y, plain = (fit.encode(X) for fit in (encoder, fit_inputs(X, weight=weight, scale=scale)))
    z = plain[:, [0, 2]]
    own_edges = [
        [z[np.argmax(x == edge), k] for edge in edges[:, k]] for k, x in enumerate(X[:, [0, 2]].T)
    ]
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    assert_allclose(y, np.hstack([plain, ramps(z, np.array(own_edges).T)]), atol=tolerance)


def test_a_bin_without_width_is_a_step():
    X = np.r_[np.zeros(60), np.linspace(1, 2, 40)][:, None]
    encoder = fit_inputs(X, n_bins=4)
    assert_array_equal(encoder.numeric.bin_edges[:, 0], [0, 0, 0, X[74, 0], 2])
    at_0, above = encoder.encode(np.array([[0.0], [1e-3]]))[:, 1:3]
    assert_array_equal(at_0, -1)
    assert_array_equal(above, 1)


@EVERY_SCALE
def test_missing_values_are_neutral_and_have_an_indicator(scale):
    X = RNG.normal(5, 2, size=(200, 3))
    X[::3, 1] = np.nan
    encoder = fit_inputs(X, scale=scale, n_bins=2)
    y = encoder.encode(X)
    assert encoder.numeric.with_missing == (1,)
    assert encoder.n_outputs == y.shape[1] == 3 + 2 * 3 + 1
    assert_array_equal(y[:, -1], np.isnan(X[:, 1]))
    assert_allclose(encoder.missing_share, [0, 67 / 200, 0])
    neutral = np.nanmean(X[:, 1]) if scale is None else 0
    assert_allclose(y[::3, 1], neutral)
    assert_array_equal(y[::3, [4, 7]], 0)  # the ramps of column 1
    # The other rows do not depend on missing values.
    without = np.delete(X, np.s_[::3], axis=0)
    assert_array_equal(encoder.encode(without), np.delete(y, np.s_[::3], axis=0))
    assert np.isfinite(y).all()


@EVERY_SCALE
def test_missing_values_that_training_rows_did_not_have(scale):
    X = RNG.normal(5, 2, size=(200, 2))
    encoder = fit_inputs(X, scale=scale)
    y = encoder.encode(np.array([[np.nan, 5.0]]))
    assert encoder.n_outputs == 2
    assert_allclose(y[0, 0], X[:, 0].mean() if scale is None else 0)


@EVERY_SCALE
@DTYPES
@pytest.mark.parametrize("n_bins", [0, 3])
def test_awkward_columns_are_harmless(scale, dtype, n_bins):
    n = 100
    tiny = np.finfo(dtype).tiny
    columns = {
        "constant": np.full(n, 0.1),
        "one row": np.r_[np.zeros(n - 1), 1],
        "outlier": np.r_[RNG.normal(size=n - 1), 1e30],
        "subnormal": np.arange(n) % 7 * (tiny / 1e3),
        "small": np.arange(n) * 1e-25,
        "large": np.arange(n) * 1e25,
        "rounding": 0.3 + np.arange(n) % 2 * 1e-17,
        "missing": np.full(n, np.nan),
    }
    X = np.column_stack(list(columns.values())).astype(dtype)
    encoder = fit_inputs(X, scale=scale, n_bins=n_bins, dtype=dtype)
    y = encoder.encode(X)
    assert np.isfinite(y).all()
    if scale is not None:
        assert np.abs(y).max() < 50
        z = dict(zip(columns, y.T[: len(columns)], strict=True))
        assert_array_equal(z["constant"], 0)
        assert_allclose(z["small"], z["large"], rtol=1e-4, atol=1e-4)
        new = encoder.encode(np.full((1, len(columns)), 1e6, dtype))
        assert new[0, 0] == 0  # a column that was constant tells nothing
        assert np.isfinite(new).all()


@pytest.mark.parametrize("scale", ["standard", "robust"])
def test_the_unit_of_a_column_does_not_matter(scale):
    X = RNG.normal(3, 1, size=(300, 4))
    factors = 10.0 ** np.array([-6, -2, 3, 6])
    encoded = [fit_inputs(x, scale=scale, n_bins=3).encode(x) for x in (X, X * factors)]
    assert_allclose(*encoded, rtol=1e-9, atol=1e-12)


def test_huge_values_do_not_change_other_rows():
    X = RNG.normal(size=(100, 2))
    encoder = fit_inputs(X, scale="robust")
    rows = np.vstack([X, [[1e200, -1e300]]])
    y = encoder.encode(rows)
    assert_array_equal(y[:-1], encoder.encode(X))
    assert_allclose(y[-1], [3, -3])


# -------------------------------------------------------------------- categorical columns


def test_few_levels_become_one_input_each():
    X = np.array([[0.0], [1], [2], [np.nan]] * 5)
    encoder = fit_inputs(X, n_levels=[3], scale=None)
    rows = np.array([[2.0], [0], [np.nan], [-1]])
    assert_array_equal(encoder.encode(rows), [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0] * 4])


def test_two_levels_become_one_input():
    X = np.array([[0.0], [1], [1], [1]] * 5)
    encoder = fit_inputs(X, n_levels=[2], scale=None)
    rows = np.array([[0.0], [1], [-1], [np.nan]])
    assert_allclose(encoder.encode(rows), [[0], [1], [0.75], [0.75]])


@pytest.mark.parametrize("scale", ["standard", "robust"])
@DTYPES
def test_with_a_scale_levels_are_centered_and_unknown_ones_are_the_mean(scale, dtype):
    X = np.array([[0, 0.0], [0, 1], [0, 2], [1, np.nan], [1, 2]] * 5, dtype)
    weight = RNG.uniform(0, 1, len(X))
    given = {"n_levels": [2, 3], "weight": weight, "dtype": dtype}
    plain, encoder = (fit_inputs(X, scale=x, **given) for x in (None, scale))
    found = encoder.encode(X)
    zero_one = plain.encode(X)
    assert_allclose(found, zero_one - np.average(zero_one, axis=0, weights=weight), atol=1e-6)
    assert_allclose(np.average(found, axis=0, weights=weight), 0, atol=1e-6)
    unknown = np.array([[-1, -1], [np.nan, 2]], dtype)
    assert_allclose(encoder.encode(unknown), [[0] * 5, [0, *found[2, 1:]]], atol=1e-7)


def test_levels_that_are_unknown_in_training_do_not_shift_the_mean():
    X = np.array([[0.0], [1], [2], [-1]] * 5)
    found = fit_inputs(X, n_levels=[3]).encode(X)
    assert_allclose(found[:4], [*(np.eye(3) - 1 / 3), [0, 0, 0]])


@EVERY_SCALE
def test_a_single_level_says_nothing(scale):
    encoder = fit_inputs(np.zeros((5, 1)), n_levels=[1], scale=scale)
    assert_array_equal(encoder.encode(np.array([[0.0], [-1], [np.nan]])), [[0], [0], [0]])


def test_rare_levels_stand_for_unknown_and_missing_ones():
    codes = np.repeat([0, 1, 2, 3, 4], [500, 300, 190, 5, 5])[:, None] * 1.0
    encoder = fit_inputs(codes, n_levels=[5], scale=None)
    rows = np.array([[0.0], [2], [3], [4], [-1], [np.nan]])
    y = encoder.encode(rows)
    assert_array_equal(y.argmax(axis=1), [0, 2, 3, 3, 3, 3])
    assert_array_equal(y.sum(axis=1), 1)
    # One rare level alone says nothing about others.
    encoder = fit_inputs(codes[:-5], n_levels=[5], scale=None)
    assert_array_equal(encoder.encode(rows[3:]), np.zeros((3, 5)))
    assert_array_equal(encoder.encode(rows[2:3]), [[0, 0, 0, 1, 0]])


def test_of_equally_rare_levels_the_last_ones_stand_for_unknown_ones():
    codes = RNG.permutation(1000)[:, None] * 1.0
    encoder = fit_inputs(codes, n_levels=[1000])
    y = encoder.encode(np.array([[0.0], [989], [990], [999], [-1], [np.nan]]))
    assert_array_equal(y[:, 0], [0, 989, 1001, 1001, 1001, 1001])


def test_many_levels_stay_numbers():
    X = mixed()
    encoder = fit_inputs(X, n_levels=N_LEVELS)
    assert encoder.embedding_sizes == (42,)
    found = encoder.encode(X)[:, -1]
    assert_array_equal(found[~np.isnan(X[:, 2])], X[~np.isnan(X[:, 2]), 2])
    assert_array_equal(found[np.isnan(X[:, 2])], 40)
    assert fit_inputs(X, n_levels=N_LEVELS, one_hot_max=41).embedding_sizes == ()


def test_levels_without_training_rows_are_unknown():
    X = np.array([[0.0], [1], [2], [3]] * 5)
    rows = np.flatnonzero(X[:, 0] < 3)
    encoder = fit_inputs(X, rows=rows, n_levels=[4], scale=None)
    assert_array_equal(encoder.encode(X[:4]), np.diag([1, 1, 1, 0]))


def test_order_of_outputs():
    X = mixed()
    encoder = fit_inputs(X, n_levels=N_LEVELS, n_bins=3, scale=None)
    y = encoder.encode(X)
    complete, complete_2 = ~np.isnan(X[:, [0, 2]]).T
    assert_array_equal(y[complete, :2], X[complete][:, [0, 4]])
    assert_array_equal(y[:, 8], ~complete)
    assert_array_equal(y[:, 9], X[:, 1])
    assert_array_equal(y[:, 10:15], np.minimum(X[:, [3]], 3) == np.arange(5))
    assert_array_equal(y[complete_2, 15], X[complete_2, 2])
    assert encoder.n_outputs == y.shape[1] == 16


# -------------------------------------------------------------------- rows, weights, memory


@EVERY_SCALE
def test_weights_are_repeated_rows(scale):
    X, weight = mixed(500), RNG.integers(0, 4, 500)
    repeated = X.repeat(weight, axis=0)
    first = fit_inputs(X, weight=weight * 0.7, n_levels=N_LEVELS, scale=scale, n_bins=4)
    second = fit_inputs(repeated, n_levels=N_LEVELS, scale=scale, n_bins=4)
    assert_allclose(first.encode(X), second.encode(X), rtol=1e-10, atol=1e-10)
    assert first.stacking_key() == second.stacking_key()
    assert_allclose(first.missing_share, second.missing_share, atol=1e-12)


@EVERY_SCALE
def test_only_training_rows_are_measured(scale):
    X, rows = mixed(500), RNG.permutation(500)[:300]
    weight = RNG.uniform(0.5, 2, 500)
    elsewhere = np.where(np.isin(np.arange(500), rows)[:, None], X, 77)
    elsewhere[:, 1:4] = X[:, 1:4]
    fits = [
        fit_inputs(data, rows=own, weight=w, n_levels=N_LEVELS, scale=scale, n_bins=4)
        for data, own, w in [
            (X, rows, weight),
            (elsewhere, rows, weight),
            (X[rows], None, weight[rows]),
        ]
    ]
    for other in fits[1:]:
        assert_array_equal(fits[0].encode(X), other.encode(X))


def test_rows_read_chunk_by_chunk(monkeypatch):
    X = mixed(500)
    whole = fit_inputs(X, n_levels=N_LEVELS, n_bins=3)
    monkeypatch.setattr("sknormnet.inputs.measures.CHUNK_ELEMENTS", 100)
    assert_allclose(fit_inputs(X, n_levels=N_LEVELS, n_bins=3).encode(X), whole.encode(X))


def test_memory_of_a_column_of_many_levels():
    codes = RNG.integers(0, 10_000, 1_000_000)[:, None] * 1.0
    assert peak_of(lambda: fit_inputs(codes, n_levels=[10_000])) < 0.45 * codes.nbytes


def test_rows_taken_for_quantiles_are_bounded(monkeypatch):
    monkeypatch.setattr("sknormnet.inputs.measures.SAMPLE_ROWS", 50)
    X = RNG.normal(size=(1000, 2))
    some = X[np.linspace(0, 999, 50).astype(int)]
    edges = np.quantile(some, np.arange(6) / 5, axis=0, method="inverted_cdf")
    assert_array_equal(fit_inputs(X, n_bins=5).numeric.bin_edges, edges)


def test_memory_is_bounded_and_a_memmap_is_read_in_place(tmp_path):
    X = np.memmap(tmp_path / "X", np.float32, "w+", shape=(200_000, 20))
    X[:] = RNG.normal(size=20)
    peak = peak_of(lambda: fit_inputs(X, n_bins=8, dtype=np.float32))
    assert peak < X.nbytes
    assert fit_inputs(X, dtype=np.float32).encode(X[:5]).shape == (5, 20)


# --------------------------------------------------------------------- prediction, stacks


@EVERY_SCALE
def test_a_scale_and_shift_for_the_first_layer(scale):
    X = RNG.normal(3, 2, size=(100, 4))
    encoder = fit_inputs(X, scale=scale)
    if scale == "robust":
        assert encoder.affine is None
        return
    factor, shift = encoder.affine
    assert_allclose(X * factor + shift, encoder.encode(X), rtol=1e-12, atol=1e-12)
    assert fit_inputs(X, scale=scale, n_bins=3).affine is None
    if scale:
        assert fit_inputs(X + 1e8).affine is None  # x * factor + shift would be inexact


@EVERY_SCALE
def test_the_bound_holds(scale):
    X = mixed()
    encoder = fit_inputs(X, n_levels=N_LEVELS, n_bins=3, scale=scale)
    largest = np.nanmax(np.abs(X[:, [0, 4]]))
    assert np.abs(encoder.encode(X)[:, :-1]).max() <= encoder.bound(largest)


@EVERY_SCALE
@DTYPES
def test_encoders_of_a_stack(scale, dtype):
    Xs = [mixed(seed=seed, dtype=dtype) for seed in range(3)]
    encoders = [fit_inputs(X, n_levels=N_LEVELS, scale=scale, n_bins=3, dtype=dtype) for X in Xs]
    assert len({encoder.stacking_key() for encoder in encoders}) == 1
    stack = InputEncoder.stacked(encoders)
    out = np.empty((3, 1000, encoders[0].n_outputs), dtype)
    assert stack.encode(np.stack(Xs), out) is out
    for encoder, X, y in zip(encoders, Xs, out, strict=True):
        assert_array_equal(y, encoder.encode(X))


def test_unknown_levels_are_the_mean_in_each_network_of_a_stack():
    Xs = RNG.integers(0, [3, 2], (4, 60, 2)) * 1.0
    stack = InputEncoder.stacked([fit_inputs(X, n_levels=[3, 2]) for X in Xs])
    y = stack.encode(Xs)
    assert_allclose(y.mean(axis=1), 0, atol=1e-12)
    assert np.abs(y[0, :, :3] - y[1, :, :3]).min() > 0  # each has its own mean
    Xs[:, ::2] = -1
    found = stack.encode(Xs)
    assert_array_equal(found[:, 1::2], y[:, 1::2])
    assert_array_equal(found[:, ::2], 0)


def test_encoders_of_other_structure_have_another_stacking_key():
    X = mixed()
    keys = {
        fit_inputs(X, **{"n_levels": N_LEVELS} | other).stacking_key()
        for other in [
            *({}, {"scale": None}, {"n_bins": 2}, {"n_bins": 3}, {"one_hot_max": 3}),
            *({"dtype": np.float32}, {"rows": np.flatnonzero(~np.isnan(X[:, 0]))}),
        ]
    }
    assert len(keys) == 7


def test_pickles_encode_the_same():
    X = mixed()
    encoder = fit_inputs(X, n_levels=N_LEVELS, n_bins=3)
    expected = encoder.encode(X)
    again = pickle.loads(pickle.dumps(encoder))
    assert_array_equal(again.encode(X), expected)
    again = pickle.loads(pickle.dumps(encoder))
    assert "_working" not in vars(again.numeric)
    assert not {"_working", "center"} & vars(again.categorical).keys()


# --------------------------------------------------------------------------------- sparse


def sparse_rows(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    X = sparse.random_array((200, 6), density=0.3, format="csr", random_state=rng, dtype=dtype)
    X.data = X.data * 1000
    X.data[[3, 20]] = np.nan
    return X


@EVERY_SCALE
@DTYPES
def test_sparse_rows_are_scaled_without_centering(scale, dtype):
    X = sparse_rows(dtype=dtype)
    encoder = fit_inputs(X, scale=scale, dtype=dtype)
    y = encoder.encode(X)
    assert sparse.issparse(y)
    assert y.dtype == dtype
    assert y.shape == (200, encoder.n_outputs)
    assert_allclose(y.toarray(), encoder.encode(X.toarray()), rtol=1e-5)
    if scale == "standard":
        dense = X.toarray().astype(np.float64)
        dense[dense == 0] = np.nan
        assert_allclose(encoder.numeric.scale[0], np.sqrt(np.nanmean(dense**2, axis=0)), rtol=1e-6)


def test_sparse_rows_without_a_scale_are_returned_themselves():
    X = sparse.csr_array(np.eye(3))
    assert fit_inputs(X, scale=None).encode(X) is X


def test_weights_of_sparse_rows_are_repeated_rows():
    X, weight = sparse_rows(), RNG.integers(0, 4, 200)
    repeated = X[np.repeat(np.arange(200), weight)]
    first, second = fit_inputs(X, weight=weight), fit_inputs(repeated)
    assert_allclose(first.numeric.scale, second.numeric.scale, rtol=1e-12)
    assert_allclose(first.missing_share, second.missing_share, rtol=1e-12)


@EVERY_SCALE
@pytest.mark.parametrize("n_bins", [0, 2])
def test_sparse_rows_with_an_encoder_of_dense_rows(n_bins, scale):
    X = sparse_rows()
    encoder = fit_inputs(X.toarray(), n_bins=n_bins, scale=scale)
    y = encoder.encode(X)  # sparse if all centers are 0
    assert_allclose(y.toarray() if sparse.issparse(y) else y, encoder.encode(X.toarray()))


def test_sparse_rows_of_a_stack():
    Xs = [sparse_rows(seed) for seed in range(2)]
    encoders = [fit_inputs(X) for X in Xs]
    with_missing = [encoder.numeric.with_missing for encoder in encoders]
    Xs = [X for X, own in zip(Xs, with_missing, strict=True) if own == with_missing[0]] * 2
    stack = InputEncoder.stacked([fit_inputs(X) for X in Xs])
    for X, y in zip(Xs, stack.encode(Xs), strict=True):
        assert_array_equal(y.toarray(), fit_inputs(X).encode(X).toarray())
