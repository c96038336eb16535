"""Held-out rows: which rows they are, when their score stops training, and scoring."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring, get_scorer_names

from sknormnet._choices import plain
from sknormnet.estimators._inputs import errors_of_validation_data
from sknormnet.estimators._training import is_stochastic
from sknormnet.nn.losses import ClassificationLoss, Loss
from sknormnet.nn.network import Network
from sknormnet.training.batches import Samples, arrays_of, hold_out, row_numbers

READ = 2**20  # numbers of X that are read at once
MANY_ROWS = 10_000  # with more rows, early_stopping="auto" holds some of them out


@dataclass(frozen=True)
class Rows:
    """Rows of validated data, ready to be trained or scored on.

    Attributes
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    y : {ndarray, CSR matrix} of shape (n_samples,) or (n_samples, n_outputs)
        As passed by the caller.
    target : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        y encoded for the loss.
    weight : ndarray of shape (n_samples,) or None
        Weights of the rows; the largest is 1.
    numbers : ndarray of int or None
        Indices of the rows in use; None for all.
    weight_unit : float, default=1.0
        The largest weight in the user's unit.
    """

    X: Any
    y: Any
    target: np.ndarray
    weight: np.ndarray | None
    numbers: np.ndarray | None
    weight_unit: float = 1.0

    def __len__(self) -> int:
        return self.X.shape[0] if self.numbers is None else len(self.numbers)

    @cached_property
    def largest_input(self) -> float:
        """The largest absolute value of X, including the rows that are not in use."""
        values = self.X if isinstance(self.X, np.ndarray) else self.X.data
        return _largest(values.T if values.flags.f_contiguous else values)

    @property
    def largest_target(self) -> float:
        """The largest absolute value of the targets in use."""
        return _largest(self.target if self.numbers is None else self.target[self.numbers])

    def samples(self, dtype) -> Samples:
        """Return the rows as Samples, from which batches are drawn."""
        return Samples(
            self.X,
            self.target,
            weight=self.weight,
            rows=self.numbers,
            dtype=dtype,
            weight_unit=self.weight_unit,
        )

    @cached_property  # one copy for all members
    def taken(self) -> tuple[Any, np.ndarray, dict[str, np.ndarray]]:
        """X, y and weights (by keyword) of the rows in use, for a scorer.

        y is dense. X is copied if some rows are not in use.
        """
        X, y = (a if self.numbers is None else a[self.numbers] for a in (self.X, self.y))
        weight = {}
        if self.weight is not None:
            taken = self.weight if self.numbers is None else self.weight[self.numbers]
            # In the user's unit, unless the sum of the weights would overflow.
            unit = self.weight_unit if taken.sum() * self.weight_unit < math.inf else 1.0
            weight = {"sample_weight": taken * unit}
        return X, y.toarray() if issparse(y) else y, weight


def _largest(values: np.ndarray) -> float:
    """Return the largest absolute value of an array, in one pass and without a copy."""
    n_rows = max(1, READ // math.prod(values.shape[1:]))
    starts = range(0, len(values), n_rows)
    parts = (values[start : start + n_rows] for start in starts)
    return max((max(float(x.max()), -float(x.min())) for x in parts), default=0.0)


def check_range(data: Rows, dtype: np.dtype, *, suffix: str = "") -> None:
    """Raise an error if X or y are infinite in the precision of the network."""
    largest = float(np.finfo(dtype).max)
    if data.largest_input > largest:
        name, found = f"X{suffix}", data.largest_input
        remedy = "Scale it, for example with StandardScaler"
    elif not data.largest_target <= largest:  # NaN too, where numbers cancel out
        name, found, remedy = f"y{suffix}", data.largest_target, "Scale it"
    else:
        return
    wider = ", or set dtype='float64'" if dtype == np.float32 else ""
    raise ValueError(
        f"{name} contains values too large for the {dtype} network: the largest absolute value is"
        f" {found:.3g}, and the largest {dtype} number is {largest:.3g}. {remedy}{wider}."
    )


def check_network(network: Network, training: Samples, largest_input: float) -> None:
    """Raise an error if the network, or a prediction for a training row, is not finite.

    Bounds on the predictions, which cost almost nothing, decide in nearly all cases. If they do
    not, or with the user's own activation functions, all training rows are predicted.
    """
    if not network.is_finite():
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may"
            " contain large values and need to be preprocessed."
        )
    network.fold()
    with np.errstate(over="ignore", invalid="ignore"):
        if network.bound(largest_input) < np.finfo(network.dtype).max / 2:
            return
        chunks = training.chunks(network.chunk_rows)
        if all(np.isfinite(network.predict(x)).all() for x, _ in chunks):
            return
    raise ValueError(
        "The network's predictions for its training rows are not finite: training has diverged,"
        f" or X contains values too large for the {network.dtype} network. Decrease"
        " 'learning_rate_init', or scale X, for example with StandardScaler."
    )


def own_rows(estimator, X, y, sample_weight, *, like: Rows) -> Rows | None:
    """Return the caller's validation data, checked and encoded; None if there are none.

    Their targets must have the same form as the training targets, `like`.
    """
    if X is None and y is None and sample_weight is None:
        return None
    for name, value in (("X_val", X), ("y_val", y)):
        if value is None:
            raise ValueError(f"X_val and y_val must be given together, but {name} is None.")
    if not is_stochastic(estimator):
        raise ValueError("X_val and y_val are not supported by solver='lbfgs'.")
    if (found := _n_columns(y)) != (expected := _n_columns(like.y)):
        raise ValueError(
            "y_val must have the same number of labels or outputs per row as y, in an array of the"
            f" same form. y has {expected}, y_val has {found}."
        )
    with errors_of_validation_data():
        # Checked against the features and classes that were just set from X and y.
        return estimator._encode(X, y, sample_weight, going_on=True, incremental=True)[0]


def _n_columns(y) -> int:
    """Return the number of targets per row of y; 1 for a single column too."""
    shape = np.shape(y)
    return shape[1] if len(shape) == 2 else 1


def stops_early(estimator, n_rows: float, *, own: bool) -> bool:
    """Whether early stopping is on; `own` means that the caller passed validation rows."""
    if not is_stochastic(estimator):
        return False
    if estimator.early_stopping == "auto":
        return own or MANY_ROWS < n_rows < math.inf
    return bool(estimator.early_stopping)


def split_rows(estimator, data: Rows, seed: int) -> tuple[Rows, Rows]:
    """Split the rows into training and held-out rows, stratified by class if possible."""
    numbers = row_numbers(len(data)) if data.numbers is None else data.numbers
    n_held = math.ceil(plain(estimator.validation_fraction) * len(numbers))
    share = (
        f"validation_fraction={estimator.validation_fraction} of {len(numbers)} rows is {n_held}"
    )
    if n_held < 2:
        raise ValueError(
            f"The validation set is too small: {share}, and early stopping needs at least 2."
            " Increase 'validation_fraction' or the size of your dataset, or set"
            " early_stopping=False."
        )
    if n_held == len(numbers):
        raise ValueError(
            f"No rows are left to train on: {share}. Decrease 'validation_fraction' or increase the"
            " size of your dataset, or set early_stopping=False."
        )
    one_label = is_classifier(estimator) and data.target[:1].size == 1
    labels = data.target[numbers].ravel() if one_label else None
    parts = hold_out(numbers, n_held, np.random.default_rng(seed), labels=labels)
    kept, held = (replace(data, numbers=part) for part in parts)
    return kept, held


@contextmanager
def errors_of_scoring(scoring) -> Iterator[None]:
    """Add the name of a named scorer, and similar names, to its errors."""
    try:
        yield
    except ValueError as error:
        if not isinstance(scoring, str):
            raise
        similar = sorted(name for name in get_scorer_names() if name.startswith(f"{scoring}_"))
        advice = f" Similar scorers: {', '.join(map(repr, similar))}." if similar else ""
        raise ValueError(
            f"scoring={scoring!r} cannot score these targets: {str(error).rstrip('.')}.{advice}"
        ) from error


def check_scorer(estimator, held: Rows, loss: Loss) -> None:
    """Raise errors of a classifier's named scorer before training, not after the first epoch.

    The scorer is tried on perfect predictions of the held-out rows. Callables are not tried,
    because they may count their calls. Neither are scorers of regressors, for which there may be
    no raw predictions that are perfect.
    """
    if estimator.scoring in (None, "loss") or not isinstance(estimator.scoring, str):
        return
    scorer = check_scoring(estimator, scoring=estimator.scoring)
    if not isinstance(loss, ClassificationLoss):
        return
    X, y, weight = held.taken
    target = held.target if held.numbers is None else held.target[held.numbers]
    if target.ndim == 1:
        target = target[:, None] == np.arange(len(estimator.classes_))
    raw = np.where(target, 5.0, -5.0)
    perfect = SimpleNamespace(chunk_rows=len(raw), predict=lambda X: raw)
    fitted = copy.copy(estimator)
    fitted._runs, fitted._loss = [SimpleNamespace(network=perfect)], loss
    fitted.n_outputs_, fitted.out_activation_ = target.shape[1], loss.out_activation
    vars(fitted).pop("feature_names_in_", None)  # the rows are a validated array
    with errors_of_scoring(estimator.scoring):
        scorer(fitted, X, y, **weight)


class Validation:
    """Score the current network on held-out rows.

    Parameters
    ----------
    estimator : BaseNormNet
        Its `scoring` is used.
    held : Rows
    loss : Loss
    dtype : dtype
        Precision of the network.
    """

    def __init__(self, estimator, held: Rows, loss: Loss, dtype):
        self._estimator, self._loss = estimator, loss
        self._samples = held.samples(dtype)
        self._scorer = None
        if estimator.scoring not in (None, "loss"):
            self._scorer = check_scoring(estimator, scoring=estimator.scoring)
            self._X, self._y, self._weight = held.taken

    @property
    def arrays(self) -> list[np.ndarray]:
        """All arrays that store the held-out rows."""
        copies = [] if self._scorer is None else [*arrays_of(self._X), self._y]
        return self._samples.arrays + copies

    def __call__(self, network: Network) -> tuple[float, float]:
        """Return score and loss; NaN if a prediction is not finite."""
        network.fold()
        chunks = self._samples.chunks(network.chunk_rows)
        raw = np.concatenate([network.predict(x) for x, _ in chunks])
        if not np.isfinite(raw).all():
            return math.nan, math.nan
        if self._estimator.scoring == "loss":
            value = self._value(raw)
            return -value, value
        return self._score(network, raw), self._value(raw)

    def _score(self, network: Network, raw: np.ndarray) -> float:
        """Return the score of the scorer, or the default score, which needs only `raw`."""
        if self._scorer is None:
            y, weight = self._samples.y, self._samples.weight
            return float(self._estimator._score_raw(y, raw, self._loss, weight))
        fitted = self._estimator._fitted_copy([network], self._loss)
        vars(fitted).pop("feature_names_in_", None)  # the rows are a validated array
        with errors_of_scoring(self._estimator.scoring):
            score = self._scorer(fitted, self._X, self._y, **self._weight)
        if not isinstance(score, Real):
            raise ValueError(
                f"scoring must return a number, got {score!r} ({type(score)}) instead."
                f" (scorer={self._estimator.scoring!r})"
            )
        return float(score)

    def _value(self, raw: np.ndarray) -> float:
        """Return the mean loss; `raw` is overwritten."""
        y, weight = self._samples.y, self._samples.weight
        if y.ndim == 2:
            y = y.astype(np.result_type(y, raw), copy=False)  # the loss needs numbers, not booleans
        share = np.full(len(raw), 1.0) if weight is None else weight
        share = (share / share.sum()).astype(raw.dtype).reshape(-1, 1)
        return self._loss.value_and_gradient(y, raw, share)
