import pickle
import tracemalloc

import numpy as np
import pytest
from gradients import check_vjp
from numpy.testing import assert_allclose, assert_array_equal
from reference import ACTIVATION

from sknormnet.nn.activations import ACTIVATIONS, Activation
from sknormnet.nn.initializers import INITIALIZERS

ALL = pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=list(ACTIVATIONS))
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# f(1), f(-1) and f(0) to all digits, from the definitions in 30-digit arithmetic
KNOWN = {
    "identity": (1, -1, 0),
    "logistic": (0.73105857863000488, 0.26894142136999512, 0.5),
    "tanh": (0.76159415595576489, -0.76159415595576489, 0),
    "relu": (1, 0, 0),
    "leaky_relu": (1, -0.01, 0),
    "elu": (1, -0.63212055882855768, 0),
    "selu": (1.0507009873554805, -1.1113307378125625, 0),
    "gelu": (0.84134474606854293, -0.15865525393145705, 0),
    "silu": (0.73105857863000488, -0.26894142136999512, 0),
    "softplus": (1.3132616875182228, 0.31326168751822286, 0.69314718055994531),
    "mish": (0.86509838826731035, -0.30340146137410895, 0),
}
RECOMMENDED = {
    "identity": "xavier_uniform",
    "logistic": "xavier_uniform",
    "tanh": "xavier_uniform",
    "selu": "lecun_normal",
}  # and he_normal for all others
# Of the two sides' slopes at a kink, which one a unit has that sits exactly on it
SLOPE_AT_0 = {"relu": 0, "leaky_relu": 0.01, "elu": 1, "selu": 1.7580993408473766}


def apply(activation, z):
    y = activation.function(z, np.empty_like(z))
    return y, activation.derivative(z, y, np.empty_like(z))


def grid(dtype):
    """Points of all sizes and both signs; 0 itself, where some have a kink, is left out."""
    sizes = np.concatenate([np.logspace(-6, 6, 73), np.linspace(0.1, 40, 100)])
    return np.stack([-sizes, sizes]).astype(dtype)


def test_every_entry_has_its_known_values():
    assert set(KNOWN) == set(ACTIVATION) == set(ACTIVATIONS)


@ALL
def test_values_known_at_a_point(activation):
    y, _ = apply(activation, np.array([[1.0, -1.0, 0.0]]))
    assert_allclose(y, [KNOWN[activation.name]], rtol=1e-15, atol=1e-16)


@DTYPES
@ALL
def test_value_and_derivative_follow_the_formulas_at_all_sizes(activation, dtype):
    # Warnings are errors here, so that an overflow on the way would show.
    z = grid(dtype)
    y, slope = apply(activation, z)
    f, f_slope = ACTIVATION[activation.name]
    exact = z.astype(np.float64)
    eps = np.finfo(dtype).eps
    assert_allclose(y, f(exact), rtol=8 * eps, atol=8 * eps)
    assert_allclose(slope, f_slope(exact), rtol=8 * eps, atol=8 * eps)


@ALL
def test_derivative_is_the_values(activation):
    z = np.random.default_rng(0).uniform(0.1, 3, size=(6, 5))
    z[::2] *= -1  # away from the kinks at 0

    def function(z):
        y, slope = apply(activation, z)
        return y, lambda d_y: d_y * slope

    check_vjp(function, z)


@ALL
def test_slope_at_zero(activation):
    _, slope = apply(activation, np.zeros((1, 1)))
    expected = SLOPE_AT_0.get(activation.name, ACTIVATION[activation.name][1](np.zeros(1)))
    assert_allclose(slope, [np.ravel(expected)], rtol=1e-15)


@DTYPES
@ALL
def test_results_are_written_into_out_in_its_dtype(activation, dtype):
    z = np.linspace(-3, 3, 12, dtype=dtype).reshape(3, 4)
    before = z.copy()
    y, slope = np.empty_like(z), np.empty_like(z)
    assert activation.function(z, y) is y
    kept = y.copy()
    assert activation.derivative(z, y, slope) is slope
    assert y.dtype == slope.dtype == dtype
    assert_array_equal(z, before)
    assert_array_equal(y, kept)


@ALL
def test_float32_is_worked_on_in_float32(activation):
    # A constant of another dtype would double the size of the arrays on the way.
    peaks = []
    for dtype in (np.float32, np.float64):
        z = np.linspace(-3, 3, 100_000, dtype=dtype)
        y, slope = np.empty((2, *z.shape), dtype)
        activation.function(z, y)  # what it keeps, it has from here on
        tracemalloc.start()
        activation.function(z, y)
        activation.derivative(z, y, slope)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # NumPy casts in pieces, for the comparison in relu's derivative.
    assert peaks[0] <= 0.6 * peaks[1] + 100_000


@DTYPES
@ALL
def test_out_may_be_the_input(activation, dtype):
    z = np.linspace(-3, 3, 12, dtype=dtype).reshape(3, 4)
    y = activation.function(z, np.empty_like(z))
    assert_array_equal(activation.function(z, z), y)
    assert_array_equal(z, y)


@ALL
def test_leading_axes_are_free(activation):
    z = np.linspace(-3, 3, 24).reshape(2, 3, 4)
    for whole, part in zip(apply(activation, z), apply(activation, z[1]), strict=True):
        assert_array_equal(whole[1], part)


@ALL
def test_nan_stays_nan(activation):
    # A diverging network must be noticed, not clipped to zeros.
    with np.errstate(invalid="ignore"):  # NumPy's logaddexp warns of it
        y = activation.function(np.array([[np.nan, 1.0]]), np.empty((1, 2)))
    assert_array_equal(np.isnan(y), [[True, False]])


@ALL
def test_pickles(activation):
    assert pickle.loads(pickle.dumps(activation)) == activation


@ALL
def test_recommended_initialiser(activation):
    assert activation.init in INITIALIZERS
    assert activation.init == RECOMMENDED.get(activation.name, "he_normal")


def test_names_are_the_keys():
    assert list(ACTIVATIONS) == [activation.name for activation in ACTIVATIONS.values()]


def test_an_activation_of_ones_own():
    mine = Activation("double", np.add, np.subtract)
    assert mine.init == "he_normal"
    assert repr(mine) == "Activation(name='double', init='he_normal')"
    with pytest.raises(AttributeError):
        mine.name = "other"
