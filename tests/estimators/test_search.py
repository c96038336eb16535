"""Packed searches find what scikit-learn's searches over the same estimator find."""

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from peak_memory import peak_of
from scipy import sparse
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_diabetes, load_digits, make_multilabel_classification
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RandomizedSearchCV,
    ShuffleSplit,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler, scale

from sknormnet import (
    NormNetClassifier,
    NormNetRegressor,
    PackedGridSearchCV,
    PackedRandomizedSearchCV,
)
from sknormnet.estimators import prepared
from sknormnet.estimators import search as packed
from sknormnet.estimators._sklearn import generating_parallel

X, Y = load_digits(return_X_y=True)
X, Y = scale(X)[:203], Y[:203]  # folds of 40 and 41 rows
X_REG, Y_REG = load_diabetes(return_X_y=True)
X_REG, Y_REG = scale(X_REG)[:150], Y_REG[:150]
MULTILABEL = make_multilabel_classification(120, 8, n_classes=3, random_state=0)
SMALL = {"hidden_layer_sizes": (9,), "max_iter": 4, "random_state": 0}
CLASSIFIER, REGRESSOR = NormNetClassifier(**SMALL), NormNetRegressor(**SMALL)
PIPELINE = make_pipeline(StandardScaler(), CLASSIFIER)
GRID = {"batchnorm": [False, True], "keep_prob": [1.0, 0.8], "alpha": [0.0, 1.0]}
STEP = "normnetclassifier__"


class Shrunk(TransformerMixin, BaseEstimator):
    """As a target encoder does, it treats the rows that it is fitted on otherwise."""

    def fit(self, X, y=None):
        self.is_fitted_ = True
        return self

    def transform(self, X):
        return X

    def fit_transform(self, X, y=None):
        return self.fit(X).transform(X) / 2


class InPlace(TransformerMixin, BaseEstimator):
    """Changes all that it gets, and hides a parameter when it is pickled."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def __getstate__(self):
        return {**super().__getstate__(), "factor": None}

    def fit(self, X, y=None, sample_weight=None):
        y += 1
        if sample_weight is not None:
            sample_weight[::2] = 0
        self.is_fitted_ = True
        return self

    def transform(self, X):
        X *= self.factor
        X += 1
        return X


class Failing(TransformerMixin, BaseEstimator):
    """Raises an error in each fit but the first ones."""

    calls = 0

    def __init__(self, error=ValueError, after=0):
        self.error, self.after = error, after

    def fit(self, X, y=None):
        Failing.calls += 1
        if Failing.calls > self.after:
            raise self.error("this step fails")
        self.is_fitted_ = True
        return self

    def transform(self, X):
        return X


class OwnFit(NormNetClassifier):
    """Does more in `fit` than a network does."""

    def fit(self, X, y, **params):
        return super().fit(-X, y, **params)


def same_results(found, expected, tolerance=1e-9):
    """All but the times."""
    assert found.cv_results_.keys() == expected.cv_results_.keys()
    for name, values in expected.cv_results_.items():
        if name.startswith(("split", "mean_test", "std_test", "mean_train", "std_train")):
            assert_allclose(found.cv_results_[name], values, tolerance, tolerance, err_msg=name)
        elif "time" not in name:
            assert np.ma.asarray(found.cv_results_[name]).tolist() == np.ma.asarray(values).tolist()
    assert (found.cv_results_["mean_fit_time"] > 0).all()


def both(model, grid, X, y, fit=(), kind=GridSearchCV, **settings):
    """A search of ours and of scikit-learn's, which found the same."""
    ours = PackedGridSearchCV if kind is GridSearchCV else PackedRandomizedSearchCV
    found, expected = ours(clone(model), grid, **settings), kind(clone(model), grid, **settings)
    found.fit(X, y, **dict(fit))
    expected.fit(X, y, **dict(fit))
    same_results(found, expected)
    return found, expected


def never(*args, **kwargs):
    raise AssertionError("fitted on its own")


@pytest.fixture
def all_packed(monkeypatch):
    """No task may be run on its own."""
    monkeypatch.setattr(packed.Task, "run", never)


