from types import SimpleNamespace

import numpy as np
import pytest
from gradients import check_vjp
from numpy.testing import assert_allclose, assert_array_equal
from reference import normalize, normalize_backward
from scipy import sparse

from sknormnet.nn.activations import ACTIVATIONS
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.layers import (
    ActivationLayer,
    BatchNorm,
    Dense,
    Dropout,
    Embedding,
    Layer,
    ScaledDense,
)
from sknormnet.nn.layers.dropout import StackedDropout

HE = INITIALIZERS["he_normal"]
N_ROWS = 8
LAYERS = {
    "dense": Dense(5, 3, HE),
    "dense without bias": Dense(5, 3, HE, bias=False),
    "scaled dense": ScaledDense(5, 3, HE),
    "scaled dense without bias": ScaledDense(5, 3, HE, bias=False),
    "batch norm": BatchNorm(5, 1e-3),
    "activate": ActivationLayer(5, ACTIVATIONS["tanh"]),
    "dropout": Dropout(5, 0.6),
}
ALL = pytest.mark.parametrize("layer", LAYERS.values(), ids=list(LAYERS))
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def arrays_of(layer, dtype=np.float64, seed=0):
    """The arrays that a network would pass to the layer, with random parameters."""
    rng = np.random.default_rng(seed)
    arrays = SimpleNamespace(dtype=np.dtype(dtype), stack_shape=(), fused=False)
    for name, shape in layer.parameters.items():
        setattr(arrays, name, rng.normal(size=shape).astype(dtype))
        setattr(arrays, f"d_{name}", np.full(shape, np.nan, dtype))
    for name, shape in layer.statistics.items():
        setattr(arrays, name, np.full(shape, np.nan, dtype))
    return arrays


def rows(n_units=5, n_rows=N_ROWS, dtype=np.float64, seed=1):
    """Inputs, and unequal row weights that sum to 1."""
    rng = np.random.default_rng(seed)
    row_weight = rng.uniform(0.1, 2, size=(1, n_rows))
    x = rng.normal(size=(n_rows, n_units))
    return x.astype(dtype), (row_weight / row_weight.sum()).astype(dtype)


def words(*draws):
    """A stand-in for a generator with the given 16-bit draws, followed by zeros."""
    draws = np.array(draws, np.uint16)

    def random_raw(n):
        padded = np.zeros(4 * n, np.uint16)
        padded[: draws.size] = draws
        return padded.view(np.uint64)

    return SimpleNamespace(bit_generator=SimpleNamespace(random_raw=random_raw))


# --------------------------------------------------------------------------- every layer


def test_every_layer_is_tested():
    # StackedDropout is tested in test_stacks.py, and Embedding in test_embedding.py.
    derived = Layer.__subclasses__() + Dense.__subclasses__()
    ours = {x for x in derived if x.__module__.startswith("sknormnet.")}
    assert {type(layer) for layer in LAYERS.values()} == ours - {StackedDropout, Embedding}


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        pytest.param(layer, name, id=f"{case} by {name}")
        for case, layer in LAYERS.items()
        for name in ["x", *layer.parameters]
    ],
)
def test_gradient_agrees_with_a_numeric_derivative(layer, name):
    arrays = arrays_of(layer)
    x, row_weight = rows()
    forward = layer.build_forward(N_ROWS, arrays)

    def function(value):
        if name != "x":
            getattr(arrays, name)[...] = value
        inputs = value if name == "x" else x
        y, backward = forward(
            inputs, row_weight, np.random.default_rng(0)
        )  # the same mask each time

        def vjp(d_y):
            d_x = backward(d_y)
            return d_x if name == "x" else getattr(arrays, f"d_{name}")

        return y.copy(), vjp

    check_vjp(function, x if name == "x" else getattr(arrays, name))


@ALL
def test_gradient_of_inference_agrees_with_a_numeric_derivative(layer):
    arrays = arrays_of(layer)
    for name, shape in layer.statistics.items():
        setattr(arrays, name, np.random.default_rng(2).uniform(0.5, 2, shape))

    def function(x):
        y = layer.forward_inference(x, arrays)
        return y, lambda d_y: layer.backward_inference(d_y, x, y, arrays)

    check_vjp(function, rows()[0])


