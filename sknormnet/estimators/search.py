"""Searches over settings that train candidates and folds together, as stacks of networks."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

from sknormnet.estimators._base import BaseNormNet
from sknormnet.estimators._sklearn import (
    Parallel,
    check_method_params,
    delayed,
    fit_and_score,
    has_callbacks,
    safe_split,
    search_fit,
)
from sknormnet.estimators._stacks import train
from sknormnet.estimators._training import Job

PACK = 24  # fits that a worker takes at a time, at most
ROUNDS = 4  # packs that each worker gets, at least, so that all are done at about one time
LARGE = 2**26  # bytes of X, above which a worker holds the rows of one fold at a time
SHAPING = (  # parameters that networks of one stack have in common
    "hidden_layer_sizes",
    "activation",
    "batchnorm",
    "input_bins",
    "solver",
    "batch_size",
)


@dataclass(eq=False)
class Task:
    """One candidate on one fold: what the search would call `_fit_and_score` with.

    Attributes
    ----------
    estimator : estimator
        Unfitted, without the candidate's parameters.
    X, y : array-like
        All rows.
    options : dict
        All other arguments.
    """

    estimator: Any
    X: Any
    y: Any
    options: dict

    @classmethod
    def of(cls, estimator, X, y, **options) -> "Task":
        """The task of these arguments."""
        return cls(estimator, X, y, options)

    def with_parameters(self):
        """The estimator as the candidate has it."""
        parameters = clone(self.options["parameters"], safe=False)
        return clone(self.estimator).set_params(**parameters)

    @property
    def fold(self) -> int:
        """Number of the fold, from 0."""
        return self.options["split_progress"][0]

    def shape(self) -> str:
        """What the tasks of a pack have in common: they can be trained together."""
        shape: list[Any] = [len(self.options["train"])]
        if getattr(self.X, "nbytes", 0) > LARGE:
            shape.append(self.fold)
        try:
            network = last_step(self.with_parameters())
            shape += [getattr(network, name) for name in SHAPING]
        except Exception:  # invalid, as will be said where it is fitted
            pass
        return repr(shape)

    def run(self, estimator=None) -> dict:
        """Fit and score on its own, or only score an estimator that is fitted."""
        estimator = self.estimator if estimator is None else estimator
        return fit_and_score(estimator, self.X, self.y, **self.options)


def last_step(estimator):
    """The estimator itself, or the one that its pipeline ends in."""
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


@dataclass(eq=False)
class Fit:
    """A task under way: its estimator, and the jobs that train the network it ends in."""

    task: Task
    estimator: Any
    jobs: list[Job]
    seconds: float

    def finish(self, seconds: float) -> dict:
        """Take over the networks, which it took some time to train, and score."""
        started = time.perf_counter()
        last_step(self.estimator)._finish(self.jobs)
        seconds += self.seconds + time.perf_counter() - started
        _put_off(self.estimator, "set_params", lambda **_: self.estimator)
        _put_off(self.estimator, "fit", lambda *_, **__: self.estimator)
        result = self.task.run(self.estimator)
        result["fit_time"] += seconds
        return result


def _put_off(estimator, method: str, stand_in) -> None:
    """Let something else stand in for a method of this very object, once."""

    def once(*args, **kwargs):
        del vars(estimator)[method]
        return stand_in(*args, **kwargs)

    vars(estimator)[method] = once


class Folds:
    """What the candidates of a fold share: its rows, and the steps in front of the network."""

    def __init__(self) -> None:
        self._rows: dict = {}
        self._steps: dict = {}

    def begin(self, task: Task) -> Fit | None:
        """Fit all but the network, and prepare its training; None if that cannot be."""
        started = time.perf_counter()
        estimator = task.with_parameters()
        network = last_step(estimator)
        if not isinstance(network, BaseNormNet) or has_callbacks(network):
            return None
        args, kwargs = self._call(task, estimator, network)
        jobs = network._prepare_fit(*args, **kwargs)
        return Fit(task, estimator, jobs, time.perf_counter() - started)

    def _call(self, task: Task, estimator, network) -> tuple[tuple, dict]:
        """The arguments that the network's `fit` is called with in this fold."""
        X, y, params = self._training_rows(task)
        if estimator is network:
            return (X, y), params
        key = task.fold, joblib.hash([(name, step) for name, step in estimator.steps[:-1]])
        if key not in self._steps:
            calls: list[tuple[tuple, dict]] = []
            _put_off(network, "fit", lambda *args, **kwargs: calls.append((args, kwargs)))
            estimator.fit(X, y, **params)
            self._steps[key] = estimator.steps[:-1], calls[0]
        steps, call = self._steps[key]
        estimator.steps[:-1] = steps
        return call

    def _training_rows(self, task: Task) -> tuple[Any, Any, dict]:
        if task.fold not in self._rows:
            train = task.options["train"]
            X, y = safe_split(task.estimator, task.X, task.y, train)
            params = check_method_params(task.X, task.options["fit_params"], train)
            self._rows[task.fold] = X, y, params
        return self._rows[task.fold]


