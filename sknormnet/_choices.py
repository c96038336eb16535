"""What a parameter's value stands for: an object of a table, or a Python number."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np


def choose(what: str, choice: Any, table: Mapping[str, Any], kind: Any) -> Any:
    """Return ``table[choice]`` for a name, and an instance of `kind` as it is.

    Parameters
    ----------
    what : str
        The parameter in words, for the error message.
    choice : str or instance of `kind`
    table : mapping of str to instance of `kind`
    kind : type
        May be ``collections.abc.Callable``.

    Raises
    ------
    ValueError
        If `choice` is neither.
    """
    if isinstance(choice, str) and choice in table:
        return table[choice]
    if isinstance(choice, kind):
        return choice
    raise ValueError(
        f"{what} must be a str among {sorted(table)} or an instance of"
        f" {kind.__module__}.{kind.__qualname__}. Got {choice!r} instead."
        f"{did_you_mean(choice, table)}"
    )


def plain(value: Any) -> Any:
    """Return a NumPy scalar as the Python number that it is, and all else as it is.

    Parameters are read through this: NumPy's small integers would wrap around, and its floats
    would bring their own precision along.
    """
    if isinstance(value, np.floating):
        return float(value)  # the item of a longdouble is a longdouble
    return value.item() if isinstance(value, np.generic) else value


def did_you_mean(choice: Any, names: Iterable[str]) -> str:
    """Return a sentence with the name that is nearest to a misspelt one, or ``""``.

    Upper and lower case, and "-" or " " in place of "_", make no difference.
    """
    if not isinstance(choice, str):
        return ""
    normalized, typed = {_normalized(name): name for name in sorted(names)}, _normalized(choice)
    found = get_close_matches(typed, normalized, n=1, cutoff=0.7)
    found = found or [name for name in normalized if typed and name.startswith(f"{typed}_")]
    return f" Did you mean {normalized[found[0]]!r}?" if found else ""


def _normalized(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
