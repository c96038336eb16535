"""Batch normalization."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknormnet._aligned import aligned_empty
from sknormnet.nn.folding import FoldedNetwork
from sknormnet.nn.layers.layer import Arrays, Forward, Layer
from sknormnet.nn.moments import Chunk, weighted_moments
from sknormnet.nn.parameters import Shapes
from sknormnet.nn.products import dot_for


@dataclass(frozen=True)
class BatchNorm(Layer):
    """``y = (x - mean) / sqrt(var + epsilon) * gamma + beta``, per unit.

    In training, mean and var are the weighted mean and the weighted biased variance of the
    batch: ``mean = sum(row_weight * x)`` and ``var = sum(row_weight * (x - mean)**2)``. The
    gradient goes through both.

    Parameters
    ----------
    n_units : int
    epsilon : float

    References
    ----------
    Ioffe and Szegedy (2015), "Batch normalization: accelerating deep network training by
    reducing internal covariate shift", arXiv 1502.03167.
    """

    n_units: int
    epsilon: float

    stage = "batchnorm"

    @property
    def parameters(self) -> Shapes:
        return {"gamma": (1, self.n_units), "beta": (1, self.n_units)}

    @property
    def statistics(self) -> Shapes:
        return {"mean": (1, self.n_units), "var": (1, self.n_units)}

    def initialize(self, arrays: Arrays, rng: np.random.Generator) -> None:
        arrays.gamma.fill(1)
        arrays.beta.fill(0)
        arrays.var.fill(1)  # predictions before the first batch must be finite

    def affine(self, arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Return the scale and shift that the layer applies in prediction."""
        scale = arrays.gamma / np.sqrt(arrays.var + self.epsilon)
        return scale, arrays.beta - arrays.mean * scale

    def forward_inference(self, x: Any, arrays: Arrays) -> np.ndarray:
        scale, shift = self.affine(arrays)
        return x * scale + shift

    def recompute_statistics(self, chunks: Iterable[Chunk], arrays: Arrays) -> None:
        arrays.mean[...], arrays.var[...] = weighted_moments(chunks)

    def fold(self, folded: FoldedNetwork, arrays: Arrays) -> None:
        folded.add_affine(*self.affine(arrays))

    def build_forward(self, n_rows: int, arrays: Arrays, *, input_gradient: bool = True) -> Forward:
        # One long function: in a small network, the function calls are most of a step's cost,
        # and the backward pass is easiest to read next to its forward pass.
        gamma, beta, mean, var = arrays.gamma, arrays.beta, arrays.mean, arrays.var
        d_gamma, d_beta = arrays.d_gamma, arrays.d_beta
        shape = *arrays.stack_shape, n_rows, self.n_units
        centered, y = (aligned_empty(shape, gamma.dtype) for _ in range(2))
        std, scale, row = np.empty((3, *gamma.shape), gamma.dtype)
        ones = np.ones((1, n_rows), gamma.dtype)
        dot = dot_for(gamma.ndim)

        def forward(x, row_weight, rng):
            dot(row_weight, x, mean)
            np.subtract(x, mean, out=centered)
            np.multiply(centered, centered, out=y)
            dot(row_weight, y, var)
            np.add(var, self.epsilon, out=std)
            np.sqrt(std, out=std)
            np.divide(gamma, std, out=scale)
            np.multiply(centered, scale, out=y)
            np.add(y, beta, out=y)

            def backward(d_y):
                # With z = centered / std, the normalized x:
                #   d_x = scale * (d_y - row_weight * (sum(d_y) + z * sum(d_y * z)))
                # The next layer has used y already, so y serves as a buffer.
                dot(ones, d_y, d_beta)
                np.multiply(d_y, centered, out=y)
                dot(ones, y, d_gamma)
                np.divide(d_gamma, std, out=d_gamma)
                np.divide(d_gamma, std, out=row)
                np.multiply(centered, row, out=y)
                np.add(y, d_beta, out=y)
                np.multiply(y, row_weight.mT, out=y)
                np.subtract(d_y, y, out=d_y)
                return np.multiply(d_y, scale, out=d_y)

            return y, backward

        return forward
