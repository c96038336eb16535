"""Build a multi-layer perceptron from layers."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from sknormnet.nn.activations import Activation
from sknormnet.nn.initializers import Initializer
from sknormnet.nn.layers import (
    ActivationLayer,
    BatchNorm,
    Dense,
    Dropout,
    Embedding,
    Layer,
    ScaledDense,
)
from sknormnet.nn.network import Network


def mlp(
    n_inputs: int,
    hidden: Sequence[int],
    n_outputs: int,
    *,
    embedding_sizes: Sequence[int] = (),
    scaling_layer: bool = False,
    activations: Sequence[Activation],
    inits: Sequence[Initializer],
    batchnorm: str | None = None,
    batchnorm_momentum: float = 0.9,
    batchnorm_epsilon: float = 1e-5,
    keep_probs: Sequence[float],
    input_keep_prob: float = 1.0,
    dtype: Any = np.float64,
) -> Network:
    """Build a multi-layer perceptron whose parameters are not yet initialized.

    Parameters
    ----------
    n_inputs, n_outputs : int
    hidden : sequence of int
        Number of units of each hidden layer.
    embedding_sizes : sequence of int, default=()
        Number of levels of each of the last inputs, which hold numbers of levels to be embedded.
    scaling_layer : bool, default=False
        Whether the first dense layer has a trained factor for each input.
    activations : sequence of Activation
        One for each hidden layer.
    inits : sequence of callable
        Initializers: one for each hidden layer and one for the output layer.
    batchnorm : {None, "before", "after"}, default=None
        None for no batch norm, else its place relative to each activation.
    batchnorm_momentum, batchnorm_epsilon : float
    keep_probs : sequence of float
        One for each hidden layer. With 1, the hidden layer has no dropout.
    input_keep_prob : float, default=1.0
    dtype : dtype, default=float64

    Returns
    -------
    network : Network
    """
    layers: list[Layer] = []
    if embedding_sizes:
        embedding = Embedding(n_inputs, tuple(embedding_sizes))
        layers.append(embedding)
        n_inputs = embedding.n_units

    def dense(fan_in: int, fan_out: int, init: Initializer, *, bias: bool = True) -> None:
        is_first = not any(layer.weight_names for layer in layers)
        kind = ScaledDense if scaling_layer and is_first else Dense
        layers.append(kind(fan_in, fan_out, init, bias=bias))

    def dropout(n_units: int, keep_prob: float) -> None:
        if keep_prob < 1:
            layers.append(Dropout(n_units, keep_prob))

    dropout(n_inputs, input_keep_prob)
    for (fan_in, n_units), activation, init, keep_prob in zip(
        pairwise([n_inputs, *hidden]), activations, inits[:-1], keep_probs, strict=True
    ):
        dense(fan_in, n_units, init, bias=batchnorm != "before")
        activate = ActivationLayer(n_units, activation)
        normalize = BatchNorm(n_units, batchnorm_epsilon)
        blocks: dict[str | None, list[Layer]] = {
            None: [activate],
            "before": [normalize, activate],
            "after": [activate, normalize],
        }
        layers += blocks[batchnorm]
        dropout(n_units, keep_prob)
    dense([n_inputs, *hidden][-1], n_outputs, inits[-1])
    return Network(layers, dtype, batchnorm_momentum)
