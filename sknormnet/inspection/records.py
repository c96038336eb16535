"""Display of records: one as a line of text, a list of them as a table."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from reprlib import repr as short_repr
from typing import Any, SupportsIndex, TypeVar, overload

import numpy as np

MOST_ROWS = 40  # longer tables are abbreviated
END_ROWS = 10  # rows shown at each end of an abbreviated table

R = TypeVar("R", bound="Record")


class Record:
    """Base class of the records: frozen dataclasses with a one-line repr."""

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={_value(x)}" for name, x in vars(self).items())
        return f"{type(self).__name__}({values})"

    def _scalars(self) -> dict[str, Any]:
        """The values of the record that a table shows: all but arrays."""
        return {name: x for name, x in vars(self).items() if not isinstance(x, np.ndarray)}


class RecordList(list[R]):
    """A list of records of the same class, displayed as a table of their scalars.

    In all other respects it is a list. Slices are a RecordList too. A list comprehension returns
    a plain list, which ``RecordList(...)`` converts.

    Examples
    --------
    >>> from sknormnet.inspection import LayerGradient, RecordList
    >>> RecordList([LayerGradient(0, 0.5, 2.0), LayerGradient(1, 0.25, 1.0)])
    LayerGradient, 2 records
       layer  gradient_norm  weight_norm  update_ratio
    0      0            0.5            2           nan
    1      1           0.25            1           nan
    """

    @overload
    def __getitem__(self, key: SupportsIndex) -> R: ...
    @overload
    def __getitem__(self, key: slice) -> "RecordList[R]": ...
    def __getitem__(self, key):
        found = super().__getitem__(key)
        return RecordList(found) if isinstance(key, slice) else found

    def __repr__(self) -> str:
        if not self._is_table():
            return super().__repr__()
        header, rows = self._table()
        return f"{self._title()}\n{text_table(header, rows)}"

    def _repr_html_(self) -> str | None:
        """The table in a notebook."""
        return html_table(*self._table(), title=self._title()) if self._is_table() else None

    def as_frame(self) -> Any:
        """Return the full table as a pandas DataFrame.

        Returns
        -------
        frame : pandas.DataFrame
            One row for each record, with the columns that :func:`columns` returns.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return import_pandas().DataFrame(columns(self))

    def _is_table(self) -> bool:
        """Whether the list is not empty and all entries are records of the same class."""
        return len({type(x) for x in self}) == 1 and isinstance(self[0], Record)

    def _title(self) -> str:
        return f"{type(self[0]).__name__}, {len(self)} record{'s' if len(self) > 1 else ''}"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return header and rows, each preceded by the index of the record."""
        shown = excerpt(len(self))
        scalars = columns([self[i] for i in shown if i is not None])
        scalars = {k: x for k, x in scalars.items() if any(value is not None for value in x)}
        lines = iter(zip(*scalars.values(), strict=True))
        rows = [
            ["..."] * (len(scalars) + 1)
            if i is None
            else [str(i), *(cell(value) for value in next(lines))]
            for i in shown
        ]
        return ["", *scalars], rows


def columns(records: Sequence[Any]) -> dict[str, list]:
    """Return the scalars of records as columns, ready for a `pandas.DataFrame`.

    Parameters
    ----------
    records : sequence of LayerStatistics, LayerGradient, ...
        Records of the same class.

    Returns
    -------
    columns : dict of str to list
        One list for each scalar field; arrays are left out. BatchNormStatistics hold arrays: their
        columns are the layer, the number of units, the largest absolute shift, and the smallest
        and largest ratio.

    Examples
    --------
    >>> from sknormnet.inspection import LayerGradient, columns
    >>> columns([LayerGradient(0, 0.5, 2.0), LayerGradient(1, 0.25, 1.0)])["weight_norm"]
    [2.0, 1.0]
    """
    rows = [x._scalars() for x in records]
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def import_pandas() -> Any:
    """Return pandas, which is an optional dependency."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("as_frame() requires pandas. Install it, then call again.") from error
    return pandas


def cell(value: Any) -> str:
    """Format a value for a table: floats with four significant digits."""
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def excerpt(n_rows: int, *, keep: Iterable[int] = ()) -> list[int | None]:
    """Return the indices of the rows of a table to show; None stands for omitted rows.

    Rows in `keep` are always shown.
    """
    if n_rows <= MOST_ROWS:
        return [*range(n_rows)]
    shown = sorted({*range(END_ROWS), *keep, *range(n_rows - END_ROWS, n_rows)})
    found: list[int | None] = [shown[0]]
    for before, now in pairwise(shown):
        found += [now] if now == before + 1 else [None, now]
    return found


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table as lines of text with right-aligned columns."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{x:>{width}}" for x, width in zip(line, widths, strict=True)) for line in lines
    )


def html_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str,
    bold: Mapping[int, Iterable[int]] | None = None,
) -> str:
    """Return the table in HTML; `bold` maps row numbers to the columns to set in bold."""
    head = "".join(f"<th>{escape(x)}</th>" for x in header)
    lines = []
    for i, row in enumerate(rows):
        entries = [escape(x) for x in row]
        for j in (bold or {}).get(i, ()):
            entries[j] = f"<b>{entries[j]}</b>"
        first, *others = entries
        lines.append(f"<tr><th>{first}</th>{''.join(f'<td>{x}</td>' for x in others)}</tr>")
    return (
        f'<table class="dataframe"><caption>{escape(title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def _value(x: Any) -> str:
    """Format a value for a repr: an array by its shape, a list by its first entries."""
    if isinstance(x, np.ndarray):
        return f"array{x.shape}"
    if isinstance(x, float | np.floating):
        return cell(x)
    if isinstance(x, list):
        return f"[{', '.join([_value(value) for value in x[:6]] + ['...'] * (len(x) > 6))}]"
    return short_repr(x)
