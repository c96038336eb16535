"""Gradients of predictions, and contributions of columns, against the predictions themselves."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier
from sklearn.datasets import make_classification
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknormnet import (
    NormNetClassifier,
    NormNetEnsembleClassifier,
    NormNetEnsembleRegressor,
    NormNetRegressor,
)
from sknormnet.inspection import input_gradients, integrated_gradients
from sknormnet.nn.losses import LOSSES, SquaredError

SMALL = {"hidden_layer_sizes": (9, 6), "max_iter": 4, "random_state": 0, "dtype": "float64"}
X, CLASSES = make_classification(
    150, 4, n_informative=3, n_redundant=0, n_classes=3, random_state=0
)
ROWS, BASELINE = 0.9 * X[:20], X[100:103]  # the smallest and largest values are kinks
LABELS = np.stack([CLASSES == 0, X[:, 0] > 0], axis=1).astype(int)
TWO = np.exp(X[:, :2] / 2)


def predicted(model, rows, output=None):
    """What is explained, from the public methods."""
    if not is_classifier(model):
        return model.predict(rows).reshape(len(rows), -1)[:, output or 0]
    log_p = model.predict_log_proba(rows)
    log_p = log_p[:, 1 if output is None else [*model.classes_].index(output)]
    return log_p - np.log(-np.expm1(log_p))


def regressor(y, **parameters):
    return NormNetRegressor(**SMALL | parameters).fit(X, y)


def classifier(y, **parameters):
    return NormNetClassifier(**SMALL | parameters).fit(X, y)


MODELS = {
    "binary": (lambda **p: classifier(CLASSES > 0, **p), None),
    "first of two": (lambda **p: classifier(np.where(CLASSES > 0, "b", "a"), **p), "a"),
    "multiclass": (lambda **p: classifier(CLASSES, **p), 2),
    "multilabel": (lambda **p: classifier(LABELS, **p), 1),
    "two outputs": (lambda **p: regressor(TWO, **p), 1),
    "quantiles": (lambda **p: regressor(TWO[:, 0], loss="quantile", quantile=[0.2, 0.8], **p), 1),
} | {loss: (lambda loss=loss, **p: regressor(TWO[:, 0], loss=loss, **p), None) for loss in LOSSES}


@pytest.fixture(params=MODELS)
def kind(request):
    return MODELS[request.param]


def derivatives(function, rows, step=1e-6):
    """Central differences by each column."""
    steps = step * np.eye(rows.shape[1])
    return np.stack([(function(rows + h) - function(rows - h)) / (2 * step) for h in steps], 1)


# ------------------------------------------------------------------------------------ gradients


@pytest.mark.parametrize("n_members", [1, 3])
def test_gradients_agree_with_numeric_derivatives(kind, n_members):
    make, output = kind
    model = make(n_members=n_members, activation="tanh")
    expected = derivatives(lambda rows: predicted(model, rows, output), ROWS)
    assert_allclose(input_gradients(model, ROWS, output=output), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batchnorm", [False, "before", "after"])
@pytest.mark.parametrize("scale", ["standard", "robust", None])
@pytest.mark.parametrize("n_bins", [0, 4])
def test_gradients_go_through_all_encodings(scale, n_bins, batchnorm):
    settings = {"scale_inputs": scale, "input_bins": n_bins, "batchnorm": batchnorm}
    model = regressor(TWO[:, 0], activation="silu", **settings)
    expected = derivatives(model.predict, ROWS)
    assert_allclose(input_gradients(model, ROWS), expected, rtol=1e-5, atol=1e-6)


def test_what_has_no_derivative_is_nan():
    table = pd.DataFrame({"number": X[:, 0], "word": np.where(X[:, 1] > 0, "a", "b")})
    table.loc[::3, "number"] = np.nan
    model = NormNetRegressor(**SMALL).fit(table, TWO[:, 0])
    found = input_gradients(model, table)
    assert_array_equal(np.isnan(found[:, 0]), table["number"].isna())
    assert np.isnan(found[:, 1]).all()


# ---------------------------------------------------------------------------------- attributions


def assert_adds_up(model, rows, baseline, output=None, tol=1e-3):
    found = integrated_gradients(model, rows, output=output, baseline=baseline)
    of_baseline = predicted(model, baseline, output).mean()
    assert found.baseline == pytest.approx(of_baseline, abs=1e-5)
    assert_allclose(found.predictions, predicted(model, rows, output), atol=1e-5)
    difference = found.predictions - found.baseline
    assert_allclose(found.values.sum(axis=1), difference, rtol=0, atol=tol)
    return found


@pytest.mark.parametrize("n_members", [1, 3])
def test_contributions_add_up(kind, n_members):
    make, output = kind
    assert_adds_up(make(n_members=n_members), ROWS, BASELINE, output)


def test_contributions_are_in_the_unit_of_the_target():
    model, small = regressor(1e6 + 1e5 * TWO[:, 0]), regressor(TWO[:, 0])
    found, expected = (integrated_gradients(x, ROWS).values for x in (model, small))
    assert_allclose(found, 1e5 * expected, rtol=1e-3, atol=1)


def test_a_linear_network_has_linear_contributions():
    settings = {"activation": "identity", "input_bins": 0, "n_members": 2}
    model = regressor(TWO[:, 0], **settings)
    slopes = input_gradients(model, ROWS[:1])
    found = integrated_gradients(model, ROWS, baseline=BASELINE)
    assert_allclose(found.values, slopes * (ROWS - BASELINE.mean(axis=0)), atol=1e-9)
    found = integrated_gradients(model, ROWS)
    assert_allclose(found.values, slopes * (ROWS - X.mean(axis=0)), atol=1e-9)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("n_bins", [0, 5])
def test_contributions_are_integrals_of_the_gradients(n_bins, activation):
    settings = {"activation": activation, "input_bins": n_bins, "keep_prob": 0.6}
    model = classifier(CLASSES > 0, **settings)
    found = integrated_gradients(model, ROWS[:5], baseline=BASELINE[:1])
    shares = (np.arange(4000) + 0.5) / 4000
    for row, values in zip(ROWS, found.values, strict=False):
        path = BASELINE[0] + shares[:, None] * (row - BASELINE[0])
        expected = input_gradients(model, path).mean(axis=0) * (row - BASELINE[0])
        assert_allclose(values, expected, atol=5e-3 * np.abs(expected).sum())


def test_numbers_far_out_and_steps_add_up():
    rows = X.copy()
    rows[:, 0] = np.round(rows[:, 0])  # bins of width 0
    rows[:3, 1] = [1e6, -1e30, 5]
    settings = {"scale_inputs": "robust", "input_bins": 8, "bin_strategy": "quantile"}
    model = NormNetClassifier(**SMALL | settings).fit(rows, CLASSES > 0)
    assert_adds_up(model, rows[:10], rows[50:52])


def table(n_rows=300):
    rng = np.random.default_rng(0)
    found = pd.DataFrame(
        {
            "number": rng.normal(size=n_rows),
            "color": rng.choice(["red", "blue", "green"], n_rows),
            "week": [f"week {k}" for k in rng.integers(0, 36, n_rows)],
            "flag": rng.random(n_rows) < 0.3,
            "unused": 1.0,
        }
    )
    found.loc[::5, "number"] = np.nan
    found.loc[1::7, "color"] = None
    return found, (found["color"] == "red") + found["number"].fillna(1.0) / 2


@pytest.mark.parametrize("n_members", [1, 2])
def test_columns_of_all_kinds(n_members):
    rows, y = table()
    model = NormNetRegressor(**SMALL | {"max_iter": 30}, n_members=n_members).fit(rows, y)
    others = rows[200:204].copy()
    others.iloc[0, 1] = "unknown"
    found = assert_adds_up(model, rows[:40], others)
    assert found.columns == ["number", "color", "week", "flag", "unused"]
    assert_array_equal(found.as_frame().columns, rows.columns)
    assert (found.values[:, 4] == 0).all()
    size = np.abs(found.values).mean(axis=0)
    assert size[:2].min() > 2 * size[2:].max()


def test_the_mean_row_of_a_table():
    # Without hidden layers, the prediction for the mean of the encoded rows is the mean prediction.
    rows, y = table()
    rows["number"] = rows["number"].fillna(0.5)
    settings = {"hidden_layer_sizes": (), "input_bins": 0, "n_members": 2}
    model = NormNetRegressor(**SMALL | settings).fit(rows, y)
    found = integrated_gradients(model, rows)
    assert found.baseline == pytest.approx(model.predict(rows).mean())
    assert_allclose(found.values.mean(axis=0), 0, atol=1e-9)


def test_equal_levels_contribute_nothing():
    rows, y = table()
    model = NormNetRegressor(**SMALL).fit(rows, y)
    found = integrated_gradients(model, rows[:50], baseline=rows[:1])
    equal = rows["color"][:50] == rows["color"][0]
    assert equal.sum() > 5
    assert (found.values[equal, 1] == 0).all()
    assert (found.values[~equal, 1] != 0).all()


CLASSIFIERS = NormNetClassifier, NormNetEnsembleClassifier
TARGETS = {
    "binary": (CLASSES > 0, *CLASSIFIERS, None),
    "multiclass": (CLASSES, *CLASSIFIERS, 2),
    "multilabel": (LABELS, *CLASSIFIERS, 1),
    "two outputs": (TWO, NormNetRegressor, NormNetEnsembleRegressor, 1),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_ensembles_that_choose(kind):
    y, network, ensemble, output = TARGETS[kind]
    settings = {"activation": "silu", "n_members": 2}
    candidates = [{"input_bins": 0}, {"input_bins": 4}]
    model = ensemble(network(**SMALL | settings), candidates=candidates, random_state=0).fit(X, y)
    n_networks = len(model.estimators_)  # each has an encoder of its own, for its rows
    model.estimator_weights_ = np.arange(1, n_networks + 1) / (n_networks * (n_networks + 1) / 2)
    expected = derivatives(lambda rows: predicted(model, rows, output), ROWS)
    assert_allclose(input_gradients(model, ROWS, output=output), expected, rtol=1e-5, atol=1e-6)
    assert_adds_up(make_pipeline(model), ROWS, BASELINE, output)


def test_an_ensemble_explains_tables():
    rows, y = table()
    estimator = NormNetRegressor(**SMALL | {"max_iter": 30})
    model = NormNetEnsembleRegressor(estimator, cv=2, random_state=0).fit(rows, y)
    found = assert_adds_up(model, rows[:10], rows[200:202])
    assert (found.values[:, 4] == 0).all()
    members = [integrated_gradients(x, rows[:10]) for x in model.estimators_]
    expected = np.average([x.values for x in members], axis=0, weights=model.estimator_weights_)
    assert_allclose(integrated_gradients(model, rows[:10]).values, expected, atol=1e-3)


def test_sparse_rows_and_float32():
    sparse = csr_array(np.where(X > 0.5, X, 0))
    model = NormNetClassifier(**SMALL | {"dtype": "float32"}).fit(sparse, CLASSES > 0)
    found = integrated_gradients(model, sparse[:30])
    zeros = csr_array((1, 4))
    assert found.baseline == pytest.approx(predicted(model, zeros)[0], abs=1e-5)
    differences = predicted(model, sparse[:30]) - found.baseline
    assert_allclose(found.values.sum(axis=1), differences, atol=1e-3)
    assert_array_equal(found.values[sparse[:30].toarray() == 0], 0)


def test_pipelines_have_the_columns_of_the_network():
    model = make_pipeline(StandardScaler(), NormNetClassifier(**SMALL)).fit(X, CLASSES > 0)
    found = integrated_gradients(model, ROWS)
    expected = integrated_gradients(model[-1], model[:-1].transform(ROWS))
    assert_array_equal(found.values, expected.values)
    assert found.columns == [0, 1, 2, 3]
    inner = input_gradients(model[-1], model[:-1].transform(ROWS))
    assert_array_equal(input_gradients(model, ROWS), inner)


def test_what_does_not_add_up_is_a_warning():
    model = classifier(CLASSES > 0)
    with pytest.warns(
        UserWarning, match=r"contributions to \d of 2 differences do not add up with"
    ):
        integrated_gradients(model, ROWS[:2], tol=1e-30)


def test_nothing_changes():
    model = classifier(CLASSES > 0)
    before = model.predict_proba(X)
    one, other = (integrated_gradients(model, ROWS) for _ in range(2))
    assert_array_equal(one.values, other.values)
    assert_array_equal(model.predict_proba(X), before)


class OwnLoss(SquaredError):
    """A loss of a user, whose inverse link is unknown."""

    out_activation = "cube"

    def inverse_link(self, raw):
        return raw**3


def test_errors():
    model = classifier(CLASSES)
    for output in (None, 3, "a"):
        with pytest.raises(ValueError, match=r"output must be one of \[0, 1, 2\]\. Got .* instead"):
            integrated_gradients(model, ROWS, output=output)
    with pytest.raises(ValueError, match=r"output must be one of \[0, 1\]\. Got None instead"):
        input_gradients(regressor(TWO), ROWS)
    with pytest.raises(ValueError, match="X has 3 features"):
        integrated_gradients(model, ROWS, output=1, baseline=BASELINE[:, :3])
    own = clone(NormNetRegressor(**SMALL)).set_params(loss=OwnLoss()).fit(X, TWO[:, 0])
    with pytest.raises(ValueError, match=r"out_activation of the loss must be .* Got 'cube' inste"):
        input_gradients(own, ROWS)
