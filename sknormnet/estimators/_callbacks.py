"""scikit-learn's callbacks: a task for a fit, and below it one for each epoch."""

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

from sknormnet.estimators._sklearn import has_callbacks
from sknormnet.estimators._training import Job, resolve_max_iter


class Callbacks:
    """Calls the hooks of an estimator's callbacks.

    Parameters
    ----------
    estimator : BaseNormNet
    jobs : sequence of Job
        Of its members.
    X, y, sample_weight
        As `fit` was given them.
    """

    def __init__(self, estimator, jobs: Sequence[Job], X, y, sample_weight):
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        now = partial(self._as_of_now, estimator, jobs)
        self._now = {"reconstruction_attributes": now}
        self._task = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        # Members that do not make one stack are trained one after the other.
        n_epochs = resolve_max_iter(estimator) if len(jobs) == 1 else None
        self._fit = estimator._init_callback_context(max_subtasks=n_epochs)
        self._fit.call_on_fit_task_begin(**self._task)

    def epoch_begins(self) -> None:
        """Begin the task of an epoch."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._task, **self._now)

    def epoch_ends(self) -> bool:
        """End it; return whether a callback wants training to stop."""
        return self._epoch.call_on_fit_task_end(**self._task, **self._now)

    def fit_ends(self) -> None:
        """End the task of the fit; the estimator is fitted."""
        self._fit.call_on_fit_task_end(**self._task, reconstruction_attributes={})

    @staticmethod
    def _as_of_now(estimator, jobs: Sequence[Job]) -> dict[str, Any]:
        """What a copy of the estimator needs to predict as if training were over."""
        networks = [copy.deepcopy(job.run.network) for job in jobs]
        before = vars(estimator)
        fitted = estimator._fitted_copy(networks, jobs[0].loss)
        return {name: x for name, x in vars(fitted).items() if before.get(name) is not x}


def callbacks_of(estimator, jobs: Sequence[Job], X, y, sample_weight) -> Callbacks | None:
    """Return what calls the estimator's callbacks, if it has any, and begin the fit's task."""
    if not has_callbacks(estimator):
        return None
    for job in jobs:
        job.watched = True
    return Callbacks(estimator, jobs, X, y, sample_weight)
