"""Ensembles that choose among settings by held-out rows."""

import copy
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_classification
from sklearn.metrics import (
    d2_absolute_error_score,
    d2_pinball_score,
    d2_tweedie_score,
    log_loss,
    r2_score,
)
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_score

from sknormnet import (
    NormNetClassifier,
    NormNetEnsembleClassifier,
    NormNetEnsembleRegressor,
    NormNetRegressor,
)
from sknormnet.estimators.ensembles import race
from sknormnet.estimators.ensembles.base import CANDIDATES
from sknormnet.estimators.ensembles.choice import OutOfFold, chosen_weights
from sknormnet.estimators.ensembles.probabilities import probability_of, tempered
from sknormnet.training import stacks

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X_REG, Y_REG = load_diabetes(return_X_y=True)
FAST = {"hidden_layer_sizes": (16,), "max_iter": 6, "dtype": "float64"}
CLASSIFIER = NormNetEnsembleClassifier(NormNetClassifier(**FAST), cv=3, random_state=0)
REGRESSOR = NormNetEnsembleRegressor(NormNetRegressor(**FAST), cv=3, random_state=0)
TWO = [{"keep_prob": 1.0}, {"keep_prob": 0.7, "input_bins": 4}]


@pytest.fixture(scope="module")
def classifier():
    return clone(CLASSIFIER).fit(X, Y)


@pytest.fixture(scope="module")
def regressor():
    return clone(REGRESSOR).fit(X_REG, Y_REG)


# ---------------------------------------------------------------------------------- the networks


def test_what_the_estimator_sets_is_the_same_for_all_default_candidates():
    model = NormNetRegressor.for_accuracy(input_bins=0, keep_prob=0.9, cv=2, **FAST)
    model.set_params(random_state=0).fit(X_REG, Y_REG)
    assert all({"input_bins", "keep_prob"}.isdisjoint(x) for x in model.candidates_)
    assert ["weight_decay" in x for x in model.candidates_] == [True, False]
    assert {x.input_bins for x in model.estimators_} == {0}
    assert {x.keep_prob for x in model.estimators_} == {0.9}


def test_networks_are_those_of_single_fits(classifier):
    candidates = np.flatnonzero(classifier.candidate_weights_)
    rng = np.random.RandomState(0)
    folds = StratifiedKFold(3, shuffle=True, random_state=rng.randint(2**31 - 1))
    seeds = [rng.randint(2**31 - 1) for _ in range(3 * len(CANDIDATES))]
    members = iter(classifier.estimators_)
    for number, candidate in enumerate(CANDIDATES):
        for fold, (train, held_out) in enumerate(folds.split(X, Y)):
            if number not in candidates:
                continue
            alone = NormNetClassifier(**candidate | FAST, scoring="loss")
            alone.set_params(random_state=seeds[3 * number + fold])
            alone.fit(X[train], Y[train], X_val=X[held_out], y_val=Y[held_out])
            member = next(members)
            assert_allclose(member.predict_proba(X), alone.predict_proba(X), 1e-9, 1e-12)
            assert member.best_epoch_ == alone.best_epoch_
    assert next(members, None) is None


@pytest.mark.parametrize("model", [CLASSIFIER, REGRESSOR], ids=["classifier", "regressor"])
def test_a_seed_decides_everything(model):
    data = (X, Y) if model is CLASSIFIER else (X_REG, Y_REG)
    first, second = (clone(model).fit(*data) for _ in range(2))
    assert_array_equal(first.predict(data[0]), second.predict(data[0]))
    assert_array_equal(first.candidate_weights_, second.candidate_weights_)
    other = clone(model).set_params(random_state=1).fit(*data)
    respond = "predict_proba" if model is CLASSIFIER else "predict"
    assert (getattr(first, respond)(data[0]) != getattr(other, respond)(data[0])).any()


# ------------------------------------------------------------------------------------ the choice


def test_the_mean_of_the_networks_predicts(classifier, regressor):
    weights = classifier.estimator_weights_
    assert weights.sum() == pytest.approx(1)
    mean = sum(w * m.predict_proba(X) for w, m in zip(weights, classifier.estimators_, strict=True))
    expected = mean ** (1 / classifier.temperature_)
    expected /= expected.sum(axis=1, keepdims=True)
    assert_allclose(classifier.predict_proba(X), expected, 1e-9)
    assert_allclose(classifier.predict_log_proba(X), np.log(expected), 1e-9)
    assert_array_equal(classifier.predict(X), expected.argmax(axis=1))
    weights, members = regressor.estimator_weights_, regressor.estimators_
    predictions = np.array([member.predict(X_REG) for member in members])
    mean, std = regressor.predict(X_REG, return_std=True)
    assert_allclose(mean, weights @ predictions)
    assert_allclose(std, np.sqrt(weights @ (predictions - mean) ** 2))


