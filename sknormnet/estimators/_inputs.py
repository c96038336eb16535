"""What is wrong with X, said by column; and errors that name the argument they are about."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data as sklearn_validate_data

FEW_NAMES = 5  # of columns in a message


class ColumnError(ValueError, TypeError):
    """X has columns that are not numbers.

    Both, because scikit-learn raises the one for words and the other for other objects.
    """


def validate_data(estimator, X, y="no_validation", **options) -> Any:
    """Call scikit-learn's `validate_data`; its errors name the columns of X that are at fault.

    Columns of numbers that are stored as objects or categories become float64.

    Raises
    ------
    ColumnError
        If some columns hold words, dates or other objects that are no numbers.
    ValueError
        As scikit-learn does. For NaN and infinity, the message names the columns.
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
        raise ValueError(f"y must hold numbers. Got dtype {target[0].dtype} instead.")
    return (data, *target) if target else data


def _refuse_dates(X) -> None:
    """Raise for dates in a polars DataFrame, which would become numbers of microseconds."""
    dtypes = getattr(X, "dtypes", ())
    if any(hasattr(dtype, "is_temporal") and dtype.is_temporal() for dtype in dtypes):
        raise TypeError("dates and durations are not numbers")


def _numeric(estimator, X) -> Any:
    """X as numbers, where scikit-learn has let objects or dates pass."""
    if X.dtype.kind in "Mm":
        raise TypeError("dates and durations are not numbers")
    if X.dtype.kind != "O":
        return X
    return check_array(X, dtype=np.float64, estimator=estimator, input_name="X")


def _naming_columns(error: Exception, estimator, X) -> Exception | None:
    """The error with the columns that it is about; None if it is not about columns."""
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
        f"X must hold only numbers{reason}. Columns with other values: {_listed(columns)}."
        " Encode words and categories with OneHotEncoder or OrdinalEncoder, in a"
        f" ColumnTransformer in front of {type(estimator).__name__}; turn dates into numbers."
    )


def _of_columns_not_finite(message: str, estimator, X) -> Exception | None:
    """The error of NaN or infinity with the names of the columns in its first line."""
    columns = [name for name, column in _columns(X) if not _is_finite(column)]
    if not columns:
        return None
    first, *rest = message.split("\n", 1)
    first += f" Columns: {_listed(columns)}."
    if "NaN" in message:
        pipeline = f"make_pipeline(SimpleImputer(), StandardScaler(), {type(estimator).__name__}())"
        first += f" Fill in missing values with {pipeline}."
    return ValueError("\n".join([first, *rest]))


def _columns(X) -> Iterator[tuple[str, Any]]:
    """The columns of X, by name or else by number."""
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
    """A column as numbers, with NaN for what is missing."""
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
    """Whether a column holds something else than numbers and missing values."""
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
    """Up to five columns, and how many there are beyond."""
    columns = list(columns)
    more = len(columns) - FEW_NAMES
    text = ", ".join(columns[:FEW_NAMES])
    return f"{text} and {more} more" if more > 0 else text


@contextmanager
def errors_of_validation_data() -> Iterator[None]:
    """Have errors say X_val, y_val and sample_weight_val for X, y and sample_weight."""
    try:
        yield
    except (TypeError, ValueError) as error:
        error.args = (_renamed(str(error)),)
        raise


# What scikit-learn says without a name.
NAMELESS = {
    "Found input variables with": "Found X_val and y_val with",
    "Sample weights must": "sample_weight_val must",
}
# Not where they may be names of columns or classes, in quotes or behind the dash of a list.
ARGUMENT = re.compile(r"(?<!['\"\w])(?<!- )(X|y|sample_weight)(?!['\"\w])|'(y)'(?= has )")


def _renamed(message: str) -> str:
    for old, new in NAMELESS.items():
        message = message.replace(old, new)
    renamed = ARGUMENT.sub(lambda found: f"{found[1] or found[2]}_val", message)
    return renamed if "_val" in renamed else f"In X_val, y_val or sample_weight_val: {renamed}"
