"""Center and scale of numeric columns, measured on training rows."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from sknormnet.inputs.measures import (
    WeightedRows,
    nonzero_size,
    quantiles_of_present,
    ranges,
    standard_deviations,
)
from sknormnet.inputs.numeric import NumericEncoder

ROUNDING = 16 * np.finfo(np.float64).eps  # spread of a constant column, relative to its values
QUARTILES = 0.25, 0.5, 0.75


class Scales(NamedTuple):
    """Center and scale of each numeric column of some rows.

    Attributes
    ----------
    center, scale : ndarray of shape (n_columns,)
        The scale of a constant column is 0.
    n_seen : ndarray of shape (n_columns,)
        Number of values that they were measured on: without missing values and, in a sparse X,
        without zeros.
    missing_share : ndarray of shape (n_columns,)
        Share of the weight of the rows with a missing value.
    """

    center: np.ndarray
    scale: np.ndarray
    n_seen: np.ndarray
    missing_share: np.ndarray


def measure_scales(
    rows: WeightedRows, columns: np.ndarray | None, *, method: str | None, dtype: np.dtype
) -> Scales:
    """Measure numeric columns; None for all columns.

    Those of a sparse X keep zeros: the center is 0, and the scale of a column is the root mean
    square of its nonzero values.
    """
    if issparse(rows.X):
        scale, seen, missing_share = nonzero_size(rows)
        scale = without_rounding(scale, 0, dtype)
        return Scales(np.zeros_like(scale), scale, len(rows) * seen, missing_share)
    found = ranges(rows, columns)
    center, scale = found.mean, np.ones_like(found.mean)
    size = np.maximum(np.abs(found.low), np.abs(found.high))
    if method == "standard":
        scale = standard_deviations(rows, columns, found)
    elif method == "robust":
        sample, _, weight = rows.sample(columns)
        low, center, high = quantiles_of_present(sample, QUARTILES, weight)
        # If half of the rows are equal, the range decides, as in the reference of the encoder.
        scale = np.where(high > low, high - low, (found.high - found.low) / 2)
        # A single value of 1e30 must not make the quartiles look like rounding errors.
        size = np.where(high > low, np.maximum(np.abs(low), np.abs(high)), size)
    scale = scale if method is None else without_rounding(scale, size, dtype)
    return Scales(center, scale, len(rows) * (1 - found.missing_share), found.missing_share)


def without_rounding(scale: np.ndarray, size: np.ndarray | int, dtype: np.dtype) -> np.ndarray:
    """Return the scale with 0 for columns of this size that vary by rounding errors only.

    So do columns whose scale has no inverse in the working precision.
    """
    least = np.maximum(ROUNDING * size, 2 / float(np.finfo(dtype).max))
    return np.where(scale > least, scale, 0)


def pooled(encoder: NumericEncoder, new: Scales) -> NumericEncoder:
    """Return the encoder with the centers and scales of all its rows, old and new.

    Means and standard deviations are exactly those of all rows. Medians and interquartile ranges
    are combined by the same formula.

    References
    ----------
    Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance: analysis and
    recommendations", The American Statistician 37.
    """
    center, scale, n_seen = encoder.center, encoder.scale, encoder.n_seen
    assert n_seen is not None
    n_seen = n_seen + new.n_seen
    share = np.divide(new.n_seen, n_seen, out=np.zeros_like(n_seen), where=n_seen > 0)
    shift = np.where(share > 0, new.center - center, 0)
    # In units of the largest, no square overflows, and equal scales stay the same to the bit.
    unit = np.maximum(np.maximum(scale, new.scale), np.abs(shift))
    unit[unit == 0] = 1
    before, now, between = ((x / unit) ** 2 for x in (scale, new.scale, shift))
    variance = before + share * (now - before) + share * (1 - share) * between
    size = np.maximum(np.abs(center), np.abs(new.center))
    scale = without_rounding(unit * np.sqrt(variance), size, encoder.dtype)
    return replace(encoder, center=center + share * shift, scale=scale, n_seen=n_seen)
