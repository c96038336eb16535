"""Hyperparameter searches that train candidates and folds together, as stacks of networks."""

import math
import pickle
import time
import traceback
import warnings
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import joblib
import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

from sknormnet._dataclasses import dataclass
from sknormnet.estimators._sklearn import (
    check_method_params,
    fit_and_score,
    generating_parallel,
    has_callbacks,
    safe_split,
    score_fitted,
    search_fit,
)
from sknormnet.estimators.apart import results as results_apart
from sknormnet.estimators.base import BaseNormNet
from sknormnet.estimators.columns import ValidatedTable
from sknormnet.estimators.pipelines import last_step
from sknormnet.estimators.prepared import PreparedFit
from sknormnet.nn.network import Network
from sknormnet.training.batches import arrays_of
from sknormnet.training.stacks import CACHE, train
from sknormnet.training.trainer import BaseTrainer, Trainer

PACK = 24  # fits that a worker takes at a time, at most
ROUNDS = 3  # packs that each worker gets, at least, so that all are done at about one time
LARGE = 2**26  # bytes of training rows that a worker may hold, or two copies of one fold's
SHAPING = (  # parameters that networks of one stack have in common
    "hidden_layer_sizes",
    "activation",
    "batchnorm",
    "input_bins",
    "input_frequencies",
    "scaling_layer",
    "solver",
    "batch_size",
)
READING = "categorical_features", "categories"  # parameters that decide how X is read
NAMES = "feature_names_in_", "n_features_in_"  # attributes that reading X sets
PLAIN = (bool, int, float, complex, str, bytes, type(None))  # types with an exact repr


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

    estimator: BaseNormNet | Pipeline
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
        network = last_step(self.with_parameters())
        if isinstance(network, BaseNormNet):
            shape += [getattr(network, name) for name in SHAPING]
        return repr(shape)

    def steps_key(self) -> tuple:
        """Return what is equal only for tasks whose networks get the same training rows.

        All tasks have the same estimator, so the rows are the same if the candidates agree on all
        parameters but the network's own, and on how the network reads columns.
        """
        parameters, last = self.options["parameters"], ""
        if isinstance(self.estimator, Pipeline):
            if "steps" in parameters:  # the last step may have another name
                return self.fold, id(self)
            last = f"{self.estimator.steps[-1][0]}__"
        reading = {f"{last}{name}" for name in READING}
        names = sorted(x for x in parameters if not x.startswith(last) or x in reading)
        return self.fold, *((name, identity(parameters[name])) for name in names)

    def training_rows(self) -> tuple[Any, Any, dict]:
        """Return new slices of X, y and the parameters of `fit`, which a step may change."""
        train = self.options["train"]
        X, y = safe_split(self.estimator, self.X, self.y, train)
        return X, y, check_method_params(self.X, self.options["fit_params"], train)

    def begin(self) -> "Fit":
        """Return the fit of the task, which is not prepared yet."""
        estimator = self.with_parameters()
        return Fit(self, estimator, alone=not can_be_packed(estimator))

    def run(self) -> dict:
        """Fit and score on its own, as scikit-learn does."""
        return fit_and_score(self.estimator, self.X, self.y, **self.options)


def identity(value) -> Any:
    """Return what is equal for values that are the same beyond doubt."""
    if type(value) in PLAIN or isinstance(value, np.generic):
        return type(value), repr(value)  # 1, 1.0 and True differ, and so do 0.0 and -0.0
    return id(value)


def can_be_packed(estimator) -> bool:
    """Whether the estimator, or the pipeline's last step, is a network that nobody watches."""
    network = last_step(estimator)
    steps = [step for _, step in estimator.steps] if estimator is not network else []
    if not isinstance(network, BaseNormNet) or type(network).fit is not BaseNormNet.fit:
        return False
    has_own_fit = network.checkpoint is not None or network.max_time is not None
    return not has_own_fit and not any(has_callbacks(x) for x in (estimator, network, *steps))


