import re
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from sknormnet._choices import choose, did_you_mean, plain

TABLE = {"half": Fraction(1, 2), "third": Fraction(1, 3)}


def test_a_name_gives_the_entry():
    assert choose("part", "third", TABLE, Fraction) is TABLE["third"]


def test_an_object_of_the_kind_is_taken_as_it_is():
    mine = Fraction(2, 5)
    assert choose("part", mine, TABLE, Fraction) is mine


def test_a_callable_is_a_kind():
    assert choose("function", abs, {}, Callable) is abs


@pytest.mark.parametrize("choice", ["quarter", 0.5, None, ["half"], Fraction])
def test_anything_else_is_refused_in_one_sentence(choice):
    message = (
        "part must be a str among ['half', 'third'] or an instance of fractions.Fraction."
        f" Got {choice!r} instead."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        choose("part", choice, TABLE, Fraction)


def test_an_unknown_name_is_no_callable():
    with pytest.raises(ValueError, match=r"^init must be .* collections\.abc\.Callable\. Got 'he'"):
        choose("init", "he", {"zeros": abs}, Callable)


@pytest.mark.parametrize("kind", [*"bhilqBHILQ", *"efdg"])
def test_numpy_numbers_are_pythons(kind):
    value = plain(np.dtype(kind).type(100))
    assert type(value) is (float if kind in "efdg" else int)
    assert value == 100


@pytest.mark.parametrize("value", ["auto", 3, 0.5, None, True, (1, 2), Fraction(1, 2)], ids=str)
def test_what_is_no_numpy_scalar_stays_as_it_is(value):
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
def test_the_nearest_name_is_suggested(choice, expected):
    names = {"half", "third", "leaky_relu", "he_normal", "he_uniform"}
    assert did_you_mean(choice, names) == expected
