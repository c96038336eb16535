import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sknormnet.nn.parameters import Layout

SHAPES = [{"W": (2, 3), "b": (1, 3)}, {}, {"gamma": (1, 3)}, {"b": (1, 1), "W": (3, 1)}]
NAMES = ("W", "b", "gamma")


def test_arrays_of_one_name_are_adjacent_and_ordered_by_layer():
    first, nothing, norm, last = Layout(SHAPES, NAMES).views(np.arange(16))
    assert_array_equal(first.W, [[0, 1, 2], [3, 4, 5]])
    assert_array_equal(last.W, [[6], [7], [8]])
    assert_array_equal(first.b, [[9, 10, 11]])
    assert_array_equal(last.b, [[12]])
    assert vars(nothing) == {}
    assert list(vars(norm)) == ["gamma"]


def test_the_order_of_the_names_is_the_order_in_the_vector():
    first, *_ = Layout(SHAPES, ("b", "gamma", "W")).views(np.arange(16))
    assert_array_equal(first.b, [[0, 1, 2]])
    assert_array_equal(first.W, [[7, 8, 9], [10, 11, 12]])


def test_size_and_totals():
    layout = Layout(SHAPES, NAMES)
    assert layout.size == 16
    assert {name: layout.total(name) for name in NAMES} == {"W": 9, "b": 4, "gamma": 3}
    assert layout.total("beta") == 0
    assert Layout([], NAMES).size == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_views_cover_the_vector(dtype):
    layout = Layout(SHAPES, NAMES)
    vector = np.zeros(layout.size, dtype)
    for layer in layout.views(vector):
        for name, array in vars(layer).items():
            assert np.shares_memory(array, vector)
            assert array.dtype == dtype
            assert array.flags.c_contiguous, name
            array += 1
    assert_array_equal(vector, np.ones(layout.size))  # each element belongs to exactly one array
