"""Export of both estimators to ONNX: predictions, options of skl2onnx, errors."""

import pickle
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sknormnet import (
    Activation,
    NormNetClassifier,
    NormNetEnsembleClassifier,
    NormNetEnsembleRegressor,
    NormNetRegressor,
)
from sknormnet.nn.activations import ACTIVATIONS
from sknormnet.nn.losses import LOSSES, SquaredError

pytest.importorskip("skl2onnx", minversion="1.20")
pytest.importorskip("onnxruntime")

import onnxruntime
from exported import assert_equal_predictions, exported, outputs
from skl2onnx import get_latest_tested_opset_version, to_onnx

SMALL = {"hidden_layer_sizes": (8, 6), "max_iter": 3, "random_state": 0}
X, CLASSES = make_classification(90, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)
X = X.astype(np.float32)
LABELS = np.stack([CLASSES == 0, X[:, 0] > 0, X[:, 1] > 1], axis=1).astype(int)
TARGETS = {"binary": CLASSES > 0, "multiclass": CLASSES, "multilabel": LABELS}


def classifier(y=CLASSES, **parameters) -> NormNetClassifier:
    return NormNetClassifier(**SMALL | parameters).fit(X, y)


def regressor(n_outputs=1, **parameters) -> NormNetRegressor:
    y = np.exp(np.stack([X[:, 0] + X[:, k] for k in range(n_outputs)], axis=1) / 3)
    return NormNetRegressor(**SMALL | parameters).fit(X, y if n_outputs > 1 else y.ravel())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation, dtype):
    model = classifier(activation=activation, n_members=2, dtype=np.dtype(dtype).name)
    if activation == "gelu" and dtype == np.float64:
        with pytest.raises(ValueError, match="activation='gelu' can be exported in float32 only"):
            exported(model, X.astype(dtype))
    else:
        tolerance = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
        assert_equal_predictions(model, X.astype(dtype), dtype=dtype, tolerance=tolerance)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("target", TARGETS)
def test_classification(target, n_members):
    assert_equal_predictions(classifier(TARGETS[target], n_members=n_members), X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("target", TARGETS)
def test_raw_predictions(target, n_members, dtype):
    model, rows = classifier(TARGETS[target], n_members=n_members), X.astype(dtype)
    raw = model.decision_function(rows)
    expected = np.stack([-raw, raw], axis=1) if raw.ndim == 1 else raw
    for label, got in outputs(exported(model, rows, raw_scores=True), rows):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(label, model.predict(rows))


@pytest.mark.parametrize("target", TARGETS)
def test_raw_predictions_of_sure_ensembles(target):
    model = classifier(TARGETS[target], n_members=2, scale_inputs=None, batchnorm=False)
    rows = 1e3 * X
    raw = model.decision_function(rows)
    expected = np.stack([-raw, raw], axis=1) if raw.ndim == 1 else raw
    assert np.ptp(raw) > 100  # exp(-100) is 0 in float32
    _, got = run(exported(model, rows, raw_scores=True), rows)  # the reference's LogSoftmax is inf
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3)


# -------------------------------------------------------------------------- ensembles that choose

CHOICE = {"candidates": [{"input_bins": 3}, {"activation": "tanh"}], "cv": 2, "random_state": 0}


def chosen_classifier(y=CLASSES, **parameters) -> NormNetEnsembleClassifier:
    return NormNetEnsembleClassifier(NormNetClassifier(**SMALL | parameters), **CHOICE).fit(X, y)


def chosen_regressor(y, **parameters) -> NormNetEnsembleRegressor:
    return NormNetEnsembleRegressor(NormNetRegressor(**SMALL | parameters), **CHOICE).fit(X, y)


@pytest.mark.parametrize("target", TARGETS)
def test_classification_by_ensembles_that_choose(target):
    model = chosen_classifier(TARGETS[target])
    assert_equal_predictions(model, X)
    model.temperature_ = 0.1  # unlikely classes have probabilities near 0
    assert_equal_predictions(model, X)
    model.temperature_ = 1.0
    assert_equal_predictions(model, X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_of_ensembles_that_choose(dtype):
    settings = {"dtype": np.dtype(dtype).name, "n_members": 2}
    tolerance = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
    model = chosen_classifier(LABELS, **settings)
    assert_equal_predictions(model, X.astype(dtype), dtype=dtype, tolerance=tolerance)
    model = chosen_regressor(X[:, 0], **settings)
    assert_equal_predictions(model, X.astype(dtype), dtype=dtype, tolerance=tolerance)


@pytest.mark.parametrize(
    "parameters", [{}, {"loss": "poisson"}, {"loss": "quantile", "quantile": [0.1, 0.9]}], ids=str
)
def test_regression_by_ensembles_that_choose(parameters):
    assert_equal_predictions(chosen_regressor(np.exp(X[:, 0] / 3), **parameters), X)
    if not parameters:
        assert_equal_predictions(chosen_regressor(X[:, :2]), X)


def test_options_of_ensembles_that_choose():
    model = chosen_classifier(np.array(["a", "b", "c"])[CLASSES])
    for label, p, class_labels in outputs(exported(model, X, output_class_labels=True), X):
        np.testing.assert_array_equal(class_labels, model.classes_)
        np.testing.assert_array_equal(label, model.predict(X))
        np.testing.assert_allclose(p, model.predict_proba(X), atol=1e-5)
    with pytest.raises(ValueError, match="'raw_scores'"):
        exported(model, X, raw_scores=True)
    pipeline = make_pipeline(StandardScaler(), chosen_classifier()).fit(X, CLASSES)
    assert_equal_predictions(pipeline, X)
    with pytest.raises(NotFittedError, match="not fitted"):
        exported(NormNetEnsembleClassifier(), X)


# ----------------------------------------------------------------------------------- regression


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss, n_outputs, n_members):
    assert_equal_predictions(regressor(n_outputs, loss=loss, n_members=n_members), X)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("quantile", [[0.5], [0.1, 0.5, 0.9]])
