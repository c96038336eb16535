"""The base of both estimators: what a fit does, from the parameters to the fitted attributes.

`fit` and `partial_fit` work on a copy of the estimator (`working_copy`) and call `_fit`, which

- prepares: reads the parameters, validates X and y, holds rows out, fits the encoding of the
  inputs to the training rows, and makes a trainer for each network (`_prepare`);
- trains: `sknormnet.training`;
- finishes: checks the networks and sets the fitted attributes (`_finish`).

Predictions are in `prediction.py`.
"""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils import column_or_1d

from sknormnet.estimators._sklearn import (
    CALLBACK_STATE,
    CallbackSupportMixin,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    check_optimize_result,
    check_sample_weight,
    fit_context,
    safe_indexing,
    with_advice,
)
from sknormnet.estimators.architecture import MANY_ROWS
from sknormnet.estimators.callbacks import begin_callbacks
from sknormnet.estimators.checkpoint import Checkpoint
from sknormnet.estimators.columns import (
    ValidatedTable,
    errors_of_validation_data,
    read_table,
    validate_table,
)
from sknormnet.estimators.fingerprint import fingerprint_of
from sknormnet.estimators.finite import check_network, check_range
from sknormnet.estimators.held_out import Score, ScorerScore, check_scorer
from sknormnet.estimators.intervals import ConformalMixin
from sknormnet.estimators.own_objects import check_loss
from sknormnet.estimators.precision import float32_holds_inputs
from sknormnet.estimators.prediction import FittedNetworks
from sknormnet.estimators.prepared import Inputs, PreparedFit, keep_inputs, prepare_inputs
from sknormnet.estimators.progress import Progress
from sknormnet.estimators.records import to_plain
from sknormnet.estimators.rows import (
    Rows,
    check_not_negative,
    divided_by_largest,
    rows_that_count,
    split_rows,
    without_overflow,
)
from sknormnet.estimators.saved_fit import SavedFit
from sknormnet.estimators.scale_warnings import (
    warn_of_another_scale,
    warn_of_poor_training,
    warn_of_values_outside_bins,
)
from sknormnet.estimators.settings import Call, Settings, TargetSettings, resolve, uses_minibatches
from sknormnet.estimators.spread_training import train_spread
from sknormnet.estimators.starts import Start, continued_starts, drawn_seed, new_starts
from sknormnet.estimators.unused_parameters import warn_of_unused_parameters
from sknormnet.inputs import fit_more
from sknormnet.inputs.numeric import MOST_FREQUENCIES
from sknormnet.nn.activations import ACTIVATIONS, Activation
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.losses import ClassificationLoss, Loss
from sknormnet.nn.products import rows_are_equal
from sknormnet.training.batches import row_numbers, uneven
from sknormnet.training.history import joined, mean_history
from sknormnet.training.optimizers import OPTIMIZERS, Optimizer
from sknormnet.training.schedules import SCHEDULES, Schedule
from sknormnet.training.stacks import train
from sknormnet.training.trainer import BaseTrainer

AUTO_BINS = 6  # input_bins="auto"; a sparse X is not put into bins
AUTO_FREQUENCIES = 4  # input_frequencies="auto" of a regressor whose inputs are put into bins
RECORDED = 1000  # epochs in the record of a network that partial_fit trains, at most
NO_VALIDATION = None, None, None  # X_val, y_val, sample_weight_val


def _of_any_class(method: Callable) -> Callable:
    """Have Python's own errors call a method "fit", and not "BaseNormNet.fit"."""
    method.__qualname__ = method.__name__
    return method


