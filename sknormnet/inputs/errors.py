"""Errors about columns of X, which name the columns."""

from collections.abc import Iterable

FEW_NAMES = 5  # columns named in a message, at most


class ColumnError(ValueError, TypeError):
    """X has columns that can be neither numbers nor categories.

    It is both a ValueError, which scikit-learn raises for strings, and a TypeError, which
    scikit-learn raises for other objects.
    """


def listed(columns: Iterable[str]) -> str:
    """Return the first five columns, and how many more there are."""
    columns = list(columns)
    more = len(columns) - FEW_NAMES
    text = ", ".join(columns[:FEW_NAMES])
    return f"{text} and {more} more" if more > 0 else text
