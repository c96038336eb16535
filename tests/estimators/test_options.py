"""Every option does something, alone and next to every other one, and nothing to the caller."""

import copy
import inspect
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from plain import plain_classifier, plain_regressor
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import scale

from sknormnet import Activation, NormNetClassifier, NormNetRegressor
from sknormnet.estimators._sklearn import Interval
from sknormnet.nn.activations import ACTIVATIONS
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.losses import MulticlassLogLoss

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # Options are tried next to others that leave them without effect.
    pytest.mark.filterwarnings("ignore:.* is not used:UserWarning"),
]

X, Y = load_diabetes(return_X_y=True)
X, Y = scale(X[:90]), Y[:90] / 50
X_IRIS, Y_IRIS = load_iris(return_X_y=True)
X_IRIS, Y_IRIS = scale(X_IRIS)[::3], Y_IRIS[::3]

BASE = plain_regressor().get_params() | {
    "hidden_layer_sizes": (8, 6),
    "batch_size": 16,
    "learning_rate_init": 0.01,
    "max_iter": 8,
    "tol": 0.0,
    "n_iter_no_change": 2,
    "random_state": 0,
}

STOCHASTIC = {"solver": ("adam", "sgd", "adamw", "nadam", "rmsprop")}
SGD, LBFGS, ADAMW = ({"solver": (solver,)} for solver in ("sgd", "lbfgs", "adamw"))
ADAM = {"solver": ("adam", "adamw", "nadam")}
SQUARES = {"solver": ("adam", "adamw", "nadam", "rmsprop")}
# A plan for all epochs is not cut short by a stalled loss.
UNPLANNED = {"learning_rate": ("constant", "invscaling", "adaptive")}
STALLS = STOCHASTIC | UNPLANNED | {"tol": (1e6,)}  # so that training stalls as soon as it may

# An option's name, a value that is not BASE's, and what other options must be for it to mean
# anything at all.
OPTIONS = [
    ("hidden_layer_sizes", (7, 5), {}),
    ("activation", "tanh", {}),
    ("activation", ("relu", "selu"), {}),
    ("solver", "sgd", {}),
    ("solver", "lbfgs", {}),
    ("solver", "adamw", {"weight_decay": (1.0,)}),
    ("solver", "nadam", {}),
    ("solver", "rmsprop", {}),
    ("alpha", 3.0, {}),
    ("weight_decay", 3.0, ADAMW),
    ("batch_size", 11, STOCHASTIC),
    ("batch_size", "scale", STOCHASTIC),
    ("learning_rate", "invscaling", STOCHASTIC),
    ("learning_rate", "adaptive", STOCHASTIC | {"tol": (1e6,)}),
    ("learning_rate", "cosine", STOCHASTIC),
    ("learning_rate", "onecycle", STOCHASTIC),
    ("learning_rate", "warmup", STOCHASTIC),
    ("learning_rate_init", 0.02, STOCHASTIC),
    ("power_t", 0.2, STOCHASTIC | {"learning_rate": ("invscaling",)}),
    ("max_iter", 5, {"tol": (0.0,), "max_fun": (15000,)}),  # those stop before
    ("shuffle", False, STOCHASTIC),
    ("random_state", 1, {}),
    ("tol", 1e6, UNPLANNED),
    ("warm_start", True, {}),
    ("momentum", 0.5, SGD),
    ("nesterovs_momentum", False, SGD),
    ("early_stopping", True, STOCHASTIC),
    ("scoring", "loss", STOCHASTIC | {"early_stopping": (True,)}),
    ("scoring", "neg_mean_absolute_error", STOCHASTIC | {"early_stopping": (True,)}),
    ("validation_fraction", 0.3, STOCHASTIC | {"early_stopping": (True,)}),
    ("beta_1", 0.5, ADAM),
    ("beta_2", 0.9, SQUARES),
    ("epsilon", 0.1, SQUARES),
    ("n_iter_no_change", 4, STALLS),
    ("max_fun", 2, LBFGS | {"tol": (0.0,)}),
    ("max_grad_norm", 0.01, STOCHASTIC),
    ("weight_averaging", 0.5, STOCHASTIC),
    ("batchnorm", False, {}),
    ("batchnorm", "before", {}),
    # The running average is for the validation score; after fit exact statistics replace it.
    (
        "batchnorm_momentum",
        0.2,
        STOCHASTIC | {"early_stopping": (True,), "batchnorm": (True, "before")},
    ),
    ("batchnorm_epsilon", 0.3, {"batchnorm": (True, "before")}),
    ("keep_prob", 0.7, STOCHASTIC),
    ("keep_prob", (1.0, 0.6), STOCHASTIC),
    ("input_keep_prob", 0.8, STOCHASTIC),
    ("input_bins", 3, {}),
    ("bin_strategy", "quantile", {"input_bins": (4,)}),
    ("input_frequencies", 2, {}),
    ("scaling_layer", True, {"input_bins": (0,)}),
    ("scale_inputs", "robust", {}),
    ("categorical_features", (1,), {}),
    ("categories", ((X[:, 1].min(),),), {"categorical_features": ((1,),)}),
    ("init", "orthogonal", {}),
    ("dtype", "float32", {}),
    ("n_members", 2, {}),
    ("loss", "poisson", {}),
    ("loss", "absolute_error", {}),
    ("loss", "huber", {"huber_delta": (0.1,)}),
    ("loss", "quantile", {"quantile": (0.2,)}),
    ("loss", "gamma", {}),
    ("quantile", 0.9, {"loss": ("quantile",)}),
    ("huber_delta", 0.1, {"loss": ("huber",)}),
    (
        "standardize_target",
        True,
        {"loss": ("squared_error", "huber", "quantile", "absolute_error")},
    ),
]
REGRESSION = {"loss", "standardize_target", "quantile", "huber_delta"}
CLASSIFICATION = {"class_weight": {0: 3.0, 1: 1.0, 2: 1.0}, "label_smoothing": 0.2}
CLASSIFICATION |= {"loss": MulticlassLogLoss(label_smoothing=0.1), "calibrate": False}


