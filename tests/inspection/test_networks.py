"""The network of an estimator or a pipeline, fitted or initialized."""

import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknormnet import NormNetClassifier
from sknormnet.inspection import (
    batchnorm_statistics,
    initialized,
    input_gradients,
    integrated_gradients,
    layer_gradients,
    layer_statistics,
    training_history,
)

X, Y = load_iris(return_X_y=True)
X = scale(X)


def test_initialized_is_the_start_of_a_fit():
    model = NormNetClassifier((8, 5), init="he_normal", max_iter=5, random_state=0)
    start = initialized(model, X, Y)
    assert not hasattr(model, "coefs_")
    assert start.loss_curve_ == []
    trained = clone(model).set_params(learning_rate_init=1e-12, weight_decay=0.0).fit(X, Y)
    for one, other in zip(start.coefs_, trained.coefs_, strict=True):
        assert_allclose(one, other, atol=1e-9)
    assert_allclose(start.running_means_[1], trained.running_means_[1], atol=1e-8)
    pipe = initialized(make_pipeline(StandardScaler(), model), X * 3 + 1, Y)
    assert_allclose(pipe.predict_proba(X * 3 + 1), start.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize(
    "function",
    [
        training_history,
        lambda model: layer_statistics(model, X),
        lambda model: batchnorm_statistics(model, X),
        lambda model: layer_gradients(model, X, Y),
        lambda model: input_gradients(model, X),
        lambda model: integrated_gradients(model, X),
    ],
)
def test_what_is_no_fitted_network_is_an_error(function):
    with pytest.raises(NotFittedError):
        function(NormNetClassifier())
    for other in (LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())):
        with pytest.raises(TypeError, match="estimator must be a NormNetClassifier, a NormNetReg"):
            function(other)
