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
from sknormnet.training.blocks import Penalty, add_penalty_gradient, blocks, cast, scratch_for
from sknormnet.training.optimizers import Optimizer, State
from sknormnet.training.stopping import Patience

Objective = Callable[[Batch, np.random.Generator | None], float]


@dataclass
class Run:
    """What training changes, and what a later call goes on from.

    Attributes
    ----------
    network : Network
    order, dropout : Generator, or a list of them for a `Stack`
        Draw the order of rows and the dropout masks.
    split_seed : int
        Draws the validation rows, the same ones whenever training goes on.
    optimizer : Optimizer or None
        The one that `state` belongs to.
    state : dict
    patience : Patience
    samples : int
        Number of training samples seen.
    steps : int
        Number of minibatches that these were seen in.
    stalls : int
        How often training has stalled and gone on at a lower rate.
    watched : object
        The kind of scores that `patience` has seen; other kinds cannot be compared with it.
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
        """Whether the network knows of any rows: by training or in batch norm's statistics."""
        return self.samples > 0 or self.network.momentum_weight > 0

    def watch(self, scores: Any, *, anew: bool) -> None:
        """Start with new patience, if `anew` or if the last scores were of another kind."""
        if anew or scores != self.watched:
            self.patience, self.watched = Patience(), scores

    def use(self, optimizer: Optimizer, *, anew: bool) -> None:
        """Train with this optimizer from now on.

        Its state is new if `anew` or if the last optimizer was of another kind. Otherwise the
        last one's state goes on under the new settings.
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
    """Return the function that training minimises, and the vector for its gradient.

    Of a batch it is ``(sum(w * loss of the row) + alpha / 2 * sum(W**2)) / total``, where
    total is the batch's. alpha shrinks weights only, never biases, gammas or betas.

    Parameters
    ----------
    network : Network
    loss : Loss
    alpha : float or None
        Strength of the L2 penalty.
    penalty_gradient : bool, default=True
        Whether the gradient has the penalty's part in it. Else an optimiser is to add it.

    Returns
    -------
    evaluate : callable ``(batch, rng) -> value``
        Fills the gradient; `rng` draws the dropout masks.
    gradient : ndarray of shape (n_parameters,)

    A stack of networks has values of shape (n_networks, 1), and so has its alpha.
    """
    gradient = aligned_empty(network.parameters.shape, network.parameters.dtype)
    W = network.parameters[..., : network.n_weights]
    is_stack = W.ndim > 1
    scratch = scratch_for(gradient)
    forwards: dict[int, Callable] = {}

    def evaluate(batch: Batch, rng: Any) -> Any:
        X, y, total, weight, share = batch
        n_rows = share.shape[-1]
        if n_rows not in forwards:
            forwards[n_rows] = network.build_forward(n_rows, gradient)
        raw, backward = forwards[n_rows](X, share, rng)
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
        """The value for each network of a stack; the losses of all rows are worked out as one."""
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
    """Train for one epoch at each ``next``, without end.

    Of a `Stack` of runs, loss, alpha, rate and max_grad_norm have shape (n_members, 1).

    Parameters
    ----------
    run : Run
    loss : Loss
    batches : callable
        Starts a pass over the training rows.
    alpha : float or None
    rate : callable ``seen -> learning rate``
        Asked before each step; seen is the number of rows in all steps before it.
    max_grad_norm : float or None
        What the norm of the loss's gradient is cut down to where it is larger.
    seen : int, default=0
        What to count these rows from.

    Yields
    ------
    loss : float
        Mean over the rows of their batch's loss, as it was before the batch's step.
    """
    parameters, update = run.network.parameters, run.optimizer.update
    n_weights = run.network.n_weights
    evaluate, gradient = objective(run.network, loss, alpha=alpha, penalty_gradient=False)
    scratch = scratch_for(parameters)
    limited = []  # each gradient, and what its norm may be
    if max_grad_norm is not None:
        limited = list(zip(np.atleast_2d(gradient), np.ravel(max_grad_norm), strict=True))
    while True:
        losses, n_samples, n_steps = 0.0, 0, 0
        for batch in batches():
            n_rows = batch.share.shape[-1]
            losses += evaluate(batch, run.dropout) * n_rows
            for one, max_norm in limited:
                _clip(one, max_norm)
            penalty = Penalty(None if alpha is None else alpha / batch.total, n_weights)
            update(parameters, gradient, run.state, rate(seen + n_samples), scratch, penalty)
            n_samples += n_rows
            n_steps += 1
        seen += n_samples
        run.samples += n_samples
        run.steps += n_steps
        yield losses / n_samples


def _clip(gradient: np.ndarray, max_norm: float) -> None:
    """Scale the gradient down to a norm of `max_norm`, if it is longer."""
    norm = math.sqrt(float(np.dot(gradient, gradient)))
    if norm > max_norm:
        gradient *= float(max_norm) / norm
