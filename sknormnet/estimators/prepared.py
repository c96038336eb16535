"""What a fit has prepared when training begins."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from functools import cached_property
from typing import Any, NamedTuple

import joblib
import numpy as np

from sknormnet._dataclasses import dataclass
from sknormnet.estimators.held_out import Score, Validation
from sknormnet.estimators.progress import progress_of
from sknormnet.estimators.rows import Rows
from sknormnet.estimators.saved_fit import SavedFit
from sknormnet.estimators.settings import Settings
from sknormnet.inputs import InputEncoder, fit_inputs
from sknormnet.nn.losses import Loss
from sknormnet.nn.network import Network
from sknormnet.training.batches import Samples
from sknormnet.training.lbfgs import FullBatchTrainer
from sknormnet.training.trainer import BaseTrainer, Trainer, TrainingState

# Inputs of all rows that are kept, so that each row is encoded once instead of once an epoch:
# 8 MB in float32. It saves 4 to 19% of a fit with bins.
KEPT_INPUTS = 2**21


class Inputs(NamedTuple):
    """How rows of X become inputs of the networks.

    Attributes
    ----------
    encoder : InputEncoder
    kept : ndarray of shape (n_samples, n_inputs) or None
        All rows of X, encoded, if they are few.
    """

    encoder: InputEncoder
    kept: np.ndarray | None


def prepare_inputs(rows: Rows, dtype: np.dtype, shared: dict | None, **options: Any) -> Inputs:
    """Fit the encoder to training rows, or return what another fit of these rows has prepared.

    Parameters
    ----------
    rows : Rows
    dtype : dtype
        Precision of the networks.
    shared : dict or None
        What fits of the same X have found.
    **options
        Arguments of `fit_inputs`.
    """
    measured = {"rows": rows.numbers, "weight": rows.weight, "dtype": dtype, **options}

    def prepared() -> Inputs:
        encoder = fit_inputs(rows.X, **measured)
        return Inputs(encoder, keep_inputs(encoder, rows.X))

    return found_once(shared, ("inputs", measured), prepared)


def found_once(shared: dict | None, of: Any, find: Callable[[], Any]) -> Any:
    """Return what `find` returns, or what another fit of the same X has found.

    Parameters
    ----------
    shared : dict or None
        What fits of the same X have found; None if there are no others.
    of : object
        All that the result depends on, besides X; compared by its hash.
    find : callable
    """
    if shared is None:
        return find()
    key = joblib.hash(of)
    if key not in shared:
        shared[key] = find()
    return shared[key]


def keep_inputs(encoder: InputEncoder, X: Any) -> np.ndarray | None:
    """Return the encoded rows of a dense X if they are few and differ from X; else None."""
    if encoder.is_identity or not isinstance(X, np.ndarray):
        return None
    if len(X) * encoder.n_outputs > KEPT_INPUTS:
        return None
    return encoder.encode(X.astype(encoder.dtype, copy=False))


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
    inputs : Inputs
    dtype : dtype
        Precision of the networks.
    saved : SavedFit or None
        The checkpoint.
    trainers : list of BaseTrainer
        One for each member.
    validations : list of Validation or None
        For each member, what scores it on the held-out rows.
    progress : Progress
        What is printed.
    """

    settings: Settings
    rows: Rows
    held_out: Rows | None
    loss: Loss
    n_outputs: int
    target_scaling: Any
    inputs: Inputs
    dtype: np.dtype
    saved: SavedFit | None = None
    trainers: list[BaseTrainer] = field(default_factory=list)
    validations: list[Validation | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.progress = progress_of(self.settings.owner, self.settings)

    @property
    def networks(self) -> list[Network]:
        """The networks of the members."""
        return [trainer.network for trainer in self.trainers]

    def saving(self) -> AbstractContextManager[Any]:
        """Have the trainers continue from the checkpoint; yields what saves them, or None."""
        return nullcontext() if self.saved is None else self.saved.saving(self.trainers)

    @property
    def metric(self) -> Any:
        """Identifies the score by which epochs are compared."""
        return "loss" if self.held_out is None else ("score", self.settings.scoring)

    @cached_property
    def largest_input(self) -> float:
        """A bound on the absolute values of the networks' inputs."""
        return self.inputs.encoder.bound(self.rows.largest_input)

    def samples(self, rows: Rows) -> Samples:
        """Return training or held-out rows, from which batches are drawn."""
        if rows.X is self.rows.X and self.inputs.kept is not None:
            return replace(rows, X=self.inputs.kept).samples(None, self.dtype)
        return rows.samples(self.inputs.encoder, self.dtype)

    def add_trainer(
        self,
        network: Network,
        state: TrainingState,
        score: Score | None,
        *,
        kind: Callable[..., BaseTrainer] | None = None,
    ) -> None:
        """Add the trainer of a member, which is scored on the held-out rows, if there are any.

        `kind` makes the trainer; None stands for that of the solver.
        """
        validate = None
        if self.held_out is not None:
            calibrates = score is None and self.settings.target.calibrate
            held_out = self.samples(self.held_out)
            validate = Validation(held_out, self.loss, score, calibrates=calibrates)
        kind = kind or (Trainer if self.settings.is_stochastic else FullBatchTrainer)
        trainer = kind(
            network,
            self.loss,
            self.samples(self.rows),
            self.settings.plan,
            state,
            validate=validate,
            observers=self.progress.observers,
            member=len(self.progress.histories),
        )
        self.trainers.append(trainer)
        self.validations.append(validate)
        self.progress.add(trainer.history, self.settings.plan.max_epochs)
