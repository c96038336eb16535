"""What each column of X was taken for, as records that a display can print."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sknormnet.inputs.categorical import FIRST
from sknormnet.inputs.encoder import InputEncoder
from sknormnet.inputs.tables import TableColumns


@dataclass(frozen=True)
class ColumnSummary:
    """What a column of X was taken for, and what it becomes.

    Attributes
    ----------
    column : Any
        Its name, or its index in an array.
    kind : {"numeric", "categorical"}
    becomes : str
        In words, such as ``"scaled"`` or ``"embedding"``.
    missing_share : float
        Share of the training weight with a missing value.
    center, scale : float or None
        Of a numeric column; the scale of a constant column is 0.
    n_levels : int or None
        Of a categorical column.
    bin_edges : ndarray of shape (n_bins + 1,) or None
        Of a numeric column in bins, in the unit of the column.
    levels : ndarray of shape (n_levels,) or None
        Of a categorical column, in sorted order.
    level_shares : ndarray of shape (n_levels,) or None
        Their shares of the training weight.
    is_other : ndarray of bool of shape (n_levels,) or None
        Which levels are encoded as unknown ones are: the rarest, and those without a training
        row.
    """

    column: object
    kind: str
    becomes: str
    missing_share: float
    center: float | None = None
    scale: float | None = None
    n_levels: int | None = None
    bin_edges: np.ndarray | None = None
    levels: np.ndarray | None = None
    level_shares: np.ndarray | None = None
    is_other: np.ndarray | None = None


def summarize(columns: TableColumns, encoder: InputEncoder) -> list[ColumnSummary]:
    """Return what each column of X was taken for, in the order of the columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from sknormnet.inputs import fit_inputs, read_columns, summarize
    >>> table = pd.DataFrame({"age": [20, 30, None, 40], "color": ["red", "blue", "red", "red"]})
    >>> columns = read_columns(table)
    >>> encoder = fit_inputs(columns.to_array(table), n_levels=columns.n_levels)
    >>> age, color = summarize(columns, encoder)
    >>> age.becomes, age.center, age.missing_share
    ('scaled, with an indicator of missing values', 30.0, 0.25)
    >>> color.becomes, color.levels
    ('a 0/1 input', array(['blue', 'red'], dtype=object))
    """
    names = range(columns.n_columns) if columns.names is None else columns.names
    numeric, categorical = (
        {k: place for place, k in enumerate(x)}
        for x in (encoder.numeric_columns, encoder.categorical_columns)
    )
    return [
        _numeric(encoder, numeric[k], column=name, missing_share=float(share))
        if k in numeric
        else _categorical(
            encoder, categorical[k], columns.levels[k], column=name, missing_share=float(share)
        )
        for k, (name, share) in enumerate(zip(names, encoder.missing_share, strict=True))
    ]


def _numeric(encoder: InputEncoder, place: int, **shared: Any) -> ColumnSummary:
    numeric = encoder.numeric
    scale, edges = float(numeric.scale[0, place]), None
    words = ["unscaled" if numeric.method is None else "scaled" if scale else "constant"]
    if place in numeric.binned:
        words.append(f"in {numeric.n_bins} bins")
        edges = numeric.bin_edges[:, numeric.binned.index(place)]
    if place in numeric.with_missing:
        words.append("with an indicator of missing values")
    return ColumnSummary(
        kind="numeric",
        becomes=", ".join(words),
        center=float(numeric.center[0, place]),
        scale=scale,
        bin_edges=edges,
        **shared,
    )


def _categorical(encoder: InputEncoder, place: int, levels: tuple, **shared: Any) -> ColumnSummary:
    categorical = encoder.categorical
    assert categorical is not None
    n_inputs = categorical.n_inputs[place]
    found = np.empty(len(levels), object)
    found[:] = levels
    return ColumnSummary(
        kind="categorical",
        becomes={0: "embedding", 1: "a 0/1 input"}.get(n_inputs, f"{n_inputs} 0/1 inputs"),
        n_levels=len(levels),
        levels=found,
        level_shares=categorical.shares[categorical.entries(place)][FIRST:],
        is_other=categorical.is_other(place),
        **shared,
    )
