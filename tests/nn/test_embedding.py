"""Trained vectors for levels: values by hand, gradients, stacks and prediction."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from gradients import check_vjp
from numpy.testing import assert_allclose, assert_array_equal

from sknormnet.nn.activations import ACTIVATIONS
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.layers import ActivationLayer, BatchNorm, Dense, Embedding
from sknormnet.nn.network import Network

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
HE, TANH = INITIALIZERS["he_normal"], ACTIVATIONS["tanh"]
LAYER = Embedding(4, (3, 2), width=2)
N_ROWS = 7


def arrays_of(dtype=np.float64, stack_shape=()):
    shape = *stack_shape, 5, 2
    E = np.random.default_rng(0).normal(size=shape).astype(dtype)
    d_E = np.full_like(E, np.nan)
    return SimpleNamespace(E=E, d_E=d_E, dtype=np.dtype(dtype), stack_shape=stack_shape)


def rows(dtype=np.float64, seed=1, n_rows=N_ROWS):
    rng = np.random.default_rng(seed)
    levels = [rng.integers(0, size, n_rows) for size in LAYER.sizes]
    return np.column_stack([rng.normal(size=(n_rows, 2)), *levels]).astype(dtype)


def network(dtype=np.float64, seed=0):
    layers = [
        *(LAYER, Dense(LAYER.n_units, 5, HE), ActivationLayer(5, TANH)),
        *(BatchNorm(5, 1e-5), Dense(5, 2, HE)),
    ]
    return Network(layers, dtype).initialize(np.random.default_rng(seed))


@DTYPES
def test_by_hand(dtype):
    arrays = arrays_of(dtype)
    arrays.E[...] = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
    x = np.array([[0.5, -1, 2, 0], [0, 0, 0, 1], [3, 4, 2, 1]], dtype)
    expected = [[0.5, -1, 5, 6, 7, 8], [0, 0, 1, 2, 9, 10], [3, 4, 5, 6, 9, 10]]
    y, backward = LAYER.build_forward(3, arrays)(x, None, None)
    assert y.dtype == dtype
    assert_array_equal(y, expected)
    assert_array_equal(LAYER.forward_inference(x, arrays), expected)
    d_x = backward(np.arange(18.0, dtype=dtype).reshape(3, 6))
    # Level 2 of the first column is in rows 0 and 2, level 1 is in none.
    assert_array_equal(arrays.d_E, [[8, 9], [0, 0], [16, 18], [4, 5], [26, 28]])
    assert_array_equal(d_x, [[0, 1, 0, 0], [6, 7, 0, 0], [12, 13, 0, 0]])


@pytest.mark.parametrize("stack_shape", [(), (3,)])
@pytest.mark.parametrize("name", ["E", "numbers"])
def test_gradient_agrees_with_a_numeric_derivative(name, stack_shape):
    arrays = arrays_of(stack_shape=stack_shape)
    x = np.stack([rows(seed=k) for k in range(3)]) if stack_shape else rows()
    forward = LAYER.build_forward(N_ROWS, arrays)

    def function(value):
        inputs = x.copy()
        if name == "E":
            arrays.E[...] = value
        else:
            inputs[..., :2] = value
        y, backward = forward(inputs, None, None)

        def vjp(d_y):
            d_x = backward(d_y)
            return arrays.d_E if name == "E" else d_x[..., :2]

        return y.copy(), vjp

    check_vjp(function, arrays.E if name == "E" else x[..., :2])


def test_gradient_of_a_whole_network():
    net, x = network(), rows()
    gradient = np.empty_like(net.parameters)
    forward = net.build_forward(N_ROWS, gradient)

    def function(parameters):
        net.parameters[...] = parameters
        y, backward = forward(x, np.full((1, N_ROWS), 1 / N_ROWS), None)

        def vjp(d_y):
            backward(d_y)
            return gradient

        return y.copy(), vjp

    check_vjp(function, net.parameters)


def test_without_a_gradient_of_the_inputs():
    y, backward = LAYER.build_forward(N_ROWS, arrays_of(), input_gradient=False)(rows(), None, None)
    assert backward(np.ones_like(y)) is None


def test_the_last_level_starts_at_0_and_others_at_random():
    layer = Embedding(3, (1000, 500), width=4, std=0.5)
    arrays = SimpleNamespace(E=np.empty((1500, 4)))
    layer.initialize(arrays, np.random.default_rng(0))
    assert_array_equal(arrays.E[[999, 1499]], 0)
    assert_allclose(arrays.E.std(), 0.5, rtol=0.05)
    tables = layer.tables(arrays.E)
    assert [x.shape for x in tables] == [(1000, 4), (500, 4)]
    assert np.shares_memory(tables[1], arrays.E)


def test_tables_are_no_weights():
    net = network()
    assert list(net.named_parameters())[-1] != "input E"
    assert net.named_parameters()["input E"].shape == (5, 2)
    assert net.n_weights == 6 * 5 + 5 * 2


@DTYPES
def test_prediction(dtype):
    net, x = network(dtype), rows(dtype)
    net.recompute_statistics(lambda: [(x, None)], len(x))
    step_by_step = x
    for layer, arrays in net.layers_and_arrays():
        step_by_step = layer.forward_inference(step_by_step, arrays)
    predicted = net.fold().predict(x)
    assert predicted.dtype == dtype
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    assert_allclose(predicted, step_by_step, rtol=tolerance, atol=tolerance)
    assert np.abs(predicted).max() <= net.bound(np.abs(x).max())
    assert_array_equal(pickle.loads(pickle.dumps(net)).predict(x), predicted)


def test_the_bound_holds_for_large_vectors():
    net = network()
    net.named_parameters()["input E"][1] = 1e6
    assert net.bound(1.0) > 1e4 * network().bound(1.0)


def test_a_stack_trains_each_network_as_if_alone():
    networks = [network(seed=seed) for seed in range(3)]
    alone = [pickle.loads(pickle.dumps(net)) for net in networks]
    xs = [rows(seed=seed) for seed in range(3)]
    assert len({str(net.stacking_key()) for net in networks}) == 1
    stack = Network.stacked(networks)
    gradient = np.empty_like(stack.parameters)
    row_weight = np.full((1, N_ROWS), 1 / N_ROWS)
    raw, backward = stack.build_forward(N_ROWS, gradient)(np.stack(xs), row_weight[None], None)
    backward(np.ones_like(raw) * np.arange(2))
    for net, x, expected, own in zip(alone, xs, raw, gradient, strict=True):
        d = np.empty_like(net.parameters)
        single, single_backward = net.build_forward(N_ROWS, d)(x, row_weight, None)
        assert_allclose(single, expected, rtol=1e-12)
        single_backward(np.ones_like(single) * np.arange(2))
        assert_allclose(own, d, rtol=1e-8, atol=1e-12)


def test_levels_are_learned():
    """The outputs depend on the level alone, which no number tells."""
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 50, 2000)
    target = rng.normal(size=50)[levels][:, None]
    layer = Embedding(1, (52,), width=3)
    net = Network([layer, Dense(3, 1, HE)], np.float64).initialize(rng)
    gradient, x = np.empty_like(net.parameters), levels[:, None] * 1.0
    forward = net.build_forward(len(x), gradient)
    for _ in range(500):
        raw, backward = forward(x, np.full((1, len(x)), 1 / len(x)), None)
        backward((raw - target) / len(x))
        net.parameters -= 0.5 * gradient
    assert np.mean((net.predict(x) - target) ** 2) < 0.05 * target.var()
    assert_array_equal(net.arrays()[0].E[51], 0)  # the level without rows
