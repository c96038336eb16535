"""Halving searches: scikit-learn's, trained as packs; survivors of a rung of epochs go on."""

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknormnet import (
    NormNetClassifier,
    NormNetRegressor,
    PackedGridSearchCV,
    PackedHalvingGridSearchCV,
    PackedHalvingRandomSearchCV,
)
from sknormnet.estimators import halving, search
from sknormnet.estimators._sklearn import HalvingGridSearchCV, HalvingRandomSearchCV
from sknormnet.estimators.search import last_step
from sknormnet.inspection import TrainingRecorder
from sknormnet.training.schedules import Cosine
from sknormnet.training.trainer import Trainer

X, Y = load_digits(return_X_y=True)
X, Y = scale(X)[:160], Y[:160] > 4
X_REG, Y_REG = load_diabetes(return_X_y=True)
X_REG, Y_REG = scale(X_REG)[:150], Y_REG[:150]
SMALL = {"hidden_layer_sizes": (9,), "max_iter": 4, "input_bins": 0, "random_state": 0}
CLASSIFIER, REGRESSOR = NormNetClassifier(**SMALL), NormNetRegressor(**SMALL)
GRID = {"alpha": [0.0, 0.1, 1.0], "keep_prob": [1.0, 0.8, 0.5]}
STEP = "normnetclassifier__"
PIPELINE = make_pipeline(StandardScaler(), CLASSIFIER)
EPOCHS = {"resource": "max_iter", "max_resources": 9, "cv": 2, "scoring": "neg_log_loss"}
TRAINED = 2 * (9 * 1 + 3 * 2 + 1 * 7)  # epochs of 9, 3 and 1 candidates on two folds
ANEW = 2 * (9 * 1 + 3 * 3 + 1 * 9)


class Noise(TransformerMixin, BaseEstimator):
    """Gives other rows in each fit."""

    def fit(self, X, y=None):
        self.offset_ = np.random.default_rng().normal()
        return self

    def transform(self, X):
        return X + self.offset_


def same_results(found, expected):
    """All but the times."""
    assert found.cv_results_.keys() == expected.cv_results_.keys()
    for name, values in expected.cv_results_.items():
        if name.startswith(("split", "mean_test", "std_test", "mean_train", "std_train")):
            assert_allclose(found.cv_results_[name], values, 1e-9, 1e-9, err_msg=name)
        elif "time" not in name:
            assert np.ma.asarray(found.cv_results_[name]).tolist() == np.ma.asarray(values).tolist()
    for name in [x for x in vars(expected) if x.endswith("_") and x.startswith(("n_", "m"))]:
        assert getattr(found, name) == getattr(expected, name), name
    assert vars(found).keys() == vars(expected).keys()
    assert found.best_index_ == expected.best_index_


def both(model, space, X, y, kind=HalvingGridSearchCV, fit=(), **settings):
    """A search of ours and of scikit-learn's, which found the same."""
    grid = kind is HalvingGridSearchCV
    ours = PackedHalvingGridSearchCV if grid else PackedHalvingRandomSearchCV
    found, expected = (x(clone(model), space, **settings) for x in (ours, kind))
    found.fit(X, y, **dict(fit))
    expected.fit(X, y, **dict(fit))
    same_results(found, expected)
    return found


@pytest.fixture
def trained(monkeypatch):
    """The epochs of all networks."""
    epochs, end_epoch = [], Trainer.end_epoch

    def counted(trainer, *args, **kwargs):
        epochs.append(trainer.history.n_iter + 1)
        return end_epoch(trainer, *args, **kwargs)

    monkeypatch.setattr(Trainer, "end_epoch", counted)
    return epochs


@pytest.fixture
def all_packed(monkeypatch):
    """No task may be run on its own."""

    def never(task):
        raise AssertionError("fitted on its own")

    monkeypatch.setattr(search.Task, "run", never)


# -------------------------------------------------------------- resources as scikit-learn has them


