"""What is drawn is what the diagnostics found, on the axes that were given."""

import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknormnet import NormNetClassifier
from sknormnet.inspection import (
    BatchNormDisplay,
    GradientFlowDisplay,
    LayerShiftDisplay,
    LayerStatisticsDisplay,
    SearchResultsDisplay,
    TrainingHistoryDisplay,
    TrainingRecorder,
    batchnorm_statistics,
    layer_statistics,
    search_table,
)

plt = pytest.importorskip("matplotlib.pyplot")
X, Y = load_iris(return_X_y=True)
NET = NormNetClassifier((8, 5), max_iter=4, random_state=0)
MODEL = make_pipeline(StandardScaler(), NET)
FITTED = MODEL.fit(X, Y)
RECORDER = TrainingRecorder()
RECORDER.watch(NormNetClassifier((8, 5), max_iter=4, random_state=0)).fit(X, Y)
SEARCH = GridSearchCV(
    NormNetClassifier((4,), max_iter=2, random_state=0),
    {"keep_prob": [0.5, 0.75, 1.0], "batchnorm": [False, True]},
    cv=2,
).fit(X, Y)

PARAMETERS = "keep_prob", "batchnorm"
ALL = {
    "history": lambda ax: TrainingHistoryDisplay.from_estimator(FITTED, ax=ax),
    "layers": lambda ax: LayerStatisticsDisplay.from_estimator(FITTED, X, ax=ax),
    "batch norm": lambda ax: BatchNormDisplay.from_estimator(FITTED, X, ax=ax),
    "gradients": lambda ax: GradientFlowDisplay.from_estimator(MODEL, X, Y, ax=ax),
    "shift": lambda ax: LayerShiftDisplay.from_estimator(MODEL, X, Y, ax=ax),
    "search": lambda ax: SearchResultsDisplay.from_estimator(
        SEARCH, "keep_prob", "batchnorm", ax=ax
    ),
}
N_PANELS = {"batch norm": 2, "gradients": 2}


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", ALL)
def test_axes_of_its_own_or_given(name):
    n_panels = N_PANELS.get(name, 1)
    display = ALL[name](None)
    assert display.axes_.shape == (n_panels,)
    assert display.ax_ is display.axes_[0]
    assert display.figure_ is display.ax_.figure
    figure, axes = plt.subplots(1, n_panels)
    display = ALL[name](axes)
    assert display.figure_ is figure
    assert_array_equal(display.axes_, np.ravel(axes))
    for ax in display.axes_:
        assert ax.get_xlabel()
        assert ax.get_ylabel()
        assert ax.has_data()


@pytest.mark.parametrize("name", N_PANELS)
def test_too_few_axes(name):
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match=r"ax must be 2 axes, one for each panel\. Got 1 instead"):
        ALL[name](ax)


