"""Rows of X, dense, sparse or memory-mapped, as minibatches; knows nothing of networks."""

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

# Numbers of X that are read together and that are shuffled together.
PIECE, POOL = 2**16, 2**24


class Batch(NamedTuple):
    """Some rows and what they count.

    X : {ndarray, CSR matrix} of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
    total : float or, of a stack, ndarray of shape (n_members, 1)
        ``n_rows * mean(w)``, with the mean over the whole training set: what the batch's
        sums are divided by, so that a weight means the same in every batch. In the unit that
        the user gave the weights in, on which alpha's strength depends.
    weight : ndarray of shape (n_rows, 1)
        ``w / total``: what a row's loss counts for in the batch's loss, in any unit.
    share : ndarray of shape (1, n_rows)
        ``w / sum(w)``: what a row counts for in an average over the batch.
    """

    X: Any
    y: np.ndarray
    total: Any
    weight: np.ndarray
    share: np.ndarray


class Samples:
    """Rows of a data set, handed out in batches.

    X is never copied whole, whatever its dtype, order and kind: rows are gathered batch
    by batch into buffers of the working dtype, which the next batch overwrites.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        One-dimensional ones are class numbers and stay integers; others are cast.
    weight : ndarray of shape (n_samples,) or None
    rows : ndarray of int or None
        The numbers of the rows that take part; None for all.
    dtype : dtype
        Working precision.
    weight_unit : float, default=1.0
        A weight of 1 is this much in the user's unit.
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
            # Without weights, equal ones give the same result to the last bit.
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
        """The array or CSR matrix that these rows belong to, with all its rows."""
        return self._X

    @property
    def arrays(self) -> list[np.ndarray]:
        """All arrays that these rows are kept in."""
        arrays = *arrays_of(self._X), self._y, self._weight, self._rows
        return [array for array in arrays if array is not None]

    @property
    def n_features(self) -> int:
        """Number of columns of X."""
        return self._X.shape[1]

    def some(self, n_rows: int) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """Up to `n_rows` of the rows, evenly spaced: X and y in their own dtypes, and weight."""
        rows = np.linspace(0, len(self) - 1, min(len(self), n_rows)).astype(int)
        rows = rows if self._rows is None else self._rows[rows]
        return self._X[rows], self._y[rows], None if self._weight is None else self._weight[rows]

    @property
    def y(self) -> np.ndarray:
        """The targets of these rows."""
        return self._y if self._rows is None else self._y[self._rows]

    @property
    def weight(self) -> np.ndarray | None:
        """The weights of these rows, or None if all are equal."""
        all_rows = self._weight is None or self._rows is None
        return self._weight if all_rows else self._weight[self._rows]

    def batches(
        self, rng: np.random.Generator, batch_size: int, *, min_batch_size: int, shuffle: bool
    ) -> Iterator[Batch]:
        """All rows once, `batch_size` at a time.

        Parameters
        ----------
        rng : Generator
            Draws the order of the rows if `shuffle`.
        batch_size : int
        min_batch_size : int
            A last batch with fewer rows joins the one before.
        shuffle : bool
            Rows of an X of more than `POOL` numbers are shuffled in pools of that size.
        """
        cuts = self.cuts(rng, batch_size, min_batch_size=min_batch_size, shuffle=shuffle)
        return map(self._batch, cuts)

    def cuts(
        self, rng: np.random.Generator, batch_size: int, *, min_batch_size: int, shuffle: bool
    ) -> Iterator[slice | np.ndarray]:
        """The rows of each of these batches, in X and y."""
        order, done = self._rows, 0
        if shuffle:
            order, mixed = row_numbers(len(self)), self._mixed(rng)
        for part in gen_batches(len(self), batch_size, min_batch_size=min_batch_size):
            while shuffle and done < part.stop:
                some = next(mixed)
                order[done : done + len(some)] = some
                done += len(some)
            yield part if order is None else order[part]

    def _mixed(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """All row numbers in random order, in pools.

        A large X is cut into pieces, which are drawn at random; the rows of as many pieces
        as make a pool are mixed. So a file larger than memory is read piece by piece.
        """
        rows = row_numbers(len(self)) if self._rows is None else self._rows
        piece, pool = (max(1, size // self._X.shape[1]) for size in (PIECE, POOL))
        if len(rows) <= pool:
            yield rng.permutation(rows)
            return
        starts = rng.permutation(range(0, len(rows), piece))
        for some in gen_batches(len(starts), pool // piece):
            pieces = [rows[start : start + piece] for start in starts[some]]
            for numbers in pieces:
                read_ahead(self._X, numbers[0], numbers[-1] + 1)
            yield rng.permutation(np.concatenate(pieces))

    def whole(self) -> Batch:
        """All rows as one batch."""
        batch = self._batch(self._rows)
        self._buffers.clear()  # one of the size of X may not outlive the batch
        return batch

    def chunks(self, n_rows: int) -> Iterator[tuple[Any, np.ndarray | None]]:
        """All rows in order, `n_rows` at a time, as (X, sample_weight or None)."""
        for part in gen_batches(len(self), n_rows):
            rows = part if self._rows is None else self._rows[part]
            weight = None if self._weight is None else self._weight[rows]
            yield self._take("X", self._X, rows, self._dtype), weight

    def _batch(self, rows) -> Batch:
        X = self._take("X", self._X, rows, self._dtype)
        y = self._take("y", self._y, rows, self._y_dtype)
        return Batch(X, y, *self.weigh(rows, X.shape[0]))

    def weigh(self, rows, n_rows: int) -> tuple[float, np.ndarray, np.ndarray]:
        """What some rows count, as total, weight and share of their `Batch`."""
        sum_of_weights = n_rows * self._mean_weight
        # Not 0, by which alpha is divided, however small the unit is.
        total = max(sum_of_weights * self._weight_unit, sys.float_info.min)
        if self._weight is None:
            weight = self._equal_weights(n_rows)
            return total, weight, weight.T
        weight = self._weight if rows is None else self._weight[rows]
        weight = weight.reshape(-1, 1)
        share = weight.T / weight.sum()
        return total, (weight / sum_of_weights).astype(self._dtype), share.astype(self._dtype)

    def _equal_weights(self, n_rows: int) -> np.ndarray:
        key = "weight", n_rows
        if key not in self._buffers:
            self._buffers[key] = np.full((n_rows, 1), 1 / n_rows, self._dtype)
        return self._buffers[key]

    def _take(self, name: str, array, rows, dtype):
        """array[rows] as `dtype`, in a buffer unless a view will do; None takes all rows."""
        if rows is None:
            return array.astype(dtype, copy=False)
        if isinstance(rows, slice) or not isinstance(array, np.ndarray):
            return array[rows].astype(dtype, copy=False)
        key = name, len(rows)
        if key not in self._buffers:
            self._buffers[key] = aligned_empty((len(rows), *array.shape[1:]), dtype)
        return _gather(array, rows, self._buffers[key])


def _gather(array: np.ndarray, rows, buffer: np.ndarray) -> np.ndarray:
    """array[rows] in the buffer."""
    if array.dtype == buffer.dtype and array.flags.c_contiguous:
        # take with a buffer is four times faster than array[rows], but it would copy
        # the whole of an array of another dtype or order first.
        array.take(rows, axis=0, out=buffer, mode="clip")
    else:
        np.copyto(buffer, array[rows], casting="same_kind")
    return buffer


class StackedSamples:
    """As many rows of several data sets, handed out in batches with a leading axis.

    Each member gets, batch by batch, the rows that its `Samples` would hand out alone. Their
    losses are worked out together: y and weight hold the rows of all members one below the
    other. Of sparse X there is a list.

    Parameters
    ----------
    members : sequence of Samples
        All of the same length, number of features, kind and dtype.
    """

    def __init__(self, members: Sequence[Samples]):
        self._members = members
        self._spans = {
            "X": _spans([member._X for member in members], operator.is_),
            "y": _spans([member._y for member in members], np.array_equal),
        }
        self._buffers: dict[tuple, np.ndarray] = {}

    def batches(self, rngs: Sequence[np.random.Generator], *args, **kwargs) -> Iterator[Batch]:
        """All rows once, each member's in the order that its own generator draws."""
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
        weighed = (m.weigh(r, n_rows) for m, r in zip(self._members, rows, strict=True))
        totals, weights, shares = zip(*weighed, strict=True)
        total = np.array(totals).reshape(-1, 1)
        return Batch(X, y, total, np.concatenate(weights), np.stack(shares))

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
        # One call for all members that have the same array: half as long for batches of 32.
        joint = [_joint(rows[span]) for span in self._spans[name]]
        key = name, joint[0].shape[1]
        if key not in self._buffers:
            shape = len(arrays), joint[0].shape[1], *arrays[0].shape[1:]
            self._buffers[key] = aligned_empty(shape, dtype)
        for span, numbers in zip(self._spans[name], joint, strict=True):
            _gather(arrays[span.start], numbers, self._buffers[key][span])
        return self._buffers[key]