class Guard:
    """Validation that ends only its own fit if it fails, not those trained with it.

    Parameters
    ----------
    validate : Validation

    Attributes
    ----------
    error : Exception or None
        What the first failure raised. After it, scores are NaN.
    """

    def __init__(self, validate):
        self.validate, self.error = validate, None

    def __call__(self, network: Network) -> tuple[float, float]:
        """Return score and loss."""
        if self.error is None:
            try:
                return self.validate(network)
            except Exception as error:  # of the user's scorer
                self.error = _without_frames(error)
        return math.nan, math.nan


def _without_frames(error: Exception) -> Exception:
    """Free the variables that an error's traceback keeps alive, such as rows of X."""
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__
    return error


@dataclass(eq=False)
class Fit:
    """A task under way.

    Attributes
    ----------
    task : Task
    estimator : estimator
        With the candidate's parameters.
    shared : SharedSteps or None
        What the network is trained on.
    prepared : PreparedFit or None
        What trains the network that the estimator ends in.
    alone : bool
        Whether scikit-learn fits the task, too.
    error : Exception or None
        What the fit has ended with.
    seconds : float
        How long the fit has taken.
    """

    task: Task
    estimator: BaseNormNet | Pipeline
    shared: "SharedSteps | None" = None
    prepared: PreparedFit | None = None
    alone: bool = False
    error: Exception | None = None
    seconds: float = 0.0

    def prepare(self, shared: "SharedSteps") -> None:
        """Make the trainers."""
        self.shared, self.prepared = shared, shared.prepare(last_step(self.estimator))
        for trainer in self.trainers:
            if trainer.validate is not None:
                trainer.validate = Guard(trainer.validate)

    @property
    def trainers(self) -> list[BaseTrainer]:
        """What trains the networks of the estimator."""
        return [] if self.prepared is None else self.prepared.trainers

    def drop(self) -> None:
        """Free all training rows."""
        self.shared = self.prepared = None

    def finish(self) -> None:
        """Set the attributes of the estimator, and free the training rows."""
        started = time.perf_counter()
        if self.shared is not None:
            self.seconds += self.shared.seconds / self.shared.n_fits
        try:
            for trainer in self.trainers:
                if isinstance(trainer.validate, Guard) and trainer.validate.error:
                    raise trainer.validate.error
            last_step(self.estimator)._finish(self.prepared)
        except Exception as error:  # the user's scorer, or weights that are not finite
            self.error = _without_frames(error)
        self.drop()
        self.seconds += time.perf_counter() - started

    def score(self) -> dict:
        """Return the result, as scikit-learn makes it."""
        if self.alone:
            return self.task.run()
        task = self.task
        return score_fitted(
            self.estimator, task.X, task.y, seconds=self.seconds, error=self.error, **task.options
        )

    def held(self) -> dict[int, int]:
        """Return the bytes of each array of rows that the trainers hold, by address."""
        held: dict[int, int] = {}
        for trainer in self.trainers:
            held |= _sizes(trainer.samples.arrays)
            if isinstance(trainer.validate, Guard):
                held |= _sizes(trainer.validate.validate.arrays)
            if not isinstance(trainer, Trainer):  # L-BFGS may need X in another dtype
                held[id(trainer)] = sum(_sizes(arrays_of(trainer.samples.X)).values())
        return held

    def work(self) -> int:
        """Return the bytes of parameters, gradient and the state of the optimizer."""
        return sum(4 * trainer.network.parameters.nbytes for trainer in self.trainers)


def _sizes(arrays: Iterable[np.ndarray]) -> dict[int, int]:
    """Return the bytes of arrays by their address."""
    return {array.__array_interface__["data"][0]: array.nbytes for array in arrays}


def _fingerprint(X, y) -> Any:
    """Return what tells whether X or y have changed in place."""
    content = [a for a in vars(X).values() if isinstance(a, np.ndarray)] if issparse(X) else X
    try:
        return joblib.hash((content, y))
    except (pickle.PicklingError, TypeError):
        return object()  # not known: as if they had changed


