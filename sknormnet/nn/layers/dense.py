"""The dense (fully connected) layer."""

from dataclasses import replace
from typing import Any

import numpy as np

from sknormnet._aligned import aligned_empty
from sknormnet._dataclasses import dataclass
from sknormnet.nn.folding import FoldedNetwork
from sknormnet.nn.initializers import INITIALIZERS, Initializer
from sknormnet.nn.layers.layer import Arrays, Forward, Layer
from sknormnet.nn.parameters import Shapes
from sknormnet.nn.products import dot_for, product_into, transposed


@dataclass(frozen=True)
class Dense(Layer):
    """``y = x @ W + b``; x may be sparse.

    Parameters
    ----------
    fan_in, fan_out : int
    init : callable ``(fan_in, fan_out, rng) -> W``
        Biases start at 0.
    bias : bool, default=True
        False omits b, which a following batch norm would cancel.
    """

    fan_in: int
    fan_out: int
    init: Initializer
    bias: bool = True

    weight_names = ("W",)
    stage = "linear"

    @property
    def parameters(self) -> Shapes:
        W = {"W": (self.fan_in, self.fan_out)}
        return W | {"b": (1, self.fan_out)} if self.bias else W

    def initialize(self, arrays: Arrays, rng: np.random.Generator) -> None:
        W = np.asarray(self.init(self.fan_in, self.fan_out, rng))
        finite = W.dtype.kind in "fiu" and bool(np.isfinite(W).all())
        if W.shape != arrays.W.shape or not finite:
            raise ValueError(
                f"init must return an array of finite real numbers of shape {arrays.W.shape}."
                f" Got an array of shape {W.shape} and dtype {W.dtype}"
                f"{'' if finite else ', whose values are not all finite numbers,'} instead."
            )
        arrays.W[...] = W

    def weights(self, arrays: Arrays) -> np.ndarray:
        return arrays.W

    def forward_inference(self, x: Any, arrays: Arrays) -> np.ndarray:
        y = x @ arrays.W
        return y + arrays.b if self.bias else y

    def backward_inference(self, d_y: Any, x: Any, y: Any, arrays: Arrays) -> np.ndarray:
        return d_y @ arrays.W.mT

    def fold(self, folded: FoldedNetwork, arrays: Arrays) -> None:
        folded.add_product(
            arrays.W, arrays.b if self.bias else np.zeros((1, self.fan_out), arrays.W.dtype)
        )

    def stacking_key(self) -> "Dense":
        # Networks may differ in their initializers, which do not affect training.
        return replace(self, init=INITIALIZERS["zeros"])

    def build_forward(self, n_rows: int, arrays: Arrays, *, input_gradient: bool = True) -> Forward:
        W, W_T, d_W = arrays.W, arrays.W.mT, arrays.d_W
        dot, stack_shape = dot_for(W.ndim), arrays.stack_shape
        y = aligned_empty((*stack_shape, n_rows, self.fan_out), W.dtype)
        d_x = None
        if input_gradient:
            d_x = aligned_empty((*stack_shape, n_rows, self.fan_in), W.dtype)
        ones = np.ones((1, n_rows), W.dtype)

        def forward(x, row_weight, rng):
            product_into(dot, x, W, y)
            if self.bias:
                np.add(y, arrays.b, out=y)

            def backward(d_y):
                product_into(dot, transposed(x), d_y, d_W)
                if self.bias:
                    dot(ones, d_y, arrays.d_b)
                return None if d_x is None else dot(d_y, W_T, d_x)

            return y, backward

        return forward
