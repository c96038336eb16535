"""Columns of tables of pandas, polars and pyarrow, and of arrays, behind one interface.

None of these libraries is imported here: a table tells by its class where it comes from.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from sknormnet.inputs.values import as_numbers, is_missing, kind_of_types, types_of

CHUNK_ROWS = 2**14  # of a column, which become Python objects at a time
OF_NUMPY = {"b": "boolean", "i": "number", "u": "number", "f": "number", "M": "date", "m": "date"}
OF_TYPE = {"str": "text", "Decimal": "number", "date": "date", "time": "date", "Period": "date"}


class Column(ABC):
    """A column of a table.

    Parameters
    ----------
    name : Any
        Its name, or its index in an array.
    data : Any
        The column as its library has it.
    """

    def __init__(self, name: Any, data: Any):
        self.name, self.data = name, data

    def __len__(self) -> int:
        return len(self.data)

    @abstractmethod
    def values(self, start: int, stop: int) -> list:
        """Return some rows as Python objects."""

    @abstractmethod
    def _declared_kind(self) -> str | None:
        """Return the kind that the dtype tells; None if it may be any."""

    @property
    def dtype(self) -> Any:
        """The dtype that the library gives to the column."""
        return self.data.dtype

    @cached_property
    def kind(self) -> str:
        """What the column contains: number, text, boolean, category, date or other."""
        return self._declared_kind() or kind_of_types(self._types)

    @cached_property
    def _types(self) -> list[type]:
        return types_of(self.chunks())

    def __str__(self) -> str:
        types = [] if self._declared_kind() else [x.__name__ for x in self._types]
        return f"{self.name!r} ({self.dtype}{': ' if types else ''}{' and '.join(types)})"

    @property
    def has_numbers(self) -> bool:
        """Whether all values are numbers or booleans, be they levels of a category."""
        is_category = self.kind == "category"
        kind = kind_of_types({type(x) for x in self.levels()}) if is_category else self.kind
        return kind in ("number", "boolean")

    def reason(self) -> str:
        """Return Python's words for why an object of another kind is not a number."""
        if self._declared_kind() is None:
            others = (x for chunk in self.chunks() for x in chunk if not is_missing(x))
            try:
                for value in others:
                    float(value)
            except (TypeError, ValueError) as error:
                return f" ({error})"
        return ""

    def chunks(self) -> Iterator[list]:
        """Yield all rows as Python objects, in chunks."""
        for start in range(0, len(self), CHUNK_ROWS):
            yield self.values(start, start + CHUNK_ROWS)

    def levels(self) -> set:
        """Return the distinct values that are not missing."""
        found: set = set()
        for chunk in self.chunks():
            found.update(x for x in set(chunk) if not is_missing(x))
        return found

    def fill_codes(self, codes: dict, out: np.ndarray) -> None:
        """Fill `out` with the code of each value, NaN if it is missing, -1 if it is unknown."""
        start = 0
        for chunk in self.chunks():
            found = (codes[x] if x in codes else np.nan if is_missing(x) else -1 for x in chunk)
            out[start : start + len(chunk)] = np.fromiter(found, np.float64, len(chunk))
            start += len(chunk)

    def fill_numbers(self, out: np.ndarray) -> None:
        """Fill `out` with the values as numbers, and NaN for missing ones."""
        out[...] = as_numbers(np.asarray(self.data))

    def number_dtype(self) -> np.dtype:
        """Return the dtype that holds the values as numbers."""
        return _of_numbers(self.dtype)


class ArrayColumn(Column):
    """A column of a two-dimensional array."""

    def values(self, start: int, stop: int) -> list:
        return self.data[start:stop].tolist()

    def _declared_kind(self) -> str | None:
        kind = self.dtype.kind
        # An array of booleans has always been one of numbers.
        return None if kind == "O" else "number" if kind == "b" else OF_NUMPY.get(kind, "other")

    def reason(self) -> str:
        if self.dtype.kind in "US":
            return " (such an array does not tell numbers from words: use dtype=object)"
        return super().reason()


