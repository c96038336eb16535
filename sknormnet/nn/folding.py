"""A network folded for prediction: batch norm is part of the weights beside it."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sknormnet.nn.activations import ACTIVATIONS


class Step(NamedTuple):
    """A product ``x @ W + b`` and a function in place, or, with W None, any function of x.

    Attributes
    ----------
    W, b : ndarray or None
    function : callable or None
        ``function(z, out)`` behind a product, else ``function(x) -> y``.
    bound : callable ``largest |x| -> largest |y|`` or None
        For any function of x; None where that is not known.
    """

    W: np.ndarray | None
    b: np.ndarray | None
    function: Callable | None
    bound: Callable[[float], float] | None = None


class FoldedNetwork:
    """The steps of a prediction, which the layers append one after the other.

    Nothing in it is random, and predictions write nothing to the network.
    """

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._affine: tuple[np.ndarray, np.ndarray] | None = None  # not yet part of a step

    def add_product(self, W: np.ndarray, b: np.ndarray) -> None:
        """Append ``x @ W + b``; a scale and shift before it become part of W and b."""
        if self._affine is not None:
            scale, shift = self._affine
            W, b, self._affine = scale.mT * W, shift @ W + b, None
        self._steps.append(Step(W, b, None))

    def add_affine(self, scale: np.ndarray, shift: np.ndarray) -> None:
        """Append ``x * scale + shift``, as part of the product before it or after it."""
        if (last := self._open_product()) is not None and self._affine is None:
            self._steps[-1] = Step(last.W * scale, last.b * scale + shift, None)
        else:
            self._apply_affine()
            self._affine = scale, shift

    def add_elementwise(self, function: Callable[[np.ndarray, np.ndarray], Any]) -> None:
        """Append ``function(x, out=x)``."""
        self._apply_affine()
        if (last := self._open_product()) is not None:
            self._steps[-1] = last._replace(function=function)
        else:
            self.add(lambda x: _applied(function, x))

    def add(
        self, function: Callable[[Any], Any], bound: Callable[[float], float] | None = None
    ) -> None:
        """Append a function of x, which returns a new array."""
        self._apply_affine()
        self._steps.append(Step(None, None, function, bound))

    def _open_product(self) -> Any:
        """Return the last step if it is a product without a function, else None."""
        last = self._steps[-1] if self._steps else None
        return last if last and last.W is not None and last.function is None else None

    def _apply_affine(self) -> None:
        """Make a step of a scale and shift that no product follows."""
        if self._affine is not None:
            scale, shift = self._affine
            self._affine = None
            self._steps.append(Step(None, None, lambda x: x * scale + shift))

    def __call__(self, x: Any) -> np.ndarray:
        """Return the raw predictions for rows of the working dtype."""
        for W, b, function, _ in self._steps:
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

    def bound(self, largest: float) -> float:
        """Return what no output exceeds where no input exceeds `largest`; infinite if unknown."""
        for W, b, function, bound in self._steps:
            if W is None or b is None:
                largest = math.inf if bound is None else bound(largest)
                continue
            sums = np.abs(W).sum(axis=0, dtype=np.float64) * largest + np.abs(b)
            largest = float(sums.max())
            if function is not None:
                if not any(function is x.function for x in ACTIVATIONS.values()):
                    return math.inf
                largest = 1.1 * largest + 2  # no activation of the table is further from 0
        return largest if self._affine is None else math.inf


def _applied(function: Callable, x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x)
    function(x, y)
    return y
