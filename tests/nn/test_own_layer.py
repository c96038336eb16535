"""A user-defined layer, which shows all that a new layer needs."""

import pickle
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from gradients import check_vjp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from sknormnet.nn.activations import ACTIVATIONS
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.layers import ActivationLayer, BatchNorm, Dense, Layer
from sknormnet.nn.losses import MulticlassLogLoss
from sknormnet.nn.network import Network
from sknormnet.training.batches import Samples
from sknormnet.training.objective import objective

HE, TANH = INITIALIZERS["he_normal"], ACTIVATIONS["tanh"]


@dataclass(frozen=True)
class LayerNorm(Layer):
    """``y = (x - mean) / sqrt(var + epsilon) * gain + shift``, over the units of each row."""

    n_units: int
    epsilon: float = 1e-5
    stage = "layernorm"

    @property
    def parameters(self):
        return {"gain": (1, self.n_units), "shift": (1, self.n_units)}

    def initialize(self, arrays, rng):
        arrays.gain.fill(1)
        arrays.shift.fill(0)

    def _normalize(self, x):
        centered = x - x.mean(axis=-1, keepdims=True)
        std = np.sqrt(np.square(centered).mean(axis=-1, keepdims=True) + self.epsilon)
        return centered / std, std

    def forward_inference(self, x, arrays):
        return self._normalize(x)[0] * arrays.gain + arrays.shift

    def build_forward(self, n_rows, arrays, *, input_gradient=True):
        def forward(x, row_weight, rng):
            z, std = self._normalize(x)

            def backward(d_y):
                arrays.d_gain[...] = (d_y * z).sum(axis=-2, keepdims=True)
                arrays.d_shift[...] = d_y.sum(axis=-2, keepdims=True)
                d_z = d_y * arrays.gain
                mean, along_z = (a.mean(axis=-1, keepdims=True) for a in (d_z, d_z * z))
                return (d_z - mean - z * along_z) / std

            return z * arrays.gain + arrays.shift, backward

        return forward


def build(*, dtype=np.float64, hidden=(12, 7), n_inputs=4, n_outputs=3):
    """A network with the new layer between a batch norm and the next weights."""
    layers = []
    for fan_in, n_units in pairwise([n_inputs, *hidden]):
        layers += [Dense(fan_in, n_units, HE), ActivationLayer(n_units, TANH)]
        layers += [BatchNorm(n_units, 1e-5), LayerNorm(n_units)]
    layers.append(Dense(hidden[-1], n_outputs, HE))
    return Network(layers, dtype).initialize(np.random.default_rng(0))


def train(network, X, y, n_steps=60):
    """Gradient descent on all rows, with an L2 penalty on the weights."""
    evaluate, gradient = objective(network, MulticlassLogLoss(), alpha=0.1)
    batch = Samples(X, y, dtype=network.dtype).whole()
    losses = []
    for _ in range(n_steps):
        losses.append(evaluate(batch, None))
        network.parameters -= 0.5 * gradient
    return losses


def data():
    X, y = load_iris(return_X_y=True)
    return scale(X), y


@pytest.mark.parametrize("name", ["x", "gain", "shift"])
def test_gradient_of_a_user_defined_layer(name):
    rng, layer = np.random.default_rng(0), LayerNorm(6)
    arrays = SimpleNamespace(gain=rng.normal(size=(1, 6)), shift=rng.normal(size=(1, 6)))
    arrays.d_gain, arrays.d_shift = np.empty((2, 1, 6))
    x = rng.normal(size=(5, 6))

    def function(value):
        if name != "x":
            getattr(arrays, name)[...] = value
        y, backward = layer.build_forward(5, arrays)(value if name == "x" else x, None, None)

        def vjp(d_y):
            d_x = backward(d_y)
            return d_x if name == "x" else getattr(arrays, f"d_{name}")

        return y, vjp

    check_vjp(function, x if name == "x" else getattr(arrays, name))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_with_a_user_defined_layer_trains_and_predicts(dtype):
    X, y = data()
    network = build(dtype=dtype)
    losses = train(network, X, y)
    assert losses[-1] < 0.1 * losses[0]
    network.recompute_statistics(lambda: [(X.astype(dtype), None)], len(X))
    step_by_step = X.astype(dtype)
    for layer, arrays in network.layers_and_arrays():
        step_by_step = layer.forward_inference(step_by_step, arrays)
    raw = network.fold().predict(X)
    assert_allclose(raw, step_by_step, rtol=1e-3 if dtype == np.float32 else 1e-10, atol=1e-4)
    assert np.mean(raw.argmax(axis=1) == y) > 0.95


def test_parameters_of_a_user_defined_layer_are_named_and_are_not_weights():
    network = build()
    parameters = network.named_parameters()
    assert parameters["hidden 1 gain"].shape == (1, 7)
    assert network.n_weights == sum(x.size for name, x in parameters.items() if name[-1] == "W")
    parameters["hidden 0 shift"][...] = 3
    assert_array_equal(network.arrays()[3].shift, np.full((1, 12), 3))


def test_a_network_with_a_user_defined_layer_can_be_pickled():
    X, y = data()
    network = build()
    train(network, X, y, n_steps=5)
    again = pickle.loads(pickle.dumps(network))
    assert_array_equal(again.predict(X), network.predict(X))
    assert train(again, X, y, n_steps=3) == train(network, X, y, n_steps=3)


def test_a_stack_with_a_user_defined_layer_trains_each_network_as_if_alone():
    X, _ = data()
    networks = [build().initialize(np.random.default_rng(seed)) for seed in range(3)]
    alone = [pickle.loads(pickle.dumps(network)) for network in networks]
    stack = Network.stacked(networks)
    gradient = np.empty_like(stack.parameters)
    forward = stack.build_forward(len(X), gradient)
    raw, backward = forward(np.stack([X] * 3), np.full((1, 1, len(X)), 1 / len(X)), None)
    backward(np.ones_like(raw))
    for network, expected, own in zip(alone, raw, gradient, strict=True):
        d = np.empty_like(network.parameters)
        single, single_backward = network.build_forward(len(X), d)(
            X, np.full((1, len(X)), 1 / len(X)), None
        )
        assert_allclose(single, expected, rtol=1e-12)
        single_backward(np.ones_like(single))
        assert_allclose(own, d, rtol=1e-8, atol=1e-10)
