"""How parameters steer training: plans of the learning rate, batches and dropout by the rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.preprocessing import scale

from sknormnet import NormNetClassifier, NormNetRegressor
from sknormnet.training.batches import Samples

X, Y = load_diabetes(return_X_y=True)
X = scale(X)

SMALL = {"hidden_layer_sizes": (6,), "random_state": 0}
PLANS = ["cosine", "onecycle", "warmup", lambda progress: 1 - progress]


def rates_of(model, monkeypatch, fit):
    """The learning rate of each step that fit takes, as the optimizer is told."""
    rates = []
    from sknormnet.training.optimizers import SGD

    update = SGD.update

    def spy(self, parameters, gradient, state, rate, *rest):
        rates.append(rate)
        update(self, parameters, gradient, state, rate, *rest)

    monkeypatch.setattr(SGD, "update", spy)
    monkeypatch.setenv("SKNORMNET_FUSED", "0")
    fit(model)
    return np.array(rates)


@pytest.mark.parametrize("plan", PLANS, ids=[*PLANS[:3], "callable"])
def test_a_plan_is_followed_to_its_end_without_a_warning(plan):
    # warnings are errors here; so large a tol would stop any other training
    model = NormNetRegressor(learning_rate=plan, max_iter=7, tol=1e6, n_iter_no_change=1, **SMALL)
    assert model.fit(X, Y).n_iter_ == 7


@pytest.mark.parametrize("plan", PLANS, ids=[*PLANS[:3], "callable"])
def test_early_stopping_follows_a_planned_schedule_to_its_end(plan):
    # The best epochs are mostly the last ones, when the rate is low.
    settings = SMALL | {"early_stopping": True, "tol": 1e6, "n_iter_no_change": 2, "max_iter": 7}
    model = NormNetRegressor(learning_rate=plan, **settings).fit(X, Y)
    assert model.n_iter_ == len(model.validation_scores_) == 7
    assert model.validation_scores_[model.best_epoch_ - 1] == max(model.validation_scores_)


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling"])
def test_early_stopping_stops_without_a_planned_schedule(learning_rate):
    settings = SMALL | {"early_stopping": True, "tol": 1e6, "n_iter_no_change": 2}
    model = NormNetRegressor(learning_rate=learning_rate, **settings)
    assert model.fit(X, Y).n_iter_ == 4  # the first score is better than none


def test_without_a_plan_the_last_epoch_is_told():
    model = NormNetRegressor(learning_rate="constant", max_iter=2, **SMALL)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        model.fit(X, Y)


@pytest.mark.parametrize(
    ("plan", "factor"),
    [
        ("cosine", lambda t: (1 + np.cos(np.pi * t)) / 2),
        ("warmup", lambda t: np.minimum(1, t / 0.1)),
        (lambda t: 2 * t, lambda t: 2 * t),
    ],
    ids=["cosine", "warmup", "callable"],
)
def test_a_plan_moves_with_each_step(plan, factor, monkeypatch):
    model = NormNetRegressor(
        solver="sgd",
        learning_rate=plan,
        learning_rate_init=0.02,
        batch_size=100,
        max_iter=3,
        **SMALL,
    )
    rates = rates_of(model, monkeypatch, lambda model: model.fit(X, Y))
    seen = np.concatenate([len(X) * epoch + np.arange(0, len(X), 100) for epoch in range(3)])
    assert_allclose(rates, 0.02 * factor(seen / (3 * len(X))), rtol=1e-12, atol=1e-15)


def test_a_plan_starts_again_with_each_fit(monkeypatch):
    model = NormNetRegressor(solver="sgd", warm_start=True, max_iter=2, **SMALL)
    rates = rates_of(model, monkeypatch, lambda model: model.fit(X, Y).fit(X, Y))
    assert_array_equal(rates[: len(rates) // 2], rates[len(rates) // 2 :])


@pytest.mark.parametrize("plan", PLANS, ids=[*PLANS[:3], "callable"])
def test_planned_schedules_fall_with_the_steps_in_partial_fit(plan, monkeypatch):
    # There is no last epoch to plan for.
    settings = SMALL | {"learning_rate_init": 0.02, "batch_size": 100}
    model = NormNetRegressor(solver="sgd", learning_rate=plan, **settings)

    def stream(model):
        for rows in (slice(None), slice(150), slice(None)):  # 5, 2 and 5 batches
            model.partial_fit(X[rows], Y[rows])

    rates = rates_of(model, monkeypatch, stream)
    assert_allclose(rates, 0.02 / np.sqrt(1 + np.arange(12) / 10))
    assert_allclose(model.history_["learning_rate"][-1], 0.02 / np.sqrt(1 + 11.42 / 10))


@pytest.mark.parametrize("n_members", [1, 3])
def test_the_rate_in_partial_fit_counts_the_steps_of_fit(n_members):
    model = NormNetRegressor(max_iter=20, n_members=n_members, **SMALL).fit(X, Y)
    model.partial_fit(X, Y)
    n_steps = 20 * 7 + len(X) / 64  # of batches of 64 rows
    assert_allclose(model.history_["learning_rate"][-1], 0.01 / np.sqrt(1 + n_steps / 10))


def test_schedules_that_are_not_planned_are_followed_in_partial_fit():
    for learning_rate, rate in (("constant", 0.01), ("invscaling", 0.01 / np.sqrt(2 * 442 + 1))):
        model = NormNetRegressor(learning_rate=learning_rate, **SMALL)
        model.partial_fit(X, Y).partial_fit(X, Y)
        assert_allclose(model.history_["learning_rate"][-1], rate)


def test_a_stream_learns_about_as_well_as_a_fit():
    x, y = load_digits(return_X_y=True)
    x, y = scale(x), y
    x, y, x_test, y_test = x[:1400], y[:1400], x[1400:], y[1400:]
    settings = {"random_state": 0, "scale_inputs": None}  # already scaled by all rows
    fit = NormNetClassifier(max_iter=5, **settings).fit(x, y)
    streams = {
        learning_rate: NormNetClassifier(learning_rate=learning_rate, **settings)
        for learning_rate in ("constant", "cosine")
    }
    for model in streams.values():
        for _ in range(5):
            for rows in np.array_split(np.arange(1400), 10):
                model.partial_fit(x[rows], y[rows], classes=np.arange(10))
    losses = {name: log_loss(y_test, m.predict_proba(x_test)) for name, m in streams.items()}
    assert losses["cosine"] < losses["constant"]
    assert losses["cosine"] < 1.3 * log_loss(y_test, fit.predict_proba(x_test))


@pytest.mark.parametrize("solver", ["adam", "adamw", "nadam", "rmsprop", "sgd"])
def test_every_solver_learns(solver):
    settings = {"learning_rate_init": 0.003} if solver == "sgd" else {}
    model = NormNetRegressor(solver=solver, random_state=0, **settings).fit(X, Y)
    assert model.score(X, Y) > 0.5


def test_a_short_gradient_learns_slowly():
    long, short = (
        NormNetRegressor(solver="sgd", max_grad_norm=norm, max_iter=3, **SMALL).fit(X, Y)
        for norm in (None, 1e-6)
    )
    start = NormNetRegressor(solver="sgd", learning_rate_init=1e-12, max_iter=1, **SMALL).fit(X, Y)
    way = [np.abs(model.coefs_[0] - start.coefs_[0]).max() for model in (long, short)]
    assert way[1] < 1e-4 < 1e-2 < way[0]


@pytest.mark.parametrize(
    ("n_rows", "batch_size"), [(30, 30), (64, 64), (442, 64), (3000, 100), (20_000, 256)]
)
def test_batches_scale_with_the_rows(n_rows, batch_size, monkeypatch):
    asked = []
    batches = Samples.batches

    def spy(self, rng, **settings):
        asked.append(settings["batch_size"])
        return batches(self, rng, **settings)

    monkeypatch.setattr(Samples, "batches", spy)
    rng = np.random.default_rng(0)
    model = NormNetRegressor(max_iter=1, early_stopping=False, **SMALL)
    model.fit(rng.normal(size=(n_rows, 2)), rng.normal(size=n_rows))
    assert asked == [batch_size]


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "settings", "expected"),
    [
        (1000, 50, {}, (0.8, 1.0)),
        (1000, 51, {}, (0.6, 0.8)),
        (999, 2, {}, (0.6, 1.0)),
        (499, 2, {}, (0.6, 0.8)),
        (100, 2, {}, (0.6, 0.8)),
        (99, 2, {}, (1.0, 1.0)),
        (499, 2, {"keep_prob": 0.9}, (0.9, 1.0)),
        (499, 2, {"input_keep_prob": 0.9}, (0.6, 0.9)),
        (499, 2, {"solver": "lbfgs"}, (1.0, 1.0)),
    ],
)
@pytest.mark.parametrize("kind", [NormNetClassifier, NormNetRegressor])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_automatic_dropout(kind, n_rows, n_columns, settings, expected):
    x = np.random.default_rng(0).normal(size=(n_rows, n_columns))
    settings = SMALL | {"max_iter": 1} | settings
    y = x[:, 0] > 0 if kind is NormNetClassifier else x[:, 0] ** 2  # neither is nearly linear
    given = dict(zip(("keep_prob", "input_keep_prob"), expected, strict=True))
    if kind is NormNetRegressor and "input_keep_prob" not in settings:
        given["input_keep_prob"] = 1.0
    one, other = (kind(**settings | more).fit(x, y) for more in ({}, given))
    for found, wanted in zip(one.coefs_, other.coefs_, strict=True):
        assert_array_equal(found, wanted)


def test_automatic_dropout_counts_the_rows_that_count():
    weight = np.zeros(len(X))
    weight[:99] = 1
    one = NormNetRegressor(**SMALL).fit(X, Y, weight)
    assert_array_equal(one.predict(X), NormNetRegressor(**SMALL).fit(X[:99], Y[:99]).predict(X))


def test_automatic_dropout_in_partial_fit():
    # How many rows there will be is not known.
    one, other = (NormNetRegressor(**SMALL, keep_prob=keep) for keep in ("auto", 0.8))
    for part in (slice(50), slice(50, 90)):
        one.partial_fit(X[part], Y[part])
        other.partial_fit(X[part], Y[part])
    assert_array_equal(one.predict(X), other.predict(X))
