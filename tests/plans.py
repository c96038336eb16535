"""Plans, states and observers of training, for tests that train without an estimator."""

from typing import Any

import numpy as np

from sknormnet.training.history import EpochRecord
from sknormnet.training.optimizers import SGD
from sknormnet.training.plan import Plan
from sknormnet.training.schedules import Cosine
from sknormnet.training.trainer import TrainingState


def plan_of(**settings) -> Plan:
    """Three epochs of gradient descent in batches of 4 rows under a planned schedule.

    Such a schedule neither stops early nor warns that more epochs might have helped.
    """
    defaults: dict[str, Any] = {
        "owner": "Net",
        "optimizer": SGD(momentum=0.0),
        "schedule": Cosine(),
        "learning_rate_init": 0.1,
        "max_epochs": 3,
        "batch_size": 4,
        "shuffle": True,
        "alpha": None,
        "max_grad_norm": None,
        "tol": 1e-4,
        "n_iter_no_change": 10,
        "max_fun": 15_000,
    }
    return Plan(**defaults | settings)


def state_of(seed: int = 0) -> TrainingState:
    order, dropout = (np.random.default_rng([seed, k]) for k in range(2))
    return TrainingState(order=order, dropout=dropout, split_seed=0)


class Recorder:
    """An observer that keeps all records, and stops training at some epoch."""

    def __init__(self, stop_at: int | None = None):
        self.records: list[EpochRecord] = []
        self._stop_at = stop_at

    def on_epoch(self, record: EpochRecord) -> bool:
        self.records.append(record)
        return record.epoch == self._stop_at


class Scores:
    """A validation that gives planned scores, and keeps the parameters of each epoch."""

    def __init__(self, scores):
        self._scores = iter(scores)
        self.parameters: list[np.ndarray] = []

    def __call__(self, network) -> tuple[float, float]:
        self.parameters.append(network.parameters.copy())
        score = next(self._scores)
        return score, -score / 2
