"""Validation of X as a table or an array, and errors that name columns or arguments."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array, check_X_y
from sklearn.utils.validation import validate_data

from sknormnet.estimators.settings import Settings
from sknormnet.inputs import TableColumns, listed, read_columns
from sknormnet.inputs.frames import library

SMALL = 2**14  # elements of X, up to which the time to check it matters


class ValidatedTable(NamedTuple):
    """A table that was read before, so that the fits of a search need not read it again.

    Attributes
    ----------
    columns : TableColumns or None
    X : {ndarray, CSR matrix} of shape (n_samples, n_features)
    """

    columns: TableColumns | None
    X: Any


def read_table(X: Any, settings: Settings) -> TableColumns | None:
    """Return what the columns of X are taken for; None if X is an array of numbers.

    Raises
    ------
    ColumnError
        If a column can be neither numbers nor categories.
    ValueError
        If `categorical_features` or `categories` do not fit X.
    """
    if isinstance(X, ValidatedTable):
        return X.columns
    chosen, categories = settings.categorical_features, settings.categories
    is_default = chosen is None or (isinstance(chosen, str) and isinstance(categories, str))
    if is_default and is_array_of_numbers(X):
        return None
    return read_columns(X, chosen, categories=categories)


def is_array_of_numbers(X: Any) -> bool:
    """Whether X is an array, a list or a sparse matrix without words, dates or other objects.

    Also True for whatever scikit-learn rejects with an error of its own, such as a single row.
    """
    if library(X) is not None:
        return False
    try:
        kind = "f" if issparse(X) else np.asarray(X).dtype.kind
    except ValueError:  # rows of different lengths
        return True
    return kind not in "OUSMm" or np.ndim(X) != 2 or len(X) == 0


def validate_table(
    estimator: Any,
    X: Any,
    columns: TableColumns | None,
    y: Any = "no_validation",
    *,
    reset: bool = False,
    **options: Any,
) -> Any:
    """Return X as an array or CSR matrix, which may contain NaN, and y if it is given.

    `columns` is the result of `read_table` for the X of `fit`.
    """
    if columns is None and isinstance(y, str) and not reset and _is_valid(estimator, X):
        return X
    options |= {"accept_sparse": "csr", "dtype": "numeric", "ensure_all_finite": "allow-nan"}
    try:
        if isinstance(X, ValidatedTable):
            checked = _checked(estimator, X.X, y, options)
        elif columns is None and is_array_of_numbers(X):
            checked = validate_data(estimator, X, y, reset=reset, **options)
        else:
            validate_data(estimator, X, skip_check_array=True, reset=reset)
            columns = read_columns(X, None) if columns is None else columns
            checked = _checked(estimator, columns.to_array(X), y, options)
    except ValueError as error:
        if str(error).startswith("Input X contains infinity") and "Column" not in str(error):
            raise _naming_columns(error, X) from error
        raise
    if options.get("y_numeric") and checked[1].dtype.kind in "USMm":
        raise ValueError(f"y must contain numbers. Got dtype {checked[1].dtype} instead.")
    return checked


def _is_valid(estimator: Any, X: Any) -> bool:
    """Whether X is a small array in which scikit-learn would find nothing to change or report.

    Its checks take two thirds of the time to predict one row.
    """
    return (
        type(X) is np.ndarray
        and X.dtype in (np.float32, np.float64)
        and 0 < X.size <= SMALL
        and X.ndim == 2
        and X.shape[1] == getattr(estimator, "n_features_in_", None)
        and not hasattr(estimator, "feature_names_in_")
        and bool(np.isfinite(X).all())
    )


def _checked(estimator: Any, X: Any, y: Any, options: dict[str, Any]) -> Any:
    """Call scikit-learn's check of an array, for which names of columns do not matter."""
    if isinstance(y, str):
        return check_array(X, estimator=estimator, input_name="X", **options)
    return check_X_y(X, y, estimator=estimator, **options)


def _naming_columns(error: ValueError, X: Any) -> ValueError:
    """Return the error about infinity, with the names of the columns in its first line."""
    if issparse(X):
        entries = X.tocoo()
        columns = [str(k) for k in np.unique(entries.col[np.isinf(entries.data)])]
    else:
        names = [repr(name) for name in getattr(X, "columns", range(np.shape(X)[1]))]
        is_infinite: Any = np.isinf(np.asarray(X, np.float64)).any(axis=0)
        columns = [name for name, found in zip(names, is_infinite, strict=True) if found]
    first, *rest = str(error).split("\n", 1)
    return ValueError("\n".join([f"{first} Columns: {listed(columns)}.", *rest]))


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
