"""A reference implementation of the network in plain formulas, slow but easy to read.

The tests compare sknormnet's results with it. It shares no code with sknormnet's calculations.
Arrays are lists over the layers, in float64.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, log_expit, log_softmax, ndtr, softmax, xlogy

from sknormnet.nn.activations import ACTIVATIONS
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.mlp import mlp
from sknormnet.nn.network import Network
from sknormnet.training.batches import Batch

SELU = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

# -------------------------------------------------------------------- activations, f and f'


def softplus(z):
    return -log_expit(-z)


def mish_slope(z):
    gate = np.tanh(softplus(z))
    return gate + z * (1 - gate**2) * expit(z)


ACTIVATION = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "logistic": (expit, lambda z: expit(z) * expit(-z)),
    "tanh": (np.tanh, lambda z: 4 * expit(2 * z) * expit(-2 * z)),
    "relu": (lambda z: np.where(z > 0, z, 0), lambda z: np.where(z > 0, 1, 0)),
    "leaky_relu": (lambda z: np.where(z > 0, z, z / 100), lambda z: np.where(z > 0, 1, 0.01)),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1, np.exp(np.minimum(z, 0))),
    ),
    "selu": (
        lambda z: SELU[0] * np.where(z > 0, z, SELU[1] * np.expm1(np.minimum(z, 0))),
        lambda z: SELU[0] * np.where(z > 0, 1, SELU[1] * np.exp(np.minimum(z, 0))),
    ),
    "gelu": (
        lambda z: z * ndtr(z),
        lambda z: ndtr(z) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi),
    ),
    "silu": (lambda z: z * expit(z), lambda z: expit(z) + z * expit(z) * expit(-z)),
    "softplus": (softplus, expit),
    "mish": (lambda z: z * np.tanh(softplus(z)), mish_slope),
}

# ------------------------------------------------ losses per row, and gradient of their sum


ORDERS = np.array([0.1, 0.5, 0.9])


def ascending(raw):
    steps = softplus(raw[:, 1:])
    return np.c_[raw[:, 0], raw[:, 0] + steps[:, 0], raw[:, 0] + steps[:, 0] + steps[:, 1]]


def pinball(y, prediction):
    return np.maximum(ORDERS * (y - prediction), (1 - ORDERS) * (prediction - y))


def ascending_slope(y, raw):
    low, middle, high = np.where(ascending(raw) > y, 1 - ORDERS, -ORDERS).T
    slope = expit(raw)
    return np.c_[low + middle + high, slope[:, 1] * (middle + high), slope[:, 2] * high]


def one_hot(y, raw):
    return np.eye(raw.shape[1])[y]


LOSS = {
    "squared_error": (lambda y, raw: ((raw - y) ** 2 / 2).sum(axis=1), lambda y, raw: raw - y),
    "absolute_error": (lambda y, raw: abs(raw - y).sum(axis=1), lambda y, raw: np.sign(raw - y)),
    "huber": (
        lambda y, raw: np.where(
            abs(raw - y) <= 1.35, (raw - y) ** 2 / 2, 1.35 * (abs(raw - y) - 1.35 / 2)
        ).sum(axis=1),
        lambda y, raw: np.where(abs(raw - y) <= 1.35, raw - y, 1.35 * np.sign(raw - y)),
    ),
    "quantile": (  # order 1/2
        lambda y, raw: abs(raw - y).sum(axis=1) / 2,
        lambda y, raw: np.sign(raw - y) / 2,
    ),
    "quantiles": (lambda y, raw: pinball(y, ascending(raw)).sum(axis=1), ascending_slope),
    "gamma": (
        lambda y, raw: (raw - np.log(y) + y * np.exp(-raw) - 1).sum(axis=1),
        lambda y, raw: 1 - y * np.exp(-raw),
    ),
    "poisson": (
        lambda y, raw: (xlogy(y, y) - y * raw - y + np.exp(raw)).sum(axis=1),
        lambda y, raw: np.exp(raw) - y,
    ),
    "binary": (
        lambda y, raw: -(y * log_expit(raw) + (1 - y) * log_expit(-raw)).sum(axis=1),
        lambda y, raw: expit(raw) - y,
    ),
    "multiclass": (
        lambda y, raw: -(one_hot(y, raw) * log_softmax(raw, axis=1)).sum(axis=1),
        lambda y, raw: softmax(raw, axis=1) - one_hot(y, raw),
    ),
}

# -------------------------------------------------------------------------- batch norm


def moments(x, row_weight):
    mean = (row_weight * x).sum(axis=0)
    return mean, (row_weight * (x - mean) ** 2).sum(axis=0)


def normalize(x, mean, var, gamma, beta, epsilon):
    return (x - mean) / np.sqrt(var + epsilon) * gamma + beta


def normalize_backward(d_y, x, row_weight, gamma, epsilon):
    """Ioffe and Szegedy's derivatives, step by step, for weighted rows."""
    mean, var = moments(x, row_weight)
    x_hat = (x - mean) / np.sqrt(var + epsilon)
    d_x_hat = d_y * gamma
    d_var = (d_x_hat * (x - mean)).sum(axis=0) * -0.5 * (var + epsilon) ** -1.5
    d_mean = -d_x_hat.sum(axis=0) / np.sqrt(var + epsilon)
    d_x = d_x_hat / np.sqrt(var + epsilon)
    d_x += d_var * 2 * row_weight * (x - mean) + d_mean * row_weight
    return d_x, (d_y * x_hat).sum(axis=0), d_y.sum(axis=0)


