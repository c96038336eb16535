"""Losses on raw predictions: value, gradient and inverse link; know nothing of layers.

Shapes, for all of them::

    raw     (n_rows, n_outputs)  the network's last layer, before the inverse link
    y       (n_rows, n_outputs)  the targets; (n_rows,) class numbers for MulticlassLogLoss
    weight  (n_rows, 1)          what one row's loss counts for in the value
    losses  (n_rows, n_terms)    the losses of each row, unweighted, to be added up

The value is ``sum(weight * losses)``, and the gradient is its derivative with respect to
raw. It is written into raw itself, which the caller has no more use for.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, log_expit, log_softmax, logit, logsumexp, xlogy

from sknormnet.nn.quantiles import quantiles


@dataclass(frozen=True)
class Loss(ABC):
    """A loss on raw predictions.

    To write one, derive a frozen dataclass from this class, or from one of the losses of this
    module what is like it, at the top level of a module if fitted models are to be pickled.

    Attributes
    ----------
    out_activation : str
        Name of the inverse link, as in MLPClassifier's ``out_activation_``.
    allows_shift_and_scale : bool
        Whether shifted and scaled targets have shifted and scaled best predictions.
    """

    out_activation: ClassVar[str]
    allows_shift_and_scale: ClassVar[bool] = False

    @abstractmethod
    def losses_and_gradient(self, y, raw, weight) -> np.ndarray:
        """Return the losses, and leave the gradient of their weighted sum in `raw`.

        Parameters
        ----------
        y : ndarray of shape (n_rows, n_targets), or (n_rows,) of class numbers
            The targets, which may not be written to.
        raw : ndarray of shape (n_rows, n_outputs)
            Raw predictions.
        weight : ndarray of shape (n_rows, 1)
            What each row's losses count for in the value.

        Returns
        -------
        losses : ndarray of shape (n_rows, n_terms)
            The losses of each row, of which the value is ``sum(weight * losses)``. No row's
            depend on another's. `raw` then holds the derivative of the value.
        """

    def value_and_gradient(self, y, raw, weight) -> float:
        """Return the value, and leave the gradient in `raw`."""
        losses = self.losses_and_gradient(y, raw, weight)
        if losses.shape == weight.shape:
            return float(np.vdot(losses, weight))
        return float((weight.T @ losses).sum())

    @abstractmethod
    def inverse_link(self, raw) -> np.ndarray:
        """Raw predictions -> expected targets or probabilities, in a new array."""

    @abstractmethod
    def baseline(self, y, weight, n_outputs: int) -> np.ndarray:
        """Return the constant raw prediction to start at, of shape (n_outputs,).

        It is the one that fits best, or close to it. `weight` is of shape (n_rows,), or
        None for equal ones.
        """

    def in_y_true_range(self, y) -> bool:
        """Whether the loss is defined for all of these targets."""
        return True

    def n_outputs(self, y) -> int:
        """How many raw predictions a row takes, for y of shape (n_rows, n_targets)."""
        return y.shape[1]

    def with_settings(self, settings: Mapping[str, Any]) -> "Loss":
        """Return this loss with the values of its fields' names."""
        return replace(self, **{f.name: settings[f.name] for f in fields(self)})


class IdentityLoss(Loss):
    """A loss whose raw predictions are the predictions, by default medians."""

    out_activation = "identity"
    allows_shift_and_scale = True

    def inverse_link(self, raw):
        return raw.copy()

    def baseline(self, y, weight, n_outputs):
        return quantiles(y, 0.5, weight)


class SquaredError(IdentityLoss):
    """Half the squared error, ``(raw - y)**2 / 2``."""

    def losses_and_gradient(self, y, raw, weight):
        raw -= y
        losses = raw * raw
        losses *= 0.5
        raw *= weight
        return losses

    def baseline(self, y, weight, n_outputs):
        # A tenth of a standard deviation off the mean. At the mean, batch norm in front of
        # the output leaves no gradient for a bias but rounding noise, which Adam would blow
        # up to full steps: repeated rows would not train as weighted ones do.
        mean = np.average(y, axis=0, weights=weight)
        return mean + 0.1 * np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))


class AbsoluteError(IdentityLoss):
    """The absolute error, ``|raw - y|``; predictions are medians."""

    def losses_and_gradient(self, y, raw, weight):
        raw -= y
        losses = np.abs(raw)
        np.sign(raw, out=raw)
        raw *= weight
        return losses


@dataclass(frozen=True)
class Huber(IdentityLoss):
    """Half the squared error up to a residual of `huber_delta`, linear beyond.

    ``r**2 / 2`` if ``|r| <= delta`` else ``delta * (|r| - delta / 2)``, with r = raw - y.

    References
    ----------
    Huber (1964), "Robust estimation of a location parameter", Annals of Mathematical
    Statistics 35.
    """

    huber_delta: float = 1.35

    def losses_and_gradient(self, y, raw, weight):
        raw -= y
        losses = raw.copy()
        np.clip(raw, -self.huber_delta, self.huber_delta, out=raw)
        # With c, the residual cut off at delta, either case is c * (r - c / 2).
        losses -= raw / 2
        losses *= raw
        raw *= weight
        return losses


