"""What the classifier and the regressor share: fit, partial_fit, the raw prediction."""

import copy
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from numbers import Integral, Real
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.metrics import get_scorer_names
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted

from sknormnet._choices import choose, plain
from sknormnet.estimators._architecture import build_network, encode_inputs
from sknormnet.estimators._callbacks import callbacks_of
from sknormnet.estimators._inputs import validate_data
from sknormnet.estimators._objects import check_loss
from sknormnet.estimators._reporting import ProgressLine, Report, Table, joined, mean_history
from sknormnet.estimators._scales import warn_of_another_scale, warn_of_poor_training
from sknormnet.estimators._sklearn import (
    CALLBACK_STATE,
    CallbackSupportMixin,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    check_sample_weight,
    fit_context,
    with_advice,
)
from sknormnet.estimators._stacks import train, with_threads_for
from sknormnet.estimators._training import (
    Job,
    has_nothing_to_normalize,
    is_stochastic,
    resolve_max_iter,
)
from sknormnet.estimators._unused import warn_of_unused_options
from sknormnet.estimators._validation import (
    Rows,
    Validation,
    check_network,
    check_range,
    check_scorer,
    own_rows,
    split_rows,
    stops_early,
)
from sknormnet.nn.activations import ACTIVATIONS, Activation
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.layers import PiecewiseLinear
from sknormnet.nn.losses import Loss
from sknormnet.nn.network import Network
from sknormnet.training.batches import row_numbers
from sknormnet.training.loop import Run
from sknormnet.training.optimizers import OPTIMIZERS, Optimizer
from sknormnet.training.schedules import SCHEDULES, Schedule

NEGLIGIBLE = 1e-6  # of the mean weight
RECORDED = 1000  # epochs in the record of a network that partial_fit trains, at most
NONE_HELD = None, None, None  # no validation data of the caller's own


def _of_any_class(method: Callable) -> Callable:
    """Have Python's own errors call a method "fit", and not "BaseNormNet.fit"."""
    method.__qualname__ = method.__name__
    return method


