"""Losses on raw predictions: value, gradient and inverse link; know nothing of layers.

Shapes, for all of them::

    raw     (n_rows, n_outputs)  the network's last layer, before the inverse link
    y       (n_rows, n_outputs)  the targets; (n_rows,) class numbers for MulticlassLogLoss
    weight  (n_rows, 1)          what one row's loss counts for in the value

The value is ``sum(weight * loss of the row)``, where a row's loss is the sum over its
outputs, and the gradient is the value's derivative with respect to raw. It is written
into raw itself, which the caller has no more use for.
"""

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import ClassVar

import numpy as np
from scipy.special import expit, log_expit, log_softmax, xlogy


class Loss(ABC):
    """A loss on raw predictions.

    Attributes
    ----------
    out_activation : str
        Name of the inverse link, as in MLPClassifier's ``out_activation_``.
    """

    out_activation: ClassVar[str]

    @abstractmethod
    def value_and_gradient(self, y, raw, weight) -> float:
        """Return the value, and leave the gradient in `raw`."""

    @abstractmethod
    def inverse_link(self, raw) -> np.ndarray:
        """Raw predictions -> expected targets or probabilities, in a new array."""

    def in_y_true_range(self, y) -> bool:
        """Whether the loss is defined for all of these targets."""
        return True


class SquaredError(Loss):
    """Half the squared error, ``(raw - y)**2 / 2``."""

    out_activation = "identity"

    def value_and_gradient(self, y, raw, weight) -> float:
        raw -= y
        residual = raw.copy()
        raw *= weight
        return 0.5 * float(np.vdot(raw, residual))

    def inverse_link(self, raw):
        return raw.copy()


class PoissonDeviance(Loss):
    """Half the Poisson deviance with a log link, ``mean = exp(raw)``, for y >= 0.

    ``y * log(y / mean) - y + mean``
    """

    out_activation = "exp"

    def value_and_gradient(self, y, raw, weight) -> float:
        mean = np.exp(raw)
        deviance = xlogy(y, y)
        deviance -= y * raw
        np.subtract(mean, y, out=raw)
        deviance += raw
        raw *= weight
        return float(np.sum(deviance * weight))

    def inverse_link(self, raw):
        return np.exp(raw)

    def in_y_true_range(self, y) -> bool:
        return bool(np.all(y >= 0))


class ClassificationLoss(Loss):
    """A loss whose inverse link gives probabilities."""

    @abstractmethod
    def log_inverse_link(self, raw) -> np.ndarray:
        """Raw predictions -> logarithms of probabilities, exact where those underflow."""

    def inverse_link(self, raw):
        return np.exp(self.log_inverse_link(raw))


class BinaryLogLoss(ClassificationLoss):
    """Log loss of one or more yes-or-no targets with a logit link, for y in {0, 1}.

    ``log(1 + exp(raw)) - y * raw``
    """

    out_activation = "logistic"

    def value_and_gradient(self, y, raw, weight) -> float:
        losses = np.logaddexp(0, raw)
        losses -= y * raw
        expit(raw, out=raw)
        raw -= y
        raw *= weight
        return float(np.sum(losses * weight))

    def log_inverse_link(self, raw):
        return log_expit(raw)


SAFE_EXPONENT = {4: 60.0, 8: 600.0}  # by item size: exp is far from overflow and underflow


@lru_cache(maxsize=16)
def _constants(n_rows: int, n_classes: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Where each row starts in the flattened raw predictions, and a column of ones."""
    return np.arange(0, n_rows * n_classes, n_classes), np.ones((n_classes, 1), dtype)


class MulticlassLogLoss(ClassificationLoss):
    """Log loss of one class out of several, with the softmax as inverse link.

    ``log(sum(exp(raw))) - raw[y]``
    """

    out_activation = "softmax"

    def value_and_gradient(self, y, raw, weight) -> float:
        starts, ones = _constants(*raw.shape, raw.dtype)
        flat, of_y, limit = raw.reshape(-1), starts + y, SAFE_EXPONENT[raw.dtype.itemsize]
        # The maximum of each row takes a quarter of the loss's time; most need it not.
        if not (flat.min() > -limit and flat.max() < limit):
            raw -= raw.max(axis=-1, keepdims=True)
        raw_of_y = flat[of_y]
        np.exp(raw, out=raw)
        total = raw @ ones
        value = np.vdot(np.log(total), weight) - np.vdot(raw_of_y, weight)
        np.divide(weight, total, out=total)
        raw *= total
        flat[of_y] -= weight.reshape(-1)
        return float(value)

    def log_inverse_link(self, raw):
        return log_softmax(raw, axis=-1)


LOSSES: dict[str, Loss] = {
    "squared_error": SquaredError(),
    "poisson": PoissonDeviance(),
}
