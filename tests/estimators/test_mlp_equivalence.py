"""From the same starting weights, without batch norm, the networks are scikit-learn's MLPs."""

import inspect
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain import plain_classifier, plain_regressor
from scipy.special import logit
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale

from sknormnet import NormNetClassifier, NormNetRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

has_sample_weight = "sample_weight" in inspect.signature(MLPClassifier.fit).parameters
has_loss = "loss" in inspect.signature(MLPRegressor).parameters
needs_sample_weight = pytest.mark.skipif(not has_sample_weight, reason="scikit-learn < 1.7")


def start(fan_in, fan_out, rng=None):
    """Starting weights that depend on nothing but the shape; small, so that no probability
    comes near 0, where MLPClassifier clips the loss that it reports.
    """
    return np.random.default_rng([fan_in, fan_out]).normal(0, 0.1, (fan_in, fan_out))


class StartedMLP:
    """Mixin: starts from the weights above, the best constant output, and other biases of 0."""

    def fit(self, X, y, *weight):
        self.start_weight = weight[0] if weight else None
        return super().fit(X, y, *weight)

    def _init_coef(self, fan_in, fan_out, dtype):
        return start(fan_in, fan_out).astype(dtype), np.zeros(fan_out, dtype)

    def _initialize(self, y, layer_units, dtype):
        super()._initialize(y, layer_units, dtype)
        average = partial(np.average, axis=0, weights=getattr(self, "start_weight", None))
        mean = average(y)
        if self.out_activation_ == "identity":
            mean = mean + 0.1 * np.sqrt(average((y - mean) ** 2))
        if self.out_activation_ in ("softmax", "logistic"):
            mean = 0.999 * mean + 0.001 / max(2, y.shape[1] * (self.out_activation_ == "softmax"))
        link = {"softmax": np.log, "logistic": logit, "exp": np.log}.get(self.out_activation_)
        self.intercepts_[-1] = (link(mean) if link else mean).astype(dtype)


class StartedMLPClassifier(StartedMLP, MLPClassifier):
    pass


class StartedMLPRegressor(StartedMLP, MLPRegressor):
    pass


def _data():
    rng = np.random.RandomState(0)
    X, y = load_digits(return_X_y=True)
    yield "multiclass", (scale(X[:203]), y[:203])
    X, y = load_breast_cancer(return_X_y=True)
    X, y = scale(X[:203]), y[:203]
    y = np.where(rng.uniform(size=203) < 0.2, 1 - y, y)  # keeps probabilities away from 0
    yield "binary", (X, y)
    labels = np.c_[y, X[:, 0] > 0, X[:, 1] + rng.normal(size=203) > 0].astype(int)
    yield "multilabel", (X, labels)
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X[:203]), y[:203] / 50
    yield "one output", (X, y)
    yield "two outputs", (X, np.c_[y, y**2 / 30])


DATA = dict(_data())
CLASSIFICATION = ["multiclass", "binary", "multilabel"]


def pair(task, **settings):
    """An MLP and our network with the same settings and the same start."""
    settings = {
        "hidden_layer_sizes": (20, 9),
        "batch_size": 60,
        "shuffle": False,
        "random_state": 0,
        "max_iter": 20,
    } | settings
    mlp, ours = (
        (StartedMLPClassifier, plain_classifier)
        if task in CLASSIFICATION
        else (StartedMLPRegressor, plain_regressor)
    )
    return mlp(**settings), ours(batchnorm=False, init=start, **settings)


def assert_same_weights(ours, mlp):
    for mine, theirs in zip(
        [*ours.coefs_, *ours.intercepts_], [*mlp.coefs_, *mlp.intercepts_], strict=True
    ):
        assert_allclose(mine, theirs, rtol=0, atol=1e-8)