@pytest.mark.parametrize("change", [1 + 1e-5, np.array([1, 1, 1.01]), -1])
def test_check_vjp_fails_for_a_wrong_gradient(change):
    def function(x):
        return np.sin(x), lambda d_y: d_y * np.cos(x) * change

    with pytest.raises(AssertionError):
        check_vjp(function, [[0.3, 0.1, -0.2], [1, 2, 3]])


def test_check_vjp_fails_for_a_gradient_with_a_missing_term():
    def function(x):
        mean = x.mean(axis=0)
        return x - mean, lambda d_y: d_y

    with pytest.raises(AssertionError):
        check_vjp(function, rows()[0])


@ALL
@DTYPES
def test_dtypes_and_shapes(layer, dtype):
    arrays = arrays_of(layer, dtype)
    x, row_weight = rows(dtype=dtype)
    before = x.copy()
    y, backward = layer.build_forward(N_ROWS, arrays)(x, row_weight, np.random.default_rng(0))
    assert y.dtype == dtype
    assert y.shape == (N_ROWS, 3 if isinstance(layer, Dense) else 5)
    assert_array_equal(x, before)
    d_x = backward(np.ones_like(y))
    assert d_x.dtype == dtype
    assert d_x.shape == x.shape
    for name in layer.parameters:
        assert np.isfinite(getattr(arrays, f"d_{name}")).all()


@ALL
@DTYPES
def test_inference_agrees_with_training(layer, dtype):
    # With the statistics of the batch, and without dropout
    arrays = arrays_of(layer, dtype)
    x, row_weight = rows(dtype=dtype)
    before = x.copy()
    expected, _ = layer.build_forward(N_ROWS, arrays)(x, row_weight, np.random.default_rng(0))
    y = layer.forward_inference(x, arrays)
    assert y.dtype == dtype
    tolerance = 100 * np.finfo(dtype).eps
    expected = x if isinstance(layer, Dropout) else expected
    assert_allclose(y, expected, rtol=tolerance, atol=tolerance)
    assert_array_equal(x, before)


@ALL
def test_buffers_are_reused(layer):
    forward = layer.build_forward(N_ROWS, arrays_of(layer))
    x, row_weight = rows()
    rng = np.random.default_rng(0)
    y, backward = forward(x, row_weight, rng)
    d_x = backward(np.ones_like(y))
    y_again, backward_again = forward(2 * x, row_weight, rng)
    assert np.shares_memory(y_again, y)
    # Some layers return the array that they are given, changed in place.
    d_y = np.ones_like(y)
    d_x_again = backward_again(d_y)
    assert np.shares_memory(d_x_again, d_x) or np.shares_memory(d_x_again, d_y)


@ALL
def test_layers_are_frozen_records_of_settings(layer):
    with pytest.raises(AttributeError):
        layer.n_units = 7
    assert layer == type(layer)(**vars(layer))


# --------------------------------------------------------------------------------- dense


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csr_array])
def test_dense_by_hand(kind, bias):
    layer = Dense(2, 2, HE, bias=bias)
    arrays = arrays_of(layer)
    arrays.W[...] = [[1, 2], [3, 4]]
    if bias:
        arrays.b[...] = [[10, 20]]
    x = np.array([[1.0, 0], [0, 2], [1, 1]])
    forward = layer.build_forward(3, arrays, input_gradient=kind is np.asarray)
    y, backward = forward(kind(x), None, None)
    assert_array_equal(y, np.array([[1, 2], [6, 8], [4, 6]]) + (np.array([10, 20]) if bias else 0))
    d_x = backward(np.array([[1.0, 0], [0, 1], [1, 1]]))
    assert_array_equal(arrays.d_W, [[2, 1], [1, 3]])
    if bias:
        assert_array_equal(arrays.d_b, [[2, 2]])
    if kind is np.asarray:
        assert_array_equal(d_x, [[1, 3], [2, 4], [3, 7]])


def test_dense_without_input_gradient_returns_none():
    layer = LAYERS["dense"]
    y, backward = layer.build_forward(N_ROWS, arrays_of(layer), input_gradient=False)(
        rows()[0], None, None
    )
    assert backward(y) is None


