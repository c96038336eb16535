"""A piecewise linear encoding of the inputs."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from sknormnet._aligned import aligned_empty
from sknormnet.nn.folding import FoldedNetwork
from sknormnet.nn.layers.layer import Arrays, Forward, Layer
from sknormnet.nn.parameters import Shapes
from sknormnet.nn.products import as_dense


@dataclass(frozen=True)
class PiecewiseLinear(Layer):
    """The inputs, and in addition a piecewise linear encoding of some of them.

    Each bin between adjacent knots a and b of an encoded input z adds one output, the ramp
    ``2 * clip((z - a) / (b - a), 0, 1) - 1``. A bin of width 0 gives a step. A sparse `x` is
    made dense.

    Parameters
    ----------
    n_inputs : int
    encoded : tuple of int
        Indices of the encoded inputs.
    n_bins : int
        Number of bins of each encoded input.

    References
    ----------
    Gorishniy, Rubachev and Babenko (2022), "On embeddings for numerical features in tabular deep
    learning", arXiv 2203.05556.
    """

    n_inputs: int
    encoded: tuple[int, ...]
    n_bins: int

    @property
    def n_units(self) -> int:
        """Number of outputs."""
        return self.n_inputs + self.n_bins * len(self.encoded)

    @property
    def constants(self) -> Shapes:
        return {"knots": (self.n_bins + 1, len(self.encoded))}

    def forward_inference(self, x: Any, arrays: Arrays) -> np.ndarray:
        x = as_dense(x)
        y = np.empty((len(x), self.n_units), x.dtype)
        return self._encode(x, y, *self._bins(arrays.knots))

    def fold(self, folded: FoldedNetwork, arrays: Arrays) -> None:
        # The outputs are the inputs themselves and ramps from -1 to 1.
        folded.add(partial(self.forward_inference, arrays=arrays), lambda x: max(x, 1.0))

    def build_forward(self, n_rows: int, arrays: Arrays, *, input_gradient: bool = True) -> Forward:
        y = aligned_empty((*arrays.stack_shape, n_rows, self.n_units), arrays.dtype)
        lower, slope = self._bins(arrays.knots)

        def forward(x, row_weight, rng):
            return self._encode(as_dense(x), y, lower, slope), None

        return forward

    @staticmethod
    def _bins(knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower knot of each bin and the slope of its ramp."""
        widths = np.maximum(np.diff(knots, axis=-2), knots.dtype.type(1e-12))
        return knots[..., None, :-1, :], (2 / widths)[..., None, :, :]

    def _encode(self, x, y, lower, slope) -> np.ndarray:
        """Fill `y` with the inputs and the ramps."""
        y[..., : self.n_inputs] = x
        ramps = y[..., self.n_inputs :].reshape(*y.shape[:-1], self.n_bins, len(self.encoded))
        np.subtract(x[..., None, self.encoded], lower, out=ramps)
        np.multiply(ramps, slope, out=ramps)
        np.subtract(ramps, 1, out=ramps)
        np.clip(ramps, -1, 1, out=ramps)
        return y