def settings_of(option, other=(None, None, {})):
    """Settings to try an option in next to another one, or None if they exclude each other."""
    settings = dict(BASE)
    if other[0]:
        settings[other[0]] = other[1]
    for key, values in other[2].items():
        if settings[key] not in values:
            settings[key] = values[0]
    for key, values in option[2].items():
        if settings[key] not in values:
            if key == other[0]:
                return None  # such as momentum next to solver="adam"
            settings[key] = values[0]
    names = option[0], other[0]
    dropout = "keep_prob" in names or "input_keep_prob" in names
    if dropout and (option[1] == "lbfgs" or "lbfgs" in option[2].get("solver", ())):
        return None  # an error
    if (option[0], other[0]) == ("categorical_features", "categories"):
        return None  # levels without a column are an error
    return settings


@cache
def _fingerprint(settings):
    """All that comes of a fit, to the last bit."""
    model = NormNetRegressor(**dict(settings)).fit(X, Y)
    if model.warm_start:  # means something in a second call, which else would repeat the first
        model.fit(X, Y)
    curves = [model.loss_curve_, model.validation_scores_ or []]
    return [np.asarray(a).tobytes() for a in (model.predict(X), *curves, *model.coefs_)]


def matters(option, settings):
    """Whether the option's value gives another result than BASE's."""
    name, value, _ = option
    without, with_it = settings | {name: BASE[name]}, settings | {name: value}
    one, other = (_fingerprint(tuple(sorted(x.items()))) for x in (without, with_it))
    return one != other


def name_of(option):
    return f"{option[0]}={option[1]}"


def test_the_table_is_complete():
    # verbose changes what is printed only; see below. The others have test files of their own.
    names = {name for name, _, _ in OPTIONS} | {"verbose", "max_time", "checkpoint"}
    assert names == set(NormNetRegressor().get_params())
    assert names - REGRESSION | set(CLASSIFICATION) == set(NormNetClassifier().get_params())


@pytest.mark.parametrize("option", OPTIONS, ids=name_of)
def test_an_option_matters(option):
    assert matters(option, settings_of(option))


