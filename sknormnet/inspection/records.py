"""How records are shown: one on a line, a list of them as a table; knows no networks."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from reprlib import repr as short_repr
from typing import Any, SupportsIndex, TypeVar, overload

import numpy as np

MOST_ROWS = 40  # of a table that is shown whole; of a longer one, as many from both ends as below
END_ROWS = 10

R = TypeVar("R", bound="Record")


class Record:
    """Base of the records: frozen dataclasses whose repr fits on a line."""

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={_value(x)}" for name, x in vars(self).items())
        return f"{type(self).__name__}({values})"

    def _scalars(self) -> dict[str, Any]:
        """What a table has of the record: its values, but for arrays."""
        return {name: x for name, x in vars(self).items() if not isinstance(x, np.ndarray)}


class RecordList(list[R]):
    """A list of records of one kind that is shown as a table of their scalars.

    It is a list in all other ways. A slice of it is one, too. A comprehension gives a plain
    list, which ``RecordList(...)`` turns into one again.

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
        """Return the table, in full, as a pandas DataFrame.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each record and the columns of :func:`columns`.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return import_pandas().DataFrame(scalar_columns(self))

    def _is_table(self) -> bool:
        """Whether all entries are records of one kind, and there are some."""
        return len({type(x) for x in self}) == 1 and isinstance(self[0], Record)

    def _title(self) -> str:
        return f"{type(self[0]).__name__}, {len(self)} record{'s' if len(self) > 1 else ''}"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows, each with the number of the record in front."""
        shown = excerpt(len(self))
        columns = scalar_columns([self[i] for i in shown if i is not None])
        columns = {k: x for k, x in columns.items() if any(value is not None for value in x)}
        lines = iter(zip(*columns.values(), strict=True))
        rows = [
            ["..."] * (len(columns) + 1)
            if i is None
            else [str(i), *(cell(value) for value in next(lines))]
            for i in shown
        ]
        return ["", *columns], rows


def scalar_columns(records: Sequence[Record]) -> dict[str, list]:
    """What the records have that is not an array, as the columns of a table."""
    rows = [x._scalars() for x in records]
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def import_pandas() -> Any:
    """Return pandas, which nothing else in the package needs."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("as_frame() requires pandas. Install it, then call again.") from error
    return pandas


def cell(value: Any) -> str:
    """A value in a table: a number of four significant digits, or text."""
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def excerpt(n_rows: int, *, keep: Iterable[int] = ()) -> list[int | None]:
    """Numbers of the rows of a table to show; None stands for those left out in between.

    Rows of `keep` are shown wherever they are.
    """
    if n_rows <= MOST_ROWS:
        return [*range(n_rows)]
    shown = sorted({*range(END_ROWS), *keep, *range(n_rows - END_ROWS, n_rows)})
    found: list[int | None] = [shown[0]]
    for before, now in pairwise(shown):
        found += [now] if now == before + 1 else [None, now]
    return found


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table in lines of text, each column flush right, as wide as its widest entry."""
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
    """The table in HTML; `bold` has the columns of a row's entries that stand out."""
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
    """A value in a record's repr: of an array its shape, of a list its first entries."""
    if isinstance(x, np.ndarray):
        return f"array{x.shape}"
    if isinstance(x, float | np.floating):
        return cell(x)
    if isinstance(x, list):
        return f"[{', '.join([_value(value) for value in x[:6]] + ['...'] * (len(x) > 6))}]"
    return short_repr(x)
