"""Gradient descent over minibatches, as a generator of epochs.

Network, loss and optimiser come as arguments; nothing here stops, prints or validates.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sknormnet._aligned import aligned_empty
from sknormnet.training.batches import Batch
from sknormnet.training.blocks import Penalty, blocks, scratch_for
from sknormnet.training.optimizers import Optimizer, State
from sknormnet.training.stopping import Patience

Objective = Callable[[Batch, np.random.Generator | None], float]


@dataclass
class Run:
    """What training changes, and what a later call goes on from.

    Attributes
    ----------
    network : Network
    order, dropout : Generator
        Draw the order of rows and the dropout masks.
    split_seed : int
        Draws the validation rows, the same ones whenever training goes on.
    optimizer : Optimizer or None
        The one that `state` belongs to.
    state : dict
    patience : Patience
    samples : int
        Number of training samples seen.
    stalls : int
        How often training has stalled and gone on at a lower rate.
    """

    network: Any
    order: np.random.Generator
    dropout: np.random.Generator
    split_seed: int
    optimizer: Any = None
    state: State = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)
    samples: int = 0
    stalls: int = 0

    def use(self, optimizer: Optimizer, *, anew: bool) -> None:
        """Start with this optimiser, if `anew` or if the last one was of another kind.

        Else the last one goes on, with the settings that its state was made with.
        """
        if anew or type(optimizer) is not type(self.optimizer):
            self.optimizer = optimizer
            self.state = optimizer.start(self.network.parameters)
            self.stalls = 0


def objective(
    network, loss, *, alpha: float, penalty_gradient: bool = True
) -> tuple[Objective, np.ndarray]:
    """Return the function that training minimises, and the vector for its gradient.

    Of a batch it is ``(sum(w * loss of the row) + alpha / 2 * sum(W**2)) / total``, where
    total is the batch's. alpha shrinks weights only, never biases, gammas or betas.

    Parameters
    ----------
    network : Network
    loss : Loss
    alpha : float
        Strength of the L2 penalty.
    penalty_gradient : bool, default=True
        Whether the gradient has the penalty's part in it. Else an optimiser is to add it.

    Returns
    -------
    evaluate : callable ``(batch, rng) -> value``
        Fills the gradient; `rng` draws the dropout masks.
    gradient : ndarray of shape (n_parameters,)
    """
    gradient = aligned_empty(network.parameters.shape, network.parameters.dtype)
    W = network.parameters[: network.n_weights]
    scratch = scratch_for(gradient)
    forwards: dict[int, Callable] = {}

    def evaluate(batch: Batch, rng: np.random.Generator | None) -> float:
        X, y, total, weight, share = batch
        n_rows = share.shape[-1]
        if n_rows not in forwards:
            forwards[n_rows] = network.bind(n_rows, gradient)
        raw, backward = forwards[n_rows](X, share, rng)
        value = loss.value_and_gradient(y, raw, weight)
        backward(raw)
        if alpha:
            value += 0.5 * alpha / total * float(np.dot(W, W))
            if penalty_gradient:
                penalty = Penalty(alpha / total, W.size)
                for _ in blocks(network.parameters, gradient, scratch=scratch, penalty=penalty):
                    pass
        return value

    return evaluate, gradient


def epochs(
    run: Run,
    loss,
    batches: Callable[[], Iterator[Batch]],
    *,
    alpha: float,
    rate: Callable[[int], float],
    max_grad_norm: float | None = None,
) -> Iterator[float]:
    """Train for one epoch at each ``next``, without end.

    Parameters
    ----------
    run : Run
    loss : Loss
    batches : callable
        Starts a pass over the training rows.
    alpha : float
    rate : callable ``seen -> learning rate``
        Asked before each step; seen is the number of rows in all steps before it.
    max_grad_norm : float or None
        What the norm of the loss's gradient is cut down to where it is larger.

    Yields
    ------
    loss : float
        Mean over the rows of their batch's loss, as it was before the batch's step.
    """
    parameters, update = run.network.parameters, run.optimizer.update
    n_weights = run.network.n_weights
    evaluate, gradient = objective(run.network, loss, alpha=alpha, penalty_gradient=False)
    scratch = scratch_for(parameters)
    seen = 0
    while True:
        losses, n_samples = 0.0, 0
        for batch in batches():
            n_rows = batch.share.size
            losses += evaluate(batch, run.dropout) * n_rows
            if max_grad_norm is not None:
                _clip(gradient, max_grad_norm)
            penalty = Penalty(alpha / batch.total, n_weights)
            update(parameters, gradient, run.state, rate(seen + n_samples), scratch, penalty)
            n_samples += n_rows
        seen += n_samples
        run.samples += n_samples
        yield losses / n_samples


def _clip(gradient: np.ndarray, max_norm: float) -> None:
    """Scale the gradient down to a norm of `max_norm`, if it is longer."""
    norm = math.sqrt(float(np.dot(gradient, gradient)))
    if norm > max_norm:
        gradient *= max_norm / norm