class SharedSteps:
    """What the networks of one fold get from the same steps, which are fitted once.

    Parameters
    ----------
    task : Task
        The first of those with the same `steps_key`.
    estimator : estimator
        The task's, with its parameters. Its steps are fitted here.

    Attributes
    ----------
    held : dict
        Bytes of the arrays of X by their address, once the first network has been prepared.
    seconds : float
        How long the steps took to fit, until the time is divided among the fits.
    n_fits : int
        Number of networks that have been prepared.
    usable : bool
        False if steps changed rows in place that scikit-learn would score next.
    """

    def __init__(self, task: Task, estimator):
        started = time.perf_counter()
        self.held: dict[int, int] = {}
        self.n_fits = 0
        self._names: dict[str, Any] = {}
        self._prepared: dict = {}
        self._steps, self._call, self.usable = self._fit_steps(task, estimator)
        self.seconds = time.perf_counter() - started

    @staticmethod
    def _fit_steps(task: Task, estimator) -> tuple[list, tuple[tuple, dict], bool]:
        """Return fitted steps, the arguments for the network's `fit`, and whether to use them."""
        X, y, params = task.training_rows()
        network = last_step(estimator)
        if network is estimator:
            return [], ((X, y), params), True
        scored = task.options["return_train_score"]
        before = _fingerprint(X, y) if scored else None
        calls: list[tuple[tuple, dict]] = []
        vars(network)["fit"] = lambda *args, **kwargs: calls.append((args, kwargs))
        try:
            estimator.fit(X, y, **params)
        finally:
            del vars(network)["fit"]
        if scored and _fingerprint(X, y) != before:
            return [], ((), {}), False
        return estimator.steps[:-1], calls[0], True

    def set_steps_of(self, estimator) -> None:
        """Give an estimator the fitted steps."""
        if self._steps:
            estimator.steps[:-1] = self._steps

    def prepare(self, network) -> PreparedFit:
        """Prepare the training of a network on these rows."""
        args, kwargs = self._call
        prepared = network._prepare_fit(*args, shared=self._prepared, **kwargs)
        if self.n_fits == 0:
            self._keep_validated(network, prepared.rows.X)
        vars(network).update(self._names)
        self.n_fits += 1
        return prepared

    @cached_property
    def fingerprint(self) -> Any:
        """What tells whether networks of another search get the same rows, once one is prepared."""
        (X, *args), kwargs = self._call
        return _fingerprint(X, (args, kwargs))

    @property
    def nbytes(self) -> int:
        """Size of the training rows."""
        return sum(self.held.values())

    def _keep_validated(self, network, X) -> None:
        """Keep X as the first network has validated it, or each network would convert its own."""
        self.held = _sizes(arrays_of(X))
        (_, *args), kwargs = self._call
        names = {k: v for k, v in vars(network).items() if k in NAMES}
        if "feature_names_in_" not in names or "X_val" not in kwargs:  # whose names are checked
            self._call = ((ValidatedTable(network._columns, X), *args), kwargs)
            self._names = names


