"""Records as plain dicts and back: the classes in RECORDS are all that a saved state can name."""

import types
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin

import numpy as np

from sknormnet._choices import plain
from sknormnet.estimators.checkpoint import Checkpoint
from sknormnet.estimators.conformal import ConformalScores
from sknormnet.inputs import CategoricalEncoder, InputEncoder, NumericEncoder, TableColumns
from sknormnet.nn import initializers, layers, losses
from sknormnet.nn.activations import ACTIVATIONS, Activation
from sknormnet.training.history import History
from sknormnet.training.optimizers import OPTIMIZERS
from sknormnet.training.schedules import SCHEDULES
from sknormnet.training.stopping import Patience
from sknormnet.training.trainer import Snapshot, TrainingState

_CLASSES: list[Any] = [
    *(layers.Dense, layers.ScaledDense, layers.ActivationLayer, layers.BatchNorm),
    *(layers.Dropout, layers.Embedding),
    *map(type, initializers.INITIALIZERS.values()),
    *map(type, losses.LOSSES.values()),
    *(losses.Quantiles, losses.BinaryLogLoss, losses.MulticlassLogLoss),
    *OPTIMIZERS.values(),
    *SCHEDULES.values(),
    *(TableColumns, InputEncoder, NumericEncoder, CategoricalEncoder),
    *(TrainingState, Patience, History, Snapshot, Checkpoint, ConformalScores),
]
RECORDS: dict[str, type] = {x.__name__: x for x in _CLASSES}
SIMPLE = {str, int, float, bool, type(None)}
DTYPES = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}


def is_ours(value: Any) -> bool:
    """Whether a value is a record of this package, and not an object of the user's own."""
    if type(value) is Activation:
        return ACTIVATIONS.get(value.name) == value
    return RECORDS.get(type(value).__name__) is type(value)


def to_plain(value: Any) -> Any:
    """Return a value with records as dicts, and with dtypes and activations as names.

    Such a dict has the name of the class as "class", beside the fields. Generators become dicts,
    too. Tuples and dicts are searched for records; all else stays as it is.
    """
    if type(value) in SIMPLE:  # there may be many levels
        return value
    if isinstance(value, tuple):
        return tuple(map(to_plain, value))
    if isinstance(value, dict):
        return {name: to_plain(x) for name, x in value.items()}
    if isinstance(value, np.dtype):
        return {"class": "dtype", "name": value.name}
    if isinstance(value, np.random.Generator):
        state: Any = value.bit_generator.state
        words = tuple(state["state"]["state"].tolist())
        return {
            "class": "SFC64",
            "state": words,
            "buffer": (state["has_uint32"], state["uinteger"]),
        }
    if not is_ours(value):
        return value
    if isinstance(value, Activation):
        return {"class": "Activation", "name": value.name}
    own = {field.name: plain(to_plain(getattr(value, field.name))) for field in fields(value)}
    return {"class": type(value).__name__} | own


def from_plain(value: Any) -> Any:
    """Return what `to_plain` was given, with arrays in the byte order of this machine.

    Raises
    ------
    ValueError
        If a class is unknown, or if the type of a field is wrong.
    """
    if type(value) in SIMPLE:
        return value
    if isinstance(value, tuple):
        return tuple(map(from_plain, value))
    if isinstance(value, np.ndarray):
        return np.asarray(value).astype(value.dtype.newbyteorder("="), copy=False)
    if not isinstance(value, dict):
        return value
    own = {name: from_plain(x) for name, x in value.items()}
    name = own.pop("class", None)
    if name is None:
        return own
    if name in MAKERS:
        return MAKERS[name](**own)
    if name not in RECORDS:
        raise ValueError(f"The class {name!r} is unknown.")
    record = RECORDS[name](**own)
    for field in fields(record):
        if not has_type(found := getattr(record, field.name), field.type):
            raise ValueError(f"{name}.{field.name} is of type {type(found).__name__}.")
    return record


def has_type(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that the annotation of a field names.

    Arrays are of float64, and an int is a float, too.
    """
    if hint is Any:
        return True
    if hint in (int, float):
        return type(value) in (int, hint)
    if hint is np.ndarray:
        return isinstance(value, np.ndarray) and value.dtype == np.float64
    if hint is np.dtype:
        return isinstance(value, np.dtype) and value in DTYPES.values()
    if isinstance(hint, type):
        return isinstance(value, hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return any(has_type(value, arg) for arg in args)
    if origin is Literal:
        return isinstance(value, str) and value in args
    if origin in (tuple, list):
        return isinstance(value, origin) and all(has_type(x, args[0]) for x in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            has_type(name, args[0]) and has_type(x, args[1]) for name, x in value.items()
        )
    return origin is Callable and callable(value)


def _generator(state: tuple[int, ...], buffer: tuple[int, int]) -> np.random.Generator:
    bits = np.random.SFC64(0)
    words = np.array(state, np.uint64)
    if words.shape != (4,):
        raise ValueError(f"SFC64.state has the shape {words.shape}.")
    has_uint32, uinteger = map(int, buffer)
    bits.state = {
        "bit_generator": "SFC64",
        "state": {"state": words},
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }
    return np.random.Generator(bits)


# Classes that are no records
MAKERS: dict[str, Callable] = {
    "Activation": lambda name: ACTIVATIONS[name],
    "dtype": lambda name: DTYPES[name],
    "SFC64": _generator,
}