def test_out_of_fold_predictions_are_of_networks_that_have_not_seen_the_row():
    model = clone(REGRESSOR).set_params(candidates=[{}]).fit(X_REG, Y_REG)
    expected = np.full(len(X_REG), np.nan)
    rng = np.random.RandomState(0)
    from sklearn.model_selection import KFold

    folds = KFold(3, shuffle=True, random_state=rng.randint(2**31 - 1))
    for member, (_, held_out) in zip(model.estimators_, folds.split(X_REG), strict=True):
        expected[held_out] = member.predict(X_REG[held_out])
    assert_allclose(model.oof_prediction_, expected)
    assert model.oof_score_ == pytest.approx(r2_score(Y_REG, expected))
    assert_array_equal(model.candidate_weights_, [1])
    assert_allclose(model.candidate_scores_, [model.oof_score_])


def test_the_choice_is_better_than_each_candidate(classifier, regressor):
    assert classifier.oof_score_ >= classifier.candidate_scores_.max() - 1e-4
    assert classifier.oof_score_ == pytest.approx(-log_loss(Y, classifier.oof_proba_))
    assert regressor.oof_score_ >= regressor.candidate_scores_.max()


@pytest.mark.parametrize("model", [CLASSIFIER, REGRESSOR], ids=["classifier", "regressor"])
def test_a_clear_loser_is_trained_on_half_of_the_folds(model, monkeypatch):
    trained = []

    def spy(trainers, **options):
        stacks.train(trainers, **options)
        trained.append([trainer.plan.learning_rate_init for trainer in trainers])

    monkeypatch.setattr(race, "train", spy)
    loser, winner, second = rates = [1e-9, 0.02, 0.015]  # the first candidate does not learn
    candidates = [{"learning_rate_init": rate, "max_iter": 20} for rate in rates]
    data = (X, Y) if model is CLASSIFIER else (X_REG, X_REG[:, 2])
    raced = clone(model).set_params(candidates=candidates, cv=4).fit(*data)
    assert trained == [2 * [loser] + 2 * [winner] + 2 * [second], 2 * [winner] + 2 * [second]]
    assert raced.candidate_weights_[0] == 0
    assert raced.candidate_weights_.sum() == pytest.approx(1)
    assert np.isnan(raced.candidate_scores_).tolist() == [True, False, False]
    assert loser not in {x.learning_rate_init for x in raced.estimators_}
    assert raced.oof_score_ > 0.5 if model is REGRESSOR else raced.oof_score_ > -0.3
    trained.clear()
    clone(raced).set_params(candidates=candidates[:2]).fit(*data)  # both may weigh something
    assert trained == [4 * [loser] + 4 * [winner]]


def test_greedy_weights():
    # The best mix is 3 to 1; the second candidate alone is the worst of three.
    best = np.array([0.75, 0.25, 0.0])
    weights = chosen_weights(lambda w: -np.square(w - best).sum(), 3)
    assert_allclose(weights, best)
    assert_array_equal(chosen_weights(lambda w: w[1], 2), [0, 1])


@pytest.mark.parametrize("multilabel", [False, True])
def test_temperature(multilabel):
    p = np.array([[0.9, 0.1], [0.5, 0.5]])
    q = tempered(p, 2.0, multilabel=multilabel)
    assert_allclose(q[0, 0] / q[0, 1] if not multilabel else q[0, 0] / (1 - q[0, 0]), 3.0)
    assert_allclose(q[1], 0.5)
    assert tempered(p, 1.0, multilabel=multilabel) is p


def test_the_temperature_has_the_smallest_log_loss_on_held_out_rows(classifier):
    log_p = np.log(classifier.oof_proba_)
    for factor in (0.98, 1.02):
        other = tempered(np.exp(log_p), factor, multilabel=False)
        assert log_loss(Y, other) >= log_loss(Y, classifier.oof_proba_) - 1e-9


