import pickle
from itertools import pairwise

import pytest
from numpy.testing import assert_allclose

from sknormnet.training.schedules import (
    SCHEDULES,
    Adaptive,
    Constant,
    Cosine,
    Custom,
    InverseScaling,
    OneCycle,
    Schedule,
    WarmUp,
    stream_factor,
)


def test_the_table_contains_all_schedules():
    classes = Schedule.__subclasses__()
    ours = {x for x in classes if x.__module__ == Schedule.__module__}
    assert {*SCHEDULES.values(), Custom} == ours


@pytest.mark.parametrize(
    ("schedule", "samples", "stalls", "factor"),
    [
        (Constant(), 0, 0, 1),
        (Constant(), 10_000, 3, 1),
        (InverseScaling(), 0, 0, 1),
        (InverseScaling(), 3, 0, 1 / 2),
        (InverseScaling(), 9999, 5, 1 / 100),
        (InverseScaling(power_t=1.0), 3, 0, 1 / 4),
        (InverseScaling(power_t=0.0), 3, 0, 1),
        (Adaptive(), 0, 0, 1),
        (Adaptive(), 10_000, 0, 1),
        (Adaptive(), 10_000, 1, 1 / 5),
        (Adaptive(), 0, 3, 1 / 125),
    ],
)
def test_factor_of_schedules_without_a_fixed_length(schedule, samples, stalls, factor):
    assert_allclose(schedule.factor(0.7, samples, stalls), factor, rtol=1e-15)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (Cosine(), {0: 1, 1 / 3: 3 / 4, 1 / 2: 1 / 2, 2 / 3: 1 / 4, 1: 0}),
        (OneCycle(), {0: 0, 0.1: 1 / 4, 0.15: 1 / 2, 0.3: 1, 0.65: 1 / 2, 1: 0}),
        (WarmUp(), {0: 0, 0.05: 1 / 2, 0.1: 1, 0.5: 1, 1: 1}),
        (Custom(lambda progress: 1 - progress**2), {0: 1, 0.5: 3 / 4, 1: 0}),
    ],
    ids=["cosine", "onecycle", "warmup", "custom"],
)
def test_planned_schedules_depend_on_progress_only(schedule, factors):
    assert schedule.planned
    for progress, factor in factors.items():
        assert_allclose(schedule.factor(progress, 10_000, 3), factor, atol=1e-15)


def test_the_learning_rate_of_a_stream_falls_to_a_tenth():
    assert [stream_factor(steps) for steps in (0, 30, 150)] == [1, 1 / 2, 1 / 4]
    factors = [stream_factor(10.0**k) for k in range(9)]
    assert all(later <= earlier for earlier, later in pairwise(factors))
    assert stream_factor(980) > stream_factor(990) == stream_factor(10**9) == 0.1


def test_which_schedules_are_planned():
    assert [name for name, schedule in SCHEDULES.items() if schedule.planned] == [
        "cosine",
        "onecycle",
        "warmup",
    ]


@pytest.mark.parametrize("name", ["constant", "invscaling", "adaptive"])
def test_rates_start_at_the_initial_rate_and_never_grow(name):
    schedule = SCHEDULES[name]()
    factors = [schedule.factor(k / 20, 100 * k, k) for k in range(20)]
    assert factors[0] == 1
    assert all(later <= earlier for earlier, later in pairwise(factors))
    assert min(factors) > 0


@pytest.mark.parametrize(
    ("schedule", "rate", "goes_on"),
    [
        (Constant(), 0.1, False),
        (InverseScaling(), 0.1, False),
        (Adaptive(), 0.1, True),
        (Adaptive(), 1.1e-6, True),
        (Adaptive(), 1e-6, False),
        (Adaptive(), 1e-9, False),
    ],
)
def test_only_adaptive_continues_after_a_stall(schedule, rate, goes_on):
    assert schedule.goes_on(rate) is goes_on


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_can_be_pickled(name):
    schedule = SCHEDULES[name]()
    assert pickle.loads(pickle.dumps(schedule)) == schedule
