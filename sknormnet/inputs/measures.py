"""Weighted statistics of the columns of X, measured chunk by chunk or on a sample of the rows."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from sknormnet._quantiles import quantiles

CHUNK_ELEMENTS = 2**16  # of X, read at a time: 0.5 MB in float64
SAMPLE_ROWS = 10_000  # rows to compute quantiles from, at most


class Ranges(NamedTuple):
    """Weighted statistics of each numeric column, without its missing values.

    Attributes
    ----------
    mean : ndarray of shape (n_columns,)
        Of float64; 0 for a column without values.
    low, high : ndarray of shape (n_columns,)
        Smallest and largest value; 0 for a column without values.
    missing_share : ndarray of shape (n_columns,)
        Share of the weight of the rows with a missing value; exactly 0 for none.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    missing_share: np.ndarray


class WeightedRows:
    """Some rows of X and their weights, which sum to 1. Rows of weight 0 are left out.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    rows : ndarray of int or None
        Indices of the rows; None for all rows.
    weight : ndarray of shape (n_samples,) or None
        Sample weights of all rows of X; None for equal weights.
    target : ndarray of shape (n_samples,) or (n_samples, n_targets), or None
        Of all rows of X; used to place bin edges.
    """

    def __init__(
        self,
        X: Any,
        rows: np.ndarray | None,
        weight: np.ndarray | None,
        target: np.ndarray | None = None,
    ):
        self.X: Any = np.asarray(X) if isinstance(X, np.ndarray) else X  # a memmap is slow
        if weight is not None:
            own = weight if rows is None else weight[rows]
            if not own.all():
                used = np.flatnonzero(own)
                rows, own = (used if rows is None else rows[used]), own[used]
            weight = own.astype(np.float64)
            weight = weight / weight.max()  # their sum could overflow
            weight /= weight.sum()
        self.numbers, self.weight, self._target = rows, weight, target

    def __len__(self) -> int:
        return self.X.shape[0] if self.numbers is None else len(self.numbers)

    def chunks(self, columns: np.ndarray | None = None) -> Iterator[tuple[Any, np.ndarray]]:
        """Yield all rows in order, as (X[rows], or X[rows][:, columns]; weight)."""
        n_columns = self.X.shape[1]
        if issparse(self.X):
            n_columns = max(1, self.X.nnz // max(self.X.shape[0], 1))
        step = max(1, CHUNK_ELEMENTS // n_columns)
        for start in range(0, len(self), step):
            rows = slice(start, min(start + step, len(self)))
            n_rows = rows.stop - start
            share = np.full(n_rows, 1 / len(self)) if self.weight is None else self.weight[rows]
            x = self.X[rows if self.numbers is None else self.numbers[rows]]
            yield (x if columns is None else x[:, columns]), share

    def sample(
        self, columns: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Return up to 10,000 evenly spaced rows of X, their targets, and their weights."""
        chosen = np.linspace(0, len(self) - 1, min(len(self), SAMPLE_ROWS)).astype(int)
        rows = chosen if self.numbers is None else self.numbers[chosen]
        target = None if self._target is None else self._target[rows]
        x = self.X[rows] if columns is None else self.X[rows][:, columns]
        return x, target, None if self.weight is None else self.weight[chosen]


def ranges(rows: WeightedRows, columns: np.ndarray | None = None) -> Ranges:
    """Measure columns of a dense X; None for all columns."""
    n_columns = rows.X.shape[1] if columns is None else len(columns)
    excess, seen = np.zeros((2, n_columns))
    low, high = np.full((2, n_columns), np.nan)
    is_complete, origin = np.ones(n_columns, bool), None
    for x, is_present, weight in _chunks(rows, columns):
        low, high = np.fmin(low, np.fmin.reduce(x)), np.fmax(high, np.fmax.reduce(x))
        is_complete &= is_present.all(axis=0)
        # The mean of differences from some value does not suffer from a large mean.
        origin = np.nan_to_num(low) if origin is None else origin
        x -= origin
        x[~is_present] = 0
        excess += weight @ x
        seen += weight @ is_present
    is_empty = np.isnan(low)
    low[is_empty] = high[is_empty] = 0
    # The mean of a constant column is exactly its value.
    mean = np.clip(origin + excess / np.where(is_empty, 1, seen), low, high)
    return Ranges(mean, low, high, np.where(is_complete, 0, 1 - seen))


def standard_deviations(
    rows: WeightedRows, columns: np.ndarray | None, found: Ranges
) -> np.ndarray:
    """Return the standard deviations of columns of a dense X, in a second pass over the rows.

    They do not suffer from a large mean. They do not overflow either, because deviations are
    measured in units of the largest one.
    """
    unit = np.maximum(found.high - found.mean, found.mean - found.low)
    unit[unit == 0] = 1
    variance, seen = np.zeros((2, len(unit)))
    for x, is_present, weight in _chunks(rows, columns):
        x -= found.mean
        x /= unit
        x[~is_present] = 0
        variance += weight @ np.square(x, out=x)
        seen += weight @ is_present
    return unit * np.sqrt(variance / np.where(seen > 0, seen, 1))


def quantiles_of_present(
    sample: np.ndarray, orders: Sequence[float] | np.ndarray, weight: np.ndarray | None
) -> np.ndarray:
    """Return the quantiles of each column without its missing values, in float64."""
    found = np.zeros((len(orders), sample.shape[1]))
    is_present = ~np.isnan(sample)
    complete = is_present.all(axis=0)
    found[:, complete] = quantiles(sample[:, complete], orders, weight) if complete.any() else 0
    for k in np.flatnonzero(~complete & is_present.any(axis=0)):
        rows = is_present[:, k]
        own = None if weight is None else weight[rows]
        found[:, k] = quantiles(sample[rows, k : k + 1], orders, own)[:, 0]
    return found


def nonzero_size(rows: WeightedRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the root mean square of the nonzero values of each column of a sparse X.

    Also return the shares of nonzero and of missing values. All are 0 for a column without any.
    """
    n_columns = rows.X.shape[1]
    largest, total, seen, missing_share = np.zeros((4, n_columns))
    for x, _ in rows.chunks():
        np.fmax.at(largest, x.indices, np.abs(x.data))
    unit = np.where(largest > 0, largest, 1)
    for x, weight in rows.chunks():
        weight = np.repeat(weight, np.diff(x.indptr))
        value = x.data.astype(np.float64) / unit[x.indices]
        is_missing = np.isnan(value)
        missing_share += np.bincount(x.indices, weight * is_missing, n_columns)
        seen += np.bincount(x.indices, weight * (value != 0) * ~is_missing, n_columns)
        value[is_missing] = 0
        total += np.bincount(x.indices, weight * value**2, n_columns)
    return unit * np.sqrt(total / np.where(seen > 0, seen, 1)), seen, missing_share


def _chunks(rows: WeightedRows, columns: np.ndarray | None) -> Iterator[tuple]:
    """Yield new arrays in float64, where they have values, and the weights."""
    for chunk, weight in rows.chunks(columns):
        x = chunk.astype(np.float64, order="C")  # so that sums do not depend on the order of X
        yield x, ~np.isnan(x), weight
