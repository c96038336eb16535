"""What all displays have in common: they draw on axes of their own or on the given ones."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknormnet import NormNetClassifier
from sknormnet.inspection import (
    BatchNormDisplay,
    GradientFlowDisplay,
    InputAttributionsDisplay,
    LayerShiftDisplay,
    LayerStatisticsDisplay,
    SearchResultsDisplay,
    TrainingHistoryDisplay,
    TrainingRecorder,
)

X, Y = load_iris(return_X_y=True)
NET = NormNetClassifier((8, 5), max_iter=4, random_state=0)
MODEL = make_pipeline(StandardScaler(), NET).fit(X, Y)
SEARCH = GridSearchCV(NET, {"keep_prob": [0.5, 1.0], "batchnorm": [False, True]}, cv=2).fit(X, Y)
DISPLAYS = {
    "history": lambda ax: TrainingHistoryDisplay.from_estimator(MODEL, ax=ax),
    "layers": lambda ax: LayerStatisticsDisplay.from_estimator(MODEL, X, ax=ax),
    "batch norm": lambda ax: BatchNormDisplay.from_estimator(MODEL, X, ax=ax),
    "gradients": lambda ax: GradientFlowDisplay.from_estimator(MODEL, X, Y, ax=ax),
    "attributions": lambda ax: InputAttributionsDisplay.from_estimator(
        MODEL, X[:5], output=1, ax=ax
    ),
    "shift": lambda ax: LayerShiftDisplay.from_estimator(MODEL, X, Y, ax=ax),
    "search": lambda ax: SearchResultsDisplay.from_estimator(
        SEARCH, "keep_prob", "batchnorm", ax=ax
    ),
}
N_PANELS = {"batch norm": 2, "gradients": 2, "attributions": 2}


@pytest.mark.parametrize("name", DISPLAYS)
def test_displays_draw_on_new_or_given_axes(name, pyplot):
    n_panels = N_PANELS.get(name, 1)
    display = DISPLAYS[name](None)
    assert display.axes_.shape == (n_panels,)
    assert display.ax_ is display.axes_[0]
    assert display.figure_ is display.ax_.figure
    figure, axes = pyplot.subplots(1, n_panels)
    display = DISPLAYS[name](axes)
    assert display.figure_ is figure
    assert_array_equal(display.axes_, np.ravel(axes))
    for ax in display.axes_:
        assert ax.get_xlabel()
        assert ax.get_ylabel()
        assert ax.has_data()


@pytest.mark.parametrize("name", N_PANELS)
def test_too_few_axes_are_an_error(name, pyplot):
    _, ax = pyplot.subplots()
    with pytest.raises(ValueError, match=r"ax must be 2 axes, one for each panel\. Got 1 instead"):
        DISPLAYS[name](ax)


@pytest.mark.parametrize("name", DISPLAYS)
def test_without_matplotlib_displays_raise_before_they_fit(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(TrainingRecorder, "setup", None)  # a fit would fail
    with pytest.raises(ImportError, match=r"Display\.(plot|from_estimator) requires matplotlib"):
        DISPLAYS[name](None)
