"""Every choice takes a name or an object: one function that resolves it, one error sentence."""

from collections.abc import Mapping
from typing import Any


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
    )