def test_several_quantiles(quantile, n_members):
    model = regressor(loss="quantile", quantile=quantile, n_members=n_members)
    assert_equal_predictions(model, X)


@pytest.mark.parametrize("loss", ["quantile", "poisson"])
def test_regression_in_float64(loss):
    quantile = [0.2, 0.8] if loss == "quantile" else 0.5
    model = regressor(loss=loss, quantile=quantile, n_members=2, dtype="float64")
    assert_equal_predictions(model, X.astype(np.float64), dtype=np.float64, tolerance=1e-12)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_saturated_predictions():
    model = regressor(loss="poisson", scale_inputs=None, batchnorm=False)
    got = outputs(exported(model, X), np.vstack([1e4 * X, -1e4 * X]))
    assert np.isfinite(got).all()
    assert np.max(got) == np.finfo(np.float32).max


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden_layer_sizes": ()},
        {"batchnorm": "before"},
        {"batchnorm": False, "keep_prob": 1.0},
        {"input_keep_prob": 0.8, "keep_prob": 0.5},
        {"activation": ["tanh", "relu"]},
    ],
    ids=str,
)
def test_layers(parameters):
    assert_equal_predictions(classifier(**parameters), X)


@pytest.mark.parametrize("with_missing", [False, True])
@pytest.mark.parametrize("n_bins", [0, 4])
@pytest.mark.parametrize("scale", ["standard", "robust", None])
def test_encoded_inputs(scale, n_bins, with_missing):
    training, rows = X.copy(), X.copy()
    training[:, 3] = np.round(training[:, 3] > 0)  # too few values for bins
    rows[::3, :2] = np.nan
    rows[1, 2] = 1e30
    if with_missing:
        training[::4, 1] = np.nan
    model = NormNetClassifier(**SMALL, scale_inputs=scale, input_bins=n_bins)
    model.fit(training, CLASSES)
    if scale != "robust":
        rows = np.nan_to_num(np.minimum(rows, 10), nan=np.nan)
    assert_equal_predictions(model, rows)


def test_sparse_training_data():
    sparse = csr_array(np.where(X > 0, X, 0))
    model = NormNetClassifier(**SMALL).fit(sparse, CLASSES)
    found = exported(model, X)
    for _, p in outputs(found, sparse.toarray()):
        np.testing.assert_allclose(p, model.predict_proba(sparse), atol=1e-5)


def test_precision_is_that_of_the_input():
    # A float64 network in float32, a float32 network in float64, and integers
    assert_equal_predictions(classifier(dtype="float64"), X)
    assert_equal_predictions(classifier(dtype="float32"), X.astype(np.float64), dtype=np.float64)
    whole = np.round(3 * X).astype(np.int64)
    assert_equal_predictions(NormNetClassifier(**SMALL).fit(whole, CLASSES), whole)


LABEL_TYPES = {
    "words": np.array(["a", "b\u00e4r", ""]),
    "objects": np.array(["a", "b", "c"], object),
    "large": np.array([-(2**40), 0, 2**40]),
    "bytes": np.array([3, 7, 200], np.uint8),
    "floats": np.array([0.0, 1.0, 5.0]),
    "booleans": np.array([False, True, True]),
}


@pytest.mark.parametrize("labels", LABEL_TYPES.values(), ids=LABEL_TYPES)
def test_labels_of_any_type(labels):
    model = classifier(labels[CLASSES])
    assert_equal_predictions(model, X)
    found = exported(model, X, output_class_labels=True)
    for label, _, class_labels in outputs(found, X):
        np.testing.assert_array_equal(class_labels, model.classes_)
        np.testing.assert_array_equal(label, model.predict(X))
    found = exported(model, X, nocl=True, output_class_labels=True)
    for label, _, class_labels in outputs(found, X):
        np.testing.assert_array_equal(class_labels, np.arange(len(model.classes_)))
        np.testing.assert_array_equal(model.classes_[label], model.predict(X))


