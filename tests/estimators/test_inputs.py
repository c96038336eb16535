"""All kinds of X and y: the same predictions from each, and nothing written to any."""

import copy

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler, scale

from sknormnet import NormNetClassifier, NormNetRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
# Small whole numbers, exact in every dtype, and many zeros.
X, Y = np.round(scale(X))[::3], Y[::3]
X.flags.writeable = False  # lest one test changes it for the others
NAMES = ["a", "b", "c", "d"]

SETTINGS = {"hidden_layer_sizes": (8, 5), "batch_size": 15, "max_iter": 3, "random_state": 0}
SETTINGS |= {"input_bins": 0, "weight_decay": 1.0}
CONFIGURATIONS = {
    "default": {},
    "dropout": {"keep_prob": 0.8, "batchnorm": "after"},
    "in order": {"shuffle": False, "batchnorm": False},
    "early stopping": {"early_stopping": True},
    "lbfgs": {"solver": "lbfgs"},
}


def read_only(array):
    array = np.array(array)
    array.flags.writeable = False
    return array


def memmap(X, tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


def int64_indices(X):
    X = sparse.csr_array(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def polars(X):
    return pl.DataFrame(np.asarray(X), schema=NAMES)


CONTAINERS = {
    "list": lambda X, _: X.tolist(),
    "read-only": lambda X, _: read_only(X),
    "Fortran order": lambda X, _: np.asfortranarray(X),
    "strided": lambda X, _: np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2],
    "reversed": lambda X, _: X[::-1, ::-1].copy()[::-1, ::-1],
    "byte-swapped": lambda X, _: X.astype(">f8"),
    "object": lambda X, _: X.astype(object),
    "float16": lambda X, _: X.astype(np.float16),
    "longdouble": lambda X, _: X.astype(np.longdouble),
    "int8": lambda X, _: X.astype(np.int8),
    "int64": lambda X, _: X.astype(np.int64),
    "memmap": memmap,
    "int memmap": lambda X, tmp_path: memmap(X.astype(np.int32), tmp_path),
    "Fortran memmap": lambda X, tmp_path: memmap(np.asfortranarray(X), tmp_path),
    "CSR array": lambda X, _: sparse.csr_array(X),
    "CSR matrix": lambda X, _: sparse.csr_matrix(X),
    "CSC array": lambda X, _: sparse.csc_array(X),
    "COO array": lambda X, _: sparse.coo_array(X),
    "LIL matrix": lambda X, _: sparse.lil_matrix(X),
    "CSR of int64 indices": lambda X, _: int64_indices(X),
    "CSR of integers": lambda X, _: sparse.csr_array(X.astype(np.int16)),
    "pandas": lambda X, _: pd.DataFrame(X, columns=NAMES),
    "pandas of mixed dtypes": lambda X, _: pd.DataFrame(
        {"a": X[:, 0], "b": X[:, 1].astype(int), "c": X[:, 2].astype("f4"), "d": X[:, 3]}
    ),
    "pandas, index not in order": lambda X, _: pd.DataFrame(
        X, columns=NAMES, index=range(50, 0, -1)
    ),
    "polars": lambda X, _: polars(X),
}
SPARSE = [name for name in CONTAINERS if "CS" in name or "COO" in name or "LIL" in name]
UNSCALED = {"scale_inputs": None}  # a sparse X is scaled without centering


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_all_containers_are_alike(container, configuration, tmp_path):
    settings = SETTINGS | CONFIGURATIONS[configuration]
    if container in SPARSE:
        settings |= UNSCALED
    expected = NormNetClassifier(**settings).fit(X, Y)
    given = CONTAINERS[container](X, tmp_path)
    model = NormNetClassifier(**settings).fit(given, Y)
    # A sparse product adds up in another order, and lbfgs makes more of the last digits.
    atol = 1e-6 if container in SPARSE else 1e-12
    assert_allclose(model.predict_proba(X), expected.predict_proba(X), rtol=0, atol=atol)
    for one, other in ((model, given), (expected, given)):
        assert_allclose(one.predict_proba(other), one.predict_proba(X), rtol=0, atol=1e-9)
    assert model.coefs_[0].dtype == np.float64
    assert type(model.predict(given)) is np.ndarray


@pytest.mark.parametrize("container", SPARSE)
@pytest.mark.parametrize("scale_inputs", ["standard", "robust"])
def test_all_sparse_containers_are_scaled_alike(scale_inputs, container):
    settings = SETTINGS | {"scale_inputs": scale_inputs}
    expected = NormNetClassifier(**settings).fit(sparse.csr_array(X), Y)
    given = CONTAINERS[container](X, None)
    model = NormNetClassifier(**settings).fit(given, Y)
    assert_array_equal(model.predict_proba(given), expected.predict_proba(sparse.csr_array(X)))
    assert_allclose(model.predict_proba(X), expected.predict_proba(given), rtol=0, atol=1e-9)


@pytest.mark.parametrize("container", CONTAINERS)
def test_all_containers_are_alike_in_partial_fit(container, tmp_path):
    given = CONTAINERS[container](X, tmp_path)
    settings = SETTINGS | (UNSCALED if container in SPARSE else {})
    expected, model = (NormNetRegressor(**settings) for _ in range(2))
    for _ in range(2):
        expected.partial_fit(X, Y)
        model.partial_fit(given, Y)
    assert_allclose(model.predict(given), expected.predict(X), rtol=0, atol=1e-9)


def test_bool_inputs():
    settings = SETTINGS | UNSCALED
    expected = NormNetClassifier(**settings).fit((X > 0).astype(float), Y)
    for given in (X > 0, sparse.csr_array(X > 0), pd.DataFrame(X > 0)):
        model = NormNetClassifier(**settings).fit(given, Y)
        assert_allclose(model.predict_proba(given), expected.predict_proba(X > 0), atol=1e-6)
    # Booleans are numbers in an array, and categories, which are centered only, in a DataFrame.
    numbers = NormNetClassifier(**SETTINGS).fit((X > 0).astype(float), Y)
    model = NormNetClassifier(**SETTINGS).fit(X > 0, Y)
    assert_array_equal(model.predict_proba(X > 0), numbers.predict_proba(X > 0))
    centered = (X > 0) - (X > 0).mean(axis=0)
    expected = NormNetClassifier(**settings).fit(centered, Y)
    model.fit(pd.DataFrame(X > 0), Y)
    found = model.predict_proba(pd.DataFrame(X > 0))
    assert_allclose(found, expected.predict_proba(centered), atol=1e-9)


def test_sparse_inputs_with_dropout_on_them():
    # Masks are drawn for the stored elements only, so results differ from dense ones.
    settings = SETTINGS | {"input_keep_prob": 0.7}
    kinds = (sparse.csr_array, sparse.csc_matrix, sparse.coo_array, int64_indices)
    models = [NormNetClassifier(**settings).fit(kind(X), Y) for kind in kinds]
    without = NormNetClassifier(**SETTINGS).fit(sparse.csr_array(X), Y)
    for model in models:
        assert_array_equal(model.predict_proba(X), models[0].predict_proba(X))
    assert np.abs(models[0].predict_proba(X) - without.predict_proba(X)).max() > 1e-3


def test_sparse_inputs_with_explicit_zeros_and_duplicates():
    row, column = np.nonzero(np.ones_like(X))
    half = sparse.coo_array((np.tile(X.ravel() / 2, 2), (np.tile(row, 2), np.tile(column, 2))))
    expected = NormNetClassifier(**SETTINGS).fit(sparse.csr_array(X), Y)
    model = NormNetClassifier(**SETTINGS).fit(half, Y)
    assert_allclose(model.predict_proba(half), expected.predict_proba(X), atol=1e-9)


# ------------------------------------------------------------------------------- dtypes


@pytest.mark.parametrize(
    ("given", "dtype", "expected"),
    [
        *[(d, "auto", "f4" if d == "f4" else "f8") for d in ("f2", "f4", "f8", "g", "i4", "u1")],
        *[(d, "float32", "f4") for d in ("f2", "f4", "f8", "i8")],
        *[(d, "float64", "f8") for d in ("f2", "f4", "f8", "i8")],
    ],
)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_dtype(container, given, dtype, expected):
    if given == "f2":
        container = np.asarray  # SciPy has no sparse arrays of them
    expected, x = np.dtype(expected), container(np.abs(X).astype(given))
    for solver in ("adam", "lbfgs"):
        settings = SETTINGS | {"solver": solver, "dtype": dtype}
        classifier = NormNetClassifier(**settings).fit(x, Y)
        regressor = NormNetRegressor(**settings).fit(x, Y)
        for model in (classifier, regressor):
            for name in ("coefs_", "intercepts_", "gammas_", "betas_"):
                assert {array.dtype for array in getattr(model, name)} == {expected}
            for name in ("running_means_", "running_vars_"):
                assert {array.dtype for array in getattr(model, name)} == {expected}
        # Predictions are of float32 only if both the network and X are.
        for other in (x, X, X.astype("f4"), X.astype("i8")):
            of_prediction = np.float32 if expected == other.dtype == np.float32 else np.float64
            assert regressor.predict(other).dtype == of_prediction
            assert classifier.predict_proba(other).dtype == of_prediction
            assert classifier.predict_log_proba(other).dtype == of_prediction
            assert classifier.decision_function(other).dtype == of_prediction
        assert classifier.predict(x).dtype == Y.dtype


def test_float32_is_float64_within_rounding():
    x = scale(load_iris().data)[::3]
    one, other = (NormNetRegressor(**SETTINGS, dtype=d).fit(x, Y) for d in ("float32", "float64"))
    assert_allclose(one.predict(x), other.predict(x), rtol=0, atol=1e-4)


def test_auto_keeps_the_dtype_of_the_first_call():
    model = NormNetRegressor(**SETTINGS).partial_fit(X.astype("f4"), Y)
    model.partial_fit(X, Y)
    assert model.coefs_[0].dtype == np.float32
    assert model.fit(X, Y).coefs_[0].dtype == np.float64


def test_float32_targets_and_weights():
    x = X.astype("f4")
    expected = NormNetRegressor(**SETTINGS).fit(x, Y, Y + 1)
    for dtype in ("f2", "f4", "f8", "i4", "u1"):
        model = NormNetRegressor(**SETTINGS).fit(x, Y.astype(dtype), (Y + 1).astype(dtype))
        assert_allclose(model.predict(x), expected.predict(x), rtol=1e-5)


# ------------------------------------------------------------------------- left untouched


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_dense_inputs_are_not_written_to(configuration, dtype, order):
    # identity, because an activation that works in place might reach X itself
    settings = SETTINGS | CONFIGURATIONS[configuration] | {"activation": "identity"}
    x, y = np.array(X, dtype, order=order), Y.astype(float)
    w = np.linspace(0, 1, 50)
    before = copy.deepcopy((x, y, w))
    for hidden_layer_sizes in ((5,), ()):
        settings |= {"hidden_layer_sizes": hidden_layer_sizes, "batch_size": "auto"}
        NormNetRegressor(**settings).fit(x, y, w).predict(x)
        NormNetClassifier(**settings).fit(x, y, w).predict_proba(x)
        for now, then in zip((x, y, w), before, strict=True):
            assert_array_equal(now, then)
        arrays = [read_only(a) for a in (x, y, w)]
        NormNetRegressor(**settings).fit(*arrays).predict(arrays[0])


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_array, sparse.coo_array])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_inputs_are_not_written_to(kind, solver):
    x = kind(X)
    before = x.copy()
    settings = SETTINGS | {"solver": solver, "input_keep_prob": 0.7 if solver == "adam" else 1}
    NormNetRegressor(**settings).fit(x, Y).predict(x)
    assert_array_equal(x.data, before.data)
    assert x.dtype == before.dtype
    assert (x != before).nnz == 0
    x.data.flags.writeable = False
    NormNetRegressor(**settings).fit(x, Y).predict(x)