EQUAL = {
    "classifier": (CLASSIFIER, GRID, X, Y),
    "float32": (CLASSIFIER, GRID, X.astype(np.float32), Y),
    "regressor": (REGRESSOR, GRID, X_REG, Y_REG),
    "several outputs": (REGRESSOR, GRID, X_REG, np.c_[Y_REG, -Y_REG]),
    "multilabel": (CLASSIFIER, GRID, *MULTILABEL),
    "two classes": (CLASSIFIER, GRID, X, Y > 4),
    "sparse": (CLASSIFIER, GRID, sparse.csr_matrix(X * (X > 0)), Y),
    "pipeline": (PIPELINE, {STEP + name: values for name, values in GRID.items()}, X, Y),
    "sparse pipeline": (
        make_pipeline(MaxAbsScaler(), CLASSIFIER),
        {STEP + "keep_prob": [1.0, 0.5], STEP + "input_keep_prob": [1.0, 0.8]},
        sparse.csr_matrix(X * (X > 0)),
        Y,
    ),
    "steps are searched too": (
        make_pipeline(StandardScaler(), PCA(svd_solver="full"), CLASSIFIER),
        {"pca__n_components": [5, 9], STEP + "alpha": [0.0, 1.0]},
        X,
        Y,
    ),
    "steps that transform training rows otherwise": (
        make_pipeline(Shrunk(), CLASSIFIER),
        {STEP + "alpha": [0.0, 1.0]},
        X,
        Y > 4,
    ),
    "all that may differ in a stack": (
        CLASSIFIER,
        [
            {"init": ["he_normal", "zeros"], "learning_rate_init": [0.01, 0.003]},
            {"learning_rate": ["cosine", "onecycle", "constant"], "weight_decay": [0.0, 0.5]},
            {"class_weight": ["balanced", None], "random_state": [1, 2]},
            {"max_grad_norm": [None, 0.1], "keep_prob": [0.9]},
            {"weight_averaging": [0.0, 0.5]},
        ],
        X,
        Y,
    ),
    "inputs in bins": (
        clone(CLASSIFIER),
        {"input_bins": [0, 4], "alpha": [0.0, 1.0]},
        X,
        Y,
    ),
    "momentum": (
        clone(CLASSIFIER).set_params(solver="sgd", learning_rate_init=0.1),
        {"momentum": [0.0, 0.5, 0.9], "nesterovs_momentum": [False, True]},
        X,
        Y,
    ),
    "all that may not": (
        CLASSIFIER,
        [
            {"hidden_layer_sizes": [(), (5, 3)], "activation": ["tanh", "relu"]},
            {"solver": ["adam", "lbfgs", "nadam"], "keep_prob": [1.0]},
            {"batch_size": [20, 50, "auto"], "label_smoothing": [0.0, 0.1]},
            {"max_iter": [3, 5], "dtype": ["float32", "float64"], "shuffle": [False]},
        ],
        X,
        Y,
    ),
    "early stopping": (
        clone(CLASSIFIER).set_params(early_stopping=True, max_iter=30, n_iter_no_change=2),
        {"learning_rate_init": [0.01, 0.03, 0.1], "scoring": [None, "loss", "f1_macro"]},
        X,
        Y,
    ),
    "stalls": (
        clone(REGRESSOR).set_params(
            learning_rate="adaptive", tol=0.05, max_iter=60, n_iter_no_change=2
        ),
        {"learning_rate_init": [0.01, 0.03, 0.1]},
        X_REG,
        Y_REG,
    ),
    "ensembles": (CLASSIFIER, {"n_members": [1, 3], "keep_prob": [1.0, 0.8]}, X, Y),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.usefixtures("all_packed")
@pytest.mark.parametrize("case", EQUAL.values(), ids=list(EQUAL))
def test_the_result_is_that_of_grid_search(case):
    found, expected = both(*case, cv=3, return_train_score=True)
    X = case[2]
    raw = "predict" if not hasattr(expected, "decision_function") else "decision_function"
    assert_allclose(getattr(found, raw)(X), getattr(expected, raw)(X), 1e-9, 1e-9)
    assert found.best_params_ == expected.best_params_
    assert found.best_score_ == pytest.approx(expected.best_score_, abs=1e-9)
    assert type(found.best_estimator_) is type(expected.best_estimator_)
    assert vars(found.best_estimator_).keys() == vars(expected.best_estimator_).keys()


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.usefixtures("all_packed")
def test_log_loss_is_that_of_grid_search():
    # Finer than accuracy: one row that is predicted a little differently is seen.
    grid = {**GRID, "hidden_layer_sizes": [(9,), (12, 7)], "max_iter": [15]}
    both(CLASSIFIER, grid, X, Y, cv=4, scoring="neg_log_loss")


@pytest.mark.usefixtures("all_packed")
def test_weights_and_groups():
    rng = np.random.default_rng(0)
    fit = {"sample_weight": rng.integers(0, 3, len(Y)), "groups": rng.integers(0, 5, len(Y))}
    both(CLASSIFIER, GRID, X, Y, fit, cv=GroupKFold(4))
    with_step = {f"{STEP}sample_weight": fit["sample_weight"]}
    both(PIPELINE, {STEP + "alpha": [0.0, 1.0]}, X, Y, with_step, cv=KFold(3))


@pytest.mark.usefixtures("all_packed")
def test_weights_of_0_in_a_table():
    table = pd.DataFrame({"width": X[:, 0], "kind": np.where(X[:, 2] > 0, "long", "short")})
    table.loc[0, "kind"] = "other"
    weight = (np.arange(len(Y)) % 5 > 0).astype(float)
    both(CLASSIFIER, {"alpha": [0.0, 1.0]}, table, Y, {"sample_weight": weight}, cv=KFold(3))


@pytest.mark.usefixtures("all_packed")
def test_randomized():
    distributions = {"learning_rate_init": loguniform(1e-3, 1e-1), "keep_prob": [1.0, 0.8, 0.5]}
    settings = {"n_iter": 7, "random_state": 3, "cv": ShuffleSplit(3, random_state=0)}
    both(CLASSIFIER, distributions, X, Y, kind=RandomizedSearchCV, **settings)


@pytest.mark.usefixtures("all_packed")
def test_several_scorers_and_a_callable_refit():
    def least(results):
        return int(np.argmin(results["mean_test_loss"]))

    scoring = {"loss": "neg_log_loss", "accuracy": "accuracy"}
    found, expected = both(CLASSIFIER, GRID, X, Y > 4, cv=3, scoring=scoring, refit=least)
    assert found.best_index_ == expected.best_index_
    found, _ = both(CLASSIFIER, GRID, X, Y > 4, cv=3, scoring=scoring, refit=False)
    with pytest.raises((NotFittedError, AttributeError)):
        found.predict(X)


@pytest.mark.usefixtures("all_packed")
def test_folds_without_some_classes():
    y = np.where(np.arange(len(Y)) < 30, Y, Y % 3)  # classes 3 to 9 in the first fold only
    both(CLASSIFIER, GRID, X, y, cv=KFold(4))


CONTAINERS = {
    "ndarray": np.array,
    "Fortran order": np.asfortranarray,
    "pandas": lambda X: pd.DataFrame(X).add_prefix("x"),
    "polars": lambda X: pl.DataFrame(X, schema=[f"x{i}" for i in range(X.shape[1])]),
    "list": np.ndarray.tolist,
    "CSR": sparse.csr_matrix,
    "CSC": sparse.csc_array,
}


@pytest.mark.usefixtures("all_packed")
@pytest.mark.parametrize("limit", [2**26, 1])  # of training rows in bytes
@pytest.mark.parametrize("container", CONTAINERS.values(), ids=list(CONTAINERS))
def test_containers(container, limit, monkeypatch):
    monkeypatch.setattr(packed, "LARGE", limit)
    rows = container(X * (X > 0))
    pipeline = make_pipeline(MaxAbsScaler(), CLASSIFIER)
    for model, name in ((CLASSIFIER, "alpha"), (pipeline, STEP + "alpha")):
        found, expected = both(model, {name: [0.0, 0.5, 1.0]}, rows, Y > 4, cv=3)
        assert hasattr(found, "feature_names_in_") == hasattr(expected, "feature_names_in_")


@pytest.mark.parametrize("return_train_score", [False, True])
@pytest.mark.parametrize(
    ("step", "values"),
    [
        ("0", [StandardScaler(copy=False), "passthrough", StandardScaler()]),
        ("0__with_mean", [True, False]),
    ],
)
@pytest.mark.filterwarnings("ignore:Training has learned little")
def test_a_step_that_works_in_place_changes_no_other_fit(step, values, return_train_score):
    net = clone(CLASSIFIER).set_params(max_iter=15, scale_inputs=None)
    model = Pipeline([("0", StandardScaler(copy=False)), ("net", net)])
    rows = X[:, :6] * [1, 10, 100, 5, 1, 1] + [3, 50, 1, 0, 2, 9]
    found, _ = both(
        model,
        {step: values, "net__alpha": [0.0, 1.0]},
        rows.copy(),
        Y > 4,
        cv=3,
        scoring="neg_log_loss",
        refit=False,
        return_train_score=return_train_score,
    )
    assert len(np.unique(found.cv_results_["mean_test_score"])) > 2


@pytest.mark.parametrize("return_train_score", [False, True])
def test_a_step_may_change_targets_and_weights_in_place(return_train_score):
    model = Pipeline([("0", InPlace()), ("net", REGRESSOR)])
    grid = {"0__factor": [1.0, 2.0, 3], "net__alpha": [0.0, 1.0]}
    weight = np.ones(len(X_REG))
    fit = {"0__sample_weight": weight, "net__sample_weight": weight}
    settings = {"cv": 3, "refit": False, "return_train_score": return_train_score}
    both(model, grid, X_REG.copy(), Y_REG.copy(), fit, **settings)
    assert (weight == 1).all()


@pytest.mark.usefixtures("all_packed")
def test_steps_are_told_apart_by_parameters_that_their_pickles_hide():
    net = clone(REGRESSOR).set_params(scale_inputs=None)
    model = Pipeline([("0", InPlace()), ("net", net)])
    grid = {"0__factor": [1, 2, 1.0, True, 0.0, -0.0]}
    found, _ = both(model, grid, X_REG.copy(), Y_REG.copy(), cv=3, refit=False)
    first, second, *others = found.cv_results_["mean_test_score"]
    assert first != second
    assert others[0] == first
    steps = [InPlace(1.0), InPlace(2.0)]
    both(model, {"0": steps}, X_REG.copy(), Y_REG.copy(), cv=3, refit=False)


def test_a_class_with_a_fit_of_its_own_is_fitted_by_it():
    both(OwnFit(**SMALL), {"alpha": [0.0, 1.0]}, X, Y > 4, cv=3, scoring="neg_log_loss")


# ------------------------------------------------------------------------------- memory


@pytest.mark.parametrize("container", ["ndarray", "pandas", "CSR"])
@pytest.mark.parametrize("steps", ["no steps", "a step", "variants of a step"])
def test_a_search_holds_the_rows_of_few_folds(container, steps, monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2000, 60)) * (rng.random((2000, 60)) < 0.5)
    y, rows = rows[:, 0] > 0, CONTAINERS[container](rows)
    model = NormNetClassifier((3,), batch_size=200, max_iter=1, input_bins=0, random_state=0)
    grid = {"alpha": [0.0]}
    if steps != "no steps":
        model = make_pipeline(StandardScaler(with_mean=False), model)
        grid = {"standardscaler__with_std": [True, False][: len(steps) // 6]}
    settings = {"cv": 10, "refit": False}
    one_fold = 0.9 * (rows.data.nbytes * 1.5 if container == "CSR" else 2000 * 60 * 8)
    # What a worker may hold, and what it would take to hold all folds of a pack
    monkeypatch.setattr(packed, "LARGE", 2 * one_fold)
    plain = peak_of(GridSearchCV(model, grid, **settings).fit, rows, y)
    assert peak_of(PackedGridSearchCV(model, grid, **settings).fit, rows, y) < plain + 2 * one_fold
    monkeypatch.setattr(packed, "LARGE", np.inf)
    assert peak_of(PackedGridSearchCV(model, grid, **settings).fit, rows, y) > plain + 5 * one_fold


def test_candidates_of_a_fold_share_its_rows_once_converted():
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(2000, 60)))
    rows["integer"] = 1  # so that an array of the columns is a copy
    rows.columns = rows.columns.astype(str)
    y = rows["0"] > 0
    model = NormNetClassifier((3,), batch_size=20, max_iter=1, random_state=0)
    few, many = ({"alpha": np.linspace(0, 1, n)} for n in (2, 20))
    settings = {"cv": [(np.arange(1800), np.arange(1800, 2000))], "refit": False}
    peaks = [
        peak_of(PackedGridSearchCV(model, grid, **settings).fit, rows, y) for grid in (few, many)
    ]
    # Of 18 more candidates, each has buffers for its batches, and none has rows of its own.
    assert peaks[1] - peaks[0] < 9 * 1800 * 60 * 8