@pytest.mark.parametrize("option", OPTIONS, ids=name_of)
def test_an_option_matters_next_to_every_other(option):
    others = [other for other in OPTIONS if other[0] != option[0]]
    settings = {name_of(other): settings_of(option, other) for other in others}
    silent = [other for other, s in settings.items() if s is not None and not matters(option, s)]
    assert silent == []


def test_few_pairs_exclude_each_other():
    # A guard: the exceptions must not swallow the test above.
    pairs = [(a, b) for a in OPTIONS for b in OPTIONS if a[0] != b[0]]
    excluded = [(name_of(a), name_of(b)) for a, b in pairs if settings_of(a, b) is None]
    assert len(excluded) < 0.04 * len(pairs), excluded


@pytest.mark.parametrize(
    "option",
    [o for o in OPTIONS if o[0] not in REGRESSION]
    + [(name, value, {}) for name, value in CLASSIFICATION.items()],
    ids=name_of,
)
def test_an_option_matters_in_classification(option):
    name, value, _ = option
    shared = {k: v for k, v in settings_of(option).items() if k not in REGRESSION}
    base = plain_classifier().get_params() | {k: BASE[k] for k in shared}
    settings = base | shared
    results = []
    if name == "calibrate":
        settings |= {"early_stopping": True, "scoring": "loss"}
    for x in (base[name], value):
        model = NormNetClassifier(**settings | {name: x}).fit(X_IRIS, Y_IRIS)
        if name == "warm_start":
            model.fit(X_IRIS, Y_IRIS)
        if name == "batchnorm_momentum":  # accuracy is too coarse to tell
            model.set_params(early_stopping=False).partial_fit(X_IRIS, Y_IRIS)
        curves = str((model.loss_curve_, model.validation_scores_))
        results.append((model.predict_proba(X_IRIS).tobytes(), curves))
    assert results[0] != results[1]


@pytest.mark.parametrize("name", ["activation", "init"])
def test_all_choices_differ_from_each_other(name):
    choices = {"activation": ACTIVATIONS, "init": INITIALIZERS}[name]
    results = {
        NormNetRegressor(**BASE | {name: choice}).fit(X, Y).predict(X).tobytes()
        for choice in choices
    }
    assert len(results) == len(choices)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_init_auto_is_what_the_activation_recommends(activation):
    auto = NormNetRegressor(**BASE | {"activation": activation}).fit(X, Y)
    # The output layer stands in front of no activation, which is the identity.
    hidden = INITIALIZERS[ACTIVATIONS[activation].init]
    output = INITIALIZERS[ACTIVATIONS["identity"].init]

    def init(fan_in, fan_out, rng):
        return (output if fan_out == 1 else hidden)(fan_in, fan_out, rng)

    given = NormNetRegressor(**BASE | {"activation": activation, "init": init}).fit(X, Y)
    assert_array_equal(auto.predict(X), given.predict(X))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_keep_prob_1_is_no_dropout_bit_for_bit(solver):
    # Nothing is drawn, so a later layer's masks are the same as well.
    settings = BASE | {"solver": solver}
    one = NormNetRegressor(**settings).fit(X, Y)
    for keep_prob in (1, 1.0, (1.0, 1), [1, 1], np.ones(2)):
        other = NormNetRegressor(**settings | {"keep_prob": keep_prob, "input_keep_prob": 1})
        assert_array_equal(one.predict(X), other.fit(X, Y).predict(X))


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_dropout_is_inverted(p):
    # An input of 1 through weights of 1 is 1 / p with probability p, else 0: the mean of half
    # its square is 1 / (2 p). The prediction is 1, without any dropout.
    def mean_loss(**settings):
        model = NormNetRegressor(
            activation="identity",
            init=lambda fan_in, fan_out, rng: np.ones((fan_in, fan_out)),
            **{"alpha": 0, "batchnorm": False, "max_iter": 1, "random_state": 0},
            scale_inputs=None,
            **{"solver": "sgd", "learning_rate_init": 1e-300, "batch_size": 1000},
            **settings,
        ).fit(ones, np.zeros(20_000))
        assert_array_equal(model.predict(ones), 1)
        return model.loss_

    ones = np.ones((20_000, 1))
    dense = mean_loss(hidden_layer_sizes=(1,), keep_prob=p)
    np.testing.assert_allclose(dense, 1 / (2 * p), rtol=0.06)
    np.testing.assert_allclose(mean_loss(hidden_layer_sizes=(), input_keep_prob=p), dense, rtol=0.1)
    both = mean_loss(hidden_layer_sizes=(1, 1), input_keep_prob=p, keep_prob=(1.0, p))
    np.testing.assert_allclose(both, 1 / (2 * p**2), rtol=0.12)


