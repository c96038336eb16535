"""The numbers about a network against plain formulas, and against what training does."""

from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknormnet import NormNetClassifier, NormNetRegressor
from sknormnet.inspection import (
    LayerStatistics,
    batchnorm_statistics,
    columns,
    initialized,
    layer_gradients,
    layer_shift,
    layer_statistics,
    search_table,
    training_history,
)

X, Y = load_iris(return_X_y=True)
X = scale(X)
NEW = X[::3] + 0.3
SMALL = {"hidden_layer_sizes": (8, 5), "max_iter": 5, "random_state": 0}


def fitted(**parameters):
    return NormNetClassifier(**SMALL | parameters).fit(X, Y)


# --------------------------------------------------------------------------- layers' statistics


def plain_stages(model, x, training):
    """Each stage of the hidden layers, in plain formulas."""
    for k, (W, b) in enumerate(zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True)):
        steps = {"linear": lambda x, W=W, b=b: x @ W + b, "activation": np.tanh}
        if model.batchnorm:
            gamma, beta = model.gammas_[k], model.betas_[k]
            running = model.running_means_[k], model.running_vars_[k]

            def norm(x, gamma=gamma, beta=beta, running=running):
                mean, var = (x.mean(axis=0), x.var(axis=0)) if training else running
                return gamma * (x - mean) / np.sqrt(var + model.batchnorm_epsilon) + beta

            steps["batchnorm"] = norm
        order = ["linear", "batchnorm", "activation"]
        if model.batchnorm != "before":
            order = ["linear", "activation", "batchnorm"]
        for stage in order:
            if stage in steps:
                x = steps[stage](x)
                yield k, stage, x


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("batchnorm", [False, "before", "after"])
def test_layer_statistics_are_those_of_plain_formulas(batchnorm, training):
    model = fitted(activation="tanh", batchnorm=batchnorm)
    found = layer_statistics(model, NEW, training=training)
    expected = [*plain_stages(model, NEW, training)]
    assert [(x.layer, x.stage) for x in found] == [(k, stage) for k, stage, _ in expected]
    for x, (_, stage, values) in zip(found, expected, strict=True):
        assert x.mean == pytest.approx(values.mean())
        assert x.std == pytest.approx(values.std())
        assert_allclose(x.quantiles, np.percentile(values, [5, 25, 50, 75, 95]))
        assert_allclose(x.unit_means, values.mean(axis=0))
        assert_allclose(x.unit_stds, values.std(axis=0), atol=1e-12)
        assert np.isnan(x.dead) == np.isnan(x.saturated) == (stage != "activation")
        assert x.epoch is None


def test_the_last_stage_is_what_the_next_layer_gets():
    model = fitted(keep_prob=0.5, input_keep_prob=0.5)
    for layer in (0, 1):
        last = [x for x in layer_statistics(model, NEW) if x.layer == layer][-1]
        values = model.hidden_activations(NEW, layer)
        assert_allclose(last.unit_means, values.mean(axis=0), atol=1e-12)
        assert_allclose(last.unit_stds, values.std(axis=0))


def test_sparse_rows_and_pipelines():
    model = fitted()
    dense = layer_statistics(model, NEW)
    for one, other in zip(dense, layer_statistics(model, csr_array(NEW)), strict=True):
        assert one.mean == pytest.approx(other.mean, abs=1e-12)
    raw, y = load_iris(return_X_y=True, as_frame=True)
    pipe = make_pipeline(StandardScaler(), NormNetClassifier(**SMALL)).fit(raw, y)
    found = layer_statistics(pipe, raw)
    inner = layer_statistics(pipe[-1], pipe[:-1].transform(raw))
    assert [x.mean for x in found] == [x.mean for x in inner]
    alone = make_pipeline(NormNetClassifier(**SMALL)).fit(X, Y)
    assert layer_statistics(alone, NEW)[0].mean == dense[0].mean


def test_members_of_an_ensemble():
    model = fitted(n_members=2)
    one, other = (layer_statistics(model, NEW, member=k)[-1] for k in (0, 1))
    values = model.hidden_activations(NEW)
    assert_allclose(one.unit_means, values[0].mean(axis=0), atol=1e-12)
    assert_allclose(other.unit_means, values[1].mean(axis=0), atol=1e-12)
    with pytest.raises(ValueError, match=r"member must be an int in the range \[0, 2\)\. Got 2 in"):
        layer_statistics(model, NEW, member=2)


def negative(fan_in, fan_out, rng):
    return -np.ones((fan_in, fan_out))


def positive(fan_in, fan_out, rng):
    return np.ones((fan_in, fan_out))


def one_dead(fan_in, fan_out, rng):
    W = np.ones((fan_in, fan_out))
    W[:, 0] = -1
    return W


