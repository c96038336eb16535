"""Predictions with dropout on, and what hidden layers make of their inputs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import scale

from sknormnet import NormNetClassifier, NormNetRegressor

X, Y = load_diabetes(return_X_y=True)
X = scale(X)
X_IRIS, Y_IRIS = load_iris(return_X_y=True)
X_IRIS = scale(X_IRIS)
LABELS = np.c_[Y_IRIS > 0, Y_IRIS > 1].astype(int)

REGRESSOR = NormNetRegressor(hidden_layer_sizes=(20, 10), keep_prob=0.7, random_state=0).fit(X, Y)


@pytest.mark.parametrize("batchnorm", [False, "before", "after"])
@pytest.mark.parametrize("input_keep_prob", [1.0, 0.8])
def test_samples_of_a_linear_readout_average_to_the_prediction(batchnorm, input_keep_prob):
    # With the identity as activation the network is linear in its masks.
    model = NormNetRegressor(
        hidden_layer_sizes=(20, 10),
        activation="identity",
        batchnorm=batchnorm,
        keep_prob=0.7,
        input_keep_prob=input_keep_prob,
        random_state=0,
    )
    model.fit(X, Y)
    samples = model.predict_samples(X, 2000, random_state=0)
    assert samples.shape == (2000, len(X))
    error = (samples.mean(axis=0) - model.predict(X)) / (samples.std(axis=0) / np.sqrt(2000))
    assert abs(error).max() < 5
    assert abs((error**2).mean() - 1) < 0.5


def test_sampling_by_hand():
    # One hidden layer, no batch norm: a unit is there or not, each with its probability.
    model = NormNetRegressor(
        hidden_layer_sizes=(2,),
        keep_prob=0.5,
        batchnorm=False,
        input_bins=0,
        random_state=1,
        max_iter=5,
    ).fit(X, Y)
    (W, V), (b, c) = model.coefs_, model.intercepts_
    hidden = np.maximum(X[:3] @ W + b, 0)
    sets = [hidden * mask * 2 @ V + c for mask in ([0, 0], [0, 1], [1, 0], [1, 1])]
    possible = np.concatenate(sets, axis=1) * Y.std() + Y.mean()
    samples = model.predict_samples(X[:3], 400, random_state=0)
    gaps = abs(samples[:, :, None] - possible).min(axis=2)
    assert_allclose(gaps, 0, atol=1e-9)
    for row in range(3):
        reached = {int(abs(s - possible[row]).argmin()) for s in samples[:, row]}
        assert len(reached) == len(np.unique(possible[row].round(9)))


def test_the_seed_alone_decides_and_nothing_is_left_behind():
    before = REGRESSOR.predict(X)
    one, same, other = (REGRESSOR.predict_samples(X, 5, random_state=s) for s in (0, 0, 1))
    assert_array_equal(one, same)
    assert (one != other).any()
    assert (one[0] != one[1]).any()
    assert_array_equal(REGRESSOR.predict(X), before)


def test_the_standard_deviation_is_that_of_samples():
    y, std = REGRESSOR.predict(X, return_std=True)
    assert_array_equal(y, REGRESSOR.predict(X))
    assert_array_equal(std, REGRESSOR.predict(X, return_std=True)[1])
    samples = REGRESSOR.predict_samples(X, 1000, random_state=3)
    assert_allclose(std, samples.std(axis=0), rtol=0.4)
    assert 1 < std.mean() < Y.std()  # on the target's scale


@pytest.mark.parametrize("y", [Y_IRIS, Y_IRIS > 0, LABELS])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_samples_of_probabilities(y, container):
    model = NormNetClassifier((20,), keep_prob=0.6, input_keep_prob=0.9, random_state=0)
    model.fit(container(X_IRIS), y)
    samples = model.predict_proba_samples(container(X_IRIS), 50, random_state=0)
    p = model.predict_proba(container(X_IRIS))
    assert samples.shape == (50, *p.shape)
    assert ((samples > 0) & (samples <= 1)).all()
    if y is not LABELS:
        assert_allclose(samples.sum(axis=2), 1)
    assert np.corrcoef(samples.mean(axis=0).ravel(), p.ravel())[0, 1] > 0.9


def test_several_outputs_and_float32():
    model = NormNetRegressor(hidden_layer_sizes=(20,), keep_prob=0.7, random_state=0)
    model.fit(X.astype(np.float32), np.c_[Y, -Y])
    samples = model.predict_samples(X.astype(np.float32), 4, random_state=0)
    assert samples.shape == (4, len(X), 2)
    assert samples.dtype == np.float32
    assert model.predict_samples(X, 4, random_state=0).dtype == np.float64


def test_without_dropout_there_is_nothing_to_sample():
    model = NormNetRegressor(hidden_layer_sizes=(5,), keep_prob=1.0, random_state=0).fit(X, Y)
    for call in (model.predict_samples, lambda X: model.predict(X, return_std=True)):
        with pytest.raises(ValueError, match=r"fitted without dropout.*keep_prob=1\.0.*n_members"):
            call(X)
    for n_samples in (0, -1, 1.5, "many"):
        with pytest.raises(ValueError, match=r"n_samples must be an int in the range \[1, inf\)"):
            REGRESSOR.predict_samples(X, n_samples)


# --------------------------------------------------------------------------- hidden layers


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("batchnorm", [False, "before", "after"])
def test_hidden_activations_by_hand(batchnorm, container):
    model = NormNetRegressor(
        hidden_layer_sizes=(7, 5),
        batchnorm=batchnorm,
        keep_prob=0.7,
        input_bins=0,
        random_state=0,
    ).fit(X, Y)
    expected, h = [], X
    for k in range(2):
        h = h @ model.coefs_[k] + model.intercepts_[k]
        if batchnorm == "after":
            h = np.maximum(h, 0)
        if batchnorm:
            std = np.sqrt(model.running_vars_[k] + model.batchnorm_epsilon)
            h = (h - model.running_means_[k]) / std * model.gammas_[k] + model.betas_[k]
        if batchnorm != "after":
            h = np.maximum(h, 0)
        expected.append(h)
    for layer in (0, 1, -1, -2):
        found = model.hidden_activations(container(X), layer)
        assert_allclose(found, expected[layer], rtol=1e-9, atol=1e-9)
    raw = expected[-1] @ model.coefs_[-1] + model.intercepts_[-1]
    assert_allclose(model.predict(X), raw.ravel() * Y.std() + Y.mean(), rtol=1e-9)


@pytest.mark.parametrize("layer", [2, -3, 0.0, "last", None])
def test_hidden_layers_that_are_not_there(layer):
    with pytest.raises(ValueError, match=r"layer must be an int in the range \[-2, 2\).* Got"):
        REGRESSOR.hidden_activations(X, layer)
