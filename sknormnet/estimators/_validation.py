"""Rows held out of training: which they are, when they end it, how a network does on them."""

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

READ = 2**20  # numbers of X that are read at a time
MANY_ROWS = 10_000  # above, early_stopping="auto" holds a share of them out


@dataclass(frozen=True)
class Rows:
    """Rows of validated data, ready to be trained or scored on.

    Attributes
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    y : {ndarray, CSR matrix} of shape (n_samples,) or (n_samples, n_outputs)
        In the caller's form.
    target : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        y as the loss takes it.
    weight : ndarray of shape (n_samples,) or None
        The largest is 1.
    numbers : ndarray of int or None
        Of the rows that take part; None for all.
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
        """The largest absolute value of X, rows that do not take part included."""
        values = self.X if isinstance(self.X, np.ndarray) else self.X.data
        return _largest(values.T if values.flags.f_contiguous else values)

    @property
    def largest_target(self) -> float:
        """The largest absolute value of the targets that take part."""
        return _largest(self.target if self.numbers is None else self.target[self.numbers])

    def samples(self, dtype) -> Samples:
        """The same rows, to be handed out in batches."""
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
        """X, y and weights (by keyword) of the rows that take part, for a scorer.

        y is dense, and X is copied if some rows do not take part.
        """
        X, y = (a if self.numbers is None else a[self.numbers] for a in (self.X, self.y))
        weight = {}
        if self.weight is not None:
            taken = self.weight if self.numbers is None else self.weight[self.numbers]
            # In the user's unit, unless sums of such weights would overflow.
            unit = self.weight_unit if taken.sum() * self.weight_unit < math.inf else 1.0
            weight = {"sample_weight": taken * unit}
        return X, y.toarray() if issparse(y) else y, weight


def _largest(values: np.ndarray) -> float:
    """The largest absolute value of an array, read once from begin to end without a copy."""
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
        f"{name} contains values too large for the {dtype} network: the largest is {found:.3g}, and"
        f" {dtype} holds numbers up to {largest:.3g}. {remedy}{wider}."
    )


def check_network(network: Network, training: Samples, largest_input: float) -> None:
    """Raise an error if the network, or a prediction for a training row, is not finite.

    Bounds on the predictions tell in nearly all cases, at next to no cost. Only where they do
    not, or with activation functions of the user's own, all training rows are predicted.
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
    """Return the validation data of the caller's own, if there are any, checked and encoded.

    Their targets must have the form of those to train on, `like`.
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
            "y_val must have as many labels or outputs in a row as y, in an array of the same"
            f" form. y has {expected}, y_val has {found}."
        )
    with errors_of_validation_data():
        # Checked against what has just been learned of X and y.
        return estimator._encode(X, y, sample_weight, going_on=True, incremental=True)[0]


def _n_columns(y) -> int:
    """Number of targets in a row of y in any form: 1 for a single column, too."""
    shape = np.shape(y)
    return shape[1] if len(shape) == 2 else 1


def stops_early(estimator, n_rows: float, *, own: bool) -> bool:
    """Whether training ends when the score on held-out rows, one's own or not, stalls."""
    if not is_stochastic(estimator):
        return False
    if estimator.early_stopping == "auto":
        return own or MANY_ROWS < n_rows < math.inf
    return bool(estimator.early_stopping)


def split_rows(estimator, data: Rows, seed: int) -> tuple[Rows, Rows]:
    """Split the rows into those to train on and those to score, by classes if there are any."""
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
            f"No row is left to train on: {share}. Decrease 'validation_fraction' or increase the"
            " size of your dataset, or set early_stopping=False."
        )
    one_label = is_classifier(estimator) and data.target[:1].size == 1
    labels = data.target[numbers].ravel() if one_label else None
    parts = hold_out(numbers, n_held, np.random.default_rng(seed), labels=labels)
    kept, held = (replace(data, numbers=part) for part in parts)
    return kept, held


@contextmanager
def errors_of_scoring(scoring) -> Iterator[None]:
    """Have the errors of a scorer that has a name tell the name, and similar ones."""
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
    """Raise before training what a classifier's named scorer would raise after the first epoch.

    It scores perfect predictions of the held-out rows. Callables are not tried: they may count
    their calls. Nor are regressors, for which no raw predictions need be perfect.
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
    """Scores a network on held-out rows, as it would predict now.

    Parameters
    ----------
    estimator : BaseNormNet
        Its `scoring` says how.
    held : Rows
    loss : Loss
    dtype : dtype
        The network's.
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
        """All arrays that the held-out rows are kept in."""
        copies = [] if self._scorer is None else [*arrays_of(self._X), self._y]
        return self._samples.arrays + copies

    def __call__(self, network: Network) -> tuple[float, float]:
        """Return score and loss; NaN if the network has no numbers to predict."""
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
        """Score by the scorer, or by the estimator's own measure, which needs raw only."""
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
        """Mean loss; `raw` is used up."""
        y, weight = self._samples.y, self._samples.weight
        if y.ndim == 2:
            y = y.astype(np.result_type(y, raw), copy=False)  # yes and no are numbers to a loss
        share = np.full(len(raw), 1.0) if weight is None else weight
        share = (share / share.sum()).astype(raw.dtype).reshape(-1, 1)
        return self._loss.value_and_gradient(y, raw, share)
