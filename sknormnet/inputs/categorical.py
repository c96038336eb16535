"""Categorical columns as inputs of a network: 0/1 inputs, or level numbers for an embedding."""

from functools import cached_property
from types import SimpleNamespace

import numpy as np

from sknormnet._dataclasses import dataclass
from sknormnet.inputs.measures import WeightedRows

RARE_SHARE = 0.01  # of the training weight: the rarest levels up to it stand for unknown ones
MISSING, UNKNOWN, FIRST = 0, 1, 2  # places in a lookup table; levels begin at FIRST


@dataclass(frozen=True, eq=False)
class CategoricalEncoder:
    """The inputs that categorical columns become, fitted on training rows.

    X holds a level as its number, an unknown level as -1 and a missing value as NaN. A missing
    value is a level of its own if the training rows have some. The rarest levels that together
    have at most 1% of the training weight become one level, "other", if they are two or more.
    Unknown levels are also "other". So are levels, and missing values, without a training row.

    A column with up to `one_hot_max` levels becomes a 0/1 input for each, or a single one for two
    levels. Rare levels share the input of the first of them. With ``centered=True``, the mean of
    the training rows is subtracted from each input: a network learns faster from inputs with a
    mean of 0, and dropout replaces an input by its mean. Without rare levels, "other" is the mean
    of a single input. In several inputs, it is 0: the mean if they are centered, and else no level.

    Other columns stay level numbers, for an embedding: those of the levels, then one for missing
    values, then one for "other".

    The outputs are the single inputs, then the 0/1 inputs of each column, then the level
    numbers. For a stack, all arrays have one more axis in front.

    Parameters
    ----------
    n_levels : tuple of int
        Number of levels of each column in X.
    n_inputs : tuple of int
        Number of 0/1 inputs of each column; 0 for an embedding.
    table : ndarray of shape (n_entries,)
        For each column, what missing values, unknown levels and each level become: the value of
        a single input; the number of the 0/1 input that is 1, or -1; or the level number.
    shares : ndarray of shape (n_entries,)
        Their shares of the training weight.
    dtype : dtype
        Working precision.
    centered : bool, default=False
        False in states of earlier versions.
    """

    n_levels: tuple[int, ...]
    n_inputs: tuple[int, ...]
    table: np.ndarray
    shares: np.ndarray
    dtype: np.dtype
    centered: bool = False

    @property
    def embedded(self) -> tuple[int, ...]:
        """The columns that stay level numbers."""
        return tuple(k for k, n in enumerate(self.n_inputs) if n == 0)

    @property
    def embedding_sizes(self) -> tuple[int, ...]:
        """For each embedded column, how many level numbers there are."""
        return tuple(self.n_levels[k] + FIRST for k in self.embedded)

    @property
    def n_outputs(self) -> int:
        """Number of inputs of the network."""
        return sum(self.n_inputs) + len(self.embedded)

    def entries(self, column: int) -> slice:
        """Return where the entries of a column are in the table."""
        start = sum(self.n_levels[:column]) + FIRST * column
        return slice(start, start + self.n_levels[column] + FIRST)

    @property
    def missing_share(self) -> np.ndarray:
        """Share of the training weight with a missing value, column by column."""
        starts = [self.entries(k).start for k in range(len(self.n_levels))]
        return self.shares[starts]

    def level_shares(self, column: int) -> np.ndarray:
        """Return the shares of the training weight of the levels of a column."""
        return self.shares[self.entries(column)][FIRST:]

    def is_other(self, column: int) -> np.ndarray:
        """Return which levels of a column are encoded as unknown ones are."""
        own = self.table[self.entries(column)]
        return own[FIRST:] == own[UNKNOWN]

    def encode(self, x: np.ndarray, y: np.ndarray) -> None:
        """Fill `y` with the encoded rows.

        Parameters
        ----------
        x : ndarray of shape (..., n_rows, n_columns)
            Level numbers.
        y : ndarray of shape (..., n_rows, n_outputs)
        """
        w = self._working
        places = np.fmax(x, MISSING - FIRST).astype(np.intp)  # fmax replaces NaN
        places += w.starts
        found = w.table.take(places)
        n_single, n_embedded = len(w.single), len(w.embedded)
        n_zero_one = n_single + len(w.owner)
        if n_single:
            y[..., :n_single] = found.take(w.single, axis=-1)
        if len(w.owner):
            np.equal(found.take(w.owner, axis=-1), w.number, out=y[..., n_single:n_zero_one])
        if self.centered:
            y[..., :n_zero_one] -= w.center
            if (is_other := found < 0).any():
                is_other = is_other.take(w.owner, axis=-1)
                np.copyto(y[..., n_single:n_zero_one], 0, where=is_other)
        if n_embedded:
            y[..., -n_embedded:] = found.take(w.embedded, axis=-1)

    @cached_property
    def center(self) -> np.ndarray:
        """What is subtracted from the 0/1 inputs, of shape (..., 1, n_zero_one).

        It is the mean of each over the training rows, without rows of "other" that no input stands
        for; and 0 with ``centered=False``.
        """
        singles, several = [], []
        for column, n_inputs in enumerate(self.n_inputs):
            own = self.entries(column)
            share, entry = self.shares[..., own, None], self.table[..., own, None]
            if n_inputs == 1:
                singles.append(_weighted_mean(entry, share))
            elif n_inputs > 1:
                several.append(_weighted_mean(entry == np.arange(n_inputs), share * (entry >= 0)))
        means = np.concatenate([*singles, *several, self.shares[..., None, :0]], axis=-1)
        return means if self.centered else np.zeros_like(means)

    @cached_property
    def _working(self) -> SimpleNamespace:
        w, n_inputs = SimpleNamespace(), np.array(self.n_inputs)
        w.table = self.table.astype(self.dtype).ravel()
        starts = [self.entries(k).start for k in range(len(n_inputs))]
        networks = np.arange(len(self.table)) if self.table.ndim > 1 else np.zeros(1, int)
        w.starts = FIRST + np.array(starts) + self.table.shape[-1] * networks[:, None]
        if self.table.ndim > 1:
            w.starts = w.starts[:, None]
        w.single, w.embedded = np.flatnonzero(n_inputs == 1), np.array(self.embedded, int)
        n_of_many = np.where(n_inputs > 1, n_inputs, 0)
        w.owner = np.repeat(np.arange(len(n_inputs)), n_of_many)
        w.number = np.concatenate([np.arange(n) for n in n_of_many]).astype(self.dtype)
        w.center = self.center.astype(self.dtype)
        return w

    def __getstate__(self) -> dict:
        return {name: x for name, x in vars(self).items() if name not in ("_working", "center")}