def test_frames_are_not_written_to():
    for frame in (pd.DataFrame(X, columns=NAMES), polars(X)):
        before = copy.deepcopy(frame)
        NormNetRegressor(**SETTINGS).fit(frame, Y).predict(frame)
        assert frame.equals(before)


def test_predictions_are_arrays_of_their_own():
    # Nothing that is returned may be a view of what the model, or X, holds.
    x = X[:, :1].copy()
    model = NormNetRegressor(hidden_layer_sizes=(), max_iter=3, random_state=0).fit(x, Y)
    first = model.predict(x)
    expected = first.copy()
    first += 1
    assert_array_equal(model.predict(x), expected)
    assert not np.shares_memory(model.predict(x), x)


# ---------------------------------------------------------------------------- feature names


@pytest.mark.parametrize("frame", [lambda x: pd.DataFrame(x, columns=NAMES), polars])
def test_feature_names(frame):
    if not hasattr(StandardScaler().fit(frame(X)), "feature_names_in_"):
        pytest.skip("this scikit-learn does not know the frames of this polars")
    model = NormNetClassifier(**SETTINGS).fit(frame(X), Y)
    assert_array_equal(model.feature_names_in_, NAMES)
    assert model.n_features_in_ == 4
    with pytest.warns(UserWarning, match="X does not have valid feature names, but NormNetC"):
        model.predict(X)
    renamed = pd.DataFrame(X, columns=["a", "b", "c", "e"])
    with pytest.raises(ValueError, match="The feature names should match those that were passed"):
        model.predict(renamed)
    with pytest.raises(ValueError, match="The feature names should match"):
        model.partial_fit(renamed, Y)
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(pd.DataFrame(X, columns=NAMES)[["b", "a", "c", "d"]])
    assert not hasattr(model.fit(X, Y), "feature_names_in_")


