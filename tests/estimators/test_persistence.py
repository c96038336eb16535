"""Determinism, going on after a pickle as if there had been none, and surviving failures."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from plain import plain_classifier, plain_regressor
from sklearn.base import is_classifier
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import scale

from sknormnet import Activation
from sknormnet.training.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X, Y = scale(X)[::3], Y[::3]
X_REG, Y_REG = load_diabetes(return_X_y=True)
X_REG, Y_REG = scale(X_REG[:60]), Y_REG[:60] / 50

SETTINGS = {"hidden_layer_sizes": (8, 6), "batch_size": 7, "max_iter": 5, "random_state": 0}
DROPOUT = {"keep_prob": 0.8, "input_keep_prob": 0.9}
ADAPTIVE = {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1}

KINDS = {
    "adam": {},
    "adam, dropout": DROPOUT,
    "adam, dropout, after": DROPOUT | {"batchnorm": "after"},
    "adam, no batch norm": {"batchnorm": False},
    "adam, inputs in bins": DROPOUT | {"input_bins": 4},
    "sgd": {"solver": "sgd"},
    "sgd, dropout": DROPOUT | {"solver": "sgd", "nesterovs_momentum": False},
    "sgd, invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "sgd, adaptive": ADAPTIVE,
    "lbfgs": {"solver": "lbfgs"},
    "early stopping": DROPOUT | {"early_stopping": True},
}
INCREMENTAL = [kind for kind in KINDS if kind not in ("lbfgs", "early stopping")]

FITTED = [
    *("coefs_", "intercepts_", "gammas_", "betas_", "running_means_", "running_vars_", "classes_"),
    *("loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_"),
    "best_epoch_",
    *("t_", "n_iter_", "n_layers_", "n_outputs_", "out_activation_"),
    *("n_features_in_", "feature_names_in_"),
]


def state(model):
    """All that can be seen of a fitted model, bit for bit."""
    data = X if is_classifier(model) else X_REG
    seen = {name: getattr(model, name) for name in FITTED if hasattr(model, name)}
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        if hasattr(model, method):
            seen[method] = getattr(model, method)(data)
    return {name: frozen(value) for name, value in seen.items()}


def frozen(value):
    if isinstance(value, list):
        return [frozen(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    return value


def fitted(kind, **settings):
    return plain_classifier(**SETTINGS | KINDS[kind] | settings).fit(X, Y)


# ------------------------------------------------------------------------------ determinism


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_random_state_is_the_same_fit(kind):
    model = fitted(kind)
    assert state(fitted(kind)) == state(model)
    assert state(model.fit(X, Y)) == state(fitted(kind))
    assert state(fitted(kind, random_state=1)) != state(model)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_random_state_is_the_same_fit_in_regression(kind):
    models = [plain_regressor(**SETTINGS | KINDS[kind]).fit(X_REG, Y_REG) for _ in range(2)]
    assert state(models[0]) == state(models[1])


def test_partial_fit_is_deterministic():
    models = [plain_classifier(**SETTINGS | DROPOUT) for _ in range(2)]
    for model in models:
        model.partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X[:20], Y[:20])
    assert state(models[0]) == state(models[1])


def test_a_random_state_instance():
    # It is drawn from: the same one gives another fit, one of the same seed the same.
    rng = np.random.RandomState(0)
    first = fitted("adam, dropout", random_state=rng)
    second = fitted("adam, dropout", random_state=rng)
    assert state(first) != state(second)
    rng = np.random.RandomState(0)
    assert state(fitted("adam, dropout", random_state=rng)) == state(first)
    assert state(fitted("adam, dropout", random_state=rng)) == state(second)
    assert state(first.fit(X, Y)) != state(second)


def test_no_random_state_draws_from_the_global_one():
    np.random.seed(0)  # noqa: NPY002 - this test is about it
    first = fitted("adam, dropout", random_state=None)
    second = fitted("adam, dropout", random_state=None)
    assert state(first) != state(second)
    np.random.seed(0)  # noqa: NPY002 - this test is about it
    assert state(fitted("adam, dropout", random_state=None)) == state(first)


@pytest.mark.parametrize("kind", KINDS)
def test_the_global_random_state_is_left_alone(kind):
    np.random.seed(0)  # noqa: NPY002 - this test is about it
    expected = np.random.RandomState(0).uniform(size=3)
    model = fitted(kind)
    model.predict(X)
    assert_array_equal(np.random.uniform(size=3), expected)  # noqa: NPY002


def test_predicting_draws_nothing():
    model, other = fitted("adam, dropout"), fitted("adam, dropout")
    before = state(model)
    assert state(model) == before
    assert state(model.partial_fit(X, Y)) == state(other.partial_fit(X, Y))


# ----------------------------------------------------------------------------- persistence


def joblib_roundtrip(model, tmp_path, mmap_mode=None):
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.joblib"  # never one that is mapped
    joblib.dump(model, path)
    return joblib.load(path, mmap_mode=mmap_mode)


ROUNDTRIPS = {
    "pickle": lambda model, tmp_path: pickle.loads(pickle.dumps(model)),
    "oldest pickle": lambda model, tmp_path: pickle.loads(pickle.dumps(model, protocol=2)),
    "joblib": joblib_roundtrip,
    "read-only memory map": lambda model, tmp_path: joblib_roundtrip(model, tmp_path, "r"),
    "deepcopy": lambda model, tmp_path: copy.deepcopy(model),
}


@pytest.mark.parametrize("roundtrip", ROUNDTRIPS.values(), ids=ROUNDTRIPS)
@pytest.mark.parametrize("kind", INCREMENTAL)
def test_training_goes_on_as_if_straight_through(kind, roundtrip, tmp_path):
    straight, saved = fitted(kind), roundtrip(fitted(kind), tmp_path)
    assert state(saved) == state(straight)
    for _ in range(2):
        straight.partial_fit(X, Y)
        saved.partial_fit(X, Y)
        assert state(saved) == state(straight)


@pytest.mark.filterwarnings("ignore:Most values of column")  # the rows are sorted by class
@pytest.mark.parametrize("roundtrip", ROUNDTRIPS.values(), ids=ROUNDTRIPS)
@pytest.mark.parametrize("kind", INCREMENTAL)
def test_partial_fits_go_on_as_if_straight_through(kind, roundtrip, tmp_path):
    straight, saved = (plain_classifier(**SETTINGS | KINDS[kind]) for _ in range(2))
    for step in range(4):
        part = slice(10 * step, 10 * step + 20)
        saved = roundtrip(saved, tmp_path)
        straight.partial_fit(X[part], Y[part], classes=[0, 1, 2])
        saved.partial_fit(X[part], Y[part], classes=[0, 1, 2])
        assert state(saved) == state(straight)


@pytest.mark.parametrize("kind", KINDS)
def test_warm_start_goes_on_as_if_straight_through(kind):
    straight = fitted(kind, warm_start=True).fit(X, Y)
    saved = pickle.loads(pickle.dumps(fitted(kind, warm_start=True))).fit(X, Y)
    assert state(saved) == state(straight)


def test_a_regressor_goes_on_as_if_straight_through():
    straight, saved = (plain_regressor(**SETTINGS | DROPOUT).fit(X_REG, Y_REG) for _ in range(2))
    saved = pickle.loads(pickle.dumps(saved))
    for model in (straight, saved):
        model.partial_fit(X_REG, Y_REG).partial_fit(X_REG, Y_REG)
    assert state(saved) == state(straight)


def swish(z, out):
    return np.divide(z, 1 + np.exp(-z), out=out)


def swish_derivative(z, y, out):
    gate = 1 / (1 + np.exp(-z))
    return np.add(y, gate * (1 - y), out=out)


def test_objects_as_parameters_are_pickled():
    settings = SETTINGS | {"activation": Activation("swish", swish, swish_derivative)}
    straight = plain_classifier(**settings).fit(X, Y)
    saved = pickle.loads(pickle.dumps(straight))
    assert state(saved.partial_fit(X, Y)) == state(straight.partial_fit(X, Y))


def test_a_copy_is_a_model_of_its_own():
    model = fitted("adam, dropout")
    before, other = state(model), copy.deepcopy(model)
    other.partial_fit(X, Y)
    assert state(model) == before != state(other)


def test_what_was_read_from_a_model_stays_as_it_was():
    model = fitted("adam")
    coefs, means = model.coefs_, model.running_means_
    values = copy.deepcopy([*coefs, *means])
    model.partial_fit(X, Y)
    for array, value in zip([*coefs, *means], values, strict=True):
        assert_array_equal(array, value)


def test_a_pickle_is_small():
    # Parameters and two moments; no folded weights, no gradient, no buffers, no data.
    model = plain_classifier(hidden_layer_sizes=(500, 400), max_iter=2).fit(X, Y)
    n_bytes = 8 * sum(W.size for W in model.coefs_)
    assert len(pickle.dumps(model)) < 3.5 * n_bytes


def test_threads_may_share_a_fitted_model_or_train_their_own():
    model = fitted("adam, dropout", hidden_layer_sizes=(50, 50))
    expected = model.predict_proba(X)
    with ThreadPoolExecutor(4) as threads:
        for p in threads.map(model.predict_proba, [X] * 40):
            assert_array_equal(p, expected)
        for other in threads.map(lambda _: fitted("adam, dropout"), range(8)):
            assert state(other) == state(fitted("adam, dropout"))


# ------------------------------------------------------------------------------ going on


@pytest.mark.parametrize("kind", KINDS)
def test_warm_start_goes_on(kind):
    model = fitted(kind, warm_start=True)
    t, curve = model.t_, list(model.loss_curve_)
    model.fit(X, Y)
    assert model.t_ > t
    assert model.loss_curve_[: len(curve)] == curve
    if kind == "lbfgs":  # a first loss of its own, not above that of the start
        assert model.loss_curve_[len(curve)] < curve[-1]
    else:
        assert len(model.loss_curve_) == len(curve) + model.n_iter_
        assert model.t_ == t * 2


def test_without_warm_start_fit_starts_anew():
    model = fitted("adam")
    model.partial_fit(X, Y)
    assert state(model.fit(X, Y)) == state(fitted("adam"))


def test_partial_fit_goes_on():
    model = plain_classifier(**SETTINGS)
    for step in range(1, 4):
        model.partial_fit(X, Y, classes=[0, 1, 2])
        assert len(model.loss_curve_) == step
        assert model.t_ == step * len(X)
        assert model.n_iter_ == 1
    assert model.best_loss_ == min(model.loss_curve_)


def test_partial_fit_is_one_epoch_of_fit():
    # The streams of random numbers go on alike; no exact statistics after partial_fit, though.
    settings = SETTINGS | DROPOUT | {"max_iter": 4}
    fit = plain_classifier(**settings).fit(X, Y)
    parts = plain_classifier(**settings)
    for _ in range(4):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    assert parts.loss_curve_ == fit.loss_curve_
    for a, b in zip(parts.coefs_, fit.coefs_, strict=True):
        assert_array_equal(a, b)


def test_each_fit_with_warm_start_has_new_patience():
    # With so large a tol, each call ends as soon as its patience does.
    settings = {"warm_start": True, "tol": 10.0, "n_iter_no_change": 3, "max_iter": 50}
    model = plain_classifier(**SETTINGS | settings)
    assert [model.fit(X, Y).n_iter_ for _ in range(3)] == [5, 5, 5]
    assert model.best_loss_ == min(model.loss_curve_[-5:])  # of the last call


def test_the_record_of_partial_fit_is_bounded(monkeypatch):
    monkeypatch.setattr("sknormnet.estimators.base.RECORDED", 4)
    model, whole = plain_classifier(**SETTINGS), []
    sizes = []
    for step in range(1, 9):
        model.partial_fit(X, Y, classes=[0, 1, 2])
        whole.append(model.loss_)
        assert model.loss_curve_ == model.history_["loss"] == whole[-4:]
        assert len(model.history_["learning_rate"]) == min(step, 4) == model.best_epoch_
        sizes.append(len(pickle.dumps(model)))
    assert model.t_ == 8 * len(X)
    assert max(sizes[3:]) - min(sizes[3:]) < 20  # bytes: no more than counters need


def test_a_shallow_copy_and_its_original_go_their_own_ways():
    model = fitted("adam")
    other = copy.copy(model)
    before, history = state(model), copy.deepcopy(model.history_)
    other.partial_fit(X, Y)
    assert state(model) == before
    assert model.history_ == history
    assert len(other.loss_curve_) == len(model.loss_curve_) + 1


# In what order two solvers are used, and what is set in between.
SETTINGS_BETWEEN = [
    ("adamw", {"weight_decay": 0.0}),
    ("adamw", {"weight_decay": 30.0}),
    ("adam", {"epsilon": 0.1}),
    ("adam", {"beta_1": 0.5}),
    ("nadam", {"beta_2": 0.5}),
    ("rmsprop", {"beta_2": 0.5}),
    ("sgd", {"momentum": 0.5}),
    ("sgd", {"nesterovs_momentum": False}),
    ("sgd", {"learning_rate_init": 0.01}),
]


@pytest.mark.parametrize("as_object", [False, True])
@pytest.mark.parametrize(("solver", "settings"), SETTINGS_BETWEEN)
def test_new_settings_of_the_solver_act_in_the_next_partial_fit(solver, settings, as_object):
    start = plain_classifier(**SETTINGS, solver=solver).partial_fit(X, Y, classes=[0, 1, 2])
    same, other = copy.deepcopy(start), copy.deepcopy(start)
    if as_object and "learning_rate_init" not in settings:
        names = {f.name for f in fields(OPTIMIZERS[solver])}
        kept = {name: x for name, x in start.get_params().items() if name in names}
        settings = {"solver": OPTIMIZERS[solver](**kept | settings)}
    other.set_params(**settings)
    same.partial_fit(X, Y)
    other.partial_fit(X, Y)
    assert state(other)["coefs_"] != state(same)["coefs_"]
    # The state goes on: with one that is new, it would be yet another network.
    anew = copy.deepcopy(start).set_params(**settings)
    anew._states[0].optimizer = None
    assert state(other)["coefs_"] != state(anew.partial_fit(X, Y))["coefs_"]


def test_another_solver_can_go_on():
    model = fitted("sgd", warm_start=True, max_iter=20, batchnorm=False)
    loss = model.loss_
    for solver in ("lbfgs", "adam", "sgd"):
        model.set_params(solver=solver).fit(X, Y)
        assert model.loss_ < loss
        loss = model.loss_ + 0.05
    model.set_params(solver="adam").partial_fit(X, Y).set_params(solver="sgd").partial_fit(X, Y)
    assert np.isfinite(model.loss_curve_).all()


@pytest.mark.parametrize("now", [True, False])
def test_early_stopping_may_change_between_calls(now):
    model = fitted("adam", warm_start=True, early_stopping=not now)
    model.set_params(early_stopping=now).fit(X, Y)
    if now:
        assert len(model.validation_scores_) == model.n_iter_
        assert model.best_validation_score_ == max(model.validation_scores_)
        assert model.best_loss_ is None
    else:
        assert model.validation_scores_ is None
        assert model.best_validation_score_ is None
        assert model.best_loss_ == min(model.loss_curve_[-model.n_iter_ :])
    assert len(model.loss_curve_) == 5 + model.n_iter_


# --------------------------------------------------------------------------- failed calls

INFINITE = X.copy()
INFINITE[3, 1] = np.inf

FAILED_CALLS = {
    "X with infinity": lambda model: model.fit(INFINITE, Y),
    "y too short": lambda model: model.fit(X, Y[:-1]),
    "other features, y too short": lambda model: model.fit(X[:, :2], Y[:-1]),
    "continuous y": lambda model: model.fit(X, X[:, 0]),
    "other features and a bad parameter": lambda model: model.set_params(keep_prob=(0.5,)).fit(
        X[:, :2], Y > 0
    ),
    "invalid parameter": lambda model: model.set_params(alpha=-1).fit(X, Y),
    "weights all zero": lambda model: model.fit(X[:, :2], Y > 0, np.zeros(len(X))),
    "validation set too small": lambda model: model.set_params(
        early_stopping=True, validation_fraction=0.01
    ).fit(X[:, :2], Y > 0),
    "init of a wrong shape": lambda model: model.set_params(
        init=lambda fan_in, fan_out, rng: np.zeros((fan_out, fan_in))
    ).fit(X[:, :2], Y > 0),
    "diverges in fit": lambda model: model.set_params(
        solver="sgd", learning_rate_init=1e200, batchnorm=False
    ).fit(X[:, :2], Y > 0),
    "unseen classes": lambda model: model.partial_fit(X, Y + 1),
    "other classes": lambda model: model.partial_fit(X, Y, classes=[1, 2, 3]),
    "partial_fit with other features": lambda model: model.partial_fit(X[:, :2], Y),
    "partial_fit of labels": lambda model: model.partial_fit(X, np.c_[Y > 0, Y > 1]),
    "partial_fit, X with infinity": lambda model: model.partial_fit(INFINITE, Y),
    "partial_fit diverges": lambda model: model.set_params(
        solver="sgd", learning_rate_init=1e300
    ).partial_fit(X, Y),
    "partial_fit with early stopping": lambda model: model.set_params(
        early_stopping=True
    ).partial_fit(X, Y),
    "another architecture": lambda model: model.set_params(hidden_layer_sizes=5).partial_fit(X, Y),
    "warm start with other classes": lambda model: model.set_params(warm_start=True).fit(X, Y > 0),
    "warm start with other features": lambda model: model.set_params(warm_start=True).fit(
        X[:, :2], Y
    ),
    "warm start diverges": lambda model: model.set_params(
        solver="sgd", learning_rate_init=1e300, warm_start=True
    ).fit(X, Y),
}


@pytest.mark.parametrize("call", FAILED_CALLS.values(), ids=FAILED_CALLS)
@pytest.mark.filterwarnings("ignore:(overflow|invalid value|divide by zero):RuntimeWarning")
def test_a_failed_call_changes_nothing(call):
    model, untouched = fitted("adam, dropout"), fitted("adam, dropout")
    before, attributes, params = state(model), set(vars(model)), model.get_params()
    with pytest.raises(ValueError):  # noqa: PT011 - which one is test_errors.py's
        call(model)
    assert state(model) == before
    assert set(vars(model)) == attributes
    # And training goes on as if nothing had been.
    model.set_params(**params)
    assert state(model.partial_fit(X, Y)) == state(untouched.partial_fit(X, Y))


def failing_scorer(estimator, X, y):
    raise ZeroDivisionError("no score today")


@pytest.mark.parametrize("warm_start", [True, False])
def test_a_call_that_fails_after_training_changes_nothing(warm_start, monkeypatch):
    model = fitted("adam", warm_start=warm_start)
    before, history = state(model), copy.deepcopy(model.history_)
    keep = type(model)._keep

    def keep_and_fail(self, jobs):  # as a callback may, when the fit ends
        keep(self, jobs)
        raise ZeroDivisionError

    monkeypatch.setattr(type(model), "_keep", keep_and_fail)
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y)
    assert state(model) == before
    assert model.history_ == history


def test_a_scorer_that_fails_on_the_starting_network_changes_nothing():
    model = fitted("early stopping", warm_start=True)
    before = state(model)
    with pytest.raises(ZeroDivisionError, match="no score today"):
        model.set_params(scoring=failing_scorer).fit(X, Y)
    assert state(model) == before


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_failed_first_call_leaves_the_model_unfitted(method):
    model = plain_classifier(**SETTINGS)
    with pytest.raises(ValueError, match="contains infinity"):
        getattr(model, method)(
            INFINITE, Y, **{"classes": [0, 1]} if method == "partial_fit" else {}
        )
    assert vars(model) == vars(plain_classifier(**SETTINGS))
    getattr(model, method)(X, Y, **{"classes": [0, 1, 2]} if method == "partial_fit" else {})
    assert_array_equal(model.classes_, [0, 1, 2])


def test_new_features_after_a_failed_call():
    model = fitted("adam")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X[:, :2], Y[:-1])
    assert model.n_features_in_ == 4
    model.fit(X[:, :2], Y)
    assert model.n_features_in_ == 2
    assert model.predict(X[:, :2]).shape == (50,)


class Interrupts:
    """An initializer that a user interrupts."""

    def __call__(self, fan_in, fan_out, rng):
        raise KeyboardInterrupt


def test_an_interrupt_before_training_changes_nothing():
    model = fitted("adam")
    before = state(model)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(init=Interrupts()).fit(X, Y)
    assert state(model) == before


def test_predictions_beside_a_fit_are_those_of_the_network_before():
    # The classes differ as well, so that a mixture of old and new attributes would fail.
    model = plain_classifier(**SETTINGS).fit(X, Y)
    expected, seen = model.predict(X), []

    def rate(progress):
        seen.append(model.predict(X))
        return 1.0

    model.set_params(learning_rate=rate).fit(X, Y == 1)
    assert len(seen) > 5
    assert all(np.array_equal(labels, expected) for labels in seen)
    assert_array_equal(model.classes_, [False, True])
