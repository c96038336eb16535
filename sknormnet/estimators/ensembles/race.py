"""The training of all candidates, from which clear losers drop out."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from sknormnet.estimators.prepared import PreparedFit
from sknormnet.estimators.spread_training import train_spread
from sknormnet.training.stacks import train
from sknormnet.training.trainer import AfterEpoch

# A candidate with so many times the held-out loss of the best one is not trained any more. On the
# data sets of the benchmarks, such candidates had a mean weight of 0.08.
LOSING = 2.0


def train_candidates(
    fits: Sequence[Sequence[PreparedFit]], after_epoch: AfterEpoch | None
) -> list[int]:
    """Train candidates on all folds; return the numbers of those that have not dropped out.

    Of three candidates or more, some may drop out after half of the folds.

    Parameters
    ----------
    fits : sequence of sequence of PreparedFit
        For each candidate, one for each fold.
    after_epoch : callable or None
        See :func:`train`.
    """
    left, n_folds = list(range(len(fits))), len(fits[0])
    n_first = n_folds // 2 if len(fits) > 2 else 0
    if n_first:
        _train([fit for of_one in fits for fit in of_one[:n_first]], n_first / n_folds, after_epoch)
        losses = np.array([_best_loss(of_one[:n_first]) for of_one in fits])
        least = losses.min()
        limit = least + (LOSING - 1) * abs(least)  # losses may be negative
        left = np.flatnonzero(~(losses > limit)).tolist()
        for loser in {*range(len(fits))} - {*left}:
            for trainer in _trainers(fits[loser][n_first:]):
                trainer.history.is_over = True  # as the progress line sees it
    rest = [fit for k in left for fit in fits[k][n_first:]]
    _train(rest, 1 - n_first / n_folds, after_epoch)
    return left


def _train(
    fits: Sequence[PreparedFit], share_of_time: float, after_epoch: AfterEpoch | None
) -> None:
    trainers = _trainers(fits)
    for trainer in trainers:
        if trainer.max_time is not None:
            trainer.max_time *= share_of_time
    if after_epoch is None:
        train_spread(trainers)
    train(trainers, after_epoch=after_epoch)


def _trainers(fits: Sequence[PreparedFit]) -> list:
    return [*chain.from_iterable(fit.trainers for fit in fits)]


def _best_loss(fits: Sequence[PreparedFit]) -> float:
    """Return the mean of the networks' smallest held-out losses; infinite if there are none."""
    histories = [trainer.history for trainer in _trainers(fits)]
    return float(np.mean([np.nanmin([*x.validation_losses, np.inf]) for x in histories]))
