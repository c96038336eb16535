"""What a stack of networks, trained as one, has other layers for than a network."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknormnet.nn.layers import Dropout, Layer, masking


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
        n_units = next(layer.n_units for layer in self.members if layer)
        scales = [layer.scale if layer else 1.0 for layer in self.members]
        scale = np.array(scales, lent.dtype).reshape(-1, 1, 1)
        kept = np.ones((*lent.lead, n_rows, n_units), bool)
        return masking(kept, scale, draw=self._draw, thin=self._thin)

    def _draw(self, rngs, kept: np.ndarray) -> None:
        for layer, rng, mine in zip(self.members, rngs, kept, strict=True):
            if layer:
                layer.draw(rng, mine)

    def _thin(self, x: list, rngs) -> list:
        members = zip(self.members, x, rngs, strict=True)
        return [layer.thin(one, rng) if layer else one for layer, one, rng in members]


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
