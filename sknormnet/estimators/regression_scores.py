"""Scores of predicted targets."""

import numpy as np
from sklearn.metrics import (
    d2_absolute_error_score,
    d2_pinball_score,
    d2_tweedie_score,
    r2_score,
)

from sknormnet.nn.losses import (
    AbsoluteError,
    GammaDeviance,
    Loss,
    PoissonDeviance,
    Quantile,
    Quantiles,
)


def r_squared(y, prediction: np.ndarray, loss: Loss, sample_weight) -> float:
    """Return R squared or, for several quantiles, the mean of D squared over the quantiles."""
    if not isinstance(loss, Quantiles):
        return r2_score(y, prediction, sample_weight=sample_weight)
    pairs = zip(loss.quantile, prediction.T, strict=True)
    weight = {"sample_weight": sample_weight}
    return float(np.mean([d2_pinball_score(y, of_q, alpha=q, **weight) for q, of_q in pairs]))


def d_squared(y, prediction: np.ndarray, loss: Loss, sample_weight) -> float:
    """Return the share of the loss that predictions explain, 1 at best: D squared.

    For losses that scikit-learn has no such score for, it is R squared.
    """
    weight = {"sample_weight": sample_weight}
    if isinstance(loss, Quantile):
        return d2_pinball_score(y, prediction, alpha=loss.quantile, **weight)
    if isinstance(loss, AbsoluteError):
        return d2_absolute_error_score(y, prediction, **weight)
    if isinstance(loss, PoissonDeviance | GammaDeviance):
        power = 1 if isinstance(loss, PoissonDeviance) else 2
        outputs = zip(np.atleast_2d(y.T), np.atleast_2d(prediction.T), strict=True)
        return float(np.mean([d2_tweedie_score(*x, power=power, **weight) for x in outputs]))
    return r_squared(y, prediction, loss, sample_weight)