class Portion:
    """Fits that are trained together.

    Their rows fit into memory together, and their networks into the caches of all processors:
    beyond that, nothing is gained, and results would only come later.
    """

    def __init__(self) -> None:
        self._fits: list[Fit] = []
        self._shared: dict[tuple, SharedSteps] = {}
        self._held: dict[int, int] = {}  # bytes of all arrays of rows, by address
        self._largest_own = 0  # bytes that a fit does not share with others
        self._work = 0

    def has_room_for(self, task: Task) -> bool:
        """Whether one more task keeps to the limits of memory and of work."""
        if not self._fits:
            return True
        if self._work > CACHE * joblib.cpu_count():  # more would wait for these, for nothing
            return False
        rows = max((shared.nbytes for shared in self._shared.values()), default=0)
        new = 0 if task.steps_key() in self._shared else rows
        expected = sum(self._held.values()) + new + self._largest_own
        return expected <= max(LARGE, 2 * rows)

    def add(self, task: Task) -> None:
        """Fit all but the network, and prepare its training."""
        fit = task.begin()
        self._fits.append(fit)
        if fit.alone:
            return
        started = time.perf_counter()
        try:
            shared = self._shared.get(task.steps_key()) or SharedSteps(task, fit.estimator)
            started += 0 if shared.n_fits else shared.seconds  # all fits share these
            fit.alone = not shared.usable
            if shared.usable:
                shared.set_steps_of(fit.estimator)
                fit.prepare(shared)
        except Exception as error:  # of a step, of the parameters or of the data
            fit.error = _without_frames(error)
        else:
            self._shared[task.steps_key()] = shared
            self._count(fit)
        fit.seconds = time.perf_counter() - started
        if fit.error and task.options["error_score"] == "raise":
            fit.score()  # raises, before any network is trained

    def _count(self, fit: Fit) -> None:
        """Add the rows of a fit to those that are held."""
        before = sum(self._held.values())
        self._held |= fit.held()
        self._work += fit.work()
        shared = fit.shared.nbytes if fit.shared and fit.shared.n_fits == 1 else 0
        own = sum(self._held.values()) - before - shared
        self._largest_own = max(self._largest_own, own)

    def run(self, then: Task | None = None) -> list[dict]:
        """Train, and return the results. Rows are dropped unless the next task needs them."""
        fits, self._fits = self._fits, []
        self._train([fit for fit in fits if fit.prepared])
        for fit in fits:
            if fit.prepared:
                fit.finish()
        key = then.steps_key() if then else None
        self._shared = {k: shared for k, shared in self._shared.items() if k == key}
        self._held, self._work = {}, 0
        for shared in self._shared.values():
            self._held |= shared.held
            shared.seconds = 0.0
        return [fits.pop(0).score() for _ in range(len(fits))]

    @staticmethod
    def _train(fits: list[Fit]) -> None:
        """Train networks together, or leave each to scikit-learn if that fails."""
        started = time.perf_counter()
        try:
            train([trainer for fit in fits for trainer in fit.trainers])
        except Exception as error:  # which fit it belongs to is not known, unless there is one
            if len(fits) == 1:
                fits[0].error = _without_frames(error)
            else:
                warnings.warn(
                    f"{len(fits)} networks could not be trained together, so they are trained one"
                    f" by one. The error was: {error!r}",
                    stacklevel=2,
                )
            for fit in fits:
                fit.drop()
                fit.alone = len(fits) > 1
            return
        seconds = time.perf_counter() - started
        n_networks = sum(len(fit.trainers) for fit in fits)
        for fit in fits:
            fit.seconds += seconds * len(fit.trainers) / n_networks


class PackedParallel:
    """Runs the tasks of a search as `Parallel` would, but many at a time.

    Parameters
    ----------
    n_jobs, pre_dispatch
        As of :class:`joblib.Parallel`.
    """

    def __init__(self, n_jobs=None, pre_dispatch="2 * n_jobs"):
        self._parallel = generating_parallel(n_jobs=n_jobs, pre_dispatch=pre_dispatch)
        self._n_jobs = n_jobs

    def __enter__(self) -> "PackedParallel":
        self._parallel.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._parallel.__exit__(*error)

    def __call__(self, tasks: Iterable[Task]) -> list[dict]:
        """Return the tasks' results in their order."""
        tasks, started = list(tasks), time.perf_counter()
        packs = self._packed(tasks)
        results: dict[int, dict] = {}
        arguments = [[tasks[i] for i in pack] for pack in packs]
        outputs = results_apart(run_pack, arguments, data_of, self._parallel)
        for number, (pack, output) in enumerate(zip(packs, outputs, strict=True), 1):
            done = [tasks[i] for i in pack]
            results |= zip(pack, map(self.received, done, output), strict=True)
            if tasks[0].options["verbose"] > 0:
                seconds = time.perf_counter() - started
                print(
                    f"[Pack {number}/{len(packs)}] {len(results)} of {len(tasks)} fits,"
                    f" {seconds:.1f} s",
                    flush=True,
                )
        return [results[i] for i in range(len(tasks))]

    def received(self, task: Task, result: dict) -> dict:
        """Return a result as the search gets it."""
        return result

    def _packed(self, tasks: list[Task]) -> list[list[int]]:
        """The numbers of the tasks that go together: of one shape, and work for all workers.

        Tasks that share their training rows are neighbors.
        """
        n_jobs = joblib.effective_n_jobs(self._n_jobs)
        most = min(PACK, math.ceil(len(tasks) / (ROUNDS * n_jobs))) if n_jobs > 1 else PACK
        shapes = [task.shape() for task in tasks]
        keys = [task.steps_key() for task in tasks]
        rank = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        in_order = sorted(range(len(tasks)), key=lambda i: (tasks[i].fold, rank[keys[i]]))
        packs: list[list[int]] = []
        for shape in dict.fromkeys(shapes):
            numbers = [i for i in in_order if shapes[i] == shape]
            n_packs = math.ceil(len(numbers) / most)
            packs += [part.tolist() for part in np.array_split(numbers, n_packs)]
        return packs


