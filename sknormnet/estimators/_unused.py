"""Warnings about parameters and arguments that have no effect in this fit."""

import warnings

import numpy as np

from sknormnet.estimators._training import is_stochastic
from sknormnet.estimators._validation import Rows


def warn_of_unused_options(estimator, data: Rows, *, going_on: bool, has_validation: bool) -> None:
    """Warn about parameters that are set but have no effect in this fit.

    Parameters
    ----------
    estimator : BaseNormNet
    data : Rows
        The training rows.
    going_on : bool
        Whether this fit continues an earlier one.
    has_validation : bool
        Whether the caller passed validation rows.
    """
    is_stepwise = is_stochastic(estimator)
    of_lbfgs = "is not used by solver='lbfgs', which trains on all rows."
    early = estimator.early_stopping
    quantile = getattr(estimator, "quantile", 0.5)
    listed = (
        (
            estimator.input_bins and not going_on and not isinstance(data.X, np.ndarray),
            f"input_bins={estimator.input_bins} is not used, because X is sparse. Make X dense"
            " with X.toarray(), or with sparse_output=False in an encoder. Or set input_bins=0.",
        ),
        (
            not is_stepwise and early not in (False, "auto"),
            f"early_stopping={early} {of_lbfgs}",
        ),
        (
            not is_stepwise and estimator.scoring is not None,
            f"scoring={estimator.scoring!r} {of_lbfgs}",
        ),
        (
            is_stepwise and estimator.scoring is not None and not (early or has_validation),
            f"scoring={estimator.scoring!r} is not used, because no rows are held out. Set"
            " early_stopping=True or pass X_val and y_val to fit.",
        ),
        (
            estimator.loss != "quantile" and quantile != 0.5,
            f"quantile={quantile!r} is not used, because loss={estimator.loss!r}. Set"
            " loss='quantile' to predict that quantile.",
        ),
    )
    for is_unused, message in listed:
        if is_unused:
            warnings.warn(message, UserWarning, stacklevel=2)