@pytest.mark.usefixtures("all_packed")
@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize(
    ("model", "space", "data"),
    [
        (CLASSIFIER, GRID, (X, Y)),
        (REGRESSOR, GRID, (X_REG, Y_REG)),
        (PIPELINE, {STEP + name: values for name, values in GRID.items()}, (X, Y)),
        (CLASSIFIER, {**GRID, "hidden_layer_sizes": [(9,), (5, 3)]}, (sparse.csr_array(X), Y)),
        (CLASSIFIER, GRID, (pd.DataFrame(X).add_prefix("x"), Y)),
    ],
    ids=["classifier", "regressor", "pipeline", "sparse", "pandas"],
)
def test_rows_as_the_resource(model, space, data):
    found = both(model, space, *data, cv=3, random_state=0, min_resources=50)
    assert found.n_resources_ == [50, 150]
    assert found.n_candidates_[0] == len(found.cv_results_["params"]) - found.n_candidates_[1]


@pytest.mark.usefixtures("all_packed")
def test_another_parameter_as_the_resource():
    settings = {"resource": "n_members", "max_resources": 4, "factor": 2, "cv": 2}
    found = both(CLASSIFIER, {"alpha": [0.0, 0.5, 1.0, 2.0]}, X, Y, **settings)
    assert found.n_resources_ == [1, 2, 4]
    assert found.best_params_["n_members"] == 4


@pytest.mark.usefixtures("all_packed")
def test_random_candidates():
    space = {"learning_rate_init": loguniform(1e-3, 1e-1), "keep_prob": [1.0, 0.8, 0.5]}
    settings = {"random_state": 3, "cv": 2, "n_candidates": 5, "min_resources": 40}
    both(CLASSIFIER, space, X, Y, HalvingRandomSearchCV, **settings)


@pytest.mark.usefixtures("all_packed")
def test_weights_and_groups():
    rng = np.random.default_rng(0)
    fit = {"sample_weight": rng.integers(0, 3, len(Y)), "groups": rng.integers(0, 5, len(Y))}
    settings = {"cv": GroupKFold(3), "min_resources": 60, "random_state": 0, "factor": 2}
    both(CLASSIFIER, GRID, X, Y, fit=fit, **settings)


# ------------------------------------------------------------------ survivors of a rung of epochs


def last_rung(found):
    """Parameters and scores of the candidates that were trained to the end."""
    results = found.cv_results_
    rows = np.flatnonzero(results["iter"] == found.n_iterations_ - 1)
    names = [x for x in results if x.startswith("split")]
    params = [results["params"][i] for i in rows]
    return params, {name: results[name][rows] for name in names}


def fitted_in_one_go(found, X, y, **fit):
    """Scores of the same candidates where each is one fit with its `max_iter`."""
    params, _ = last_rung(found)
    grid = [{name: [value] for name, value in candidate.items()} for candidate in params]
    settings = {"cv": found.cv, "scoring": found.scoring, "return_train_score": True}
    plain = PackedGridSearchCV(found.estimator, grid, refit=False, **settings).fit(X, y, **fit)
    return {name: values for name, values in plain.cv_results_.items() if name.startswith("split")}


VARIANTS = {
    "classifier": (CLASSIFIER, (X, Y)),
    "regressor": (REGRESSOR, (X_REG, Y_REG)),
    "float32": (CLASSIFIER, (X.astype(np.float32), Y)),
    "pipeline": (PIPELINE, (X, Y)),
    "sparse": (CLASSIFIER, (sparse.csr_array(X * (X > 0)), Y)),
    "pandas": (CLASSIFIER, (pd.DataFrame(X).add_prefix("x"), Y)),
    "bins": (clone(CLASSIFIER).set_params(input_bins=3), (X, Y)),
    "ensemble": (clone(CLASSIFIER).set_params(n_members=2), (X, Y)),
    "large network": (clone(CLASSIFIER).set_params(hidden_layer_sizes=(400, 300)), (X, Y)),
    "onecycle": (clone(CLASSIFIER).set_params(learning_rate="onecycle", solver="sgd"), (X, Y)),
    "early stopping": (
        clone(CLASSIFIER).set_params(early_stopping=True, learning_rate_init=0.1),
        (X, Y),
    ),
    "stalls": (
        clone(REGRESSOR).set_params(learning_rate="adaptive", tol=0.05, n_iter_no_change=1),
        (X_REG, Y_REG),
    ),
}


