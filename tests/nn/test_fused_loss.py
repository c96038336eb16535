"""The compiled loop of the multiclass log loss changes no result."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sknormnet.nn.losses import LOSSES, BinaryLogLoss, FusedMulticlassLogLoss, MulticlassLogLoss


@pytest.mark.parametrize("size", [1.0, 30.0, 1e4, 1e15])  # from 60 on, maxima are subtracted
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_are_equal_to_the_last_bit(dtype, label_smoothing, size, loops):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 7, 50).astype(np.uint8)
    raw = (size * rng.normal(size=(50, 7))).astype(dtype)
    weight = rng.uniform(size=(50, 1)).astype(dtype)
    loss = MulticlassLogLoss(label_smoothing)
    expected, found = raw.copy(), raw.copy()
    expected_losses = loss.losses_and_gradient(y, expected, weight)
    found_losses = loss.fused().losses_and_gradient(y, found, weight)
    assert isinstance(loss.fused(), FusedMulticlassLogLoss)
    assert (found != raw).any()
    assert_array_equal(found, expected)
    assert_array_equal(found_losses, expected_losses)
    assert found.dtype == found_losses.dtype == dtype


def test_losses_without_a_loop_stay_as_they_are():
    for loss in (*LOSSES.values(), BinaryLogLoss(0.1)):
        assert loss.fused() is loss
