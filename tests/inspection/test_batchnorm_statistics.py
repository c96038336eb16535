"""Batch norm's statistics for prediction, compared with those of other rows."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from sknormnet import NormNetClassifier
from sknormnet.inspection import batchnorm_statistics, layer_statistics

X, Y = load_iris(return_X_y=True)
X = scale(X)
NEW = X[::3] + 0.3


def fitted(**parameters):
    return NormNetClassifier((8, 5), max_iter=5, random_state=0, **parameters).fit(X, Y)


@pytest.mark.parametrize("batchnorm", ["before", "after"])
def test_statistics_are_those_of_the_layers_inputs(batchnorm):
    model = fitted(batchnorm=batchnorm)
    pairs = pairwise(layer_statistics(model, NEW))
    inputs = {x.layer: before for before, x in pairs if x.stage == "batchnorm"}
    for x in batchnorm_statistics(model, NEW):
        assert_array_equal(x.running_mean, model.running_means_[x.layer])
        assert_array_equal(x.running_var, model.running_vars_[x.layer])
        assert_allclose(x.batch_mean, inputs[x.layer].unit_means)
        assert_allclose(np.sqrt(x.batch_var), inputs[x.layer].unit_stds)
        std = np.sqrt(x.running_var + model.batchnorm_epsilon)
        assert_allclose(x.shift, (x.batch_mean - x.running_mean) / std)
        assert_allclose(x.ratio * std, np.sqrt(x.batch_var + model.batchnorm_epsilon))
    # After `fit`, the statistics are exactly those of the training rows.
    assert all(np.abs(x.shift).max() < 1e-6 for x in batchnorm_statistics(model, X))
    assert np.abs(batchnorm_statistics(model, NEW)[0].shift).max() > 0.1


def test_without_batch_norm_it_is_an_error():
    with pytest.raises(ValueError, match="The network has no batch norm"):
        batchnorm_statistics(fitted(batchnorm=False), X)


def test_columns_are_the_extremes_of_all_units():
    records = batchnorm_statistics(fitted(), X * 2)
    frame = records.as_frame()
    assert_array_equal(frame["n_units"], [8, 5])
    assert_array_equal(frame["largest_shift"], [np.abs(x.shift).max() for x in records])
    assert_array_equal(frame["smallest_ratio"], [x.ratio.min() for x in records])
    assert_array_equal(frame["largest_ratio"], [x.ratio.max() for x in records])