class Packs:
    """Runs the tasks of a search as `Parallel` would, but many at a time.

    Parameters
    ----------
    n_jobs, pre_dispatch
        As of :class:`joblib.Parallel`.
    """

    def __init__(self, n_jobs=None, pre_dispatch="2 * n_jobs"):
        self._parallel = Parallel(n_jobs=n_jobs, pre_dispatch=pre_dispatch)
        self._n_jobs = n_jobs

    def __enter__(self) -> "Packs":
        self._parallel.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._parallel.__exit__(*error)

    def __call__(self, tasks: Iterable[Task]) -> list[dict]:
        """Return the tasks' results in their order."""
        tasks = list(tasks)
        packs = self._packed(tasks)
        done = self._parallel(
            delayed(run_pack)([tasks[i] for i in pack], f"{number}/{len(packs)}")
            for number, pack in enumerate(packs, 1)
        )
        results = dict(zip(chain(*packs), chain(*done), strict=True))
        return [results[i] for i in range(len(tasks))]

    def _packed(self, tasks: list[Task]) -> list[np.ndarray]:
        """The numbers of the tasks that go together: of one shape, and work for all workers."""
        n_jobs = joblib.effective_n_jobs(self._n_jobs)
        most = min(PACK, math.ceil(len(tasks) / (ROUNDS * n_jobs))) if n_jobs > 1 else PACK
        shapes = [task.shape() for task in tasks]
        by_fold = sorted(range(len(tasks)), key=lambda i: tasks[i].fold)
        packs: list[np.ndarray] = []
        for shape in dict.fromkeys(shapes):
            numbers = [i for i in by_fold if shapes[i] == shape]
            packs += np.array_split(numbers, math.ceil(len(numbers) / most))
        return packs


def run_pack(tasks: list[Task], number: str) -> list[dict]:
    """Run tasks, training together what can be; what cannot, or fails, is run on its own."""
    begun = time.perf_counter()
    folds = Folds()
    fits = [_attempt(folds.begin, task) for task in tasks]
    jobs = [job for fit in fits if fit for job in fit.jobs]
    started = time.perf_counter()
    trained = _attempt(train, jobs) is not None
    seconds = (time.perf_counter() - started) / max(1, len(jobs))
    results = []
    for task, fit in zip(tasks, fits, strict=True):
        result = None
        if fit and trained:
            result = _attempt(fit.finish, seconds * len(fit.jobs))
        results.append(result or task.run())
    if tasks[0].options["verbose"] > 0:
        seconds = time.perf_counter() - begun
        print(f"[Pack {number}] {len(tasks)} fits in {seconds:.1f} s", flush=True)
    return results


def _attempt(function, *args):
    """What a function returns, or None if it fails: the task is then run on its own, and
    fails there as scikit-learn has it fail.
    """
    try:
        return function(*args)
    except Exception:
        return None


class PackedGridSearchCV(GridSearchCV):
    """Grid search that trains candidates and folds together.

    A drop-in for :class:`~sklearn.model_selection.GridSearchCV`, with the same parameters,
    attributes, methods and results, for :class:`NormNetClassifier` and
    :class:`NormNetRegressor` or a :class:`~sklearn.pipeline.Pipeline` that ends in one. Small
    networks spend much of their time on calls. Here those of equal shape, activation, batch
    norm, solver and batch size, with as many rows, are trained as one stack, whatever their
    fold, `keep_prob`, `alpha`, `weight_decay`, `learning_rate_init`, `learning_rate`,
    `momentum`, `init`, `class_weight` and `random_state`. The steps of a pipeline that come
    before are fitted once a fold, unless their own parameters are searched. With an integer
    `random_state`, each network is the one that `GridSearchCV` would have found. What cannot
    be trained together is trained on its own.

    Parameters
    ----------
    estimator, param_grid, scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, \
return_train_score
        As of :class:`~sklearn.model_selection.GridSearchCV`. Each of `n_jobs` workers takes up
        to 24 fits at a time; a `verbose` above 0 tells of each of these packs.

    See Also
    --------
    PackedRandomizedSearchCV : The same for random draws of settings.
    sklearn.model_selection.GridSearchCV : All that is said of parameters and attributes there
        holds here.

    Notes
    -----
    The time that a stack takes is shared out evenly in `mean_fit_time`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sknormnet import NormNetClassifier, PackedGridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), NormNetClassifier((20,), random_state=0))
    >>> grid = {
    ...     "normnetclassifier__keep_prob": [1.0, 0.8],
    ...     "normnetclassifier__alpha": [0.0, 1.0],
    ... }
    >>> search = PackedGridSearchCV(model, grid).fit(X, y)
    >>> print(search.best_score_ > 0.9)
    True
    """

    fit = search_fit(Task.of, Packs)


class PackedRandomizedSearchCV(RandomizedSearchCV):
    """Randomised search that trains candidates and folds together.

    What :class:`PackedGridSearchCV` is to :class:`~sklearn.model_selection.GridSearchCV`, this is
    to :class:`~sklearn.model_selection.RandomizedSearchCV`.

    Parameters
    ----------
    estimator, param_distributions, n_iter, scoring, n_jobs, refit, cv, verbose, pre_dispatch, \
random_state, error_score, return_train_score
        As of :class:`~sklearn.model_selection.RandomizedSearchCV`.

    See Also
    --------
    PackedGridSearchCV : What is trained together, and how.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sknormnet import NormNetClassifier, PackedRandomizedSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = PackedRandomizedSearchCV(
    ...     NormNetClassifier((20,), random_state=0),
    ...     {"learning_rate_init": loguniform(1e-3, 1e-1), "batchnorm": [False, True]},
    ...     n_iter=6,
    ...     random_state=0,
    ... )
    >>> print(search.fit(X, y).best_score_ > 0.9)
    True
    """

    fit = search_fit(Task.of, Packs)