@pytest.mark.usefixtures("all_packed")
def test_rows_that_the_next_fits_need_are_kept(monkeypatch):
    monkeypatch.setattr(packed, "CACHE", 0)  # each network is trained on its own
    fits = []
    fit = StandardScaler.fit
    monkeypatch.setattr(
        StandardScaler, "fit", lambda self, *args, **kw: fits.append(1) or fit(self, *args, **kw)
    )
    grid = {STEP + "alpha": [0.0, 0.5, 1.0], STEP + "keep_prob": [0.8]}
    found = PackedGridSearchCV(PIPELINE, grid, cv=3, refit=False).fit(X, Y > 4)
    assert len(fits) == 3
    assert (found.cv_results_["mean_fit_time"] > 0).all()


@pytest.mark.usefixtures("all_packed")
def test_candidates_of_a_fold_share_encoders(monkeypatch):
    fits, fit_inputs = [], prepared.fit_inputs
    monkeypatch.setattr(
        prepared, "fit_inputs", lambda *args, **kw: fits.append(1) or fit_inputs(*args, **kw)
    )
    grid = {"alpha": [0.0, 1.0, 2.0, 3.0], "input_bins": [0, 4]}
    fold = np.arange(150), np.arange(150, 203)
    PackedGridSearchCV(CLASSIFIER, grid, cv=[fold], refit=False).fit(X, Y > 4)
    assert len(fits) == 2  # one for each number of bins


