"""The running average of the weights over the epochs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plans import Scores, plan_of, state_of
from reference import build

from sknormnet.nn.losses import SquaredError
from sknormnet.training.batches import Samples
from sknormnet.training.schedules import Constant, Cosine
from sknormnet.training.trainer import Trainer

X = np.random.default_rng(0).normal(size=(10, 5))
Y = np.random.default_rng(1).normal(size=(10, 3))
N_EPOCHS = 4


class Shown:
    """An observer that keeps what the network has whenever it is notified."""

    def __init__(self, network):
        self._network = network
        self.states: list[tuple] = []

    def on_epoch(self, record) -> None:
        self.states.append(self._network.snapshot())


def trainer_of(momentum, **arguments):
    network = build(5, (4,), 3, batchnorm="before", activations=("tanh",), dtype=np.float64)
    return Trainer(
        network,
        SquaredError(),
        Samples(X, Y, dtype=np.float64),
        plan_of(max_epochs=N_EPOCHS, weight_averaging=momentum),
        state_of(),
        observers=[Shown(network)],
        **arguments,
    )


def fitted(momentum, **arguments):
    """A trainer after its fit, what its observer saw, and its own weights after each epoch."""
    trainer, own = trainer_of(momentum, **arguments), []
    trainer.fit(after_epoch=lambda trainers: own.append(trainer.network.snapshot()))
    return trainer, trainer.observers[0].states[1:], own


@pytest.mark.parametrize("momentum", [0.3, 0.9])
def test_the_average_is_scored_shown_and_kept(momentum):
    trainer, shown, own = fitted(momentum, validate=Scores([1.0, 2.0, 4.0, 3.0]))
    _, _, expected = fitted(0.0)
    for part in range(2):  # parameters and statistics
        weights = np.stack([x[part] for x in expected])
        assert_array_equal([x[part] for x in own], weights)  # training itself is the same
        for n, state in enumerate(shown, 1):
            shares = momentum ** np.arange(n)[::-1]
            average = shares @ weights[:n] / shares.sum()
            assert_allclose(state[part], average, rtol=1e-12)
    assert_array_equal(trainer.validate.parameters, [x[0] for x in shown])
    assert_array_equal(trainer.network.parameters, shown[2][0])  # the best of the epochs
    assert_array_equal(trainer.network.statistics, shown[2][1])


def test_without_validation_rows_the_last_average_is_kept():
    trainer, shown, own = fitted(0.6)
    assert_array_equal(trainer.network.parameters, shown[-1][0])
    assert abs(trainer.network.parameters - own[-1][0]).max() > 1e-4


def test_an_error_while_the_average_is_scored_leaves_the_weights():
    def fail(network):
        if trainer.history.n_iter == 2:
            raise RuntimeError("scoring failed")
        return 0.0, 0.0

    _, _, own = fitted(0.0)
    trainer = trainer_of(0.5, validate=fail)
    with pytest.raises(RuntimeError, match="scoring failed"):
        trainer.fit()
    assert_array_equal(trainer.network.parameters, own[2][0])


@pytest.mark.parametrize(
    ("settings", "is_validated", "expected"),
    [
        ({}, True, 0.6),
        ({}, False, 0.0),
        ({"schedule": Constant()}, True, 0.0),
        ({"max_epochs": 16}, True, 0.0),
        ({"max_epochs": 3}, True, 0.0),
        ({"max_epochs": 160}, True, 0.9),
        ({"is_chunk": True}, True, 0.0),
        ({"optimizer": None}, True, 0.0),
        ({"weight_averaging": 0.3}, False, 0.3),
        ({"weight_averaging": 0.3, "schedule": Constant()}, True, 0.3),
        ({"weight_averaging": 0.3, "is_chunk": True}, False, 0.0),
        ({"weight_averaging": 0.3, "optimizer": None}, False, 0.0),
    ],
)
def test_what_auto_stands_for(settings, is_validated, expected):
    defaults = {"schedule": Cosine(), "max_epochs": 40, "weight_averaging": None}
    plan = plan_of(**defaults | settings)
    assert plan.averaging(is_validated=is_validated) == pytest.approx(expected)