@dataclass(frozen=True)
class Quantile(IdentityLoss):
    """The pinball loss, ``q * (y - raw)`` if raw <= y else ``(1 - q) * (raw - y)``.

    Predictions are the quantiles of order q, `quantile`.

    References
    ----------
    Koenker and Bassett (1978), "Regression quantiles", Econometrica 46.
    """

    quantile: float = 0.5

    def losses_and_gradient(self, y, raw, weight):
        raw -= y
        slope = _pinball_slope(raw, self.quantile)
        losses = raw * slope
        np.multiply(slope, weight, out=raw)
        return losses

    def baseline(self, y, weight, n_outputs):
        return quantiles(y, self.quantile, weight)

    def with_settings(self, settings):
        several = not isinstance(settings["quantile"], float)
        return Quantiles(settings["quantile"]) if several else super().with_settings(settings)


@dataclass(frozen=True)
class Quantiles(Loss):
    """The sum of the pinball losses of several orders, whose predictions never cross.

    ``prediction[0] = raw[0]``; ``prediction[j] = prediction[j - 1] + log(1 + exp(raw[j]))``,
    for the quantiles of a single target, of shape (n_rows, 1). Neighbors are equal where
    that step is below the precision.

    Parameters
    ----------
    quantile : tuple of float
        The orders, in increasing order.
    """

    quantile: tuple[float, ...] = (0.1, 0.5, 0.9)

    out_activation = "cumulated_softplus"
    allows_shift_and_scale = True

    def losses_and_gradient(self, y, raw, weight):
        residual = self.inverse_link(raw)
        residual -= y
        slope = _pinball_slope(residual, np.array(self.quantile, raw.dtype))
        # A step between two quantiles moves all that are above it.
        expit(raw, out=raw)
        raw[..., 0] = 1
        raw *= np.cumsum(slope[..., ::-1], axis=-1)[..., ::-1]
        raw *= weight
        residual *= slope
        return residual

    def inverse_link(self, raw):
        prediction = raw.copy()
        np.logaddexp(0, raw[..., 1:], out=prediction[..., 1:])
        return np.cumsum(prediction, axis=-1, out=prediction)

    def baseline(self, y, weight, n_outputs):
        best = quantiles(y, self.quantile, weight)[:, 0]
        # Where quantiles are equal, a step that small; no raw prediction stands for none.
        steps = np.maximum(np.diff(best), 1e-3 * (np.std(y) or 1.0))
        return np.append(best[0], steps + np.log(-np.expm1(-steps)))

    def n_outputs(self, y):
        if y.shape[1] > 1:
            raise ValueError(
                "Several quantiles are predicted of one target only: y must be one-dimensional."
                f" Got {y.shape[1]} targets instead."
            )
        return len(self.quantile)


def _pinball_slope(residual: np.ndarray, order) -> np.ndarray:
    """The derivative of the pinball loss, 0 where there is no error."""
    slope = np.sign(residual)
    slope += (residual != 0) * (1 - 2 * order)
    slope /= 2
    return slope


def _saturated_exp(raw: np.ndarray) -> np.ndarray:
    """The exponential, or the largest number of the dtype where that is smaller."""
    with np.errstate(over="ignore"):
        y = np.exp(raw)
    return np.minimum(y, np.finfo(raw.dtype).max, out=y)


class GammaDeviance(Loss):
    """Half the gamma deviance with a log link, ``mean = exp(raw)``, for y > 0.

    ``log(mean / y) + y / mean - 1``
    """

    out_activation = "exp"

    def losses_and_gradient(self, y, raw, weight):
        ratio = y * np.exp(-raw)
        deviance = ratio - 1
        deviance += raw
        deviance -= np.log(y)
        np.subtract(1, ratio, out=raw)
        raw *= weight
        return deviance

    def inverse_link(self, raw):
        return _saturated_exp(raw)

    def baseline(self, y, weight, n_outputs):
        return np.log(np.average(y, axis=0, weights=weight))

    def in_y_true_range(self, y) -> bool:
        return bool(np.all(y > 0))


class PoissonDeviance(Loss):
    """Half the Poisson deviance with a log link, ``mean = exp(raw)``, for y >= 0.

    ``y * log(y / mean) - y + mean``
    """

    out_activation = "exp"

    def losses_and_gradient(self, y, raw, weight):
        mean = np.exp(raw)
        deviance = xlogy(y, y)
        deviance -= y * raw
        np.subtract(mean, y, out=raw)
        deviance += raw
        raw *= weight
        return deviance

    def inverse_link(self, raw):
        return _saturated_exp(raw)

    def baseline(self, y, weight, n_outputs):
        mean = np.average(y, axis=0, weights=weight)
        return np.log(np.maximum(mean, np.finfo(np.float64).eps))

    def in_y_true_range(self, y) -> bool:
        return bool(np.all(y >= 0))


