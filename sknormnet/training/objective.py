"""What training minimizes: the loss of a batch with the L2 penalty, and its gradient."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from sknormnet._aligned import aligned_empty
from sknormnet.training.batches import Batch
from sknormnet.training.blocks import add_penalty_gradient, blocks, cast, scratch_for

Objective = Callable[[Batch, Any], Any]


def objective(
    network, loss, *, alpha: Any, penalty_gradient: bool = True, fused: bool = False
) -> tuple[Objective, np.ndarray]:
    """Return the function that training minimizes, and the vector for its gradient.

    Its value for a batch is ``(sum(w * loss of the row) + alpha / 2 * sum(W**2)) / total``, with
    the sample weights w and ``batch.total``. alpha shrinks weights only, never biases, gammas or
    betas. For a stack of networks, values and alpha have shape (n_networks, 1).

    Parameters
    ----------
    network : Network
    loss : Loss
    alpha : float or None
        Strength of the L2 penalty.
    penalty_gradient : bool, default=True
        Whether the gradient includes the penalty's part. If not, the optimizer must add it.
    fused : bool, default=False
        Whether layers and loss may use compiled loops.

    Returns
    -------
    evaluate : callable ``(batch, rng) -> value``
        Fills the gradient; `rng` draws the dropout masks.
    gradient : ndarray of shape (n_parameters,)
    """
    gradient = aligned_empty(network.parameters.shape, network.parameters.dtype)
    W = network.parameters[..., : network.n_weights]
    is_stack = W.ndim > 1
    scratch = scratch_for(gradient)
    loss = loss.fused() if fused else loss
    forwards: dict[int, Callable] = {}

    def evaluate(batch: Batch, rng: Any) -> Any:
        X, y, total, weight, row_weight = batch
        n_rows = row_weight.shape[-1]
        if n_rows not in forwards:
            forwards[n_rows] = network.build_forward(n_rows, gradient, fused=fused)
        raw, backward = forwards[n_rows](X, row_weight, rng)
        value = (_values if is_stack else loss.value_and_gradient)(y, raw, weight)
        backward(raw)
        if alpha is not None:
            strength = alpha / total
            squares = np.vecdot(W, W)[:, None] if is_stack else float(np.dot(W, W))
            value += 0.5 * strength * squares
            if penalty_gradient:
                vectors = W, gradient[..., : network.n_weights]
                for _, (w, g), buffer in blocks(vectors, scratch):
                    add_penalty_gradient(w, g, cast(strength, W.dtype), buffer)
        return value

    def _values(y, raw, weight) -> np.ndarray:
        """Return the value for each network of a stack, with one call for all of their rows."""
        losses = loss.losses_and_gradient(y, raw.reshape(-1, raw.shape[-1]), weight)
        losses, weight = (x.reshape(len(raw), raw.shape[1], -1) for x in (losses, weight))
        return np.matmul(weight.mT, losses).sum(axis=-1)

    return evaluate, gradient


def clip(gradient: np.ndarray, max_norm: float) -> None:
    """Scale the gradient down to norm `max_norm` if its norm is larger."""
    norm = math.sqrt(float(np.dot(gradient, gradient)))
    if norm > max_norm:
        gradient *= float(max_norm) / norm
