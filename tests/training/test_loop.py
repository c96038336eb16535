from functools import partial
from itertools import islice

import numpy as np
import pytest
from gradients import check_vjp
from numpy.testing import assert_allclose, assert_array_equal
from reference import build, targets, weighted_batch
from scipy import sparse

from sknormnet.nn.losses import LOSSES, BinaryLogLoss, MulticlassLogLoss, SquaredError
from sknormnet.training import blocks
from sknormnet.training.batches import Samples
from sknormnet.training.loop import Run, epochs, objective
from sknormnet.training.optimizers import SGD, Adam
from sknormnet.training.stopping import Patience

LOSS = {**LOSSES, "binary": BinaryLogLoss(), "multiclass": MulticlassLogLoss()}


def batch_for(loss, n_rows=11, kind=np.asarray):
    rng = np.random.default_rng(2)
    return weighted_batch(kind(rng.normal(size=(n_rows, 5))), targets(loss, n_rows, 3, rng), rng)


def run_of(network, **settings):
    rng = np.random.default_rng
    return Run(network, order=rng(0), dropout=rng(1), split_seed=0, **settings)


# --------------------------------------------------------------------------- the objective


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


# --------------------------------------------------------------------------------- epochs

X = np.random.default_rng(0).normal(size=(10, 5))
Y = np.random.default_rng(1).normal(size=(10, 3))
WEIGHT = np.random.default_rng(2).uniform(0.2, 3, 10)


def linear(dtype=np.float64):
    return build(5, (), 3, activations=(), dtype=dtype)


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("alpha", [0.0, 0.8])
def test_an_epoch_follows_the_plain_formulas(alpha, weight):
    # Linear regression by gradient descent in batches of 4, 4 and 2 rows. The loss of the epoch
    # is the mean of the batches' losses before their steps, weighted by their numbers of rows.
    network = linear()
    p = network.arrays()[0]
    W, b = p.W.copy(), p.b.copy()
    w = np.ones(10) if weight is None else weight
    rates = [0.1, 0.05]
    expected = []
    for rate in rates:
        losses = []
        for rows in (slice(0, 4), slice(4, 8), slice(8, 10)):
            total = len(X[rows]) * w.mean()
            residual = X[rows] @ W + b - Y[rows]
            value = (w[rows] * (residual**2).sum(axis=1)).sum() / 2 + alpha / 2 * (W**2).sum()
            losses.append(value / total)
            d = w[rows, None] * residual / total
            W, b = W - rate * (X[rows].T @ d + alpha * W / total), b - rate * d.sum(axis=0)
        expected.append((4 * losses[0] + 4 * losses[1] + 2 * losses[2]) / 10)

    run = run_of(network)
    run.use(SGD(momentum=0.0), anew=True)
    samples = Samples(X, Y, weight=weight, dtype=np.float64)
    batches = partial(samples.batches, run.order, 4, min_batch_size=1, shuffle=False)
    steps = []

    def rate(seen):
        steps.append(seen)
        return rates[seen // 10]

    found = epochs(run, SquaredError(), batches, alpha=alpha, rate=rate)
    assert_allclose([next(found), next(found)], expected, rtol=1e-12)
    assert_allclose(p.W, W, rtol=1e-12)
    assert_allclose(p.b, b, rtol=1e-12)
    assert run.samples == 20
    assert steps == [0, 4, 8, 10, 14, 18]


@pytest.mark.parametrize(("max_norm", "factor"), [(None, 1.0), (1e-3, 1e-3), (1e9, 1.0)])
def test_clipping_rescales_a_large_gradient(max_norm, factor):
    # With rate 1 and no momentum, a step of gradient descent is minus the gradient.
    steps = []
    for clip in (None, max_norm):
        network = linear()
        before = network.parameters.copy()
        run = run_of(network)
        run.use(SGD(momentum=0.0), anew=True)
        batches = partial(
            Samples(X, Y, dtype=np.float64).batches, run.order, 10, min_batch_size=1, shuffle=False
        )
        next(
            epochs(
                run, SquaredError(), batches, alpha=0.0, rate=lambda seen: 1.0, max_grad_norm=clip
            )
        )
        steps.append(network.parameters - before)
    norm = np.linalg.norm(steps[0])
    assert 1e-3 < norm < 1e9
    expected = steps[0] if factor == 1.0 else steps[0] * factor / norm
    assert_allclose(steps[1], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_epochs_lower_the_loss(optimizer, dtype):
    run = run_of(build(batchnorm="before", keep_probs=(0.9, 0.9), dtype=dtype))
    run.use(optimizer, anew=True)
    samples = Samples(X, X[:, :3] + 1, dtype=dtype)
    batches = partial(samples.batches, run.order, 5, min_batch_size=2, shuffle=True)
    steps = epochs(run, SquaredError(), batches, alpha=0.0, rate=lambda seen: 0.02)
    losses = list(islice(steps, 150))
    assert np.mean(losses[-10:]) < 0.2 * losses[0]
    assert run.network.parameters.dtype == dtype


def test_epochs_from_several_generators_continue_one_run():
    # One epoch from each of six generators, as in partial_fit, gives bit for bit the result of
    # six epochs from one generator.
    networks = []
    for n_generators, n_epochs in ((1, 6), (6, 1)):
        run = run_of(build(batchnorm="after", keep_probs=(0.8, 0.8)))
        run.use(Adam(), anew=True)
        samples = Samples(X, Y, dtype=np.float64)
        batches = partial(samples.batches, run.order, 4, min_batch_size=2, shuffle=True)
        for _ in range(n_generators):
            steps = epochs(run, SquaredError(), batches, alpha=0.1, rate=lambda seen: 0.01)
            assert len(list(islice(steps, n_epochs))) == n_epochs
            run.use(Adam(), anew=False)
        networks.append(run.network)
    assert_array_equal(networks[0].parameters, networks[1].parameters)
    assert_array_equal(networks[0].statistics, networks[1].statistics)


# ------------------------------------------------------------------------------------ runs


def test_use_continues_or_resets_the_optimizers_state():
    run = run_of(linear())
    assert run.patience == Patience()
    run.use(Adam(), anew=False)  # there is no previous state
    assert run.state["t"] == 0
    run.state["t"], run.stalls = 5, 2

    run.use(Adam(beta_1=0.5), anew=False)
    assert (run.state["t"], run.stalls) == (5, 2)
    assert run.optimizer == Adam(beta_1=0.5)

    run.use(SGD(), anew=False)  # another class cannot use Adam's state
    assert set(run.state) == {"velocity"}
    assert run.stalls == 0

    run.state["velocity"] += 1
    run.stalls = 1
    run.use(SGD(), anew=True)
    assert not run.state["velocity"].any()
    assert run.stalls == 0


def test_watch_continues_or_resets_the_patience():
    run = run_of(linear())
    run.watch("loss", anew=False)
    run.patience = waiting = Patience(best=1.0, waited=3)
    run.watch("loss", anew=False)
    assert run.patience == waiting
    run.watch("loss", anew=True)
    assert run.patience == Patience()
    run.patience = waiting
    run.watch("score", anew=False)  # a score cannot be compared with a loss
    assert run.patience == Patience()


def test_runs_share_no_state():
    first, second = run_of(linear()), run_of(linear())
    first.state["t"] = 1
    assert second.state == {}
