"""How many BLAS threads a fit trains with, and that it leaves their number as it was."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from threadpoolctl import threadpool_info, threadpool_limits

from sknormnet import Activation, NormNetClassifier, NormNetRegressor, PackedGridSearchCV
from sknormnet.training import trainer
from sknormnet.training.threads import SMALL_PRODUCT, in_one_thread

pytestmark = pytest.mark.filterwarnings("ignore:lbfgs failed to converge")

rng = np.random.default_rng(0)
X = rng.normal(size=(90, 5))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
X_WIDE = rng.normal(size=(300, 120))
SMALL = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0}
LARGE = {"hidden_layer_sizes": (120,), "max_iter": 3, "random_state": 0, "batch_size": 300}


def limits():
    """The number of threads of each BLAS library."""
    return [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"]


@pytest.fixture
def two_threads():
    """As many BLAS threads as the tests have else only outside of pytest."""
    with threadpool_limits(2, user_api="blas"):
        if set(limits()) != {2}:
            pytest.skip("the number of BLAS threads cannot be set")
        yield


class Recorder:
    """An activation that records how many BLAS threads there are whenever it is called."""

    def __init__(self):
        self.seen = set()
        self.activation = Activation("recorder", self._function, self._derivative)

    def _function(self, z, out):
        if z.shape != (4, 3):  # else fit tries the activation on a few numbers
            self.seen.update(limits())
        return np.tanh(z, out=out)

    def _derivative(self, z, y, out):
        return np.subtract(1, y * y, out=out)


WAYS = {
    "fit": ({}, "fit"),
    "partial_fit": ({}, "partial_fit"),
    "ensemble": ({"n_members": 7}, "fit"),
    "lbfgs": ({"solver": "lbfgs", "keep_prob": 1.0}, "fit"),
    "validation": ({"early_stopping": True, "batch_size": 250}, "fit"),
}


@pytest.mark.parametrize("way", WAYS)
def test_small_products_have_one_thread_and_large_ones_all(way, two_threads):
    settings, method = WAYS[way]
    for data, sizes, expected in ((X, SMALL, {1}), (X_WIDE, LARGE, {2})):
        recorder = Recorder()
        model = NormNetRegressor(**sizes | settings, activation=recorder.activation)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Got `batch_size`")
            getattr(model, method)(data, data[:, 0])
        # Members of an ensemble are trained side by side, but the statistics one by one.
        assert recorder.seen == (expected if way != "ensemble" else expected | {1})
        assert set(limits()) == {2}


def test_a_packed_search_trains_small_networks_in_one_thread(two_threads):
    seen = set()

    def rate(progress):
        seen.update(limits())
        return 1 - progress

    grid = {"alpha": [0, 1, 2], "learning_rate": [rate]}
    PackedGridSearchCV(NormNetClassifier(**SMALL), grid, refit=False, cv=3).fit(X, Y)
    assert seen == {1}
    assert set(limits()) == {2}


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_limit_of_the_caller_is_neither_raised_nor_lost(n_threads, two_threads):
    recorder = Recorder()
    with threadpool_limits(3, user_api="blas"):
        with threadpool_limits(n_threads, user_api="blas"):
            for data, sizes in ((X, SMALL), (X_WIDE, LARGE)):
                model = NormNetRegressor(**sizes, activation=recorder.activation)
                model.fit(data, data[:, 0])
                assert set(limits()) == {n_threads}
        assert set(limits()) == {3}
    assert recorder.seen == {1, n_threads}


def test_overlapping_fits_leave_the_limits_as_they_were(two_threads):
    def fails_after(n_calls):
        calls = []

        def score(model, X, y):
            calls.append(1)
            if len(calls) > n_calls:
                raise ValueError("on purpose")
            return model.score(X, y)

        return score

    def fit(k):
        model = NormNetClassifier(**SMALL | {"max_iter": 2 + k % 5, "n_members": 1 + k % 8})
        if k % 3 == 0:
            model.set_params(early_stopping=True, scoring=fails_after(k % 4))
        try:
            model.fit(X, Y)
        except ValueError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(fit, range(40)))
    assert set(outcomes) == {True, False}
    assert set(limits()) == {2}


def test_predictions_in_threads_beside_a_fit_are_the_same(two_threads):
    model = NormNetClassifier(**LARGE).fit(X_WIDE, X_WIDE[:, 0] > 0)
    alone = in_one_thread(model.predict_proba, X_WIDE)
    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(NormNetClassifier(**SMALL).fit, X, Y) for _ in range(4)]
        found = list(pool.map(lambda _: model.predict_proba(X_WIDE), range(20)))
        for other in others:
            other.result()
    for probabilities in found:
        assert_allclose(probabilities, alone, 1e-9, 1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_number_of_threads_changes_no_result_beyond_rounding(dtype, two_threads, monkeypatch):
    data = X_WIDE.astype(dtype)
    model = NormNetRegressor(**LARGE)
    found = []
    for bound in (0, 2**62):
        monkeypatch.setattr(trainer, "SMALL_PRODUCT", bound)
        found.append(clone(model).fit(data, data[:, 0]).coefs_)
    with threadpool_limits(1, user_api="blas"):
        alone = clone(model).fit(data, data[:, 0]).coefs_
    tolerance = 1e-3 if dtype == np.float32 else 1e-9
    for W, W_all, W_one in zip(alone, *found, strict=True):
        assert_array_equal(W_one, W)
        assert_allclose(W_all, W, tolerance, tolerance)


def trainer_of(model, X):
    """The trainer of a fit, before training."""
    y = X.sum(axis=1) if not sparse.issparse(X) else np.arange(300.0)
    (only,) = model._prepare_fit(X, y).trainers
    return only


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"hidden_layer_sizes": (50, 30), "batch_size": 64}, 64 * 120 * 50),
        ({"hidden_layer_sizes": (50, 300), "batch_size": 64}, 64 * 50 * 300),
        (
            {
                "hidden_layer_sizes": (50,),
                "batch_size": 64,
                "input_bins": 2,
                "input_frequencies": 4,
            },
            64 * 1320 * 50,
        ),
        ({"hidden_layer_sizes": (50,), "solver": "lbfgs"}, 300 * 120 * 50),
        ({"hidden_layer_sizes": (), "batch_size": 64}, 64 * 120),
    ],
)
def test_the_largest_product_is_of_all_layers_and_the_rows_of_a_step(settings, expected):
    settings = {"input_bins": 0, "keep_prob": 1.0 if "solver" in settings else 0.8} | settings
    assert trainer_of(NormNetRegressor(**settings), X_WIDE).largest_product == expected


def test_the_product_with_a_sparse_x_does_not_count():
    sparse_trainer = trainer_of(
        NormNetRegressor(hidden_layer_sizes=(50, 30), batch_size=64, input_keep_prob=0.9),
        sparse.csr_matrix(X_WIDE),
    )
    assert sparse_trainer.largest_product == 64 * 50 * 30


def test_the_default_network_has_one_thread_for_small_data_only():
    # With bins and Fourier features, these are 210 inputs.
    data = np.random.default_rng(0).normal(size=(20_000, 14))

    def largest(n_rows):
        return trainer_of(NormNetRegressor(), data[:n_rows]).largest_product

    # A tenth of the rows is held out.
    sizes = [largest(n_rows) for n_rows in (1000, 4400, 9000, 20_000)]
    assert [size <= SMALL_PRODUCT for size in sizes] == [True, True, False, False]
    assert all(one <= other for one, other in pairwise(sizes))
