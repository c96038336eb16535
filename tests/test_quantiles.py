"""Weighted quantiles: equal to NumPy's on repeated rows, but robust to rounding."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sknormnet._quantiles import quantiles

RNG = np.random.default_rng(0)
ORDERS = [0, 0.1, 1 / 6, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 5 / 6, 0.9, 1]
EXACT = [Fraction(q).limit_denominator(100) for q in ORDERS]
SIZES = [1, 2, 3, 7, 10, 11, 60, 65, 70, 99, 100, 101, 120, 1000, 4096, 10_000]


def exact(values, order, weight):
    """The quantile by its definition, in exact arithmetic."""
    total, so_far = sum(map(int, weight)), 0
    for value, w in sorted(zip(values.tolist(), weight.tolist(), strict=True)):
        so_far += int(w)
        if w and so_far >= order * total:
            return value
    raise AssertionError


@pytest.mark.parametrize("n", SIZES)
def test_integer_weights_equal_repeated_rows(n):
    values, weight = RNG.normal(size=(n, 2)), RNG.integers(0, 4, n)
    weight[0] = 1
    orders = RNG.uniform(size=20)  # avoids ties, whose result depends on NumPy's rounding
    expected = np.quantile(values.repeat(weight, axis=0), orders, axis=0, method="inverted_cdf")
    assert_array_equal(quantiles(values, orders, weight), expected)


@pytest.mark.parametrize("n", [n for n in SIZES if n <= 1000])
def test_ties_are_decided_as_in_exact_arithmetic(n):
    values, weight = RNG.normal(size=n), RNG.integers(0, 4, n)
    weight[-1] = 1
    expected = [exact(values, order, weight) for order in EXACT]
    for unit in (1, 0.1, 7.3, 1 / 3, 1 / n, 0.7, 1e-300):
        assert_array_equal(quantiles(values[:, None], ORDERS, unit * weight)[:, 0], expected)


@pytest.mark.parametrize("n", SIZES)
def test_equal_weights_are_the_same_as_no_weights(n):
    values = RNG.normal(size=(n, 3))
    expected = quantiles(values, ORDERS)
    for weight in (1, 0.1, 7.3, 1 / 3, 1 / n, 0.7):
        assert_array_equal(quantiles(values, ORDERS, np.full(n, weight)), expected)


def test_the_unit_of_the_weights_does_not_matter():
    for n in range(60, 126):
        values, weight = RNG.normal(size=(n, 1)), RNG.integers(1, 10, n) / 8
        expected = quantiles(values, ORDERS, weight)
        for unit in (0.1, 7.3, 1 / 3, 1 / n, 0.7, 1e-200, 1e200):
            assert_array_equal(quantiles(values, ORDERS, unit * weight), expected)


def test_extreme_quantiles_ignore_zero_weight_rows():
    values, weight = np.array([[5.0], [1], [3], [9], [7]]), np.array([1, 0, 1e-30, 0, 1e-30])
    assert_array_equal(quantiles(values, [0, 1], weight), [[3], [7]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_shapes_and_dtype(dtype):
    values = np.arange(12).reshape(4, 3).astype(dtype)
    median = quantiles(values, 0.5)
    assert_array_equal(median, [3, 4, 5])
    assert median.dtype == dtype
    assert_array_equal(quantiles(values, (0.25, 1.0)), [[0, 1, 2], [9, 10, 11]])
