"""Partitions of Dask arrays and DataFrames."""

from typing import Any

import dask
import numpy as np
from dask.delayed import Delayed, delayed

Partition = tuple[Delayed, Delayed]  # rows of X, and of y


def partitions_of(X: Any, y: Any) -> list[Partition]:
    """Return the partitions of X, with those of y."""
    check_dask(X, "X")
    check_dask(y, "y")
    if X.npartitions != y.npartitions and not _has_known_rows(X, y):
        raise ValueError(
            "X and y must have the same partitions."
            f" X has {X.npartitions} partitions, y has {y.npartitions}."
        )
    if hasattr(X, "map_partitions") and hasattr(y, "map_partitions"):
        # Together, for the optimizer of Dask may join partitions of a few columns.
        options = {"meta": X._meta, "enforce_metadata": False, "align_dataframes": False}
        pairs = X.map_partitions(_pair, y, **options).to_delayed()
        return [(pair[0], pair[1]) for pair in pairs]
    if _has_known_rows(X, y):
        y = y.rechunk({0: X.chunks[0]})
    return list(zip(_delayed(X), _delayed(y), strict=True))


def _pair(X: Any, y: Any) -> tuple[Any, Any]:
    return X, y


def _has_known_rows(X: Any, y: Any) -> bool:
    """Whether both are arrays that know the number of rows of their chunks."""
    are_arrays = hasattr(X, "chunks") and hasattr(y, "chunks")
    return are_arrays and not np.isnan(X.chunks[0] + y.chunks[0]).any()


def check_dask(data: Any, name: str) -> None:
    """Raise an error unless these are partitions of rows."""
    if not (dask.is_dask_collection(data) and hasattr(data, "to_delayed")):
        raise TypeError(
            f"{name} must be a Dask array or DataFrame. Got {type(data).__name__} instead. For data"
            " in memory, call the method of the estimator."
        )


def _delayed(data: Any) -> list[Delayed]:
    if hasattr(data, "chunks") and data.ndim == 2:  # a chunk has all columns
        data = data.rechunk({1: -1})
    return list(np.ravel(data.to_delayed()))


def with_rows(partitions: list[Partition]) -> tuple[list[Partition], np.ndarray]:
    """Return the partitions that have rows, and their numbers of rows."""
    n_rows = np.array(dask.compute(*[delayed(len)(X) for X, _ in partitions]))
    if not n_rows.any():
        raise ValueError("X has no rows.")
    return [x for x, n in zip(partitions, n_rows, strict=True) if n], n_rows[n_rows > 0]


def evenly_spaced(
    partitions: list[Partition], n_rows: np.ndarray, n_most: int, *, with_classes: bool
) -> tuple[Any, Any]:
    """Return X and y of up to `n_most` rows, and one row of each class that is not among them."""
    numbers = np.linspace(0, n_rows.sum() - 1, min(n_rows.sum(), n_most)).astype(int)
    stops = n_rows.cumsum()
    cuts = np.split(numbers, np.searchsorted(numbers, stops[:-1]))
    tasks = [
        delayed(_take)(X, y, cut - (stop - n), with_classes)
        for (X, y), cut, stop, n in zip(partitions, cuts, stops, n_rows, strict=True)
    ]
    taken, first = zip(*dask.compute(*tasks), strict=True)
    X, y = (_joined(x) for x in zip(*taken, strict=True))
    if with_classes:
        X_first, y_first = (_joined(x) for x in zip(*first, strict=True))
        labels, places = np.unique(y_first, return_index=True)
        new = places[~np.isin(labels, y)]
        X, y = _joined([X, _rows(X_first, new)]), _joined([y, _rows(y_first, new)])
    return X, y


def _take(X: Any, y: Any, numbers: np.ndarray, with_classes: bool) -> tuple[tuple, ...]:
    first = np.unique(y, return_index=True)[1] if with_classes else np.zeros(0, int)
    return tuple((_rows(X, rows), _rows(y, rows)) for rows in (numbers, first))


def _rows(data: Any, numbers: np.ndarray) -> Any:
    return data.iloc[numbers] if hasattr(data, "iloc") else data[numbers]


def _joined(parts: Any) -> Any:
    if not hasattr(parts[0], "iloc"):
        return np.concatenate(parts)
    from pandas import concat

    return concat(parts)