class BaseNormNet(FittedNetworks, ConformalMixin, CallbackSupportMixin, BaseEstimator, ABC):
    """Base of the estimators; use those instead."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS)), Activation, "array-like"],
        "solver": [StrOptions({*OPTIMIZERS, "lbfgs"}), Optimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "weight_decay": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto", "scale"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [
            StrOptions(set(SCHEDULES), for_numbers="Set learning_rate_init={} for that rate."),
            Schedule,
            callable,
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_time": [None, Interval(Real, 0, None, closed="neither")],
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
        "weight_averaging": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "batchnorm": ["boolean", StrOptions({"before", "after"})],
        "batchnorm_momentum": [Interval(Real, 0, 1, closed="left")],
        "batchnorm_epsilon": [Interval(Real, 0, None, closed="neither")],
        "keep_prob": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="right"), "array-like"],
        "input_keep_prob": [Interval(Real, 0, 1, closed="right"), StrOptions({"auto"})],
        "input_bins": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "input_frequencies": [
            StrOptions({"auto"}),
            Interval(Integral, 0, MOST_FREQUENCIES, closed="both"),
        ],
        "bin_strategy": [StrOptions({"tree", "quantile"})],
        "scaling_layer": [StrOptions({"auto"}), "boolean"],
        "scale_inputs": [StrOptions({"standard", "robust"}), None],
        "categorical_features": [StrOptions({"from_dtype"}), None, "array-like"],
        "categories": [StrOptions({"auto"}), "array-like", dict],
        "init": [StrOptions({"auto", *INITIALIZERS}), callable],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "checkpoint": [Checkpoint, None],
    }

    @classmethod
    def for_accuracy(cls, **parameters) -> Any:
        """Return an ensemble that is more accurate than a network, and takes longer to fit.

        It averages networks with several settings, each trained on several parts of the rows,
        and chooses on the other rows how much each setting weighs. See
        :class:`NormNetEnsembleClassifier` and :class:`NormNetEnsembleRegressor`.

        Parameters
        ----------
        **parameters : dict
            Parameters of the ensemble, such as `cv` and `random_state`, and of its networks. The
            latter are then the same for all candidates.

        Returns
        -------
        ensemble : NormNetEnsembleClassifier or NormNetEnsembleRegressor
            Unfitted.
        """
        from sknormnet.estimators.ensembles import ensemble_of

        return ensemble_of(cls, parameters)

    # ------------------------------------------------------ for the leaf classes to fill

    @abstractmethod
    def _encode_target(
        self, y, numbers, settings: TargetSettings, call: Call
    ) -> tuple[Loss, Any, int]:
        """Return the loss, y in the form that it takes, and the number of raw predictions.

        `numbers` are the indices of the rows whose weight is not zero, or None for all.
        """

    def _weigh_classes(self, y, weight, settings: TargetSettings) -> np.ndarray | None:
        """Return the weights of the rows, multiplied by those of their classes."""
        return weight

    def _measure_target(self, training: Rows, loss: Loss, settings: TargetSettings) -> Any:
        """Return the mean and standard deviation to standardize the targets by, or None."""
        return None

    def _fits_float32(self, training: Rows) -> bool:
        """Whether float32 numbers can tell the targets apart."""
        return True

    @abstractmethod
    def _pooled_response(self, raws: list[np.ndarray]) -> np.ndarray:
        """Return the predictions or probabilities for the raw predictions of all members."""

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
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs: numbers, or a DataFrame of pandas or polars, or a Table of pyarrow, with
            words, categories and booleans, too. NaN, None and NA are missing values. Arrays of
            any numeric dtype, including memory-mapped ones, and CSR matrices are never copied as
            a whole.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets: class labels or a label indicator matrix in classification,
            numbers in regression.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss, in batch norm's statistics and in the validation
            score; not negative. Zero-weight rows are ignored, and so are rows whose weight is
            below a millionth of the mean weight. Multiplying all weights by a number has an
            effect only if `alpha` is above 0.
        X_val : {DataFrame, array-like, sparse matrix} of shape (n_val, n_features), default=None
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
        OSError
            If the file of a `checkpoint` cannot be written.
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
        call = Call.CONTINUED if self.warm_start else Call.FRESH
        with working_copy(self) as copied:
            copied._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), call=call)
        return self

    def _partial_fit(self, X, y, sample_weight) -> Self:
        return self._fit(X, y, sample_weight, call=Call.CHUNK)

    def _fit(self, X, y, sample_weight, validation=NO_VALIDATION, *, call: Call) -> Self:
        fit = self._prepare(X, y, sample_weight, validation, call=call)
        if call is Call.CHUNK and _has_nothing_to_normalize(fit.trainers[0]):
            return self._learn_nothing(fit)
        callbacks = None if call is Call.CHUNK else begin_callbacks(self, fit, X, y, sample_weight)
        with fit.progress:
            with fit.saving() as after_epoch:
                if after_epoch is None and callbacks is None:
                    train_spread(fit.trainers)
                train(fit.trainers, in_step=callbacks is not None, after_epoch=after_epoch)
            self._finish(fit)
        if callbacks:
            callbacks.end()
        return self

    def _prepare_fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None, **options
    ) -> PreparedFit:
        """Prepare what `fit` would train: to be trained elsewhere, and then finished."""
        self._validate_params()
        validation = X_val, y_val, sample_weight_val
        return self._prepare(X, y, sample_weight, validation, call=Call.FRESH, **options)

    def _prepare(
        self,
        X,
        y,
        sample_weight,
        validation,
        *,
        call: Call,
        fold: np.ndarray | None = None,
        progress: Progress | None = None,
        shared: dict | None = None,
    ) -> PreparedFit:
        """Do all of a fit that comes before training.

        `fold` holds the numbers of the rows to validate on, for training on all others. `progress`
        prints the progress of this fit and others; None stands for one of its own. `shared` holds
        what other fits of the same X and y have found and prepared.
        """
        settings = resolve(self, call)
        if not settings.continues:
            self.__dict__.pop("_networks", None)  # a new network is not compared with the last one
        rows, loss, n_outputs = self._validate(X, y, sample_weight, settings, call)
        held_out = self._validate_held_out(validation, rows, settings)
        n_given = len(rows)
        n_rows = math.inf if call is Call.CHUNK else n_given
        settings = settings.for_rows(n_rows, are_sparse=issparse(rows.X))
        saved = self._saved_fit(settings, rows, held_out)
        starts = self._starts(settings, saved)
        is_split = held_out is None and (fold is not None or settings.holds_out(n_rows))
        if call is not Call.CHUNK:
            warn_of_unused_parameters(settings, rows.X, holds_out=is_split or held_out is not None)
        if is_split:
            rows, held_out = self._split(rows, settings, starts[0].state.split_seed, fold)
        # All that follows is measured on the training rows only.
        scaling = self._choose_scaling(rows, loss, settings)
        rows, held_out = _standardized(scaling, rows, held_out)
        dtype = self._choose_dtype(rows, settings, n_given)
        self._check_range(rows, held_out, settings, dtype, is_split=is_split)
        if held_out is None:
            settings = self._adapted(rows, settings, shared)
        inputs = self._choose_inputs(rows, settings, dtype, shared)
        fit = PreparedFit(settings, rows, held_out, loss, n_outputs, scaling, inputs, dtype, saved)
        fit.progress = progress or fit.progress
        self._add_trainers(fit, starts, n_rows)
        return fit

    def _add_trainers(self, fit: PreparedFit, starts: Sequence[Start], n_rows: float) -> None:
        """Make a trainer for each member."""
        settings, rows, loss = fit.settings, fit.rows, fit.loss
        networks = [
            start.network(
                settings, fit.inputs.encoder, fit.n_outputs, dtype=fit.dtype, n_rows=n_rows
            )
            for start in starts
        ]
        samples = fit.samples(rows)
        check_loss(settings.owner, loss, samples, fit.n_outputs, fit.dtype)
        if not settings.continues:
            raw = loss.baseline(samples.y, samples.weight, fit.n_outputs)
            for network in networks:
                network.set_output_bias(raw)
        score = self._score(fit)
        for network, start in zip(networks, starts, strict=True):
            network.tracks = settings.plan.is_chunk or fit.held_out is not None
            start.state.compare_by(fit.metric, reset=not settings.plan.is_chunk)
            fit.add_trainer(network, start.state, score)

    def _score(self, fit: PreparedFit) -> Score | None:
        """Return what scores networks on the held-out rows; None for their loss."""
        held_out, scoring = fit.held_out, fit.settings.scoring
        if held_out is None or scoring == "loss":
            return None
        if scoring is None:
            y, weight = held_out.of(held_out.target), uneven(held_out.of(held_out.weight))
            loss = fit.loss
            return lambda network, raw: float(self._score_raw(y, raw, loss, weight))
        scorer = check_scoring(self, scoring=scoring)
        score = ScorerScore(
            scorer, partial(self._fitted_copy, self._attributes_of(fit)), held_out, scoring
        )
        if isinstance(scoring, str) and isinstance(fit.loss, ClassificationLoss):
            check_scorer(score, held_out, fit.n_outputs)
        return score

    def _finish(self, fit: PreparedFit) -> Self:
        """Do all of a fit that comes after training: check the networks, set the attributes."""
        for trainer in fit.trainers:
            result = getattr(trainer, "result", None)  # of L-BFGS
            if result is not None and not trainer.history.reached_max_time:
                fit.progress.clear()  # the next line may warn
                check_optimize_result("lbfgs", result, fit.settings.plan.max_epochs)
        fit.progress.ends()
        for trainer, validation in zip(fit.trainers, fit.validations, strict=True):
            if not fit.settings.plan.is_chunk:
                trainer.with_blas_threads(_recompute_statistics, trainer)
            # A network that no epoch has improved on was calibrated before.
            if validation is not None and validation.calibrates and trainer.history.best_epoch:
                trainer.network.divide_output(validation.temperature(trainer.network))
            largest = fit.largest_input
            trainer.with_blas_threads(check_network, trainer.network, trainer.samples, largest)
        warn_of_poor_training(fit, self._column_name)
        return self._keep(fit)

    def _keep(self, fit: PreparedFit) -> Self:
        """Set the fitted attributes; from here on nothing fails."""
        trainers, is_validated = fit.trainers, fit.held_out is not None
        history = mean_history([trainer.history for trainer in trainers])
        best = float(np.mean([trainer.state.patience.best for trainer in trainers]))
        before = self.history_ if fit.settings.continues else {}
        scores_before = (self.validation_scores_ if fit.settings.continues else None) or []
        kept = slice(-RECORDED if fit.settings.plan.is_chunk else None, None)
        self.best_epoch_ = self._best_epochs(fit, len(before.get("loss", [])))
        self.__dict__.update(self._attributes_of(fit))
        self._networks = [network.fold() for network in fit.networks]
        self._folded = self._fold()
        self._conformalize_held_out(fit)
        self._states = [trainer.state for trainer in trainers]
        # New lists: shallow copies of this estimator, and it itself if the call fails, keep
        # the old ones.
        self.history_: dict[str, list[float]] = {
            name: values[kept] for name, values in joined(before, history.columns()).items()
        }
        self.loss_curve_: list[float] = self.history_["loss"].copy()
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.best_loss_ = None if is_validated else -best
        self.best_validation_score_ = best if is_validated else None
        self.validation_scores_: list[float] | None = (
            scores_before + history.scores if is_validated else None
        )
        self.n_iter_ = history.n_iter
        self.reached_max_time_ = any(x.history.reached_max_time for x in trainers)
        self.t_ = max(trainer.state.n_samples_seen for trainer in trainers)
        return self

    def _conformalize_held_out(self, fit: PreparedFit) -> None:
        """Calibrate intervals or sets on the held-out rows."""
        if (rows := fit.held_out) is not None:
            pairs = zip(fit.trainers, fit.validations, strict=True)
            raws = [x.with_blas_threads(held.raw, x.network) for x, held in pairs]  # type: ignore[union-attr]
            response = self._pooled_response([raw.astype(np.float64) for raw in raws])
            self._set_conformal(response, rows.of(rows.y), rows.of(rows.sample_weight))

    def _best_epochs(self, fit: PreparedFit, n_before: int) -> Any:
        """Return the epoch that each member was kept at, counted from the start of the record.

        Where no epoch beat the network from which training continued, it stays the same.
        """
        if fit.settings.plan.is_chunk:
            n_before = min(n_before, RECORDED - 1)
        before = np.ravel(self.best_epoch_ if fit.settings.continues else 0)
        pairs = zip(fit.trainers, np.broadcast_to(before, len(fit.trainers)), strict=True)
        found = [
            n_before + x.history.best_epoch if x.history.best_epoch else int(epoch)
            for x, epoch in pairs
        ]
        return found[0] if len(found) == 1 else np.array(found)

    def _attributes_of(self, fit: PreparedFit) -> dict[str, Any]:
        """Return what predictions need besides the networks."""
        return {
            "_columns": self._columns,
            "_inputs": fit.inputs.encoder,
            "_loss": fit.loss,
            "_target_scaling": fit.target_scaling,
            "n_outputs_": fit.n_outputs,
            "out_activation_": fit.loss.out_activation,
            "_conformal": None,
        }

    def _fitted_copy(self, attributes: dict[str, Any], *networks: Any) -> Self:
        """Return a shallow copy that predicts with networks as they are while training."""
        fitted = object.__new__(type(self))
        fitted.__dict__.update(self.__dict__, **attributes, _networks=list(networks))
        return fitted

    def _learn_nothing(self, fit: PreparedFit) -> Self:
        """Leave a fitted network as it is; keep a new one as it was initialized."""
        warnings.warn(
            "Nothing was learned from X: batch norm cannot normalize a single row or rows that are"
            f" all equal. Got {len(fit.rows)} such row(s). Call partial_fit with several"
            " different rows, or set batchnorm=False to train on single rows.",
            stacklevel=6,  # the caller of partial_fit
        )
        return self if fit.settings.continues else self._keep(fit)

    # --------------------------------------------------------------------------- steps of a fit

    @property
    def _has_begun(self) -> bool:
        """Whether there is a network that was trained, or has batch-norm statistics of any rows."""
        if not hasattr(self, "_networks"):
            return False
        if "_states" not in vars(self):
            raise ValueError(
                f"This {type(self).__name__} has no training state, so it cannot be trained"
                " further. Continue with the estimator on which without_training_state was called,"
                " or call fit with warm_start=False."
            )
        return self._states[0].n_samples_seen > 0 or self._networks[0].momentum_weight > 0

    def _validate(
        self, X, y, sample_weight, settings: Settings, call: Call
    ) -> tuple[Rows, Loss, int]:
        """Check the data; return the rows with their targets, the loss and its outputs."""
        reset = call is not Call.CHECK and not settings.continues
        table = X
        X, y = self._validate_arrays(X, y, settings, reset=reset)
        weight, unit, given = self._validate_weight(X, y, sample_weight, settings.target)
        numbers = None if weight is None or weight.all() else row_numbers(len(weight))[weight != 0]
        reads = reset and not isinstance(table, ValidatedTable)
        if reads and numbers is not None and self._columns and self._columns.levels:
            # Levels of zero-weight rows only are unknown.
            self._columns = read_table(safe_indexing(table, numbers), settings)
            X = validate_table(self, table, self._columns)
        loss, target, n_outputs = self._encode_target(y, numbers, settings.target, call)
        rows = Rows(X, y, weight, unit, rows_that_count(weight), target, given)
        return rows, loss, n_outputs

    def _validate_arrays(self, X, y, settings: Settings, *, reset: bool):
        """Return X and y as arrays; X may be a CSR matrix."""
        options = {"multi_output": True, "y_numeric": is_regressor(self), "reset": reset}
        if reset:
            self._columns = read_table(X, settings)
        X, y = validate_table(self, X, self._columns, y, **options)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _validate_weight(
        self, X, y, sample_weight, settings: TargetSettings
    ) -> tuple[np.ndarray | None, float, np.ndarray | None]:
        """Return the weights of rows and classes, their unit, and the weights of rows alone.

        The largest weight is 1. So equal weights are exactly equal, and no sum of weights can
        overflow. The unit is what the weights have been divided by.
        """
        weight, unit = None, 1.0
        if sample_weight is not None:
            weight = check_sample_weight(sample_weight, X, dtype=np.float64)
            check_not_negative(weight)
            weight, unit = without_overflow(weight)
        total, of_classes = divided_by_largest(self._weigh_classes(y, weight, settings))
        return total, unit * of_classes, total if settings.class_weight is None else weight

    def _validate_held_out(self, validation: tuple, like: Rows, settings: Settings) -> Rows | None:
        """Return the caller's validation rows, checked and encoded; None if there are none.

        Their targets must have the same form as the training targets, `like`.
        """
        X, y, sample_weight = validation
        if X is None and y is None and sample_weight is None:
            return None
        for name, value in (("X_val", X), ("y_val", y)):
            if value is None:
                raise ValueError(f"X_val and y_val must be given together, but {name} is None.")
        if not settings.is_stochastic:
            raise ValueError("X_val and y_val are not supported by solver='lbfgs'.")
        if (found := _n_columns(y)) != (expected := _n_columns(like.y)):
            raise ValueError(
                "y_val must have the same number of labels or outputs per row as y, in an array of"
                f" the same form. y has {expected}, y_val has {found}."
            )
        with errors_of_validation_data():
            # Checked against the features and classes that were just set from X and y.
            return self._validate(X, y, sample_weight, settings, Call.CHECK)[0]

    def _checked_rows(self, X, y, sample_weight) -> Rows:
        return self._validated_rows(X, y, sample_weight)[0]

    def _validated_rows(self, X, y, sample_weight) -> tuple[Rows, Loss, float | None]:
        """Return rows as a fitted network would train on them, the loss, and alpha."""
        settings = resolve(self, Call.CHECK)
        rows, loss, _ = self._validate(X, y, sample_weight, settings, Call.CHECK)
        return _standardized(self._target_scaling, rows, None)[0], loss, settings.plan.alpha

    def _saved_fit(self, settings: Settings, rows: Rows, held_out: Rows | None) -> SavedFit | None:
        """Return the checkpoint of this fit."""
        if settings.checkpoint is None:
            return None
        others: dict[str, Any] = {}
        if settings.continues:
            vectors = [(x.parameters, x.statistics) for x in self._networks]
            others["the last fit"] = vectors, to_plain(tuple(self._states))
        return SavedFit(settings.checkpoint, fingerprint_of(self, rows, held_out, others))

    def _starts(self, settings: Settings, saved: SavedFit | None) -> list[Start]:
        """Return what the training of each member starts from."""
        if settings.continues:
            return continued_starts(settings, self._networks, self._states)
        seed = drawn_seed(settings.random_state)
        if saved is not None:
            seed = saved.seed = seed if saved.seed is None else saved.seed
        return new_starts(settings.n_members, seed)

    def _split(
        self, rows: Rows, settings: Settings, seed: int, fold: np.ndarray | None
    ) -> tuple[Rows, Rows]:
        """Return training and held-out rows: those outside and inside the fold, or at random."""
        if fold is not None:
            return rows.split(fold)
        return split_rows(rows, settings, seed, stratify=is_classifier(self))

    def _choose_scaling(self, rows: Rows, loss: Loss, settings: Settings) -> Any:
        """Return the mean and standard deviation to standardize the targets by, or None."""
        if settings.continues:
            return self._target_scaling
        return self._measure_target(rows, loss, settings.target)

    def _choose_dtype(self, rows: Rows, settings: Settings, n_rows: int) -> np.dtype:
        """Return the precision of the network; `n_rows` also counts the rows held out of X."""
        if settings.continues:
            return self._networks[0].dtype
        if settings.dtype != "auto":
            return np.dtype(settings.dtype)
        is_narrow = rows.X.dtype == np.float32 or (
            settings.is_stochastic and n_rows >= MANY_ROWS and float32_holds_inputs(rows)
        )
        return np.dtype(np.float32 if is_narrow and self._fits_float32(rows) else np.float64)

    def _check_range(
        self, rows: Rows, held_out: Rows | None, settings: Settings, dtype, *, is_split: bool
    ) -> None:
        """Check that the network can hold X and y, and that validation rows are on their scale."""
        check_range(rows, dtype)
        if held_out is not None:
            check_range(held_out, dtype, suffix="" if is_split else "_val")
            if not is_split:
                n_levels = self._n_levels(rows.X.shape[1])
                numeric = np.flatnonzero(n_levels == 0)
                warn_of_another_scale(rows, held_out, numeric, self._column_name)
        if settings.dtype == "float32" and not (settings.continues or self._fits_float32(rows)):
            warnings.warn(
                "float32 cannot tell the values of y apart: their spread is too small compared"
                " with their distance from 0. Set standardize_target=True, subtract the mean of y,"
                " or set dtype='float64'.",
                stacklevel=4,
            )

    def _adapted(self, rows: Rows, settings: Settings, shared: dict | None) -> Settings:
        """Return the settings for few rows that show no curves, if some depend on that."""
        if settings.call is Call.CHUNK or not settings.adapts_to_lines:
            return settings
        # It imports linear models, which would be a third of the time of `import sknormnet`.
        from sknormnet.estimators.linearity import examined

        kind = {"is_classifier": is_classifier(self)}
        curves = examined(rows, self._n_levels(rows.X.shape[1]), shared, **kind)
        if curves is None or not curves.are_absent(**kind):
            return settings
        return settings.for_lines(are_noisy=curves.are_noisy)

    def _choose_inputs(
        self, rows: Rows, settings: Settings, dtype: np.dtype, shared: dict | None
    ) -> Inputs:
        """Return the inputs, fitted to the training rows."""
        if settings.continues:
            encoder = self._inputs
            if settings.call is Call.CHUNK:
                X, _, weight = rows.evenly_spaced()
                warn_of_values_outside_bins(X, encoder, self._column_name)
                encoder = fit_more(encoder, X, weight=weight, n_rows=len(rows))
            return Inputs(encoder, keep_inputs(encoder, rows.X))
        n_bins, n_frequencies = settings.input_bins, settings.input_frequencies
        if n_bins is None:
            n_bins = AUTO_BINS
        if n_frequencies is None:
            n_frequencies = AUTO_FREQUENCIES if n_bins and is_regressor(self) else 0
        return prepare_inputs(
            rows,
            dtype,
            shared,
            n_levels=self._n_levels(rows.X.shape[1]),
            scale=settings.scale_inputs,
            n_bins=n_bins,
            n_frequencies=n_frequencies,
            target=rows.target if settings.bin_strategy == "tree" else None,
            keep_absent=not isinstance(settings.categories, str),
        )

    def _n_levels(self, n_columns: int) -> np.ndarray:
        """Return the number of levels of each column of X; 0 for a numeric one."""
        return np.zeros(n_columns, int) if self._columns is None else self._columns.n_levels

    def _column_name(self, number: int) -> str:
        """Return how messages name a column of X."""
        names = getattr(self, "feature_names_in_", None)
        return f"column {number if names is None else repr(str(names[number]))}"

    def _check_solver(self) -> bool:
        if not uses_minibatches(self):
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers."
                f" {self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags


def _standardized(scaling: Any, rows: Rows, held_out: Rows | None) -> tuple[Rows, Rows | None]:
    """Return both with standardized targets."""
    if scaling is None:
        return rows, held_out
    mean, scale = scaling

    def of(target: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # such y are rejected later
            return (target - mean) / scale

    target = of(rows.target)
    if held_out is not None:
        shared = held_out.target is rows.target
        held_out = replace(held_out, target=target if shared else of(held_out.target))
    return replace(rows, target=target), held_out


def _n_columns(y) -> int:
    """Return the number of targets per row of y; 1 for a single column too."""
    shape = np.shape(y)
    return shape[1] if len(shape) == 2 else 1


def _recompute_statistics(trainer: BaseTrainer) -> None:
    """Replace the running statistics of batch norm by those of all training rows."""
    network, samples = trainer.network, trainer.samples
    network.recompute_statistics(partial(samples.chunks, network.chunk_rows), len(samples))


def _has_nothing_to_normalize(trainer: BaseTrainer) -> bool:
    """Whether there is batch norm and all rows are equal, so that it makes one value of them."""
    network, first = trainer.network, None
    if not network.statistics.size:
        return False
    for x, _ in trainer.samples.chunks(network.chunk_rows):
        first = x[:1].copy() if first is None else first
        if not rows_are_equal(x) or (x[:1] != first).sum():
            return False
    return True


@contextmanager
def working_copy(estimator: BaseNormNet) -> Iterator[Any]:
    """Yield a shallow copy to be fitted, whose attributes the estimator gets if all goes well.

    Until then, the estimator is what it was, for predictions in other threads too. If the block
    fails, it stays so; only scikit-learn's record of its callbacks is passed on.
    """
    copied = object.__new__(type(estimator))
    copied.__dict__.update(vars(estimator))
    try:
        yield copied
    except BaseException:
        for name in CALLBACK_STATE:
            if name in vars(copied):
                setattr(estimator, name, vars(copied)[name])
        raise
    estimator.__dict__ = copied.__dict__