def test_dense_initializes_weights_with_init_and_biases_with_zero():
    layer = LAYERS["dense"]
    arrays = arrays_of(layer)
    arrays.b.fill(0)  # the network's vector starts with zeros
    layer.initialize(arrays, np.random.default_rng(3))
    assert_array_equal(arrays.W, HE(5, 3, np.random.default_rng(3)))
    assert_array_equal(arrays.b, [[0, 0, 0]])


@pytest.mark.parametrize(
    "W", [np.zeros((3, 5)), np.zeros(15), np.full((5, 3), np.nan), 0.0], ids=str
)
def test_dense_raises_for_invalid_initial_weights(W):
    layer = Dense(5, 3, lambda fan_in, fan_out, rng: W)
    with pytest.raises(ValueError, match=r"init must return an array of .* shape \(5, 3\)\."):
        layer.initialize(arrays_of(layer), None)


# ---------------------------------------------------------------------------- batch norm


def test_batch_norm_by_hand():
    # 1, 3, 5 and 7 have mean 4 and variance 5. With sqrt(5 + 4) = 3, the normalized values are
    # -1, -1/3, 1/3 and 1; times gamma 3 plus beta 1, they are -2, 0, 2 and 4.
    layer = BatchNorm(1, 4.0)
    arrays = arrays_of(layer)
    arrays.gamma[...], arrays.beta[...] = 3, 1
    x = np.array([[1.0], [3], [5], [7]])
    y, backward = layer.build_forward(4, arrays)(x, np.full((1, 4), 1 / 4), None)
    assert_allclose(y, [[-2], [0], [2], [4]], atol=1e-15)
    assert_allclose([arrays.mean, arrays.var], [[[4]], [[5]]])
    # With d_y = (9, 0, 0, 0): d_beta = 9, d_gamma = 9 * -1 = -9 and, since gamma / 3 = 1,
    # d_x = d_y - (d_beta + z * d_gamma) / 4 = (9, 0, 0, 0) - (18, 12, 6, 0) / 4.
    d_x = backward(np.array([[9.0], [0], [0], [0]]))
    assert_allclose(d_x, [[4.5], [-3], [-1.5], [0]])
    assert_allclose([arrays.d_gamma, arrays.d_beta], [[[-9]], [[9]]])


def test_batch_norm_by_hand_with_weights():
    # 0 and 4 with weights 3 and 1 have mean 1 and variance (3 * 1 + 9) / 4 = 3. With
    # sqrt(3 + 1) = 2, the normalized values are -1/2 and 3/2.
    layer = BatchNorm(1, 1.0)
    arrays = arrays_of(layer)
    arrays.gamma[...], arrays.beta[...] = 1, 0
    y, _ = layer.build_forward(2, arrays)(np.array([[0.0], [4]]), np.array([[0.75, 0.25]]), None)
    assert_allclose(y, [[-0.5], [1.5]])
    assert_allclose([arrays.mean, arrays.var], [[[1]], [[3]]])


def test_batch_norm_with_weights_equals_batch_norm_with_repeated_rows():
    layer = LAYERS["batch norm"]
    weights = np.array([1, 3, 2, 1, 5, 2, 4, 1])
    x, _ = rows()
    d_y, _ = rows(seed=2)
    total = weights.sum()
    weighted, repeated = arrays_of(layer), arrays_of(layer)

    y, backward = layer.build_forward(N_ROWS, weighted)(x, weights[None] / total, None)
    y_repeated, backward_repeated = layer.build_forward(total, repeated)(
        x.repeat(weights, axis=0), np.full((1, total), 1 / total), None
    )
    assert_allclose(y.repeat(weights, axis=0), y_repeated, rtol=0, atol=1e-10)

    # The gradient of a weighted row is the sum of the gradients of its copies.
    d_x = backward(d_y.copy())
    d_x_repeated = backward_repeated((d_y / weights[:, None]).repeat(weights, axis=0))
    firsts = np.cumsum(weights) - weights
    assert_allclose(d_x, np.add.reduceat(d_x_repeated, firsts), rtol=0, atol=1e-10)
    for name in ("mean", "var", "d_gamma", "d_beta"):
        assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=0, atol=1e-10)


