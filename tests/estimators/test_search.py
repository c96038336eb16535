"""Packed searches find what scikit-learn's searches over the same estimator find."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
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
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler, scale

from sknormnet import (
    NormNetClassifier,
    NormNetRegressor,
    PackedGridSearchCV,
    PackedRandomizedSearchCV,
)
from sknormnet.estimators import search as packed

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
    run = packed.Task.run
    monkeypatch.setattr(packed.Task, "run", lambda self, fitted=never: run(self, fitted))


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
def test_randomised():
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


@pytest.mark.usefixtures("all_packed")
def test_of_a_large_table_a_worker_holds_one_fold_at_a_time(monkeypatch, capsys):
    monkeypatch.setattr(packed, "LARGE", X.nbytes - 1)
    both(CLASSIFIER, {"alpha": [0.0, 1.0]}, X, Y > 4, cv=3, verbose=1)
    assert "[Pack 3/3] 2 fits" in capsys.readouterr().out


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
        "[Pack 1/4] 8",
        "[Pack 2/4] 4",
        "[Pack 3/4] 8",
        "[Pack 4/4] 4",
    ]


def test_the_steps_in_front_are_fitted_once_a_fold(monkeypatch):
    fits = []
    fit = StandardScaler.fit
    monkeypatch.setattr(
        StandardScaler, "fit", lambda self, *args, **kw: fits.append(1) or fit(self, *args, **kw)
    )
    grid = {STEP + "alpha": [0.0, 0.5, 1.0]}
    PackedGridSearchCV(PIPELINE, grid, cv=3, refit=False).fit(X, Y > 4)
    assert len(fits) == 3
