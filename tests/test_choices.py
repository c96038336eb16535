import re
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from sknormnet._choices import choose, did_you_mean, plain

TABLE = {"half": Fraction(1, 2), "third": Fraction(1, 3)}


def test_choose_returns_the_entry_of_a_name():
    assert choose("part", "third", TABLE, Fraction) is TABLE["third"]


def test_choose_returns_an_instance_unchanged():
    instance = Fraction(2, 5)
    assert choose("part", instance, TABLE, Fraction) is instance


def test_choose_accepts_callables():
    assert choose("function", abs, {}, Callable) is abs


@pytest.mark.parametrize("choice", ["quarter", 0.5, None, ["half"], Fraction])
def test_choose_raises_for_anything_else(choice):
    message = (
        "part must be a str among ['half', 'third'] or an instance of fractions.Fraction."
        f" Got {choice!r} instead."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        choose("part", choice, TABLE, Fraction)


def test_choose_raises_for_an_unknown_name_where_callables_are_allowed():
    with pytest.raises(ValueError, match=r"^init must be .* collections\.abc\.Callable\. Got 'he'"):
        choose("init", "he", {"zeros": abs}, Callable)


@pytest.mark.parametrize("dtype", [*"bhilqBHILQ", *"efdg"])
def test_numpy_scalars_become_python_numbers(dtype):
    value = plain(np.dtype(dtype).type(100))
    assert type(value) is (float if dtype in "efdg" else int)
    assert value == 100


@pytest.mark.parametrize("value", ["auto", 3, 0.5, None, True, (1, 2), Fraction(1, 2)], ids=str)
def test_other_values_stay_unchanged(value):
    assert plain(value) is value


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("thrid", " Did you mean 'third'?"),
        ("HALF", " Did you mean 'half'?"),
        ("leaky relu", " Did you mean 'leaky_relu'?"),
        ("he", " Did you mean 'he_normal'?"),
        ("quarter", ""),
        ("", ""),
        (0.5, ""),
        (None, ""),
    ],
)
def test_did_you_mean_suggests_the_closest_name(choice, expected):
    names = {"half", "third", "leaky_relu", "he_normal", "he_uniform"}
    assert did_you_mean(choice, names) == expected
