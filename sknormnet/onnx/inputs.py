"""From the inputs of an ONNX graph to those of the networks."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    StringTensorType,
)

from sknormnet.inputs import CategoricalEncoder, InputEncoder, NumericEncoder
from sknormnet.inputs.categorical import FIRST, MISSING, UNKNOWN
from sknormnet.inputs.numeric import AMPLITUDE, MOST_FAR
from sknormnet.onnx.graph import Graph

# ONNX has no missing string. Python's runtime takes None, NaN and pandas.NA for these words.
MISSING_WORDS = "", "None", "nan", "<NA>"


class Column(NamedTuple):
    """Where a column of X is found.

    Attributes
    ----------
    title : str
        What messages call it.
    variable : Any
        The input of the graph, of shape (n_rows, width).
    number : int
        Which column of the input it is.
    width : int
    """

    title: str
    variable: Any
    number: int
    width: int

    @property
    def is_text(self) -> bool:
        """Whether the input holds strings."""
        return isinstance(self.variable.type, StringTensorType)


def columns_of(estimator: Any, variables: Sequence[Any]) -> list[Column]:
    """Return where the columns of X are found: in one input, or in one for each name."""
    n_features, names = estimator.n_features_in_, getattr(estimator, "feature_names_in_", ())
    by_name = {x.raw_name: x for x in variables}
    if {*names} == {*by_name}:
        variables = [by_name[name] for name in names]
    widths = [x.type.shape[1] if len(x.type.shape) == 2 else None for x in variables]
    found = [
        (variable, number, width or n_features)
        for variable, width in zip(variables, widths, strict=True)
        for number in range(width or n_features)
    ]
    if len(found) != n_features:
        raise ValueError(
            f"X has {len(found)} features, but {type(estimator).__name__} is expecting"
            f" {n_features} features as input."
        )
    return [Column(estimator._column_name(k), *place) for k, place in enumerate(found)]


def encoded(
    graph: Graph, encoder: InputEncoder, columns: Sequence[Column], levels: dict[int, tuple]
) -> tuple[str | None, str | None]:
    """Add the encoding of the inputs.

    Parameters
    ----------
    graph : Graph
    encoder : InputEncoder
    columns : sequence of Column
    levels : dict of int to tuple
        Levels of each categorical column.

    Returns
    -------
    numbers : str or None
        Of shape (n_rows, n_numbers); None if there are none.
    levels : str or None
        The level numbers of embedded columns, of shape (n_rows, n_embedded).
    """
    parts, rows = [], None
    if encoder.numeric_columns:
        if empty := [columns[k].title for k in encoder.numeric_columns if k in levels]:
            raise ValueError(
                f"X has categorical columns without any value in fit: {', '.join(empty)}. Drop"
                " them to export the model to ONNX."
            )
        x = _numbers(graph, [columns[k] for k in encoder.numeric_columns])
        parts += _encoded_numbers(graph, replace(encoder.numeric, dtype=graph.dtype), x)
    if encoder.categorical is not None:
        chosen = [(columns[k], levels[k]) for k in encoder.categorical_columns]
        zero_one, rows = _encoded_levels(graph, encoder.categorical, chosen)
        parts += zero_one
    return graph.concatenated(parts) if parts else None, rows


def _numbers(graph: Graph, columns: Sequence[Column]) -> str:
    """Return numeric columns as one tensor in the precision of the graph."""
    for column in columns:
        if column.is_text:
            raise ValueError(
                f"The ONNX input of {column.title} must be a tensor of numbers, for the column was"
                f" numeric in fit. Got {column.variable.type} instead. Pass initial_types to"
                " to_onnx, with an input for each column."
            )
    groups = groupby(columns, lambda column: column.variable.full_name)
    parts = [_taken(graph, [*group]) for _, group in groups]
    if len({type(column.variable.type) for column in columns}) > 1:
        parts = [graph.cast(part) for part in parts]
    return graph.cast(graph.concatenated(parts))


def _taken(graph: Graph, columns: Sequence[Column]) -> str:
    """Return some columns of one input."""
    first, numbers = columns[0], [column.number for column in columns]
    name = first.variable.full_name
    if numbers == [*range(first.width)]:
        return name
    return graph.add("Gather", name, numbers, axis=1)


def _encoded_numbers(graph: Graph, encoder: NumericEncoder, x: str) -> list[str]:
    """Return scaled numbers, their ramps and Fourier features, and indicators of missing values."""
    is_missing, z = graph.add("IsNaN", x), x
    if encoder.method is not None:
        z = graph.add("Mul", graph.add("Sub", x, encoder.center), encoder.slope)
    if encoder.method == "robust":
        z = _clipped_smoothly(graph, z)
    neutral = encoder.center if encoder.method is None else 0.0
    parts = [graph.add("Where", is_missing, neutral, z)]
    if encoder.binned:
        parts.append(_ramps(graph, encoder, z, is_missing))
    if encoder.with_fourier:
        parts += _fourier_features(graph, encoder, z, is_missing)
    if encoder.with_missing:
        indicators = graph.add("Gather", is_missing, encoder.with_missing, axis=1)
        parts.append(graph.cast(indicators))
    return parts


def _ramps(graph: Graph, encoder: NumericEncoder, z: str, is_missing: str) -> str:
    lower, slope = encoder.ramps
    owner = np.tile(encoder.binned, len(lower))
    ramps = graph.add("Sub", graph.add("Gather", z, owner, axis=1), lower.reshape(1, -1))
    ramps = graph.add("Sub", graph.add("Mul", ramps, slope.reshape(1, -1)), 1.0)
    ramps = graph.add("Min", graph.add("Max", ramps, -1.0), 1.0)
    return graph.add("Where", graph.add("Gather", is_missing, owner, axis=1), 0.0, ramps)


def _fourier_features(graph: Graph, encoder: NumericEncoder, z: str, is_missing: str) -> list[str]:
    owner = np.tile(encoder.with_fourier, encoder.n_frequencies)
    frequency = np.repeat(encoder.angular_frequencies, len(encoder.with_fourier))[None]
    z = graph.add("Min", graph.add("Max", z, -MOST_FAR), MOST_FAR)
    angle = graph.add("Mul", graph.add("Gather", z, owner, axis=1), frequency)
    is_missing = graph.add("Gather", is_missing, owner, axis=1)
    features = (graph.add("Mul", graph.add(name, angle), AMPLITUDE) for name in ("Sin", "Cos"))
    return [graph.add("Where", is_missing, 0.0, feature) for feature in features]


def _clipped_smoothly(graph: Graph, z: str) -> str:
    """Return ``z / sqrt(1 + (z / 3)**2)``."""
    far = float(np.finfo(graph.dtype).max) ** 0.25  # beyond it, the result is 3
    z = graph.add("Min", graph.add("Max", z, -far), far)
    square = graph.add("Mul", graph.add("Mul", z, z), 1 / 9)
    return graph.add("Div", z, graph.add("Sqrt", graph.add("Add", square, 1.0)))


def _encoded_levels(
    graph: Graph, encoder: CategoricalEncoder, columns: Sequence[tuple[Column, tuple]]
) -> tuple[list[str], str | None]:
    """Return the 0/1 inputs of categorical columns, and the level numbers for embeddings."""
    entries = [encoder.table[encoder.entries(k)].tolist() for k in range(len(columns))]
    narrow = replace(graph, dtype=np.dtype(np.float32))
    found = graph.concatenated(
        [_looked_up(narrow, *pair, own) for pair, own in zip(columns, entries, strict=True)]
    )
    n_inputs = np.array(encoder.n_inputs)
    single, several = np.flatnonzero(n_inputs == 1), np.where(n_inputs > 1, n_inputs, 0)
    parts, rows = [], None
    if single.size:
        values = graph.cast(graph.add("Gather", found, single, axis=1))
        parts.append(graph.add("Sub", values, encoder.center[:, : single.size]))
    if several.any():
        owner = np.repeat(np.arange(len(several)), several)
        places = graph.cast(graph.add("Gather", found, owner, axis=1), np.int64)
        number = np.concatenate([np.arange(n) for n in several])
        zero_one = graph.cast(graph.add("Equal", places, number))
        centered = graph.add("Sub", zero_one, encoder.center[:, single.size :])
        is_other = graph.add("Less", places, np.zeros(1, np.int64))
        parts.append(graph.add("Where", is_other, 0.0, centered))
    if encoder.embedded:
        rows = graph.cast(graph.add("Gather", found, encoder.embedded, axis=1), np.int64)
    return parts, rows


def _looked_up(graph: Graph, column: Column, levels: tuple, entries: list[float]) -> str:
    """Return the entry of each value of a column, in float32 and of shape (n_rows, 1).

    `entries` are those of missing values, of unknown ones, and of each level.
    """
    x, of_levels = _taken(graph, [column]), dict(zip(levels, entries[FIRST:], strict=True))
    missing, unknown = entries[MISSING], entries[UNKNOWN]
    if column.is_text:
        of_words = dict.fromkeys(MISSING_WORDS, missing)
        of_words |= {str(level): entry for level, entry in of_levels.items()}
        return _lookup(graph, x, "keys_strings", of_words, unknown)
    is_float = isinstance(column.variable.type, FloatTensorType | DoubleTensorType)
    if not all(isinstance(x, Real) and (is_float or float(x).is_integer()) for x in levels):
        raise ValueError(
            f"The ONNX input of {column.title} must be able to hold its levels, such as"
            f" {levels[0]!r}. Got {column.variable.type} instead. Pass a row without missing"
            " values to to_onnx, or initial_types with an input for each column."
        )
    if not is_float:
        return _looked_up_whole(graph, x, of_levels, unknown)
    is_missing, x = graph.add("IsNaN", x), graph.cast(x, np.float64)
    x = replace(graph, dtype=np.dtype(np.float64)).add("Where", is_missing, 0.0, x)
    if all(float(level).is_integer() for level in levels):
        found, whole = _looked_up_whole(graph, x, of_levels, unknown), graph.add("Floor", x)
        found = graph.add("Where", graph.add("Equal", whole, x), found, unknown)
    else:
        of_floats = {float(level): entry for level, entry in of_levels.items()}
        found = _lookup(graph, graph.cast(x), "keys_floats", of_floats, unknown)
    return graph.add("Where", is_missing, missing, found)


def _looked_up_whole(graph: Graph, x: str, of_levels: dict, unknown: float) -> str:
    of_whole = {int(level): entry for level, entry in of_levels.items()}
    return _lookup(graph, graph.cast(x, np.int64), "keys_int64s", of_whole, unknown)


def _lookup(graph: Graph, x: str, keys: str, table: dict, default: float) -> str:
    """Return the value of each key in a table."""
    attributes = {keys: [*table], "values_floats": [*table.values()], "default_float": default}
    # Version 2 is the highest that skl2onnx uses, whatever the target opset.
    return graph.add("LabelEncoder", x, domain="ai.onnx.ml", op_version=2, **attributes)