class BaseNormNet(CallbackSupportMixin, BaseEstimator, ABC):
    """Base of the estimators; use those instead."""

    _accurate: ClassVar[dict[str, Any]] = {"n_members": 6, "keep_prob": 1.0, "input_bins": 6}

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS)), Activation, "array-like"],
        "solver": [StrOptions({*OPTIMIZERS, "lbfgs"}), Optimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto", "scale"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [
            StrOptions(set(SCHEDULES), for_numbers="Set learning_rate_init={} for that rate."),
            Schedule,
            callable,
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "scoring": [
            StrOptions(
                {"loss", *get_scorer_names()},
                listed="'loss', a name of sklearn.metrics.get_scorer_names()",
            ),
            callable,
            None,
        ],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "max_grad_norm": [None, Interval(Real, 0, None, closed="neither")],
        "batchnorm": ["boolean", StrOptions({"before", "after"})],
        "batchnorm_momentum": [Interval(Real, 0, 1, closed="left")],
        "batchnorm_epsilon": [Interval(Real, 0, None, closed="neither")],
        "keep_prob": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="right"), "array-like"],
        "input_keep_prob": [Interval(Real, 0, 1, closed="right")],
        "input_bins": [Interval(Integral, 0, None, closed="left")],
        "init": [StrOptions({"auto", *INITIALIZERS}), callable],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "n_members": [Interval(Integral, 1, None, closed="left")],
    }

    @classmethod
    def for_accuracy(cls, **parameters) -> Self:
        """Return an estimator with parameters set for accuracy; it is about 5 times slower to fit.

        It is an ensemble of six networks, on inputs encoded in six bins, without dropout and
        label smoothing. Averaging the members limits overconfidence as well as these two do for
        a single network, and is more accurate.

        Parameters
        ----------
        **parameters : dict
            Parameters of the estimator. They take precedence over the values set here.

        Returns
        -------
        estimator : object
            An unfitted estimator that differs from ``cls(**parameters)`` in its parameters only.
        """
        return cls(**cls._accurate | parameters)

    # ------------------------------------------------------ for the leaf classes to fill

    @abstractmethod
    def _encode_target(
        self, y, weight, rows, *, going_on: bool, incremental: bool
    ) -> tuple[Loss, np.ndarray, int]:
        """Return the loss, the target in the form that it takes, and how many outputs it has.

        `rows` are the numbers of the rows that count, or None for all.
        """

    def _choose_loss(self, table: Mapping[str, Loss], kind: type, **settings) -> Any:
        """The loss: an object as it is, one of the table with the fields that are given."""
        loss = choose(f"The 'loss' parameter of {type(self).__name__}", self.loss, table, kind)
        return loss if loss is self.loss else loss.with_settings(settings)

    def _weigh_classes(self, y, weight: np.ndarray | None) -> np.ndarray | None:
        """Return the weights of the rows, with those of their classes multiplied in."""
        return weight

    @abstractmethod
    def _score_raw(self, target, raw, loss: Loss, sample_weight) -> float:
        """Score raw predictions against an encoded target; higher is better."""

    # -------------------------------------------------------------------------- fitting

    def _validate_params(self) -> None:
        """Check the parameters, as scikit-learn does, with advice on what was meant."""
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            raise with_advice(error, self) from None

    @fit_context(prefer_skip_nested_validation=True)
    @_of_any_class
    def fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None
    ) -> Self:
        """Fit the network to X and y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs, which should be scaled (see
            :class:`~sklearn.preprocessing.StandardScaler`). Arrays of any numeric dtype,
            including memory-mapped ones, and CSR matrices are never copied as a whole.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets: class labels or a label indicator matrix in classification,
            numbers in regression.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss, in batch norm's statistics and in the validation
            score; not negative. Zero-weight rows are ignored, and so are rows whose weight is
            below a millionth of the mean weight. Multiplying all weights by a number has an
            effect only if `alpha` is above 0.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Rows to validate on, instead of a fraction of X. In a pipeline with
            ``transform_input=["X_val"]`` and metadata routing, they are transformed as X is. The
            epoch that scores best on them is kept, even with ``early_stopping=False``. With
            `warm_start`, it has to score better than the network before training. A UserWarning
            is given if columns have a very different scale than in X.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            The targets of `X_val`, in the same form as y.
        sample_weight_val : array-like of shape (n_val,), default=None
            The weights of `X_val`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or if the weights have become infinite
            or NaN. The estimator is then the same as before the call.
        KeyboardInterrupt
            If you press Ctrl+C. The estimator is then the same as before the call.

        Warns
        -----
        ConvergenceWarning
            If training has failed, has learned little from inputs that are not scaled, or has
            not converged.
        UserWarning
            If parameters are set that have no effect in this fit.
        """
        with working_copy(self) as copied:
            copied._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    def _prepare_fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None
    ) -> list[Job]:
        """The jobs that `fit` would train: to be trained elsewhere, and then finished."""
        self._validate_params()
        return self._prepare(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    def _fit(self, X, y, sample_weight, held_out=NONE_HELD, *, incremental: bool = False) -> Self:
        jobs = self._prepare(X, y, sample_weight, held_out, incremental=incremental)
        if incremental and has_nothing_to_normalize(jobs[0]):
            return self._learn_nothing(jobs)
        callbacks = None if incremental else callbacks_of(self, jobs, X, y, sample_weight)
        with jobs[0].report:
            self._finish(train(jobs, callbacks))
        if callbacks:
            callbacks.fit_ends()
        return self

    def _learn_nothing(self, jobs: Sequence[Job]) -> Self:
        """Leave a fitted network as it is; keep a new one as it was initialized."""
        warnings.warn(
            "Nothing was learned from X: batch norm cannot normalize a single row or rows that are"
            f" all equal. Got {len(jobs[0].training)} such row(s). Call partial_fit with several"
            " different rows, or set batchnorm=False to train on single rows.",
            stacklevel=6,  # the caller of partial_fit
        )
        return self if jobs[0].going_on else self._keep(jobs)

    def _prepare(self, X, y, sample_weight, held_out=NONE_HELD, *, incremental=False) -> list[Job]:
        """All of a fit that comes before training: a job for each member."""
        going_on = (
            hasattr(self, "_runs") and (incremental or self.warm_start) and self._runs[0].has_begun
        )
        if not going_on:
            self.__dict__.pop("_runs", None)  # what is new is not checked against the last fit
        data, loss, n_outputs = self._encode(
            X, y, sample_weight, going_on=going_on, incremental=incremental
        )
        n_rows = math.inf if incremental else len(data)
        held = own_rows(self, *held_out, like=data)
        early = stops_early(self, n_rows, own=held is not None)
        if not incremental:
            has_validation = held is not None
            warn_of_unused_options(self, data, going_on=going_on, has_validation=has_validation)
        runs = (self._go_on if going_on else self._begin)(data, n_outputs, n_rows)
        if held is not None:
            check_range(held, runs[0].network.dtype, suffix="_val")
            warn_of_another_scale(self, *(rows.samples(None) for rows in (data, held)))
        elif early:
            data, held = split_rows(self, data, runs[0].split_seed)
        if held is not None:
            check_scorer(self, held, loss)
        dtype, jobs = runs[0].network.dtype, []
        for run in runs:
            training = data.samples(dtype)
            validate = None if held is None else Validation(self, held, loss, dtype)
            scores = "loss" if held is None else ("score", self.scoring)
            run.watch(scores, anew=not incremental)
            jobs.append(
                Job(
                    self,
                    run,
                    loss,
                    training,
                    validate,
                    going_on,
                    incremental,
                    largest_input=data.largest_input,
                )
            )
        check_loss(type(self).__name__, loss, training, n_outputs, dtype)
        if not going_on:
            raw = loss.baseline(training.y, training.weight, n_outputs)
            for run in runs:
                run.network.set_output_bias(raw)
        self._report(jobs)
        return jobs

    def _report(self, jobs: Sequence[Job]) -> None:
        """Have the jobs tell the user how they come along, as `verbose` says."""
        kind = {0: Report, 1: ProgressLine}.get(self.verbose, Table)
        n_epochs = 1 if jobs[0].incremental else resolve_max_iter(self)
        unit = "epoch" if is_stochastic(self) else "iteration"
        report = kind(type(self).__name__, [job.history for job in jobs], n_epochs, unit)
        for job in jobs:
            job.report = report

    def _finish(self, jobs: Sequence[Job]) -> Self:
        """All of a fit that comes after training."""
        jobs[0].report.ends()
        for job in jobs:
            network = job.run.network
            if not job.incremental:
                chunks = partial(job.training.chunks, network.chunk_rows)
                with_threads_for([job], network.recompute_statistics, chunks, len(job.training))
            with_threads_for([job], check_network, network, job.training, job.largest_input)
        warn_of_poor_training(self, jobs)
        return self._keep(jobs)

    def _encode(
        self, X, y, sample_weight, *, going_on: bool, incremental: bool
    ) -> tuple[Rows, Loss, int]:
        """Check the data, and return them as the loss takes them, the loss and its outputs."""
        X, y = self._validate(X, y, reset=not going_on)
        weight, unit = self._validate_weight(X, y, sample_weight)
        rows = None if weight is None or weight.all() else row_numbers(len(weight))[weight != 0]
        loss, target, n_outputs = self._encode_target(
            y, weight, rows, going_on=going_on, incremental=incremental
        )
        return Rows(X, y, target, weight, _rows_with_a_say(weight), unit), loss, n_outputs

    def _validate(self, X, y, *, reset: bool):
        """Check the data, and return them as arrays; X may be a CSR matrix."""
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype="numeric",
            multi_output=True,
            y_numeric=is_regressor(self),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _validate_weight(self, X, y, sample_weight) -> tuple[np.ndarray | None, float]:
        """Return the weights of rows and classes, the largest of which is 1, and their unit.

        So equal weights are exactly equal, and no sum of weights can overflow. The unit is
        what the weights have been divided by.
        """
        weight, unit = None, 1.0
        if sample_weight is not None:
            weight = check_sample_weight(sample_weight, X, dtype=np.float64)
            if (weight < 0).any():
                raise ValueError(f"sample_weight must be >= 0. Got {weight.min()} instead.")
            unit = _divisor(weight)
            weight = weight / unit
        weight, of_classes = _divided_by_largest(self._weigh_classes(y, weight))
        return weight, unit * of_classes

    def _begin(self, data: Rows, n_outputs: int, n_rows: float) -> list[Run]:
        """Runs from the start, each with one stream of random numbers for each use."""
        dtype = self._choose_dtype(data)
        encoding, knots = encode_inputs(data, plain(self.input_bins))
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        streams = iter(np.random.SeedSequence(seed).spawn(4 * plain(self.n_members)))
        runs = []
        for weights, order, dropout, split in zip(*[streams] * 4, strict=True):
            network = build_network(
                self, data.X.shape[1], n_outputs, dtype, n_rows=n_rows, encoding=encoding
            )
            network.constants[...] = np.ravel(knots)
            runs.append(
                Run(
                    network.initialize(np.random.Generator(np.random.SFC64(weights))),
                    order=np.random.Generator(np.random.SFC64(order)),
                    dropout=np.random.Generator(np.random.SFC64(dropout)),
                    split_seed=int(split.generate_state(1)[0]),
                )
            )
        return runs

    def _choose_dtype(self, data: Rows) -> np.dtype:
        """The precision of the network, which must hold X and y."""
        dtype = self.dtype
        if dtype == "auto":
            narrow = data.X.dtype == np.float32 and self._fits_float32(data)
            dtype = np.float32 if narrow else np.float64
        check_range(data, np.dtype(dtype))
        if self.dtype == "float32" and not self._fits_float32(data):
            warnings.warn(
                "float32 cannot tell the values of y apart: their spread is too small compared"
                " with their distance from 0. Set standardize_target=True, subtract the mean of y,"
                " or set dtype='float64'.",
                stacklevel=3,
            )
        return np.dtype(dtype)

    def _fits_float32(self, data: Rows) -> bool:
        """Whether float32 numbers can tell the targets apart."""
        return True

    def _go_on(self, data: Rows, n_outputs: int, n_rows: float) -> list[Run]:
        """Copies of the last runs, so that these survive a failure, under today's parameters."""
        runs = copy.deepcopy(self._runs)
        before = runs[0].network
        if self.dtype not in ("auto", before.dtype):
            raise ValueError(
                "partial_fit and warm_start=True need the same dtype as the last fit."
                f" It was {before.dtype} and would be {self.dtype}."
            )
        if len(runs) != self.n_members:
            raise ValueError(
                "partial_fit and warm_start=True need the same n_members as the last fit."
                f" It was {len(runs)} and would be {self.n_members}."
            )
        check_range(data, before.dtype)
        first = before.layers[0]
        encoding = first if isinstance(first, PiecewiseLinear) else None
        for run in runs:
            network = build_network(
                self, data.X.shape[1], n_outputs, before.dtype, n_rows=n_rows, encoding=encoding
            )
            if not network.same_shapes(before):
                raise ValueError(
                    "partial_fit and warm_start=True need the same"
                    " hidden_layer_sizes, batchnorm and number of outputs. The layers were"
                    f" {before} and would be {network}."
                )
            network.copy_state_from(run.network)
            run.network = network
        return runs

    def _keep(self, jobs: Sequence[Job]) -> Self:
        """Set the fitted attributes; from here on nothing fails."""
        job, validated = jobs[0], jobs[0].validated
        history = mean_history([job.history for job in jobs])
        for run in (job.run for job in jobs):
            run.network.fold()
        self._predict_with([job.run for job in jobs], job.loss)
        best = float(np.mean([job.run.patience.best for job in jobs]))
        before = self.history_ if job.going_on else {}
        scores_before = (self.validation_scores_ if job.going_on else None) or []
        kept = slice(-RECORDED if job.incremental else None, None)
        self.best_epoch_ = self._best_epochs(jobs, len(before.get("loss", [])))
        # New lists: shallow copies of this estimator, and it itself if the call fails, keep
        # the old ones.
        self.history_: dict[str, list[float]] = {
            name: values[kept] for name, values in joined(before, history.columns()).items()
        }
        self.loss_curve_: list[float] = self.history_["loss"].copy()
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.best_loss_ = None if validated else -best
        self.best_validation_score_ = best if validated else None
        self.validation_scores_: list[float] | None = (
            scores_before + history.scores if validated else None
        )
        self.n_iter_ = history.n_iter
        self.t_ = max(job.run.samples for job in jobs)
        return self

    def _best_epochs(self, jobs: Sequence[Job], n_before: int) -> Any:
        """The epoch that each member was kept at, counted from the start of the record.

        Where no epoch beat the network that training went on from, it stays what it was.
        """
        if jobs[0].incremental:
            n_before = min(n_before, RECORDED - 1)
        before = np.ravel(self.best_epoch_ if jobs[0].going_on else 0)
        found = [
            n_before + job.history.best_epoch if job.history.best_epoch else int(epoch)
            for job, epoch in zip(jobs, np.broadcast_to(before, len(jobs)), strict=True)
        ]
        return found[0] if len(found) == 1 else np.array(found)

    def _predict_with(self, runs: list, loss: Loss) -> None:
        """Set what predictions need, of the runs their networks."""
        self._runs, self._loss = runs, loss
        self.n_layers_ = len(self.coefs_) + 1
        self.n_outputs_ = self.coefs_[-1].shape[-1]
        self.out_activation_ = loss.out_activation

    def _fitted_copy(self, networks: Sequence[Network], loss: Loss) -> Self:
        """Return a shallow copy that predicts with networks as they are while training."""
        fitted = copy.copy(self)
        fitted._predict_with([SimpleNamespace(network=network) for network in networks], loss)
        return fitted

    def _check_solver(self) -> bool:
        if not is_stochastic(self):
            raise AttributeError(
                "partial_fit is only available for stochastic"
                f" optimizers. {self.solver} is not stochastic."
            )
        return True

    def _partial_fit(self, X, y, sample_weight) -> Self:
        if self.early_stopping not in (False, "auto"):  # numpy.bool too
            raise ValueError("partial_fit does not support early_stopping=True")
        return self._fit(X, y, sample_weight, incremental=True)

    # ----------------------------------------------------------------------- prediction

    def hidden_activations(self, X, layer=-1) -> np.ndarray:
        """Return the output of a hidden layer in prediction.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.
        layer : int, default=-1
            Index of the hidden layer: 0 for the first, -1 for the last.

        Returns
        -------
        activations : ndarray of shape (n_samples, n_units)
            Values after activation and batch norm, without dropout. With `n_members` above 1,
            the shape is (n_members, n_samples, n_units).

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        X = self._validate_inputs(X)
        number = hidden_number(layer, len(self.coefs_) - 1)
        networks = [run.network for run in self._runs]
        return _of_members([_finite(x, partial(x.hidden, number=number), X) for x in networks])

    def _fitted_networks(self) -> list[Network]:
        check_is_fitted(self)
        return [run.network for run in self._runs]

    def _validate_inputs(self, X):
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", dtype="numeric", reset=False)

    def _predict_by_chunks(self, X, function: Callable) -> tuple[np.ndarray, ...]:
        """Return what a function of raw predictions returns for all rows of X.

        The rows go in chunks, so that memory is bounded also with many members.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        function : callable ``raws -> tuple of arrays``
            Gets a list of the raw predictions of each member, of shape (n_rows, n_outputs),
            and returns arrays whose first axis is the rows.
        """
        X = self._validate_inputs(X)
        networks = [run.network for run in self._runs]

        def of_rows(X) -> tuple[np.ndarray, ...]:
            return function([_finite(network, network.predict, X) for network in networks])

        step = max(1, networks[0].chunk_rows // len(networks))
        if X.shape[0] <= step:
            return of_rows(X)
        parts = [of_rows(X[start : start + step]) for start in range(0, X.shape[0], step)]
        return tuple(map(np.concatenate, zip(*parts, strict=True)))

    def _sample_raw(self, X, n_samples, random_state) -> Iterator[np.ndarray]:
        """Raw predictions with dropout on, time after time, of one member after the other."""
        X = self._validate_inputs(X)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(
                f"n_samples must be an int in the range [1, inf). Got {n_samples!r} instead."
            )
        if not self._runs[0].network.is_noisy:
            raise ValueError(self._without_dropout())
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        rng = np.random.Generator(np.random.SFC64(seed))
        members = islice(cycle(run.network for run in self._runs), int(n_samples))
        return (_finite(network, partial(network.sample, rng=rng), X) for network in members)

    def _without_dropout(self) -> str:
        """Why there is nothing to draw samples with, and what to do about it."""
        kept = (
            "keep_prob='auto' is 1.0 for fewer than 100 rows and for solver='lbfgs'"
            if isinstance(self.keep_prob, str)
            else f"keep_prob={self.keep_prob!r}"
        )
        return (
            f"This {type(self).__name__} was fitted without dropout, so it has no random samples:"
            f" {kept}. Fit with keep_prob=0.8, or fit an ensemble with n_members=6:"
            " return_std=True then gives the standard deviation over its members."
        )

    # ----------------------------------------------------------------------- attributes

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights of each layer, of shape (fan_in, fan_out); read-only.

        With `input_bins`, the inputs of the first layer are the features, followed by their
        encoding, bin by bin. With `n_members` above 1, these arrays and those of the properties
        below have an additional first axis for the members.
        """
        return self._fitted("W")

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases of each layer, of shape (fan_out,); read-only.

        Layers directly followed by batch norm have none; theirs are given as zeros.
        """
        return self._fitted("b")

    @property
    def gammas_(self) -> list[np.ndarray]:
        """Batch norm's trained scale for each hidden layer, of shape (n_units,); read-only."""
        return self._fitted("gamma")

    @property
    def betas_(self) -> list[np.ndarray]:
        """Batch norm's trained shift for each hidden layer, of shape (n_units,); read-only."""
        return self._fitted("beta")

    @property
    def running_means_(self) -> list[np.ndarray]:
        """Mean that batch norm uses in prediction, for each hidden layer; read-only."""
        return self._fitted("mean")

    @property
    def running_vars_(self) -> list[np.ndarray]:
        """Variance that batch norm uses in prediction, for each hidden layer; read-only."""
        return self._fitted("var")

    def _fitted(self, name: str) -> list[np.ndarray]:
        """The arrays of one name, which are read-only views of what the network holds."""
        try:
            networks = [run.network for run in self._runs]
        except AttributeError:
            raise AttributeError(f"{type(self).__name__} is not fitted yet.") from None
        found = []
        for layers in zip(*(_named(name, network) for network in networks), strict=True):
            # An array on a read-only buffer cannot be made writeable; a mere view can.
            memory = np.ascontiguousarray(_of_members(layers)).data
            found.append(np.asarray(memory.toreadonly()))
        return found

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def hidden_number(layer, n_hidden: int) -> int:
    """The number, from 0, of a hidden layer that may be counted from the end."""
    if not (isinstance(layer, Integral) and -n_hidden <= int(layer) < n_hidden):
        raise ValueError(
            f"layer must be an int in the range [{-n_hidden}, {n_hidden}): there are"
            f" {n_hidden} hidden layers. Got {layer!r} instead."
        )
    return int(layer) % n_hidden


def _finite(network: Network, predict: Callable, X) -> np.ndarray:
    """Return what `predict` returns for X, which must be finite numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = predict(X)
    if np.isfinite(values).all():
        return values
    if not network.is_finite():
        raise ValueError("The network has no finite weights: its training has diverged.")
    wider = ", or fit with dtype='float64'" if network.dtype == np.float32 else ""
    raise ValueError(
        f"X contains values too large for the {network.dtype} network: its outputs are not finite"
        f" numbers. Scale X, for example with StandardScaler{wider}."
    )


def spread(samples: Iterable[np.ndarray], unit=1.0) -> np.ndarray:
    """Return the standard deviation of each element over the samples, one after the other.

    Parameters
    ----------
    samples : iterable of ndarray
        All of one shape and dtype, which the result has too.
    unit : float or ndarray, default=1.0
        About as large as the samples, whose squares might overflow. Where they do so all the
        same, the result is the largest number of the dtype.

    References
    ----------
    Welford (1962), "Note on a method for calculating corrected sums of squares and products",
    Technometrics 4.
    """
    mean, squares = np.zeros(()), np.zeros(())
    with np.errstate(over="ignore", invalid="ignore"):
        for n, sample in enumerate(samples, 1):
            delta = np.divide(sample, unit, dtype=np.float64) - mean
            mean = mean + delta / n
            delta *= delta
            squares = squares + delta * ((n - 1) / n)
        std = np.sqrt(squares / n) * unit
    largest = np.finfo(sample.dtype).max
    return np.nan_to_num(np.minimum(std, largest), nan=largest).astype(sample.dtype, copy=False)


def _divisor(weight: np.ndarray) -> float:
    """What to divide weights by, so that their products and sums do not overflow.

    Equal ones become exactly 1; of others, a power of two leaves all digits as they are.
    """
    largest = float(weight.max())
    if ((weight == largest) | (weight == 0)).all():
        return largest or 1.0
    return math.ldexp(1.0, math.frexp(largest)[1] - 1)


def _divided_by_largest(weight: np.ndarray | None) -> tuple[np.ndarray | None, float]:
    """The weights divided by the largest of them, and the largest."""
    if weight is None:
        return None, 1.0
    largest = float(weight.max())
    if not largest > 0:
        raise ValueError(
            "The sum of sample_weight must be positive, so the weights may not all be zero."
            f" Got {largest} instead."
        )
    return weight / largest, largest


def _rows_with_a_say(weight: np.ndarray | None) -> np.ndarray | None:
    """Numbers of the rows whose weight is not negligible; None for all.

    Adam's steps are as long however short the gradients are: once all other rows are fitted,
    those of next to no weight would have the say.
    """
    if weight is None:
        return None
    counts = weight >= NEGLIGIBLE * weight.mean(where=weight > 0)
    return None if counts.all() else row_numbers(len(weight))[counts]


def _named(name: str, network: Network) -> Iterator[np.ndarray]:
    """Views of a network's arrays of one name, layer by layer; missing biases are zeros."""
    for arrays in network.arrays():
        array = getattr(arrays, name, None)
        if name == "b" and array is None and hasattr(arrays, "W"):
            array = np.zeros(arrays.W.shape[-1], network.dtype)
        if array is not None:
            yield array if name == "W" else array.reshape(-1)


def _of_members(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The array of a single member, or those of several along a new first axis."""
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)


@contextmanager
def working_copy(estimator: Any) -> Iterator[Any]:
    """Yield a shallow copy to be fitted, whose attributes the estimator gets if all goes well.

    Until then, the estimator is what it was, for predictions in other threads too. If the block
    fails, it stays so; only scikit-learn's record of its callbacks is passed on.
    """
    copied = object.__new__(type(estimator))
    vars(copied).update(vars(estimator))
    try:
        yield copied
    except BaseException:
        for name in CALLBACK_STATE:
            if name in vars(copied):
                setattr(estimator, name, vars(copied)[name])
        raise
    estimator.__dict__ = vars(copied)
