"""Validation data of one's own, what they are scored by, and the record of training."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknormnet import NormNetClassifier, NormNetRegressor

X, Y = load_digits(return_X_y=True)
X, Y = scale(X)[:600], np.array(list("abcdefghij"))[Y[:600]]
X_VAL, Y_VAL, X, Y = X[400:], Y[400:], X[:400], Y[:400]
X_REG, Y_REG = load_diabetes(return_X_y=True)
X_REG = scale(X_REG)
REG_VAL = {"X_val": X_REG[300:], "y_val": Y_REG[300:]}
VAL = {"X_val": X_VAL, "y_val": Y_VAL}

SMALL = {"hidden_layer_sizes": (12,), "random_state": 0, "max_iter": 12}


@pytest.mark.parametrize("early_stopping", [False, True, "auto"])
def test_the_best_epoch_is_given_back(early_stopping):
    settings = SMALL | {"learning_rate": "constant", "learning_rate_init": 0.1}
    model = NormNetClassifier(
        **settings, early_stopping=early_stopping, n_iter_no_change=12, scoring="loss"
    )
    with pytest.warns(sklearn.exceptions.ConvergenceWarning):
        model.fit(X, Y, **VAL)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ == 12
    best = int(np.argmax(scores)) + 1
    assert best < 12
    assert model.best_validation_score_ == max(scores)
    with pytest.warns(sklearn.exceptions.ConvergenceWarning):
        short = NormNetClassifier(**settings | {"max_iter": best}).fit(X, Y)
    assert_array_equal(model.predict_proba(X), short.predict_proba(X))


def test_validation_rows_are_not_trained_on():
    # With a plan, all epochs take place; where the last is the best, nothing is different.
    model = NormNetRegressor(**SMALL).fit(X_REG[:300], Y_REG[:300], **REG_VAL)
    best = int(np.argmax(model.validation_scores_)) + 1
    alone = NormNetRegressor(**SMALL).fit(X_REG[:300], Y_REG[:300])
    assert model.n_iter_ == alone.n_iter_ == 12
    assert model.loss_curve_ == alone.loss_curve_
    assert best < 12 or np.array_equal(model.predict(X_REG), alone.predict(X_REG))


def test_early_stopping_watches_the_given_rows():
    noise = np.random.default_rng(0).permutation(Y_VAL)  # no epoch explains them
    model = NormNetClassifier(**SMALL, early_stopping=True, n_iter_no_change=2, scoring="loss")
    model.fit(X, Y, X_val=X_VAL, y_val=noise)
    assert model.n_iter_ < 12
    # Without early stopping, a plan goes on.
    model.set_params(early_stopping=False).fit(X, Y, X_val=X_VAL, y_val=noise)
    assert model.n_iter_ == 12


def test_the_scores_are_those_of_the_given_rows():
    # The statistics are running averages while fit is under way, and exact without batch norm.
    model = NormNetClassifier(**SMALL | {"max_iter": 1}, batchnorm=False).fit(X, Y, **VAL)
    assert_allclose(model.best_validation_score_, model.score(X_VAL, Y_VAL))
    sharp = NormNetClassifier(
        **SMALL | {"max_iter": 1}, batchnorm=False, label_smoothing=0.0, scoring="loss"
    )
    sharp.fit(X, Y, **VAL)
    expected = log_loss(Y_VAL, sharp.predict_proba(X_VAL))
    assert_allclose(sharp.best_validation_score_, -expected)
    assert_allclose(sharp.history_["validation_loss"], expected)
    weight = np.random.default_rng(0).integers(0, 3, len(Y_VAL))
    sharp.fit(X, Y, **VAL, sample_weight_val=weight)
    weighted = log_loss(Y_VAL, sharp.predict_proba(X_VAL), sample_weight=weight)
    assert_allclose(sharp.best_validation_score_, -weighted)


def test_given_rows_of_regression_are_on_the_targets_scale():
    settings = SMALL | {"max_iter": 1, "batchnorm": False}
    model = NormNetRegressor(**settings).fit(X_REG[:300], Y_REG[:300], **REG_VAL)
    assert_allclose(model.best_validation_score_, model.score(X_REG[300:], Y_REG[300:]))
    error = np.mean((model.predict(X_REG[300:]) - Y_REG[300:]) ** 2) / 2
    assert_allclose(model.history_["validation_loss"], error / Y_REG[:300].var())


@pytest.mark.parametrize(("n_rows", "early"), [(10_000, False), (10_001, True)])
def test_automatic_early_stopping_is_for_many_rows(n_rows, early):
    x = np.random.default_rng(0).normal(size=(n_rows, 2))
    model = NormNetRegressor(early_stopping="auto", max_iter=1, hidden_layer_sizes=(2,))
    assert (model.fit(x, x[:, 0]).validation_scores_ is not None) is early
    # There are no held-out rows in parts, and no error.
    assert model.partial_fit(x, x[:, 0]).validation_scores_ is None


def test_validation_through_a_pipeline():
    raw, raw_val = 100 + 7 * X, 100 + 7 * X_VAL
    with sklearn.config_context(enable_metadata_routing=True):
        net = NormNetClassifier(**SMALL).set_fit_request(X_val=True, y_val=True)
        model = Pipeline(
            [("scale", StandardScaler()), ("net", net)], transform_input=["X_val"]
        ).fit(raw, Y, X_val=raw_val, y_val=Y_VAL)
    scaler = StandardScaler().fit(raw)
    direct = NormNetClassifier(**SMALL).fit(
        scaler.transform(raw), Y, X_val=scaler.transform(raw_val), y_val=Y_VAL
    )
    assert model[-1].validation_scores_ == direct.validation_scores_
    assert_array_equal(model.predict_proba(raw), direct.predict_proba(scaler.transform(raw)))


@pytest.mark.parametrize("container", [sparse.csr_array, lambda x: x.astype(np.float32)])
def test_kinds_of_validation_data(container):
    expected = NormNetClassifier(**SMALL).fit(X, Y, **VAL).validation_scores_
    model = NormNetClassifier(**SMALL).fit(X, Y, X_val=container(X_VAL), y_val=list(Y_VAL))
    assert_allclose(model.validation_scores_, expected, atol=0.01)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_val": X_VAL}, "must be given together, but y_val is None"),
        ({"y_val": Y_VAL}, "must be given together, but X_val is None"),
        ({"sample_weight_val": np.ones(200)}, "must be given together, but X_val is None"),
        ({"X_val": X_VAL[:, 1:], "y_val": Y_VAL}, "X has 63 features, but .* is expecting 64"),
        ({"X_val": X_VAL, "y_val": Y_VAL[1:]}, "inconsistent numbers of samples"),
        ({"X_val": X_VAL[:3], "y_val": ["a", "b", "z"]}, "'z'"),
        ({**VAL, "sample_weight_val": np.zeros(200)}, "at least one non-zero|not all be zero"),
    ],
)
def test_errors(given, message):
    model = NormNetClassifier(**SMALL).fit(X, Y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y, **given)
    assert_array_equal(model.predict_proba(X), before)


def test_lbfgs_validates_nothing():
    with pytest.raises(ValueError, match="not supported by solver='lbfgs'"):
        NormNetClassifier(solver="lbfgs").fit(X, Y, **VAL)


def test_another_kind_of_target_with_validation_data():
    # What the last fit was of does not matter to a new one.
    labels = np.c_[Y == "a", Y == "b"].astype(int)
    model = NormNetClassifier(**SMALL).fit(X, labels).fit(X, Y, **VAL)
    assert model.classes_.tolist() == list("abcdefghij")
    labels_val = np.c_[Y_VAL == "a", Y_VAL == "b"].astype(int)
    model.fit(X, labels, X_val=X_VAL, y_val=labels_val)
    assert model.out_activation_ == "logistic"


@pytest.mark.parametrize("early_stopping", [True, np.True_])
def test_parts_are_not_held_out(early_stopping):
    model = NormNetRegressor(**SMALL, early_stopping=early_stopping)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        model.partial_fit(X_REG, Y_REG)


# ---------------------------------------------------------------------------------- history


def test_history():
    model = NormNetRegressor(**SMALL).fit(X_REG[:300], Y_REG[:300], **REG_VAL)
    history = model.history_
    assert {name: len(values) for name, values in history.items()} == {
        "loss": 12,
        "validation_loss": 12,
        "validation_score": 12,
        "learning_rate": 12,
        "seconds": 12,
    }
    assert history["loss"] == model.loss_curve_
    assert history["validation_score"] == model.validation_scores_
    progress = np.arange(1, 13) / 12
    rates = 0.01 * (1 + np.cos(np.pi * progress)) / 2
    assert_allclose(history["learning_rate"], rates, atol=1e-15)
    assert min(history["seconds"]) > 0


def test_history_goes_on_and_starts_anew():
    model = NormNetRegressor(**SMALL).fit(X_REG, Y_REG)
    model.partial_fit(X_REG, Y_REG)
    assert len(model.history_["loss"]) == len(model.history_["learning_rate"]) == 13
    assert model.history_["validation_loss"] == []
    model.fit(X_REG, Y_REG)
    assert len(model.history_["loss"]) == 12


def test_history_of_lbfgs_is_its_loss():
    model = NormNetRegressor(hidden_layer_sizes=(3,), solver="lbfgs", max_iter=2000)
    model.fit(X_REG[:, :2], X_REG[:, 0])
    assert model.history_["loss"] == model.loss_curve_
    assert model.history_["learning_rate"] == []
