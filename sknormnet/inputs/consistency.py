"""Whether the parts of an input encoder fit together, as those of a fitted one always do."""

import numpy as np

from sknormnet.inputs.categorical import FIRST, CategoricalEncoder
from sknormnet.inputs.encoder import InputEncoder
from sknormnet.inputs.numeric import MOST_FREQUENCIES, NumericEncoder
from sknormnet.inputs.tables import TableColumns


def check_inputs(encoder: InputEncoder, columns: TableColumns | None) -> None:
    """Raise a ValueError if an encoder could not have been fitted to these columns.

    Predictions of other encoders would fail, read elements that are not there, or allocate
    more memory than their arrays have.
    """
    numeric, categorical = encoder.numeric, encoder.categorical
    taken = *encoder.numeric_columns, *encoder.categorical_columns
    n, n_levels = encoder.n_features_in, () if categorical is None else categorical.n_levels
    _check(len(taken) == n and sorted(taken) == list(range(n)), "columns of X")
    for own in (encoder.numeric_columns, encoder.categorical_columns):
        _check(own == tuple(sorted(own)), "order of the columns of X")
    _check(encoder.missing_share.shape == (n,), "missing_share")
    _check_numeric(numeric, len(encoder.numeric_columns))
    _check(len(n_levels) == len(encoder.categorical_columns), "n_levels")
    if categorical is not None:
        _check(categorical.dtype == numeric.dtype, "dtype")
        _check_categorical(categorical)
    if columns is None:
        _check(not n_levels, "levels")
        return
    levels = dict(zip(encoder.categorical_columns, n_levels, strict=True))
    _check(isinstance(columns, TableColumns) and columns.n_columns == n, "columns")
    _check(columns.names is None or len(columns.names) == n, "names of columns")
    _check({k: len(set(own)) for k, own in columns.levels.items()} == levels, "levels")


def _check_numeric(encoder: NumericEncoder, n_columns: int) -> None:
    center, scale, edges = encoder.center, encoder.scale, encoder.bin_edges
    _check(encoder.method in (None, "standard", "robust"), "method")
    _check(center.shape == scale.shape == (1, n_columns), "center and scale")
    _check(np.isfinite(center).all(), "center")
    has_inverse = scale >= 1 / np.finfo(encoder.dtype).max
    _check(np.isfinite(scale).all() and ((scale == 0) | has_inverse).all(), "scale")
    n_seen = encoder.n_seen
    if n_seen is not None:
        _check(n_seen.shape == center.shape and np.isfinite(n_seen).all(), "n_seen")
        _check((n_seen >= 0).all(), "n_seen")
    for name in ("with_missing", "binned", "with_fourier"):
        chosen = getattr(encoder, name)
        is_column = all(0 <= k < n_columns for k in chosen)
        _check(is_column and chosen == tuple(sorted({*chosen})), name)
    _check(0 <= encoder.n_frequencies <= MOST_FREQUENCIES, "n_frequencies")
    _check(edges.ndim == 2 and len(edges) > 0, "bin_edges")
    _check(edges.shape[1] == len(encoder.binned), "bin_edges")
    _check(np.isfinite(edges).all() and (edges[1:] >= edges[:-1]).all(), "bin_edges")


def _check_categorical(encoder: CategoricalEncoder) -> None:
    n_levels, n_inputs = encoder.n_levels, encoder.n_inputs
    _check(min(n_levels, default=0) >= 0 and len(n_inputs) == len(n_levels), "n_levels")
    n_entries = sum(n_levels) + FIRST * len(n_levels)
    _check(encoder.table.shape == encoder.shares.shape == (n_entries,), "table and shares")
    _check(np.isfinite(encoder.table).all(), "table")
    _check(type(encoder.centered) is bool, "centered")
    for k, n in enumerate(n_inputs):
        _check(0 <= n <= n_levels[k] + 1, "n_inputs")
        if n == 0:
            numbers = encoder.table[encoder.entries(k)]
            is_number = (numbers >= 0) & (numbers < n_levels[k] + FIRST) & (numbers % 1 == 0)
            _check(is_number.all(), "table")


def _check(is_valid: bool | np.bool_, what: str) -> None:
    if not is_valid:
        raise ValueError(f"The input encoder has invalid {what}.")
