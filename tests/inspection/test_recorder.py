"""What is recorded of a training, epoch by epoch, with any version of scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknormnet import NormNetClassifier, NormNetRegressor
from sknormnet.inspection import (
    TrainingRecorder,
    initialized,
    layer_gradients,
    layer_shift,
    layer_statistics,
)

X, Y = load_iris(return_X_y=True, as_frame=True)
MODEL = NormNetClassifier((8, 5), max_iter=4, scaling_layer=False, random_state=0)


@pytest.mark.parametrize("parameters", [{}, {"n_members": 2}, {"early_stopping": True}])
def test_recording_changes_nothing(parameters):
    plain = clone(MODEL).set_params(**parameters).fit(X, Y)
    watched = TrainingRecorder().watch(clone(plain)).fit(X, Y)
    assert_array_equal(plain.predict_proba(X), watched.predict_proba(X))


def test_each_epoch_is_recorded_from_the_start():
    recorder = TrainingRecorder()
    model = recorder.watch(clone(MODEL)).fit(X, Y)
    epochs = [0, 1, 2, 3, 4]
    assert [x.epoch for x in recorder.gradients_] == np.repeat(epochs, 3).tolist()
    assert [x.epoch for x in recorder.layer_statistics_] == np.repeat(epochs, 6).tolist()

    start = initialized(MODEL, X, Y)
    for fitted, epoch in ((start, 0), (model, 4)):
        pairs = [
            (layer_statistics(fitted, X, training=True), recorder.layer_statistics_),
            (layer_gradients(fitted, X, Y), recorder.gradients_),
        ]
        for expected, records in pairs:
            found = [x for x in records if x.epoch == epoch]
            names = ("mean", "std") if records is pairs[0][1] else ("gradient_norm", "weight_norm")
            for one, other in zip(found, expected, strict=True):
                for name in names:
                    assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-6)
    assert {x.epoch for x in layer_shift(recorder.layer_statistics_)} == {1, 2, 3, 4}


def test_the_update_ratio_is_the_way_of_an_epoch():
    recorder = TrainingRecorder()
    model = clone(MODEL).set_params(max_iter=1)
    start = initialized(model, X, Y)
    recorder.watch(model).fit(X, Y)
    first, last = (recorder.gradients_[k : k + 3] for k in (0, 3))
    assert all(np.isnan(x.update_ratio) for x in first)
    for x, before, after in zip(last, start.coefs_, model.coefs_, strict=True):
        ratio = np.linalg.norm(after - before) / np.linalg.norm(before)
        assert x.update_ratio == pytest.approx(ratio)


def test_given_rows_and_a_pipeline():
    rows = X[::5]
    recorder = TrainingRecorder(rows, Y[::5])
    recorder.watch(clone(MODEL)).fit(X, Y)
    inside = TrainingRecorder(max_rows=10)
    pipe = inside.watch(make_pipeline(StandardScaler(), clone(MODEL)))
    pipe.fit(X, Y)
    last = [x for x in inside.layer_statistics_ if x.epoch == 4]
    taken = np.linspace(0, len(X) - 1, 10).astype(int)
    expected = layer_statistics(pipe[-1], scale(X)[taken], training=True)
    assert_allclose([x.mean for x in last], [x.mean for x in expected], atol=1e-6)
    assert len(recorder.gradients_) == len(inside.gradients_)


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("make", [csr_array, np.asarray, lambda X: X.tolist()])
def test_other_inputs_and_solvers(make):
    data, y = load_diabetes(return_X_y=True)
    model = NormNetRegressor(
        hidden_layer_sizes=(4,), solver="lbfgs", keep_prob=1.0, max_iter=3, random_state=0
    )
    recorder = TrainingRecorder()
    recorder.watch(model).fit(make(data), y.tolist())
    assert {x.epoch for x in recorder.gradients_} == {0, *range(1, model.n_iter_ + 1)}


def test_a_second_fit_is_recorded_anew():
    recorder = TrainingRecorder()
    model = recorder.watch(clone(MODEL))
    model.fit(X, Y)
    model.set_params(max_iter=2).fit(X, Y)
    assert max(x.epoch for x in recorder.gradients_) == 2


def test_watching_twice_is_watching():
    recorder, model = TrainingRecorder(), clone(MODEL)
    recorder.watch(recorder.watch(model)).fit(X, Y)
    assert len(recorder.gradients_) == 3 * 5


def test_set_callbacks_records_as_watch_does():
    pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9 has no callbacks")
    recorders = TrainingRecorder(), TrainingRecorder()
    recorders[1].watch(clone(MODEL).set_callbacks(recorders[0])).fit(X, Y)
    one, other = (recorder.gradients_ for recorder in recorders)
    assert repr(one) == repr(other)


def test_half_of_the_data_is_an_error():
    with pytest.raises(ValueError, match="X and y must be given together, but y is None"):
        TrainingRecorder(X)
