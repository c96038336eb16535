"""Which values a floating-point precision can tell apart."""

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from sknormnet.estimators.rows import Rows
from sknormnet.training.batches import uneven

FAR = 1e4  # standard deviations from 0


def weighted_mean_and_std(
    y: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation of each output; a constant one has deviation 0."""
    y, weight = y.astype(np.float64, copy=False), uneven(weight)
    with np.errstate(over="ignore", invalid="ignore"):  # such y are rejected later
        mean = np.average(y, axis=0, weights=weight)
        largest = np.abs(y - mean).max(axis=0)
        # Rounding errors of a constant target do not count as spread.
        spreads = largest > 10 * np.finfo(np.float64).eps * np.abs(mean)
        divisor = np.where(spreads, largest, 1.0)
        squares = ((y - mean) / divisor) ** 2  # at most 1, so the sum cannot overflow
        std = divisor * np.sqrt(np.average(squares, axis=0, weights=weight))
    return mean, np.where(spreads, std, 0.0)


def can_hold(dtype: np.dtype, mean: np.ndarray, std: np.ndarray) -> bool:
    """Whether values with this mean and standard deviation remain distinct in this precision.

    At a mean of `FAR` standard deviations, float32 rounds to a thousandth of a standard deviation.
    """
    limits, std = np.finfo(dtype), np.where(std > 0, std, np.abs(mean))
    with np.errstate(over="ignore"):
        near = np.abs(mean) <= FAR * std
        in_range = (FAR * std < limits.max) & ((std > FAR * limits.tiny) | (std == 0))
    return bool(np.all(near & in_range))


def mean_and_std(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column of X, without missing values."""
    X = X.astype(np.float64)
    if issparse(X):
        mean, variance = mean_variance_axis(X, axis=0)
        return mean, np.sqrt(variance)
    is_present = ~np.isnan(X)
    n_rows = np.maximum(is_present.sum(axis=0), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.where(is_present, X, 0).sum(axis=0) / n_rows
        deviation = np.where(is_present, X - mean, 0)
        std = np.sqrt(np.square(deviation, out=deviation).sum(axis=0) / n_rows)
    # The mean of a constant has a rounding error that depends on its unit.
    std[std <= len(X) * np.finfo(np.float64).eps * np.abs(mean)] = 0
    return mean, np.where(np.isnan(std), np.inf, std)


def float32_holds_inputs(rows: Rows) -> bool:
    """Whether float32 can tell the values of each column of X apart, judged by some rows."""
    float32 = np.dtype(np.float32)
    if rows.largest_input > float(np.finfo(float32).max):
        return False
    return issparse(rows.X) or can_hold(float32, *mean_and_std(rows.evenly_spaced()[0]))
