"""Checks of the user's own objects, before training so that no work is lost."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sknormnet.nn.activations import ACTIVATIONS, Activation
from sknormnet.nn.losses import ClassificationLoss, Loss
from sknormnet.training.batches import Samples


def check_activation(owner: str, activation: Activation, dtype) -> None:
    """Raise a ValueError unless the user's own activation fills the arrays passed to it."""
    if any(activation is known for known in ACTIVATIONS.values()):
        return
    z = np.linspace(-3, 3, 12, dtype=dtype).reshape(4, 3)
    y = _filled(owner, activation, "function", z.copy())
    in_place = z.copy()
    activation.function(in_place, in_place)
    if not np.allclose(in_place, y, rtol=1e-3, atol=1e-6):
        raise ValueError(
            f"The function of each 'activation' of {owner} must give the same result when `out`"
            f" is `z` itself. Got {activation!r}, which does not."
        )
    _filled(owner, activation, "derivative", z.copy(), y.copy())


def _filled(owner: str, activation: Activation, name: str, *args: np.ndarray) -> np.ndarray:
    """Return what the function or the derivative writes to `out`."""
    must = f"The {name} of each 'activation' of {owner} must fill `out` with finite numbers"
    out, before = np.full_like(args[0], np.nan), [x.copy() for x in args]
    try:
        getattr(activation, name)(*args, out)
    except Exception as error:
        raise ValueError(f"{must}. Got {activation!r}, which raises {error!r}.") from error
    if not np.isfinite(out).all():
        raise ValueError(
            f"{must}, for all z from -3 to 3. Got {activation!r}, which leaves NaN or infinity in"
            " `out`, or does not write to it."
        )
    if any((x != old).any() for x, old in zip(args, before, strict=True)):
        raise ValueError(
            f"{must} and must not change any other array. Got {activation!r}, which changes one."
        )
    return out


def _baseline(owner: str, loss: Loss, samples: Samples, n_outputs: int) -> np.ndarray:
    """Return the constant raw prediction that training starts from, checked."""
    must = f"The baseline of the 'loss' of {owner} must be an array of shape ({n_outputs},)"
    raw = loss.baseline(samples.y, samples.weight, n_outputs)
    if np.shape(raw) != (n_outputs,):
        raise ValueError(f"{must}. Got one of shape {np.shape(raw)} from {loss!r} instead.")
    if not np.isfinite(raw).all():
        raise ValueError(f"{must} and finite. Got {raw} from {loss!r} instead.")
    return raw


def check_loss(owner: str, loss: Loss, samples: Samples, n_outputs: int, dtype) -> None:
    """Raise a ValueError unless the user's own loss returns losses and writes gradients."""
    if type(loss).__module__ == Loss.__module__:
        return
    y, start = samples.y[:8], _baseline(owner, loss, samples, n_outputs)
    y = y.astype(dtype) if y.ndim == 2 else y
    raw = np.linspace(-0.5, 0.5, len(y) * n_outputs).reshape(-1, n_outputs) + start
    raw = raw.astype(dtype)
    gradient, weight = raw.copy(), np.full((len(y), 1), 0.5, dtype)
    method = f"The losses_and_gradient of the 'loss' of {owner}"
    losses = _called(method, loss, loss.losses_and_gradient, y, gradient, weight)
    _check_rows(f"{method} must return", loss, losses, len(y))
    if not np.isfinite(gradient).all() or (gradient == raw).all():
        raise ValueError(f"{method} must write a finite gradient to `raw`. {loss!r} does not.")
    method = f"The inverse_link of the 'loss' of {owner}"
    predictions = _called(method, loss, loss.inverse_link, raw)
    _check_rows(f"{method} must return", loss, predictions, len(y))
    if isinstance(loss, ClassificationLoss) and predictions.shape != raw.shape:
        raise ValueError(f"{method} must keep the shape of `raw`. {loss!r} does not.")


def _called(method: str, loss: Loss, function: Callable, *args) -> Any:
    try:
        return function(*args)
    except Exception as error:
        raise ValueError(f"{method} must not raise errors. {loss!r} raises {error!r}.") from error


def _check_rows(must: str, loss: Loss, values: Any, n_rows: int) -> None:
    """Raise an error unless the values are finite numbers of shape (n_rows, any)."""
    must = f"{must} a two-dimensional array with one row for each row of `raw`"
    if not isinstance(values, np.ndarray) or values.ndim != 2 or len(values) != n_rows:
        shown = f"shape {values.shape}" if isinstance(values, np.ndarray) else f"{values!r}"
        raise ValueError(f"{must}. Got {shown} for {n_rows} rows from {loss!r} instead.")
    if not np.isfinite(values).all():
        raise ValueError(f"{must}, and finite. Got NaN or infinity from {loss!r} instead.")