def assert_same_fit(ours, mlp, X, *, loss_factor=1):
    assert_same_weights(ours, mlp)
    assert_allclose(ours.loss_, loss_factor * mlp.loss_, rtol=0, atol=1e-8)
    assert ours.n_iter_ == mlp.n_iter_
    assert ours.n_outputs_ == mlp.n_outputs_
    assert ours.n_layers_ == mlp.n_layers_
    assert ours.out_activation_ == mlp.out_activation_
    assert_allclose(ours.predict(X), mlp.predict(X), rtol=1e-7)
    if hasattr(mlp, "predict_proba"):
        assert_array_equal(ours.classes_, mlp.classes_)
        assert_allclose(ours.predict_proba(X), mlp.predict_proba(X), rtol=0, atol=1e-8)
        log_p = mlp.predict_log_proba(X)
        assert_allclose(ours.predict_log_proba(X), log_p, rtol=0, atol=1e-6)
    if mlp.solver != "lbfgs":
        assert_allclose(
            ours.loss_curve_, loss_factor * np.array(mlp.loss_curve_), rtol=0, atol=1e-8
        )
        assert_allclose(ours.best_loss_, loss_factor * mlp.best_loss_, rtol=0, atol=1e-8)
        assert ours.t_ == mlp.t_


SOLVERS = {
    "adam": {"solver": "adam"},
    "adam betas": {"solver": "adam", "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-4},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.01},
    "momentum": {"solver": "sgd", "learning_rate_init": 0.01, "nesterovs_momentum": False},
    "plain": {"solver": "sgd", "learning_rate_init": 0.01, "momentum": 0},
    "invscaling": {
        "solver": "sgd",
        "learning_rate_init": 0.1,
        "learning_rate": "invscaling",
        "power_t": 0.3,
    },
    "adaptive": {
        "solver": "sgd",
        "learning_rate_init": 0.01,
        "learning_rate": "adaptive",
        "tol": 0.05,
        "n_iter_no_change": 2,
    },
    # tanh, because with relu the first line searches overshoot to probabilities that
    # MLPClassifier clips.
    "lbfgs": {"solver": "lbfgs", "activation": "tanh"},
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("task", [*CLASSIFICATION, "one output"])
def test_twenty_epochs(task, solver):
    X, y = DATA[task]
    mlp, ours = (model.fit(X, y) for model in pair(task, **SOLVERS[solver]))
    assert_same_fit(ours, mlp, X)


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "lbfgs"])
def test_several_outputs(solver):
    # MLPRegressor reports the mean over the outputs, but descends along the gradient of
    # their sum, which is our loss. (Its lbfgs is led astray by that, so there is no equality.)
    X, y = DATA["two outputs"]
    settings = SOLVERS[solver] | {"alpha": 0, "tol": 0, "n_iter_no_change": 50}
    mlp, ours = (model.fit(X, y) for model in pair("two outputs", **settings))
    assert_same_fit(ours, mlp, X, loss_factor=2)


def test_several_outputs_with_alpha():
    X, y = DATA["two outputs"]
    mlp, ours = (model.fit(X, y) for model in pair("two outputs", alpha=3.0))
    assert_same_weights(ours, mlp)


@pytest.mark.skipif(not has_loss, reason="scikit-learn < 1.7")
@pytest.mark.parametrize("task", ["one output", "two outputs"])
@pytest.mark.parametrize("solver", ["adam", "nesterov", "lbfgs"])
def test_poisson(task, solver):
    X, y = DATA[task]
    settings = SOLVERS[solver] | {"loss": "poisson", "learning_rate_init": 0.001}
    mlp, ours = (model.fit(X, y) for model in pair(task, **settings))
    assert_same_fit(ours, mlp, X)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("hidden_layer_sizes", [(12,), (12, 8, 5), 7])
def test_activations_and_depths(activation, hidden_layer_sizes):
    X, y = DATA["binary"]
    settings = {"activation": activation, "hidden_layer_sizes": hidden_layer_sizes, "alpha": 0.5}
    mlp, ours = (model.fit(X, y) for model in pair("binary", **settings))
    assert_same_fit(ours, mlp, X)


@pytest.mark.parametrize("batch_size", [1, 7, 101, 202, 203, "auto"])
def test_batch_sizes(batch_size):
    # 203 rows, so that 101 and 202 leave a last batch of one row.
    X, y = DATA["binary"]
    mlp, ours = (model.fit(X, y) for model in pair("binary", batch_size=batch_size, max_iter=5))
    assert_same_fit(ours, mlp, X)