@pytest.mark.parametrize(
    ("init", "activation", "dead", "saturated"),
    [
        (negative, "relu", 1, 1),
        (one_dead, "relu", 1 / 8, 1 / 8),
        (positive, "relu", 0, 0),
        (negative, "leaky_relu", 0, 1),
        (negative, "tanh", 0, 1),
        ("normal", "tanh", 0, 0),
        (negative, "logistic", 0, 1),
        ("zeros", "logistic", 0, 0),
    ],
)
def test_dead_and_saturated_units(init, activation, dead, saturated):
    rows = 1 + np.arange(20).reshape(10, 2) / 20  # pre-activations of about -6 for `negative`
    model = NormNetClassifier((8,), activation, init=init, batchnorm=False, random_state=0)
    model = initialized(model, rows, np.arange(10) % 2)
    (x,) = (x for x in layer_statistics(model, rows * 2) if x.stage == "activation")
    assert (x.dead, x.saturated) == (dead, saturated)


# ------------------------------------------------------------------------ batch norm's statistics


@pytest.mark.parametrize("batchnorm", ["before", "after"])
def test_batchnorm_statistics(batchnorm):
    model = fitted(batchnorm=batchnorm)
    inputs = {}
    for stage, x in zip(
        layer_statistics(model, NEW), [None, *layer_statistics(model, NEW)[:-1]], strict=True
    ):
        if stage.stage == "batchnorm":
            inputs[stage.layer] = x
    for x in batchnorm_statistics(model, NEW):
        assert_array_equal(x.running_mean, model.running_means_[x.layer])
        assert_array_equal(x.running_var, model.running_vars_[x.layer])
        assert_allclose(x.batch_mean, inputs[x.layer].unit_means)
        assert_allclose(np.sqrt(x.batch_var), inputs[x.layer].unit_stds)
        std = np.sqrt(x.running_var + model.batchnorm_epsilon)
        assert_allclose(x.shift, (x.batch_mean - x.running_mean) / std)
        assert_allclose(x.ratio * std, np.sqrt(x.batch_var + model.batchnorm_epsilon))
    # After `fit`, the statistics are exactly those of the training rows.
    assert all(np.abs(x.shift).max() < 1e-6 for x in batchnorm_statistics(model, X))
    assert np.abs(batchnorm_statistics(model, NEW)[0].shift).max() > 0.1


def test_without_batch_norm_there_are_no_such_statistics():
    with pytest.raises(ValueError, match="The network has no batch norm"):
        batchnorm_statistics(fitted(batchnorm=False), X)


# ---------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("batchnorm", [False, "before", "after"])
@pytest.mark.parametrize("kind", [NormNetClassifier, NormNetRegressor])
def test_a_step_of_gradient_descent_goes_as_far_as_the_gradient_says(kind, batchnorm):
    rows, y = (
        load_iris(return_X_y=True) if kind is NormNetClassifier else load_diabetes(return_X_y=True)
    )
    rows, weight = scale(rows), 1 + np.arange(len(y)) % 3
    model = kind(
        hidden_layer_sizes=(6, 4), solver="sgd", momentum=0, learning_rate="constant",
        learning_rate_init=0.01, batch_size=len(y), keep_prob=1.0, alpha=5.0, max_iter=3, tol=0,
        batchnorm=batchnorm, random_state=0,
    )  # fmt: skip
    with pytest.warns(Warning, match="Maximum iterations"):
        model.fit(rows, y, sample_weight=weight)
    gradients = layer_gradients(model, rows, y, sample_weight=weight)
    before = [W.copy() for W in model.coefs_]
    model.partial_fit(rows, y, sample_weight=weight)
    for x, old, new in zip(gradients, before, model.coefs_, strict=True):
        assert x.weight_norm == pytest.approx(np.linalg.norm(old))
        assert x.gradient_norm == pytest.approx(np.linalg.norm(new - old) / 0.01, rel=1e-8)
        assert np.isnan(x.update_ratio)


def test_gradients_are_without_dropout_and_change_nothing():
    model = fitted(keep_prob=0.5, input_keep_prob=0.7)
    before = model.predict_proba(X)
    one, other = (layer_gradients(model, X, Y) for _ in range(2))
    assert [x.gradient_norm for x in one] == [x.gradient_norm for x in other]
    assert_array_equal(model.predict_proba(X), before)
    pipe = make_pipeline(StandardScaler(), NormNetClassifier(**SMALL)).fit(X, Y)
    assert len(layer_gradients(pipe, X, Y)) == 3


# ------------------------------------------------------------------------------------- shifts


def statistics(epoch, layer, means, stds, stage="activation"):
    means, stds = np.array(means, float), np.array(stds, float)
    return LayerStatistics(layer, stage, 0, 1, np.zeros(5), 0, 0, means, stds, epoch)


def test_layer_shift_by_hand():
    recorded = [
        statistics(0, 0, [9, 9], [9, 9], "linear"),  # not what the layer hands on
        statistics(0, 0, [0, 0], [3, 4]),
        statistics(1, 0, [3, 0], [1, 0]),
        statistics(2, 0, [3, 2], [1, 1]),
    ]
    first, second = layer_shift(recorded)
    assert (first.layer, first.epoch, first.shift, first.drift) == (0, 1, 3 / 5, 3 / 5)
    assert (second.epoch, second.shift) == (2, 2.0)
    assert second.drift == pytest.approx(np.sqrt(13) / 5)


