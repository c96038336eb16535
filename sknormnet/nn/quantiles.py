"""Weighted quantiles of columns; knows nothing of networks."""

import numpy as np


def quantiles(values: np.ndarray, orders, weight: np.ndarray | None = None) -> np.ndarray:
    """Return the quantiles of each column: always values that occur in it.

    The quantile of order q is the smallest value such that the rows up to it have at least
    the share q of the weight. So a row of weight 2 counts as the row twice. This is NumPy's
    method "inverted_cdf", but for rounding: sums of weights are compared with a tolerance,
    so that neither equal weights nor the unit of the weights change the result.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    orders : float or array-like of shape (n_orders,)
        In [0, 1].
    weight : ndarray of shape (n_rows,) or None
        Not negative, and not all 0. None stands for equal weights. Rows of weight 0 are
        ignored.

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
    places = np.argsort(values, axis=0, kind="stable")
    found = [
        column[of_column[_numbers(weight[of_column], orders)]]
        for column, of_column in zip(values.T, places.T, strict=True)
    ]
    return np.stack(found, axis=-1)


def _numbers(weight: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """For each order, which of the sorted rows is the quantile."""
    sums = np.cumsum(weight, dtype=np.float64)
    # No sum of n numbers is off by more than n * eps of the total.
    tolerance = len(sums) * np.finfo(np.float64).eps
    numbers = np.searchsorted(sums, (orders - tolerance) * sums[-1])
    # The tolerance must not take the place of the largest value.
    return np.where(orders == 1, len(sums) - 1, numbers)
