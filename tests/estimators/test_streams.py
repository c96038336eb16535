"""Chunks of tables: whatever the first one is like, training goes well."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from sknormnet import NormNetClassifier, NormNetRegressor
from sknormnet.inspection import input_summary

N_ROWS, N_CHUNK = 2000, 200
RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "age": RNG.uniform(18, 90, N_ROWS),
        "income": np.exp(RNG.normal(10, 0.5, N_ROWS)),
        "color": RNG.choice(["blue", "green", "red"], N_ROWS),
    }
)
Z = StandardScaler().fit_transform(X[["age", "income"]])
T = Z[:, 0] + Z[:, 1] + (X["color"] == "red")
Y = np.asarray(T > T.median()).astype(int)
MODEL = NormNetClassifier((16,), random_state=0)
WITHOUT_BATCHNORM = {"batchnorm": False, "learning_rate_init": 0.005}


def streamed(model, X, y, cuts, n_passes=3):
    model, classes = clone(model), {"classes": [0, 1]}
    for _ in range(n_passes):
        for rows in np.split(np.arange(len(y)), cuts):
            chunk = X.iloc[rows] if hasattr(X, "iloc") else X[rows]
            model.partial_fit(chunk, y[rows], **classes)
    return model


CHUNKS = np.arange(N_CHUNK, N_ROWS, N_CHUNK)
FIRST = {
    "constant": (X.assign(age=np.where(X.index < N_CHUNK, 40.0, X["age"])), CHUNKS),
    "missing": (X.assign(age=np.where(X.index < N_CHUNK, np.nan, X["age"])), CHUNKS),
    "small": (X.assign(age=np.where(X.index < N_CHUNK, X["age"] * 1e-6, X["age"])), CHUNKS),
    "large": (X.assign(age=np.where(X.index < N_CHUNK, X["age"], X["age"] * 1e6)), CHUNKS),
    "one row": (X, np.r_[1, CHUNKS]),
    "two rows": (X, np.r_[2, CHUNKS]),
}


KINDS = [(first, {}) for first in FIRST]
# Without batch norm, the output starts at the class of the only row.
KINDS += [(first, WITHOUT_BATCHNORM) for first in FIRST if first != "one row"]


@pytest.mark.filterwarnings("ignore:Nothing was learned", "ignore:Most values of column")
@pytest.mark.parametrize("scale_inputs", ["standard", "robust"])
@pytest.mark.parametrize(("first", "settings"), KINDS)
def test_the_first_chunk_does_no_lasting_harm(first, settings, scale_inputs):
    table, cuts = FIRST[first]
    # The levels are given, because few rows do not have all of them.
    settings = settings | {"categories": {"color": ["blue", "green", "red"]}}
    model = clone(MODEL).set_params(**settings, scale_inputs=scale_inputs)
    later, losses = slice(N_CHUNK, None), []
    for seed in range(4):
        model.set_params(random_state=seed)
        found = streamed(model, table, Y, cuts).score(table[later], Y[later])
        losses.append(streamed(model, X, Y, CHUNKS).score(X[later], Y[later]) - found)
    assert np.mean(losses) < 0.1


def test_the_scale_is_that_of_all_rows():
    model = streamed(MODEL, X, Y, [5, 300, 1200], n_passes=1)
    age, income, _ = input_summary(model)
    scaler = StandardScaler().fit(X[["age", "income"]])
    assert_allclose([age.center, income.center], scaler.mean_)
    assert_allclose([age.scale, income.scale], scaler.scale_)
    # A warm start goes on with the scale of the first call.
    model.set_params(warm_start=True, max_iter=1).fit(X.assign(age=0.0), Y)
    assert input_summary(model)[0].center == age.center


def test_single_rows_without_batch_norm():
    settings = WITHOUT_BATCHNORM | {"input_bins": 0, "learning_rate": "constant"}
    model = NormNetRegressor(
        hidden_layer_sizes=(8,), **settings, standardize_target=False, random_state=0
    )
    for k in range(400):
        model.partial_fit(Z[k : k + 1] * [1e3, 1e-3] + 1e4, Z[k : k + 1, 0])
    assert model.score(Z * [1e3, 1e-3] + 1e4, Z[:, 0]) > 0.8


def test_features_of_sparse_rows_may_come_later():
    S = sparse.random_array((1000, 20), density=0.2, format="csr", random_state=0)
    y = np.asarray(S[:, [0]].toarray() > 0).ravel() * 1
    first = np.flatnonzero(y == 0)
    model = clone(MODEL).partial_fit(S[first], y[first], classes=[0, 1])
    for _ in range(20):
        model.partial_fit(S, y)
    assert model.score(S, y) > 0.95


WARNED = {
    "constant": X.assign(age=40.0),
    "missing": X.assign(age=np.nan),
    "another scale": X.assign(age=X["age"] * 1e-3),
}


@pytest.mark.parametrize("first", WARNED)
def test_values_outside_the_bins_are_reported(first):
    model = clone(MODEL).partial_fit(WARNED[first], Y, classes=[0, 1])
    bins = model.bin_edges_
    with pytest.warns(UserWarning, match=r"^Most values of column 'age' lie outside the bins"):
        model.partial_fit(X, Y)
    for one, other in zip(model.bin_edges_, bins, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("settings", [{"input_bins": 0}, {"scale_inputs": None}, {}])
def test_chunks_that_are_alike_are_not_reported(settings):
    table = X if settings != {"input_bins": 0} else WARNED["constant"]
    model = clone(MODEL).set_params(**settings)
    model.partial_fit(table[:N_CHUNK], Y[:N_CHUNK], classes=[0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.partial_fit(X, Y)