def test_early_stopping_keeps_feature_names_without_a_warning():
    # The validation score is of arrays, which have no names: no warning (they are errors here).
    frame = pd.DataFrame(X, columns=NAMES)
    model = NormNetClassifier(early_stopping=True, **SETTINGS).fit(frame, Y)
    assert_array_equal(model.feature_names_in_, NAMES)


def test_names_given_to_a_model_fitted_without():
    model = NormNetClassifier(**SETTINGS).fit(X, Y)
    with pytest.warns(UserWarning, match="X has feature names, but NormNetClassifier was fitted"):
        model.predict(pd.DataFrame(X, columns=NAMES))


# ----------------------------------------------------------------------------- kinds of y

WORDS = np.array(["setosa", "versicolor", "virginica"])


@pytest.mark.parametrize(
    "y",
    [
        WORDS[Y],
        WORDS.astype(object)[Y],
        WORDS[Y].tolist(),
        pd.Series(WORDS[Y], index=range(50, 0, -1)),
        pd.Series(WORDS[Y], dtype="category"),
        pl.Series(WORDS[Y].tolist()),
        Y.astype(float),
        Y.astype(np.int8),
        Y - 5,
        (Y * 1000).tolist(),
        pd.Series(Y),
    ],
    ids=lambda y: f"{type(y).__name__} {getattr(y, 'dtype', '')}",
)
def test_kinds_of_classes(y):
    expected = NormNetClassifier(**SETTINGS).fit(X, Y)
    model = NormNetClassifier(**SETTINGS).fit(X, y)
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert_array_equal(model.classes_, np.unique(np.asarray(y)))
    assert_array_equal(model.predict(X), np.unique(np.asarray(y))[expected.predict(X)])
    assert model.score(X, y) == expected.score(X, Y)