@pytest.mark.usefixtures("all_packed")
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=list(VARIANTS))
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_survivor_is_the_network_of_one_fit(variant, n_jobs, trained):
    model, (X, y) = variant
    step = STEP if model is PIPELINE else ""
    scoring = "neg_log_loss" if y is Y else "neg_mean_squared_error"
    settings = {**EPOCHS, "resource": f"{step}max_iter", "scoring": scoring, "n_jobs": n_jobs}
    space = {step + name: values for name, values in GRID.items()}
    found = PackedHalvingGridSearchCV(model, space, refit=False, **settings).fit(X, y)
    assert found.n_resources_ == [1, 3, 9]
    assert found.n_candidates_ == [9, 3, 1]
    if n_jobs == 1 and last_step(model).n_iter_no_change > 1:
        assert len(trained) == TRAINED * model.get_params().get("n_members", 1)
    expected = fitted_in_one_go(found, X, y)
    for name, scores in last_rung(found)[1].items():
        assert_array_equal(scores, expected[name])


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_rung_is_a_part_of_the_largest_plan_with_a_cooldown(schedule):
    model = clone(CLASSIFIER).set_params(learning_rate=schedule)
    found = PackedHalvingGridSearchCV(model, GRID, **EPOCHS | {"max_resources": 27}).fit(X, Y)
    for n_epochs, cooldown in ((3, 1), (9, 3)):

        def part(progress, n_epochs=n_epochs, cooldown=cooldown):
            left = (1 - progress) * n_epochs / cooldown
            return Cosine().factor(progress * n_epochs / 27, 0, 0) * min(1, left)

        rows = np.flatnonzero(found.cv_results_["n_resources"] == n_epochs)
        grid = [{k: [v] for k, v in found.cv_results_["params"][i].items()} for i in rows]
        if schedule == "cosine":
            model.set_params(learning_rate=part)
        plain = PackedGridSearchCV(model, grid, cv=2, scoring="neg_log_loss").fit(X, Y)
        expected = plain.cv_results_["mean_test_score"]
        assert_allclose(found.cv_results_["mean_test_score"][rows], expected, 1e-9)