class PandasColumn(Column):
    """A Series."""

    def values(self, start: int, stop: int) -> list:
        return self.data.iloc[start:stop].tolist()

    def _declared_kind(self) -> str | None:
        dtype = self.dtype
        if dtype == "object":
            return None
        if dtype == "category" or str(dtype).startswith("dictionary"):
            return "category"
        if dtype.kind in OF_NUMPY:
            return OF_NUMPY[dtype.kind]
        return OF_TYPE.get(dtype.type.__name__, "other")

    def levels(self) -> set:
        if self.dtype != "category":
            return super().levels()
        categories = self.data.cat.categories.tolist()
        used = np.unique(self.data.cat.codes.to_numpy())
        return {categories[k] for k in used if k >= 0}

    def fill_codes(self, codes: dict, out: np.ndarray) -> None:
        if self.dtype != "category":
            super().fill_codes(codes, out)
            return
        found = [codes.get(x, -1) for x in self.data.cat.categories.tolist()]
        table, places = np.array([*found, np.nan]), self.data.cat.codes.to_numpy()  # -1: missing
        for start in range(0, len(self), CHUNK_ROWS):  # NumPy copies the index, in 8 bytes each
            rows = slice(start, start + CHUNK_ROWS)
            out[rows] = table[places[rows]]

    def number_dtype(self) -> np.dtype:
        dtype = self.dtype
        if isinstance(dtype, np.dtype):
            return _of_numbers(dtype)
        dtype = _of_numbers(getattr(dtype, "numpy_dtype", object))
        return _with_nan(dtype) if self.data.isna().any() else dtype

    def fill_numbers(self, out: np.ndarray) -> None:
        if isinstance(self.dtype, np.dtype) or self.dtype == "category":
            super().fill_numbers(out)
        else:
            dtype = _with_nan(out.dtype) if self.data.isna().any() else out.dtype
            out[...] = self.data.to_numpy(dtype, na_value=np.nan)


class PolarsColumn(Column):
    """A Series. Some dtypes crash in `to_numpy` of early versions, so only numbers go there."""

    def values(self, start: int, stop: int) -> list:
        return self.data[start:stop].to_list()

    def _declared_kind(self) -> str | None:
        if self.dtype.is_numeric():
            return "number"
        if self.dtype.is_temporal():
            return "date"
        name = str(self.dtype).partition("(")[0]
        known = {"String": "text", "Boolean": "boolean", "Null": "number", "Object": None}
        known |= {"Categorical": "category", "Enum": "category"}
        return known.get(name, "other")

    def number_dtype(self) -> np.dtype:
        if not self.dtype.is_numeric():
            return np.dtype(np.float64)
        dtype = _of_numbers(self.data[:0].to_numpy().dtype)
        return _with_nan(dtype) if self.data.null_count() else dtype

    def fill_numbers(self, out: np.ndarray) -> None:
        if self.dtype.is_numeric():
            super().fill_numbers(out)
        else:
            out[...] = as_numbers(np.array(self.data.to_list(), object))


class ArrowColumn(Column):
    """A ChunkedArray or an Array."""

    KINDS = {
        "bool": "boolean",
        **dict.fromkeys(("string", "large_string", "string_view"), "text"),
        **dict.fromkeys(("int", "uint", "float", "double", "halffloat", "decimal"), "number"),
        **dict.fromkeys(("timestamp", "date", "time", "duration", "month_day_nano"), "date"),
        "dictionary": "category",
        "null": "number",
    }

    @property
    def dtype(self) -> Any:
        return self.data.type

    def _declared_kind(self) -> str:
        name = str(self.dtype)
        for end in "<[(":
            name = name.partition(end)[0]
        return self.KINDS.get(name.rstrip("0123456789"), "other")

    def values(self, start: int, stop: int) -> list:
        rows = self.data.slice(start, stop - start)
        if self.kind == "category":  # whose missing values get lost otherwise
            rows = rows.cast(self.dtype.value_type)
        return np.asarray(rows).tolist()

    def number_dtype(self) -> np.dtype:
        dtype = _of_numbers(np.asarray(self.data.slice(0, 0)).dtype)
        return _with_nan(dtype) if self.data.null_count else dtype


COLUMNS: dict[str, type[Column]] = {
    "pandas": PandasColumn,
    "polars": PolarsColumn,
    "pyarrow": ArrowColumn,
}


def library(X: Any) -> str | None:
    """Return the library of a table, by the modules of its class; None if it is no table."""
    if len(getattr(X, "shape", ())) != 2:
        return None
    modules = (x.__module__.partition(".")[0] for x in type(X).__mro__)
    return next((x for x in modules if x in COLUMNS), None)


def columns_of(X: Any) -> list[Column]:
    """Return the columns of a table or a two-dimensional array, in their order."""
    match library(X):
        case "pandas":
            return [PandasColumn(name, X.iloc[:, k]) for k, name in enumerate(X.columns)]
        case "polars":
            return [PolarsColumn(x.name, x) for x in X.get_columns()]
        case "pyarrow":
            return [ArrowColumn(name, X.column(k)) for k, name in enumerate(X.column_names)]
    return [ArrayColumn(k, x) for k, x in enumerate(X.T)]


def _of_numbers(dtype: Any) -> np.dtype:
    """Return the dtype of a column, or float64 if it must be converted."""
    dtype = np.dtype(dtype)
    return dtype if dtype.kind in "biuf" else np.dtype(np.float64)


def _with_nan(dtype: np.dtype) -> np.dtype:
    return dtype if dtype.kind == "f" else np.dtype(np.float64)
