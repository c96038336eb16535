"""Rows of validated data: their weights, their range, and the split into two parts."""

import math
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sknormnet._dataclasses import dataclass
from sknormnet.estimators.settings import Settings
from sknormnet.training.batches import Samples, row_numbers, uneven

READ = 2**20  # numbers of X that are read at once
MOST_ROWS, MOST_NUMBERS = 1_000, 2**20  # rows and numbers of X in `evenly_spaced`, at most
ROWS_OF_SPREAD = 10  # fewer rows are too few to measure a spread
NEGLIGIBLE = 1e-6  # of the mean weight


@dataclass(frozen=True)
class Rows:
    """Rows of validated data, ready to be trained or scored on.

    Attributes
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    y : {ndarray, CSR matrix} of shape (n_samples,) or (n_samples, n_outputs)
        As passed by the caller.
    weight : ndarray of shape (n_samples,) or None
        Weights of the rows; the largest is 1.
    weight_unit : float, default=1.0
        The largest weight in the user's unit.
    numbers : ndarray of int or None
        Indices of the rows in use; None for all.
    target : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        y encoded for the loss.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows, in any unit, without those of their classes.
    """

    X: Any
    y: Any
    weight: np.ndarray | None
    weight_unit: float
    numbers: np.ndarray | None
    target: Any = None
    sample_weight: np.ndarray | None = None

    def __len__(self) -> int:
        return self.X.shape[0] if self.numbers is None else len(self.numbers)

    def of(self, array: Any) -> Any:
        """Return the rows in use of an array that has all rows, or None for None."""
        return array if array is None or self.numbers is None else array[self.numbers]

    def split(self, held_out: np.ndarray) -> tuple["Rows", "Rows"]:
        """Return the rows in use without some of them, and those."""
        is_training = np.zeros(self.X.shape[0], bool)
        is_training[slice(None) if self.numbers is None else self.numbers] = True
        is_training[held_out] = False
        numbers = row_numbers(len(is_training))[is_training]
        return replace(self, numbers=numbers), replace(self, numbers=held_out)

    def evenly_spaced(self) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """Return X, targets and weights of up to 1,000 rows at equal distances, to be measured."""
        most = min(MOST_ROWS, max(ROWS_OF_SPREAD, MOST_NUMBERS // self.X.shape[1]))
        numbers = np.linspace(0, len(self) - 1, min(len(self), most)).astype(int)
        numbers = numbers if self.numbers is None else self.numbers[numbers]
        weight = None if self.weight is None else uneven(self.weight[numbers])
        return self.X[numbers], self.target[numbers], weight

    @cached_property
    def largest_input(self) -> float:
        """The largest absolute value of X, including the rows that are not in use.

        Missing values are ignored.
        """
        values = self.X if isinstance(self.X, np.ndarray) else self.X.data
        values = values.T if values.flags.f_contiguous else values
        largest = _largest(values)
        return largest if largest == largest else _largest_present(values)

    @property
    def largest_target(self) -> float:
        """The largest absolute value of the targets in use."""
        return _largest(self.of(self.target))

    def samples(self, inputs: Any, dtype: Any) -> Samples:
        """Return the rows as Samples, from which batches are drawn."""
        return Samples(
            self.X,
            self.target,
            weight=self.weight,
            rows=self.numbers,
            inputs=inputs,
            dtype=dtype,
            weight_unit=self.weight_unit,
        )

    @cached_property  # one copy for all members
    def for_scorer(self) -> tuple[Any, np.ndarray, dict[str, np.ndarray]]:
        """X, y and weights (by keyword) of the rows in use, for a scorer.

        y is dense. X is copied if some rows are not in use.
        """
        y, weight = self.of(self.y), {}
        if self.weight is not None:
            used = self.of(self.weight)
            # In the user's unit, unless the sum of the weights would overflow.
            unit = self.weight_unit if used.sum() * self.weight_unit < math.inf else 1.0
            weight = {"sample_weight": used * unit}
        return self.of(self.X), y.toarray() if issparse(y) else y, weight


def _largest(values: np.ndarray) -> float:
    """Return the largest absolute value of an array, in one pass and without a copy."""
    n_rows = max(1, READ // math.prod(values.shape[1:]))
    starts = range(0, len(values), n_rows)
    parts = (values[start : start + n_rows] for start in starts)
    return max((max(float(x.max()), -float(x.min())) for x in parts), default=0.0)


def _largest_present(values: np.ndarray) -> float:
    """Return the largest absolute value of an array with missing values."""
    found = np.fmax(np.fmax.reduce(values, axis=None), -np.fmin.reduce(values, axis=None))
    return float(np.nan_to_num(found))


# -------------------------------------------------------------------------------- weights


def check_not_negative(weight: np.ndarray) -> None:
    """Raise an error if a sample weight is negative."""
    if (weight < 0).any():
        raise ValueError(f"sample_weight must be >= 0. Got {weight.min()} instead.")


def without_overflow(weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the weights divided so that their products and sums do not overflow; the divisor.

    Equal ones become exactly 1. Others are divided by a power of two, which changes no digit.
    """
    unit = largest = float(weight.max())
    if not ((weight == largest) | (weight == 0)).all():
        unit = math.ldexp(1.0, math.frexp(largest)[1] - 1)
    unit = unit or 1.0
    return weight / unit, unit


def divided_by_largest(weight: np.ndarray | None) -> tuple[np.ndarray | None, float]:
    """Return the weights divided by the largest of them, and the largest."""
    if weight is None:
        return None, 1.0
    largest = float(weight.max())
    if not largest > 0:
        raise ValueError(
            "The sum of sample_weight must be positive, so the weights may not all be zero."
            f" Got {largest} instead."
        )
    return weight / largest, largest


def shares(weight: np.ndarray | None, n_rows: int) -> np.ndarray:
    """Return each row's share of the weight, of shape (n_rows, 1), as losses take it."""
    weight = np.ones(n_rows) if weight is None else weight.astype(np.float64)
    return (weight / weight.sum()).reshape(-1, 1)


def rows_that_count(weight: np.ndarray | None) -> np.ndarray | None:
    """Return the indices of the rows whose weight is not negligible; None for all.

    The length of Adam's steps does not depend on the size of the gradients: once all other rows
    are fitted, rows of almost no weight would determine the steps.
    """
    if weight is None:
        return None
    counts = weight >= NEGLIGIBLE * weight.mean(where=weight > 0)
    return None if counts.all() else row_numbers(len(weight))[counts]


# ---------------------------------------------------------------------------------- split


def split_rows(rows: Rows, settings: Settings, seed: int, *, stratify: bool) -> tuple[Rows, Rows]:
    """Split the rows into training and held-out rows, stratified by class if possible."""
    numbers = row_numbers(len(rows)) if rows.numbers is None else rows.numbers
    fraction = settings.validation_fraction
    n_held = math.ceil(fraction * len(numbers))
    share = f"validation_fraction={fraction} of {len(numbers)} rows is {n_held}"
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
    labels = rows.target[numbers].ravel() if stratify and rows.target[:1].size == 1 else None
    parts = hold_out(numbers, n_held, np.random.default_rng(seed), labels=labels)
    training, held_out = (replace(rows, numbers=part) for part in parts)
    return training, held_out


def hold_out(
    rows: np.ndarray, n_held: int, rng: np.random.Generator, labels: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split row indices at random into training and held-out rows, stratified by label.

    Needs a few bytes per row, and accepts labels that occur only once.

    Parameters
    ----------
    rows : ndarray of int of shape (n_rows,)
    n_held : int
        Number of held-out rows.
    rng : Generator
    labels : ndarray of shape (n_rows,) or None
        None for a split without stratification.

    Returns
    -------
    training, held_out : ndarray of int
        Both in the order of `rows`.
    """
    if labels is None:
        groups = iter([row_numbers(len(rows))])
    else:
        groups = (np.flatnonzero(labels == label) for label in np.unique(labels))
    is_held = np.zeros(len(rows), bool)
    n_seen = n_done = 0
    for group in groups:
        n_seen += len(group)
        n_drawn = round(n_held * n_seen / len(rows)) - n_done  # these numbers add up to n_held
        is_held[rng.permutation(group)[:n_drawn]] = True
        n_done += n_drawn
    return rows[~is_held], rows[is_held]
