"""What identifies a fit: its parameters, its data, where it starts from, and the versions."""

import hashlib
import math
import pickle
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import joblib
import numpy as np
from scipy.sparse import issparse

from sknormnet._choices import plain
from sknormnet.estimators.records import to_plain
from sknormnet.estimators.rows import Rows

READ = 2**20  # numbers that are hashed at once
LONG = 60  # letters of a value that messages show
PACKAGES = "numpy", "scipy", "sklearn", "sknormnet"
UNUSED = {"checkpoint", "verbose"}  # parameters that do not change the result
Fingerprint = dict[str, str]


def fingerprint_of(
    estimator: Any, rows: Rows, held_out: Rows | None, others: Mapping[str, Any]
) -> Fingerprint:
    """Return a short text for all that determines the result of a fit, by name.

    Parameters
    ----------
    estimator : BaseNormNet
        Its parameters, the columns that it has read, and its classes.
    rows, held_out : Rows, Rows or None
        As given by the user, before a split.
    others : mapping of str to object
        What else determines the result, or other values of what was named.
    """
    names = [name for name in estimator._parameter_constraints if name not in UNUSED]
    values = {f"the parameter {name}": getattr(estimator, name) for name in names}
    values |= _data_of(rows) | ({} if held_out is None else _data_of(held_out, "_val"))
    columns = to_plain(estimator._columns), getattr(estimator, "feature_names_in_", None)
    values |= {"the columns": columns, "the classes": getattr(estimator, "classes_", None)}
    found = {name: described(value) for name, value in (values | dict(others)).items()}
    versions = {f"the version of {name}": import_module(name).__version__ for name in PACKAGES}
    return found | versions


def _data_of(rows: Rows, suffix: str = "") -> dict[str, Any]:
    weight = None if rows.weight is None else rows.weight * rows.weight_unit
    return {f"X{suffix}": rows.X, f"y{suffix}": rows.target, f"sample_weight{suffix}": weight}


def differences(saved: Fingerprint, now: Fingerprint) -> str:
    """Return what differs between two fingerprints, in words; ``""`` if they are equal."""
    return "; ".join(
        f"{name} was {saved.get(name, 'not known')} and is {now.get(name, 'not known')}"
        for name in {**saved, **now}
        if saved.get(name) != now.get(name)
    )


def described(value: Any) -> str:
    """Return a text that differs for values that differ, and is the same in each process."""
    value = plain(value)
    if _is_simple(value) and len(repr(value)) <= LONG:
        return repr(value)
    if isinstance(value, np.ndarray):
        content = joblib.hash(value.tolist()) if value.dtype == object else _digest(value)
        return f"{value.dtype} {value.shape} {content}"
    if issparse(value):
        return f"sparse {value.shape} {_digest(value.data, value.indices, value.indptr)}"
    if isinstance(value, np.random.RandomState):
        return "RandomState"  # the seed that it gave is in the file
    if isinstance(value, dict | list | tuple):
        items = list(value.items()) if isinstance(value, dict) else value
        content = joblib.hash([described(x) for x in items])
        return f"a {type(value).__name__} of length {len(value)} {content[:16]}"
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    try:
        return f"{type(value).__name__} {joblib.hash(value)[:16]}"
    except (pickle.PicklingError, AttributeError, TypeError):
        return type(value).__name__


def _is_simple(value: Any) -> bool:
    """Whether the repr of a value is exact and the same in each process."""
    if isinstance(value, dict):
        return all(_is_simple(x) for item in value.items() for x in item)
    if isinstance(value, list | tuple):
        return all(map(_is_simple, value))
    return isinstance(value, str | bool | int | float | None)


def _digest(*arrays: np.ndarray) -> str:
    """Return a hash of the content of arrays, read piece by piece."""
    found = hashlib.blake2b(digest_size=8)
    for array in arrays:
        array = array.T if array.flags.f_contiguous else array
        n_rows = max(1, READ // max(1, math.prod(array.shape[1:])))
        for start in range(0, len(array), n_rows):
            part = np.ascontiguousarray(array[start : start + n_rows])
            found.update(part.reshape(-1).view(np.uint8).data)
    return found.hexdigest()
