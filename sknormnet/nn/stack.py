"""What a stack of networks, trained as one, has other layers for than a network."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknormnet._aligned import aligned_empty
from sknormnet.nn.layers import Dropout, Layer


@dataclass(frozen=True)
class Dropouts(Layer):
    """The dropout layers that the networks of a stack have at one place.

    Parameters
    ----------
    members : tuple of Dropout or None
        None for a network that has none there.
    """

    members: tuple[Dropout | None, ...]

    def infer(self, x, lent):
        return x

    def bind(self, n_rows, lent, *, input_gradient=True):
        drawn = [(k, layer) for k, layer in enumerate(self.members) if layer]
        scales = [1 / layer.keep_prob if layer else 1.0 for layer in self.members]
        scale = np.array(scales, lent.dtype).reshape(-1, 1, 1)
        kept = np.ones((*lent.lead, n_rows, drawn[0][1].n_units), bool)
        mask, y = (aligned_empty(kept.shape, lent.dtype) for _ in range(2))

        def forward(x, share, rngs):
            if isinstance(x, list):
                return [
                    layer.thin(one, rng) if layer else one
                    for layer, one, rng in zip(self.members, x, rngs, strict=True)
                ], None
            for k, layer in drawn:
                layer.draw(rngs[k], kept[k])
            np.multiply(kept, scale, out=mask)
            np.multiply(x, mask, out=y)

            def backward(d_y):
                return np.multiply(d_y, mask, out=d_y)

            return y, backward

        return forward


def lined_up(rows: Sequence[Sequence[Layer]]) -> list[Layer]:
    """The layers of networks side by side; where some have a dropout, `Dropouts`."""
    layers: list[Layer] = []
    queues: list[deque[Any]] = [deque(row) for row in rows]
    while queues[0]:
        drop = [isinstance(queue[0], Dropout) for queue in queues]
        if any(drop):
            members = (q.popleft() if d else None for q, d in zip(queues, drop, strict=True))
            layers.append(Dropouts(tuple(members)))
        else:
            first, *_ = [queue.popleft() for queue in queues]
            layers.append(first)
    return layers
