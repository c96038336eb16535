"""Minibatches of rows of X: dense, sparse or memory-mapped; independent of networks."""

import mmap
import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds
from sklearn.utils import gen_batches

from sknormnet._aligned import aligned_empty

# How many elements of X are read together, and how many are shuffled together
READ_ELEMENTS, SHUFFLE_ELEMENTS = 2**16, 2**24


class Batch(NamedTuple):
    """A minibatch and its weights. w stands for the sample weights of its rows.

    Attributes
    ----------
    X : {ndarray, CSR matrix} of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
    total : float, or ndarray of shape (n_members, 1) for a stack
        ``n_rows * mean(w)``, with the mean over all training rows. The batch's sums are divided
        by it, so that a sample weight has the same effect in every batch. It is in the unit of
        the user's sample weights, on which the strength of alpha depends.
    weight : ndarray of shape (n_rows, 1)
        ``w / total``: the weight of a row's loss in the loss of the batch. It does not depend
        on the unit of the sample weights.
    row_weight : ndarray of shape (1, n_rows)
        ``w / sum(w)``: the weight of a row in an average over the batch.
    """

    X: Any
    y: np.ndarray
    total: Any
    weight: np.ndarray
    row_weight: np.ndarray


class Samples:
    """Rows of a data set, as batches.

    X is never copied as a whole, whatever its dtype, memory order and type. The rows of each
    batch are gathered into buffers of the working dtype, which the next batch overwrites.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        A one-dimensional y holds class numbers and stays an integer array. A two-dimensional y
        is cast to `dtype`.
    weight : ndarray of shape (n_samples,) or None
        Sample weights; None for equal weights.
    rows : ndarray of int or None
        Indices of the rows to use; None for all rows.
    dtype : dtype
        Working precision.
    weight_unit : float, default=1.0
        The user's sample weight that a weight of 1 stands for.
    """

    def __init__(
        self, X, y: np.ndarray, *, weight=None, rows=None, dtype, weight_unit: float = 1.0
    ):
        self._X = np.asarray(X) if isinstance(X, np.ndarray) else X  # a memmap is slow
        self._y = y
        self._weight = weight
        self._rows = rows
        self._dtype = np.dtype(dtype)
        self._y_dtype = y.dtype if y.ndim == 1 else self._dtype
        weight = self.weight
        self._mean_weight = 1.0 if weight is None else float(np.mean(weight))
        self._weight_unit = weight_unit
        if uneven(weight) is None:
            # Equal weights are dropped, so that they give bit for bit the result of no weights.
            self._weight, self._weight_unit = None, weight_unit * self._mean_weight
            self._mean_weight = 1.0
        self._buffers: dict[tuple, np.ndarray] = {}

    def __len__(self) -> int:
        return self._X.shape[0] if self._rows is None else len(self._rows)

    @property
    def is_sparse(self) -> bool:
        """Whether X is a sparse matrix."""
        return not isinstance(self._X, np.ndarray)

    @property
    def X(self) -> Any:
        """The array or CSR matrix with all its rows, not only those that are used."""
        return self._X

    @property
    def arrays(self) -> list[np.ndarray]:
        """All arrays that hold the data."""
        arrays = *arrays_of(self._X), self._y, self._weight, self._rows
        return [array for array in arrays if array is not None]

    @property
    def n_features(self) -> int:
        """Number of columns of X."""
        return self._X.shape[1]

    def some(self, n_rows: int) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """Return X, y and weight of up to `n_rows` evenly spaced rows, in their own dtypes."""
        rows = np.linspace(0, len(self) - 1, min(len(self), n_rows)).astype(int)
        rows = rows if self._rows is None else self._rows[rows]
        return self._X[rows], self._y[rows], None if self._weight is None else self._weight[rows]

    @property
    def y(self) -> np.ndarray:
        """The targets of the rows."""
        return self._y if self._rows is None else self._y[self._rows]

    @property
    def weight(self) -> np.ndarray | None:
        """The sample weights of the rows, or None if all are equal."""
        all_rows = self._weight is None or self._rows is None
        return self._weight if all_rows else self._weight[self._rows]

    def batches(
        self, rng: np.random.Generator, batch_size: int, *, min_batch_size: int, shuffle: bool
    ) -> Iterator[Batch]:
        """Return batches of `batch_size` rows that contain each row once.

        Parameters
        ----------
        rng : Generator
            Draws the order of the rows if `shuffle` is True.
        batch_size : int
        min_batch_size : int
            A last batch with fewer rows is merged into the batch before it.
        shuffle : bool
            An X of more than `SHUFFLE_ELEMENTS` elements is shuffled in pools of that size.
        """
        cuts = self.cuts(rng, batch_size, min_batch_size=min_batch_size, shuffle=shuffle)
        return map(self._batch, cuts)

    def cuts(
        self, rng: np.random.Generator, batch_size: int, *, min_batch_size: int, shuffle: bool
    ) -> Iterator[slice | np.ndarray]:
        """Yield the rows of X and y in each of the batches that `batches` returns."""
        order, n_shuffled = self._rows, 0
        if shuffle:
            order, pools = row_numbers(len(self)), self._shuffled_pools(rng)
        for batch in gen_batches(len(self), batch_size, min_batch_size=min_batch_size):
            while shuffle and n_shuffled < batch.stop:
                pool = next(pools)
                order[n_shuffled : n_shuffled + len(pool)] = pool
                n_shuffled += len(pool)
            yield batch if order is None else order[batch]

    def _shuffled_pools(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield all row indices in random order, in pools.

        A large X is read in runs of consecutive rows, which are drawn in random order. The rows
        of several runs together make a pool and are shuffled. A file larger than memory is
        therefore read in long runs, not row by row.
        """
        rows = row_numbers(len(self)) if self._rows is None else self._rows
        run_length, pool_size = (
            max(1, size // self._X.shape[1]) for size in (READ_ELEMENTS, SHUFFLE_ELEMENTS)
        )
        if len(rows) <= pool_size:
            yield rng.permutation(rows)
            return
        starts = rng.permutation(range(0, len(rows), run_length))
        for of_pool in gen_batches(len(starts), pool_size // run_length):
            runs = [rows[start : start + run_length] for start in starts[of_pool]]
            for run in runs:
                read_ahead(self._X, run[0], run[-1] + 1)
            yield rng.permutation(np.concatenate(runs))

    def whole(self) -> Batch:
        """Return all rows as one batch."""
        batch = self._batch(self._rows)
        self._buffers.clear()  # a buffer as large as X must not outlive the batch
        return batch

    def chunks(self, n_rows: int) -> Iterator[tuple[Any, np.ndarray | None]]:
        """Yield all rows in order, `n_rows` at a time, as (X, sample_weight or None)."""
        for chunk in gen_batches(len(self), n_rows):
            rows = chunk if self._rows is None else self._rows[chunk]
            weight = None if self._weight is None else self._weight[rows]
            yield self._take("X", self._X, rows, self._dtype), weight

    def _batch(self, rows) -> Batch:
        X = self._take("X", self._X, rows, self._dtype)
        y = self._take("y", self._y, rows, self._y_dtype)
        return Batch(X, y, *self.weigh(rows, X.shape[0]))

    def weigh(self, rows, n_rows: int) -> tuple[float, np.ndarray, np.ndarray]:
        """Return `total`, `weight` and `row_weight` of a `Batch` with these rows."""
        sum_of_weights = n_rows * self._mean_weight
        # Never 0, since alpha is divided by it: a very small unit could underflow.
        total = max(sum_of_weights * self._weight_unit, sys.float_info.min)
        if self._weight is None:
            weight = self._equal_weights(n_rows)
            return total, weight, weight.T
        weight = self._weight if rows is None else self._weight[rows]
        weight = weight.reshape(-1, 1)
        row_weight = (weight.T / weight.sum()).astype(self._dtype)
        return total, (weight / sum_of_weights).astype(self._dtype), row_weight

    def _equal_weights(self, n_rows: int) -> np.ndarray:
        key = "weight", n_rows
        if key not in self._buffers:
            self._buffers[key] = np.full((n_rows, 1), 1 / n_rows, self._dtype)
        return self._buffers[key]

    def _take(self, name: str, array, rows, dtype):
        """Return array[rows] as `dtype`, as a view or in a buffer. None stands for all rows."""
        if rows is None:
            return array.astype(dtype, copy=False)
        if isinstance(rows, slice) or not isinstance(array, np.ndarray):
            return array[rows].astype(dtype, copy=False)
        key = name, len(rows)
        if key not in self._buffers:
            self._buffers[key] = aligned_empty((len(rows), *array.shape[1:]), dtype)
        return _gather(array, rows, self._buffers[key])


def _gather(array: np.ndarray, rows, buffer: np.ndarray) -> np.ndarray:
    """Copy array[rows] to the buffer and return it."""
    if array.dtype == buffer.dtype and array.flags.c_contiguous:
        # take with a buffer is four times faster than array[rows]. It would first copy the
        # whole array if its dtype or memory order were different.
        array.take(rows, axis=0, out=buffer, mode="clip")
    else:
        np.copyto(buffer, array[rows], casting="same_kind")
    return buffer


class StackedSamples:
    """Several data sets with equal numbers of rows, as batches with a leading axis.

    In each batch, each member has the rows that its own `Samples` would return. The losses of
    all members are computed together: y and weight hold the rows of all members one below the
    other. A sparse X is a list of matrices.

    Parameters
    ----------
    members : sequence of Samples
        With equal length, number of features, type of X and dtype.
    """

    def __init__(self, members: Sequence[Samples]):
        self._members = members
        self._spans = {
            "X": _spans([member._X for member in members], operator.is_),
            "y": _spans([member._y for member in members], np.array_equal),
        }
        self._buffers: dict[tuple, np.ndarray] = {}

    def batches(self, rngs: Sequence[np.random.Generator], *args, **kwargs) -> Iterator[Batch]:
        """Return batches that contain each row once, in the order of each member's generator."""
        pairs = zip(self._members, rngs, strict=True)
        cuts = (member.cuts(rng, *args, **kwargs) for member, rng in pairs)
        return map(self._batch, zip(*cuts, strict=True))

    def _batch(self, rows: tuple) -> Batch:
        first = self._members[0]
        X = self._take("X", [m._X for m in self._members], rows, first._dtype)
        y = self._take("y", [m._y for m in self._members], rows, first._y_dtype)
        n_rows = y.shape[1]
        y = y.reshape(-1, *y.shape[2:])
        if all(member._weight is None and member._weight_unit == 1 for member in self._members):
            return Batch(X, y, float(n_rows), *self._equal_weights(n_rows))
        of_members = (m.weigh(r, n_rows) for m, r in zip(self._members, rows, strict=True))
        totals, weights, row_weights = zip(*of_members, strict=True)
        total = np.array(totals).reshape(-1, 1)
        return Batch(X, y, total, np.concatenate(weights), np.stack(row_weights))

    def _equal_weights(self, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        key = "weight", n_rows
        if key not in self._buffers:
            _, weight, _ = self._members[0].weigh(None, n_rows)
            self._buffers[key] = np.tile(weight, (len(self._members), 1))
        weight = self._buffers[key]
        return weight, weight[:n_rows].T

    def _take(self, name: str, arrays: list, rows: tuple, dtype):
        if not isinstance(arrays[0], np.ndarray):
            return [a[r].astype(dtype, copy=False) for a, r in zip(arrays, rows, strict=True)]
        # One call for all members that share an array takes half the time, for batches of 32.
        joint = [_joint(rows[span]) for span in self._spans[name]]
        key = name, joint[0].shape[1]
        if key not in self._buffers:
            shape = len(arrays), joint[0].shape[1], *arrays[0].shape[1:]
            self._buffers[key] = aligned_empty(shape, dtype)
        for span, indices in zip(self._spans[name], joint, strict=True):
            _gather(arrays[span.start], indices, self._buffers[key][span])
        return self._buffers[key]


def uneven(weight: np.ndarray | None) -> np.ndarray | None:
    """Return the weights, or None if all are equal."""
    return None if weight is None or (weight == weight[0]).all() else weight


def _spans(arrays: list, same: Callable) -> list[slice]:
    """Return slices of the list in which adjacent arrays are the same."""
    pairs = enumerate(pairwise(arrays), 1)
    cuts = [0, *(k for k, (left, right) in pairs if not same(left, right)), len(arrays)]
    return [slice(*ends) for ends in pairwise(cuts)]


def _joint(rows: tuple) -> np.ndarray:
    """Return the row indices of several members, of shape (n_members, n_rows)."""
    indices = [np.arange(x.start, x.stop) if isinstance(x, slice) else x for x in rows]
    return np.concatenate(indices).reshape(len(rows), -1)


def arrays_of(X) -> list[np.ndarray]:
    """Return the arrays that make up an array or a CSR matrix."""
    return [X] if isinstance(X, np.ndarray) else [X.data, X.indices, X.indptr]


def row_numbers(n_rows: int) -> np.ndarray:
    """Return the row indices 0 to n_rows - 1, as int32 where they fit."""
    return np.arange(n_rows, dtype=np.int32 if n_rows <= np.iinfo(np.int32).max else np.int64)


def read_ahead(X, start: int, stop: int) -> None:
    """Ask the operating system to read rows of a memory-mapped X ahead of their use.

    The call does not wait. An epoch over 8 GB with 2 GB of memory takes 15 s with it, and over
    200 s if the system reads single rows on demand. It has no effect if X is not memory-mapped
    or if the platform has no madvise.
    """
    file = X
    while isinstance(file, np.ndarray):
        file = file.base
    if isinstance(file, mmap.mmap) and X.flags.c_contiguous and hasattr(file, "madvise"):
        begin = np.frombuffer(file, np.uint8).ctypes.data
        low, high = (address - begin for address in byte_bounds(X[start:stop]))
        low -= low % mmap.PAGESIZE
        file.madvise(mmap.MADV_WILLNEED, low, high - low)


def hold_out(
    rows: np.ndarray, n_held: int, rng: np.random.Generator, labels: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split row indices at random into training and held-out rows, stratified by label.

    Needs a few bytes per row, and accepts labels that occur only once.

    Parameters
    ----------
    rows : ndarray of int of shape (n_rows,)
    n_held : int
        Number of held-out rows.
    rng : Generator
    labels : ndarray of shape (n_rows,) or None
        None for a split without stratification.

    Returns
    -------
    training, held_out : ndarray of int
        Both in the order of `rows`.
    """
    if labels is None:
        groups = iter([row_numbers(len(rows))])
    else:
        groups = (np.flatnonzero(labels == label) for label in np.unique(labels))
    is_held = np.zeros(len(rows), bool)
    n_seen = n_done = 0
    for group in groups:
        n_seen += len(group)
        n_drawn = round(n_held * n_seen / len(rows)) - n_done  # these numbers add up to n_held
        is_held[rng.permutation(group)[:n_drawn]] = True
        n_done += n_drawn
    return rows[~is_held], rows[is_held]
