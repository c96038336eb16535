"""A `dataclass` that shares what compares and prints its objects between all classes.

Before Python 3.13, `dataclasses.dataclass` compiles these methods for each class. That took about a
sixth of the time of ``import sknormnet``.
"""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(cls=None, /, *, frozen=False, eq=True, repr=True):
        """Do what `dataclasses.dataclass` does with these arguments."""
        if cls is None:
            return lambda cls: dataclass(cls, frozen=frozen, eq=eq, repr=repr)
        cls = dataclasses.dataclass(cls, frozen=frozen, eq=False, repr=False)
        if repr:
            cls.__repr__ = _repr
        if eq:
            cls.__eq__ = _equal
            cls.__hash__ = _hash if frozen else None
        return cls


def _repr(self: Any) -> str:
    shown = ", ".join(f"{x.name}={getattr(self, x.name)!r}" for x in fields(self) if x.repr)
    return f"{type(self).__qualname__}({shown})"


def _equal(self: Any, other: object) -> bool:
    if type(self) is not type(other):
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


def _values(record: Any) -> tuple:
    return tuple(getattr(record, x.name) for x in fields(record) if x.compare)