# --------------------------------------------------------------------------- the network


def arrays(network: Network) -> dict[str, list[np.ndarray]]:
    """The network's parameters and statistics by name, with 0 for missing biases."""
    layers = network.arrays()
    found = {
        name: [np.array(vars(layer)[name], np.float64) for layer in layers if name in vars(layer)]
        for name in ("W", "b", "gamma", "beta", "scale", "mean", "var")
    }
    missing = len(found["W"]) - len(found["b"])
    found["b"] = [np.zeros(1)] * missing + found["b"]
    return found


def train(p, batch, *, activations, batchnorm, epsilon, masks, loss, alpha):
    """Value, raw predictions and gradient (name -> list over layers) for one batch.

    The masks are kept / keep_prob: ``masks[0]`` multiplies X, and ``masks[k + 1]`` the output of
    hidden layer k, counted from 0.
    """
    X = np.asarray(batch.X.toarray() if hasattr(batch.X, "toarray") else batch.X, np.float64)
    weight, row_weight = (np.asarray(a, np.float64) for a in (batch.weight, batch.row_weight.T))
    hidden = range(len(activations))
    # The scaling layer multiplies by 6 times its parameters.
    factor = 6 * p["scale"][0].T if p["scale"] else 1.0
    a, z, y = [X * masks[0] * factor], [], []  # inputs of the dense layers; around activations
    norm_inputs = []  # inputs of batch norm
    for k in hidden:
        f, _ = ACTIVATION[activations[k]]
        z.append(a[k] @ p["W"][k] + p["b"][k])
        if batchnorm == "before":
            norm_inputs.append(z[k])
            statistics = moments(z[k], row_weight)
            z[k] = normalize(z[k], *statistics, p["gamma"][k], p["beta"][k], epsilon)
        y.append(f(z[k]))
        if batchnorm == "after":
            norm_inputs.append(y[k])
            statistics = moments(y[k], row_weight)
            y[k] = normalize(y[k], *statistics, p["gamma"][k], p["beta"][k], epsilon)
        a.append(y[k] * masks[k + 1])
    raw = a[-1] @ p["W"][-1] + p["b"][-1]

    row_losses, slope = LOSS[loss]
    penalty = alpha / 2 * sum((W**2).sum() for W in p["W"])
    value = (weight[:, 0] * row_losses(batch.y, raw)).sum() + penalty / batch.total

    d = weight * slope(batch.y, raw)
    d_W = [a[-1].T @ d + alpha / batch.total * p["W"][-1]]
    d_b, d_gamma, d_beta = [d.sum(axis=0)], [], []
    for k in reversed(hidden):
        _, f_slope = ACTIVATION[activations[k]]
        d = d @ p["W"][k + 1].T * masks[k + 1]
        if batchnorm == "after":
            d, dg, db = normalize_backward(d, norm_inputs[k], row_weight, p["gamma"][k], epsilon)
        d = d * f_slope(z[k])
        if batchnorm == "before":
            d, dg, db = normalize_backward(d, norm_inputs[k], row_weight, p["gamma"][k], epsilon)
        if batchnorm:
            d_gamma.insert(0, dg)
            d_beta.insert(0, db)
        d_W.insert(0, a[k].T @ d + alpha / batch.total * p["W"][k])
        if batchnorm != "before":
            d_b.insert(0, d.sum(axis=0))
    d_scale = [6 * (X * masks[0] * (d @ p["W"][0].T)).sum(axis=0)] if p["scale"] else []
    return value, raw, {"W": d_W, "b": d_b, "gamma": d_gamma, "beta": d_beta, "scale": d_scale}