@pytest.mark.usefixtures("all_packed")
def test_workers():
    both(CLASSIFIER, GRID, X, Y > 4, cv=3, n_jobs=2)


def test_what_is_no_network_is_searched_as_ever():
    both(LogisticRegression(), {"C": [0.1, 1.0]}, X, Y > 4, cv=3)
    last = {"normnetclassifier": [CLASSIFIER, LogisticRegression()]}
    both(PIPELINE, last, X, Y > 4, cv=3)


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_failures_are_scikit_learns():
    grid = {"keep_prob": [0.8, 2.0], "alpha": [0.0, 1.0]}
    searches = [kind(CLASSIFIER, grid, cv=3) for kind in (PackedGridSearchCV, GridSearchCV)]
    for search in searches:
        with pytest.warns(FitFailedWarning, match="6 fits failed out of a total of 12"):
            search.fit(X, Y > 4)
    same_results(*searches)
    assert np.isnan(searches[0].cv_results_["mean_test_score"]).sum() == 2
    strict = PackedGridSearchCV(CLASSIFIER, grid, cv=3, error_score="raise")
    with pytest.raises(ValueError, match="The 'keep_prob' parameter of NormNetClassifier must be"):
        strict.fit(X, Y > 4)


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.usefixtures("all_packed")
def test_a_step_that_fails():
    grid = {"0": ["passthrough", Failing(), StandardScaler()], "net__alpha": [0.0, 1.0]}
    model = Pipeline([("0", None), ("net", CLASSIFIER)])
    found, expected = (kind(model, grid, cv=3) for kind in (PackedGridSearchCV, GridSearchCV))
    for search in (found, expected):
        with pytest.warns(FitFailedWarning, match="6 fits failed out of a total of 18"):
            search.fit(X, Y > 4)
    same_results(found, expected)