@needs_sample_weight
@pytest.mark.parametrize("task", [*CLASSIFICATION, "one output"])
@pytest.mark.parametrize("solver", ["adam", "nesterov", "lbfgs"])
def test_sample_weight_of_a_full_batch(task, solver):
    # In smaller batches MLPClassifier divides by each batch's own weight; see test_sample_weight.
    X, y = DATA[task]
    sample_weight = np.random.RandomState(0).uniform(0.5, 2, len(y))
    settings = SOLVERS[solver] | {"batch_size": len(y), "alpha": 1.0}
    mlp, ours = (model.fit(X, y, sample_weight) for model in pair(task, **settings))
    assert_same_fit(ours, mlp, X)


def test_float32():
    X, y = DATA["multiclass"]
    mlp, ours = (model.fit(X.astype(np.float32), y) for model in pair("multiclass"))
    for mine, theirs in zip(ours.coefs_, mlp.coefs_, strict=True):
        assert mine.dtype == theirs.dtype == np.float32
        assert_allclose(mine, theirs, rtol=0, atol=1e-4)


# ------------------------------------------------------------------------------- stopping


def test_the_adaptive_rate_above_does_fall(capsys):
    X, y = DATA["multiclass"]
    mlp, ours = pair("multiclass", verbose=True, **SOLVERS["adaptive"])
    mlp.fit(X, y)
    assert capsys.readouterr().out.count("Setting learning rate to") >= 2
    ours.fit(X, y)
    assert capsys.readouterr().out.count("did not improve more than") >= 2


@pytest.mark.parametrize("task", ["multiclass", "one output"])
@pytest.mark.parametrize("solver", ["adam", "nesterov", "adaptive", "invscaling", "lbfgs"])
def test_stops_by_tol_at_the_same_iteration(task, solver):
    X, y = DATA[task]
    settings = SOLVERS[solver] | {"max_iter": 300, "n_iter_no_change": 3, "tol": 0.05}
    mlp, ours = (model.fit(X, y) for model in pair(task, **settings))
    assert mlp.n_iter_ < 300
    assert_same_fit(ours, mlp, X)


def test_a_loss_that_stands_still_is_no_stall_with_a_tol_of_0():
    # The boundary of the rule: no worse than the best by more than tol counts as better.
    X, y = DATA["binary"]
    settings = SOLVERS["plain"] | {"learning_rate_init": 1e-300, "n_iter_no_change": 2, "tol": 0}
    mlp, ours = (model.fit(X, y) for model in pair("binary", **settings))
    assert len(set(ours.loss_curve_)) == 1
    assert_same_fit(ours, mlp, X)
    assert ours.n_iter_ == 20


def test_n_iter_no_change_may_be_infinite():
    X, y = DATA["binary"]
    settings = {"n_iter_no_change": np.inf, "tol": 1e6}
    mlp, ours = (model.fit(X, y) for model in pair("binary", **settings))
    assert ours.n_iter_ == 20
    assert_same_fit(ours, mlp, X)


@pytest.mark.parametrize("settings", [{"max_iter": 5}, {"max_fun": 5}], ids=str)
def test_lbfgs_bounds(settings):
    X, y = DATA["multiclass"]
    mlp, ours = (model.fit(X, y) for model in pair("multiclass", **SOLVERS["lbfgs"], **settings))
    assert_same_fit(ours, mlp, X)


@pytest.mark.parametrize("solver", ["adam", "nesterov", "invscaling", "adaptive"])
def test_verbose_tells_the_same_of_stopping(solver, capsys):
    X, y = DATA["multiclass"]
    settings = SOLVERS[solver] | {"verbose": True, "max_iter": 60, "n_iter_no_change": 3}
    said = []
    for model in pair("multiclass", **settings | {"tol": 0.05}):
        model.fit(X, y)
        lines = capsys.readouterr().out.splitlines()
        said.append([line for line in lines if "did not improve" in line])
    assert said[0] == said[1] != []


# ----------------------------------------------------------------------------- in parts