def test_batch_norm_follows_the_derivatives_of_the_paper():
    layer = LAYERS["batch norm"]
    arrays = arrays_of(layer)
    x, row_weight = rows()
    d_y, _ = rows(seed=2)
    y, backward = layer.build_forward(N_ROWS, arrays)(x, row_weight, None)
    assert_allclose(
        y, normalize(x, arrays.mean, arrays.var, arrays.gamma, arrays.beta, 1e-3), rtol=1e-12
    )
    d_x, d_gamma, d_beta = normalize_backward(d_y, x, row_weight.T, arrays.gamma, 1e-3)
    assert_allclose(backward(d_y.copy()), d_x, rtol=1e-10, atol=1e-12)
    assert_allclose(arrays.d_gamma, d_gamma[None], rtol=1e-12)
    assert_allclose(arrays.d_beta, d_beta[None], rtol=1e-12)


@DTYPES
@pytest.mark.parametrize("n_rows", [1, N_ROWS])
def test_batch_norm_of_constant_units(n_rows, dtype):
    # The outputs are beta, and the gradient of the inputs is 0. In a batch of one row, all
    # units are constant.
    layer = BatchNorm(3, 1e-5)
    arrays = arrays_of(layer, dtype)
    x, row_weight = np.full((n_rows, 3), 7, dtype), np.full((1, n_rows), 1 / n_rows, dtype)
    y, backward = layer.build_forward(n_rows, arrays)(x, row_weight, None)
    assert_allclose(y, np.repeat(arrays.beta, n_rows, axis=0), rtol=1e-5)
    assert_allclose(arrays.var, 0, atol=1e-12)
    d_x = backward(np.ones_like(y))
    assert_allclose(d_x, 0, atol=1e-3)
    assert_array_equal(arrays.d_beta, np.full((1, 3), n_rows))
    assert_allclose(arrays.d_gamma, 0, atol=1e-3)


def test_batch_norm_variance_without_cancellation():
    # In float32, E[x^2] - E[x]^2 would consist of rounding errors only.
    layer = BatchNorm(1, 1e-5)
    arrays = arrays_of(layer, np.float32)
    x = (4096 + np.tile([[-1.0], [1.0]], (50, 1))).astype(np.float32)
    layer.build_forward(100, arrays)(x, np.full((1, 100), 0.01, np.float32), None)
    assert_allclose(arrays.var, 1, rtol=1e-4)


def test_batch_norm_initializes_gamma_with_1_and_beta_with_0():
    layer = LAYERS["batch norm"]
    arrays = arrays_of(layer)
    layer.initialize(arrays, None)
    assert_array_equal(arrays.gamma, np.ones((1, 5)))
    assert_array_equal(arrays.beta, np.zeros((1, 5)))


def test_batch_norm_as_scale_and_shift():
    layer = BatchNorm(1, 4.0)
    arrays = arrays_of(layer)
    arrays.gamma[...], arrays.beta[...], arrays.mean[...], arrays.var[...] = 6, 1, 5, 32
    scale, shift = layer.affine(arrays)  # 6 / sqrt(36) = 1, and 1 - 5 * 1
    assert_allclose([scale, shift], [[[1]], [[-4]]])


# ------------------------------------------------------------------------------- dropout


def test_dropout_by_hand():
    # 0.8 * 65536 = 52428.8, rounded to 52429: draws below 52429 keep a unit.
    layer, scale = Dropout(2, 0.8), 65536 / 52429
    forward = layer.build_forward(3, arrays_of(layer))
    rng = words(0, 52428, 52429, 65535, 30000, 60000)
    y, backward = forward(np.array([[1.0, 2], [3, 4], [5, -6]]), None, rng)
    assert_allclose(y, [[scale, 2 * scale], [0, 0], [5 * scale, 0]], rtol=1e-15)
    d_x = backward(np.array([[10.0, 20], [30, 40], [50, 60]]))
    assert_allclose(d_x, [[10 * scale, 20 * scale], [0, 0], [50 * scale, 0]], rtol=1e-15)


