"""Each optimizer's loop does what its NumPy calls do, to the last bit."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sknormnet.training.blocks import Penalty
from sknormnet.training.optimizers import OPTIMIZERS, SGD, Adam, AdamW, NAdam, Optimizer

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
N_PARAMETERS, N_WEIGHTS, N_STEPS = 103, 60, 20
DECAY_ONLY = Penalty(None, N_WEIGHTS)
SETTINGS = [
    SGD(),
    SGD(nesterovs_momentum=False),
    SGD(momentum=0.0),
    *(OPTIMIZERS[name]() for name in ("adam", "nadam", "rmsprop")),
    Adam(beta_1=0.5, beta_2=0.7, epsilon=0.3),
    AdamW(weight_decay=0.0),
    AdamW(weight_decay=2.0),
    AdamW(weight_decay=200.0),  # a decay above 1
]


def problem(shape, dtype):
    """Parameters, gradients of several orders of magnitude, and learning rates."""
    rng = np.random.default_rng(0)
    sizes = 10.0 ** rng.integers(-6, 3, shape)
    gradients = (rng.normal(size=(N_STEPS, *shape)) * sizes).astype(dtype)
    return (
        rng.normal(size=shape).astype(dtype),
        gradients,
        [0.02 / t for t in range(1, N_STEPS + 1)],
    )


def train(optimizer, p, gradients, rates, penalty=DECAY_ONLY, *, fused, state=None):
    """Return the parameters after some steps, and the optimizer's state."""
    p, state, gradient = p.copy(), state or optimizer.start(p), np.empty_like(p)
    update = optimizer.updater(p, gradient, state, fused=fused)
    for g, rate in zip(gradients, rates, strict=True):
        gradient[...] = g
        update(rate, penalty)
    return p, state


def assert_equal_runs(found, expected):
    assert_array_equal(found[0], expected[0])
    assert found[0].dtype == expected[0].dtype
    assert found[1].keys() == expected[1].keys()
    for name, value in expected[1].items():
        assert_array_equal(found[1][name], value)


def test_every_optimizer_has_a_loop_and_is_tested():
    assert {type(optimizer) for optimizer in SETTINGS} == set(OPTIMIZERS.values())
    assert all("loop" in vars(optimizer) for optimizer in OPTIMIZERS.values())


@DTYPES
@pytest.mark.parametrize("strength", [None, 0.0, 0.3])
@pytest.mark.parametrize("optimizer", SETTINGS, ids=str)
def test_a_network(optimizer, strength, dtype, loops):
    args = *problem((N_PARAMETERS,), dtype), Penalty(strength, N_WEIGHTS)
    expected = train(optimizer, *args, fused=False)
    assert_equal_runs(train(optimizer, *args, fused=True), expected)
    assert (expected[0] != args[0]).any()


@DTYPES
@pytest.mark.parametrize("strength", [None, np.array([[0.3], [0.0], [2.0]])], ids=["", "L2"])
@pytest.mark.parametrize(
    "optimizer",
    [
        *SETTINGS,
        SGD(momentum=np.array([[0.9], [0.0], [0.5]])),
        AdamW(weight_decay=np.array([[0.0], [2.0], [200.0]])),
    ],
    ids=str,
)
def test_a_stack(optimizer, strength, dtype, loops):
    p, gradients, rates = problem((3, N_PARAMETERS), dtype)
    rates = [rate * np.array([[1.0], [0.0], [3.0]]) for rate in rates]
    args = p, gradients, rates, Penalty(strength, N_WEIGHTS)
    expected = train(optimizer, *args, fused=False)
    assert_equal_runs(train(optimizer, *args, fused=True), expected)


@pytest.mark.parametrize("optimizer", SETTINGS, ids=str)
def test_the_same_run_twice(optimizer, loops):
    args = problem((N_PARAMETERS,), np.float32)
    assert_equal_runs(train(optimizer, *args, fused=True), train(optimizer, *args, fused=True))


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("optimizer", SETTINGS, ids=str)
def test_training_continues_with_or_without_loops(optimizer, first, loops):
    p, gradients, rates = problem((N_PARAMETERS,), np.float32)
    straight = train(optimizer, p, gradients, rates, fused=False)
    half = train(optimizer, p, gradients[:9], rates[:9], fused=first)
    half, state = pickle.loads(pickle.dumps(half))
    rest = train(optimizer, half, gradients[9:], rates[9:], fused=not first, state=state)
    assert_equal_runs(rest, straight)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("optimizer", SETTINGS, ids=str)
def test_divergence_stays_visible(optimizer, value, loops):
    p, gradients, rates = problem((N_PARAMETERS,), np.float32)
    gradients[3, [5, N_WEIGHTS + 5]] = value
    with np.errstate(all="ignore"):
        expected, _ = train(optimizer, p, gradients, rates, fused=False)
        found, _ = train(optimizer, p, gradients, rates, fused=True)
    assert_array_equal(found, expected)
    if np.isnan(value):
        assert_array_equal(np.flatnonzero(np.isnan(found)), [5, N_WEIGHTS + 5])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_subclass_keeps_its_own_step(name, loops):
    @dataclass(frozen=True)
    class Own(OPTIMIZERS[name]):
        def step(self, parameters, gradient, state, coefficients, scratch):
            parameters += 1

    p, gradients, rates = problem((N_PARAMETERS,), np.float64)
    found, _ = train(
        Own(weight_decay=0.0) if name == "adamw" else Own(), p, gradients, rates, fused=True
    )
    assert_allclose(found, p + N_STEPS)


def test_an_optimizer_without_a_loop():
    @dataclass(frozen=True)
    class Plain(Optimizer):
        def start(self, parameters):
            return {}

        def step(self, parameters, gradient, state, coefficients, scratch):
            parameters -= coefficients * gradient

    p, gradients, rates = problem((N_PARAMETERS,), np.float64)
    found, _ = train(Plain(), p, gradients, rates, fused=True)
    assert_allclose(found, p - sum(rate * g for g, rate in zip(gradients, rates, strict=True)))


def test_several_threads():
    pytest.importorskip("numba")
    args = [problem((N_PARAMETERS,), dtype) for dtype in (np.float32, np.float64)] * 8
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda own: train(NAdam(), *own, fused=True), args)
        for run, own in zip(found, args, strict=True):
            assert_equal_runs(run, train(NAdam(), *own, fused=False))
