"""The norms of the gradients against steps of gradient descent."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknormnet import NormNetClassifier, NormNetRegressor
from sknormnet.inspection import layer_gradients

X, Y = load_iris(return_X_y=True)
X = scale(X)
SMALL = NormNetClassifier((8, 5), max_iter=5, random_state=0)


@pytest.mark.parametrize("batchnorm", [False, "before", "after"])
@pytest.mark.parametrize("kind", [NormNetClassifier, NormNetRegressor])
def test_a_step_of_gradient_descent_goes_as_far_as_the_gradient_says(kind, batchnorm):
    rows, y = (
        load_iris(return_X_y=True) if kind is NormNetClassifier else load_diabetes(return_X_y=True)
    )
    rows, weight = scale(rows), 1 + np.arange(len(y)) % 3
    model = kind(
        hidden_layer_sizes=(6, 4), solver="sgd", momentum=0, learning_rate="constant",
        learning_rate_init=0.01, batch_size=len(y), keep_prob=1.0, alpha=5.0, max_iter=3, tol=0,
        batchnorm=batchnorm, scaling_layer=False, random_state=0,
    )  # fmt: skip
    with pytest.warns(Warning, match="Maximum iterations"):
        model.fit(rows, y, sample_weight=weight)
    gradients = layer_gradients(model, rows, y, sample_weight=weight)
    before = [W.copy() for W in model.coefs_]
    model.partial_fit(rows, y, sample_weight=weight)
    for x, old, new in zip(gradients, before, model.coefs_, strict=True):
        assert x.weight_norm == pytest.approx(np.linalg.norm(old))
        assert x.gradient_norm == pytest.approx(np.linalg.norm(new - old) / 0.01, rel=1e-8)
        assert np.isnan(x.update_ratio)


def test_gradients_are_without_dropout_and_change_nothing():
    model = clone(SMALL).set_params(keep_prob=0.5, input_keep_prob=0.7).fit(X, Y)
    before = model.predict_proba(X)
    one, other = (layer_gradients(model, X, Y) for _ in range(2))
    assert [x.gradient_norm for x in one] == [x.gradient_norm for x in other]
    assert_array_equal(model.predict_proba(X), before)
    pipe = make_pipeline(StandardScaler(), clone(SMALL)).fit(X, Y)
    assert len(layer_gradients(pipe, X, Y)) == 3
