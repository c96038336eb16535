"""The quantiles of the values in the hidden layers, stage by stage and epoch by epoch."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris

from sknormnet import NormNetClassifier
from sknormnet.inspection import (
    LayerShiftDisplay,
    LayerStatisticsDisplay,
    TrainingRecorder,
    layer_statistics,
)

X, Y = load_iris(return_X_y=True)
RECORDER = TrainingRecorder()
MODEL = RECORDER.watch(NormNetClassifier((8, 5), max_iter=4, random_state=0)).fit(X, Y)


def test_layers_are_drawn_by_their_quantiles(pyplot):
    ax = LayerStatisticsDisplay.from_estimator(MODEL, X).ax_
    thin, thick, dots = (ax.lines[k : 6 * 3 : 3] for k in range(3))
    for line, box, dot, x in zip(thin, thick, dots, layer_statistics(MODEL, X), strict=True):
        low, first, median, third, high = x.quantiles
        assert_allclose(line.get_ydata(), [low, high])
        assert_allclose(box.get_ydata(), [first, third])
        assert_allclose(dot.get_ydata(), [median])
        assert round(float(dot.get_xdata()[0])) == x.layer
    assert ax.get_legend_handles_labels()[1] == ["linear", "activation", "batchnorm"]


def test_the_percentage_of_dead_units_is_written_above(pyplot):
    settings = {"batchnorm": False, "max_iter": 1, "keep_prob": 1.0}
    settings |= {"scale_inputs": None, "input_bins": 0}
    model = NormNetClassifier((8,), init=_negative, **settings)
    with warnings.catch_warnings(action="ignore"):
        model.fit(np.abs(X), Y)
    ax = LayerStatisticsDisplay.from_estimator(model, np.abs(X)).ax_
    assert [text.get_text() for text in ax.texts] == ["100%\ndead"]


def _negative(fan_in, fan_out, rng):
    return -np.ones((fan_in, fan_out))


def test_the_shift_is_that_of_the_given_layer(pyplot):
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