def run_pack(tasks: list[Task]) -> list[dict]:
    """Run tasks, training together as many as fit into memory."""
    results: list[dict] = []
    portion = Portion()
    for task in tasks:
        if not portion.has_room_for(task):
            results += portion.run(then=task)
        portion.add(task)
    return results + portion.run()


def data_of(tasks: list[Task]) -> list[Any]:
    """Return what has as many rows as X, and is the same for many packs."""
    names = "fit_params", "score_params"
    found: list[Any] = []
    for task in tasks:
        params = [x for name in names for x in (task.options.get(name) or {}).values()]
        found += [task.X, task.y, task.options["train"], task.options["test"], *params]
    return found


class PackedGridSearchCV(GridSearchCV):
    """Grid search that trains candidates and folds together.

    A drop-in replacement for :class:`~sklearn.model_selection.GridSearchCV`, with the same
    parameters, attributes, methods and results. It searches over :class:`NormNetClassifier`,
    :class:`NormNetRegressor` or a :class:`~sklearn.pipeline.Pipeline` that ends in one of them.

    Call overhead is a large part of the training time of small networks. This search trains
    several networks as one stack. The networks of a stack have the same shape, activation, batch
    norm, solver, batch size and number of training rows. They may differ in their fold,
    `keep_prob`, `alpha`, `weight_decay`, `learning_rate_init`, `learning_rate`, `momentum`, `init`,
    `weight_averaging`, `class_weight` and `random_state`. Candidates with the same parameters of
    the earlier steps of a pipeline share one fit of these steps in each fold. With an integer
    `random_state`, each network is the same as with `GridSearchCV`.

    Parameters
    ----------
    estimator, param_grid, scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, \
return_train_score
        The same as in :class:`~sklearn.model_selection.GridSearchCV`. Each of the `n_jobs`
        workers takes up to 24 fits at a time, called a pack. If `verbose` is above 0, the search
        prints the number of finished fits and the elapsed seconds after each pack.

    See Also
    --------
    PackedRandomizedSearchCV : The same for random search.
    sklearn.model_selection.GridSearchCV : Documents the shared parameters and attributes.

    Notes
    -----
    **Fit times.** The time to train a stack is divided evenly among its networks in
    `mean_fit_time`. So is the time to fit steps that are shared.

    **Memory.** Beyond what `GridSearchCV` needs, each worker holds at most 64 MiB of training
    rows, or two copies of the training rows of one fold if those are larger. This limit applies
    to the transformed rows that the networks get, as an array or CSR matrix, whatever the type
    of X. Rows that the steps of a pipeline store are not counted.

    **What is fitted one by one.** Some estimators are fitted by scikit-learn's own code: estimators
    of other classes, networks and steps that have callbacks of their own, networks with
    `checkpoint` or `max_time`, and subclasses that override `fit`. If ``return_train_score=True``,
    so are pipelines with steps that change the training rows in place, because scikit-learn scores
    the changed rows. If training a stack fails, for example because a callable `learning_rate`
    raises an error, the search warns and trains its networks one by one. A failing scorer or fit
    affects only its own candidate.

    **Callbacks** set on the search are notified of the end of each fit, but not of each epoch.

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

    fit = search_fit(Task.of, PackedParallel)


class PackedRandomizedSearchCV(RandomizedSearchCV):
    """Randomized search that trains candidates and folds together.

    A drop-in replacement for :class:`~sklearn.model_selection.RandomizedSearchCV`. It trains
    networks in the same way as :class:`PackedGridSearchCV`.

    Parameters
    ----------
    estimator, param_distributions, n_iter, scoring, n_jobs, refit, cv, verbose, pre_dispatch, \
random_state, error_score, return_train_score
        The same as in :class:`~sklearn.model_selection.RandomizedSearchCV`.

    See Also
    --------
    PackedGridSearchCV : The same for grid search; describes what is trained together.
    sklearn.model_selection.RandomizedSearchCV : Documents the shared parameters and attributes.

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

    fit = search_fit(Task.of, PackedParallel)
