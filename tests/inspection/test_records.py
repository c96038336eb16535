"""What records look like: on a line, as a table in a console and a notebook, as a data frame."""

import copy
import pickle
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from html_tables import HTMLTable
from sklearn.datasets import load_iris

from sknormnet import NormNetClassifier
from sknormnet.inspection import (
    LayerGradient,
    LayerShift,
    LayerStatistics,
    RecordList,
    SearchTable,
    TrainingRecorder,
    batchnorm_statistics,
    columns,
    layer_gradients,
    layer_shift,
    layer_statistics,
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
TABLE = SearchTable("x", "y", [1, 2], [3, 4], "score", NANS, NANS)


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
    html = HTMLTable(records._repr_html_())
    assert html.open == []
    assert html.rows == [["", *names], *(row.split() for row in rows)]


def test_columns_are_the_scalars():
    names = ["layer", "stage", "mean", "std", "dead", "saturated", "epoch"]
    found = columns(LISTS["layer_statistics"])
    assert [*found] == names
    assert found["mean"] == [x.mean for x in LISTS["layer_statistics"]]
    assert columns([]) == {}


def test_records_are_frozen():
    with pytest.raises(FrozenInstanceError):
        LISTS["layer_statistics"][0].mean = 0


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


@pytest.mark.parametrize("table", [LISTS["layer_gradients"], training_history(MODEL), TABLE])
def test_frames_need_pandas_and_tables_do_not(monkeypatch, table):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert "<td>" in table._repr_html_()
    assert repr(table)
    with pytest.raises(ImportError, match=r"as_frame\(\) requires pandas"):
        table.as_frame()
