"""The training history is that of the estimator, as numbers and as a table."""

import numpy as np
from html_tables import HTMLTable
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknormnet import NormNetClassifier
from sknormnet.inspection import TrainingHistory, training_history

X, Y = load_iris(return_X_y=True)
X = scale(X)


def fitted(*, max_iter=5, **parameters):
    return NormNetClassifier((8, 5), max_iter=max_iter, random_state=0, **parameters).fit(X, Y)


def test_history_is_that_of_the_estimator():
    plain = training_history(fitted())
    assert plain.best_epoch == 5
    assert plain.name == "NormNetClassifier"
    assert plain.validation_score.shape == (0,)
    model = fitted(early_stopping=True, max_iter=30)
    history = training_history(make_pipeline(StandardScaler(), model))
    assert_array_equal(history.loss, model.loss_curve_)
    assert_array_equal(history.validation_score, model.validation_scores_)
    assert history.best_epoch == np.argmax(model.validation_scores_) + 1
    assert history.validation_score[history.best_epoch - 1] == model.best_validation_score_


def test_history_as_a_table():
    model = fitted(early_stopping=True, max_iter=30)
    history = training_history(model)
    frame = history.as_frame()
    assert [*frame] == [*model.history_]
    assert_array_equal(frame.index, np.arange(1, model.n_iter_ + 1))
    assert frame.loc[history.best_epoch, "validation_score"] == max(model.validation_scores_)
    html = HTMLTable(history._repr_html_())
    assert html.rows[0] == ["epoch", *model.history_]
    assert html.bold[0] == str(history.best_epoch)
    assert html.rows[1][1] == f"{model.loss_curve_[0]:.4g}"
    assert len(html.rows) == 1 + model.n_iter_


def test_table_of_a_long_history_has_both_ends_and_the_best_epoch():
    long, none = np.arange(200.0), np.array([])
    history = TrainingHistory("net", long, long, long, none, long, best_epoch=100)
    html = HTMLTable(history._repr_html_())
    assert [row[0] for row in html.rows[1:]] == [
        *map(str, range(1, 11)), "...", "100", "...", *map(str, range(191, 201))
    ]  # fmt: skip
    assert html.bold == ["100", "99", "99", "99", "99"]
    assert "learning_rate" not in html.rows[0]
