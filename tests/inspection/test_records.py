"""What records look like: on a line, as a table in a console and a notebook, as a data frame."""

import copy
import pickle
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris

from sknormnet import NormNetClassifier
from sknormnet.inspection import (
    LayerGradient,
    LayerShift,
    LayerStatistics,
    RecordList,
    SearchTable,
    TrainingHistory,
    TrainingRecorder,
    batchnorm_statistics,
    columns,
    layer_gradients,
    layer_shift,
    layer_statistics,
    search_table,
    training_history,
)

X, Y = load_iris(return_X_y=True)
RECORDER = TrainingRecorder()
MODEL = NormNetClassifier((8, 5), max_iter=30, early_stopping=True, random_state=0)
RECORDER.watch(MODEL).fit(X, Y)
LISTS = {
    "layer_statistics": layer_statistics(MODEL, X),
    "batchnorm_statistics": batchnorm_statistics(MODEL, X),
    "layer_gradients": layer_gradients(MODEL, X, Y),
    "layer_shift": layer_shift(RECORDER.layer_statistics_),
    "recorded statistics": RECORDER.layer_statistics_,
    "recorded gradients": RECORDER.gradients_,
}
NANS = np.full((2, 2), np.nan)
TABLE = SearchTable(
    "<x>", "y & z", [0.5, 1.0], ["<b>", (8, 8)], "score", np.array([[0.25, np.nan], [0.5, 1 / 3]]),
    np.array([[0.1, np.nan], [0.02, 0.03]]),
)  # fmt: skip