def test_a_layer_without_spread_has_no_shift():
    (x,) = layer_shift([statistics(0, 0, [0], [0]), statistics(1, 0, [1], [1])])
    assert np.isnan(x.shift)
    assert layer_shift([]) == []


# ------------------------------------------------------------------------------------- searches


RESULTS = {
    "param_net__keep_prob": np.ma.array([1.0, 0.5, 1.0, 0.5, 1.0], mask=[0, 0, 0, 0, 1]),
    "param_net__batchnorm": np.ma.array([False, False, True, True, True], dtype=object),
    "param_net__alpha": np.ma.array([0, 0, 0, 0, 1]),
    "mean_test_score": np.array([0.6, 0.7, 0.8, np.nan, 0.95]),
    "std_test_score": np.array([0.01, 0.02, 0.03, np.nan, 0.05]),
}


def test_search_table_by_hand():
    table = search_table(RESULTS, "keep_prob", "batchnorm")
    assert (table.x_values, table.y_values) == ([0.5, 1.0], [False, True])
    assert_array_equal(table.mean, [[0.7, 0.6], [np.nan, 0.8]])
    assert_array_equal(table.std, [[0.02, 0.01], [np.nan, 0.03]])


def test_search_table_takes_the_best_of_what_is_not_shown():
    grid = {
        "keep_prob": [1.0, 0.8],
        "batchnorm": [True, 1 == 0],
        "hidden_layer_sizes": [(3,), (9,)],
    }
    model = NormNetClassifier(max_iter=4, random_state=0)
    search = GridSearchCV(
        model, grid, cv=2, scoring={"a": "accuracy", "l": "neg_log_loss"}, refit="a"
    )
    search.fit(X, Y)
    table = search_table(search, "hidden_layer_sizes", "keep_prob", metric="l")
    assert table.x_values == [(3,), (9,)]  # in the order of the grid
    assert table.y_values == [0.8, 1.0]  # by size
    frame = pd.DataFrame(search.cv_results_)
    frame["sizes"] = frame["param_hidden_layer_sizes"].astype(str)
    best = frame.groupby(["param_keep_prob", "sizes"])["mean_test_l"].max().unstack()
    assert_allclose(table.mean, best.to_numpy())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("alpha", "keepprob", "score"),
            r"^No searched parameter matches 'keepprob'. Searched: \['net__alpha', 'net__batch"
            r"norm', 'net__keep_prob'\]. Did you mean 'keep_prob'\?$",
        ),
        (("alpha", "keep_prob", "f1"), r"metric must be one of \['score'\]\. Got 'f1' instead"),
    ],
)
def test_search_table_says_what_there_is(names, message):
    x, y, metric = names
    with pytest.raises(ValueError, match=message):
        search_table(RESULTS, x, y, metric=metric)


# --------------------------------------------------------------------------------------- others


def test_training_history():
    plain = training_history(fitted())
    assert plain.best_epoch == 5
    assert plain.name == "NormNetClassifier"
    assert plain.validation_score.shape == (0,)
    model = fitted(early_stopping=True, max_iter=30)
    history = training_history(make_pipeline(StandardScaler(), model))
    assert_array_equal(history.loss, model.loss_curve_)
    assert_array_equal(history.validation_score, model.validation_scores_)
    assert history.best_epoch == np.argmax(model.validation_scores_) + 1
    assert history.validation_score[history.best_epoch - 1] == model.best_validation_score_


def test_initialized_is_the_start_of_a_fit():
    model = NormNetClassifier(**SMALL, init="he_normal")
    start = initialized(model, X, Y)
    assert not hasattr(model, "coefs_")
    assert start.loss_curve_ == []
    rates = {"learning_rate_init": 1e-12, "weight_decay": 0.0}
    trained = fitted(init="he_normal", **rates)
    for one, other in zip(start.coefs_, trained.coefs_, strict=True):
        assert_allclose(one, other, atol=1e-9)
    assert_allclose(start.running_means_[1], trained.running_means_[1], atol=1e-8)
    pipe = initialized(make_pipeline(StandardScaler(), model), X * 3 + 1, Y)
    assert_allclose(pipe.predict_proba(X * 3 + 1), start.predict_proba(X), atol=1e-9)


def test_columns_are_ready_for_a_data_frame():
    frame = pd.DataFrame(columns(layer_statistics(fitted(), X)))
    assert [*frame] == ["layer", "stage", "mean", "std", "dead", "saturated", "epoch"]
    assert len(frame) == 6
    assert columns([]) == {}


def test_records_are_frozen():
    (x, *_) = layer_statistics(fitted(), X)
    with pytest.raises(FrozenInstanceError):
        x.mean = 0


@pytest.mark.parametrize(
    "function",
    [
        training_history,
        lambda model: layer_statistics(model, X),
        lambda model: batchnorm_statistics(model, X),
        lambda model: layer_gradients(model, X, Y),
    ],
)
def test_what_is_no_fitted_network_is_said(function):
    with pytest.raises(NotFittedError):
        function(NormNetClassifier())
    for other in (LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())):
        with pytest.raises(TypeError, match="estimator must be a NormNetClassifier, a NormNetReg"):
            function(other)
