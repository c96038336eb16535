"""scikit-learn's callbacks as an observer: a task for a fit, and below it one for each epoch."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from sknormnet.estimators._sklearn import has_callbacks
from sknormnet.estimators.prepared import PreparedFit
from sknormnet.training.history import EpochRecord

if TYPE_CHECKING:
    from sknormnet.estimators.base import BaseNormNet


class CallbackObserver:
    """Calls the hooks of an estimator's callbacks.

    Networks that are trained together share the task of an epoch, which ends when all of them
    have done it. Then the task of the next epoch begins.

    Parameters
    ----------
    estimator : BaseNormNet
    fit : PreparedFit
    X, y, sample_weight
        As `fit` was given them.
    """

    def __init__(
        self, estimator: BaseNormNet, fit: PreparedFit, X: Any, y: Any, sample_weight: Any
    ):
        self._estimator, self._networks = estimator, fit.networks
        self._attributes = estimator._attributes_of(fit)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._task = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        # Members that do not make one stack are trained one after the other.
        n_epochs = fit.settings.plan.max_epochs if len(fit.trainers) == 1 else None
        self._fit = estimator._init_callback_context(max_subtasks=n_epochs)
        self._epoch: Any = None
        self._training: set[int] = set()  # members that train together
        self._done: set[int] = set()  # those that have done the epoch
        self._over: set[int] = set()  # those that train no longer
        self._fit.call_on_fit_task_begin(**self._task)

    def on_epoch(self, record: EpochRecord) -> bool:
        """Begin or end a task; return whether a callback wants training to stop."""
        if record.epoch == 0:
            self._training.add(record.member)
            if self._epoch is None:
                self._begin_epoch()
            return False
        if self._epoch is None:
            self._begin_epoch()
        self._done.add(record.member)
        if record.is_last:
            self._over.add(record.member)
        if self._training - self._done:
            return False
        self._training -= self._over
        stops = self._epoch.call_on_fit_task_end(**self._task, **self._reconstruction)
        self._epoch, self._done = None, set()
        if stops:
            self._training.clear()
        elif self._training and record.rate is not None:  # L-BFGS does not know its last iteration
            self._begin_epoch()
        return bool(stops)

    def end(self) -> None:
        """End the task of the fit; the estimator is fitted."""
        self._fit.call_on_fit_task_end(**self._task, reconstruction_attributes={})

    def _begin_epoch(self) -> None:
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._task, **self._reconstruction)

    @property
    def _reconstruction(self) -> dict[str, Any]:
        """What makes a copy of the estimator predict as if training were over."""
        return {
            "reconstruction_attributes": lambda: (
                self._attributes | {"_networks": copy.deepcopy(self._networks)}
            )
        }


def begin_callbacks(
    estimator: BaseNormNet, fit: PreparedFit, X: Any, y: Any, sample_weight: Any
) -> CallbackObserver | None:
    """Return the observer of an estimator's callbacks, if it has any, and begin the fit's task."""
    if not has_callbacks(estimator):
        return None
    observer = CallbackObserver(estimator, fit, X, y, sample_weight)
    for trainer in fit.trainers:
        trainer.network.tracks = True  # callbacks predict with networks that still train
        trainer.observers += (observer,)
    return observer
