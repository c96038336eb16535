"""Ensembles: members train as they would alone, and predict together."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.preprocessing import scale

from sknormnet import NormNetClassifier, NormNetRegressor
from sknormnet.training import stacks

X, Y = load_iris(return_X_y=True)
X = scale(X)
X_REG, Y_REG = load_diabetes(return_X_y=True)
X_REG, Y_REG = scale(X_REG)[:200], Y_REG[:200]
X_MULTI, Y_MULTI = make_multilabel_classification(100, 6, n_classes=3, random_state=0)
WEIGHT = np.random.default_rng(0).integers(0, 4, len(Y))
SMALL = {"hidden_layer_sizes": (9,), "max_iter": 6, "random_state": 0, "keep_prob": 0.8}
CLASSIFIER, REGRESSOR = NormNetClassifier(**SMALL), NormNetRegressor(**SMALL)
ARRAYS = "coefs_", "intercepts_", "gammas_", "betas_", "running_means_", "running_vars_"


def ensemble(model, n_members=3, **settings):
    return clone(model).set_params(n_members=n_members, **settings)


def fit(model, *data, **kwargs):
    return model.fit(*data, **kwargs)


def in_parts(model, X, y):
    for rows in (slice(0, None, 2), slice(1, None, 2), slice(0, 40)):
        model.partial_fit(X[rows], y[rows], classes=np.unique(Y))
    return model


def again(model, X, y):
    return model.set_params(warm_start=True).fit(X, y).fit(X, y)


WAYS = {
    "classification": (CLASSIFIER, fit, (X, Y)),
    "two classes": (CLASSIFIER, fit, (X, Y > 0)),
    "multilabel": (CLASSIFIER, fit, (X_MULTI, Y_MULTI)),
    "regression": (REGRESSOR, fit, (X_REG, Y_REG)),
    "several outputs": (REGRESSOR, fit, (X_REG, np.c_[Y_REG, -Y_REG])),
    "weights": (CLASSIFIER, fit, (X, Y, WEIGHT)),
    "sparse": (CLASSIFIER, fit, (sparse.csr_matrix(X * (X > 0)), Y)),
    "float32": (CLASSIFIER, fit, (X.astype(np.float32), Y)),
    "no batch norm": (clone(CLASSIFIER).set_params(batchnorm=False), fit, (X, Y)),
    "partial_fit": (CLASSIFIER, in_parts, (X, Y)),
    "warm_start": (REGRESSOR, again, (X_REG, Y_REG)),
    "lbfgs": (clone(REGRESSOR).set_params(solver="lbfgs", keep_prob=1.0), fit, (X_REG, Y_REG)),
    "early stopping": (
        clone(REGRESSOR).set_params(early_stopping=True, n_iter_no_change=1, max_iter=30),
        fit,
        (X_REG, Y_REG),
    ),
}


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize(("model", "train", "data"), WAYS.values(), ids=list(WAYS))
def test_the_first_member_is_the_single_network(model, train, data):
    alone, together = train(clone(model), *data), train(ensemble(model), *data)
    tolerance = 1e-5 if data[0].dtype == np.float32 else 1e-9
    for name in ARRAYS:
        for one, several in zip(getattr(alone, name), getattr(together, name), strict=True):
            assert several.shape == (3, *one.shape)
            assert_allclose(several[0], one, tolerance, tolerance)
    assert np.abs(together.coefs_[0][0] - together.coefs_[0][1]).max() > 0.01


def members(model):
    """Each member, as a model of its own."""
    for network in model._networks:
        member = copy.copy(model)
        member._networks = [network]
        yield member


@pytest.mark.parametrize("data", [(X, Y), (X, Y > 0), (X_MULTI, Y_MULTI)])
def test_probabilities_are_the_means_of_the_members(data):
    model = ensemble(CLASSIFIER).fit(*data)
    each = np.stack([member.predict_proba(data[0]) for member in members(model)])
    assert_allclose(model.predict_proba(data[0]), each.mean(axis=0))
    mean, std = model.predict_proba(data[0], return_std=True)
    assert_allclose(mean, each.mean(axis=0))
    assert_allclose(std, each.std(axis=0))
    assert_allclose(np.exp(model.predict_log_proba(data[0])), mean)
    raw = model.decision_function(data[0])
    if data[1].ndim == 1 and raw.ndim == 2:
        assert_allclose(softmax(raw, axis=1), mean)
    else:
        assert_allclose(expit(raw), mean if raw.ndim == 2 else mean[:, 1])
    if data[1].ndim == 1:
        assert_array_equal(model.predict(data[0]), model.classes_[mean.argmax(axis=1)])
    else:
        assert_array_equal(model.predict(data[0]), mean > 0.5)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "quantile"])
def test_predictions_are_the_means_of_the_members(loss):
    model = ensemble(REGRESSOR, loss=loss, quantile=[0.2, 0.7] if loss == "quantile" else 0.5)
    model.fit(X_REG, Y_REG)
    each = np.stack([member.predict(X_REG) for member in members(model)])
    mean, std = model.predict(X_REG, return_std=True)
    assert_allclose(mean, each.mean(axis=0))
    assert_allclose(std, each.std(axis=0))
    assert_allclose(model.predict(X_REG), mean)
    assert (std > 0).all()


def test_far_out_probabilities_do_not_underflow():
    model = ensemble(CLASSIFIER, batchnorm=False).fit(X, Y)
    log_p = model.predict_log_proba(X * 1e4)
    assert np.isfinite(log_p).all()
    assert log_p.min() < -1000
    assert_array_equal(log_p.argmax(axis=1), model.decision_function(X * 1e4).argmax(axis=1))


def test_each_member_keeps_its_own_best_epoch():
    settings = {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 60}
    settings["learning_rate"] = "constant"  # so that members stop
    model = ensemble(CLASSIFIER, 4, scoring="loss", **settings).fit(X, Y)
    bests = [state.patience.best for state in model._states]
    assert model.best_validation_score_ == pytest.approx(np.mean(bests))
    seen = [state.n_samples_seen for state in model._states]
    assert len(set(seen)) > 1  # they stopped at different epochs
    longest = max(seen)
    n_training = longest // model.n_iter_
    assert model.t_ == longest == model.n_iter_ * n_training
    assert len(model.loss_curve_) == len(model.validation_scores_) == model.n_iter_
    assert {len(column) for column in model.history_.values()} == {model.n_iter_}
    n_epochs = [n // n_training for n in seen]
    assert model.best_epoch_.dtype.kind == "i"
    assert model.best_epoch_.shape == (4,)
    assert (model.best_epoch_ >= 1).all()
    assert (model.best_epoch_ <= n_epochs).all()


def test_best_epochs_without_validation_are_the_last_ones():
    model = ensemble(CLASSIFIER).fit(X, Y)
    assert model.best_epoch_.tolist() == [6, 6, 6]
    assert model.partial_fit(X, Y).best_epoch_.tolist() == [7, 7, 7]


def test_each_member_has_to_beat_its_own_start():
    # So large a rate spoils every member: each goes back to where it was, and says so.
    settings = {"scoring": "loss", "warm_start": True, "batchnorm": False}
    model = ensemble(CLASSIFIER, **settings).fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    before, best = model.predict_proba(X), model.best_epoch_
    model.set_params(learning_rate_init=10.0, solver="sgd", max_iter=2)
    model.fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    assert_array_equal(model.predict_proba(X), before)
    assert_array_equal(model.best_epoch_, best)


def test_a_single_pickle_goes_on_as_the_ensemble_would():
    model = in_parts(ensemble(CLASSIFIER), X, Y)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(
        model.partial_fit(X, Y).predict_proba(X), copy.partial_fit(X, Y).predict_proba(X)
    )


def test_the_number_of_members_stays():
    model = ensemble(CLASSIFIER).fit(X, Y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=r"same n_members as .* It was 3 and would be 2\."):
        model.set_params(n_members=2).partial_fit(X, Y)
    assert_array_equal(model.predict_proba(X), before)


def test_hidden_activations_and_samples_are_of_the_members():
    model = ensemble(REGRESSOR).fit(X_REG, Y_REG)
    found = model.hidden_activations(X_REG)
    assert found.shape == (3, len(X_REG), 9)
    for one, member in zip(found, members(model), strict=True):
        assert_array_equal(one, member.hidden_activations(X_REG))
    samples = model.predict_samples(X_REG, 90, random_state=0)
    each = [np.mean(samples[k::3], axis=0) for k in range(3)]
    spread = np.std(Y_REG)
    for mean, member in zip(each, members(model), strict=True):
        others = np.mean([np.abs(mean - m.predict(X_REG)).mean() for m in members(model)])
        assert np.abs(mean - member.predict(X_REG)).mean() < min(others, spread)


def test_threads_change_nothing(monkeypatch):
    model = ensemble(CLASSIFIER, 7, early_stopping=True)
    found = []
    for n_threads, cache in ((1, 2**30), (1, 1), (3, 2**30), (2, 1)):
        monkeypatch.setattr(stacks, "CACHE", cache)
        monkeypatch.setattr(stacks, "blas_threads", lambda n=n_threads: n)
        found.append(clone(model).fit(X, Y).predict_proba(X))
    for other in found[1:]:
        assert_allclose(other, found[0], 1e-9, 1e-12)


def test_a_stack_is_cut_so_that_it_stays_in_cache():
    network = SimpleNamespace(
        parameters=np.zeros(100_000), weight_shapes=[(600, 400)], dtype=np.dtype(np.float64)
    )
    member = SimpleNamespace(network=network, batch_rows=100)
    # 4 * 100,000 + 3 * 100 * 1,000 numbers of 8 bytes: more than a stack gains from
    assert len(stacks._cut([member] * 5, 2)) == 5
    network.parameters, network.weight_shapes = np.zeros(1000), [(60, 40)]  # 272,000 bytes
    members = [SimpleNamespace(**vars(member)) for _ in range(40)]
    parts = stacks._cut(members, 1)
    assert [x for part in parts for x in part] == members
    assert len(parts) == 2