@pytest.mark.parametrize("name", ALL)
def test_without_matplotlib_it_says_so(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(TrainingRecorder, "setup", None)  # nothing is fitted before
    with pytest.raises(ImportError, match=r"Display\.(plot|from_estimator) requires matplotlib"):
        ALL[name](None)


def test_histories_side_by_side():
    settings = {"early_stopping": True, "max_iter": 15, "random_state": 0}
    one, other = (NormNetClassifier((8,), batchnorm=b, **settings).fit(X, Y) for b in (True, False))
    display = TrainingHistoryDisplay.from_estimator(one, name="one")
    display = TrainingHistoryDisplay.from_estimator(other, ax=display.axes_, name="other")
    loss_ax, score_ax = display.axes_
    drawn = {line.get_label(): line for line in loss_ax.lines}
    assert_array_equal(drawn["one, training"].get_ydata(), one.loss_curve_)
    assert_array_equal(drawn["other, validation"].get_ydata(), other.history_["validation_loss"])
    assert drawn["one, training"].get_color() != drawn["other, training"].get_color()
    assert drawn["one, training"].get_color() == drawn["one, validation"].get_color()
    _, mark, _, other_mark = score_ax.lines
    for point, model in ((mark, one), (other_mark, other)):
        best = np.argmax(model.validation_scores_)
        assert point.get_xydata().tolist() == [[best + 1, model.validation_scores_[best]]]
    _, ax = plt.subplots()
    assert TrainingHistoryDisplay.from_estimator(one, ax=ax, color="k").axes_.shape == (1,)
    assert {line.get_color() for line in ax.lines} == {"k"}


def test_layers_are_drawn_by_their_quantiles():
    ax = LayerStatisticsDisplay.from_estimator(FITTED, X).ax_
    thin, thick, dots = (ax.lines[k : 6 * 3 : 3] for k in range(3))
    for line, box, dot, x in zip(thin, thick, dots, layer_statistics(FITTED, X), strict=True):
        low, first, median, third, high = x.quantiles
        assert_allclose(line.get_ydata(), [low, high])
        assert_allclose(box.get_ydata(), [first, third])
        assert_allclose(dot.get_ydata(), [median])
        assert round(float(dot.get_xdata()[0])) == x.layer
    assert ax.get_legend_handles_labels()[1] == ["linear", "activation", "batchnorm"]


def test_the_share_of_dead_units_is_written_above():
    model = NormNetClassifier((8,), batchnorm=False, init=_negative, max_iter=1, keep_prob=1.0)
    with warnings.catch_warnings(action="ignore"):
        model.fit(np.abs(X), Y)
    ax = LayerStatisticsDisplay.from_estimator(model, np.abs(X)).ax_
    assert [text.get_text() for text in ax.texts] == ["100%\ndead"]


def _negative(fan_in, fan_out, rng):
    return -np.ones((fan_in, fan_out))


def test_batch_norm_is_drawn_unit_by_unit():
    shifts, ratios = BatchNormDisplay.from_estimator(FITTED, X + 1).axes_
    for x, shift, ratio in zip(
        batchnorm_statistics(FITTED, X + 1), shifts.collections, ratios.collections, strict=True
    ):
        assert_allclose(shift.get_offsets()[:, 1], x.shift)
        assert_allclose(ratio.get_offsets()[:, 1], x.ratio)
        assert {*shift.get_offsets()[:, 0].round()} == {x.layer}


def test_gradients_are_drawn_layer_by_layer():
    norms, updates = GradientFlowDisplay.from_recorder(RECORDER).axes_
    for layer, (norm, update) in enumerate(zip(norms.lines, updates.lines, strict=True)):
        mine = [x for x in RECORDER.gradients_ if x.layer == layer]
        assert_array_equal(norm.get_xdata(), range(5))
        assert_array_equal(norm.get_ydata(), [x.gradient_norm for x in mine])
        assert_array_equal(update.get_ydata(), [x.update_ratio for x in mine])
    assert norms.get_yscale() == updates.get_yscale() == "log"
    assert norms.get_legend_handles_labels()[1] == ["layer 0", "layer 1", "output"]


def test_the_shift_is_drawn_of_the_layer_asked_for():
    for layer, number in ((0, 0), (-1, 1)):
        ax = LayerShiftDisplay.from_recorder(RECORDER, layer=layer).ax_
        outputs = [
            x.quantiles[2]
            for x in RECORDER.layer_statistics_
            if (x.layer, x.stage) == (number, "batchnorm")
        ]
        assert_array_equal(ax.lines[0].get_ydata(), outputs)
        assert ax.get_ylabel() == f"Output of hidden layer {number}"
    with pytest.raises(ValueError, match=r"layer must be an int in the range \[-2, 2\): there"):
        LayerShiftDisplay.from_recorder(RECORDER, layer=2)


def test_the_heat_map_has_means_spreads_and_a_frame_around_the_best():
    ax = SearchResultsDisplay.from_estimator(SEARCH, *PARAMETERS).ax_
    table = search_table(SEARCH, *PARAMETERS)
    assert_array_equal(ax.images[0].get_array(), table.mean)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.5", "0.75", "1"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["False", "True"]
    written = [text.get_text() for text in ax.texts]
    cells = zip(table.mean.flat, table.std.flat, strict=True)
    assert written == [f"{mean:.3f}\n± {std:.3f}" for mean, std in cells]
    (frame,) = ax.patches
    column, row = np.array(frame.get_xy()) + 0.47
    assert table.mean[round(row), round(column)] == np.nanmax(table.mean)
