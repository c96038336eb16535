"""SHAP's permutation explainer on a pipeline, next to integrated gradients."""

import numpy as np
import pytest
from sklearn.datasets import make_regression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknormnet import NormNetRegressor
from sknormnet.inspection import integrated_gradients

shap = pytest.importorskip("shap")

pytestmark = pytest.mark.filterwarnings("ignore")  # the package's own


def test_a_pipeline_is_explained():
    X, y = make_regression(300, 5, n_informative=3, random_state=0)
    model = make_pipeline(StandardScaler(), NormNetRegressor(max_iter=20, random_state=0)).fit(X, y)
    background = X[:30]
    explain = shap.Explainer(model.predict, background, algorithm="permutation", seed=0)
    found = explain(X[:20], silent=True)
    sums = found.base_values + found.values.sum(axis=1)
    np.testing.assert_allclose(sums, model.predict(X[:20]), rtol=1e-5)
    # The target is linear, for which both have the same contributions.
    ours = integrated_gradients(model, X[:20], baseline=background)
    assert ours.baseline == pytest.approx(found.base_values[0], rel=1e-4, abs=0.01 * y.std())
    assert np.corrcoef(ours.values.ravel(), found.values.ravel())[0, 1] > 0.98
