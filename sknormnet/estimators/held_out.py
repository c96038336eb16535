"""Scores on held-out rows: by the loss, by the estimator's own score, or by any scorer."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Real
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.metrics import get_scorer_names

from sknormnet.estimators.rows import Rows, shares
from sknormnet.nn.losses import Loss
from sknormnet.nn.network import Network
from sknormnet.training.batches import Samples, arrays_of

# Temperatures are searched between 1 / e and e**1.5, to 2%.
LOG_TEMPERATURES, ACCURACY = (-1.0, 1.5), {"xatol": 0.02}
# This number is added to each probability when temperatures are compared. Without it, a single row
# whose class has a probability of 1e-20 decides. On one split of digits, that multiplied the log
# loss of other rows by 6.
LEAST_PROBABILITY = 1e-4
Score = Callable[[Network, np.ndarray], float]  # network and its raw predictions -> score


def best_temperature(loss: Callable[[float], float]) -> float:
    """Return the temperature with the smallest loss.

    References
    ----------
    Guo et al. (2017), "On calibration of modern neural networks", arXiv 1706.04599.
    """
    found = minimize_scalar(
        lambda x: loss(float(np.exp(x))),
        bounds=LOG_TEMPERATURES,
        method="bounded",
        options=ACCURACY,
    )
    return float(np.exp(found.x))


class Validation:
    """Score the current network on held-out rows.

    Parameters
    ----------
    samples : Samples
        The held-out rows.
    loss : Loss
    score : Score or None
        None for the negative loss.
    calibrates : bool, default=False
        Whether the loss is that of raw predictions divided by the best temperature.
    """

    def __init__(
        self, samples: Samples, loss: Loss, score: Score | None, *, calibrates: bool = False
    ):
        self._samples, self._loss, self._score = samples, loss, score
        self.calibrates = calibrates

    @property
    def arrays(self) -> list[np.ndarray]:
        """All arrays that store the held-out rows."""
        return self._samples.arrays + getattr(self._score, "arrays", [])

    def __call__(self, network: Network) -> tuple[float, float]:
        """Return score and loss; NaN if a prediction is not finite."""
        raw = self.raw(network)
        if not np.isfinite(raw).all():
            return math.nan, math.nan
        if self._score is not None:
            return self._score(network, raw), self._mean_loss(raw)
        loss = self._best_temperature(raw)[1] if self.calibrates else self._mean_loss(raw)
        return -loss, loss

    def temperature(self, network: Network) -> float:
        """Return what to divide raw predictions by, for the smallest loss."""
        return self._best_temperature(self.raw(network))[0]

    def _best_temperature(self, raw: np.ndarray) -> tuple[float, float]:
        """Return the temperature with the smallest robust loss, and the loss at it."""
        temperature = best_temperature(lambda x: self._robust_loss(raw / raw.dtype.type(x)))
        return temperature, self._mean_loss(raw / raw.dtype.type(temperature))

    def raw(self, network: Network) -> np.ndarray:
        """Return raw predictions."""
        network.fold()
        chunks = self._samples.chunks(network.chunk_rows)
        return np.concatenate([network.predict(x) for x, _ in chunks])

    def _mean_loss(self, raw: np.ndarray) -> float:
        """Return the mean loss; `raw` is overwritten."""
        return self._loss.value_and_gradient(*self._with_targets(raw))

    def _robust_loss(self, raw: np.ndarray) -> float:
        """Return the mean of ``-log(p + LEAST_PROBABILITY)``; `raw` is overwritten."""
        y, raw, share = self._with_targets(raw)
        losses = self._loss.losses_and_gradient(y, raw, share)
        return float(-(share * np.log(np.exp(-losses) + LEAST_PROBABILITY)).sum())

    def _with_targets(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return y, raw and each row's share of the weight, as losses take them."""
        y, weight = self._samples.y, self._samples.weight
        if y.ndim == 2:
            y = y.astype(np.result_type(y, raw), copy=False)  # the loss needs numbers, not booleans
        return y, raw, shares(weight, len(raw)).astype(raw.dtype)


class ScorerScore:
    """The score of a scikit-learn scorer.

    Parameters
    ----------
    scorer : callable ``(estimator, X, y) -> float``
    fitted : callable ``network -> estimator``
        Returns an estimator that predicts with a network.
    held_out : Rows
    scoring : str or callable
        The parameter, for messages.
    """

    def __init__(self, scorer: Callable, fitted: Callable, held_out: Rows, scoring: Any):
        self._scorer, self._fitted, self._scoring = scorer, fitted, scoring
        self._X, self._y, self._weight = held_out.for_scorer

    @property
    def arrays(self) -> list[np.ndarray]:
        """All arrays that store copies of the rows."""
        return [*arrays_of(self._X), self._y]

    def __call__(self, network: Network, raw: np.ndarray) -> float:
        """Return the score of a network."""
        fitted = self._fitted(network)
        fitted._columns = None  # the rows are a validated array
        vars(fitted).pop("feature_names_in_", None)
        with errors_of_scoring(self._scoring):
            score = self._scorer(fitted, self._X, self._y, **self._weight)
        if not isinstance(score, Real):
            raise ValueError(
                f"scoring must return a number, got {score!r} ({type(score)}) instead."
                f" (scorer={self._scoring!r})"
            )
        return float(score)


@contextmanager
def errors_of_scoring(scoring: Any) -> Iterator[None]:
    """Add the name of a named scorer, and similar names, to its errors."""
    try:
        yield
    except ValueError as error:
        if not isinstance(scoring, str):
            raise
        similar = sorted(name for name in get_scorer_names() if name.startswith(f"{scoring}_"))
        advice = f" Similar scorers: {', '.join(map(repr, similar))}." if similar else ""
        raise ValueError(
            f"scoring={scoring!r} cannot score these targets: {str(error).rstrip('.')}.{advice}"
        ) from error


def check_scorer(score: ScorerScore, held_out: Rows, n_outputs: int) -> None:
    """Raise errors of a classifier's named scorer before training, not after the first epoch.

    The scorer is tried on perfect predictions of the held-out rows. Callables are not tried,
    because they may count their calls. Neither are scorers of regressors, for which there may be
    no raw predictions that are perfect.
    """
    target = held_out.of(held_out.target)
    if target.ndim == 1:
        target = target[:, None] == np.arange(n_outputs)
    raw = np.where(target, 5.0, -5.0)
    perfect: Any = SimpleNamespace(
        chunk_rows=len(raw),
        dtype=raw.dtype,
        predict=lambda X: raw,
        folded=lambda *affine: lambda X: raw,
    )
    score(perfect, raw)
