"""Validation data of one's own, what they are scored by, and the record of training."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import get_scorer, log_loss, r2_score
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
    settings = SMALL | {"learning_rate": "constant", "learning_rate_init": 0.1, "calibrate": False}
    model = NormNetClassifier(**settings, early_stopping=early_stopping, n_iter_no_change=12)
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
    # Otherwise "auto" stands for other inputs where nothing is held out.
    settings = SMALL | {"keep_prob": 0.8, "input_bins": 6, "input_frequencies": 4}
    model = NormNetRegressor(**settings).fit(X_REG[:300], Y_REG[:300], **REG_VAL)
    best = int(np.argmax(model.validation_scores_)) + 1
    alone = NormNetRegressor(**settings).fit(X_REG[:300], Y_REG[:300])
    assert model.n_iter_ == alone.n_iter_ == 12
    assert model.loss_curve_ == alone.loss_curve_
    assert best < 12 or np.array_equal(model.predict(X_REG), alone.predict(X_REG))


@pytest.mark.parametrize("early_stopping", [True, False])
def test_patience_watches_the_given_rows(early_stopping):
    noise = np.random.default_rng(0).permutation(Y_VAL)  # no epoch explains them
    settings = SMALL | {"n_iter_no_change": 2, "scoring": "loss", "learning_rate": "constant"}
    model = NormNetClassifier(**settings, early_stopping=early_stopping)
    model.fit(X, Y, X_val=X_VAL, y_val=noise)
    assert model.n_iter_ < 12
    assert model.best_epoch_ == np.argmax(model.validation_scores_) + 1
    # A planned schedule is followed to its end, and the best epoch is kept all the same.
    model.set_params(learning_rate="cosine").fit(X, Y, X_val=X_VAL, y_val=noise)
    assert model.n_iter_ == 12
    assert model.best_epoch_ == np.argmax(model.validation_scores_) + 1 < 12


def test_the_scores_are_those_of_the_given_rows():
    # The statistics are running averages while fit is under way, and exact without batch norm.
    settings = SMALL | {"max_iter": 1, "batchnorm": False}
    model = NormNetClassifier(**settings, scoring=None).fit(X, Y, **VAL)
    assert_allclose(model.best_validation_score_, model.score(X_VAL, Y_VAL))
    sharp = NormNetClassifier(**settings)
    sharp.fit(X, Y, **VAL)
    expected = log_loss(Y_VAL, sharp.predict_proba(X_VAL))
    assert_allclose(sharp.best_validation_score_, -expected)
    assert_allclose(sharp.history_["validation_loss"], expected)
    weight = np.random.default_rng(0).integers(0, 3, len(Y_VAL))
    sharp.fit(X, Y, **VAL, sample_weight_val=weight)
    weighted = log_loss(Y_VAL, sharp.predict_proba(X_VAL), sample_weight=weight)
    assert_allclose(sharp.best_validation_score_, -weighted)


def test_given_rows_of_regression_are_on_the_targets_scale():
    settings = SMALL | {"max_iter": 1, "batchnorm": False, "scoring": None}
    model = NormNetRegressor(**settings).fit(X_REG[:300], Y_REG[:300], **REG_VAL)
    assert_allclose(model.best_validation_score_, model.score(X_REG[300:], Y_REG[300:]))
    error = np.mean((model.predict(X_REG[300:]) - Y_REG[300:]) ** 2) / 2
    assert_allclose(model.history_["validation_loss"], error / Y_REG[:300].var())


@pytest.mark.parametrize(("n_rows", "early"), [(999, False), (1000, True)])
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
        ({"X_val": X_VAL[:, 1:], "y_val": Y_VAL}, "^X_val has 63 features, but .* is expecting 64"),
        (
            {"X_val": X_VAL, "y_val": Y_VAL[1:]},
            "^Found X_val and y_val with inconsistent numbers of samples",
        ),
        ({"X_val": X_VAL[:3], "y_val": ["a", "b", "z"]}, "`y_val` has classes .*'z'"),
        (
            {**VAL, "sample_weight_val": np.zeros(200)},
            "at least one non-zero|sum of sample_weight_val",
        ),
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
def test_partial_fit_does_not_hold_rows_out(early_stopping):
    model = NormNetRegressor(**SMALL, early_stopping=early_stopping)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        model.partial_fit(X_REG, Y_REG)


@pytest.mark.parametrize(
    ("make", "y", "y_val"),
    [
        (NormNetClassifier, np.c_[Y == "a", Y == "b"].astype(int), (Y_VAL == "a").astype(int)),
        (NormNetClassifier, (Y == "a").astype(int), np.eye(2, dtype=int)[np.arange(200) % 2]),
        (NormNetClassifier, np.c_[Y == "a", Y == "b"].astype(int), np.eye(3, dtype=int)[[0] * 200]),
        (NormNetClassifier, np.c_[Y == "a", Y == "b"].astype(int), [0, 1] * 100),
        (NormNetRegressor, X[:, 2:4], X_VAL[:, 2]),
        (NormNetRegressor, X[:, 2], pd.DataFrame(X_VAL[:, 2:4])),
    ],
)
def test_y_val_must_have_the_form_of_y(make, y, y_val):
    model = make(**SMALL, scoring="loss")
    with pytest.raises(
        ValueError, match="y_val must have the same number of labels or outputs per row"
    ):
        model.fit(X, y, X_val=X_VAL, y_val=y_val)
    assert not hasattr(model, "n_features_in_")


def test_y_val_may_be_a_column():
    y, y_val = X_REG[:300, 0], X_REG[300:, :1]
    one = NormNetRegressor(**SMALL).fit(X_REG[:300], y, X_val=X_REG[300:], y_val=y_val.ravel())
    with pytest.warns(sklearn.exceptions.DataConversionWarning):
        two = NormNetRegressor(**SMALL).fit(X_REG[:300], y, X_val=X_REG[300:], y_val=y_val)
    assert one.validation_scores_ == two.validation_scores_


# ------------------------------------------------------------------------------- warm start


def flipped(y, rng):
    return y ^ (rng.random(len(y)) < 0.2)


def test_warm_start_is_judged_by_the_rows_of_this_call():
    # The world changes between the calls. On the first call's rows, nothing could beat its best.
    rng = np.random.default_rng(0)
    x, x_val = rng.normal(size=(300, 4)), rng.normal(size=(80, 4))
    settings = SMALL | {"warm_start": True, "max_iter": 30, "scoring": None}
    model = NormNetClassifier(**settings).fit(x, x[:, 0] > 0, X_val=x_val, y_val=x_val[:, 0] > 0)
    assert model.best_validation_score_ > 0.9
    y, y_val = flipped(x[:, 2] > 0, rng), flipped(x_val[:, 2] > 0, rng)
    start = model.score(x_val, y_val)
    model.fit(x, y, X_val=x_val, y_val=y_val)
    second = model.validation_scores_[30:]
    assert model.best_validation_score_ == max(second) > start
    assert model.best_epoch_ == 30 + np.argmax(second) + 1
    assert model.history_["validation_score"][model.best_epoch_ - 1] == max(second)
    assert model.score(x_val, y_val) > start


def test_the_starting_network_is_kept_if_no_epoch_beats_it():
    settings = SMALL | {"warm_start": True, "batchnorm": False, "scoring": "loss"}
    settings |= {"scaling_layer": False}  # with it, so large a rate overflows
    model = NormNetClassifier(**settings).fit(X, Y, **VAL)
    before, best, score = model.predict_proba(X), model.best_epoch_, model.best_validation_score_
    # Other rows: half of those so far.
    half = {"X_val": X_VAL[::2], "y_val": Y_VAL[::2]}
    model.set_params(solver="sgd", learning_rate_init=10.0, max_iter=3).fit(X, Y, **half)
    assert_array_equal(model.predict_proba(X), before)
    assert model.best_epoch_ == best
    assert max(model.validation_scores_[-3:]) < model.best_validation_score_ != score
    assert len(model.loss_curve_) == len(model.history_["validation_score"]) == 15


def test_scoring_the_starting_network_disturbs_nothing():
    # With dropout and batch norm: without rows held out, the same steps are taken.
    settings = SMALL | {"warm_start": True, "max_iter": 4, "keep_prob": 0.8}
    with_rows, without = (NormNetClassifier(**settings).fit(X, Y) for _ in range(2))
    with_rows.fit(X, Y, **VAL)
    without.fit(X, Y)
    assert with_rows.loss_curve_ == without.loss_curve_


@pytest.mark.parametrize("batchnorm", [True, False])
def test_warm_start_compares_scores_of_the_new_rows_only(batchnorm):
    settings = SMALL | {"warm_start": True, "early_stopping": True, "batchnorm": batchnorm}
    model = NormNetRegressor(**settings).fit(X_REG, X_REG[:, 2])
    before = model.predict(X_REG)
    model.fit(X_REG, X_REG[:, 8] ** 3)  # harder: R squared stays below the first call's
    assert not np.array_equal(model.predict(X_REG), before)
    assert model.best_validation_score_ == max(model.validation_scores_[12:])


def test_columns_of_the_record_have_one_length():
    model = NormNetClassifier(**SMALL, warm_start=True).fit(X, Y).fit(X, Y, **VAL).partial_fit(X, Y)
    history = model.history_
    assert {len(values) for values in history.values()} == {25}
    scores = np.array(history["validation_score"])
    assert_array_equal(np.flatnonzero(np.isfinite(scores)), np.arange(12, 24))
    assert model.best_epoch_ == 25


# ---------------------------------------------------------------------------------- scorers

PARTS = pytest.mark.parametrize("given", [VAL, {}], ids=["X_val", "a share of X"])


class Spy:
    """A scorer that remembers what it was given, and scores as it is told."""

    def __init__(self, scores):
        self.scores, self.seen, self.predictions = iter(scores), [], []

    def __call__(self, estimator, X, y, **weights):
        self.seen.append((X, y, weights))
        self.predictions.append(estimator.predict_proba(X_VAL))
        assert not hasattr(estimator, "feature_names_in_")
        return next(self.scores)


@PARTS
def test_a_scorer_sees_each_epoch_and_chooses_the_best(given):
    scores = [0.1, 0.3, 0.7, 0.2, 0.6, 0.5]
    spy = Spy(scores)
    settings = SMALL | {"max_iter": 6, "early_stopping": "X_val" not in given}
    model = NormNetClassifier(**settings, batchnorm=False, scoring=spy).fit(X, Y, **given)
    assert model.validation_scores_ == scores
    assert model.best_validation_score_ == 0.7
    # Without batch norm, the network that is kept is the one that was scored.
    assert_array_equal(model.predict_proba(X_VAL), spy.predictions[2])
    assert len({p.tobytes() for p in spy.predictions}) == 6


@PARTS
def test_a_scorer_gets_the_rows_as_they_were_given(given):
    def frame(x):
        return pd.DataFrame(x).add_prefix("x")

    spy = Spy([0.5])
    settings = SMALL | {"max_iter": 1, "early_stopping": "X_val" not in given}
    named = given | {"X_val": frame(X_VAL)} if given else {}
    NormNetClassifier(**settings, scoring=spy).fit(frame(X), Y, **named)
    ((seen, labels, weights),) = spy.seen
    assert weights == {}
    if given:
        assert_array_equal(seen, X_VAL)
        assert_array_equal(labels, Y_VAL)
    else:
        assert seen.shape == (40, 64)
        rows = {row.tobytes(): label for row, label in zip(X, Y, strict=True)}
        assert [rows[row.tobytes()] for row in seen] == labels.tolist()


def test_a_scorer_gets_weights_where_there_are_some():
    weight = np.random.default_rng(0).integers(0, 3, len(X))
    spy = Spy([0.5])
    settings = SMALL | {"max_iter": 1, "scoring": spy}
    NormNetClassifier(**settings, early_stopping=True).fit(X, Y, weight)
    ((seen, _, weights),) = spy.seen
    by_row = {row.tobytes(): w for row, w in zip(X, weight, strict=True)}
    assert weights["sample_weight"].tolist() == [by_row[row.tobytes()] for row in seen]
    assert min(weights["sample_weight"]) > 0  # rows of weight 0 are no rows


@pytest.mark.parametrize(("kind", "name"), [("classifier", "accuracy"), ("regressor", "r2")])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_scorer_of_the_default_is_the_default(kind, name, weighted):
    if kind == "classifier":
        make, x, y = NormNetClassifier, X, Y
    else:
        make, x, y = NormNetRegressor, X_REG, Y_REG
    weight = np.random.default_rng(0).integers(0, 3, len(x)) if weighted else None
    one, other = (
        make(**SMALL, early_stopping=True, scoring=scoring).fit(x, y, weight)
        for scoring in (None, name)
    )
    assert_allclose(one.validation_scores_, other.validation_scores_, rtol=1e-12)
    assert one.history_["validation_loss"] == other.history_["validation_loss"]
    assert_array_equal(one.predict(x), other.predict(x))


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("neg_log_loss", Y),
        ("roc_auc", Y == "a"),
        ("roc_auc", np.c_[Y == "a", Y == "b"].astype(int)),
        ("f1_micro", sparse.csr_matrix(np.c_[Y == "a", Y == "b"].astype(int))),
        ("balanced_accuracy", Y),
    ],
)
def test_names_of_scorers(name, target):
    model = NormNetClassifier(**SMALL | {"max_iter": 1}, batchnorm=False, scoring=name)
    held = target[200:]
    model.fit(X[:200], target[:200], X_val=X[200:], y_val=held)
    expected = get_scorer(name)(model, X[200:], held.toarray() if sparse.issparse(held) else held)
    assert_allclose(model.best_validation_score_, expected)


def test_a_scorer_sees_targets_in_their_own_unit():
    model = NormNetRegressor(
        **SMALL | {"max_iter": 1}, batchnorm=False, scoring="neg_mean_absolute_error"
    )
    model.fit(X_REG[:300], 1e6 * Y_REG[:300], X_val=X_REG[300:], y_val=1e6 * Y_REG[300:])
    error = np.abs(model.predict(X_REG[300:]) - 1e6 * Y_REG[300:]).mean()
    assert_allclose(model.best_validation_score_, -error)


def test_scores_of_two_kinds_are_not_compared():
    # If they were, no epoch of the second call would be as good as the first call's best.
    settings = SMALL | {"early_stopping": True, "warm_start": True, "scoring": None}
    settings |= {"weight_decay": 1.0, "keep_prob": 0.8, "input_bins": 0}
    model = NormNetRegressor(**settings).fit(X_REG, Y_REG)
    model.set_params(scoring="neg_mean_squared_error").fit(X_REG, Y_REG)
    assert model.best_validation_score_ == max(model.validation_scores_[12:]) < -100


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        (r2_score, "looks like it is a metric function rather than a scorer"),
        (lambda estimator, X, y: "good", "scoring must return a number, got 'good'"),
    ],
)
def test_what_is_no_scorer(scoring, message):
    with pytest.raises(ValueError, match=message):
        NormNetRegressor(**SMALL, early_stopping=True, scoring=scoring).fit(X_REG, Y_REG)


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


# ------------------------------------------------------------------------- rows that are held out


@pytest.mark.parametrize("kind", [NormNetClassifier, NormNetRegressor])
def test_nothing_is_measured_on_held_out_rows(kind):
    model = kind(hidden_layer_sizes=(5,), early_stopping=True, input_bins=4, random_state=0)
    y = Y if kind is NormNetClassifier else Y_REG[: len(Y)]
    before = model._prepare_fit(X, y)
    other_X, other_y, held_out = X.copy(), y.copy(), before.held_out.numbers
    other_X[held_out] *= 100
    if kind is NormNetRegressor:
        other_y[held_out] += 1e3
    after = model._prepare_fit(other_X, other_y)
    assert_array_equal(after.held_out.numbers, held_out)
    assert_array_equal(after.inputs.encoder.encode(X), before.inputs.encoder.encode(X))
    assert_array_equal(after.trainers[0].network.parameters, before.trainers[0].network.parameters)
    if kind is NormNetRegressor:
        assert_array_equal(after.target_scaling, before.target_scaling)
        training = np.setdiff1d(np.arange(len(y)), held_out)
        assert_allclose(np.ravel(after.target_scaling), [y[training].mean(), y[training].std()])
