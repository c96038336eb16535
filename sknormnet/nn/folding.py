"""A network folded for prediction: batch norm is part of the weights beside it."""

from collections.abc import Callable
from typing import Any

import numpy as np

Step = tuple[np.ndarray | None, np.ndarray | None, Callable | None]


class FoldedNetwork:
    """The steps of a prediction, which the layers append one after the other.

    A step is a product ``x @ W + b`` and a function that is applied to it in place, or, with W
    None, any function of x. Nothing is random in it and nothing is written to the network.
    """

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._affine: tuple[np.ndarray, np.ndarray] | None = None  # not yet part of a step

    def add_product(self, W: np.ndarray, b: np.ndarray) -> None:
        """Append ``x @ W + b``, with a scale and shift before it as part of W and b."""
        if self._affine is not None:
            scale, shift = self._affine
            W, b, self._affine = scale.mT * W, shift @ W + b, None
        self._steps.append((W, b, None))

    def add_affine(self, scale: np.ndarray, shift: np.ndarray) -> None:
        """Append ``x * scale + shift``, as part of the product before it or after it."""
        W, b, function = self._steps[-1] if self._steps else (None, None, None)
        if self._affine is None and W is not None and b is not None and function is None:
            self._steps[-1] = W * scale, b * scale + shift, None
            return
        self._apply_affine()
        self._affine = scale, shift

    def add_elementwise(self, function: Callable[[np.ndarray, np.ndarray], Any]) -> None:
        """Append ``function(x, out=x)``."""
        self._apply_affine()
        W, b, other = self._steps[-1] if self._steps else (None, None, None)
        if W is not None and other is None:
            self._steps[-1] = W, b, function
        else:
            self.add(lambda x: function(x, np.empty_like(x)))

    def add(self, function: Callable[[Any], Any]) -> None:
        """Append a function of x, which returns a new array."""
        self._apply_affine()
        self._steps.append((None, None, function))

    def _apply_affine(self) -> None:
        """Make a step of a scale and shift that is followed by no product."""
        if self._affine is not None:
            scale, shift = self._affine
            self._affine = None
            self._steps.append((None, None, lambda x: x * scale + shift))

    def __call__(self, x: Any) -> np.ndarray:
        """Return the raw predictions for rows of the working dtype."""
        for W, b, function in self._steps:
            if W is None:
                x = function(x)  # type: ignore[misc]
                continue
            x = x @ W
            x += b
            if function is not None:
                function(x, x)
        if self._affine is not None:
            scale, shift = self._affine
            x = x * scale + shift
        return x