@pytest.mark.parametrize("keep_prob", [0.05, 0.5, 0.8, 0.999])
@pytest.mark.parametrize(
    "bits", [np.random.SFC64, np.random.PCG64, np.random.Philox], ids=lambda x: x.__name__
)
def test_dropout_keeps_a_fraction_of_keep_prob(keep_prob, bits):
    layer = Dropout(200, keep_prob)
    x = np.ones((2000, 200))
    y, _ = layer.build_forward(2000, arrays_of(layer))(x, None, np.random.Generator(bits(0)))
    kept = y != 0
    assert_allclose(y[kept], 65536 / round(65536 * keep_prob), rtol=1e-15)
    # Five standard errors, plus the rounding of keep_prob to 16 bits
    tolerance = 5 * np.sqrt(keep_prob * (1 - keep_prob) / x.size) + 1 / 2**17
    assert abs(kept.mean() - keep_prob) < tolerance


@pytest.mark.parametrize("keep_prob", [1e-9, 1e-6, 1e-5, 1 / 65536, 2.5e-5, 0.3, 0.8, 0.999999])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_keeps_the_mean_over_all_draws_for_any_keep_prob(keep_prob, dtype):
    layer, x, every_draw = Dropout(256, keep_prob), np.ones((256, 256), dtype), words(*range(65536))
    stack = StackedDropout((layer, None))
    arrays = arrays_of(layer, dtype)
    y, _ = layer.build_forward(256, arrays)(x, None, every_draw)
    stack_arrays = SimpleNamespace(dtype=np.dtype(dtype), stack_shape=(2,))
    both, _ = stack.build_forward(256, stack_arrays)(np.stack([x, x]), None, [every_draw] * 2)
    for found in (y, layer.apply_dropout(x, every_draw), *both):
        assert_allclose(found.mean(dtype=np.float64), 1, rtol=1e-6)
        assert found.dtype == dtype


def test_dropout_masks_differ_between_rows_and_batches():
    layer = Dropout(64, 0.5)
    forward = layer.build_forward(50, arrays_of(layer))
    rng = np.random.default_rng(0)
    first = forward(np.ones((50, 64)), None, rng)[0].copy()
    second = forward(np.ones((50, 64)), None, rng)[0]
    masks = np.vstack([first, second])
    assert len(np.unique(masks, axis=0)) == 100
    # Independent masks agree in half of their elements, up to five standard errors.
    assert_allclose((first == second).mean(), 0.5, atol=5 * np.sqrt(0.25 / first.size))


def test_dropout_keeps_the_mean_of_random_draws():
    layer = Dropout(4, 0.3)
    x = np.array([[1.0, -2.0, 0.5, 3.0]])
    n = 100_000
    y, _ = layer.build_forward(n, arrays_of(layer))(
        x.repeat(n, axis=0), None, np.random.default_rng(0)
    )
    standard_errors = abs(x[0]) * np.sqrt((1 / 0.3 - 1) / n)
    assert (abs(y.mean(axis=0) - x[0]) < 5 * standard_errors).all()


@DTYPES
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array])
def test_dropout_of_sparse_rows(kind, dtype):
    layer = Dropout(3, 0.8)
    x = kind(np.array([[1, 0, 2], [0, 0, 3], [4, 5, 0]], dtype))
    before = x.toarray()
    y, _ = layer.build_forward(3, arrays_of(layer, dtype))(x, None, words(0, 65535, 1, 2, 60000))
    assert isinstance(y, kind)
    assert y.dtype == dtype
    assert_allclose(y.toarray(), [[1.25, 0, 0], [0, 0, 3.75], [5, 0, 0]], rtol=1e-5)
    assert_array_equal(x.toarray(), before)


def test_dropout_of_sparse_rows_keeps_a_fraction_of_keep_prob():
    x = sparse.random_array(
        (400, 500), density=0.2, format="csr", random_state=np.random.default_rng(0)
    )
    layer = Dropout(500, 0.7)
    y, _ = layer.build_forward(400, arrays_of(layer))(x, None, np.random.default_rng(1))
    kept = y.data != 0
    assert_allclose(kept.mean(), 0.7, atol=5 * np.sqrt(0.21 / x.nnz))
    assert_allclose(y.data[kept], x.data[kept] / 0.7, rtol=1e-5)
    assert_array_equal(y.indices, x.indices)
