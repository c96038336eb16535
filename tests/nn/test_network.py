import copy
import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from reference import EPSILON, build, targets, weighted_batch
from scipy import sparse

from sknormnet.nn.activations import ACTIVATIONS
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.layers import ActivationLayer, BatchNorm, Dense, Dropout
from sknormnet.nn.losses import LOSSES, BinaryLogLoss, MulticlassLogLoss
from sknormnet.nn.mlp import mlp
from sknormnet.nn.network import Network
from sknormnet.nn.products import rows_are_equal
from sknormnet.training.batches import Samples
from sknormnet.training.objective import objective

LOSS = {**LOSSES, "binary": BinaryLogLoss(), "multiclass": MulticlassLogLoss()}
BATCHNORM = pytest.mark.parametrize("batchnorm", [None, "before", "after"])
WITH_BATCHNORM = pytest.mark.parametrize("batchnorm", ["before", "after"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
KINDS = pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csr_array])
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-11}
NAMES = "tanh", "gelu"  # the activations of reference.build


def data(n_rows=12, n_features=5, dtype=np.float64, seed=0):
    """Random rows with about a third of zeros."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)) * (rng.random((n_rows, n_features)) < 2 / 3)
    return X.astype(dtype)


def masks(network, X, seed):
    """The factors of the dropout layers, drawn in the order of the layers.

    test_layers.py tests the layers themselves. These masks test that the network applies them
    in order.
    """
    rng = np.random.default_rng(seed)
    found = [1.0]
    for layer, arrays in zip(network.layers, network.arrays(), strict=True):
        if isinstance(layer, Dense):
            found.append(1.0)
        elif isinstance(layer, Dropout):
            arrays.dtype = network.dtype
            ones = np.ones((X.shape[0], layer.n_units), network.dtype)
            if sparse.issparse(X) and len(found) == 1:
                ones = X.copy()
                ones.data[:] = 1
            mask, _ = layer.build_forward(X.shape[0], arrays)(ones, None, rng)
            found[-1] = mask.toarray() if sparse.issparse(mask) else mask.astype(float)
    return found[:-1]


def same_up_to_rounding(found, expected, dtype):
    """Assert equality up to some rounding errors of the largest element."""
    expected = np.asarray(expected)
    scale = np.max(np.abs(expected))
    assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)


# ------------------------------------------------------------------- one step of training


@dataclass
class Case:
    loss: str = "squared_error"
    keep_probs: tuple = (1.0, 1.0)
    input_keep_prob: float = 1.0
    scaling_layer: bool = False
    alpha: float = 0.0
    hidden: tuple = (7, 4)
    activations: tuple = NAMES


CASES = {
    "plain": Case(),
    "alpha": Case(alpha=2.5),
    "poisson": Case("poisson", alpha=0.1),
    "binary": Case("binary"),
    "multiclass": Case("multiclass"),
    "dropout": Case("multiclass", keep_probs=(0.5, 0.8)),
    "dropout of one layer": Case(keep_probs=(1.0, 0.6)),
    "input dropout": Case("binary", input_keep_prob=0.7),
    "everything": Case("multiclass", (0.8, 0.5), 0.7, alpha=1.0),
    "no hidden layer": Case(hidden=(), activations=(), keep_probs=(), alpha=1.0),
    "input dropout only": Case(
        hidden=(), activations=(), keep_probs=(), input_keep_prob=0.5, alpha=1.0
    ),
    "scaling layer": Case(scaling_layer=True),
    "scaling layer and all else": Case(
        "multiclass", (0.8, 0.5), 0.7, scaling_layer=True, alpha=1.0
    ),
    "scaling layer only": Case(
        hidden=(), activations=(), keep_probs=(), scaling_layer=True, alpha=1.0
    ),
    "one hidden layer": Case(hidden=(6,), activations=("relu",), keep_probs=(0.9,)),
    "three hidden layers": Case(
        hidden=(6, 5, 4), activations=("selu", "mish", "leaky_relu"), keep_probs=(1.0, 0.7, 1.0)
    ),
}


@DTYPES
@KINDS
@BATCHNORM
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_training_step_follows_the_plain_formulas(case, batchnorm, kind, dtype):
    network = build(
        hidden=case.hidden,
        activations=case.activations,
        keep_probs=case.keep_probs,
        input_keep_prob=case.input_keep_prob,
        scaling_layer=case.scaling_layer,
        batchnorm=batchnorm,
        dtype=dtype,
    )
    rng = np.random.default_rng(1)
    y = targets(case.loss, 12, 3, rng)
    batch = weighted_batch(
        kind(data(dtype=dtype)), y if case.loss == "multiclass" else y.astype(dtype), rng
    )
    value, raw, gradient = reference.train(
        reference.arrays(network),
        batch,
        activations=case.activations,
        batchnorm=batchnorm,
        epsilon=EPSILON,
        masks=masks(network, batch.X, seed=5),
        loss=case.loss,
        alpha=case.alpha,
    )

    forward = network.build_forward(12, np.empty_like(network.parameters))
    found_raw, _ = forward(batch.X, batch.row_weight, np.random.default_rng(5))
    assert found_raw.dtype == dtype
    same_up_to_rounding(found_raw, raw, dtype)

    evaluate, found_gradient = objective(network, LOSS[case.loss], alpha=case.alpha)
    found_value = evaluate(batch, np.random.default_rng(5))
    assert found_gradient.dtype == dtype
    assert_allclose(found_value, value, rtol=TOLERANCE[dtype])
    same_up_to_rounding(found_gradient, reference.flat(gradient), dtype)


@pytest.mark.parametrize("scaling_layer", [False, True])
@pytest.mark.parametrize("input_keep_prob", [1.0, 0.5])
def test_no_gradient_of_X_is_computed(input_keep_prob, scaling_layer, monkeypatch):
    # It is not needed, and would be as large as a dense X, even for a sparse X.
    input_gradients = []
    build_forward = Dense.build_forward

    def spy(self, n_rows, arrays, *, input_gradient=True):
        input_gradients.append(input_gradient)
        return build_forward(self, n_rows, arrays, input_gradient=input_gradient)

    monkeypatch.setattr(Dense, "build_forward", spy)
    network = build(input_keep_prob=input_keep_prob, scaling_layer=scaling_layer)
    network.build_forward(12, np.empty_like(network.parameters))
    assert input_gradients == [False, True, True]


def test_forward_passes_use_the_current_parameters():
    # A forward pass is built once and used in many steps.
    network = build(batchnorm="before")
    forward = network.build_forward(12, np.empty_like(network.parameters))
    X, row_weight = data(), np.full((1, 12), 1 / 12)
    before = forward(X, row_weight, None)[0].copy()
    network.parameters *= 1.1
    after = forward(X, row_weight, None)[0].copy()
    network.parameters /= 1.1
    assert abs(after - before).max() > 0.01
    assert_allclose(forward(X, row_weight, None)[0], before, rtol=1e-12)


# ------------------------------------------------------------------------ the flat vectors


def test_order_of_the_parameters():
    network = build(2, (3, 1), 2, batchnorm="after")
    network.parameters[...] = np.arange(network.parameters.size)
    first, _, norm, second, _, second_norm, out = network.arrays()
    assert_array_equal(first.W, np.arange(6).reshape(2, 3))
    assert_array_equal(second.W, [[6], [7], [8]])
    assert_array_equal(out.W, [[9, 10]])
    assert network.n_weights == 11
    assert_array_equal(first.b, [[11, 12, 13]])
    assert_array_equal(second.b, [[14]])
    assert_array_equal(out.b, [[15, 16]])
    assert_array_equal(norm.gamma, [[17, 18, 19]])
    assert_array_equal(second_norm.gamma, [[20]])
    assert_array_equal(norm.beta, [[21, 22, 23]])
    assert_array_equal(second_norm.beta, [[24]])
    assert network.parameters.size == 25
    assert network.statistics.size == 2 * 4


def test_layers_before_batch_norm_have_no_bias():
    network = build(2, (3, 1), 2, batchnorm="before")
    biased = ["b" in vars(x) for x in network.arrays() if "W" in vars(x)]
    assert biased == [False, False, True]
    assert network.parameters.size == 11 + 2 + 2 * 4


@DTYPES
@pytest.mark.parametrize(
    "make", [lambda x: x, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_arrays_are_views(make, dtype):
    network = make(build(batchnorm="before", dtype=dtype))
    assert network.parameters.dtype == network.statistics.dtype == dtype
    for layer in network.arrays():
        for name, array in vars(layer).items():
            vector = network.statistics if name in ("mean", "var") else network.parameters
            assert np.shares_memory(array, vector)


def test_initial_values():
    network = mlp(
        4,
        (3, 2),
        1,
        activations=[ACTIVATIONS["relu"]] * 2,
        inits=[INITIALIZERS[name] for name in ("he_normal", "orthogonal", "lecun_uniform")],
        keep_probs=[1, 1],
        batchnorm="after",
    ).initialize(np.random.default_rng(0))
    rng = np.random.default_rng(0)  # draws layer by layer
    arrays = reference.arrays(network)
    assert_array_equal(arrays["W"][0], INITIALIZERS["he_normal"](4, 3, rng))
    assert_array_equal(arrays["W"][1], INITIALIZERS["orthogonal"](3, 2, rng))
    assert_array_equal(arrays["W"][2], INITIALIZERS["lecun_uniform"](2, 1, rng))
    assert not any(b.any() for b in arrays["b"] + arrays["beta"])
    assert all((gamma == 1).all() for gamma in arrays["gamma"])


# -------------------------------------------------------------------------- what mlp builds


@pytest.mark.parametrize(
    ("batchnorm", "expected"),
    [
        (None, [Dense, ActivationLayer, Dense, ActivationLayer, Dense]),
        ("before", [Dense, BatchNorm, ActivationLayer, Dense, BatchNorm, ActivationLayer, Dense]),
        ("after", [Dense, ActivationLayer, BatchNorm, Dense, ActivationLayer, BatchNorm, Dense]),
    ],
)
def test_place_of_batch_norm(batchnorm, expected):
    assert [type(layer) for layer in build(batchnorm=batchnorm).layers] == expected


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("batchnorm", [None, "before", "after"])
def test_no_prediction_exceeds_the_bound(batchnorm, activation):
    network = build(activations=(activation, activation), batchnorm=batchnorm)
    for size in (1e-3, 1.0, 1e3, 1e30):
        X = size * np.random.default_rng(0).uniform(-1, 1, (200, 5))
        bound = network.bound(np.abs(X).max())
        assert np.abs(network.predict(X)).max() <= bound < 1e4 * (size + 1)


def test_the_bound_is_infinite_with_a_user_defined_activation():
    network = build()
    tanh = ACTIVATIONS["tanh"]
    own = replace(tanh, function=lambda z, out: tanh.function(z, out))
    layers = [
        replace(layer, activation=own) if isinstance(layer, ActivationLayer) else layer
        for layer in network.layers
    ]
    assert Network(layers, np.float64).bound(1.0) == np.inf
    assert network.bound(1.0) < np.inf


def test_place_of_dropout():
    network = build(keep_probs=(0.5, 0.9), input_keep_prob=0.8, batchnorm="after")
    dropout = [
        (i, x.n_units, x.keep_prob) for i, x in enumerate(network.layers) if isinstance(x, Dropout)
    ]
    assert dropout == [(0, 5, 0.8), (4, 7, 0.5), (8, 4, 0.9)]


def test_no_dropout_layers_with_keep_probs_of_1():
    network = build(keep_probs=(1.0, 1.0), input_keep_prob=1.0)
    assert not any(isinstance(layer, Dropout) for layer in network.layers)


def test_settings_are_passed_to_the_layers():
    network = build(batchnorm="before", epsilon=0.25, batchnorm_momentum=0.7, dtype=np.float32)
    assert network.momentum == 0.7
    assert network.dtype == np.float32
    assert {x.epsilon for x in network.layers if isinstance(x, BatchNorm)} == {0.25}
    activations = [x.activation.name for x in network.layers if isinstance(x, ActivationLayer)]
    assert activations == list(NAMES)


@pytest.mark.parametrize("wrong", ["activations", "inits", "keep_probs"])
def test_mlp_raises_for_too_few_values_per_layer(wrong):
    given = {
        "activations": [ACTIVATIONS["relu"]] * 2,
        "inits": [INITIALIZERS["zeros"]] * 3,
        "keep_probs": [1.0] * 2,
    }
    with pytest.raises(ValueError, match="zip"):
        mlp(5, (4, 3), 2, **given | {wrong: given[wrong][:-1]})


def test_same_shapes():
    network = build()
    assert network.same_shapes(build(seed=1))
    assert network.same_shapes(build(activations=("relu", "relu")))
    others = {"n_inputs": 6}, {"n_outputs": 2}, {"batchnorm": "after"}, {"scaling_layer": True}
    for settings in ({"hidden": (7, 5)}, *others):
        assert not network.same_shapes(build(**settings))
    assert not build(batchnorm="before").same_shapes(build(batchnorm="after"))
    # The same number of parameters in arrays of other shapes
    assert not build(2, (3,), 4, activations=("tanh",)).same_shapes(
        build(4, (3,), 2, activations=("tanh",))
    )


def test_dropout_does_not_change_shapes():
    # Training can continue with another keep_prob.
    assert build().same_shapes(build(keep_probs=(0.5, 0.5), input_keep_prob=0.9))


# ------------------------------------------------------------------------------ prediction


@DTYPES
@KINDS
@BATCHNORM
@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("scaling_layer", [False, True])
@pytest.mark.parametrize(
    ("hidden", "activations"),
    [((), ()), ((6,), ("relu",)), ((7, 4), NAMES), ((6, 5, 4), ("selu", "mish", "silu"))],
)
def test_prediction_follows_the_plain_formulas(
    hidden, activations, scaling_layer, folded, batchnorm, kind, dtype
):
    settings = {"scaling_layer": scaling_layer, "batchnorm": batchnorm, "dtype": dtype}
    network = build(hidden=hidden, activations=activations, **settings)
    X = kind(data(dtype=dtype))
    expected, _ = reference.predict(
        reference.arrays(network),
        X,
        activations=activations,
        batchnorm=batchnorm,
        epsilon=EPSILON,
    )
    if folded:
        network.fold()
    raw = network.predict(X)
    assert type(raw) is np.ndarray
    assert raw.dtype == dtype
    same_up_to_rounding(raw, expected, dtype)


@BATCHNORM
def test_prediction_has_no_dropout_and_does_not_change_the_network(batchnorm):
    network = build(keep_probs=(0.5, 0.5), input_keep_prob=0.5, batchnorm=batchnorm)
    without_dropout = build(batchnorm=batchnorm)
    without_dropout.restore(network.snapshot())
    X = data()
    X.flags.writeable = False
    state = pickle.dumps(network)
    assert_array_equal(network.predict(X), without_dropout.predict(X))
    assert pickle.dumps(network) == state


@KINDS
@BATCHNORM
def test_predictions_do_not_depend_on_the_chunks(batchnorm, kind, monkeypatch):
    network = build(batchnorm=batchnorm)
    X = kind(data(100))
    assert network.chunk_rows > 100
    whole = network.predict(X)
    monkeypatch.setattr("sknormnet.nn.network.CHUNK_ELEMENTS", 7 * 30)
    assert network.chunk_rows == 30
    assert_allclose(network.predict(X), whole, rtol=1e-13, atol=1e-13)
    monkeypatch.setattr("sknormnet.nn.network.CHUNK_ELEMENTS", 1)
    assert network.chunk_rows == 1
    assert_allclose(network.predict(X), whole, rtol=1e-13, atol=1e-13)


def test_prediction_of_more_rows_than_a_chunk():
    network = build(2000, (3,), 1, activations=("tanh",), batchnorm="before")
    X = data(3 * network.chunk_rows + 1, 2000)
    expected, _ = reference.predict(
        reference.arrays(network), X, activations=["tanh"], batchnorm="before", epsilon=EPSILON
    )
    assert_allclose(network.predict(X), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32, ">f8"])
def test_prediction_from_any_dtype_and_order(dtype):
    network = build(batchnorm="before")
    X = (10 * data()).astype(dtype)
    expected = network.predict(X.astype(np.float64))
    assert_array_equal(network.predict(X), expected)
    assert_allclose(network.predict(np.asfortranarray(X)), expected, rtol=1e-12)


def test_prediction_from_a_memory_map(tmp_path):
    network = build(batchnorm="after")
    X = np.memmap(tmp_path / "X", np.float64, "w+", shape=(12, 5))
    X[...] = data()
    raw = network.predict(X)
    assert type(raw) is np.ndarray
    assert_array_equal(raw, network.predict(data()))


@pytest.mark.parametrize("n_rows", [0, 1])
def test_prediction_of_no_row_and_one_row(n_rows):
    network = build(batchnorm="before")
    assert_allclose(network.predict(data()[:n_rows]), network.predict(data())[:n_rows], rtol=1e-12)


# ------------------------------------------------------------- statistics for prediction


@WITH_BATCHNORM
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_running_statistics(momentum, batchnorm):
    network = build(batchnorm=batchnorm, batchnorm_momentum=momentum)
    network.statistics.fill(123.0)  # the starting values must have no influence
    forward = network.build_forward(6, np.empty_like(network.parameters))
    p = reference.arrays(network)
    seen = []
    for n_batches in range(1, 6):
        X = data(6, seed=n_batches)
        weight = np.random.default_rng(n_batches).uniform(0.5, 2, 6)
        forward(X, weight[None] / weight.sum(), None)
        # The statistics of this batch, by the plain formulas
        _, batch = reference.predict(
            p, X, activations=NAMES, batchnorm=batchnorm, epsilon=EPSILON, weight=weight
        )
        seen.append(np.concatenate([*batch["mean"], *batch["var"]]))
        discount = momentum ** np.arange(n_batches)[::-1]
        expected = discount @ np.array(seen) / discount.sum()
        assert_allclose(network.statistics, expected, rtol=1e-10, atol=1e-12)


@KINDS
@pytest.mark.parametrize("row", [None, 1, 5, 11])
def test_rows_are_equal(row, kind):
    x = np.repeat(data()[:1], 12, axis=0)
    if row is not None:
        x[row, 3] += 1
    assert bool(rows_are_equal(kind(x))) is (row is None)
    assert rows_are_equal(kind(x[:1]))


@KINDS
def test_rows_are_equal_in_a_stack(kind):
    x = np.repeat(data(3)[:, None], 4, axis=1)
    x[1, 2] += 1
    stack = x if kind is np.asarray else [kind(rows) for rows in x]
    assert rows_are_equal(stack).tolist() == [True, False, True]


@DTYPES
def test_variances_start_at_1_and_the_first_batch_replaces_them_exactly(dtype):
    network = build(batchnorm="before", dtype=dtype).initialize(np.random.default_rng(0))
    X = data(dtype=dtype) * dtype(1e-5)
    assert all((a.var == 1).all() for a in network.arrays() if hasattr(a, "var"))
    other = build(batchnorm="before", dtype=dtype).initialize(np.random.default_rng(0))
    other.statistics.fill(0)
    for each in (network, other):
        gradient = np.empty_like(each.parameters)
        each.build_forward(12, gradient)(X, np.full((1, 12), 1 / 12, dtype), None)
    assert_array_equal(network.statistics, other.statistics)
    assert all((a.var < 0.5).all() for a in network.arrays() if hasattr(a, "var"))


def test_running_statistics_continue_from_recomputed_statistics():
    network = build(batchnorm="before", batchnorm_momentum=0.75)
    X = data()
    network.recompute_statistics(lambda: [(X, None)], 12)
    recomputed = network.statistics.copy()
    other = build(batchnorm="before", batchnorm_momentum=0.0)
    for n in (network, other):
        n.build_forward(12, np.empty_like(n.parameters))(X + 1, np.full((1, 12), 1 / 12), None)
    assert_allclose(network.statistics, 0.75 * recomputed + 0.25 * other.statistics, rtol=1e-12)


def recomputed_statistics(network, X, weight, n_rows, monkeypatch, keep=True):
    """The result of recompute_statistics from chunks of n_rows rows."""
    monkeypatch.setattr("sknormnet.nn.network.KEEP_ELEMENTS", 2**23 if keep else 0)
    samples = Samples(X, np.zeros((X.shape[0], 1)), weight=weight, dtype=network.dtype)
    network.statistics.fill(7)
    network.recompute_statistics(lambda: samples.chunks(n_rows), X.shape[0])
    return network.statistics.copy()


@pytest.mark.parametrize("keep", [True, False])
@KINDS
@pytest.mark.parametrize("weighted", [False, True])
@WITH_BATCHNORM
def test_recomputed_statistics_are_those_of_all_rows(batchnorm, weighted, kind, keep, monkeypatch):
    network = build(
        hidden=(7, 4, 3),
        activations=("tanh", "relu", "gelu"),
        batchnorm=batchnorm,
        keep_probs=(0.5, 0.5, 1.0),
        input_keep_prob=0.5,
    )
    X = kind(data(200))
    weight = np.random.default_rng(3).uniform(0.1, 4, 200) if weighted else None
    _, expected = reference.predict(
        reference.arrays(network),
        X,
        activations=["tanh", "relu", "gelu"],
        batchnorm=batchnorm,
        epsilon=EPSILON,
        weight=weight if weighted else np.ones(200),
    )
    expected = np.concatenate([*expected["mean"], *expected["var"]])
    for n_rows in (200, 64, 1):
        found = recomputed_statistics(network, X, weight, n_rows, monkeypatch, keep)
        assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("n_rows", [6000, 500, 7])
@WITH_BATCHNORM
def test_recomputed_statistics_of_float32_are_accurate(batchnorm, n_rows, keep, monkeypatch):
    network = build(batchnorm=batchnorm, dtype=np.float32)
    X = data(6000, dtype=np.float32)
    weight = np.random.default_rng(3).uniform(0.1, 4, 6000)
    _, expected = reference.predict(
        reference.arrays(network),
        X,
        activations=NAMES,
        batchnorm=batchnorm,
        epsilon=EPSILON,
        weight=weight,
    )
    mean, var = (np.concatenate(expected[name]) for name in ("mean", "var"))
    found_mean, found_var = recomputed_statistics(
        network, X, weight, n_rows, monkeypatch, keep
    ).reshape(2, -1)
    assert_allclose((found_mean - mean) / np.sqrt(var), 0, atol=1e-6)
    assert_allclose(found_var, var, rtol=1e-6)


def test_recomputed_statistics_of_float32_units_far_from_zero(monkeypatch):
    # A float32 sum of these 50,000 rows would have few correct digits.
    network = build(1, (3,), 1, activations=("tanh",), batchnorm="before", dtype=np.float32)
    X = data(50_000, 1, dtype=np.float32) + np.float32(30)
    z = (X @ network.arrays()[0].W).astype(np.float64)  # multiplied in float32, as in the network
    mean, var = recomputed_statistics(network, X, None, 50_000, monkeypatch).reshape(2, -1)
    assert_allclose(mean, z.mean(axis=0), rtol=1e-6)
    assert_allclose(var, z.var(axis=0), rtol=1e-6)


def test_recompute_statistics_from_a_subset_of_the_rows():
    network, other = build(batchnorm="before"), build(batchnorm="before")
    X, weight, rows = data(50), np.random.default_rng(0).uniform(1, 2, 50), np.arange(3, 50, 2)
    y = np.zeros((50, 1))
    subset = Samples(X, y, weight=weight, rows=rows, dtype=np.float64)
    network.recompute_statistics(lambda: subset.chunks(10), len(rows))
    taken = Samples(X[rows], y[rows], weight=weight[rows], dtype=np.float64)
    other.recompute_statistics(lambda: taken.chunks(10), len(rows))
    assert_array_equal(network.statistics, other.statistics)


def test_training_and_prediction_agree_after_recompute_statistics():
    # For one batch of all rows, without dropout
    network = build(batchnorm="after")
    X = data()
    raw, _ = network.build_forward(12, np.empty_like(network.parameters))(
        X, np.full((1, 12), 1 / 12), None
    )
    network.recompute_statistics(lambda: [(X, None)], 12)
    assert_allclose(network.predict(X), raw, rtol=1e-11, atol=1e-12)


def test_recompute_statistics_without_batch_norm_does_not_read_the_rows():
    def chunks():
        raise AssertionError

    build().recompute_statistics(chunks, 12)


# ------------------------------------------------------------ copies, pickles and snapshots


def train(network, n_steps, seed=0):
    """A few steps of gradient descent with dropout."""
    rng = np.random.default_rng(seed)
    evaluate, gradient = objective(network, LOSS["squared_error"], alpha=0.1)
    for _ in range(n_steps):
        X = rng.normal(size=(12, 5)).astype(network.dtype)
        y = rng.normal(size=(12, 3)).astype(network.dtype)
        evaluate(weighted_batch(X, y, rng), rng)
        network.parameters -= (0.1 * gradient).astype(network.dtype)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("folded", [False, True])
@DTYPES
@BATCHNORM
def test_a_copy_predicts_and_trains_alike(batchnorm, dtype, folded, copied):
    network = build(
        batchnorm=batchnorm, keep_probs=(0.8, 0.5), dtype=dtype, activations=("relu", "tanh")
    )
    train(network, 3)
    if folded:
        network.fold()
    again = copied(network)
    assert not np.shares_memory(again.parameters, network.parameters)
    X = data(dtype=dtype)
    assert_array_equal(again.predict(X), network.predict(X))

    for n in (network, again):
        train(n, 3, seed=1)
        n.fold()
    assert_array_equal(again.parameters, network.parameters)
    assert_array_equal(again.statistics, network.statistics)
    assert_array_equal(again.predict(X), network.predict(X))


@BATCHNORM
def test_a_pickle_contains_the_parameters_once(batchnorm):
    network = build(50, (80, 40), 5, batchnorm=batchnorm).fold()
    n_bytes = network.parameters.nbytes + network.statistics.nbytes
    assert len(pickle.dumps(network)) < n_bytes + 4000


def test_a_copy_of_a_copy():
    network = build(batchnorm="before").fold()
    again = copy.deepcopy(pickle.loads(pickle.dumps(copy.deepcopy(network))))
    assert_array_equal(again.predict(data()), network.predict(data()))


def test_restore_returns_to_a_snapshot():
    network = build(batchnorm="before", keep_probs=(0.8, 0.8))
    train(network, 2)
    snapshot = network.snapshot()
    arrays = network.arrays()
    state = pickle.dumps(network)
    train(network, 3, seed=1)
    parameters, statistics = network.parameters.copy(), network.statistics.copy()
    network.restore(snapshot)
    assert pickle.dumps(network) == state
    # A snapshot is restored in place, so that existing views and forward passes stay valid, and
    # can be restored more than once.
    assert np.shares_memory(arrays[0].W, network.parameters)
    train(network, 3, seed=1)
    assert_array_equal(network.parameters, parameters)
    assert_array_equal(network.statistics, statistics)
    network.restore(snapshot)
    assert pickle.dumps(network) == state


def test_prediction_by_hand():
    init = INITIALIZERS["zeros"]
    layers = [Dense(2, 2, init), ActivationLayer(2, ACTIVATIONS["relu"]), Dense(2, 1, init)]
    network = Network(layers, np.float64)
    network.parameters[...] = [1, -1, 2, 0, 10, 100, 1, 2, 3]
    # (1, 2) @ W = (1 + 4, -1) -> plus b (6, 1) -> 60 + 100 -> 163; and (-3, 1) -> (0, 5) -> 503
    assert_array_equal(network.predict(np.array([[1, 2], [-3, 1]])), [[163], [503]])


def test_folding_batch_norm_after_a_layer_with_bias():
    # mlp builds no bias before batch norm, but other networks can have one.
    init = INITIALIZERS["zeros"]
    layers = [Dense(1, 1, init), BatchNorm(1, 4.0), Dense(1, 1, init)]
    network = Network(layers, np.float64)
    network.parameters[...] = [2, 1, 10, 100, 6, 7]  # W, W, b, b, gamma, beta
    network.statistics[...] = [11, 5]
    # 2 * 5 + 10 = 20 -> (20 - 11) / sqrt(5 + 4) * 6 + 7 = 25 -> 125
    assert_allclose(network.predict(np.array([[5.0]])), [[125]])
