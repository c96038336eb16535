"""Long vectors in pieces that stay in cache through all passes of a calculation."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sknormnet._aligned import aligned_empty

BLOCK = 65_536  # elements; with 8,192, a step of Adam over 670,000 takes 1.5 times as long


class Penalty(NamedTuple):
    """What shrinks the first `n_weights` parameters, the weights.

    strength : float
        Of an L2 penalty, ``strength / 2 * sum(W**2)``, whose gradient joins the gradient.
    decay : float
        ``W -= decay * W`` before the step, whatever the gradient.
    """

    strength: float = 0.0
    n_weights: int = 0
    decay: float = 0.0


def scratch_for(vector: np.ndarray) -> np.ndarray:
    """An array to work in, as long as the longest block of `vector`."""
    return aligned_empty(min(BLOCK, vector.size), vector.dtype)


def blocks(
    parameters: np.ndarray,
    gradient: np.ndarray,
    *state: np.ndarray,
    scratch: np.ndarray,
    penalty: Penalty,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Matching blocks of the vectors, and as much of `scratch`.

    The penalty acts on each block on the way: while it is in cache, which saves 2 % of a
    whole training step of 670,000 parameters.
    """
    vectors = parameters, gradient, *state
    for start in range(0, parameters.size, BLOCK):
        if parameters.size > BLOCK:
            vectors = tuple(x[start : start + BLOCK] for x in (parameters, gradient, *state))
        p, g, *_ = vectors
        step = scratch[: p.size]
        n_weights = penalty.n_weights - start
        if penalty.strength and n_weights > 0:
            shrink = np.multiply(p[:n_weights], penalty.strength, out=step[:n_weights])
            np.add(g[:n_weights], shrink, out=g[:n_weights])
        if penalty.decay and n_weights > 0:
            np.multiply(p[:n_weights], 1 - penalty.decay, out=p[:n_weights])
        yield *vectors, step
