"""scikit-learn's own tools that take any estimator."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import loguniform
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import PartialDependenceDisplay, permutation_importance
from sklearn.metrics import log_loss
from sklearn.model_selection import HalvingRandomSearchCV, train_test_split

from sknormnet import NormNetClassifier, NormNetRegressor

X, Y = load_breast_cancer(return_X_y=True, as_frame=True)
SMALL = {"hidden_layer_sizes": (16,), "max_iter": 10, "random_state": 0}


@pytest.mark.parametrize("resource", ["max_iter", "n_members", "n_samples"])
def test_halving(resource):
    bounds = {"max_iter": (2, 8), "n_members": (1, 4), "n_samples": (100, 400)}[resource]
    search = HalvingRandomSearchCV(
        NormNetClassifier(**SMALL),
        {"weight_decay": loguniform(0.1, 10)},
        resource=resource,
        n_candidates=4,
        min_resources=bounds[0],
        max_resources=bounds[1],
        factor=2,
        cv=2,
        random_state=0,
    ).fit(X, Y)
    assert search.n_candidates_ == [4, 2, 1]
    assert search.score(X, Y) > 0.9
    if resource != "n_samples":
        assert search.best_estimator_.get_params()[resource] == bounds[1]


def test_permutation_importance():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 3))
    model = NormNetRegressor(**SMALL).fit(rows, 2 * rows[:, 0] + rows[:, 1])
    found = permutation_importance(model, rows, 2 * rows[:, 0] + rows[:, 1], random_state=0)
    first, second, third = found.importances_mean
    assert first > 2 * second > 20 * abs(third)


def test_partial_dependence(pyplot):
    model = NormNetClassifier(**SMALL).fit(*load_iris(return_X_y=True, as_frame=True))
    rows = load_iris(as_frame=True).data
    names = ["petal length (cm)", ("petal length (cm)", "petal width (cm)")]
    display = PartialDependenceDisplay.from_estimator(
        model, rows, names, target=0, grid_resolution=20
    )
    curve = display.pd_results[0].average[0]
    assert curve[0] > curve[-1] + 0.2  # class 0 has short petals
    assert display.pd_results[1].average.shape == (3, 20, 20)


@pytest.mark.parametrize("n_members", [1, 3])
def test_calibration_by_temperature(n_members):
    pytest.importorskip("sklearn", minversion="1.8")
    train, test, y_train, y_test = train_test_split(X, Y, test_size=0.5, random_state=0)
    settings = {"keep_prob": 1.0, "weight_decay": 0.0, "max_iter": 60, "n_members": n_members}
    model = NormNetClassifier(**SMALL | settings).fit(train, y_train)
    calibrated = CalibratedClassifierCV(model, method="temperature", cv=3, ensemble=False)
    p = calibrated.fit(train, y_train).predict_proba(test)
    assert log_loss(y_test, p) < log_loss(y_test, model.predict_proba(test))
    (one,) = calibrated.calibrated_classifiers_
    raw = one.estimator.decision_function(test)  # the raw predictions are -raw and raw
    expected = expit(2 * one.calibrators[0].beta_ * raw)
    np.testing.assert_allclose(p[:, 1], expected, rtol=1e-4)