def test_with_error_score_raise_no_network_is_trained_before(monkeypatch):
    monkeypatch.setattr(packed, "train", never)
    grid = {"keep_prob": [0.8, 2.0]}
    search = PackedGridSearchCV(CLASSIFIER, grid, cv=3, error_score="raise")
    with pytest.raises(ValueError, match="The 'keep_prob' parameter of NormNetClassifier must be"):
        search.fit(X, Y > 4)


def test_an_unknown_parameter_is_an_error_before_any_fit(monkeypatch):
    monkeypatch.setattr(packed, "run_pack", never)
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        PackedGridSearchCV(CLASSIFIER, {"depth": [1]}, cv=3).fit(X, Y > 4)


@pytest.fixture
def trainings(monkeypatch):
    """How many networks were trained in each call."""
    counts = []
    train = packed.train
    monkeypatch.setattr(packed, "train", lambda jobs: counts.append(len(jobs)) or train(jobs))
    return counts


def fails_for_alpha_1(estimator, X, y):
    if estimator.alpha == 1:
        raise ValueError("no score for this one")
    return estimator.score(X, y)


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.usefixtures("all_packed")
def test_a_score_that_fails_leads_to_no_other_training(trainings):
    grid, settings = {"alpha": [0.0, 1.0]}, {"cv": 2, "refit": False, "scoring": fails_for_alpha_1}
    with pytest.warns(UserWarning, match="Scoring failed"):
        both(CLASSIFIER, grid, X[:200], Y[:200] > 4, **settings)
    assert trainings == [4]
    search = PackedGridSearchCV(CLASSIFIER, grid, error_score="raise", **settings)
    with pytest.raises(ValueError, match="no score for this one"):
        search.fit(X[:200], Y[:200] > 4)
    assert trainings == [4, 4]


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.usefixtures("all_packed")
def test_validation_that_fails_ends_only_its_own_fit(trainings):
    model = clone(CLASSIFIER).set_params(early_stopping=True, scoring=fails_for_alpha_1)
    grid = {"alpha": [0.0, 1.0], "n_members": [1, 2]}
    found, _ = both(model, grid, X[:200], Y[:200] > 4, cv=2)
    assert np.isnan(found.cv_results_["mean_test_score"]).tolist() == [False, False, True, True]
    assert trainings == [12]


