"""What a fitted NormNetClassifier returns."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain import plain_classifier
from scipy.special import expit, softmax
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import scale

from sknormnet import NormNetClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X, Y = scale(X)[::2], Y[::2]
BINARY = np.array(["no", "yes"])[(Y == 1).astype(int)]
LABELS = np.c_[Y == 0, Y == 1, Y > 0].astype(int)

SETTINGS = {"hidden_layer_sizes": (10,), "learning_rate_init": 0.01, "max_iter": 50}
SETTINGS |= {"batch_size": 15, "random_state": 0}


def fitted(y, dtype=np.float64, **settings):
    return NormNetClassifier(**SETTINGS | settings).fit(X.astype(dtype), y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_multiclass(dtype):
    model = fitted(Y, dtype)
    raw, p = model.decision_function(X), model.predict_proba(X)
    assert raw.shape == p.shape == model.predict_log_proba(X).shape == (75, 3)
    assert_allclose(p.sum(axis=1), 1, rtol=1e-6 if dtype == np.float32 else 1e-14)
    assert_allclose(p, softmax(raw, axis=1), rtol=1e-5)
    assert_allclose(model.predict_log_proba(X), np.log(p), rtol=1e-4, atol=1e-6)
    assert_array_equal(model.predict(X), raw.argmax(axis=1))
    assert model.out_activation_ == "softmax"
    assert model.n_outputs_ == 3
    assert model.score(X, Y) == accuracy_score(Y, model.predict(X)) > 0.9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_classes(dtype):
    model = fitted(BINARY, dtype)
    raw, p = model.decision_function(X), model.predict_proba(X)
    assert raw.shape == (75,)
    assert p.shape == model.predict_log_proba(X).shape == (75, 2)
    assert_allclose(p.sum(axis=1), 1, rtol=1e-6 if dtype == np.float32 else 1e-14)
    assert_allclose(p[:, 1], expit(raw), rtol=1e-5)
    assert_allclose(model.predict_log_proba(X), np.log(p), rtol=1e-4, atol=1e-6)
    # Positive for the second class.
    assert_array_equal(model.predict(X), np.where(raw > 0, "yes", "no"))
    assert_array_equal(model.predict(X), np.where(p[:, 1] > 0.5, "yes", "no"))
    assert model.out_activation_ == "logistic"
    assert model.n_outputs_ == 1
    assert model.score(X, BINARY) > 0.9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_multilabel(dtype):
    model = fitted(LABELS, dtype)
    raw, p = model.decision_function(X), model.predict_proba(X)
    assert raw.shape == p.shape == model.predict_log_proba(X).shape == (75, 3)
    assert_allclose(p, expit(raw), rtol=1e-5)
    assert_allclose(model.predict_log_proba(X), np.log(p), rtol=1e-4, atol=1e-6)
    assert_array_equal(model.predict(X), (raw > 0).astype(int))
    assert_array_equal(model.predict(X), (p > 0.5).astype(int))
    assert model.out_activation_ == "logistic"
    assert model.n_outputs_ == 3
    assert_array_equal(model.classes_, [0, 1, 2])
    assert model.score(X, LABELS) == accuracy_score(LABELS, model.predict(X)) > 0.8


def test_multilabel_learns_each_label():
    x, y = make_multilabel_classification(n_samples=200, n_classes=4, random_state=0)
    model = plain_classifier(batch_size=20, random_state=0).fit(x, y)
    assert ((model.predict(x) == y).mean(axis=0) > 0.9).all()


@pytest.mark.parametrize("y", [LABELS[:, :2], np.ones_like(LABELS), np.zeros((75, 2), int)])
def test_labels_that_do_not_vary(y):
    model = fitted(y)
    assert model.predict(X).shape == model.predict_proba(X).shape == y.shape
    assert (model.predict(X) == y).mean() > 0.9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y", [Y, BINARY, LABELS], ids=["multiclass", "two classes", "multilabel"])
def test_log_probabilities_do_not_underflow(y, dtype):
    model = fitted(y, dtype)
    far = (1e4 * X).astype(dtype)
    raw = model.decision_function(far).astype(np.float64)
    assert np.abs(raw).max() > 1e3  # where exp would underflow
    with np.errstate(all="raise", under="ignore"):
        log_p, p = model.predict_log_proba(far), model.predict_proba(far)
    assert np.isfinite(log_p).all()
    assert (log_p <= 0).all()
    assert ((p >= 0) & (p <= 1)).all()
    # A true log-softmax: differences are those of the raw predictions.
    if y is Y:
        differences = log_p - log_p.max(axis=1, keepdims=True)
        assert_allclose(differences, raw - raw.max(axis=1, keepdims=True), rtol=1e-5, atol=1e-5)
    else:
        expected = np.minimum(raw, 0) - np.log1p(np.exp(-np.abs(raw)))
        assert_allclose(log_p[:, 1] if y is BINARY else log_p, expected, rtol=1e-5, atol=1e-30)
    # The ranks that raw predictions give survive in probabilities, for ROC curves.
    column, score = (p[:, 1], raw) if y is BINARY else (p[:, 0], log_p[:, 0])
    assert (np.diff(column[np.argsort(score)]) >= 0).all()


def test_the_order_of_classes():
    # classes_ are sorted, and so are the columns, whatever the order in y.
    names = np.array(["zebra", "ape", "newt"])[Y]
    model = fitted(names)
    assert_array_equal(model.classes_, ["ape", "newt", "zebra"])
    assert_array_equal(model.predict(X), model.classes_[model.predict_proba(X).argmax(axis=1)])
    assert model.score(X, names) > 0.9
    parts = NormNetClassifier(**SETTINGS)
    parts.partial_fit(X, names, classes=["zebra", "newt", "ape"])
    assert_array_equal(parts.classes_, ["ape", "newt", "zebra"])


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("only", ["a", 3, True, 2.0])
def test_one_class(only, solver):
    model = fitted(np.full(75, only), solver=solver)
    assert_array_equal(model.classes_, [only])
    assert_array_equal(model.predict(X), np.full(75, only))
    assert_array_equal(model.predict_proba(X), np.ones((75, 1)))
    assert_array_equal(model.predict_log_proba(X), np.zeros((75, 1)))
    assert model.decision_function(X).shape == (75,)
    assert model.score(X, np.full(75, only)) == 1


def test_partial_fit_with_classes_yet_to_come():
    model = NormNetClassifier(**SETTINGS)
    for _ in range(20):
        model.partial_fit(X[Y < 2], Y[Y < 2], classes=[0, 1, 2])
    assert model.predict_proba(X).shape == (75, 3)
    assert set(model.predict(X)) <= {0, 1}
    for _ in range(50):
        model.partial_fit(X, Y)
    assert set(model.predict(X)) == {0, 1, 2}


def test_partial_fit_with_labels():
    model = NormNetClassifier(**SETTINGS | {"batch_size": "auto"})
    for _ in range(50):
        model.partial_fit(X, LABELS, classes=[0, 1, 2])
    assert model.predict(X).shape == (75, 3)
    assert model.score(X, LABELS) > 0.7
    # A call with rows that have one label each, or none, is multilabel as well.
    model.partial_fit(X[:2], np.eye(3, dtype=int)[:2]).partial_fit(X[:2], np.zeros((2, 3), int))


def test_score_is_weighted():
    model = fitted(Y, max_iter=3)
    right = model.predict(X) == Y
    assert 0 < right.mean() < 1
    assert model.score(X, Y, right + 1e-9) > 0.99


@pytest.mark.parametrize("batchnorm", [False, "before", "after"])
@pytest.mark.parametrize("keep_prob", [1.0, 0.8])
def test_learns_digits(batchnorm, keep_prob):
    x, y = load_digits(return_X_y=True)
    x = x / 16
    model = NormNetClassifier(
        (50,), batchnorm=batchnorm, keep_prob=keep_prob, max_iter=15, batch_size=50, random_state=0
    ).fit(x[:1000], y[:1000])
    assert model.score(x[1000:], y[1000:]) > 0.87
