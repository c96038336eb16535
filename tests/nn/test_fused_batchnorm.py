"""Compiled loops change no result of a network with batch norm."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sknormnet.nn.activations import ACTIVATIONS
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.layers import BatchNorm, Dense, Layer
from sknormnet.nn.mlp import mlp
from sknormnet.nn.network import Network

N_ROWS = 12
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def three_steps(network, fused):
    """Return the outputs, gradients and running statistics of three batches."""
    rng, found = np.random.default_rng(0), []
    stack_shape, dtype = network.parameters.shape[:-1], network.dtype
    rngs = [np.random.default_rng(k) for k in range(*stack_shape)] if stack_shape else rng
    gradient = np.empty_like(network.parameters)
    forward = network.build_forward(N_ROWS, gradient, fused=fused)
    row_weight = rng.uniform(size=(*stack_shape, 1, N_ROWS)).astype(dtype)
    row_weight /= row_weight.sum(axis=-1, keepdims=True)
    for _ in range(3):
        raw, backward = forward(
            rng.normal(size=(*stack_shape, N_ROWS, 4)).astype(dtype), row_weight, rngs
        )
        found += [raw.copy()]
        backward(rng.normal(size=raw.shape).astype(dtype))
        found += [gradient.copy(), network.statistics.copy()]
    return found


def network(place, dtype, seed=0):
    settings = {"batchnorm": place, "keep_probs": [0.8, 1.0], "dtype": dtype}
    activations = [ACTIVATIONS["relu"], ACTIVATIONS["tanh"]]
    inits = [INITIALIZERS["he_normal"]] * 3
    made = mlp(4, [17, 6], 2, activations=activations, inits=inits, **settings)
    return made.initialize(np.random.default_rng(seed))


@DTYPES
@pytest.mark.parametrize("n_networks", [1, 3])
@pytest.mark.parametrize("place", ["before", "after"])
def test_fused_steps_equal_steps_in_numpy(place, n_networks, dtype, loops):
    def steps(fused):
        networks = [network(place, dtype, seed) for seed in range(n_networks)]
        return three_steps(Network.stacked(networks) if n_networks > 1 else networks[0], fused)

    for found, expected in zip(steps(True), steps(False), strict=True):
        assert_array_equal(found, expected)
        assert found.dtype == dtype


@dataclass(frozen=True)
class Reversed(Layer):
    """Reverses the units, in views that are not contiguous."""

    def forward_inference(self, x, arrays):
        return x[..., ::-1]

    def build_forward(self, n_rows, arrays, *, input_gradient=True):
        return lambda x, row_weight, rng: (x[..., ::-1], lambda d_y: d_y[..., ::-1])


@pytest.mark.parametrize("n_networks", [1, 2])
def test_neighbors_that_are_not_contiguous(n_networks, loops):
    dense = [
        Dense(fan_in, fan_out, INITIALIZERS["he_normal"]) for fan_in, fan_out in ((4, 5), (5, 2))
    ]
    layers = [dense[0], Reversed(), BatchNorm(5, 1e-5), Reversed(), dense[1]]

    def steps(fused):
        networks = [Network(layers, np.float64) for _ in range(n_networks)]
        networks = [each.initialize(np.random.default_rng(0)) for each in networks]
        return three_steps(Network.stacked(networks) if n_networks > 1 else networks[0], fused)

    for found, expected in zip(steps(True), steps(False), strict=True):
        assert_array_equal(found, expected)
