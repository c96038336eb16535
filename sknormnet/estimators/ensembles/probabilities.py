"""Probabilities: of what is true, and at another temperature."""

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit, softmax


def probability_of(y, p: np.ndarray, classes) -> np.ndarray:
    """Return the probabilities of what is true.

    Parameters
    ----------
    y : {ndarray, sparse matrix} of shape (n_rows,), or (n_rows, n_labels) for several labels
    p : ndarray of shape (..., n_rows, n_classes or n_labels)
    classes : ndarray of shape (n_classes,) or (n_labels,)

    Returns
    -------
    p_true : ndarray of shape (..., n_rows) or (..., n_rows, n_labels)
    """
    if y.ndim == 1:
        return p[..., np.arange(len(y)), np.searchsorted(classes, y)]
    return np.where((y.toarray() if issparse(y) else y) > 0, p, 1 - p)


def mean_log(p: np.ndarray, weight: np.ndarray | None) -> float:
    """Return the mean logarithm of probabilities, the negative log loss."""
    return float(np.average(np.log(p), axis=0, weights=weight).mean())


def tempered(p: np.ndarray, temperature: float, *, multilabel: bool) -> np.ndarray:
    """Return probabilities whose log odds are divided by the temperature.

    References
    ----------
    Guo et al. (2017), "On calibration of modern neural networks", arXiv 1706.04599.
    """
    if temperature == 1:
        return p
    with np.errstate(divide="ignore"):  # 1 - p may be 0
        other = np.log1p(-p) if multilabel else 0.0
    log_odds = (np.log(p) - other) / temperature
    q = expit(log_odds) if multilabel else softmax(log_odds, axis=-1)
    limits = np.finfo(p.dtype)
    return np.clip(q, limits.smallest_subnormal, 1 - limits.epsneg if multilabel else 1)
