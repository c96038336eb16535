"""What training minimizes: its value and gradient against formulas and numeric derivatives."""

import numpy as np
import pytest
from gradients import check_vjp
from numpy.testing import assert_allclose, assert_array_equal
from reference import build, targets, weighted_batch
from scipy import sparse

from sknormnet.nn.losses import LOSSES, BinaryLogLoss, MulticlassLogLoss, SquaredError
from sknormnet.training import blocks
from sknormnet.training.objective import clip, objective

LOSS = {**LOSSES, "binary": BinaryLogLoss(), "multiclass": MulticlassLogLoss()}


def batch_for(loss, n_rows=11, kind=np.asarray):
    rng = np.random.default_rng(2)
    return weighted_batch(kind(rng.normal(size=(n_rows, 5))), targets(loss, n_rows, 3, rng), rng)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("keep", [1.0, 0.7])
@pytest.mark.parametrize("batchnorm", [None, "before", "after"])
@pytest.mark.parametrize("loss", LOSS)
def test_gradient_of_the_whole_objective(loss, batchnorm, keep, kind):
    network = build(batchnorm=batchnorm, keep_probs=(keep, keep), input_keep_prob=keep)
    batch = batch_for(loss, kind=kind)
    evaluate, gradient = objective(network, LOSS[loss], alpha=1.7)

    def function(parameters):
        network.parameters[...] = parameters
        value = evaluate(batch, np.random.default_rng(3))  # the same masks each time
        return value, lambda d: d * gradient

    check_vjp(function, network.parameters)


@pytest.mark.parametrize("size", [blocks.BLOCK, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batchnorm", [None, "before", "after"])
def test_alpha_shrinks_weights_only(batchnorm, dtype, size, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", size)
    network = build(batchnorm=batchnorm, dtype=dtype)
    batch = batch_for("squared_error")
    batch = batch._replace(
        **{x: getattr(batch, x).astype(dtype) for x in ("X", "weight", "row_weight")}
    )
    without, d_without = objective(network, SquaredError(), alpha=0.0)
    shrinking, d_shrinking = objective(network, SquaredError(), alpha=3.0)
    value, value_shrinking = without(batch, None), shrinking(batch, None)

    n = network.n_weights
    W = network.parameters[:n].astype(np.float64)
    tolerance = 10 * np.finfo(dtype).eps
    assert_allclose(value_shrinking, value + 3.0 / 2 * (W @ W) / batch.total, rtol=tolerance)
    assert_allclose(
        d_shrinking[:n], d_without[:n] + 3.0 * W / batch.total, rtol=tolerance, atol=tolerance
    )
    assert_array_equal(d_shrinking[n:], d_without[n:])
    assert network.parameters.size > n
    assert d_shrinking.dtype == dtype


def test_the_objective_does_not_modify_data_and_parameters():
    network = build(batchnorm="before", keep_probs=(0.5, 0.5))
    batch = batch_for("squared_error")
    for array in (batch.X, batch.y, batch.weight, batch.row_weight, network.parameters):
        array.flags.writeable = False
    evaluate, _ = objective(network, SquaredError(), alpha=1.0)
    assert np.isfinite(evaluate(batch, np.random.default_rng(0)))


def test_the_objective_with_batches_of_several_sizes():
    network = build()
    evaluate, gradient = objective(network, SquaredError(), alpha=0.5)
    for n_rows in (11, 4, 11, 1, 4):
        batch = batch_for("squared_error", n_rows)
        fresh, fresh_gradient = objective(network, SquaredError(), alpha=0.5)
        assert evaluate(batch, None) == fresh(batch, None)
        assert_array_equal(gradient, fresh_gradient)


@pytest.mark.parametrize("adds", [True, False])
def test_the_gradient_of_the_penalty_may_be_left_to_the_optimizer(adds):
    network, batch = build(), batch_for("squared_error")
    without, d_without = objective(network, SquaredError(), alpha=None)
    whole, d_whole = objective(network, SquaredError(), alpha=3.0)
    evaluate, gradient = objective(network, SquaredError(), alpha=3.0, penalty_gradient=adds)
    assert evaluate(batch, None) == whole(batch, None) > without(batch, None)
    assert_array_equal(gradient, d_whole if adds else d_without)


@pytest.mark.parametrize(
    ("max_norm", "expected"), [(10.0, [3.0, 4.0]), (5.0, [3.0, 4.0]), (0.5, [0.3, 0.4])]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clip_scales_a_gradient_of_norm_5(max_norm, expected, dtype):
    gradient = np.array([3, 4], dtype)
    clip(gradient, max_norm)
    assert_allclose(gradient, expected, rtol=1e-6)
    assert gradient.dtype == dtype
