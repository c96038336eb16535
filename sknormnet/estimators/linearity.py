"""Whether y follows straight lines, as far as few rows can tell."""

import numpy as np
from scipy.sparse import issparse
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from sknormnet.estimators.architecture import FEW_ROWS, MANY_ROWS
from sknormnet.estimators.prepared import found_once
from sknormnet.estimators.rows import Rows
from sknormnet.inputs import fit_inputs
from sknormnet.inputs.bins import distinct

# Share by which curves must decrease the root mean squared error of straight lines. On nine real
# and seven simulated data sets with 150 to 800 rows, regressors with input dropout, fewer bins and
# no Fourier features were better below, and mostly worse above. Input dropout makes classifiers
# less overconfident, so it pays up to a larger gain.
LEAST_GAIN_OF_REGRESSOR, LEAST_GAIN_OF_CLASSIFIER = 0.04, 0.12
PENALTIES = np.logspace(-3, 5, 17)
N_BINS, N_CENTERS = 4, 100  # of each column, and of the kernel


def is_nearly_linear(
    rows: Rows, n_levels: np.ndarray, shared: dict | None, *, is_classifier: bool
) -> bool:
    """Return whether rows show no curves. Many rows, and sparse ones, are not examined.

    Parameters
    ----------
    rows : Rows
        Training rows.
    n_levels : ndarray of shape (n_features,)
        Number of levels of each column; 0 for a numeric one.
    shared : dict or None
        What fits of the same X have found.
    is_classifier : bool
    """
    fewest = MANY_ROWS / 2 if is_classifier else FEW_ROWS  # a classifier of fewer drops inputs
    if issparse(rows.X) or not fewest <= len(rows) < MANY_ROWS:
        return False
    of = "gain of curves", rows.numbers, rows.weight, rows.target
    gain = found_once(shared, of, lambda: gain_of_curves(*_distinct_rows(rows, n_levels)))
    return gain < (LEAST_GAIN_OF_CLASSIFIER if is_classifier else LEAST_GAIN_OF_REGRESSOR)


def _distinct_rows(rows: Rows, n_levels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return standardized inputs without bins, targets (0/1 numbers for classes) and weights.

    Equal rows become one, so that none is predicted from its copies.
    """
    y = rows.of(rows.target)
    if y.dtype.kind in "iu" and y.ndim == 1:
        y = y[:, None] == np.unique(y)
    encoder = fit_inputs(
        rows.X, rows=rows.numbers, weight=rows.weight, n_levels=n_levels, one_hot_max=len(y)
    )
    X = encoder.encode(rows.of(rows.X).astype(np.float64))
    _, first, number = np.unique(
        np.column_stack([X, y]), axis=0, return_index=True, return_inverse=True
    )
    X, y = X[first], y[first] / (np.abs(y).max() or 1)
    weight = np.bincount(number.ravel(), rows.of(rows.weight))
    return StandardScaler().fit_transform(X, sample_weight=weight), y, weight / weight.mean()


def gain_of_curves(X: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return how much better a ridge regression predicts with curves than with straight lines.

    Curves are squares of columns, or bins of columns with a radial basis function kernel of all
    columns. Each row is predicted from all others.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_inputs)
        Standardized inputs.
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
    weight : ndarray of shape (n_rows,) or None

    Returns
    -------
    gain : float
        Share by which the root mean squared error is smaller, at most 1; 0 if y is constant.
    """
    if not (X.size and np.isfinite(X).all()):
        return 0.0
    squares = [x**2 for x in X.T if len(distinct(x)) > 2]
    bins = fit_inputs(X, n_bins=N_BINS).encode(X)
    kernel = Nystroem(gamma=0.5 / X.shape[1], n_components=min(N_CENTERS, len(X)), random_state=0)
    # The factors make up for the small variance of the features, which the penalty would punish.
    flexible = np.hstack([X, 3 * bins, 10 * kernel.fit_transform(X)])
    of_lines, *of_curves = (
        -RidgeCV(PENALTIES).fit(inputs, y, weight).best_score_
        for inputs in (X, np.column_stack([X, *squares]), flexible)
    )
    return float(1 - np.sqrt(min(of_curves) / of_lines)) if of_lines > 0 else 0.0
