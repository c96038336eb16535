"""Warnings about parameters and arguments that have no effect in this fit."""

import warnings
from typing import Any

from scipy.sparse import issparse

from sknormnet.estimators.settings import Settings


def warn_of_unused_parameters(settings: Settings, X: Any, *, holds_out: bool) -> None:
    """Warn about parameters that are set but have no effect in this fit.

    Parameters
    ----------
    settings : Settings
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    holds_out : bool
        Whether there are validation rows.
    """
    is_stochastic, target = settings.is_stochastic, settings.target
    not_by_lbfgs = "is not used by solver='lbfgs', which trains on all rows."
    early, scoring = settings.early_stopping, settings.scoring
    for_dense = {"input_bins": settings.input_bins, "input_frequencies": settings.input_frequencies}
    cases = (
        *(
            (
                n and not settings.continues and issparse(X),
                f"{name}={n} is not used, because X is sparse. Make X dense"
                f" with X.toarray(), or with sparse_output=False in an encoder. Or set {name}=0.",
            )
            for name, n in for_dense.items()
        ),
        (
            not is_stochastic and early not in (False, "auto"),
            f"early_stopping={early} {not_by_lbfgs}",
        ),
        (
            not is_stochastic and settings.plan.weight_averaging,
            f"weight_averaging={settings.plan.weight_averaging} {not_by_lbfgs}",
        ),
        (
            not is_stochastic and scoring not in (None, "loss"),
            f"scoring={scoring!r} {not_by_lbfgs}",
        ),
        (
            is_stochastic and scoring not in (None, "loss") and not holds_out,
            f"scoring={scoring!r} is not used, because no rows are held out. Set"
            " early_stopping=True or pass X_val and y_val to fit.",
        ),
        (
            target.loss != "quantile" and target.quantile != 0.5,
            f"quantile={target.quantile!r} is not used, because loss={target.loss!r}. Set"
            " loss='quantile' to predict that quantile.",
        ),
    )
    for is_unused, message in cases:
        if is_unused:
            warnings.warn(message, UserWarning, stacklevel=2)
