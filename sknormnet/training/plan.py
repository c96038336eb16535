"""The plan of a training: frozen settings for how a network is trained and for how long."""

import math
import warnings
from typing import Any

from sknormnet._dataclasses import dataclass
from sknormnet.training.optimizers import Optimizer
from sknormnet.training.schedules import SCHEDULES, Schedule

# weight_averaging="auto" averages over about max_epochs / AVERAGES epochs. For the default of 40
# epochs, a momentum of 0.6 was the best of 0, 0.6 and 0.85 on 22 data sets.
AVERAGES = 16


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Attributes
    ----------
    owner : str
        Name of the estimator's class, for messages.
    optimizer : Optimizer or None
        None stands for L-BFGS on all rows at once.
    schedule : Schedule
    learning_rate_init : float
        Learning rate that the schedule's factors multiply.
    max_epochs : int
        Maximum number of epochs, or of iterations of L-BFGS.
    batch_size : {"auto", "scale"} or int
    shuffle : bool
        Whether the rows are shuffled before each epoch.
    alpha : float or None
        Strength of the L2 penalty.
    max_grad_norm : float or None
        Maximum norm of the loss's gradient; larger gradients are rescaled (gradient clipping).
    tol : float
        Smallest improvement that resets the patience; for L-BFGS, of the gradient's elements.
    n_iter_no_change : float
        Number of epochs without an improvement after which training stalls.
    max_fun : int
        Maximum number of evaluations of the loss by L-BFGS.
    max_time : float or None
        Maximum number of seconds, for all networks that are trained in one call of `train`.
    weight_averaging : float or None
        Momentum of the average of the weights over the epochs; 0 for no average. None stands for
        "auto".
    is_chunk : bool
        Whether the rows are a chunk of a stream, on which training continues for one epoch.
    """

    owner: str
    optimizer: Optimizer | None
    schedule: Schedule
    learning_rate_init: float
    max_epochs: int
    batch_size: int | str
    shuffle: bool
    alpha: float | None
    max_grad_norm: float | None
    tol: float
    n_iter_no_change: float
    max_fun: int
    max_time: float | None = None
    weight_averaging: float | None = 0.0
    is_chunk: bool = False

    def batching(self, n_rows: int, *, min_batch_size: int) -> dict[str, Any]:
        """Return how to cut `n_rows` rows into batches, as arguments of `Samples.batches`."""
        size = self.batch_size
        if size == "auto":
            size = min(200, n_rows)
        elif isinstance(size, str):  # "scale"
            size = min(max(64, n_rows // 30), 256, n_rows)
        elif size > n_rows:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be"
                " clipped",
                stacklevel=3,
            )
        elif size < min(min_batch_size, n_rows):
            warnings.warn(
                f"Got `batch_size` {size} with batch norm, which has nothing to normalize in a"
                f" single row. It is going to be {min_batch_size}. Set batchnorm=False to train"
                " row by row.",
                stacklevel=3,
            )
        return {
            "batch_size": max(min_batch_size, min(size, n_rows)),
            "min_batch_size": min_batch_size,
            "shuffle": self.shuffle,
        }

    def averaging(self, *, is_validated: bool) -> float:
        """Return the momentum of the average of the weights over the epochs; 0 for no average."""
        if self.is_chunk or self.optimizer is None:
            return 0.0
        if self.weight_averaging is not None:
            return self.weight_averaging
        if not (is_validated and self.schedule.planned):
            return 0.0
        return max(0.0, 1 - AVERAGES / self.max_epochs)

    def rate(self, progress: float, *, n_samples_seen: int, n_stalls: int) -> float:
        """Return the learning rate after a fraction `progress` of the epochs.

        Raises
        ------
        ValueError
            If the user's own schedule returns anything but a finite factor >= 0.
        """
        factor = self.schedule.factor(progress, n_samples_seen, n_stalls)
        if type(self.schedule) in SCHEDULES.values():
            return float(self.learning_rate_init * factor)
        try:
            rate = float(self.learning_rate_init * float(factor))
        except (TypeError, ValueError):
            rate = math.nan
        # At the end, where there are no more steps, the rate is only recorded.
        if progress < 1 and not 0 <= rate < math.inf:
            given = getattr(self.schedule, "of_progress", self.schedule)
            raise ValueError(
                f"The 'learning_rate' parameter of {self.owner} must give finite factors >= 0."
                f" {given!r} gave {factor!r} at a progress of {progress:.3g} instead."
            )
        return rate