def uneven(weight: np.ndarray | None) -> np.ndarray | None:
    """Return the weights, or None if all are equal."""
    return None if weight is None or (weight == weight[0]).all() else weight


def _spans(arrays: list, same: Callable) -> list[slice]:
    """Where neighbours are the same."""
    pairs = enumerate(pairwise(arrays), 1)
    cuts = [0, *(k for k, (one, other) in pairs if not same(one, other)), len(arrays)]
    return [slice(*ends) for ends in pairwise(cuts)]


def _joint(rows: tuple) -> np.ndarray:
    """Row numbers of several members, of shape (n_members, n_rows)."""
    numbers = [np.arange(x.start, x.stop) if isinstance(x, slice) else x for x in rows]
    return np.concatenate(numbers).reshape(len(rows), -1)


def arrays_of(X) -> list[np.ndarray]:
    """The arrays that an array or a CSR matrix consists of."""
    return [X] if isinstance(X, np.ndarray) else [X.data, X.indices, X.indptr]


def row_numbers(n_rows: int) -> np.ndarray:
    """0 to n_rows - 1, in 4 bytes each where they fit."""
    return np.arange(n_rows, dtype=np.int32 if n_rows <= np.iinfo(np.int32).max else np.int64)


def read_ahead(X, start: int, stop: int) -> None:
    """Ask the system to fetch the rows of a memory-mapped X from its file, and go on.

    Left to fetch single rows on demand, it took over 200 s for an epoch over 8 GB with 2 GB
    of memory, instead of 15 s. Without effect on other X and where there is no madvise.
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
    """Split row numbers in two at random, by the same shares of each label if there are any.

    It does with a few bytes a row, and with labels that a single row has.

    Parameters
    ----------
    rows : ndarray of int of shape (n_rows,)
    n_held : int
        Number of rows in the second part.
    rng : Generator
    labels : ndarray of shape (n_rows,) or None

    Returns
    -------
    kept, held : ndarray of int
        In the order of `rows`.
    """
    if labels is None:
        groups = iter([row_numbers(len(rows))])
    else:
        groups = (np.flatnonzero(labels == label) for label in np.unique(labels))
    held = np.zeros(len(rows), bool)
    seen = done = 0
    for members in groups:
        seen += len(members)
        due = round(n_held * seen / len(rows)) - done  # so that all dues add up to n_held
        held[rng.permutation(members)[:due]] = True
        done += due
    return rows[~held], rows[held]
