"""Training and prediction on the partitions of Dask arrays and DataFrames."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression

from sknormnet import NormNetClassifier, NormNetRegressor

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
sk = pytest.importorskip("sknormnet.dask")

pytestmark = pytest.mark.filterwarnings("ignore")  # the package's own

X, Y = make_classification(600, 6, n_informative=4, n_classes=3, random_state=0)
Z = make_regression(600, 6, noise=10, random_state=0)[1] + 100
CHUNKS = (170, 250, 0, 180)
EXACT = {
    **{"hidden_layer_sizes": (3,), "solver": "lbfgs", "batchnorm": False, "alpha": 30.0},
    **{"activation": "tanh", "input_bins": 0, "random_state": 0, "tol": 1e-8, "max_iter": 500},
}


def chunked(array):
    return da.from_array(array, chunks=(CHUNKS, *((x,) for x in array.shape[1:])))


def framed(array):
    return dd.from_pandas(pd.DataFrame(array).rename(columns="x{}".format), npartitions=3)


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (NormNetClassifier(**EXACT | {"input_bins": 4}), Y),
        (NormNetClassifier(**EXACT, scale_inputs="robust"), Y > 0),
        (NormNetRegressor(**EXACT, standardize_target=False), Z / 100),
        (NormNetRegressor(**EXACT, n_members=2), np.stack([Z, -2 * Z], axis=1)),
    ],
    ids=["classes in bins", "two classes, robust", "not standardized", "members, outputs"],
)
def test_the_optimum_is_that_of_all_rows_in_one_place(model, target):
    here = clone(model).fit(X, target)
    found = sk.fit(model, chunked(X), chunked(target))
    assert found is model
    assert found.loss_ == pytest.approx(here.loss_, rel=1e-6)
    method = "predict_proba" if hasattr(model, "classes_") else "predict"
    expected = getattr(here, method)(X)
    np.testing.assert_allclose(
        getattr(found, method)(X), expected, atol=1e-6 * np.abs(expected).max()
    )


def test_a_frame_has_the_optimum_of_an_array_and_missing_values():
    rows = X.copy()
    rows[::7, 2] = np.nan
    here = NormNetClassifier(**EXACT).fit(rows, Y)
    columns, target = framed(rows), dd.from_pandas(pd.Series(Y, name="y"), npartitions=3)
    found = sk.fit(NormNetClassifier(**EXACT), columns, target)
    assert found.feature_names_in_.tolist() == [f"x{i}" for i in range(6)]
    p = sk.predict_proba(found, columns).compute()
    np.testing.assert_allclose(p, here.predict_proba(rows), atol=1e-6)
    assert p.columns.tolist() == [0, 1, 2]


def test_columns_of_a_parquet_folder_have_the_same_partitions(tmp_path):
    pytest.importorskip("pyarrow")
    framed(np.column_stack([X, Y])).to_parquet(tmp_path)
    data = dd.read_parquet(tmp_path)
    model = NormNetClassifier(hidden_layer_sizes=(4,), max_iter=1, random_state=0)
    found = sk.fit_each(model, data[[f"x{i}" for i in range(6)]], data["x6"])
    np.testing.assert_allclose(found.estimator_weights_, 1 / 3)


def test_rare_classes_are_known(monkeypatch):
    monkeypatch.setattr("sknormnet.dask.exact.SAMPLE_ROWS", 20)
    target = np.zeros(600, int)
    target[401:403] = 1, 2
    found = sk.fit(NormNetClassifier(**EXACT), chunked(X), chunked(target))
    assert found.classes_.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.predict_proba(X).mean(axis=0)[1:], 1 / 600, rtol=0.3)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "'solver' parameter of NormNetClassifier must be 'lbfgs' .* Got 'adamw'"),
        ({"solver": "lbfgs", "batchnorm": True}, "'batchnorm' parameter .* must be False"),
    ],
)
def test_networks_without_an_exact_sum_are_an_error(parameters, message):
    with pytest.raises(ValueError, match=message):
        sk.fit(NormNetClassifier(**parameters), chunked(X), chunked(Y))


def test_other_data_are_an_error():
    with pytest.raises(
        TypeError, match=r"X must be a Dask array or DataFrame. Got ndarray instead"
    ):
        sk.fit_each(NormNetClassifier(), X, Y)
    with pytest.raises(ValueError, match="X has 3 partitions, y has 4"):
        sk.partial_fit(NormNetClassifier(), framed(X), chunked(Y))


def test_a_stream_is_that_of_the_chunks_in_order():
    model = NormNetClassifier(hidden_layer_sizes=(8,), random_state=0)
    here, start = clone(model), 0
    for n_rows in filter(None, CHUNKS):
        rows = slice(start, start + n_rows)
        here.partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
        start += n_rows
    found = sk.partial_fit(model, chunked(X), chunked(Y), classes=[0, 1, 2])
    assert found is model
    assert found.t_ == here.t_ == 600
    np.testing.assert_array_equal(found.predict_proba(X), here.predict_proba(X))


def test_networks_of_partitions_are_averaged():
    model = NormNetClassifier(hidden_layer_sizes=(8,), max_iter=5, random_state=0)
    found = sk.fit_each(model, chunked(X), chunked(Y))
    np.testing.assert_allclose(found.estimator_weights_, np.array([170, 250, 180]) / 600)
    members = [member.predict_proba(X) for member in found.estimators_]
    expected = np.tensordot(found.estimator_weights_, members, 1)
    np.testing.assert_allclose(found.predict_proba(X), expected, rtol=1e-6)
    loaded = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(loaded.predict(X), found.predict(X))
    assert not hasattr(model, "classes_")


def test_partitions_with_other_classes_are_an_error():
    model = NormNetClassifier(hidden_layer_sizes=(4,), max_iter=1)
    order = np.argsort(Y)
    with pytest.raises(ValueError, match=r"same classes. The first has"):
        sk.fit_each(model, chunked(X[order]), chunked(Y[order]))


@pytest.mark.parametrize("target", [Z, np.stack([Z, Z], axis=1)], ids=["one", "two"])
def test_predictions_are_lazy_and_those_of_all_rows(target):
    model = NormNetRegressor(hidden_layer_sizes=(8,), max_iter=2, random_state=0).fit(X, target)
    found = sk.predict(model, chunked(X))
    assert found.shape == target.shape
    assert found.chunks[0] == CHUNKS
    np.testing.assert_allclose(found.compute(), model.predict(X), rtol=1e-6)
    table = pd.DataFrame(X, index=np.arange(600)[::-1])
    of_frame = sk.predict(model, dd.from_pandas(table, npartitions=3, sort=False)).compute()
    assert of_frame.index.equals(table.index)
    np.testing.assert_allclose(of_frame, model.predict(X), rtol=1e-6)