def test_a_single_row_does_not_decide_the_temperature(classifier):
    model, (_, rows) = copy.copy(classifier), clone(CLASSIFIER)._read(X, Y, None)

    def chosen(p):
        out_of_fold = OutOfFold(replace(rows, numbers=np.arange(len(X))), p[None])
        model._set_out_of_fold(classifier.estimators_[0], out_of_fold, np.ones(1))
        return model.temperature_

    right = np.random.default_rng(0).random(len(X)) < 0.8
    p = np.full((len(X), 3), 0.1)
    p[np.arange(len(X)), np.where(right, Y, (Y + 1) % 3)] = 0.8
    before = chosen(p)
    p[np.argmax(right)] = np.where(np.arange(3) == Y[np.argmax(right)], 1e-60, 0.5)
    of_truth = [
        probability_of(Y, tempered(p, x, multilabel=False), model.classes_)
        for x in (before, 2 * before)
    ]
    assert np.log(of_truth[1]).mean() > np.log(of_truth[0]).mean() + 0.1
    assert chosen(p) == pytest.approx(before, rel=0.2)


# ---------------------------------------------------------------------- rows, weights and targets


def test_few_rows_are_not_held_out():
    model = clone(CLASSIFIER).fit(X[::2], Y[::2])
    assert len(model.estimators_) == 3 * len(CANDIDATES)
    assert len({network.coefs_[0][0, 0] for network in model.estimators_}) == 3 * len(CANDIDATES)
    assert_allclose(model.candidate_weights_, 1 / 2)
    assert np.isnan(model.candidate_scores_).all()
    assert np.isnan(model.oof_score_)
    assert model.oof_proba_ is None
    assert model.temperature_ == 1
    assert model.score(X, Y) > 0.5


def test_rows_of_weight_0_are_ignored():
    weight = np.where(np.arange(len(X)) % 3, 1.0, 0.0)
    rows = weight > 0
    model = clone(CLASSIFIER).fit(X, Y, weight)
    other = clone(CLASSIFIER).fit(X[rows], Y[rows])
    assert_allclose(model.predict_proba(X), other.predict_proba(X), 1e-6, 1e-9)
    assert_array_equal(np.isnan(model.oof_proba_).any(axis=1), ~rows)


def test_levels_of_rows_of_weight_0_are_unknown():
    table = pd.DataFrame({"width": X[:, 0], "kind": np.where(X[:, 2] > 4, "long", "short")})
    table.loc[5, "kind"] = "other"
    weight = np.where(np.arange(len(X)) % 5, 1.0, 0.0)
    model = clone(CLASSIFIER).fit(table, Y, weight)
    other = clone(CLASSIFIER).fit(table[weight > 0], Y[weight > 0])
    assert_allclose(model.predict_proba(table), other.predict_proba(table), 1e-6, 1e-9)
    assert model.estimators_[0].categories_[1].tolist() == ["long", "short"]


def test_groups_stay_together():
    groups = np.repeat(np.arange(30), 5)
    order = np.random.RandomState(0).permutation(len(X))
    model = clone(CLASSIFIER).set_params(candidates=[{}])
    by_name = clone(model).fit(X[order], Y[order], groups=groups)
    assert np.isfinite(by_name.oof_score_)
    splitter = GroupKFold(3)
    model.set_params(cv=splitter).fit(X[order], Y[order], groups=groups)
    expected = np.full((len(X), 3), np.nan)
    for member, (_, held) in zip(model.estimators_, splitter.split(X, groups=groups), strict=True):
        expected[held] = member.predict_proba(X[order][held])
    expected = tempered(expected, model.temperature_, multilabel=False)
    assert_allclose(model.oof_proba_, expected)


def test_rows_may_be_in_several_folds_or_in_none():
    splits = [(np.arange(50, 150), np.arange(50)), (np.arange(40, 150), np.arange(40))]
    order = np.random.RandomState(0).permutation(len(X))
    model = clone(CLASSIFIER).set_params(cv=splits).fit(X[order], Y[order])
    assert np.isfinite(model.oof_proba_[:50]).all()
    assert np.isnan(model.oof_proba_[50:]).all()


LABELS = np.array([Y > 0, X[:, 0] > 6]).T.astype(int)


@pytest.mark.parametrize("y", [LABELS, csr_array(LABELS)], ids=["dense", "sparse"])
def test_several_labels(y):
    model = clone(CLASSIFIER).fit(X, y)
    assert model.predict_proba(X).shape == LABELS.shape
    assert_array_equal(model.predict(X), model.predict_proba(X) > 0.5)
    assert (model.predict(X) == LABELS).mean() > 0.8
    terms = np.where(LABELS, model.oof_proba_, 1 - model.oof_proba_)
    assert model.oof_score_ == pytest.approx(np.log(terms).mean())