def test_the_best_estimator_is_fitted_with_the_best_parameters():
    found = PackedHalvingGridSearchCV(CLASSIFIER, GRID, **EPOCHS).fit(X, Y)
    expected = clone(CLASSIFIER).set_params(**found.best_params_).fit(X, Y)
    assert found.best_estimator_.n_iter_ == 9
    assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_attributes_are_scikit_learns():
    settings = {**EPOCHS, "factor": 2, "random_state": 0, "n_candidates": 6}
    space = {"learning_rate_init": loguniform(1e-3, 1e-1), "alpha": [0.0, 1.0]}
    found, expected = (
        kind(CLASSIFIER, space, **settings).fit(X, Y)
        for kind in (PackedHalvingRandomSearchCV, HalvingRandomSearchCV)
    )
    assert vars(found).keys() == vars(expected).keys()
    assert found.cv_results_.keys() == expected.cv_results_.keys()
    for name in ("n_resources_", "n_candidates_", "n_iterations_", "n_remaining_candidates_"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.get_params().keys() == expected.get_params().keys()
    assert_array_equal(found.cv_results_["n_resources"], expected.cv_results_["n_resources"])
    assert (found.cv_results_["mean_fit_time"] > 0).all()


def test_scorers_know_the_epochs_of_the_rung():
    def scorer(estimator, X, y):
        seen.append((estimator.max_iter, estimator.n_iter_, len(estimator.loss_curve_)))
        return -estimator.alpha

    seen = []
    settings = {**EPOCHS, "scoring": scorer, "return_train_score": False}
    found = PackedHalvingGridSearchCV(CLASSIFIER, GRID, **settings).fit(X, Y)
    assert found.best_params_["alpha"] == 0
    assert seen == [(1, 1, 1)] * 18 + [(3, 3, 3)] * 6 + [(9, 9, 9)] * 2


def test_a_replayed_rung_trains_its_cooldown_only(trained):
    settings = {**EPOCHS, "aggressive_elimination": True, "min_resources": 4, "max_resources": 12}
    found = PackedHalvingGridSearchCV(CLASSIFIER, GRID, refit=False, **settings).fit(X, Y)
    assert found.n_resources_ == [4, 4, 12]
    assert len(trained) == 2 * (9 * 4 + 3 * 1 + 1 * 9)
    first, replayed, _ = np.split(found.cv_results_["mean_test_score"], [9, 12])
    assert_allclose(np.sort(replayed), np.sort(first)[-3:], 1e-9)


SCORED = {
    "fit_error": None, "test_scores": 0.0, "train_scores": 0.0, "n_test_samples": 2,
    "fit_time": 0.0, "score_time": 0.0,
}  # fmt: skip


@pytest.mark.parametrize("aggressive", [False, True])
def test_the_plan_is_that_of_the_last_rung(aggressive, monkeypatch):
    planned = []
    monkeypatch.setattr(
        halving.RungParallel,
        "received",
        lambda self, task, result: planned.append(task.n_epochs) or result,
    )
    monkeypatch.setattr(search.Task, "run", lambda task: SCORED.copy())
    data = np.zeros((4, 1)), np.array([0, 0, 1, 1])
    cases = itertools.product([1, 2, 8, 9, 27], [1, 3], [7, 9, 40], [1.7, 2, 3])
    for n_candidates, least, most, factor in cases:
        planned.clear()
        found = PackedHalvingGridSearchCV(
            LogisticRegression(), {"C": np.arange(n_candidates)}, resource="max_iter", cv=2,
            min_resources=least, max_resources=most, factor=factor, refit=False,
            aggressive_elimination=aggressive, scoring=lambda *args: 0.0,
        )  # fmt: skip
        found.fit(*data)
        assert {*planned} == {found.n_resources_[-1]}


# ------------------------------------------------------------------------------ starting anew


@pytest.mark.parametrize(
    ("model", "space"),
    [
        (LogisticRegression(tol=1e-9), {"C": [0.01, 0.1, 1.0]}),
        (clone(CLASSIFIER).set_params(solver="lbfgs", keep_prob=1.0), {"alpha": [0.1, 1.0, 9.0]}),
    ],
    ids=["another estimator", "lbfgs"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_cannot_pause_starts_anew(model, space):
    found = both(model, space, X, Y, **EPOCHS)
    assert found.n_resources_ == [3, 9]


def test_networks_with_callbacks_start_anew(trained):
    pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9 has no callbacks")
    model = TrainingRecorder().watch(clone(CLASSIFIER))
    PackedHalvingGridSearchCV(model, GRID, refit=False, **EPOCHS).fit(X, Y)
    assert len(trained) == ANEW


def test_steps_that_give_other_rows_in_each_fit_have_networks_start_anew(trained):
    settings = {**EPOCHS, "resource": STEP + "max_iter", "refit": False}
    space = {STEP + name: values for name, values in GRID.items()}
    for step, n_epochs in ((StandardScaler(), TRAINED), (Noise(), ANEW)):
        trained.clear()
        model = make_pipeline(step, CLASSIFIER)
        PackedHalvingGridSearchCV(model, space, **settings).fit(X, Y)
        assert len(trained) == n_epochs


@pytest.mark.parametrize(("early_stopping", "n_epochs"), [(False, TRAINED), (True, ANEW)])
def test_held_out_rows_must_stay_the_same(early_stopping, n_epochs, trained):
    model = clone(CLASSIFIER).set_params(random_state=None, early_stopping=early_stopping)
    PackedHalvingGridSearchCV(model, GRID, refit=False, **EPOCHS).fit(X, Y)
    assert len(trained) == n_epochs


def test_paused_fits_beyond_the_limit_start_anew(monkeypatch, trained):
    expected = PackedHalvingGridSearchCV(CLASSIFIER, GRID, refit=False, **EPOCHS).fit(X, Y)
    assert len(trained) == TRAINED
    for limit, n_epochs in ((0, ANEW), (200_000, TRAINED)):  # 12 of 18 fits
        trained.clear()
        monkeypatch.setattr(halving, "KEPT", limit)
        found = PackedHalvingGridSearchCV(CLASSIFIER, GRID, refit=False, **EPOCHS).fit(X, Y)
        assert len(trained) == n_epochs
        same_results(found, expected)


def test_a_paused_fit_holds_no_rows(monkeypatch):
    sizes, received = [], halving.RungParallel.received

    def measured(self, task, result):
        sizes.append((len(pickle.dumps(result["paused"])), getattr(result["paused"], "nbytes", 0)))
        return received(self, task, result)

    monkeypatch.setattr(halving.RungParallel, "received", measured)
    PackedHalvingGridSearchCV(CLASSIFIER, GRID, **EPOCHS).fit(X, Y)
    n_parameters = 64 * 9 + 9 + 2 * 9 + 9 + 1
    for pickled, nbytes in sizes[:-2]:
        assert 8 * 3 * n_parameters < nbytes < 8 * 3 * n_parameters + 8 * 3 * 9
        assert pickled < nbytes + 8 * 64 * 9
    assert sizes[-2:] == [(len(pickle.dumps(None)), 0)] * 2  # none after the last rung


# ----------------------------------------------------------------------- errors, messages, copies


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"resource": "depth", "max_resources": 9},
            "Cannot use resource=depth which is not supported by estimator NormNetClassifier",
        ),
        ({"resource": "max_iter"}, "resource can only be 'n_samples' when max_resources='auto'"),
        (
            {"resource": "alpha", "max_resources": 9},
            "Cannot use parameter alpha as the resource since it is part of the searched",
        ),
        ({"min_resources": 500}, "min_resources_=500 is greater than max_resources_=160"),
        ({"factor": 0}, "The 'factor' parameter of PackedHalvingGridSearchCV must be"),
        ({"cv": KFold(shuffle=True)}, "The cv parameter must yield consistent folds"),
    ],
)
def test_errors_are_scikit_learns(settings, message):
    with pytest.raises(ValueError, match=message):
        PackedHalvingGridSearchCV(CLASSIFIER, GRID, **settings).fit(X, Y)