@pytest.mark.parametrize("y", [Y > 0, (Y > 0).tolist(), pd.Series(Y > 0), np.where(Y > 0, 1, -1)])
def test_two_classes(y):
    expected = NormNetClassifier(**SETTINGS).fit(X, (Y > 0).astype(int))
    model = NormNetClassifier(**SETTINGS).fit(X, y)
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert_array_equal(model.predict(X) == model.classes_[1], expected.predict(X) == 1)
    assert model.predict(X).dtype == np.asarray(y).dtype


@pytest.mark.parametrize(
    "y",
    [
        np.c_[Y > 0, Y > 1],
        np.c_[Y > 0, Y > 1].astype(int).tolist(),
        pd.DataFrame({"one": Y > 0, "two": Y > 1}).astype(int),
        sparse.csr_array(np.c_[Y > 0, Y > 1].astype(int)),
        sparse.csc_matrix(np.c_[Y > 0, Y > 1].astype(int)),
        np.c_[Y > 0, Y > 1].astype(float),
    ],
    ids=lambda y: type(y).__name__,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_kinds_of_labels(y, weighted):
    weight = np.arange(50) % 3 if weighted else None
    labels = np.c_[Y > 0, Y > 1].astype(int)
    expected = NormNetClassifier(**SETTINGS).fit(X, labels, weight)
    model = NormNetClassifier(**SETTINGS).fit(X, y, weight)
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert_array_equal(model.predict(X), expected.predict(X))
    assert set(np.unique(model.predict(X))) <= {0, 1}


@pytest.mark.parametrize(
    "y",
    [
        Y.tolist(),
        pd.Series(Y * 1.0, index=range(50, 0, -1)),
        pl.Series(Y.tolist()),
        Y.astype(object),
    ],
    ids=lambda y: type(y).__name__,
)
def test_kinds_of_regression_targets(y):
    expected = NormNetRegressor(**SETTINGS).fit(X, Y)
    assert_array_equal(NormNetRegressor(**SETTINGS).fit(X, y).predict(X), expected.predict(X))


def test_kinds_of_several_regression_targets():
    y = np.c_[Y, -Y]
    expected = NormNetRegressor(**SETTINGS).fit(X, y)
    for given in (pd.DataFrame(y), pl.DataFrame(y, schema=["u", "v"]), y.tolist()):
        model = NormNetRegressor(**SETTINGS).fit(X, given)
        # The mean of a table in another memory order differs by rounding.
        assert_allclose(model.predict(X), expected.predict(X), rtol=1e-10)
