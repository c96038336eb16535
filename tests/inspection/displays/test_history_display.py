"""The curves of a training history, and the dots of the best epochs."""

import numpy as np
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris

from sknormnet import NormNetClassifier
from sknormnet.inspection import TrainingHistoryDisplay


def test_histories_side_by_side(pyplot):
    X, y = load_iris(return_X_y=True)
    settings = {"early_stopping": True, "max_iter": 15, "random_state": 0}
    one, other = (NormNetClassifier((8,), batchnorm=b, **settings).fit(X, y) for b in (True, False))
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
    _, ax = pyplot.subplots()
    assert TrainingHistoryDisplay.from_estimator(one, ax=ax, color="k").axes_.shape == (1,)
    assert {line.get_color() for line in ax.lines} == {"k"}
