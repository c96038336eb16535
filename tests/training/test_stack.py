"""A stack of runs trains each network as if it were trained alone."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sknormnet.nn.activations import ACTIVATIONS
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.losses import LOSSES, BinaryLogLoss, MulticlassLogLoss
from sknormnet.nn.mlp import mlp
from sknormnet.training.batches import Samples, StackedSamples
from sknormnet.training.loop import Run, epochs
from sknormnet.training.optimizers import OPTIMIZERS, SGD, AdamW
from sknormnet.training.stack import Stack

N_ROWS, N_FEATURES, N_CLASSES, BATCH = 50, 6, 4, 16
RATES = 0.01, 0.003, 0.02
LOSS = {**LOSSES, "binary": BinaryLogLoss(0.1), "multiclass": MulticlassLogLoss(0.1)}


@dataclass
class Case:
    loss: str = "multiclass"
    optimizers: tuple = (OPTIMIZERS["adam"](),) * 3
    batchnorm: str | None = "after"
    keep_probs: tuple = (1.0, 0.8, 0.5)
    input_keep_probs: tuple = (1.0, 1.0, 1.0)
    alphas: tuple = (0.0, 0.1, 1.0)
    max_grad_norms: tuple = (None, None, None)
    weighted: bool = False
    kind: type = np.asarray
    shuffle: bool = True
    same_data: bool = True
    dtype: type = np.float64


def optimizers(kind, name, values):
    return tuple(kind(**{name: value}) for value in values)


CASES = {
    **{name: Case(optimizers=(kind(),) * 3) for name, kind in OPTIMIZERS.items()},
    **{f"loss {name}": Case(loss=name) for name in LOSS},
    "momenta": Case(optimizers=optimizers(SGD, "momentum", (0.0, 0.5, 0.9))),
    "decays": Case(optimizers=optimizers(AdamW, "weight_decay", (0.0, 0.1, 1.0))),
    "no batch norm": Case(batchnorm=None),
    "batch norm before": Case(batchnorm="before"),
    "no dropout": Case(keep_probs=(1.0, 1.0, 1.0)),
    "inputs dropped": Case(input_keep_probs=(0.7, 1.0, 0.9)),
    "inputs dropped, sparse": Case(input_keep_probs=(0.7, 1.0, 0.9), kind=sparse.csr_array),
    "no alpha": Case(alphas=(0.0, 0.0, 0.0)),
    "clipped": Case(max_grad_norms=(0.1, np.inf, 0.5)),
    "weighted": Case(weighted=True),
    "sparse": Case(kind=sparse.csr_matrix),
    "in order": Case(shuffle=False),
    "folds": Case(same_data=False),
    "folds in order": Case(same_data=False, shuffle=False, weighted=True),
    "float32": Case(dtype=np.float32, optimizers=optimizers(SGD, "momentum", (0.1, 0.2, 0.3))),
}


def targets(loss, rng, n_rows):
    if loss == "multiclass":
        return rng.integers(0, N_CLASSES, n_rows).astype(np.uint8)
    if loss == "binary":
        return rng.integers(0, 2, (n_rows, N_CLASSES)).astype(bool)
    return rng.uniform(0.5, 2, (n_rows, N_CLASSES))


def prepared(case, k):
    """The run and samples of one member."""
    rng = np.random.default_rng(0 if case.same_data else k)
    X = case.kind(rng.normal(size=(N_ROWS, N_FEATURES)) * (rng.random((N_ROWS, 1)) < 0.9))
    weight = rng.uniform(0.5, 2, N_ROWS) if case.weighted else None
    y = targets(case.loss, rng, N_ROWS)
    network = mlp(
        N_FEATURES,
        (8, 5),
        N_CLASSES,
        activations=[ACTIVATIONS["relu"], ACTIVATIONS["tanh"]],
        inits=[INITIALIZERS["he_normal"]] * 3,
        batchnorm=case.batchnorm,
        keep_probs=(case.keep_probs[k], case.keep_probs[0]),
        input_keep_prob=case.input_keep_probs[k],
        dtype=case.dtype,
    )
    weights, order, dropout = (np.random.default_rng([k, i]) for i in range(3))
    run = Run(
        network.initialize(weights),
        order=np.random.Generator(np.random.SFC64(order.integers(99))),
        dropout=np.random.Generator(np.random.SFC64(dropout.integers(99))),
        split_seed=0,
    )
    run.use(case.optimizers[k], anew=True)
    return run, Samples(X, y, weight=weight, dtype=case.dtype)


HOW = {"batch_size": BATCH, "min_batch_size": 4}


def alone(case, k, n_epochs):
    run, samples = prepared(case, k)
    steps = epochs(
        run,
        LOSS[case.loss],
        partial(samples.batches, run.order, **HOW, shuffle=case.shuffle),
        alpha=case.alphas[k] or None,
        rate=lambda seen: RATES[k] / (1 + seen),
        max_grad_norm=case.max_grad_norms[k],
    )
    return [*islice(steps, n_epochs)], run


def together(case, members, n_epochs):
    runs, samples = zip(*(prepared(case, k) for k in members), strict=True)
    stack, rows = Stack.of(runs), StackedSamples(samples)
    column = np.array([[case.alphas[k]] for k in members])
    norms = [case.max_grad_norms[k] for k in members]
    steps = epochs(
        stack,
        LOSS[case.loss],
        partial(rows.batches, stack.order, **HOW, shuffle=case.shuffle),
        alpha=column if column.any() else None,
        rate=lambda seen: np.array([[RATES[k]] for k in members]) / (1 + seen),
        max_grad_norm=None if None in norms else np.array(norms),
    )
    losses = np.concatenate([*islice(steps, n_epochs)], axis=1)
    stack.hand_down()
    return losses, runs


def assert_same(run, expected, dtype):
    # Results are bit for bit equal only if BLAS multiplies a stack like its single matrices.
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    for name in ("parameters", "statistics"):
        assert_allclose(
            getattr(run.network, name), getattr(expected.network, name), tolerance, tolerance
        )
    assert run.samples == expected.samples
    assert run.network.momentum_weight == expected.network.momentum_weight
    assert run.state.keys() == expected.state.keys()
    for name, value in expected.state.items():
        assert_allclose(run.state[name], value, tolerance, tolerance)


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_members_train_as_if_alone(case):
    losses, runs = together(case, range(3), 3)
    for k, run in enumerate(runs):
        values, expected = alone(case, k, 3)
        assert_allclose(losses[k], values, rtol=1e-5 if case.dtype == np.float32 else 1e-12)
        assert_same(run, expected, case.dtype)


def test_a_member_that_leaves_the_stack_is_not_modified():
    case = Case()
    _, runs = together(case, range(3), 2)
    before = runs[0].network.parameters.copy()
    rest = Stack.of(runs[1:])
    rest.network.parameters += 1
    assert_array_equal(runs[0].network.parameters, before)
    assert_array_equal(runs[1].network.parameters, rest.network.parameters[0])


def test_members_predict_with_the_stacks_parameters():
    case = replace(Case(), batchnorm="before")
    _, runs = together(case, range(2), 1)
    X = np.random.default_rng(1).normal(size=(7, N_FEATURES))
    _, expected = alone(case, 1, 1)
    assert_allclose(runs[1].network.fold().predict(X), expected.network.fold().predict(X))
