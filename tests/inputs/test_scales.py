"""Center and scale of more rows than those of the first call."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sknormnet.inputs import fit_inputs, fit_more

RNG = np.random.default_rng(0)
X = RNG.normal([0, 1e6, -5, 0], [1, 1e-2, 1e3, 1e20], size=(300, 4))
X[::3, 0] = np.nan
SCALES = pytest.mark.parametrize("scale", ["standard", "robust"])


def in_chunks(X, *cuts, weight=None, **settings):
    first, *others = np.split(np.arange(X.shape[0]), cuts)
    encoder = fit_inputs(X, rows=first, weight=weight, **settings)
    for rows in others:
        own = None if weight is None else weight[rows]
        encoder = fit_more(encoder, X[rows], weight=own)
    return encoder


@pytest.mark.parametrize("cuts", [[150], [1, 2, 5], [10, 20, 150], [299]])
def test_chunks_have_the_mean_and_standard_deviation_of_all_rows(cuts):
    found, expected = in_chunks(X, *cuts).numeric, fit_inputs(X).numeric
    assert_allclose(found.center, expected.center, rtol=1e-10, atol=1e-10)
    assert_allclose(found.scale, expected.scale, rtol=1e-6)
    assert_allclose(found.n_seen, [[200, 300, 300, 300]])


def test_chunks_of_weighted_rows_count_by_their_number():
    weight = RNG.uniform(0.5, 2, 300)
    weight[150:] *= weight[:150].mean() / weight[150:].mean()
    found, expected = in_chunks(X, 150, weight=weight), fit_inputs(X, weight=weight)
    numbers = slice(1, None)  # without missing values, which may have another share in each half
    for name in ("center", "scale"):
        mine, other = (getattr(x.numeric, name)[0, numbers] for x in (found, expected))
        assert_allclose(mine, other, rtol=1e-6)


def test_a_sample_counts_for_all_its_rows():
    first = fit_inputs(X[:100])
    found = fit_more(first, X[100:200], n_rows=300).numeric
    expected = fit_more(first, X[100:200].repeat(3, axis=0)).numeric
    for name in ("center", "scale", "n_seen"):
        assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9)


@pytest.mark.parametrize("first", [1, 30])
def test_chunks_of_a_sparse_matrix_have_the_size_of_all_rows(first):
    S = sparse.random_array((300, 5), density=0.1, format="csr", random_state=RNG)
    S.data[::9] = np.nan
    found, expected = in_chunks(S, first, 200).numeric, fit_inputs(S).numeric
    assert_array_equal(found.center, 0)
    assert_allclose(found.scale, expected.scale, rtol=1e-12)
    # A dense chunk keeps zeros, too, so that sparse rows stay sparse.
    again = fit_more(fit_inputs(S[:first]), S[first:].toarray())
    assert_allclose(again.numeric.scale, expected.scale, rtol=1e-12)
    assert again.keeps_zeros
    # Sparse rows of a network for dense rows are centered.
    dense = fit_more(fit_inputs(S[:200].toarray()), S[200:])
    assert_allclose(dense.numeric.center, fit_inputs(S.toarray()).numeric.center)


@SCALES
@pytest.mark.parametrize("n_bins", [0, 3])
def test_the_same_rows_again_change_nothing(scale, n_bins):
    first = fit_inputs(X, scale=scale, n_bins=n_bins)
    again = fit_more(first, X)
    assert_array_equal(again.numeric.center, first.numeric.center)
    assert_array_equal(again.numeric.scale, first.numeric.scale)
    assert again.stacking_key() == first.stacking_key()


@SCALES
def test_constant_columns_stay_constant_until_they_vary(scale):
    constant = np.tile([0.1, np.nan], (5, 1))
    encoder = fit_inputs(constant, scale=scale)
    encoder = fit_more(encoder, constant[:1])
    assert_array_equal(encoder.encode(np.ones((1, 2))), [[0, 0, 0]])
    rows = RNG.normal(50, 2, size=(100, 2))
    encoder = fit_more(encoder, rows)
    z = encoder.encode(rows)[:, :2]
    assert 0.1 < z[:, 0].std() < 1.1
    assert_allclose(z[:, 1], fit_inputs(rows[:, 1:], scale=scale).encode(rows[:, 1:])[:, 0])


@SCALES
@pytest.mark.parametrize("factor", [1e3, 1e6, 1e12])
@pytest.mark.parametrize("first", [2, 100])
def test_later_rows_on_a_larger_scale_are_on_a_scale_of_about_one(first, factor, scale):
    small, large = RNG.normal(size=(first, 1)), factor * RNG.normal(3, 1, size=(100, 1))
    encoder = fit_more(fit_inputs(small, scale=scale, n_bins=2), large)
    assert np.abs(encoder.encode(large)).max() < 5


def test_without_a_scale_rows_are_not_measured():
    encoder = fit_inputs(X[:100], scale=None)
    assert fit_more(encoder, X[100:]) is encoder


def test_categories_next_to_numbers():
    rows = np.c_[RNG.integers(0, 3, 300), X[:, 0], RNG.integers(0, 50, 300), X[:, 2]]
    n_levels = [3, 0, 50, 0]
    first = fit_inputs(rows, rows=np.arange(100), n_levels=n_levels)
    encoder = fit_more(first, rows[100:])
    assert_allclose(encoder.numeric.scale, fit_inputs(X[:, [0, 2]]).numeric.scale, rtol=1e-6)
    assert encoder.categorical is first.categorical