@pytest.mark.parametrize("name", ["keep_prob", "activation"])
def test_one_value_is_that_value_for_every_layer(name):
    value = {"keep_prob": 0.8, "activation": "tanh"}[name]
    one = NormNetRegressor(**BASE | {name: value}).fit(X, Y)
    for values in ((value, value), [value, value], np.array([value, value])):
        each = NormNetRegressor(**BASE | {name: values}).fit(X, Y)
        assert_array_equal(one.predict(X), each.predict(X))


@pytest.mark.parametrize("sizes", [[8, 6], np.array([8, 6]), (np.int32(8), np.int64(6))])
def test_hidden_layer_sizes_of_any_kind(sizes):
    one = NormNetRegressor(**BASE).fit(X, Y)
    other = NormNetRegressor(**BASE | {"hidden_layer_sizes": sizes}).fit(X, Y)
    assert_array_equal(one.predict(X), other.predict(X))


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numpy_scalars_are_numbers(dtype, solver):
    # A search hands in numpy.float64 and the like, which must not widen float32 arrays.
    settings = BASE | {"solver": solver, "dtype": dtype, "power_t": 0.3, "batchnorm_epsilon": 1e-4}
    settings |= {"learning_rate": "invscaling"}
    if solver != "lbfgs":
        settings |= {"keep_prob": 0.8, "input_keep_prob": 0.9}
    numpy = {k: v for k, v in settings.items() if type(v) in (int, float, bool)}
    numpy = {k: np.array(v)[()] for k, v in numpy.items() if k != "verbose"}
    assert type(numpy["momentum"]) is np.float64
    one = NormNetRegressor(**settings).fit(X, Y)
    other = NormNetRegressor(**settings | numpy).fit(X, Y)
    assert_array_equal(one.predict(X), other.predict(X))
    assert one.loss_curve_ == other.loss_curve_
    assert other.coefs_[0].dtype == dtype


INTEGERS = {
    "hidden_layer_sizes": (100, {}),
    "batch_size": (50, {}),
    "max_iter": (7, {}),
    "input_bins": (6, {}),
    "input_frequencies": (3, {}),
    "n_members": (33, {"max_iter": 1, "hidden_layer_sizes": (2,)}),
    "n_iter_no_change": (2, {"learning_rate": "constant"}),
    "max_fun": (5, {"solver": "lbfgs", "keep_prob": 1.0, "max_iter": 50}),
    "random_state": (3, {}),
    "verbose": (0, {}),
}
FLOATS = {
    "alpha": (0.1, {}),
    "weight_decay": (0.3, {}),
    "learning_rate_init": (0.003, {}),
    "max_time": (1000.0, {}),
    "power_t": (0.3, {"learning_rate": "invscaling", "solver": "sgd"}),
    "tol": (0.3, {"learning_rate": "constant", "n_iter_no_change": 1}),
    "momentum": (0.7, {"solver": "sgd"}),
    "validation_fraction": (0.3, {"early_stopping": True}),
    "beta_1": (0.7, {}),
    "beta_2": (0.9, {}),
    "epsilon": (0.01, {}),
    "max_grad_norm": (0.3, {}),
    "weight_averaging": (0.7, {}),
    "batchnorm_momentum": (0.7, {"early_stopping": True}),
    "batchnorm_epsilon": (0.01, {}),
    "keep_prob": (0.7, {}),
    "input_keep_prob": (0.7, {}),
    "quantile": (0.3, {"loss": "quantile"}),
    "huber_delta": (0.7, {"loss": "huber"}),
    "label_smoothing": (0.1, {}),
}
KINDS = [(name, kind) for name in INTEGERS for kind in "bhilqBHILQ"]
KINDS += [(name, kind) for name in FLOATS for kind in "efdg"]


