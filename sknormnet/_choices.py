"""Read parameter values: a name becomes an object of a table, a NumPy scalar a Python number."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any

import numpy as np


def choose(what: str, choice: Any, table: Mapping[str, Any], kind: Any) -> Any:
    """Return ``table[choice]`` for a name, and an instance of `kind` unchanged.

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
        If `choice` is neither a name in `table` nor an instance of `kind`.
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
    """Convert a NumPy scalar to a Python number, and return any other value unchanged.

    All parameters are converted, because small NumPy integers overflow and NumPy floats
    impose their own precision on a calculation.
    """
    if isinstance(value, np.floating):
        return float(value)  # the .item() of a longdouble would be a longdouble again
    return value.item() if isinstance(value, np.generic) else value


def did_you_mean(choice: Any, names: Iterable[str]) -> str:
    """Return a sentence that suggests the name closest to a misspelled one, or ``""``.

    The comparison ignores case, and treats "-" and " " as "_".
    """
    if not isinstance(choice, str):
        return ""
    normalized, typed = {_normalized(name): name for name in sorted(names)}, _normalized(choice)
    found = get_close_matches(typed, normalized, n=1, cutoff=0.7)
    found = found or [name for name in normalized if typed and name.startswith(f"{typed}_")]
    return f" Did you mean {normalized[found[0]]!r}?" if found else ""


def _normalized(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def configured(
    what: str, choice: Any, table: Mapping[str, Any], kind: Any, parameters: Mapping[str, Any]
) -> Any:
    """Return an object as it is, and one that is named with its fields set from parameters.

    The arguments are those of `choose` and `filled`.
    """
    found = choose(what, choice, table, kind)
    return found if found is choice else filled(found, parameters)


def filled(template: Any, parameters: Mapping[str, Any]) -> Any:
    """Return a record whose fields have the values of the parameters of the same names.

    Parameters
    ----------
    template : dataclass, as a class or an instance
        Fields that are not among the parameters keep their values.
    parameters : mapping of str to object
    """
    values = {f.name: parameters[f.name] for f in fields(template) if f.name in parameters}
    return template(**values) if isinstance(template, type) else replace(template, **values)