def test_a_class_of_one_row():
    y = Y.astype(object).astype(str)
    y[0] = "rare"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = clone(CLASSIFIER).fit(X, y)
    assert_array_equal(model.classes_, np.unique(y))
    assert set(model.predict(X)) <= set(y)


D2 = {
    "absolute_error": d2_absolute_error_score,
    "poisson": lambda y, p: d2_tweedie_score(y, p, power=1),
    "gamma": lambda y, p: d2_tweedie_score(y, p, power=2),
    "quantile": lambda y, p: d2_pinball_score(y, p, alpha=0.8),
    "huber": r2_score,
}


@pytest.mark.parametrize("loss", D2)
def test_losses(loss):
    model = clone(REGRESSOR).set_params(estimator__loss=loss, estimator__quantile=0.8)
    if loss != "quantile":
        model.set_params(estimator__quantile=0.5)
    model.fit(X_REG, Y_REG)
    assert model.oof_score_ == pytest.approx(D2[loss](Y_REG, model.oof_prediction_))


def test_several_outputs_and_quantiles():
    y = np.array([Y_REG, -Y_REG]).T
    model = clone(REGRESSOR).fit(X_REG, y)
    assert model.predict(X_REG).shape == y.shape
    assert model.oof_score_ == pytest.approx(r2_score(y, model.oof_prediction_))
    levels = {"estimator__loss": "quantile", "estimator__quantile": [0.1, 0.5, 0.9]}
    model = clone(REGRESSOR).set_params(**levels).fit(X_REG, Y_REG)
    assert (np.diff(model.predict(X_REG)) >= 0).all()
    assert model.score(X_REG, Y_REG) > 0


def test_tables():
    table = pd.DataFrame({"width": X[:, 0], "kind": np.where(X[:, 2] > 4, "long", "short")})
    table.loc[::10, "width"] = np.nan
    model = clone(CLASSIFIER).fit(table, Y)
    assert_array_equal(model.feature_names_in_, ["width", "kind"])
    table.loc[0, "kind"] = "unknown"
    assert np.isfinite(model.predict_proba(table)).all()
    assert_array_equal(model.estimators_[0].predict(table[["width", "kind"]]).shape, (150,))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[["kind", "width"]])


# --------------------------------------------------------------------------- as an estimator


def test_for_accuracy():
    model = NormNetClassifier.for_accuracy(random_state=3, cv=2, hidden_layer_sizes=(5,))
    assert model.get_params(deep=False)["cv"] == 2
    assert model.random_state == 3
    assert model.estimator.hidden_layer_sizes == (5,)
    assert model.estimator.label_smoothing == 0
    assert isinstance(NormNetRegressor.for_accuracy(), NormNetEnsembleRegressor)
    assert NormNetRegressor.for_accuracy().estimator is None


def test_it_is_more_accurate_than_a_network():
    data = make_classification(
        600, 20, n_informative=5, n_clusters_per_class=4, flip_y=0.2, random_state=0
    )
    scores = [
        cross_val_score(model, *data, scoring="neg_log_loss", cv=3).mean()
        for model in (
            NormNetClassifier(random_state=0),
            NormNetClassifier.for_accuracy(random_state=0),
        )
    ]
    assert scores[1] > scores[0] + 0.02


def test_pickles(classifier):
    assert_array_equal(
        pickle.loads(pickle.dumps(classifier)).predict_proba(X), classifier.predict_proba(X)
    )


def test_a_failed_fit_leaves_a_fitted_model_alone():
    model = clone(CLASSIFIER).fit(X, Y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="Input X contains infinity"):
        model.fit(np.where(X > 7, np.inf, X), Y)
    with pytest.raises(ValueError, match="unknown_parameter"):
        clone(CLASSIFIER).set_params(candidates=[{"unknown_parameter": 1}]).fit(X, Y)
    assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"candidates": []},
            r"candidates must be a list of at least one dict of parameters. Got \[\]",
        ),
        (
            {"candidates": [3]},
            r"candidates must be a list of at least one dict of parameters. Got \[3\]",
        ),
        (
            {"estimator": NormNetRegressor()},
            "a NormNetClassifier or None. Got NormNet",
        ),
        ({"cv": 1}, "cv"),
    ],
)
def test_invalid_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        clone(CLASSIFIER).set_params(**parameters).fit(X, Y)


def test_scores_of_real_tables():
    data = load_breast_cancer(return_X_y=True)
    assert cross_val_score(clone(CLASSIFIER), *data, cv=2).mean() > 0.93