def fails_at_last(progress):
    if progress > 0.5:
        raise ValueError("no rate for this step")
    return 1.0


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_what_cannot_be_trained_together_is_trained_singly_with_a_warning():
    grid = {"learning_rate": ["cosine", fails_at_last]}
    with pytest.warns(UserWarning, match="4 networks could not be trained together.*no rate") as w:
        both(CLASSIFIER, grid, X[:200], Y[:200] > 4, cv=2)
    assert len([x for x in w if "trained together" in str(x.message)]) == 1


@pytest.mark.parametrize("part", ["Portion._count", "score_fitted"])
def test_errors_of_the_search_itself_are_raised(part, monkeypatch):
    monkeypatch.setattr(f"sknormnet.estimators.search.{part}", never)
    with pytest.raises(AssertionError, match="fitted on its own"):
        PackedGridSearchCV(CLASSIFIER, {"alpha": [0.0, 1.0]}, cv=3).fit(X, Y > 4)


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


def leave(*args, **kwargs):
    raise SystemExit


@pytest.mark.usefixtures("all_packed")
@pytest.mark.parametrize(
    ("model", "settings", "error"),
    [
        (CLASSIFIER, {"scoring": interrupt}, KeyboardInterrupt),
        (CLASSIFIER, {"scoring": leave}, SystemExit),
        (make_pipeline(Failing(KeyboardInterrupt, 2), CLASSIFIER), {}, KeyboardInterrupt),
        (make_pipeline(Failing(SystemExit, 2), CLASSIFIER), {}, SystemExit),
        (clone(CLASSIFIER).set_params(learning_rate=leave), {}, SystemExit),
        (clone(CLASSIFIER).set_params(learning_rate=interrupt), {}, KeyboardInterrupt),
        (clone(CLASSIFIER).set_params(early_stopping=True, scoring=leave), {}, SystemExit),
        (
            clone(CLASSIFIER).set_params(early_stopping=True, scoring=interrupt),
            {},
            KeyboardInterrupt,
        ),
        (clone(CLASSIFIER).set_params(init=interrupt), {}, KeyboardInterrupt),
    ],
)
def test_an_interrupt_ends_the_search(model, settings, error):
    Failing.calls = 0
    grid = {("alpha" if model.__class__ is NormNetClassifier else STEP + "alpha"): [0.0, 1.0]}
    search = PackedGridSearchCV(model, grid, cv=2, **settings)
    with pytest.raises(error):
        search.fit(X, Y > 4)
    assert not hasattr(search, "cv_results_")


@pytest.mark.usefixtures("all_packed")
def test_an_interrupt_of_training_ends_the_search(monkeypatch):
    monkeypatch.setattr(packed, "train", interrupt)
    search = PackedGridSearchCV(CLASSIFIER, {"alpha": [0.0, 1.0]}, cv=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y > 4)
    assert not hasattr(search, "cv_results_")


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value", "ignore:divide by zero")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.filterwarnings("ignore:Training has diverged")
def test_a_network_that_diverges_harms_no_other():
    grid = {"learning_rate_init": [0.01, 1e200]}
    model = clone(REGRESSOR).set_params(solver="sgd", batchnorm=False)
    found, expected = (kind(model, grid, cv=3) for kind in (PackedGridSearchCV, GridSearchCV))
    for search in (found, expected):
        with pytest.warns((FitFailedWarning, UserWarning)):
            search.fit(X_REG, Y_REG)
    same_results(found, expected)
    assert np.isfinite(found.cv_results_["mean_test_score"]).tolist() == [True, False]


