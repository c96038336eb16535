import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sknormnet.training import blocks
from sknormnet.training.blocks import Penalty, scratch_for
from sknormnet.training.optimizers import OPTIMIZERS, SGD, Adam, AdamW, Optimizer

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def plain_sgd(p, gradients, rates, *, momentum=0.9, nesterovs_momentum=True):
    """As scikit-learn's SGDOptimizer computes it."""
    velocity = np.zeros_like(p)
    for g, rate in zip(gradients, rates, strict=True):
        velocity = momentum * velocity - rate * g
        p = p + (momentum * velocity - rate * g if nesterovs_momentum else velocity)
    return p


def plain_adam(p, gradients, rates, *, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    """As scikit-learn's AdamOptimizer computes it."""
    m = v = np.zeros_like(p)
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        p = p - rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (np.sqrt(v) + epsilon)
    return p


def plain_nadam(p, gradients, rates, *, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    """As in Dozat (2016), with a constant momentum."""
    m = v = np.zeros_like(p)
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        ahead = beta_1 * m / (1 - beta_1 ** (t + 1)) + (1 - beta_1) * g / (1 - beta_1**t)
        p = p - rate * ahead / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
    return p


def plain_rmsprop(p, gradients, rates, *, beta_2=0.999, epsilon=1e-8):
    v = np.zeros_like(p)
    for g, rate in zip(gradients, rates, strict=True):
        v = beta_2 * v + (1 - beta_2) * g**2
        p = p - rate * g / (np.sqrt(v) + epsilon)
    return p


PLAIN = {
    "sgd": plain_sgd,
    "adam": plain_adam,
    "adamw": plain_adam,  # these tests have no weights to decay; test_decoupled_decay has
    "nadam": plain_nadam,
    "rmsprop": plain_rmsprop,
}
SETTINGS = [
    ("sgd", {}),
    ("sgd", {"nesterovs_momentum": False}),
    ("sgd", {"momentum": 0.0}),
    ("sgd", {"momentum": 0.0, "nesterovs_momentum": False}),
    ("sgd", {"momentum": 0.5}),
    ("adam", {}),
    ("adam", {"beta_1": 0.0}),
    ("adam", {"beta_2": 0.0}),
    ("adam", {"beta_1": 0.5, "beta_2": 0.7, "epsilon": 0.3}),
    ("adamw", {}),
    ("nadam", {}),
    ("nadam", {"beta_1": 0.5, "beta_2": 0.7, "epsilon": 0.3}),
    ("rmsprop", {}),
    ("rmsprop", {"beta_2": 0.7, "epsilon": 0.3}),
]


def problem(size=50, n_steps=6, dtype=np.float64, seed=0):
    """Parameters, gradients of several orders of magnitude, and a rate for each step."""
    rng = np.random.default_rng(seed)
    p = rng.normal(size=size).astype(dtype)
    sizes = 10.0 ** rng.integers(-6, 3, size)  # Adam's epsilon affects the smallest
    gradients = (rng.normal(size=(n_steps, size)) * sizes).astype(dtype)
    return p, gradients, 0.01 / np.arange(1, n_steps + 1)


def run(optimizer, p, gradients, rates):
    p = p.copy()
    state, scratch = optimizer.start(p), scratch_for(p)
    for g, rate in zip(gradients, rates, strict=True):
        optimizer.update(p, g.copy(), state, float(rate), scratch)
    return p, state


def test_every_optimizer_is_tested():
    assert set(PLAIN) == set(OPTIMIZERS)
    leaves = {*Optimizer.__subclasses__(), *Adam.__subclasses__()}
    ours = {leaf for leaf in leaves if leaf.__module__ == Optimizer.__module__}
    assert set(OPTIMIZERS.values()) == ours


@DTYPES
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_steps_follow_the_plain_formulas(name, settings, dtype):
    p, gradients, rates = problem(dtype=dtype)
    found, state = run(OPTIMIZERS[name](**settings), p, gradients, rates)
    exact = [x.astype(np.float64) for x in (p, gradients)]
    expected = PLAIN[name](*exact, rates, **settings)
    assert found.dtype == dtype
    assert {x.dtype for x in state.values() if isinstance(x, np.ndarray)} == {np.dtype(dtype)}
    # Compares the change of the parameters, with a tolerance of some rounding errors of the
    # parameters.
    eps = np.finfo(dtype).eps
    assert_allclose(
        found - p, expected - exact[0], rtol=30 * eps, atol=30 * eps * abs(expected).max()
    )
    assert abs(expected - p).min() > 0


def switched(first, then, p, gradients, rates, at=3):
    """Steps with one optimizer, then with another optimizer that adopts its state."""
    p, scratch = p.copy(), scratch_for(p)
    optimizer, state = first, first.start(p)
    for k, (g, rate) in enumerate(zip(gradients, rates, strict=True)):
        if k == at:
            state = then.adopt(state, first)
            optimizer = then
        optimizer.update(p, g.copy(), state, float(rate), scratch)
    return p


def plain_switched_adam(p, gradients, rates, before, after, at=3):
    """Adam with bias-corrected averages m and v, whose betas change before step `at`."""
    p, m, v = p.copy(), 0.0, 0.0
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        beta_1, beta_2 = before if t <= at else after
        # In a bias-corrected average, the new value has weight (1 - beta) / (1 - beta**t).
        m = m + (1 - beta_1) / (1 - beta_1**t) * (g - m)
        v = v + (1 - beta_2) / (1 - beta_2**t) * (g**2 - v)
        p = p - rate * m / (np.sqrt(v) + 1e-8 / np.sqrt(1 - beta_2**t))
    return p


@pytest.mark.parametrize("after", [(0.9, 0.999), (0.5, 0.999), (0.9, 0.7), (0.0, 0.0)])
def test_bias_corrected_averages_continue_when_betas_change(after):
    before = 0.9, 0.999
    p, gradients, rates = problem()
    found = switched(Adam(*before), Adam(*after), p, gradients, rates)
    expected = plain_switched_adam(p, gradients, rates, before, after)
    assert_allclose(found, expected, rtol=1e-12)


def test_betas_can_change_before_the_first_step():
    state = Adam().adopt(Adam().start(np.zeros(3)), Adam(beta_1=0.5))
    assert not state["m"].any()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_equal_settings_adopt_a_state_unchanged(name):
    p, gradients, rates = problem()
    optimizer = OPTIMIZERS[name]()
    straight, _ = run(optimizer, p, gradients, rates)
    assert_array_equal(switched(optimizer, OPTIMIZERS[name](), p, gradients, rates), straight)


def test_the_velocity_is_kept_when_the_momentum_changes():
    # v = -0.1, p = -0.1; then with momentum 0.5: v = 0.5 * -0.1 - 0.1 = -0.15, p = -0.25
    p = np.zeros(1)
    plain = {"nesterovs_momentum": False}
    found = switched(SGD(0.9, **plain), SGD(0.5, **plain), p, np.ones((2, 1)), [0.1, 0.1], at=1)
    assert_allclose(found, [-0.25])


def test_sgd_by_hand():
    # v = -0.1 * 1 = -0.1 and p += 0.5 * -0.1 - 0.1 = -0.15; then
    # v = 0.5 * -0.1 - 0.1 * 2 = -0.25 and p += 0.5 * -0.25 - 0.2 = -0.325
    p, state = run(SGD(momentum=0.5), np.zeros(1), np.array([[1.0], [2.0]]), [0.1, 0.1])
    assert_allclose(p, [-0.475])
    assert_allclose(state["velocity"], [-0.25])
    p, _ = run(SGD(0.5, nesterovs_momentum=False), np.zeros(1), np.array([[1.0], [2.0]]), [0.1] * 2)
    assert_allclose(p, [-0.35])


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_first_step_of_adam_has_the_size_of_the_learning_rate(size):
    p, state = run(Adam(), np.zeros(2), size * np.array([[1.0, -1.0]]), [0.01])
    assert_allclose(p, [-0.01, 0.01], rtol=1e-3)
    assert state["t"] == 1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_gradient_of_zero_changes_no_parameters(name):
    p, _, rates = problem()
    found, _ = run(OPTIMIZERS[name](), p, np.zeros((6, 50)), rates)
    assert_array_equal(found, p)


@DTYPES
@pytest.mark.parametrize("size", [31, 32, 33, 64, 100])
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_steps_in_blocks_equal_steps_on_the_whole_vector(name, settings, size, dtype, monkeypatch):
    p, gradients, rates = problem(size, dtype=dtype)
    whole, _ = run(OPTIMIZERS[name](**settings), p, gradients, rates)
    monkeypatch.setattr(blocks, "BLOCK", 32)
    in_blocks, _ = run(OPTIMIZERS[name](**settings), p, gradients, rates)
    assert_array_equal(in_blocks, whole)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_on_a_vector_longer_than_a_block(name):
    size = 2 * blocks.BLOCK + 17
    p, gradients, rates = problem(size, n_steps=3)
    found, _ = run(OPTIMIZERS[name](), p, gradients, rates)
    assert_allclose(found, PLAIN[name](p, gradients, rates), rtol=1e-12, atol=1e-12)
    # The buffer of a step has the length of a block, not of the vector.
    assert scratch_for(p).size == blocks.BLOCK


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_continues_after_pickling(name):
    p, gradients, rates = problem()
    optimizer = OPTIMIZERS[name]()
    expected, _ = run(optimizer, p, gradients, rates)
    half, state = run(optimizer, p, gradients[:3], rates[:3])
    optimizer, state = pickle.loads(pickle.dumps((optimizer, state)))
    for g, rate in zip(gradients[3:], rates[3:], strict=True):
        optimizer.update(half, g.copy(), state, float(rate), scratch_for(half))
    assert_array_equal(half, expected)


@DTYPES
@pytest.mark.parametrize("size", [blocks.BLOCK, 16])
def test_decoupled_decay(size, dtype, monkeypatch):
    # The first 30 parameters are weights. Each step first shrinks them by rate * weight_decay,
    # then adds Adam's step.
    monkeypatch.setattr(blocks, "BLOCK", size)
    p, gradients, rates = problem(dtype=dtype)
    decayed, scratch = p.copy(), scratch_for(p)
    plain, expected = p.copy(), p.astype(np.float64)
    optimizer, adam = AdamW(weight_decay=2.0), Adam()
    state, plain_state = optimizer.start(p), adam.start(p)
    for g, rate in zip(gradients, rates, strict=True):
        before = plain.astype(np.float64)
        adam.update(plain, g.copy(), plain_state, float(rate), scratch)
        optimizer.update(decayed, g.copy(), state, float(rate), scratch, Penalty(0.0, 30))
        expected[:30] *= 1 - 2.0 * rate
        expected += plain - before
    assert_allclose(decayed, expected, rtol=1e3 * np.finfo(dtype).eps)
    assert_array_equal(decayed[30:], plain[30:])
    assert (decayed[:30] != plain[:30]).all()


@DTYPES
@pytest.mark.parametrize("rate", [1.0, 1.5, 2.5, np.array([[1.5], [2.5]])], ids=str)
def test_a_decay_above_1_sets_weights_to_zero(rate, dtype):
    # A weight without a gradient must neither change its sign nor grow.
    p = np.ones((2, 3), dtype) if isinstance(rate, np.ndarray) else np.ones(3, dtype)
    optimizer, penalty = AdamW(weight_decay=1.0), Penalty(None, 2)
    optimizer.update(p, np.zeros_like(p), optimizer.start(p), rate, scratch_for(p), penalty)
    assert_array_equal(p[..., :2], 0)
    assert_array_equal(p[..., 2:], 1)
    assert p.dtype == dtype


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_settings_are_frozen(name):
    optimizer = OPTIMIZERS[name]()
    with pytest.raises(FrozenInstanceError):
        optimizer.epsilon = 1
    assert optimizer == OPTIMIZERS[name]()
