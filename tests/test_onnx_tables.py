"""Export of estimators that were fitted on tables with categories and missing values."""

import numpy as np
import pandas as pd
import pytest

from sknormnet import NormNetClassifier, NormNetRegressor

pytest.importorskip("skl2onnx", minversion="1.20")
pytest.importorskip("onnxruntime")

import onnxruntime
from exported import assert_equal_predictions, exported, inputs, outputs
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}
FLOAT64 = {"dtype": np.float64}


def table(n_rows=400, seed=0):
    """Columns of all kinds; `week` has as many levels as need an embedding."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.normal(40, 9, n_rows),
            "number": rng.integers(0, 9, n_rows),
            "color": rng.choice(["red", "blue", "green"], n_rows),
            "week": [f"week {k}" for k in rng.integers(0, 36, n_rows)],
            "flag": rng.random(n_rows) < 0.3,
            "size": pd.Categorical(rng.choice([1, 2, 5], n_rows)),
            "share": rng.choice([0.1, 0.25, 0.5], n_rows),
            "id": rng.integers(2**40, 2**40 + 40, n_rows).astype(float),
        }
    )
    X.loc[::7, "age"] = np.nan
    X[["color", "week"]] = X[["color", "week"]].astype(object)
    X.loc[3::11, "color"] = None
    X.loc[5::13, "week"] = np.nan
    X.loc[4::9, ["share", "id"]] = np.nan
    return X, (rng.random(n_rows) < 0.5).astype(int)


CATEGORICAL = ["color", "week", "flag", "size", "share", "id"]
COMPLETE = 1  # a row without missing values, from which skl2onnx reads the types


def row(X):
    return X[COMPLETE : COMPLETE + 1]


@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_columns_of_all_kinds(dtype, n_members):
    X, y = table()
    model = NormNetClassifier(
        **SMALL, dtype=dtype, n_members=n_members, categorical_features=CATEGORICAL
    ).fit(X, y)
    tolerance = {"float32": 1e-5, "float64": 1e-12}[dtype]
    assert_equal_predictions(model, X, like=row(X), tolerance=tolerance, **FLOAT64)


@pytest.mark.parametrize("kind", [NormNetClassifier, NormNetRegressor])
def test_ensembles_that_choose(kind):
    X, y = table()
    model = kind.for_accuracy(**SMALL, cv=2, categorical_features=CATEGORICAL).fit(X, y)
    assert len(model.estimators_) > 1
    assert_equal_predictions(model, X, like=row(X), **FLOAT64)


def test_other_rows_and_unknown_levels():
    X, y = table()
    model = NormNetClassifier(**SMALL, categorical_features=CATEGORICAL).fit(X, y)
    rows, _ = table(seed=1)
    rows.loc[::2, "color"] = "unknown"
    rows.loc[1::2, "week"] = "unknown"
    rows.loc[2::3, "size"] = np.nan
    rows["size"] = rows["size"].astype(float).fillna(7).astype(int)
    rows.loc[::5, "id"] += 1000
    rows.loc[1::5, "id"] += 0.5
    rows.loc[::3, "share"] = 0.3
    assert_equal_predictions(model, rows, like=row(X), **FLOAT64)


def test_probabilities_by_label():
    X, y = table()
    model = NormNetClassifier(**SMALL).fit(X, np.array(["no", "yes"])[y])
    found = to_onnx(model, row(X)[X.columns[::-1]])  # the first input has words
    session = onnxruntime.InferenceSession(found.SerializeToString())
    by_label = session.run(None, inputs(X))[1]
    p = [[x["no"], x["yes"]] for x in by_label]
    np.testing.assert_allclose(p, model.predict_proba(X), atol=1e-5)


def test_float32_columns():
    X, y = table()
    floats = X.select_dtypes("float").columns
    X[floats] = X[floats].astype(np.float32)
    X = X.drop(columns="id")  # float32 cannot tell its levels apart
    model = NormNetRegressor(**SMALL, activation="gelu", n_members=2).fit(X, y)
    assert_equal_predictions(model, X, like=row(X))


@pytest.mark.parametrize("columns", [["week"], ["flag"], ["age"], ["color", "week"]], ids=str)
def test_columns_of_one_kind(columns):
    X, y = table()
    model = NormNetClassifier(**SMALL, n_members=2).fit(X[columns], y)
    dtype = np.float64 if columns == ["age"] else np.float32
    assert_equal_predictions(model, X[columns], like=row(X[columns]), dtype=dtype)


def test_columns_are_found_by_name():
    X, y = table()
    model = NormNetClassifier(**SMALL).fit(X, y)
    found = exported(model, row(X[X.columns[::-1]]))
    for _, p in outputs(found, X):
        np.testing.assert_allclose(p, model.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, ""], ids=repr)
def test_missing_words(missing):
    X, y = table()
    X = X[["age", "color"]]
    model = NormNetClassifier(**SMALL).fit(X, y)
    color = X["color"].to_numpy(object)[:, None].copy()
    color[X["color"].isna()] = missing
    session = onnxruntime.InferenceSession(exported(model, row(X)).SerializeToString())
    _, p = session.run(None, inputs(X) | {"color": color})
    np.testing.assert_allclose(p, model.predict_proba(X), atol=1e-5)


def test_categories_in_an_array():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)).astype(np.float32)
    X[:, [1, 3]] = rng.integers(0, 5, (200, 2))
    X[::6, 1] = np.nan
    model = NormNetRegressor(**SMALL, categorical_features=[1, 3]).fit(X, X[:, 0] + X[:, 3])
    assert_equal_predictions(model, X)


def test_words_and_numbers_in_an_array():
    X, y = table()
    X = X[["age", "color", "number"]].to_numpy(object)
    model = NormNetClassifier(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match="input of column 0 must be a tensor of numbers"):
        to_onnx(model, X[:1])
    number, word = FloatTensorType([None, 1]), StringTensorType([None, 1])
    types = [("age", number), ("color", word), ("number", number)]
    found = to_onnx(model, initial_types=types, options={"zipmap": False})
    columns = {name: X[:, [k]] for k, (name, _) in enumerate(types)}
    columns |= {name: columns[name].astype(np.float32) for name in ("age", "number")}
    session = onnxruntime.InferenceSession(found.SerializeToString())
    np.testing.assert_allclose(session.run(None, columns)[1], model.predict_proba(X), atol=1e-5)


def test_errors_name_the_column():
    X, y = table()
    model = NormNetClassifier(**SMALL).fit(X, y)
    types = {name: StringTensorType([None, 1]) for name in X}
    with pytest.raises(ValueError, match="The ONNX input of column 'age' must be a tensor of num"):
        to_onnx(model, initial_types=[*types.items()])
    types = {name: FloatTensorType([None, 1]) for name in X}
    with pytest.raises(ValueError, match=r"column 'color' must be able .* as 'blue'\. Got"):
        to_onnx(model, initial_types=[*types.items()])


def test_categories_without_any_value():
    X, y = table()
    X["color"] = pd.Categorical([None] * len(X))
    model = NormNetClassifier(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match=r"without any value in fit: column 'color'\. Drop"):
        to_onnx(model, row(X))
