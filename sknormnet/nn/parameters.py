"""Many named arrays in one flat vector; independent of their meaning."""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace

import numpy as np

Shapes = Mapping[str, tuple[int, ...]]


class Layout:
    """Positions of the arrays of each layer in a flat vector.

    The vector holds all arrays of the first name, layer by layer, then all arrays of the
    second name, and so on. All weights are therefore one slice, and an optimizer's step is
    a handful of ufunc calls.

    Parameters
    ----------
    shapes : sequence of mapping of str to tuple of int
        For each layer, the shapes of its arrays by name. All names are in `names`.
    names : iterable of str
        The names, in their order in the vector.

    Attributes
    ----------
    size : int
        Length of the vector.
    """

    def __init__(self, shapes: Sequence[Shapes], names: Iterable[str]):
        self.shapes = [dict(layer) for layer in shapes]
        self._spans: list[dict[str, slice]] = [{} for _ in shapes]
        self.size = 0
        for name in names:
            for layer, spans in zip(shapes, self._spans, strict=True):
                if name in layer:
                    start, self.size = self.size, self.size + math.prod(layer[name])
                    spans[name] = slice(start, self.size)

    def total(self, name: str) -> int:
        """Return the total number of elements of all arrays with one name."""
        return sum(spans[name].stop - spans[name].start for spans in self._spans if name in spans)

    def views(self, vector: np.ndarray) -> list[SimpleNamespace]:
        """Return each layer's arrays by name, as views of a vector or of a stack of vectors."""
        stack_shape = vector.shape[:-1]
        return [
            SimpleNamespace(
                **{
                    name: vector[..., span].reshape(stack_shape + shapes[name])
                    for name, span in spans.items()
                }
            )
            for shapes, spans in zip(self.shapes, self._spans, strict=True)
        ]