@pytest.mark.parametrize("solver", ["adam", "nesterov", "momentum", "invscaling", "adaptive"])
@pytest.mark.parametrize("task", ["multiclass", "multilabel", "one output"])
def test_partial_fit(task, solver):
    X, y = DATA[task]
    mlp, ours = pair(task, **SOLVERS[solver])
    classes = {"multiclass": {"classes": np.arange(10)}, "multilabel": {"classes": np.arange(3)}}
    for model in (mlp, ours):
        model.partial_fit(X[:100], y[:100], **classes.get(task, {}))
        for _ in range(6):
            model.partial_fit(X[100:], y[100:]).partial_fit(X[:100], y[:100])
    assert_same_fit(ours, mlp, X)


@pytest.mark.parametrize("solver", ["adam", "nesterov", "adaptive"])
def test_partial_fit_after_fit(solver):
    X, y = DATA["multiclass"]
    mlp, ours = pair("multiclass", **SOLVERS[solver])
    for model in (mlp, ours):
        model.fit(X, y).partial_fit(X[:70], y[:70]).partial_fit(X[70:], y[70:])
    assert_same_fit(ours, mlp, X)


# "invscaling" goes on where it was, too; MLPClassifier trains for one epoch at the full
# learning_rate_init before it does.
@pytest.mark.parametrize("solver", ["adam", "nesterov", "adaptive"])
def test_warm_start(solver):
    X, y = DATA["multiclass"]
    mlp, ours = pair("multiclass", warm_start=True, **SOLVERS[solver])
    for model in (mlp, ours):
        model.fit(X, y)
    assert len(ours.loss_curve_) == ours.n_iter_
    mlp._no_improvement_count, mlp.best_loss_ = 0, np.inf  # ours begins with new patience
    for model in (mlp, ours):
        model.fit(X, y)
    assert_same_fit(ours, mlp, X)


def test_warm_start_with_lbfgs():
    X, y = DATA["multiclass"]
    mlp, ours = pair("multiclass", warm_start=True, **SOLVERS["lbfgs"], max_iter=5)
    for model in (mlp, ours):
        model.fit(X, y).fit(X, y)
    assert_same_fit(ours, mlp, X)


# ----------------------------------------------------------------------------- signature


@pytest.mark.parametrize(
    ("ours", "mlp"), [(NormNetClassifier, MLPClassifier), (NormNetRegressor, MLPRegressor)]
)
def test_has_all_parameters_in_the_same_places(ours, mlp):
    mine, theirs = (inspect.signature(kind).parameters for kind in (ours, mlp))
    shared = [name for name in mine if name in theirs]
    assert shared == list(theirs)
    for name in theirs:
        assert mine[name].kind == theirs[name].kind, name
    assert {name for name in theirs if mine[name].default != theirs[name].default} == {
        "hidden_layer_sizes",
        "solver",
        "alpha",
        "batch_size",
        "learning_rate",
        "learning_rate_init",
        "max_iter",
        "early_stopping",
        "beta_2",
    }
    positional = [name for name, p in mine.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    # Those that can be given by position stand where the MLP has them. scikit-learn's
    # regressor has had `loss` in front since 1.7.
    assert positional == [n for n, p in theirs.items() if p.kind is p.POSITIONAL_OR_KEYWORD] or (
        positional[0] == "loss" and not has_loss
    )


@pytest.mark.parametrize(
    ("ours", "mlp"), [(NormNetClassifier, MLPClassifier), (NormNetRegressor, MLPRegressor)]
)
def test_has_all_methods_with_their_arguments(ours, mlp):
    for name in vars(mlp).keys() | {"fit", "score", "set_params", "get_params"}:
        if name.startswith("_") or not callable(getattr(mlp, name)):
            continue
        mine, theirs = (inspect.signature(getattr(kind, name)) for kind in (ours, mlp))
        assert [p for p in mine.parameters if p in theirs.parameters] == list(theirs.parameters)


@pytest.mark.parametrize("task", DATA)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_has_all_fitted_attributes(task, early_stopping):
    X, y = DATA[task]
    mlp, ours = (m.fit(X, y) for m in pair(task, early_stopping=early_stopping, max_iter=3))
    for name, theirs in vars(mlp).items():
        if name.endswith("_") and not name.startswith("_"):
            mine = getattr(ours, name)
            assert (mine is None) == (theirs is None), name
            if name in ("coefs_", "intercepts_"):
                assert [a.shape for a in mine] == [a.shape for a in theirs]
            else:
                assert np.shape(mine) == np.shape(theirs), name
