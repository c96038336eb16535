"""Training that pauses and goes on is bit for bit the training without a pause."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from test_stacks import CASES, Case, trainers_of

from sknormnet.training.schedules import Adaptive
from sknormnet.training.stacks import Stack


def fit_alone(trainers):
    for trainer in trainers:
        trainer.fit()


def fit_together(trainers):
    Stack(trainers).fit()


def fit_with_pauses(fit, pauses, make, cooldown=0):
    """Trainers that continue, after each pause, where others stood that have been thrown away."""
    trainers = make()
    for epoch in pauses:
        for trainer in trainers:
            trainer.end_at(epoch, cooldown=cooldown)
        fit(trainers)
        assert all(x.history.is_over and x.history.n_iter <= epoch for x in trainers)
        snapshots = [pickle.dumps(x.pause) for x in trainers]
        trainers = make()
        for trainer, snapshot in zip(trainers, snapshots, strict=True):
            trainer.resume(pickle.loads(snapshot))
    fit(trainers)
    return trainers


def assert_equal_bits(trainers, expected):
    for mine, other in zip(trainers, expected, strict=True):
        assert_array_equal(mine.network.parameters, other.network.parameters)
        assert_array_equal(mine.network.statistics, other.network.statistics)
        assert mine.network.momentum_weight == other.network.momentum_weight
        assert mine.state.moments.keys() == other.state.moments.keys()
        for name, value in other.state.moments.items():
            assert_array_equal(mine.state.moments[name], value)
        assert mine.state.patience == other.state.patience
        assert mine.state.n_stalls == other.state.n_stalls
        assert mine.state.order.random() == other.state.order.random()
        assert mine.state.dropout.random() == other.state.dropout.random()
        for name in ("losses", "scores", "rates", "n_iter", "best_epoch", "is_over"):
            assert getattr(mine.history, name) == getattr(other.history, name)


@pytest.mark.parametrize("fit", [fit_alone, fit_together])
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_training_goes_on_as_if_it_had_not_paused(case, fit):
    expected = trainers_of(case)
    fit(expected)
    assert_equal_bits(fit_with_pauses(fit, (1, 2), lambda: trainers_of(case)), expected)


@pytest.mark.parametrize("fit", [fit_alone, fit_together])
def test_training_goes_on_from_before_a_cooldown(fit):
    def make():
        return trainers_of(Case(), max_epochs=9)

    expected = make()
    fit(expected)
    assert_equal_bits(fit_with_pauses(fit, (3, 6, 6), make, cooldown=2), expected)


def test_the_rate_falls_to_0_in_a_cooldown():
    whole, cooled = (trainers_of(Case(), [0], max_epochs=9)[0] for _ in range(2))
    whole.fit()
    cooled.end_at(6, cooldown=4)
    cooled.fit()
    assert cooled.pause.history.n_iter == 2
    factors = np.array([1, 1, 0.75, 0.5, 0.25, 0])
    assert_allclose(cooled.history.rates, whole.history.rates[:6] * factors)
    assert cooled.history.losses[:2] == whole.history.losses[:2]  # of the snapshot
    assert not np.array_equal(cooled.network.parameters, cooled.pause.network[0])


def test_a_snapshot_does_not_change():
    trainer = trainers_of(Case(), [0])[0]
    trainer.end_at(1)
    trainer.fit()
    snapshot, before = trainer.pause, pickle.dumps(trainer.pause)
    for _ in range(2):
        trainer = trainers_of(Case(), [0])[0]
        trainer.resume(snapshot)
        trainer.fit()
        assert trainer.history.n_iter == 3
    assert pickle.dumps(snapshot) == before


class ByLoss:
    """A validation score without a state of its own: the best network is an early one."""

    def __call__(self, network):
        score = -abs(float((network.parameters**2).sum()) - 21)
        return score, -score


@pytest.mark.parametrize("fit", [fit_alone, fit_together])
@pytest.mark.parametrize("settings", [{"n_iter_no_change": 2}, {"n_iter_no_change": 99}])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_patience_and_the_best_epoch_last_through_a_pause(fit, settings):
    def make():
        trainers = trainers_of(Case(), max_epochs=12, schedule=Adaptive(), tol=0.0, **settings)
        for trainer in trainers:
            trainer.validate = ByLoss()
        return trainers

    expected = make()
    fit(expected)
    assert len({x.history.best_epoch for x in expected}) > 1
    assert any(x.history.best_epoch < x.history.n_iter for x in expected)
    assert_equal_bits(fit_with_pauses(fit, (2, 5, 9), make), expected)
