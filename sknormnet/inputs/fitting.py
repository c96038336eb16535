"""Fit the encoder of the inputs on training rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from sknormnet.inputs.bins import bin_edges, binned_columns, distinct
from sknormnet.inputs.categorical import fit_categorical
from sknormnet.inputs.encoder import InputEncoder
from sknormnet.inputs.measures import WeightedRows
from sknormnet.inputs.numeric import NumericEncoder
from sknormnet.inputs.scales import measure_scales, pooled

ONE_HOT_MAX = 32  # levels; embeddings have brought nothing on tables with fewer


def fit_inputs(
    X: Any,
    *,
    rows: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    n_levels: Sequence[int] | np.ndarray | None = None,
    scale: str | None = "standard",
    n_bins: int = 0,
    n_frequencies: int = 0,
    target: np.ndarray | None = None,
    one_hot_max: int = ONE_HOT_MAX,
    keep_absent: bool = False,
    dtype: Any = np.float64,
) -> InputEncoder:
    """Fit the encoder of the inputs on training rows.

    X is read in chunks and never copied. Equal weights have no effect, and a row of weight 2
    counts like two rows. Bin edges, medians and quartiles are those of up to 10,000 evenly
    spaced training rows.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
        Numbers, with NaN for missing values, and levels as their numbers. Columns of a sparse X
        are divided by the root mean square of their nonzero values, and neither centered nor
        put into bins nor given Fourier features.
    rows : ndarray of int or None
        Indices of the training rows; None for all rows.
    weight : ndarray of shape (n_samples,) or None
        Sample weights of all rows of X.
    n_levels : sequence of int or None
        For each column, its number of levels, or 0 if it is numeric. None if all are numeric.
    scale : {"standard", "robust"} or None
        Mean and standard deviation; median and interquartile range, followed by smooth clipping;
        or no scale. With a scale, 0/1 inputs of categories are centered.
    n_bins : int
        Bins of each numeric column with more than two distinct values, or without a target with
        more distinct values than bins.
    n_frequencies : int
        Frequencies of the Fourier features of each numeric column with more than two distinct
        values.
    target : ndarray of shape (n_samples,) or (n_samples, n_targets), or None
        Class numbers, or numbers; bin edges are placed where it changes. None for bins of equal
        weight.
    one_hot_max : int
        A column with more levels stays level numbers, for an embedding.
    keep_absent : bool, default=False
        Whether levels without a training row keep an input of their own, so that later rows can
        train it. If not, they are unknown.
    dtype : dtype
        Working precision: float32 or float64.

    Returns
    -------
    encoder : InputEncoder
    """
    training, counts = WeightedRows(X, rows, weight, target), np.zeros(X.shape[1], int)
    if n_levels is not None:
        counts[:] = n_levels
    is_numeric = counts == 0
    missing_share = np.zeros(X.shape[1])
    columns = None if is_numeric.all() else np.flatnonzero(is_numeric)
    if issparse(X):
        n_bins = n_frequencies = 0
    numeric, missing_share[is_numeric] = _fit_numeric(
        training, columns, method=scale, n_bins=n_bins, n_frequencies=n_frequencies, dtype=dtype
    )
    categorical = None
    if columns is not None:
        categorical = fit_categorical(
            training,
            np.flatnonzero(~is_numeric),
            counts[~is_numeric],
            one_hot_max=one_hot_max,
            keep_absent=keep_absent,
            centered=scale is not None,
            dtype=dtype,
        )
        missing_share[~is_numeric] = categorical.missing_share
    return InputEncoder(
        X.shape[1],
        tuple(np.flatnonzero(is_numeric).tolist()),
        tuple(np.flatnonzero(~is_numeric).tolist()),
        numeric,
        categorical,
        missing_share,
    )


def _fit_numeric(
    rows: WeightedRows,
    columns: np.ndarray | None,
    *,
    method: str | None,
    n_bins: int,
    n_frequencies: int,
    dtype: Any,
) -> tuple[NumericEncoder, np.ndarray]:
    """Fit the encoder of numeric columns (None: all), and return their missing shares."""
    scales = measure_scales(rows, columns, method=method, dtype=dtype)
    binned: tuple[int, ...] = ()
    with_fourier: tuple[int, ...] = ()
    edges = np.zeros((n_bins + 1, 0))
    if n_bins or n_frequencies:
        sample, target, weight = rows.sample(columns)
        if n_frequencies:
            with_fourier = tuple(k for k, x in enumerate(sample.T) if len(distinct(x)) > 2)
        if n_bins and (binned := binned_columns(sample, target, n_bins)):
            edges = bin_edges(sample[:, binned], target, n_bins=n_bins, weight=weight)
    encoder = NumericEncoder(
        method,
        scales.center[None],
        scales.scale[None],
        tuple(np.flatnonzero(scales.missing_share).tolist()),
        binned,
        edges,
        np.dtype(dtype),
        scales.n_seen[None],
        with_fourier,
        n_frequencies,
    )
    return encoder, scales.missing_share


def fit_more(
    encoder: InputEncoder, X: Any, *, weight: np.ndarray | None = None, n_rows: int | None = None
) -> InputEncoder:
    """Return an encoder whose centers and scales are those of its training rows and of new rows.

    Levels, bins and indicators, and so the inputs of the network, stay the same.

    Parameters
    ----------
    encoder : InputEncoder
        Of the rows so far.
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    weight : ndarray of shape (n_samples,) or None
        Sample weights.
    n_rows : int or None
        The number of rows that X stands for, if it is a sample of them.

    Returns
    -------
    encoder : InputEncoder
    """
    numeric = encoder.numeric
    if numeric.method is None or numeric.n_seen is None:
        return encoder
    if encoder.keeps_zeros != issparse(X):
        X = csr_array(X) if encoder.keeps_zeros else X.toarray()
    columns = None if encoder.categorical is None else np.array(encoder.numeric_columns, int)
    rows = WeightedRows(X, None, weight)
    new = measure_scales(rows, columns, method=numeric.method, dtype=numeric.dtype)
    share = 1.0 if n_rows is None else n_rows / len(rows)
    return replace(encoder, numeric=pooled(numeric, new._replace(n_seen=share * new.n_seen)))
