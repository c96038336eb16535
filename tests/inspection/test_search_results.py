"""The table of a search, as numbers, in a notebook and as a data frame."""

import numpy as np
import pandas as pd
import pytest
from html_tables import HTMLTable
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from sknormnet import NormNetClassifier
from sknormnet.inspection import SearchTable, search_table

X, Y = load_iris(return_X_y=True)
X = scale(X)
RESULTS = {
    "param_net__keep_prob": np.ma.array([1.0, 0.5, 1.0, 0.5, 1.0], mask=[0, 0, 0, 0, 1]),
    "param_net__batchnorm": np.ma.array([False, False, True, True, True], dtype=object),
    "param_net__alpha": np.ma.array([0, 0, 0, 0, 1]),
    "mean_test_score": np.array([0.6, 0.7, 0.8, np.nan, 0.95]),
    "std_test_score": np.array([0.01, 0.02, 0.03, np.nan, 0.05]),
}
TABLE = SearchTable(
    "<x>", "y & z", [0.5, 1.0], ["<b>", (8, 8)], "score", np.array([[0.25, np.nan], [0.5, 1 / 3]]),
    np.array([[0.1, np.nan], [0.02, 0.03]]),
)  # fmt: skip


def test_table_by_hand():
    table = search_table(RESULTS, "keep_prob", "batchnorm")
    assert (table.x_values, table.y_values) == ([0.5, 1.0], [False, True])
    assert_array_equal(table.mean, [[0.7, 0.6], [np.nan, 0.8]])
    assert_array_equal(table.std, [[0.02, 0.01], [np.nan, 0.03]])


def test_entries_are_those_of_the_best_other_parameters():
    grid = {
        "keep_prob": [1.0, 0.8],
        "batchnorm": [True, False],
        "hidden_layer_sizes": [(3,), (9,)],
    }
    model = NormNetClassifier(max_iter=4, random_state=0)
    search = GridSearchCV(
        model, grid, cv=2, scoring={"a": "accuracy", "l": "neg_log_loss"}, refit="a"
    )
    search.fit(X, Y)
    table = search_table(search, "hidden_layer_sizes", "keep_prob", metric="l")
    assert table.x_values == [(3,), (9,)]  # in the order of the grid
    assert table.y_values == [0.8, 1.0]  # by size
    frame = pd.DataFrame(search.cv_results_)
    frame["sizes"] = frame["param_hidden_layer_sizes"].astype(str)
    best = frame.groupby(["param_keep_prob", "sizes"])["mean_test_l"].max().unstack()
    assert_allclose(table.mean, best.to_numpy())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("alpha", "keepprob", "score"),
            r"^No searched parameter matches 'keepprob'. Searched: \['net__alpha', 'net__batch"
            r"norm', 'net__keep_prob'\]. Did you mean 'keep_prob'\?$",
        ),
        (("alpha", "keep_prob", "f1"), r"metric must be one of \['score'\]\. Got 'f1' instead"),
    ],
)
def test_unknown_names_are_an_error_that_lists_the_known_ones(names, message):
    x, y, metric = names
    with pytest.raises(ValueError, match=message):
        search_table(RESULTS, x, y, metric=metric)


def test_table_in_a_notebook():
    html = HTMLTable(TABLE._repr_html_())
    assert html.rows == [
        ["y & z \\ <x>", "0.5", "1"],
        ["<b>", "0.25 ± 0.1", ""],
        ["(8, 8)", "0.5 ± 0.02", "0.3333 ± 0.03"],
    ]
    assert html.bold == ["0.5 ± 0.02"]  # names are text, not tags
    nans = np.full((2, 2), np.nan)
    nothing = SearchTable("x", "y", [1, 2], [1, 2], "score", nans, nans)
    assert HTMLTable(nothing._repr_html_()).bold == []


def test_table_as_a_frame():
    frame = TABLE.as_frame()
    assert_array_equal(frame.to_numpy(), TABLE.mean)
    assert [*frame.index] == TABLE.y_values
    assert (frame.index.name, frame.columns.name) == ("y & z", "<x>")
    unhashable = {
        "param_a": [[3], [9]], "param_b": [1, 1],
        "mean_test_score": np.array([0.5, 1]), "std_test_score": np.zeros(2),
    }  # fmt: skip
    assert [*search_table(unhashable, "a", "b").as_frame()] == ["[3]", "[9]"]