def test_warnings_reach_the_user():
    model = clone(CLASSIFIER).set_params(learning_rate="constant")
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(4\)"):
        PackedGridSearchCV(model, {"alpha": [0.0, 1.0]}, cv=3).fit(X, Y > 4)


def test_progress_is_told(capsys):
    PackedGridSearchCV(CLASSIFIER, GRID, cv=3, verbose=1).fit(X, Y > 4)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Fitting 3 folds for each of 8 candidates, totalling 24 fits"
    assert [line.split(" fits")[0] for line in lines[1:]] == [
        "[Pack 1/4] 8 of 24",
        "[Pack 2/4] 12 of 24",
        "[Pack 3/4] 20 of 24",
        "[Pack 4/4] 24 of 24",
    ]


def test_progress_is_told_by_several_workers(capsys):
    PackedGridSearchCV(CLASSIFIER, {"alpha": [0.0, 1.0]}, cv=2, verbose=1, n_jobs=2).fit(X, Y > 4)
    lines = capsys.readouterr().out.splitlines()
    told = [line.split(" fits")[0] for line in lines[1:]]
    assert told == [f"[Pack {n}/4] {n} of 4" for n in (1, 2, 3, 4)]


def test_backends_that_only_return_lists():
    with joblib.parallel_config(backend="multiprocessing"):
        assert not generating_parallel(n_jobs=2).return_generator
    assert generating_parallel(n_jobs=2).return_generator


def test_messages_and_results_have_the_time_of_the_fit(monkeypatch, capsys):
    finish = packed.Fit.finish

    def slow_finish(fit):
        finish(fit)
        fit.seconds += 3600

    monkeypatch.setattr(packed.Fit, "finish", slow_finish)
    grid = {"alpha": [0.0, 1.0]}
    search = PackedGridSearchCV(CLASSIFIER, grid, cv=2, verbose=3, refit=False)
    search.fit(X[:200], Y[:200] > 4)
    *fits, pack = capsys.readouterr().out.splitlines()[1:]
    assert [line[:12] for line in fits] == ["[CV 1/2] END", "[CV 1/2] END"] + ["[CV 2/2] END"] * 2
    assert all(line.endswith("total time=60.0min") for line in fits)
    assert pack.startswith("[Pack 1/1] 4 of 4 fits, ")
    assert (search.cv_results_["mean_fit_time"] > 3600).all()
    assert (search.cv_results_["mean_score_time"] < 3600).all()


def test_the_time_of_shared_steps_is_shared_out(monkeypatch):
    fit_steps = packed.SharedSteps._fit_steps

    def slow_steps(*args):
        clock[0] += 3000
        return fit_steps(*args)

    clock = [0.0]
    monkeypatch.setattr(packed.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(packed.SharedSteps, "_fit_steps", staticmethod(slow_steps))
    grid = {STEP + "alpha": [0.0, 0.5, 1.0]}
    found = PackedGridSearchCV(PIPELINE, grid, cv=2, refit=False).fit(X, Y > 4)
    assert_allclose(found.cv_results_["mean_fit_time"], 1000, rtol=0.01)


@pytest.mark.usefixtures("all_packed")
def test_large_networks_are_scored_as_soon_as_they_are_trained(monkeypatch, trainings):
    monkeypatch.setattr(packed, "CACHE", 0)
    trained_before = []

    def scorer(estimator, X, y):
        trained_before.append(sum(trainings))
        return estimator.score(X, y)

    grid = {"alpha": [0.0, 1.0]}
    PackedGridSearchCV(CLASSIFIER, grid, cv=2, scoring=scorer, refit=False).fit(X, Y > 4)
    assert trained_before == [1, 2, 3, 4]


def test_the_steps_in_front_are_fitted_once_a_fold(monkeypatch):
    fits = []
    fit = StandardScaler.fit
    monkeypatch.setattr(
        StandardScaler, "fit", lambda self, *args, **kw: fits.append(1) or fit(self, *args, **kw)
    )
    grid = {STEP + "alpha": [0.0, 0.5, 1.0], STEP + "keep_prob": [0.8]}
    PackedGridSearchCV(PIPELINE, grid, cv=3, refit=False).fit(X, Y > 4)
    assert len(fits) == 3
