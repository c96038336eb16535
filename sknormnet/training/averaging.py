"""The running average of a network's weights over the epochs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class WeightAverage:
    """The running average of a network's parameters and statistics over the epochs.

    With momentum m, it is ``sum(m**age * weights) / sum(m**age)`` over all epochs so far.

    Parameters
    ----------
    network : Network
    momentum : float
        In the range (0, 1).

    References
    ----------
    Izmailov et al. (2018), "Averaging weights leads to wider optima and better generalization",
    arXiv 1803.05407.
    """

    def __init__(self, network: Any, momentum: float):
        self._network, self._momentum = network, momentum
        self._parameters = np.zeros_like(network.parameters)
        self._statistics = np.zeros_like(network.statistics)
        self._weight = 0.0  # (1 - m) times the sum of the powers of m

    def add_epoch(self) -> None:
        """Add the network's current weights."""
        self._weight = self._momentum * self._weight + 1 - self._momentum
        share = (1 - self._momentum) / self._weight
        self._parameters += (self._network.parameters - self._parameters) * share
        self._statistics += (self._network.statistics - self._statistics) * share

    def replace_weights(self) -> None:
        """Give the network the average, if there has been an epoch."""
        if self._weight:
            weight = self._network.momentum_weight
            self._network.restore((self._parameters, self._statistics, weight))

    @contextmanager
    def in_network(self) -> Iterator[None]:
        """Give the network the average in this block, and its own weights back after it."""
        own = self._network.snapshot()
        self.replace_weights()
        try:
            yield
        finally:
            self._network.restore(own)

    def snapshot(self) -> tuple:
        """Return a copy of the average."""
        return self._parameters.copy(), self._statistics.copy(), self._weight

    def restore(self, snapshot: tuple) -> None:
        """Restore a snapshot."""
        self._parameters[...], self._statistics[...], self._weight = snapshot
