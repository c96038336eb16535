"""The statistics of the hidden layers against plain formulas, and their shift by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknormnet import NormNetClassifier
from sknormnet.inspection import LayerStatistics, initialized, layer_shift, layer_statistics

X, Y = load_iris(return_X_y=True)
X = scale(X)
NEW = X[::3] + 0.3
SMALL = {"hidden_layer_sizes": (8, 5), "max_iter": 5, "input_bins": 0, "random_state": 0}


def fitted(**parameters):
    return NormNetClassifier(**SMALL | parameters).fit(X, Y)


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
