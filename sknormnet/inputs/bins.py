"""A piecewise linear encoding of columns in bins between quantiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sknormnet._quantiles import quantiles

MOST_ROWS = 10_000  # rows to compute quantiles from, at most
NARROW = 1e-12  # narrower bins are steps


@dataclass(frozen=True, eq=False)
class BinEncoder:
    """Rows of X, and in addition a piecewise linear encoding of some columns.

    Each bin between adjacent edges a and b of a column x adds the ramp
    ``2 * clip((x - a) / (b - a), 0, 1) - 1``. A bin of width 0 is a step. The outputs are the
    columns, then the ramps: all columns of the first bin first. A sparse X is made dense.

    Parameters
    ----------
    n_columns : int
        Number of columns of X.
    encoded : tuple of int
        Indices of the encoded columns.
    edges : ndarray of shape (n_bins + 1, n_encoded)
        In the working precision. For a stack of networks, it has one more axis in front.

    References
    ----------
    Gorishniy, Rubachev and Babenko (2022), "On embeddings for numerical features in tabular deep
    learning", arXiv 2203.05556.
    """

    n_columns: int
    encoded: tuple[int, ...]
    edges: np.ndarray

    @property
    def n_bins(self) -> int:
        """Number of bins of each encoded column."""
        return self.edges.shape[-2] - 1

    @property
    def n_outputs(self) -> int:
        """Number of inputs of the network."""
        return self.n_columns + self.n_bins * len(self.encoded)

    def bin_edges(self) -> list[np.ndarray | None]:
        """Return the bin edges of each column, of shape (n_bins + 1,); None without bins."""
        of_column = dict(zip(self.encoded, self.edges.T, strict=True))
        return [of_column.get(k) for k in range(self.n_columns)]

    def bound(self, largest: float) -> float:
        """Return a bound on |outputs| for |X| up to `largest`."""
        return max(largest, 1.0)

    def encode(self, X: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Return the inputs of a network.

        Parameters
        ----------
        X : ndarray of shape (..., n_rows, n_columns), or sparse matrix
            In the working precision.
        out : ndarray of shape (..., n_rows, n_outputs), default=None
            By default, the result is a new array.
        """
        X = X.toarray() if issparse(X) else X
        if out is None:
            out = np.empty((*X.shape[:-1], self.n_outputs), X.dtype)
        lower, slope = self._ramps
        out[..., : self.n_columns] = X
        ramps = out[..., self.n_columns :].reshape(*out.shape[:-1], self.n_bins, len(self.encoded))
        np.subtract(X[..., None, self.encoded], lower, out=ramps)
        np.multiply(ramps, slope, out=ramps)
        np.subtract(ramps, 1, out=ramps)
        np.clip(ramps, -1, 1, out=ramps)
        return out

    @cached_property
    def _ramps(self) -> tuple[np.ndarray, np.ndarray]:
        """The lower edge of each bin and the slope of its ramp."""
        widths = np.maximum(np.diff(self.edges, axis=-2), self.edges.dtype.type(NARROW))
        return self.edges[..., None, :-1, :], (2 / widths)[..., None, :, :]

    def stacking_key(self) -> tuple:
        """Return what the encoders of a stack must have in common."""
        return self.n_columns, self.encoded, self.n_bins

    @staticmethod
    def stacked(encoders: Sequence["BinEncoder"]) -> "BinEncoder":
        """Return the encoder of a stack of networks, whose rows come in one array."""
        first = encoders[0]
        if all(encoder is first for encoder in encoders):
            return first
        edges = np.stack([encoder.edges for encoder in encoders])
        return BinEncoder(first.n_columns, first.encoded, edges)


def fit_bins(
    X: Any, n_bins: int, *, rows: np.ndarray | None = None, weight: np.ndarray | None = None, dtype
) -> BinEncoder | None:
    """Return the encoder whose bin edges are quantiles of up to 10,000 training rows.

    Columns with no more distinct values than bins are not encoded, and neither is a sparse X.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_columns)
    n_bins : int
        With 0, nothing is encoded.
    rows : ndarray of int, default=None
        The training rows; by default, all rows of X.
    weight : ndarray of shape (n_samples,), default=None
        Weights of all rows of X.
    dtype : dtype
        Working precision.

    Returns
    -------
    encoder : BinEncoder or None
        None if no column is encoded.
    """
    if n_bins == 0 or issparse(X):
        return None
    n_rows = X.shape[0] if rows is None else len(rows)
    used = np.linspace(0, n_rows - 1, min(n_rows, MOST_ROWS)).astype(int)
    used = used if rows is None else rows[used]
    X, weight = X[used], None if weight is None else weight[used]
    encoded = tuple(k for k, x in enumerate(X.T) if len(np.unique(x)) > n_bins)
    if not encoded:
        return None
    edges = quantiles(X[:, encoded], np.arange(n_bins + 1) / n_bins, weight)
    return BinEncoder(X.shape[1], encoded, edges.astype(dtype))