def flat(gradient) -> np.ndarray:
    """The gradient in the order of the network's flat vector."""
    names = "W", "b", "gamma", "beta", "scale"
    return np.concatenate([array.ravel() for name in names for array in gradient[name]])


def predict(p, X, *, activations, batchnorm, epsilon, weight=None):
    """Raw predictions, and the batch-norm statistics used (name -> list over layers).

    With `weight`, the statistics are computed from the rows of X, layer by layer. Otherwise they
    are the network's.
    """
    x = np.asarray(X.toarray() if hasattr(X, "toarray") else X, np.float64)
    statistics = {"mean": [], "var": []}
    if p["scale"]:
        x = x * 6 * p["scale"][0].T

    def norm(x, k):
        if weight is None:
            mean, var = p["mean"][k], p["var"][k]
        else:
            mean, var = moments(x, (weight / weight.sum())[:, None])
        statistics["mean"].append(mean)
        statistics["var"].append(var)
        return normalize(x, mean, var, p["gamma"][k], p["beta"][k], epsilon)

    for k, name in enumerate(activations):
        x = x @ p["W"][k] + p["b"][k]
        if batchnorm == "before":
            x = norm(x, k)
        x = ACTIVATION[name][0](x)
        if batchnorm == "after":
            x = norm(x, k)
    return x @ p["W"][-1] + p["b"][-1], statistics


# ----------------------------------------------------------- small networks to compare with

EPSILON = 1e-3


def build(
    n_inputs: int = 5,
    hidden: Sequence[int] = (7, 4),
    n_outputs: int = 3,
    *,
    activations: Sequence[str] = ("tanh", "gelu"),
    keep_probs: Sequence[float] | None = None,
    epsilon: float = EPSILON,
    seed: int = 0,
    **settings,
) -> Network:
    """A network with random parameters and statistics, none of them 0 or 1."""
    network = mlp(
        n_inputs,
        hidden,
        n_outputs,
        activations=[ACTIVATIONS[name] for name in activations],
        inits=[INITIALIZERS["he_normal"]] * (len(hidden) + 1),
        keep_probs=keep_probs or [1.0] * len(hidden),
        batchnorm_epsilon=epsilon,
        **settings,
    )
    rng = np.random.default_rng(seed)
    network.initialize(rng)
    rest = network.parameters[network.n_weights :]
    rest += rng.normal(0, 0.3, rest.shape)
    for layer in network.arrays():
        if hasattr(layer, "mean"):
            layer.mean[...] = rng.normal(size=layer.mean.shape)
            layer.var[...] = rng.uniform(0.5, 2, layer.var.shape)
    return network


def targets(loss: str, n_rows: int, n_outputs: int, rng) -> np.ndarray:
    """Random targets for which the loss is defined."""
    if loss == "multiclass":
        return rng.integers(n_outputs, size=n_rows)
    if loss == "binary":
        return rng.integers(2, size=(n_rows, n_outputs)).astype(float)
    n_targets = 1 if loss == "quantiles" else n_outputs
    return rng.poisson(2, size=(n_rows, n_targets)) + (0.5 if loss == "gamma" else 0.0)


def weighted_batch(X, y, rng) -> Batch:
    """A batch with unequal weights, whose total is not the sum of the weights."""
    w = rng.uniform(0.2, 3, size=(X.shape[0], 1)).astype(X.dtype)
    total = 1.3 * float(w.sum())
    return Batch(X, y, total, w / total, w.T / w.sum())
