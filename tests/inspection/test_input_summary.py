"""What each column was taken for, as records."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sknormnet import NormNetRegressor
from sknormnet.inspection import input_summary

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_ROWS = 400
MODEL = NormNetRegressor(hidden_layer_sizes=(4,), max_iter=1, input_bins=3)


def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": np.where(np.arange(N_ROWS) % 4, np.arange(N_ROWS) * 1.0, np.nan),
            "same": np.full(N_ROWS, 3),
            "smokes": np.arange(N_ROWS) % 2 == 0,
            "color": np.r_[["red", "blue", "pink", "gray"], ["red", "blue"] * 198],
            "city": rng.permutation([f"city {k:02}" for k in range(50)] * 8),
        }
    )


@pytest.mark.parametrize("scale", ["standard", None])
def test_what_columns_become(scale):
    X = table()
    model = clone(MODEL).set_params(scale_inputs=scale).fit(X, np.square(np.arange(N_ROWS) - 200))
    age, same, smokes, color, city = input_summary(model)
    word = scale and "scaled"
    assert [x.column for x in (age, same, smokes, color, city)] == list(X.columns)
    missing = "in 3 bins, with 4 frequencies, with an indicator of missing values"
    assert age.becomes == f"{word or 'unscaled'}, {missing}"
    assert same.becomes == ("constant" if scale else "unscaled")
    assert (smokes.becomes, color.becomes) == ("a 0/1 input", "4 0/1 inputs")
    assert city.becomes == "embedding"
    assert age.missing_share == pytest.approx(0.25)
    assert age.center == pytest.approx(X["age"].mean())
    assert age.scale == pytest.approx(X["age"].std(ddof=0) if scale else 1)
    assert_array_equal(age.bin_edges, model.bin_edges_[0])
    assert same.bin_edges is None
    assert (same.kind, city.kind, city.n_levels) == ("numeric", "categorical", 50)
    assert_array_equal(color.levels, ["blue", "gray", "pink", "red"])
    assert_array_equal(color.is_other, [False, True, True, False])
    assert_allclose(color.level_shares, np.array([199, 1, 1, 199]) / 400)
    assert_array_equal(smokes.levels, [False, True])


def test_a_category_without_values():
    X = pd.DataFrame({"a": pd.Categorical([None, None]), "b": [1.0, 2.0], "c": ["x", "y"]})
    a, b, c = input_summary(clone(MODEL).fit(X, [1.0, 2.0]))
    assert c.levels.tolist() == ["x", "y"]
    assert (a.missing_share, b.missing_share) == (1, 0)
    assert a.becomes == "constant, with an indicator of missing values"


def test_columns_of_an_array_have_numbers():
    found = input_summary(clone(MODEL).fit(np.eye(5, 2), np.arange(5)))
    assert [x.column for x in found] == [0, 1]
