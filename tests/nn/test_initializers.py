import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import ACTIVATION, build
from scipy.stats import kurtosis

from sknormnet.nn.initializers import INITIALIZERS, VarianceScaling
from sknormnet.nn.losses import SquaredError
from sknormnet.training.batches import Samples
from sknormnet.training.objective import objective

ALL = pytest.mark.parametrize("name", INITIALIZERS)
FAN_IN, FAN_OUT = 2000, 500  # very different, so that a confusion of the two would show

# name -> variance, and whether the distribution is uniform
SCALED = {
    "he_normal": (2 / FAN_IN, False),
    "he_uniform": (2 / FAN_IN, True),
    "xavier_normal": (2 / (FAN_IN + FAN_OUT), False),
    "xavier_uniform": (2 / (FAN_IN + FAN_OUT), True),
    "lecun_normal": (1 / FAN_IN, False),
    "lecun_uniform": (1 / FAN_IN, True),
    "normal": (0.01**2, False),
}


def draw(name, fan_in=FAN_IN, fan_out=FAN_OUT, seed=0):
    return INITIALIZERS[name](fan_in, fan_out, np.random.default_rng(seed))


def test_every_entry_has_its_theory():
    assert {*SCALED, "orthogonal", "zeros"} == set(INITIALIZERS)


@pytest.mark.parametrize("name", SCALED)
def test_moments_of_a_million_draws(name):
    W = draw(name)
    variance, uniform = SCALED[name]
    # Tolerances are five standard errors of the sample mean and variance.
    assert abs(W.mean()) < 5 * np.sqrt(variance / W.size)
    excess = -1.2 if uniform else 0
    assert_allclose(W.var(), variance, rtol=5 * np.sqrt((excess + 2) / W.size))
    assert_allclose(kurtosis(W, axis=None), excess, atol=0.05)


@pytest.mark.parametrize("name", [name for name, (_, uniform) in SCALED.items() if uniform])
def test_uniform_weights_range_from_bound_to_bound(name):
    W = draw(name)
    bound = np.sqrt(3 * SCALED[name][0])
    assert 0.999 * bound < W.max() <= bound
    assert -bound <= W.min() < -0.999 * bound


@pytest.mark.parametrize(("fan_in", "fan_out"), [(30, 12), (12, 30), (20, 20), (1, 5), (5, 1)])
def test_orthogonal_weights_are_orthonormal(fan_in, fan_out):
    W = draw("orthogonal", fan_in, fan_out)
    product = W.T @ W if fan_in >= fan_out else W @ W.T
    assert_allclose(product, np.eye(min(fan_in, fan_out)), atol=1e-14)


def test_orthogonal_weights_are_uniformly_distributed():
    # Each entry of a uniformly drawn 3 x 3 matrix has mean 0 and variance 1/3. LAPACK's QR always
    # gives the diagonal the same sign, which the initializer corrects.
    rng = np.random.default_rng(0)
    W = np.array([INITIALIZERS["orthogonal"](3, 3, rng) for _ in range(4000)])
    assert_allclose(W.mean(axis=0), 0, atol=5 * np.sqrt(1 / 3 / 4000))
    assert_allclose(W.var(axis=0), 1 / 3, atol=0.03)


def test_zeros_are_zeros():
    assert_array_equal(draw("zeros", 3, 2), np.zeros((3, 2)))


@ALL
def test_weights_depend_on_the_seed_only(name):
    W = draw(name, 7, 4)
    assert W.shape == (7, 4)
    assert_array_equal(W, draw(name, 7, 4))
    if name != "zeros":
        assert (W != draw(name, 7, 4, seed=1)).all()


@ALL
def test_initializers_can_be_pickled(name):
    again = pickle.loads(pickle.dumps(INITIALIZERS[name]))
    assert again == INITIALIZERS[name]
    assert_array_equal(again(5, 3, np.random.default_rng(0)), draw(name, 5, 3))


def test_variance_scaling_with_other_settings():
    W = VarianceScaling(3, "average", "normal")(100, 300, np.random.default_rng(0))
    assert_allclose(W.var(), 3 / 200, rtol=0.05)


# ------------------------------------------------------------------- through many layers


def variance_ratio(name, activation, *, input_std, n_layers=20, width=256):
    """Variance of the last activations divided by that of the input; median of five networks."""
    f, _ = ACTIVATION[activation]
    ratios = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = a = rng.normal(scale=input_std, size=(60, width))
        for _ in range(n_layers):
            a = f(a @ INITIALIZERS[name](width, width, rng))
        ratios.append(a.var() / x.var())
    return np.median(ratios)


# The variance is over all rows and units of one network. After 20 layers of relu it varies by
# a factor of about two between networks, since it depends on the few weights of each layer that
# belong to active units. The median of several networks is more stable.
@pytest.mark.parametrize("name", ["he_normal", "he_uniform"])
def test_he_keeps_the_variance_through_relu(name):
    assert 1 / 3 < variance_ratio(name, "relu", input_std=1) < 3


# Glorot's theory holds for tanh near 0, where it is close to the identity. For inputs of variance
# 1, the curvature of tanh shrinks the variance to about 1 / (2 * n_layers).
@pytest.mark.parametrize("name", ["xavier_normal", "xavier_uniform"])
def test_xavier_keeps_the_variance_through_tanh(name):
    assert 1 / 3 < variance_ratio(name, "tanh", input_std=0.1) < 3
    assert 1 / 50 < variance_ratio(name, "tanh", input_std=1) < 1 / 30


@pytest.mark.parametrize(("activation", "input_std"), [("relu", 1), ("tanh", 0.1), ("tanh", 1)])
def test_activations_vanish_with_small_normal_weights(activation, input_std):
    assert variance_ratio("normal", activation, input_std=input_std) < 1e-20


def test_units_that_start_from_zeros_stay_equal():
    rng = np.random.default_rng(0)
    network = build(hidden=(7,), activations=("logistic",), n_outputs=1)
    network.parameters.fill(0)
    X = rng.normal(size=(20, 5))
    batch = Samples(X, X[:, :1] + 3, dtype=np.float64).whole()
    evaluate, gradient = objective(network, SquaredError(), alpha=0.1)
    for _ in range(30):
        evaluate(batch, None)
        network.parameters -= 0.1 * gradient
    hidden = network.arrays()[0]
    for array in (hidden.W, hidden.b):
        assert abs(array).max() > 0.01, "parameters did not change"
        assert_allclose(array, np.repeat(array[:, :1], 7, axis=1), rtol=1e-12)