class Cells(HTMLParser):
    """The entries of a table, row by row, and those in bold."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.bold, self.open = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "tr" in self.open:
            self.rows[-1][-1] += data
        if "b" in self.open:
            self.bold.append(data)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (
            LayerStatistics(
                0, "linear", 0.123456, np.float64(2.0), np.zeros(5), float("nan"), 0.0,
                np.zeros(64), np.zeros((3, 64)), None,
            ),
            "LayerStatistics(layer=0, stage='linear', mean=0.1235, std=2, quantiles=array(5,),"
            " dead=nan, saturated=0, unit_means=array(64,), unit_stds=array(3, 64), epoch=None)",
        ),
        (
            LayerShift(1, 123456.0, 1e-9, 3),
            "LayerShift(layer=1, shift=1.235e+05, drift=1e-09, epoch=3)",
        ),
        (
            SearchTable("x", "y", [np.float64(0.1), 1 / 3], list("abcdefgh"), "score", NANS, NANS),
            "SearchTable(x='x', y='y', x_values=[0.1, 0.3333], y_values=['a', 'b', 'c', 'd', 'e',"
            " 'f', ...], metric='score', mean=array(2, 2), std=array(2, 2))",
        ),
    ],
    ids=lambda x: "" if isinstance(x, str) else type(x).__name__,
)  # fmt: skip
def test_a_record_is_shown_on_a_line(record, text):
    assert repr(record) == text


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_records_are_shown_as_a_table(name):
    records = LISTS[name]
    title, header, *rows = repr(records).splitlines()
    assert title == f"{type(records[0]).__name__}, {len(records)} records"
    names = [k for k, x in columns(records).items() if x != [None] * len(records)]
    assert header.split() == names
    assert len(rows) == min(len(records), 21)
    assert len({len(line) for line in (header, *rows)}) == 1  # aligned
    assert len(header) < 80
    for number, row in ((0, rows[0]), (len(records) - 1, rows[-1])):
        assert row.split()[0] == str(number)
        for name, shown in zip(names, row.split()[1:], strict=True):
            value = columns(records)[name][number]
            assert shown == (f"{value:.4g}" if isinstance(value, float) else str(value))
    assert ("..." in repr(records)) == (len(records) > 40)
    html = Cells(records._repr_html_())
    assert html.open == []
    assert html.rows == [["", *names], *(row.split() for row in rows)]


def test_batch_norm_statistics_are_summed_up():
    records = batchnorm_statistics(MODEL, X * 2)
    frame = records.as_frame()
    assert_array_equal(frame["n_units"], [8, 5])
    assert_array_equal(frame["largest_shift"], [np.abs(x.shift).max() for x in records])
    assert_array_equal(frame["smallest_ratio"], [x.ratio.min() for x in records])
    assert_array_equal(frame["largest_ratio"], [x.ratio.max() for x in records])


def test_a_list_of_records_is_a_list():
    records = LISTS["layer_gradients"]
    plain = [*records]
    assert isinstance(records, list)
    assert records == plain
    assert plain == records
    assert records[-1] is plain[-1]
    assert type(records[1:]) is RecordList
    assert records[1:] == plain[1:]
    assert columns(records) == columns(plain)
    for twin in (copy.copy(records), pickle.loads(pickle.dumps(records))):
        assert type(twin) is RecordList
        assert repr(twin) == repr(records)


def test_what_is_no_table_is_shown_as_a_list():
    for entries in ([], [1, 2], [LayerGradient(0, 1.0, 1.0), LayerShift(0, 1.0, 1.0, 1)]):
        assert repr(RecordList(entries)) == repr(entries)
        assert RecordList(entries)._repr_html_() is None
    assert RecordList().as_frame().shape == (0, 0)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_records_makes_a_frame(name):
    frame = LISTS[name].as_frame()
    pd.testing.assert_frame_equal(frame, pd.DataFrame(columns(LISTS[name])))
    assert len(frame) == len(LISTS[name])


def test_the_training_history_as_a_table():
    history = training_history(MODEL)
    frame = history.as_frame()
    assert [*frame] == [*MODEL.history_]
    assert_array_equal(frame.index, np.arange(1, MODEL.n_iter_ + 1))
    assert frame.loc[history.best_epoch, "validation_score"] == max(MODEL.validation_scores_)
    html = Cells(history._repr_html_())
    assert html.rows[0] == ["epoch", *MODEL.history_]
    assert html.bold[0] == str(history.best_epoch)
    assert html.rows[1][1] == f"{MODEL.loss_curve_[0]:.4g}"
    assert len(html.rows) == 1 + MODEL.n_iter_


def test_the_table_of_a_long_history_has_its_ends_and_the_best_epoch():
    long, none = np.arange(200.0), np.array([])
    history = TrainingHistory("net", long, long, long, none, long, best_epoch=100)
    html = Cells(history._repr_html_())
    assert [row[0] for row in html.rows[1:]] == [
        *map(str, range(1, 11)), "...", "100", "...", *map(str, range(191, 201))
    ]  # fmt: skip
    assert html.bold == ["100", "99", "99", "99", "99"]
    assert "learning_rate" not in html.rows[0]


def test_the_search_table_in_a_notebook():
    html = Cells(TABLE._repr_html_())
    assert html.rows == [
        ["y & z \\ <x>", "0.5", "1"],
        ["<b>", "0.25 ± 0.1", ""],
        ["(8, 8)", "0.5 ± 0.02", "0.3333 ± 0.03"],
    ]
    assert html.bold == ["0.5 ± 0.02"]  # names are text, not tags
    nothing = SearchTable("x", "y", [1, 2], [1, 2], "score", NANS, NANS)
    assert Cells(nothing._repr_html_()).bold == []


def test_the_search_table_as_a_frame():
    frame = TABLE.as_frame()
    assert_array_equal(frame.to_numpy(), TABLE.mean)
    assert [*frame.index] == TABLE.y_values
    assert (frame.index.name, frame.columns.name) == ("y & z", "<x>")
    unhashable = {
        "param_a": [[3], [9]], "param_b": [1, 1],
        "mean_test_score": np.array([0.5, 1]), "std_test_score": np.zeros(2),
    }  # fmt: skip
    assert [*search_table(unhashable, "a", "b").as_frame()] == ["[3]", "[9]"]


@pytest.mark.parametrize("table", [LISTS["layer_gradients"], training_history(MODEL), TABLE])
def test_frames_need_pandas_and_tables_do_not(monkeypatch, table):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert "<td>" in table._repr_html_()
    assert repr(table)
    with pytest.raises(ImportError, match=r"as_frame\(\) requires pandas"):
        table.as_frame()
