"""Gradient descent over minibatches, as a generator of epochs.

Network, loss and optimizer are arguments. Stopping, printing and validation are the caller's.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sknormnet._aligned import aligned_empty
from sknormnet.training.batches import Batch
from sknormnet.training.blocks import Penalty, add_penalty_gradient, blocks, cast, scratch_for
from sknormnet.training.optimizers import Optimizer, State
from sknormnet.training.stopping import Patience

Objective = Callable[[Batch, np.random.Generator | None], float]


@dataclass
class Run:
    """Everything that training changes, from which a later call can continue.

    Attributes
    ----------
    network : Network
    order, dropout : Generator, or a list of Generator for a `Stack`
        Draw the order of rows and the dropout masks.
    split_seed : int
        Seed for drawing the validation rows, so that training continues with the same rows.
    optimizer : Optimizer or None
        The optimizer that `state` belongs to.
    state : dict
    patience : Patience
    samples : int
        Number of training samples seen; a row counts once per epoch.
    steps : int
        Number of training steps so far.
    stalls : int
        How often training has stalled and continued at a lower learning rate.
    watched : object
        Identifies the metric that `patience` tracks. Scores of other metrics are not comparable.
    """

    network: Any
    order: Any
    dropout: Any
    split_seed: int
    optimizer: Any = None
    state: State = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)
    samples: int = 0
    stalls: int = 0
    watched: Any = None
    steps: int = 0

    @property
    def has_begun(self) -> bool:
        """Whether the network was trained, or has batch-norm statistics of any rows."""
        return self.samples > 0 or self.network.momentum_weight > 0

    def watch(self, scores: Any, *, anew: bool) -> None:
        """Reset the patience if `anew` is True or if the metric changed."""
        if anew or scores != self.watched:
            self.patience, self.watched = Patience(), scores

    def use(self, optimizer: Optimizer, *, anew: bool) -> None:
        """Train with this optimizer from now on.

        Its state is reset if `anew` is True or if the class of the optimizer changed. Otherwise
        the previous state is used with the new settings.
        """
        if anew or type(optimizer) is not type(self.optimizer):
            self.state = optimizer.start(self.network.parameters)
            self.stalls = 0
        elif optimizer != self.optimizer:
            self.state = optimizer.adopt(self.state, self.optimizer)
        self.optimizer = optimizer


def objective(
    network, loss, *, alpha: Any, penalty_gradient: bool = True
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
    forwards: dict[int, Callable] = {}

    def evaluate(batch: Batch, rng: Any) -> Any:
        X, y, total, weight, row_weight = batch
        n_rows = row_weight.shape[-1]
        if n_rows not in forwards:
            forwards[n_rows] = network.build_forward(n_rows, gradient)
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


def epochs(
    run: Run,
    loss,
    batches: Callable[[], Iterator[Batch]],
    *,
    alpha: Any,
    rate: Callable[[int], Any],
    max_grad_norm: Any = None,
    seen: int = 0,
) -> Iterator[Any]:
    """Train one epoch per ``next``, without end, and yield its loss.

    For a `Stack` of runs, the yielded loss, alpha and the learning rate have shape
    (n_members, 1), and max_grad_norm has one element per member.

    Parameters
    ----------
    run : Run
    loss : Loss
    batches : callable
        Starts a pass over the training rows.
    alpha : float or None
        Strength of the L2 penalty.
    rate : callable ``seen -> learning rate``
        Called before each step; seen is the number of rows in all previous steps.
    max_grad_norm : float or None
        Maximum norm of the loss's gradient; larger gradients are rescaled (gradient clipping).
    seen : int, default=0
        Initial value of the row counter.

    Yields
    ------
    loss : float
        Mean of the batches' losses, weighted by their numbers of rows. The loss of each batch is
        the one before its step.
    """
    parameters, update = run.network.parameters, run.optimizer.update
    n_weights = run.network.n_weights
    evaluate, gradient = objective(run.network, loss, alpha=alpha, penalty_gradient=False)
    scratch = scratch_for(parameters)
    clipped = []  # each network's gradient and its maximum norm
    if max_grad_norm is not None:
        clipped = list(zip(np.atleast_2d(gradient), np.ravel(max_grad_norm), strict=True))
    while True:
        losses, n_samples, n_steps = 0.0, 0, 0
        for batch in batches():
            n_rows = batch.row_weight.shape[-1]
            losses += evaluate(batch, run.dropout) * n_rows
            for network_gradient, max_norm in clipped:
                _clip(network_gradient, max_norm)
            penalty = Penalty(None if alpha is None else alpha / batch.total, n_weights)
            update(parameters, gradient, run.state, rate(seen + n_samples), scratch, penalty)
            n_samples += n_rows
            n_steps += 1
        seen += n_samples
        run.samples += n_samples
        run.steps += n_steps
        yield losses / n_samples


def _clip(gradient: np.ndarray, max_norm: float) -> None:
    """Scale the gradient down to norm `max_norm` if its norm is larger."""
    norm = math.sqrt(float(np.dot(gradient, gradient)))
    if norm > max_norm:
        gradient *= float(max_norm) / norm
