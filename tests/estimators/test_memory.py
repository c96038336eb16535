"""Peak memory of fit and of predictions, beyond X and what is returned."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from peak_memory import peak_of

from sknormnet import NormNetClassifier, NormNetRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
CLASSES = RNG.integers(10, size=300)
MANY = RNG.normal(size=(100_000, 4))
SETTINGS = {"hidden_layer_sizes": (16,), "max_iter": 2, "input_bins": 0, "random_state": 0}


def classifier(**settings):
    return NormNetClassifier(**SETTINGS | settings).fit(X, CLASSES)


def regressor(**settings):
    return NormNetRegressor(**SETTINGS | settings).fit(X, X[:, 0])


# ------------------------------------------------------------------------------- predictions


@pytest.mark.parametrize("n_members", [1, 6])
@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba", "decision_function"])
def test_members_are_asked_chunk_by_chunk(method, n_members):
    model = classifier(n_members=n_members)
    # The result is 8 MB; of each member, a chunk of 32,768 rows is 2.6 MB.
    result, chunk = 100_000 * 10 * 8, 32_768 * 10 * 8
    limit = result + (n_members + 12) * chunk
    assert peak_of(lambda: getattr(model, method)(MANY)) < limit


def test_chunks_of_an_ensemble_hold_less_than_all_members(monkeypatch):
    monkeypatch.setattr("sknormnet.nn.network.CHUNK_ELEMENTS", 2**16)  # 4,096 rows
    model = classifier(n_members=6)
    all_members = 6 * 100_000 * 10 * 8
    assert peak_of(lambda: model.predict_proba(MANY)) < all_members / 2
    assert peak_of(lambda: model.predict(MANY)) < all_members / 7
    # The control: all of them at once
    networks = model._networks
    assert peak_of(lambda: [network.predict(MANY) for network in networks]) > all_members


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_chunks_change_no_prediction(dtype, n_members, monkeypatch):
    rows = MANY[:1000]
    settings = {"n_members": n_members, "dtype": dtype}
    models = [classifier(**settings), regressor(**settings)]
    models.append(regressor(**settings, loss="quantile", quantile=[0.2, 0.5]))
    methods = "predict", "predict_proba", "predict_log_proba", "decision_function"
    calls = [getattr(m, name) for m in models for name in methods if hasattr(m, name)]
    whole = [call(rows) for call in calls]
    # The network's own chunks are as they were; only the members are asked in turn.
    chunk_rows = models[0]._networks[0].chunk_rows
    assert chunk_rows > 1000
    monkeypatch.setattr("sknormnet.nn.network.CHUNK_ELEMENTS", 16 * 100)
    for call, expected in zip(calls, whole, strict=True):
        found = call(rows)
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        assert_allclose(found, expected, rtol=2e-6 if dtype == "float32" else 1e-12, atol=1e-6)


@pytest.mark.parametrize("kind", [classifier, regressor])
def test_the_samples_of_return_std_are_not_kept(kind):
    model = kind(keep_prob=0.8)
    method, samples = model.predict, getattr(model, "predict_samples", None)
    if kind is classifier:
        method, samples = model.predict_proba, model.predict_proba_samples
    rows = MANY[:10_000]
    one = method(rows).nbytes
    chunk = 8 * 10_000 * 16 * 4  # a hidden layer and its masks
    assert peak_of(lambda: method(rows, return_std=True)) < 20 * one + chunk
    assert peak_of(lambda: samples(rows)) > 100 * one  # the control


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [classifier, regressor])
def test_return_std_is_that_of_the_samples(kind, dtype):
    model, x = kind(keep_prob=0.8, dtype=dtype), X.astype(dtype)
    if kind is classifier:
        (p, std), samples = model.predict_proba(x, True), model.predict_proba_samples(x, 100, 0)
    else:
        (p, std), samples = model.predict(x, True), model.predict_samples(x, 100, 0)
    expected = np.std(samples, axis=0, dtype=np.float64)
    assert_allclose(std, expected, rtol=1e-5 if dtype == "float32" else 1e-12)
    assert std.shape == p.shape
    assert std.dtype == dtype


@pytest.mark.parametrize("kind", [classifier, regressor])
def test_return_std_is_that_of_the_members(kind):
    model, members = kind(n_members=3, keep_prob=1.0), []
    predict = "predict_proba" if kind is classifier else "predict"
    for network in model._networks:
        alone = kind(keep_prob=1.0)
        alone._networks = [network]
        if kind is regressor:
            alone._target_scaling = model._target_scaling
        members.append(getattr(alone, predict)(X))
    mean, std = getattr(model, predict)(X, return_std=True)
    assert_allclose(std, np.std(members, axis=0), rtol=1e-9, atol=1e-15)
    assert_array_equal(mean, getattr(model, predict)(X))


def test_return_std_of_large_targets():
    model = NormNetRegressor(keep_prob=0.8, **SETTINGS)
    _, expected = model.fit(X, X[:, 0]).predict(X, return_std=True)
    for unit in (1e-200, 1e200):
        _, std = model.fit(X, unit * X[:, 0]).predict(X, return_std=True)
        assert_allclose(std / unit, expected, rtol=1e-6)


# --------------------------------------------------------------------------------------- fit


@pytest.mark.parametrize("sizes", [(256,), (256, 256)])
def test_batch_norm_statistics_keep_no_layer_of_all_rows(sizes, monkeypatch):
    rows = MANY[:65_000]
    model = NormNetRegressor(hidden_layer_sizes=sizes, max_iter=1, dtype="float32")
    layer = 65_000 * 256 * 4
    # 4 MB that are kept, some chunks of 2 MB each and in float64, and the order of the rows
    assert peak_of(lambda: model.fit(rows, rows[:, 0])) < layer / 2
    monkeypatch.setattr("sknormnet.nn.network.KEEP_ELEMENTS", 2**24)
    assert peak_of(lambda: model.fit(rows, rows[:, 0])) > 0.9 * layer  # the control


def test_batch_norm_statistics_of_few_rows_keep_one_layer_at_a_time():
    rows = MANY[:4000]
    model = NormNetRegressor(hidden_layer_sizes=(256,) * 4, max_iter=1, dtype="float64")
    layer = 4000 * 256 * 8
    settings = {"batchnorm": False, "max_iter": 1, "dtype": "float64"}
    without = NormNetRegressor(hidden_layer_sizes=(256,) * 4, **settings)
    extra = peak_of(lambda: model.fit(rows, rows[:, 0]))
    extra -= peak_of(lambda: without.fit(rows, rows[:, 0]))
    assert extra < 3 * layer


def test_the_range_of_x_is_read_without_a_copy(monkeypatch):
    # Bin edges need copies of a sample of the rows, which do not count here.
    monkeypatch.setattr("sknormnet.inputs.measures.SAMPLE_ROWS", 1000)
    model = NormNetRegressor(hidden_layer_sizes=(4,), max_iter=1, dtype="float32")
    for x in (RNG.normal(size=(50_000, 100)), np.asfortranarray(RNG.normal(size=(50_000, 100)))):
        assert peak_of(lambda x=x: model.fit(x, x[:, 0])) < x.nbytes / 2  # some chunks
        assert peak_of(x.copy) >= x.nbytes  # the control


@pytest.mark.parametrize("dtype", ["category", "str"])
def test_a_table_with_many_levels_is_held_as_numbers(dtype):
    levels = np.array([f"city {k}" for k in range(10_000)], object)
    model = NormNetClassifier(**SETTINGS | {"max_iter": 1, "batch_size": 2048})

    def peak(n_rows):
        numbers = np.arange(n_rows) % 10_000
        table = pd.DataFrame(np.zeros((n_rows, 9)), columns=[f"x{k}" for k in range(9)])
        table["city"] = pd.Series(levels[numbers]).astype(dtype)
        return peak_of(lambda: model.fit(table, numbers % 2))

    codes = 10 * 8
    # Buffers, which do not grow with the rows, are as large as they get.
    assert peak(250_000) - peak(100_000) < 1.5 * codes * 150_000
    assert model.embeddings_[-1].shape == (10_000, 8)