@pytest.mark.filterwarnings("ignore:One or more of the t(est|rain) scores are non-finite")
def test_a_fit_that_fails_is_out():
    space = {"keep_prob": [0.8, 2.0, 0.9]}
    with pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 6"):
        found = PackedHalvingGridSearchCV(CLASSIFIER, space, **EPOCHS).fit(X, Y)
    assert np.isnan(found.cv_results_["mean_test_score"]).tolist() == [False, True, False, False]
    strict = PackedHalvingGridSearchCV(CLASSIFIER, space, error_score="raise", **EPOCHS)
    with pytest.raises(ValueError, match="The 'keep_prob' parameter of NormNetClassifier must be"):
        strict.fit(X, Y)


def test_a_rung_does_not_warn_that_its_epochs_are_few():
    model = clone(CLASSIFIER).set_params(learning_rate="constant")
    with pytest.warns(ConvergenceWarning, match="Maximum iterations") as caught:
        PackedHalvingGridSearchCV(model, GRID, refit=False, **EPOCHS).fit(X, Y)
    assert {str(x.message).split(")")[0] for x in caught} == {
        "Stochastic Optimizer: Maximum iterations (9"
    }


def test_progress_is_told(capsys):
    settings = {**EPOCHS, "verbose": 1, "refit": False}
    PackedHalvingGridSearchCV(CLASSIFIER, GRID, **settings).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "n_iterations: 3"
    told = [line.split(" fits")[0] for line in lines if line.startswith(("Fit", "[Pack"))]
    assert told[1::2] == ["[Pack 1/1] 18 of 18", "[Pack 1/1] 6 of 6", "[Pack 1/1] 2 of 2"]


def test_a_search_can_be_copied():
    found = PackedHalvingGridSearchCV(CLASSIFIER, GRID, **EPOCHS).fit(X, Y)
    copied = pickle.loads(pickle.dumps(found))
    same_results(copied, found)
    assert_array_equal(copied.predict(X), found.predict(X))
    assert not hasattr(clone(found), "cv_results_")
    assert repr(clone(found)).startswith("PackedHalvingGridSearchCV(")
