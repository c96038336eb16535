"""What a fit has prepared when training begins."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sknormnet.estimators.held_out import Score, Validation
from sknormnet.estimators.progress import progress_of
from sknormnet.estimators.rows import Rows
from sknormnet.estimators.saved_fit import SavedFit
from sknormnet.estimators.settings import Settings
from sknormnet.inputs import InputEncoder
from sknormnet.nn.losses import Loss
from sknormnet.nn.network import Network
from sknormnet.training.lbfgs import FullBatchTrainer
from sknormnet.training.trainer import BaseTrainer, Trainer, TrainingState


@dataclass
class PreparedFit:
    """What was read, validated and measured, and a trainer for each network.

    Attributes
    ----------
    settings : Settings
    rows : Rows
        The training rows.
    held_out : Rows or None
        Validation rows.
    loss : Loss
    n_outputs : int
        Number of raw predictions per row.
    target_scaling : tuple of ndarray or None
        Mean and standard deviation by which the targets are standardized.
    inputs : InputEncoder
        Turns rows of X into inputs of the networks.
    dtype : dtype
        Precision of the networks.
    saved : SavedFit or None
        The checkpoint.
    trainers : list of BaseTrainer
        One for each member.
    validations : list of Validation or None
        What scores each member on the held-out rows.
    progress : Progress
        What is printed.
    """

    settings: Settings
    rows: Rows
    held_out: Rows | None
    loss: Loss
    n_outputs: int
    target_scaling: Any
    inputs: InputEncoder
    dtype: np.dtype
    saved: SavedFit | None = None
    trainers: list[BaseTrainer] = field(default_factory=list)
    validations: list[Validation | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.progress = progress_of(self.settings)

    @property
    def networks(self) -> list[Network]:
        """The networks of the members."""
        return [trainer.network for trainer in self.trainers]

    def saving(self) -> AbstractContextManager[Any]:
        """Have the trainers go on from the checkpoint; return what saves them, or None."""
        return nullcontext() if self.saved is None else self.saved.saving(self.trainers)

    @property
    def metric(self) -> Any:
        """Identifies the score by which epochs are compared."""
        return "loss" if self.held_out is None else ("score", self.settings.scoring)

    @cached_property
    def largest_input(self) -> float:
        """A bound on the absolute values of the networks' inputs."""
        return self.inputs.bound(self.rows.largest_input)

    def add_trainer(
        self, network: Network, state: TrainingState, score: Score | None, *, member: int
    ) -> None:
        """Add the trainer of a member, which is scored on the held-out rows, if there are any."""
        validate = None
        if self.held_out is not None:
            samples = self.held_out.samples(self.inputs, self.dtype)
            calibrates = score is None and self.settings.target.calibrate
            validate = Validation(samples, self.loss, score, calibrates=calibrates)
        trainer_class = Trainer if self.settings.is_stochastic else FullBatchTrainer
        trainer = trainer_class(
            network,
            self.loss,
            self.rows.samples(self.inputs, self.dtype),
            self.settings.plan,
            state,
            validate=validate,
            observers=self.progress.observers,
            member=member,
        )
        self.trainers.append(trainer)
        self.validations.append(validate)
        self.progress.histories.append(trainer.history)
