"""The encoder of all columns: from rows of X to the inputs of a network."""

from collections.abc import Hashable, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array, hstack, issparse

from sknormnet._dataclasses import dataclass
from sknormnet.inputs.categorical import CategoricalEncoder
from sknormnet.inputs.numeric import NumericEncoder, clip_smoothly

# Largest shift that is folded into the weights, times the square root of the dtype's epsilon: the
# rounding error of ``x * scale + shift`` then stays below 1% of this root.
MOST_SHIFT = 0.01


@dataclass(frozen=True, eq=False)
class InputEncoder:
    """What the columns of X become as inputs of a network, fitted on training rows.

    Parameters
    ----------
    n_features_in : int
        Number of columns of X.
    numeric_columns, categorical_columns : tuple of int
    numeric : NumericEncoder
    categorical : CategoricalEncoder or None
        Its outputs follow those of `numeric`.
    missing_share : ndarray of shape (n_features_in,)
        Share of the training weight with a missing value, column by column.

    Examples
    --------
    >>> import numpy as np
    >>> from sknormnet.inputs import fit_inputs
    >>> ages_and_colors = np.array([[20.0, 0], [30.0, 1], [np.nan, 2], [40.0, 1]])
    >>> encoder = fit_inputs(ages_and_colors, n_levels=[0, 3])
    >>> encoder.encode(ages_and_colors).round(2)
    array([[-1.22,  0.  ,  0.75, -0.5 , -0.25],
           [ 0.  ,  0.  , -0.25,  0.5 , -0.25],
           [ 0.  ,  1.  , -0.25, -0.5 ,  0.75],
           [ 1.22,  0.  , -0.25,  0.5 , -0.25]])
    """

    n_features_in: int
    numeric_columns: tuple[int, ...]
    categorical_columns: tuple[int, ...]
    numeric: NumericEncoder
    categorical: CategoricalEncoder | None
    missing_share: np.ndarray

    @property
    def dtype(self) -> np.dtype:
        """Working precision."""
        return self.numeric.dtype

    @property
    def n_outputs(self) -> int:
        """Number of inputs of the network."""
        return self.numeric.n_outputs + (self.categorical.n_outputs if self.categorical else 0)

    @property
    def n_columns(self) -> int:
        """Number of columns of X; a categorical one counts once for each of its 0/1 inputs."""
        return self.numeric.n_columns + (self.categorical.n_outputs if self.categorical else 0)

    @property
    def embedding_sizes(self) -> tuple[int, ...]:
        """Sizes of the embedded columns, whose level numbers are the last outputs."""
        return self.categorical.embedding_sizes if self.categorical else ()

    @property
    def embedded_columns(self) -> tuple[int, ...]:
        """The embedded columns of X, in their order."""
        if self.categorical is None:
            return ()
        return tuple(self.categorical_columns[k] for k in self.categorical.embedded)

    @property
    def is_identity(self) -> bool:
        """Whether rows without missing values are returned as they are."""
        return self.categorical is None and self.numeric.keeps_values

    @property
    def affine(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Scale and shift, if encoded rows are ``x * scale + shift``; else None.

        Both have shape (1, n_features_in). A missing value must be replaced by `numeric.center`
        first. None also stands for centers so far from 0 that the sum would be inexact.
        """
        if self.categorical is not None or not self.numeric.is_affine:
            return None
        scale, shift = self.numeric.scale_and_shift()
        if np.abs(shift).max(initial=0) > MOST_SHIFT / np.sqrt(np.finfo(self.dtype).eps):
            return None
        return scale.astype(self.dtype), shift.astype(self.dtype)

    def bin_edges(self) -> list[np.ndarray | None]:
        """Return the bin edges of each column, of shape (n_bins + 1,); None without bins."""
        edges = zip(self.numeric.binned, self.numeric.bin_edges.T, strict=True)
        of_column = {self.numeric_columns[k]: x for k, x in edges}
        return [of_column.get(k) for k in range(self.n_features_in)]

    def bound(self, largest: float) -> float:
        """Return a bound on |outputs|, except level numbers, for |x| up to `largest`."""
        return max(1.0, self.numeric.bound(largest))

    # ------------------------------------------------------------------ encoding

    def encode(self, x: Any, out: np.ndarray | None = None) -> Any:
        """Return the inputs of the network for some rows.

        Parameters
        ----------
        x : {ndarray, CSR matrix} of shape (..., n_rows, n_features_in)
            Of the working precision, and without infinity. For a stack, a list of CSR matrices.
        out : ndarray of shape (..., n_rows, n_outputs) or None
            To be filled; None for a new array. It is left alone if x is returned itself or is
            sparse.

        Returns
        -------
        inputs : {ndarray, CSR matrix} of shape (..., n_rows, n_outputs)
            Sparse for a sparse x, if zeros stay zeros.
        """
        if isinstance(x, list):
            members = self._members if self.missing_share.ndim > 1 else [self] * len(x)
            found = [one.encode(rows) for one, rows in zip(members, x, strict=True)]
            return found if issparse(found[0]) else np.stack(found)
        values = x.data if issparse(x) else x
        if self.is_identity and np.isfinite(np.vdot(values, values)):
            return x
        if issparse(x):
            if self.keeps_zeros:
                return self._encode_sparse(x)
            x = x.toarray()
        if out is None:
            out = np.empty((*x.shape[:-1], self.n_outputs), self.dtype)
        if self.categorical is None:
            self.numeric.encode(x, out)
            return out
        n_numeric = self.numeric.n_outputs
        self.numeric.encode(x.take(self.numeric_columns, axis=-1), out[..., :n_numeric])
        x = x.take(self.categorical_columns, axis=-1)
        self.categorical.encode(x, out[..., n_numeric:])
        return out

    @property
    def keeps_zeros(self) -> bool:
        """Whether a sparse X stays sparse."""
        return self.categorical is None and self.numeric.keeps_zeros

    def _encode_sparse(self, x: Any) -> Any:
        y = x.astype(self.dtype)  # a copy
        is_missing = np.isnan(y.data)
        if self.numeric.method is not None:
            y.data *= self.numeric.slope[0, y.indices]
        if self.numeric.method == "robust":
            clip_smoothly(y.data, is_ordinary=False)
        y.data[is_missing] = 0
        if not self.numeric.with_missing:
            return y
        indicators = csr_array((is_missing.astype(self.dtype), x.indices, x.indptr), x.shape)
        return hstack([y, indicators[:, list(self.numeric.with_missing)]], "csr", self.dtype)

    def impute(self, x: Any) -> Any:
        """Return numeric rows with each missing value replaced by the center of its column.

        In a sparse x, it becomes 0.
        """
        if issparse(x):
            x = x.copy()
            x.data[np.isnan(x.data)] = 0
            return x
        return np.where(np.isnan(x), self.numeric.center.astype(self.dtype), x)

    # ------------------------------------------------------------------- stacks

    def stacking_key(self) -> Hashable:
        """Return what the encoders of a stack must share: all but the values of the arrays."""
        return _structure(self)

    @staticmethod
    def stacked(encoders: Sequence["InputEncoder"]) -> "InputEncoder":
        """Return the encoder of a stack of networks; all have the same `stacking_key`."""
        if all(encoder is encoders[0] for encoder in encoders):
            return encoders[0]
        return _mapped(np.stack, encoders)

    @cached_property
    def _members(self) -> list["InputEncoder"]:
        """The encoders of the networks of a stack."""
        return [
            _mapped(lambda arrays, k=k: arrays[0][k], [self])
            for k in range(len(self.missing_share))
        ]

    def __getstate__(self) -> dict:
        return {name: x for name, x in vars(self).items() if name != "_members"}


def _mapped(function, records: Sequence[Any]) -> Any:
    """Return the first record with ``function([array of each record])`` for its arrays."""
    changes = {}
    for field in fields(records[0]):
        values = [getattr(record, field.name) for record in records]
        if isinstance(values[0], np.ndarray):
            changes[field.name] = function(values)
        elif is_dataclass(values[0]):
            changes[field.name] = _mapped(function, values)
    return replace(records[0], **changes)


def _structure(value: Any) -> Hashable:
    if is_dataclass(value):
        return tuple(_structure(getattr(value, field.name)) for field in fields(value))
    return value.shape if isinstance(value, np.ndarray) else value
