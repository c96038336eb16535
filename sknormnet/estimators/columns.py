"""Errors about X that name the columns, and errors that name the validation arguments."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data as sklearn_validate_data

FEW_NAMES = 5  # columns named in a message, at most


class ColumnError(ValueError, TypeError):
    """X has columns that are not numbers.

    It is both a ValueError, which scikit-learn raises for strings, and a TypeError, which
    scikit-learn raises for other objects.
    """


def validate_data(estimator, X, y="no_validation", **options) -> Any:
    """Call scikit-learn's `validate_data`, with errors that name the invalid columns of X.

    Numbers that are stored as objects or categories are converted to float64.

    Raises
    ------
    ColumnError
        If some columns contain strings, dates or other objects that are not numbers.
    ValueError
        In the same cases as scikit-learn. For NaN and infinity, the message names the columns.
    """
    try:
        _refuse_dates(X)
        checked = sklearn_validate_data(estimator, X, y, **options)
        data, *target = (checked,) if isinstance(y, str) else checked
        data = _numeric(estimator, data)
    except (TypeError, ValueError) as error:
        better = _naming_columns(error, estimator, X)
        if better is None:
            raise
        raise better from error
    if target and options.get("y_numeric") and target[0].dtype.kind in "USMm":
        raise ValueError(f"y must contain numbers. Got dtype {target[0].dtype} instead.")
    return (data, *target) if target else data


def _refuse_dates(X) -> None:
    """Raise an error for dates in a polars DataFrame, which would become microseconds."""
    dtypes = getattr(X, "dtypes", ())
    if any(hasattr(dtype, "is_temporal") and dtype.is_temporal() for dtype in dtypes):
        raise TypeError("dates and durations are not numbers")


def _numeric(estimator, X) -> Any:
    """Return X as numbers; scikit-learn accepts some objects and dates."""
    if X.dtype.kind in "Mm":
        raise TypeError("dates and durations are not numbers")
    if X.dtype.kind != "O":
        return X
    return check_array(X, dtype=np.float64, estimator=estimator, input_name="X")


def _naming_columns(error: Exception, estimator, X) -> Exception | None:
    """Return the error with the names of the invalid columns; None if it is not about columns."""
    message = str(error)
    if message.startswith("Input X contains "):
        return _of_columns_not_finite(message, estimator, X)
    if message.startswith("The feature names should match"):
        return None
    columns = [f"{name} ({column.dtype})" for name, column in _columns(X) if _is_no_number(column)]
    if not columns:
        return None
    reason = "" if "could not be promoted" in message else f" ({message.partition('. ')[0]})"
    return ColumnError(
        f"X must contain only numbers{reason}. Columns with other values: {_listed(columns)}."
        " Encode strings and categories with OneHotEncoder or OrdinalEncoder, in a"
        f" ColumnTransformer before {type(estimator).__name__}. Convert dates to numbers."
    )


def _of_columns_not_finite(message: str, estimator, X) -> Exception | None:
    """Return the error for NaN or infinity, with the names of the columns in its first line."""
    columns = [name for name, column in _columns(X) if not _is_finite(column)]
    if not columns:
        return None
    first, *rest = message.split("\n", 1)
    first += f" Columns: {_listed(columns)}."
    if "NaN" in message:
        pipeline = f"make_pipeline(SimpleImputer(), StandardScaler(), {type(estimator).__name__}())"
        first += f" Impute missing values with {pipeline}."
    return ValueError("\n".join([first, *rest]))


def _columns(X) -> Iterator[tuple[str, Any]]:
    """Yield the columns of X with their names, or with their indices."""
    if issparse(X):
        entries = X.tocoo()
        for number in np.unique(entries.col[~np.isfinite(entries.data)]):
            yield str(number), np.array([np.nan])
        return
    if hasattr(X, "iloc") and hasattr(X, "columns"):  # of pandas
        yield from ((repr(name), X.iloc[:, number]) for number, name in enumerate(X.columns))
        return
    if hasattr(X, "get_columns"):  # of polars
        yield from ((repr(column.name), column) for column in X.get_columns())
        return
    try:
        array = np.asarray(X)
    except ValueError:  # rows of different lengths
        return
    if array.ndim == 2:
        yield from ((str(number), column) for number, column in enumerate(array.T))


def _as_numbers(column) -> np.ndarray:
    """Return a column as numbers, with NaN for missing values."""
    array = np.asarray(column)
    if array.dtype.kind in "biuf":
        return array
    if hasattr(column, "isna"):
        array = np.asarray(column.astype(object).where(column.notna(), np.nan))
    return array.astype(object).astype(np.float64)


def _is_finite(column) -> bool:
    # Columns of words or dates have an error of their own.
    return _is_no_number(column) or bool(np.isfinite(_as_numbers(column)).all())


def _is_no_number(column) -> bool:
    """Whether a column contains anything but numbers and missing values."""
    if hasattr(column.dtype, "is_numeric"):  # of polars, whose early versions crash in to_numpy
        return not (column.dtype.is_numeric() or str(column.dtype) == "Boolean")
    kind = np.asarray(column).dtype.kind
    if kind in "Mmc":  # complex numbers have an error of their own
        return kind != "c"
    try:
        _as_numbers(column)
    except (TypeError, ValueError):
        return True
    return False


def _listed(columns: Iterable[str]) -> str:
    """Return the first five columns, and how many more there are."""
    columns = list(columns)
    more = len(columns) - FEW_NAMES
    text = ", ".join(columns[:FEW_NAMES])
    return f"{text} and {more} more" if more > 0 else text


@contextmanager
def errors_of_validation_data() -> Iterator[None]:
    """Replace X, y and sample_weight in errors by X_val, y_val and sample_weight_val."""
    try:
        yield
    except (TypeError, ValueError) as error:
        error.args = (_renamed(str(error)),)
        raise


# Messages of scikit-learn that do not name the argument.
NAMELESS = {
    "Found input variables with": "Found X_val and y_val with",
    "Sample weights must": "sample_weight_val must",
}
# Quoted names, and names after the dash of a list, may be those of columns or classes.
ARGUMENT = re.compile(r"(?<!['\"\w])(?<!- )(X|y|sample_weight)(?!['\"\w])|'(y)'(?= has )")


def _renamed(message: str) -> str:
    for old, new in NAMELESS.items():
        message = message.replace(old, new)
    renamed = ARGUMENT.sub(lambda found: f"{found[1] or found[2]}_val", message)
    return renamed if "_val" in renamed else f"In X_val, y_val or sample_weight_val: {renamed}"
