"""Whether y follows straight lines, or is mostly noise, as far as few rows can tell."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from sknormnet.estimators.architecture import FEW_ROWS, MANY_ROWS
from sknormnet.estimators.precision import weighted_mean_and_std
from sknormnet.estimators.prepared import found_once
from sknormnet.estimators.rows import Rows
from sknormnet.inputs import fit_inputs
from sknormnet.inputs.bins import distinct

# Share by which curves must decrease the root mean squared error of straight lines. On nine real
# and seven simulated data sets with 150 to 800 rows, regressors with input dropout, fewer bins and
# no Fourier features were better below, and mostly worse above. Input dropout makes classifiers
# less overconfident, so it pays up to a larger gain.
LEAST_GAIN_OF_REGRESSOR, LEAST_GAIN_OF_CLASSIFIER = 0.04, 0.12
# Share of the variance of the classes below which they are mostly noise. With 700 rows of four such
# tables, a classifier that drops almost half of its inputs has a log loss lower by a tenth.
LEAST_EXPLAINED = 0.4
PENALTIES = np.logspace(-3, 5, 17)
N_BINS, N_CENTERS = 4, 100  # of each column, and of the kernel


class Curves(NamedTuple):
    """What ridge regressions with straight lines and with curves predict.

    Attributes
    ----------
    gain : float
        Share by which the root mean squared error is smaller with curves, at most 1; 0 if y is
        constant.
    explained : float
        Share of the variance of y that the better of both predicts, at most 1; 1 if y is constant.
    """

    gain: float
    explained: float

    def are_absent(self, *, is_classifier: bool) -> bool:
        """Whether the rows show no curves."""
        least = LEAST_GAIN_OF_CLASSIFIER if is_classifier else LEAST_GAIN_OF_REGRESSOR
        return self.gain < least

    @property
    def are_noisy(self) -> bool:
        """Whether y is mostly noise."""
        return self.explained < LEAST_EXPLAINED


def examined(
    rows: Rows, n_levels: np.ndarray, shared: dict | None, *, is_classifier: bool
) -> Curves | None:
    """Return what curves predict of the rows; None for many rows and sparse ones.

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
        return None
    of = "curves", rows.numbers, rows.weight, rows.target
    return found_once(shared, of, lambda: curves(*_distinct_rows(rows, n_levels)))


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
    return StandardScaler().fit_transform(X, sample_weight=weight), y, weight


def curves(X: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Curves:
    """Return what ridge regressions predict, and how much better they do with curves.

    Curves are squares of columns, or bins of columns with a radial basis function kernel of all
    columns. Each row is predicted from all others.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_inputs)
        Standardized inputs.
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
    weight : ndarray of shape (n_rows,) or None
    """
    if not (X.size and np.isfinite(X).all() and (y != y[0]).any()):
        return Curves(gain=0.0, explained=1.0)
    if weight is not None:
        weight = weight / weight.mean()
    squares = [x**2 for x in X.T if len(distinct(x)) > 2]
    bins = fit_inputs(X, n_bins=N_BINS).encode(X)
    kernel = Nystroem(gamma=0.5 / X.shape[1], n_components=min(N_CENTERS, len(X)), random_state=0)
    # The factors make up for the small variance of the features, which the penalty would punish.
    flexible = np.hstack([X, 3 * bins, 10 * kernel.fit_transform(X)])
    of_lines, *of_curves = (
        -RidgeCV(PENALTIES).fit(inputs, y, weight).best_score_
        for inputs in (X, np.column_stack([X, *squares]), flexible)
    )
    _, std = weighted_mean_and_std(y, weight)
    return Curves(
        gain=float(1 - np.sqrt(min(of_curves) / of_lines)),
        explained=float(1 - min(of_lines, *of_curves) / np.mean(std**2)),
    )