def test_every_numeric_parameter_is_listed():
    numeric = {
        name
        for estimator in (NormNetClassifier, NormNetRegressor)
        for name, allowed in estimator._parameter_constraints.items()
        if any(isinstance(x, Interval) for x in allowed)
    }
    assert numeric - {"random_state", "verbose"} == {*INTEGERS, *FLOATS} - {
        "random_state",
        "verbose",
    }


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_numpy_numbers_of_any_width_mean_what_they_say(name, kind):
    value, settings = (INTEGERS | FLOATS)[name]
    value = np.dtype(kind).type(value)
    number = int(value) if name in INTEGERS else float(value)
    estimator = NormNetClassifier if name == "label_smoothing" else NormNetRegressor
    settings = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0} | settings
    y = Y > 140 if name == "label_smoothing" else Y
    for dtype in ("float32", "float64"):
        one, other = (
            estimator(dtype=dtype, **settings | {name: x}).fit(X, y) for x in (number, value)
        )
        assert_array_equal(one.coefs_[0], other.coefs_[0])
        assert one.history_["learning_rate"] == other.history_["learning_rate"]
        assert one.n_iter_ == other.n_iter_


@pytest.mark.parametrize("kind", "bhilqBHILQ")
def test_numpy_integers_as_a_number_of_samples(kind):
    model = NormNetRegressor(
        hidden_layer_sizes=(8,), keep_prob=0.8, max_iter=2, random_state=0
    ).fit(X, Y)
    n_samples = np.dtype(kind).type(120)
    assert_array_equal(
        model.predict_samples(X, n_samples, random_state=0),
        model.predict_samples(X, 120, random_state=0),
    )


def test_hidden_layer_sizes_of_one_or_no_layer():
    one, other = (
        NormNetRegressor(**BASE | {"hidden_layer_sizes": sizes}).fit(X, Y) for sizes in (7, (7,))
    )
    assert_array_equal(one.predict(X), other.predict(X))
    for sizes in ((), [], np.array([], int)):
        model = NormNetRegressor(**BASE | {"hidden_layer_sizes": sizes}).fit(X, Y)
        assert [W.shape for W in model.coefs_] == [(10, 1)]
        assert model.n_layers_ == 2
        assert model.gammas_ == []


def softsign(z, out):
    return np.divide(z, 1 + abs(z), out=out)


def softsign_derivative(z, y, out):
    return np.square(1 - abs(y), out=out)


def half(fan_in, fan_out, rng):
    return rng.normal(0, 0.5, (fan_in, fan_out))


SOFTSIGN = Activation("softsign", softsign, softsign_derivative, init="xavier_uniform")


def test_a_user_defined_activation_trains():
    model = NormNetRegressor(**BASE | {"activation": SOFTSIGN, "batchnorm": False}).fit(X, Y)
    h = X
    for W, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        h = h @ W + b
        h /= 1 + abs(h)
    raw = h @ model.coefs_[-1] + model.intercepts_[-1]
    np.testing.assert_allclose(model.predict(X), raw.ravel(), rtol=1e-9)
    per_layer = NormNetRegressor(**BASE | {"activation": ["relu", SOFTSIGN]}).fit(X, Y)
    assert np.abs(per_layer.predict(X) - model.predict(X)).max() > 1e-3


@pytest.mark.parametrize("kind", ["adam", "early_stopping", "partial_fit", "lbfgs"])
@pytest.mark.parametrize("verbose", [True, 1, 2])
def test_verbose_changes_the_output_only(kind, verbose, capfd):
    settings = BASE | {"solver": "lbfgs" if kind == "lbfgs" else "adam"}
    settings |= {"early_stopping": kind == "early_stopping"}
    models = [NormNetRegressor(**settings | {"verbose": v}) for v in (False, verbose)]
    outputs = []
    for model in models:
        model.partial_fit(X, Y) if kind == "partial_fit" else model.fit(X, Y)
        outputs.append(capfd.readouterr().out)
    assert_array_equal(*(model.predict(X) for model in models))
    assert outputs[0] == ""
    assert "loss" in outputs[1]


# ---------------------------------------------------------------- parameters as scikit-learn's