def _weighted_mean(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return means over the second last axis, which is kept; 0 without any weight."""
    total = weight.sum(axis=-2, keepdims=True)
    means = (x * weight).sum(axis=-2, keepdims=True)
    return np.divide(means, total, out=np.zeros_like(means), where=total > 0)


def fit_categorical(
    rows: WeightedRows,
    columns: np.ndarray,
    n_levels: np.ndarray,
    *,
    one_hot_max: int,
    keep_absent: bool = False,
    centered: bool = False,
    dtype,
) -> CategoricalEncoder:
    """Fit the encoder of categorical columns, with `n_levels` levels each."""
    shares = measure_shares(rows, columns, n_levels)
    n_inputs, tables = zip(*(_table(x, one_hot_max, keep_absent) for x in shares), strict=True)
    return CategoricalEncoder(
        tuple(n_levels.tolist()),
        n_inputs,
        np.concatenate(tables),
        np.concatenate(shares),
        np.dtype(dtype),
        centered,
    )


def measure_shares(
    rows: WeightedRows, columns: np.ndarray, n_levels: np.ndarray
) -> list[np.ndarray]:
    """Return for each column the shares of missing values, unknown levels and each level."""
    shares = [np.zeros(n + FIRST) for n in n_levels]
    for x, weight in rows.chunks(columns):
        places = np.fmax(x, MISSING - FIRST).astype(np.intp) + FIRST
        for share, own in zip(shares, places.T, strict=True):
            share += np.bincount(own, weight, len(share))
    return shares


def _table(share: np.ndarray, one_hot_max: int, keep_absent: bool) -> tuple[int, np.ndarray]:
    """Return the number of 0/1 inputs of a column, and its part of the lookup table."""
    n_levels = len(share) - FIRST
    n_inputs = n_levels + int(share[MISSING] > 0)
    is_absent = share == 0
    if keep_absent:
        is_absent[FIRST:] = False
    is_other = rare(share) | is_absent
    is_other[UNKNOWN] = True
    table = np.arange(len(share)) - float(FIRST)
    table[MISSING] = n_levels
    if n_inputs > one_hot_max:
        table[is_other] = n_levels + 1
        return 0, table
    is_single = n_inputs <= 2
    known = np.where(is_other, 0, share)
    # Rare levels share the input of the first of them.
    if (is_rare_level := is_other & (share > 0) & (table >= 0)).any():
        table[is_other] = table[is_rare_level][0]
    elif is_single:
        table[is_other] = np.average(table, weights=known) if known.any() else 0.5
    else:
        table[is_other] = -1
    return 1 if is_single else n_inputs, table


def rare(share: np.ndarray) -> np.ndarray:
    """Return which entries are rare: the rarest ones up to 1% of the weight, if two or more.

    Of equally frequent levels, the last ones in sorted order are rare.
    """
    # Sums of weights in another order of the rows must not decide.
    order = np.lexsort((-np.arange(len(share)), np.round(share, 12)))
    order = order[share[order] > 0]
    n_rare = np.searchsorted(np.cumsum(share[order]), RARE_SHARE + 1e-9, side="right")
    found = np.zeros(len(share), bool)
    found[order[:n_rare]] = n_rare > 1
    return found