@dataclass(frozen=True)
class ClassificationLoss(Loss):
    """A loss whose inverse link gives probabilities.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of each target that is spread evenly over all classes.
    """

    label_smoothing: float = 0.0

    @abstractmethod
    def log_inverse_link(self, raw) -> np.ndarray:
        """Raw predictions -> logarithms of probabilities, exact where those underflow."""

    @abstractmethod
    def pooled(self, raws: Sequence[np.ndarray]) -> np.ndarray:
        """Raw predictions whose probabilities are the means of those of several."""

    def inverse_link(self, raw):
        return np.exp(self.log_inverse_link(raw))

    def _kept_off_zero(self, share: np.ndarray, n_classes: int) -> np.ndarray:
        """Shares of classes as smoothed targets have them, and none of them 0 or 1."""
        smoothing = max(self.label_smoothing, 1e-3)
        return (1 - smoothing) * share + smoothing / n_classes


class BinaryLogLoss(ClassificationLoss):
    """Log loss of one or more yes-or-no targets with a logit link, for y in {0, 1}.

    ``log(1 + exp(raw)) - y * raw``, with ``(1 - s) * y + s / 2`` for y where s is
    `label_smoothing`.
    """

    out_activation = "logistic"

    def losses_and_gradient(self, y, raw, weight):
        if self.label_smoothing:
            half = raw.dtype.type(self.label_smoothing / 2)
            y = np.where(y, 1 - half, half)
        losses = np.logaddexp(0, raw)
        losses -= y * raw
        expit(raw, out=raw)
        raw -= y
        raw *= weight
        return losses

    def baseline(self, y, weight, n_outputs):
        share = np.average(y, axis=0, weights=weight)
        return logit(self._kept_off_zero(share, 2))

    def log_inverse_link(self, raw):
        return log_expit(raw)

    def pooled(self, raws):
        yes, no = (logsumexp(log_expit(sign * np.stack(raws)), axis=0) for sign in (1, -1))
        return yes - no


SAFE_EXPONENT = {4: 60.0, 8: 600.0}  # by item size: exp is far from overflow and underflow


@lru_cache(maxsize=16)
def _constants(n_rows: int, n_classes: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Where each row starts in the flattened raw predictions, and a one for each class."""
    return np.arange(0, n_rows * n_classes, n_classes), np.ones(n_classes, dtype)


class MulticlassLogLoss(ClassificationLoss):
    """Log loss of one class out of several, with the softmax as inverse link.

    ``log(sum(exp(raw))) - raw[y]``, with ``(1 - s) * raw[y] + s * mean(raw)`` for raw[y]
    where s is `label_smoothing`.
    """

    out_activation = "softmax"

    def losses_and_gradient(self, y, raw, weight):
        starts, ones = _constants(*raw.shape, raw.dtype)
        flat, of_y, limit = raw.reshape(-1), starts + y, SAFE_EXPONENT[raw.dtype.itemsize]
        # The maximum of each row takes a quarter of the loss's time; most need it not.
        if not (flat.min() > -limit and flat.max() < limit):
            most, least = (f(axis=-1, keepdims=True) for f in (raw.max, raw.min))
            # By rows, so that none depends on what others it is in a batch with.
            raw -= np.where((least > -limit) & (most < limit), 0, most)
        raw_of_y, smoothing = flat[of_y], self.label_smoothing
        if smoothing:
            raw_of_y *= 1 - smoothing
            raw_of_y += np.vecdot(raw, ones) * (smoothing / raw.shape[1])
        np.exp(raw, out=raw)
        # Unlike those of raw @ ones, its sums of a row do not depend on the rows beside it.
        total = np.vecdot(raw, ones).reshape(-1, 1)
        losses = np.log(total)
        losses -= raw_of_y.reshape(-1, 1)
        np.divide(weight, total, out=total)
        raw *= total
        if smoothing:
            raw -= weight * (smoothing / raw.shape[1])
            weight = weight * (1 - smoothing)
        flat[of_y] -= weight.reshape(-1)
        return losses

    def baseline(self, y, weight, n_outputs):
        share = np.bincount(y, weight, n_outputs)
        return np.log(self._kept_off_zero(share / share.sum(), n_outputs))

    def log_inverse_link(self, raw):
        return log_softmax(raw, axis=-1)

    def pooled(self, raws):
        return logsumexp(log_softmax(np.stack(raws), axis=-1), axis=0) - math.log(len(raws))


LOSSES: dict[str, Loss] = {
    "squared_error": SquaredError(),
    "absolute_error": AbsoluteError(),
    "huber": Huber(),
    "quantile": Quantile(),
    "poisson": PoissonDeviance(),
    "gamma": GammaDeviance(),
}

# By the inverse link that the targets need
CLASSIFICATION_LOSSES: dict[str, dict[str, ClassificationLoss]] = {
    "logistic": {"log_loss": BinaryLogLoss()},
    "softmax": {"log_loss": MulticlassLogLoss()},
}
