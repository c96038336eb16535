"""Weighted mean and variance of columns, computed chunk by chunk."""

from collections.abc import Iterable
from typing import Any

import numpy as np

Chunk = tuple[Any, np.ndarray | None]  # rows and their weights; None for equal weights


def weighted_moments(chunks: Iterable[Chunk]) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean and biased variance of each column, accumulated in float64.

    References
    ----------
    Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance".
    """
    total, mean, squares = 0.0, np.zeros(1), np.zeros(1)
    for z, weight in chunks:
        row_weight = np.ones(len(z)) if weight is None else weight.astype(np.float64)
        chunk_total = row_weight.sum()
        row_weight /= chunk_total
        centered = z.astype(np.float64)
        chunk_mean = row_weight @ centered
        centered -= chunk_mean
        centered *= centered
        total += chunk_total
        delta = chunk_mean - mean
        fraction = chunk_total / total
        squares = squares + chunk_total * (row_weight @ centered + delta**2 * (1 - fraction))
        mean = mean + delta * fraction
    return mean, squares / total
