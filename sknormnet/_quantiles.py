"""Weighted quantiles of columns; independent of networks."""

import numpy as np


def quantiles(values: np.ndarray, orders, weight: np.ndarray | None = None) -> np.ndarray:
    """Return the quantiles of each column, which are always values of that column.

    The quantile of order q is the smallest value such that the rows up to it have at least
    a fraction q of the total weight. A row of weight 2 therefore counts like two equal rows.
    This is NumPy's method "inverted_cdf" except for rounding: sums of weights are compared with
    a tolerance, so that neither equal weights nor the unit of the weights change the result.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    orders : float or array-like of shape (n_orders,)
        In [0, 1].
    weight : ndarray of shape (n_rows,) or None
        Nonnegative, and not all 0. None stands for equal weights. Zero-weight rows are ignored.

    Returns
    -------
    quantiles : ndarray of shape (n_columns,) or (n_orders, n_columns)
        Of the dtype of `values`.
    """
    orders = np.asarray(orders, np.float64)
    if weight is None:
        weight = np.ones(len(values))
    elif not weight.all():
        values, weight = values[weight != 0], weight[weight != 0]
    sorting = np.argsort(values, axis=0, kind="stable")
    found = [
        column[order[_positions(weight[order], orders)]]
        for column, order in zip(values.T, sorting.T, strict=True)
    ]
    return np.stack(found, axis=-1)


def _positions(weight: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return, for each order, the position of the quantile among the sorted rows."""
    sums = np.cumsum(weight, dtype=np.float64)
    # The rounding error of a sum of n weights is at most n * eps of the total.
    tolerance = len(sums) * np.finfo(np.float64).eps
    positions = np.searchsorted(sums, (orders - tolerance) * sums[-1])
    # With the tolerance, order 1 could miss the largest value.
    return np.where(orders == 1, len(sums) - 1, positions)