def run(found, rows) -> list:
    return onnxruntime.InferenceSession(found.SerializeToString()).run(None, {"X": rows})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", LABEL_TYPES.values(), ids=LABEL_TYPES)
def test_probabilities_by_label(labels, dtype):
    model, rows = classifier(labels[CLASSES]), X.astype(dtype)
    label, by_label = run(to_onnx(model, rows[:1]), rows)  # zipmap=True is skl2onnx's default
    np.testing.assert_array_equal(label, model.predict(rows))
    assert [*by_label[0]] == model.classes_.tolist()
    p = [[*x.values()] for x in by_label]
    np.testing.assert_allclose(p, model.predict_proba(rows), atol=1e-5)
    label, *columns = run(exported(model, rows, zipmap="columns"), rows)
    np.testing.assert_array_equal(label, model.predict(rows))
    np.testing.assert_allclose(np.stack(columns, axis=1), model.predict_proba(rows), atol=1e-5)


def test_probabilities_of_multilabel_targets():
    model = classifier(LABELS)
    label, by_label = run(to_onnx(model, X[:1]), X)
    np.testing.assert_array_equal(label, model.predict(X))
    np.testing.assert_allclose(by_label[3][1], model.predict_proba(X)[3, 1], atol=1e-5)


def test_incompatible_options():
    with pytest.raises(ValueError, match="output_class_labels=True needs zipmap=False"):
        exported(classifier(), X, zipmap=True, output_class_labels=True)


@pytest.mark.parametrize("target_opset", [13, 15, 18, get_latest_tested_opset_version()])
def test_opsets(target_opset):
    model = classifier(activation="gelu", n_members=2, input_bins=3, scale_inputs="robust")
    found = exported(model, X, target_opset=target_opset)
    assert [x.version for x in found.opset_import if not x.domain] == [target_opset]
    assert_equal_predictions(model, X, target_opset=target_opset)
    with pytest.raises(ValueError, match=r"target_opset must be .*\[13, inf\).* Got 12 instead"):
        exported(model, X, target_opset=12)


def test_pickled_models():
    assert_equal_predictions(pickle.loads(pickle.dumps(classifier(n_members=2))), X)


def test_compositions():
    scaled = make_pipeline(StandardScaler(), NormNetClassifier(**SMALL)).fit(X, CLASSES)
    assert_equal_predictions(scaled, X)
    search = GridSearchCV(scaled, {"normnetclassifier__alpha": [0, 1]}, cv=2).fit(X, CLASSES)
    assert_equal_predictions(search.best_estimator_, X)
    search = GridSearchCV(NormNetRegressor(**SMALL), {"alpha": [0, 1]}, cv=2).fit(X, CLASSES)
    assert_equal_predictions(search, X)
    assert_equal_predictions(search.best_estimator_, X)


def test_columns_of_a_frame():
    frame = pd.DataFrame(X, columns=[*"abcde"])
    frame["e"] = np.where(frame["e"] > 0, "high", "low").astype(object)
    columns = ColumnTransformer(
        [("words", OneHotEncoder(), ["e"]), ("numbers", StandardScaler(), [*"abcd"])]
    )
    model = make_pipeline(columns, NormNetClassifier(**SMALL)).fit(frame, CLASSES)
    assert_equal_predictions(model, frame)


def softsign(z, out):
    return np.divide(z, 1 + abs(z), out=out)


def softsign_derivative(z, y, out):
    return np.square(1 - abs(y), out=out)


@dataclass(frozen=True)
class OwnLoss(SquaredError):
    """A loss of a user."""

    def inverse_link(self, raw):
        return raw + 1


def test_own_objects_are_named():
    own = Activation("softsign", softsign, softsign_derivative)
    with pytest.raises(ValueError, match=r"'activation' must be .* Got Activation\(name='softsign"):
        exported(classifier(activation=own), X)
    with pytest.raises(ValueError, match=r"'loss' must be .* Got OwnLoss\(\) instead"):
        exported(regressor(loss=OwnLoss()), X)


def test_errors():
    with pytest.raises(NotFittedError, match="not fitted"):
        exported(NormNetRegressor(), X)
    with pytest.raises(ValueError, match="X has 4 features, but NormNetRegressor is expecting 5"):
        exported(regressor(), X[:, :4])


def test_predictions_on_another_scale():
    rows, y = make_regression(100, 3, random_state=0)
    model = NormNetRegressor(**SMALL).fit(rows + 1000, 1e6 + y)
    found = exported(model, rows)
    for (got,) in outputs(found, rows + 1000):
        np.testing.assert_allclose(got.ravel(), model.predict(rows + 1000), rtol=1e-12)


@pytest.mark.parametrize("target", ["binary", "multiclass"])
def test_calibrated_classifiers_get_raw_predictions(target):
    network = NormNetClassifier(**SMALL)
    model = CalibratedClassifierCV(network, cv=2).fit(X, TARGETS[target])
    assert_equal_predictions(model, X)
