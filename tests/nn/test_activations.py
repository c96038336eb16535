import pickle

import numpy as np
import pytest
from gradients import check_vjp
from numpy.testing import assert_allclose, assert_array_equal
from peak_memory import peak_of
from reference import ACTIVATION

from sknormnet.nn.activations import ACTIVATIONS, Activation
from sknormnet.nn.initializers import INITIALIZERS

ALL = pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=list(ACTIVATIONS))
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# f(1), f(-1) and f(0) from the definitions, computed with 30 digits
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
}  # he_normal for all others
# Derivative at 0 of the activations with a kink there: that of one of its two sides
SLOPE_AT_0 = {"relu": 0, "leaky_relu": 0.01, "elu": 1, "selu": 1.7580993408473766}


def apply(activation, z):
    y = activation.function(z, np.empty_like(z))
    return y, activation.derivative(z, y, np.empty_like(z))


def grid(dtype):
    """Points of all sizes and both signs, without 0, where some activations have a kink."""
    sizes = np.concatenate([np.logspace(-6, 6, 73), np.linspace(0.1, 40, 100)])
    return np.stack([-sizes, sizes]).astype(dtype)


def test_every_activation_has_known_values():
    assert set(KNOWN) == set(ACTIVATION) == set(ACTIVATIONS)


@ALL
def test_known_values(activation):
    y, _ = apply(activation, np.array([[1.0, -1.0, 0.0]]))
    assert_allclose(y, [KNOWN[activation.name]], rtol=1e-15, atol=1e-16)


@DTYPES
@ALL
def test_value_and_derivative_follow_the_formulas(activation, dtype):
    # Warnings are errors, so an overflow in an intermediate result would fail the test.
    z = grid(dtype)
    y, slope = apply(activation, z)
    f, f_slope = ACTIVATION[activation.name]
    exact = z.astype(np.float64)
    eps = np.finfo(dtype).eps
    assert_allclose(y, f(exact), rtol=8 * eps, atol=8 * eps)
    assert_allclose(slope, f_slope(exact), rtol=8 * eps, atol=8 * eps)


@ALL
def test_derivative_agrees_with_a_numeric_derivative(activation):
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
def test_results_are_written_to_out_in_its_dtype(activation, dtype):
    z = np.linspace(-3, 3, 12, dtype=dtype).reshape(3, 4)
    before = z.copy()
    y, slope = np.empty_like(z), np.empty_like(z)
    assert activation.function(z, y) is y
    y_before = y.copy()
    assert activation.derivative(z, y, slope) is slope
    assert y.dtype == slope.dtype == dtype
    assert_array_equal(z, before)
    assert_array_equal(y, y_before)


@ALL
def test_float32_needs_no_float64_arrays(activation):
    # A float64 constant would double the size of the temporary arrays.
    peaks = []
    for dtype in (np.float32, np.float64):
        z = np.linspace(-3, 3, 100_000, dtype=dtype)
        y, slope = np.empty((2, *z.shape), dtype)
        activation.function(z, y)  # fills the cache of zeros, which is not to be measured

        def forward_and_backward(z=z, y=y, slope=slope):
            activation.function(z, y)
            activation.derivative(z, y, slope)

        peaks.append(peak_of(forward_and_backward))
    # The constant allows for NumPy's cast buffers in the comparison of relu's derivative.
    assert peaks[0] <= 0.6 * peaks[1] + 100_000


@DTYPES
@ALL
def test_out_may_be_the_input(activation, dtype):
    z = np.linspace(-3, 3, 12, dtype=dtype).reshape(3, 4)
    y = activation.function(z, np.empty_like(z))
    assert_array_equal(activation.function(z, z), y)
    assert_array_equal(z, y)


@ALL
def test_leading_axes_are_allowed(activation):
    z = np.linspace(-3, 3, 24).reshape(2, 3, 4)
    for stack, single in zip(apply(activation, z), apply(activation, z[1]), strict=True):
        assert_array_equal(stack[1], single)


@ALL
def test_nan_stays_nan(activation):
    # NaN in a diverging network must not become 0, which would hide the divergence.
    with np.errstate(invalid="ignore"):  # NumPy's logaddexp warns of NaN
        y = activation.function(np.array([[np.nan, 1.0]]), np.empty((1, 2)))
    assert_array_equal(np.isnan(y), [[True, False]])


@ALL
def test_activations_can_be_pickled(activation):
    assert pickle.loads(pickle.dumps(activation)) == activation


@ALL
def test_recommended_initializer(activation):
    assert activation.init in INITIALIZERS
    assert activation.init == RECOMMENDED.get(activation.name, "he_normal")


def test_keys_of_the_table_are_the_names():
    assert list(ACTIVATIONS) == [activation.name for activation in ACTIVATIONS.values()]


def test_a_user_defined_activation():
    activation = Activation("double", np.add, np.subtract)
    assert activation.init == "he_normal"
    assert repr(activation) == "Activation(name='double', init='he_normal')"
    with pytest.raises(AttributeError):
        activation.name = "other"
