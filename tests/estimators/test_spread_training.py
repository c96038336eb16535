"""The networks of a fit in several processes of joblib."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification

from sknormnet import NormNetClassifier, NormNetRegressor
from sknormnet.estimators import spread_training

X, Y = make_classification(300, 5, random_state=0)
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize(
    "model",
    [
        NormNetClassifier(**SMALL, n_members=3, early_stopping=True, scoring="accuracy"),
        NormNetRegressor(**SMALL, n_members=2, solver="lbfgs", batchnorm=False),
        NormNetClassifier.for_accuracy(cv=2, **SMALL),
    ],
    ids=["members", "lbfgs", "folds and settings"],
)
def test_networks_are_the_same_as_in_one_process(model):
    here = clone(model).fit(X, Y)
    with joblib.parallel_config("loky", n_jobs=2):
        found = clone(model).fit(X, Y)
    np.testing.assert_array_equal(found.predict(X), here.predict(X))
    if isinstance(model, NormNetClassifier | NormNetRegressor):
        assert found.loss_curve_ == here.loss_curve_
        np.testing.assert_array_equal(found.best_epoch_, here.best_epoch_)
        for network, other in zip(found._networks, here._networks, strict=True):
            np.testing.assert_array_equal(network.parameters, other.parameters)


@pytest.mark.parametrize(
    ("n_members", "backend", "n_jobs"), [(3, "loky", 1), (3, "threading", 2), (1, "loky", 2)]
)
def test_one_process_is_enough(monkeypatch, n_members, backend, n_jobs):
    def never(*args):
        raise AssertionError

    monkeypatch.setattr(spread_training, "results", never)
    model = NormNetClassifier(**SMALL, n_members=n_members)
    with joblib.parallel_config(backend, n_jobs=n_jobs):
        assert model.fit(X, Y).n_iter_ == 3
