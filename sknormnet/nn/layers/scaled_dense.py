"""The dense layer with a trained factor for each input."""

from typing import Any

import numpy as np

from sknormnet._aligned import aligned_empty
from sknormnet._dataclasses import dataclass
from sknormnet.nn.folding import FoldedNetwork
from sknormnet.nn.layers.dense import Dense
from sknormnet.nn.layers.layer import Arrays, Forward
from sknormnet.nn.parameters import Shapes

# The factors are RATE times a parameter, so with Adam they change RATE times as fast as weights.
RATE = 6


@dataclass(frozen=True)
class ScaledDense(Dense):
    """``y = (x * s) @ W + b`` with a trained factor s for each input; x may be sparse.

    s is 1 at the start and does not decay. An input that helps gets a large factor, so that all of
    its weights grow together, and one that does not is left to the decay of its weights.

    References
    ----------
    Holzmüller, Grinsztajn and Steinwart (2024), "Better by default: strong pre-tuned MLPs and
    boosted trees on tabular data", arXiv 2407.04491.
    """

    @property
    def parameters(self) -> Shapes:
        return {**super().parameters, "scale": (self.fan_in, 1)}

    def initialize(self, arrays: Arrays, rng: np.random.Generator) -> None:
        super().initialize(arrays, rng)
        arrays.scale.fill(1 / RATE)

    def weights(self, arrays: Arrays) -> np.ndarray:
        return arrays.W * (RATE * arrays.scale)

    def forward_inference(self, x: Any, arrays: Arrays) -> np.ndarray:
        return super().forward_inference(x, self._scaled(arrays))

    def backward_inference(self, d_y: Any, x: Any, y: Any, arrays: Arrays) -> np.ndarray:
        return super().backward_inference(d_y, x, y, self._scaled(arrays))

    def fold(self, folded: FoldedNetwork, arrays: Arrays) -> None:
        super().fold(folded, self._scaled(arrays))

    def _scaled(self, arrays: Arrays) -> Arrays:
        """Return the arrays with the weights that the inputs meet, as `Dense` needs them."""
        return Arrays(**vars(arrays) | {"W": self.weights(arrays)})

    def build_forward(self, n_rows: int, arrays: Arrays, *, input_gradient: bool = True) -> Forward:
        W, scale, d_W, d_scale = arrays.W, arrays.scale, arrays.d_W, arrays.d_scale
        factor, scaled_W = np.empty_like(scale), aligned_empty(W.shape, W.dtype)
        dense_forward = super().build_forward(
            n_rows, Arrays(**vars(arrays) | {"W": scaled_W}), input_gradient=input_gradient
        )

        def forward(x, row_weight, rng):
            # The factors multiply the weights, not the inputs: so sparse rows stay as they are, and
            # no gradient of the inputs is needed, which would take as long as that of W.
            np.multiply(scale, RATE, out=factor)
            np.multiply(W, factor, out=scaled_W)
            y, dense_backward = dense_forward(x, row_weight, rng)

            def backward(d_y):
                assert dense_backward is not None
                d_x = dense_backward(d_y)  # d_W is now the gradient of scaled_W
                np.vecdot(d_W, W, out=d_scale[..., 0])
                np.multiply(d_scale, RATE, out=d_scale)
                np.multiply(d_W, factor, out=d_W)
                return d_x

            return y, backward

        return forward