UNUSUAL = {
    "hidden_layer_sizes": np.array([8, 6]),
    "activation": ["relu", SOFTSIGN],
    "keep_prob": np.array([0.9, 0.8]),
    "init": half,
    "random_state": 3,
    "batchnorm": "after",
    "max_iter": 3,
}


@pytest.mark.parametrize("kind", [NormNetClassifier, NormNetRegressor])
def test_the_constructor_keeps_what_it_is_given(kind):
    model = kind(**UNUSUAL)
    for name, value in UNUSUAL.items():
        assert getattr(model, name) is value
    assert kind().get_params().keys() == set(inspect.signature(kind).parameters)


@pytest.mark.parametrize("kind", [NormNetClassifier, NormNetRegressor])
def test_training_leaves_the_parameters_alone(kind):
    given = UNUSUAL | {"random_state": np.random.RandomState(0)}
    values = copy.deepcopy(given)
    model = kind(**given).fit(X_IRIS, Y_IRIS)
    model.partial_fit(X_IRIS, Y_IRIS).predict(X_IRIS)
    for name, value in given.items():
        assert getattr(model, name) is value  # the very object
        if name != "random_state":  # a stream that is drawn from
            assert np.all(getattr(model, name) == values[name])
    assert model.get_params() == kind(**given).get_params()


@pytest.mark.parametrize("kind", [NormNetClassifier, NormNetRegressor])
def test_clone(kind):
    model = kind(**UNUSUAL).fit(X_IRIS, Y_IRIS)
    again = clone(model)
    assert not hasattr(again, "coefs_")
    again.fit(X_IRIS, Y_IRIS)
    assert_array_equal(again.predict(X_IRIS), model.predict(X_IRIS))
    assert again.loss_curve_ == model.loss_curve_


def test_set_params():
    model = NormNetRegressor().set_params(**BASE)
    assert model.get_params() == BASE
    one = NormNetRegressor(**BASE | {"keep_prob": 0.7}).fit(X, Y)
    other = model.fit(X, Y).set_params(keep_prob=0.7).fit(X, Y)
    assert_array_equal(one.predict(X), other.predict(X))
    with pytest.raises(ValueError, match="Invalid parameter 'dropout' for estimator"):
        model.set_params(dropout=0.5)


def test_set_params_changes_how_training_goes_on():
    model = NormNetRegressor(**BASE).fit(X, Y)
    for name, value in [("learning_rate_init", 0.1), ("alpha", 10.0), ("keep_prob", 0.5)]:
        one, other = copy.deepcopy(model), copy.deepcopy(model).set_params(**{name: value})
        one.partial_fit(X, Y)
        other.partial_fit(X, Y)
        assert not np.array_equal(one.predict(X), other.predict(X)), name


@pytest.mark.parametrize("beta_1", [0.0, 0.5])
def test_beta_1_may_change_while_training_goes_on(beta_1):
    # Under a constant gradient Adam's step is the learning rate, whatever beta_1 is: the
    # average of equal gradients, which is what the optimizer has kept, does not depend on it.
    settings = {"hidden_layer_sizes": (), "learning_rate_init": 0.01, "random_state": 0}
    model = plain_regressor(batchnorm=False, alpha=0, **settings)
    x, weights = np.resize([[1.0], [-1.0]], (10, 1)), []
    y = 1e6 * x.ravel()
    for step in range(110):
        if step == 100:
            model.set_params(beta_1=beta_1)
        model.partial_fit(x, y)
        weights.append(model.coefs_[0].item())
    np.testing.assert_allclose(np.diff(weights), 0.01, rtol=0.05)


@pytest.mark.parametrize("kind", [NormNetClassifier, NormNetRegressor])
def test_repr(kind):
    assert repr(kind()) == f"{kind.__name__}()"
    assert repr(kind(keep_prob=0.5)) == f"{kind.__name__}(keep_prob=0.5)"
    for model in (kind(**UNUSUAL), kind(**UNUSUAL).fit(X_IRIS, Y_IRIS)):
        assert "softsign" in repr(model)
        assert "batchnorm='after'" in repr(model).replace("\n", "")
        html = model._repr_html_()
        assert kind.__name__ in html
        assert "softsign" in html
