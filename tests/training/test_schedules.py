import pickle
from itertools import pairwise

import pytest
from numpy.testing import assert_allclose

from sknormnet.training.schedules import (
    SCHEDULES,
    Adaptive,
    Constant,
    InverseScaling,
    Schedule,
)


def test_the_table():
    assert SCHEDULES == {"constant": Constant, "invscaling": InverseScaling, "adaptive": Adaptive}
    assert set(SCHEDULES.values()) == set(Schedule.__subclasses__())


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
def test_factor(schedule, samples, stalls, factor):
    assert_allclose(schedule.factor(samples, stalls), factor, rtol=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_starts_at_the_initial_rate_and_never_grows(name):
    schedule = SCHEDULES[name]()
    factors = [schedule.factor(100 * k, k) for k in range(20)]
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
def test_goes_on(schedule, rate, goes_on):
    assert schedule.goes_on(rate) is goes_on


@pytest.mark.parametrize("name", SCHEDULES)
def test_pickles(name):
    schedule = SCHEDULES[name]()
    assert pickle.loads(pickle.dumps(schedule)) == schedule
