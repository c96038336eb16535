"""A network folded for prediction: batch norm is part of the adjacent weights."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sknormnet.nn.activations import ACTIVATIONS


class Step(NamedTuple):
    """Either a product ``x @ W + b`` followed by a function, or (W is None) a function of x.

    Attributes
    ----------
    W, b : ndarray or None
    function : callable or None
        ``function(z, out)`` after a product, which works in place, else ``function(x) -> y``.
    bound : callable ``largest |x| -> largest |y|`` or None
        For a step without a product; None if the bound is unknown.
    """

    W: np.ndarray | None
    b: np.ndarray | None
    function: Callable | None
    bound: Callable[[float], float] | None = None


class FoldedNetwork:
    """The steps of a prediction, appended by the layers in order.

    Predictions are deterministic, and do not change the network.
    """

    def __init__(self) -> None:
        self._steps: list[Step] = []
        # A scale and shift that are not yet part of a step
        self._affine: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps so far, without a scale and shift that are not yet part of one."""
        return tuple(self._steps)

    def add_product(self, W: np.ndarray, b: np.ndarray) -> None:
        """Append ``x @ W + b``. A preceding scale and shift become part of W and b."""
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
        """Append a function of x that returns a new array."""
        self._apply_affine()
        self._steps.append(Step(None, None, function, bound))

    def _open_product(self) -> Any:
        """Return the last step if it is a product without a function, else None."""
        last = self._steps[-1] if self._steps else None
        return last if last and last.W is not None and last.function is None else None

    def _apply_affine(self) -> None:
        """Append the pending scale and shift as a step of their own."""
        if self._affine is not None:
            scale, shift = self._affine
            self._affine = None
            self._steps.append(Step(None, None, lambda x: x * scale + shift))

    def __call__(self, x: Any) -> np.ndarray:
        """Return the raw predictions for rows in the network's dtype."""
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
        """Return a bound on |outputs| for |inputs| up to `largest`; infinite if unknown."""
        for W, b, function, bound in self._steps:
            if W is None or b is None:
                largest = math.inf if bound is None else bound(largest)
                continue
            sums = np.abs(W).sum(axis=0, dtype=np.float64) * largest + np.abs(b)
            largest = float(sums.max())
            if function is not None:
                if not any(function is x.function for x in ACTIVATIONS.values()):
                    return math.inf
                largest = 1.1 * largest + 2  # |f(z)| <= 1.1 |z| + 2 for each of ACTIVATIONS
        return largest if self._affine is None else math.inf


def _applied(function: Callable, x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x)
    function(x, y)
    return y
