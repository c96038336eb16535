"""Errors where numbers are not finite: in the data, after training, in predictions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sknormnet.estimators.rows import Rows
from sknormnet.nn.network import Network
from sknormnet.training.batches import Samples


def check_range(rows: Rows, dtype: np.dtype, *, suffix: str = "") -> None:
    """Raise an error if X or y are infinite in the precision of the network."""
    largest = float(np.finfo(dtype).max)
    if rows.largest_input > largest:
        name, found = f"X{suffix}", rows.largest_input
        remedy = "Scale it, for example with StandardScaler"
    elif not rows.largest_target <= largest:  # NaN too, where numbers cancel out
        name, found, remedy = f"y{suffix}", rows.largest_target, "Scale it"
    else:
        return
    wider = ", or set dtype='float64'" if dtype == np.float32 else ""
    raise ValueError(
        f"{name} contains values too large for the {dtype} network: the largest absolute value is"
        f" {found:.3g}, and the largest {dtype} number is {largest:.3g}. {remedy}{wider}."
    )


def check_network(network: Network, samples: Samples, largest_input: float) -> None:
    """Raise an error if the network, or a prediction for a training row, is not finite.

    Bounds on the predictions, which cost almost nothing, decide in nearly all cases. If they do
    not, or with the user's own activation functions, all training rows are predicted.
    """
    if not network.is_finite():
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may"
            " contain large values and need to be preprocessed."
        )
    network.fold()
    with np.errstate(over="ignore", invalid="ignore"):
        if network.bound(largest_input) < np.finfo(network.dtype).max / 2:
            return
        chunks = samples.chunks(network.chunk_rows)
        if all(np.isfinite(network.predict(x)).all() for x, _ in chunks):
            return
    raise ValueError(
        "The network's predictions for its training rows are not finite: training has diverged,"
        f" or X contains values too large for the {network.dtype} network. Decrease"
        " 'learning_rate_init', or scale X, for example with StandardScaler."
    )


def finite(network: Network, predict: Callable, X: Any) -> np.ndarray:
    """Return what `predict` returns for X, which must be finite numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = predict(X)
    if np.isfinite(values).all():
        return values
    if not network.is_finite():
        raise ValueError("The network has no finite weights: its training has diverged.")
    wider = ", or fit with dtype='float64'" if network.dtype == np.float32 else ""
    raise ValueError(
        f"X contains values too large for the {network.dtype} network: its outputs are not finite"
        f" numbers. Scale X, for example with StandardScaler{wider}."
    )
