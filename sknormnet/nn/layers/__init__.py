"""The layers, one file each, with their forward and backward passes."""

from sknormnet.nn.layers.activation import ActivationLayer
from sknormnet.nn.layers.batchnorm import BatchNorm
from sknormnet.nn.layers.dense import Dense
from sknormnet.nn.layers.dropout import Dropout
from sknormnet.nn.layers.embedding import Embedding
from sknormnet.nn.layers.layer import Arrays, Backward, Forward, Layer
from sknormnet.nn.layers.scaled_dense import ScaledDense

__all__ = [
    "ActivationLayer",
    "Arrays",
    "Backward",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Embedding",
    "Forward",
    "Layer",
    "ScaledDense",
]
