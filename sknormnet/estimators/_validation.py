"""Rows held out of training: which they are, when they end it, how a network does on them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from sknormnet.nn.losses import Loss
from sknormnet.nn.network import Network
from sknormnet.training.batches import Samples, hold_out, row_numbers

MANY_ROWS = 10_000  # above, early_stopping="auto" holds a share of them out


@dataclass(frozen=True)
class Rows:
    """Rows of validated data, ready to be trained or scored on.

    Attributes
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    target : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        y as the loss takes it.
    weight : ndarray of shape (n_samples,) or None
    numbers : ndarray of int or None
        Of the rows that take part; None for all.
    """

    X: Any
    target: np.ndarray
    weight: np.ndarray | None
    numbers: np.ndarray | None

    def __len__(self) -> int:
        return self.X.shape[0] if self.numbers is None else len(self.numbers)

    def samples(self, dtype) -> Samples:
        """The same rows, to be handed out in batches."""
        return Samples(self.X, self.target, weight=self.weight, rows=self.numbers, dtype=dtype)


def own_rows(estimator, X, y, sample_weight) -> Rows | None:
    """Return the validation data of the caller's own, if there are any, checked and encoded."""
    if X is None and y is None and sample_weight is None:
        return None
    for name, value in (("X_val", X), ("y_val", y)):
        if value is None:
            raise ValueError(f"X_val and y_val must be given together, but {name} is None.")
    if estimator.solver == "lbfgs":
        raise ValueError("X_val and y_val are not supported by solver='lbfgs'.")
    # Checked against what has just been learned of X and y.
    return estimator._encode(X, y, sample_weight, going_on=True, incremental=True)[0]


def stops_early(estimator, n_rows: float, *, own: bool) -> bool:
    """Whether training ends when the score on held-out rows, one's own or not, stalls."""
    if estimator.solver == "lbfgs":
        return False
    if estimator.early_stopping == "auto":
        return own or MANY_ROWS < n_rows < math.inf
    return bool(estimator.early_stopping)


def split(estimator, data: Rows, seed: int) -> tuple[Rows, Rows]:
    """Split the rows into those to train on and those to score, by classes if there are any."""
    numbers = row_numbers(len(data)) if data.numbers is None else data.numbers
    n_held = math.ceil(estimator.validation_fraction * len(numbers))
    if n_held < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' "
            "or the size of your dataset."
        )
    if n_held == len(numbers):
        raise ValueError(
            "No row is left to train on. Decrease 'validation_fraction' "
            "or increase the size of your dataset."
        )
    one_label = is_classifier(estimator) and data.target[:1].size == 1
    labels = data.target[numbers].ravel() if one_label else None
    parts = hold_out(numbers, n_held, np.random.default_rng(seed), labels=labels)
    kept, held = (replace(data, numbers=part) for part in parts)
    return kept, held


def validation(
    estimator, held: Rows, loss: Loss, dtype
) -> Callable[[Network], tuple[float, float]]:
    """Return what scores a network as it would predict now: score and loss, NaN if it cannot."""
    return partial(_validate, estimator, held.samples(dtype), loss)


def _validate(estimator, samples: Samples, loss: Loss, network: Network) -> tuple[float, float]:
    network.freeze()
    raw = np.concatenate([network.predict(x) for x, _ in samples.chunks(network.chunk_rows)])
    if not np.isfinite(raw).all():
        return math.nan, math.nan
    y, weight = samples.y, samples.weight
    by_loss = estimator.scoring == "loss"
    score = math.nan if by_loss else float(estimator._score_raw(y, raw, loss, weight))
    share = np.full(len(raw), 1.0) if weight is None else weight
    share = (share / share.sum()).astype(raw.dtype).reshape(-1, 1)
    value = loss.value_and_gradient(y, raw, share)
    return -value if by_loss else score, value
