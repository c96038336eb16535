"""Build a network from an estimator's parameters, with checked values per hidden layer."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np

from sknormnet._choices import choose
from sknormnet.estimators._objects import check_activation
from sknormnet.estimators._validation import Rows
from sknormnet.nn.activations import ACTIVATIONS, Activation
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.layers import PiecewiseLinear
from sknormnet.nn.mlp import mlp
from sknormnet.nn.network import Network
from sknormnet.nn.quantiles import quantiles

FEW_ROWS = 100  # with fewer rows, keep_prob="auto" means no dropout
KNOT_ROWS = 10_000  # rows to compute quantiles from, at most
OUTPUT = ACTIVATIONS["identity"]  # of the output layer, for init="auto"


def build_network(
    estimator,
    n_inputs: int,
    n_outputs: int,
    dtype,
    *,
    n_rows: float,
    encoding: PiecewiseLinear | None = None,
) -> Network:
    """Build the network that an estimator's parameters describe, without initial weights.

    `n_rows` is the number of training rows.

    Raises
    ------
    ValueError
        If a parameter does not have one valid value for each hidden layer, or if the solver does
        not support dropout.
    """
    hidden = _hidden_sizes(estimator.hidden_layer_sizes)
    activations = [
        choose(f"Each 'activation' of {_name(estimator)}", x, ACTIVATIONS, Activation)
        for x in _per_layer(estimator, "activation", len(hidden))
    ]
    for activation in activations:
        check_activation(_name(estimator), activation, dtype)
    keep_probs = _per_layer(estimator, "keep_prob", len(hidden))
    if isinstance(estimator.keep_prob, str):
        few = n_rows < FEW_ROWS or estimator.solver == "lbfgs"
        keep_probs = [1.0 if few else 0.8] * len(hidden)
    for keep_prob in keep_probs:
        if not (isinstance(keep_prob, Real) and 0 < float(keep_prob) <= 1):
            raise ValueError(
                f"Each 'keep_prob' of {_name(estimator)} must be a float in the range (0.0, 1.0]."
                f" Got {keep_prob!r} instead."
            )
    if estimator.solver == "lbfgs" and min(estimator.input_keep_prob, *keep_probs, 1) < 1:
        raise ValueError(
            "solver='lbfgs' does not support keep_prob < 1 or input_keep_prob < 1: dropout"
            " makes the loss random, but L-BFGS compares the losses of different steps."
            " Use solver='adam' or solver='sgd'."
        )
    batchnorm = {True: "after", False: None}.get(estimator.batchnorm, estimator.batchnorm)
    return mlp(
        n_inputs,
        hidden,
        n_outputs,
        encoding=encoding,
        activations=activations,
        inits=[_init(estimator.init, x.init) for x in (*activations, OUTPUT)],
        batchnorm=batchnorm,
        batchnorm_momentum=float(estimator.batchnorm_momentum),
        batchnorm_epsilon=float(estimator.batchnorm_epsilon),
        keep_probs=[float(x) for x in keep_probs],
        input_keep_prob=float(estimator.input_keep_prob),
        dtype=dtype,
    )


def encode_inputs(data: Rows, n_bins: int) -> tuple[PiecewiseLinear | None, Any]:
    """Return the encoding of the inputs and its knots, the quantiles of up to 10,000 rows.

    Features with no more distinct values than bins are not encoded, and neither is a sparse X.
    """
    if n_bins == 0 or not isinstance(data.X, np.ndarray):
        return None, ()
    rows = np.linspace(0, len(data) - 1, min(len(data), KNOT_ROWS)).astype(int)
    rows = rows if data.numbers is None else data.numbers[rows]
    X, weight = data.X[rows], None if data.weight is None else data.weight[rows]
    encoded = tuple(k for k, x in enumerate(X.T) if len(np.unique(x)) > n_bins)
    if not encoded:
        return None, ()
    knots = quantiles(X[:, encoded], np.arange(n_bins + 1) / n_bins, weight)
    return PiecewiseLinear(X.shape[1], encoded, n_bins), knots


def _name(estimator) -> str:
    return type(estimator).__name__


def _hidden_sizes(sizes) -> list[int]:
    """Return hidden_layer_sizes as a list, which may be empty."""
    sizes = [sizes] if isinstance(sizes, Integral) else list(sizes)
    if not all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be integers, got {sizes}.")
    sizes = [int(size) for size in sizes]
    if min(sizes, default=1) <= 0:
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return sizes


def _per_layer(estimator, name: str, n_layers: int) -> list:
    """Return the values of a parameter that is one value or has one per hidden layer."""
    value = getattr(estimator, name)
    if isinstance(value, str | Real | Activation):
        return [value] * n_layers
    values = list(value)
    if len(values) != n_layers:
        raise ValueError(
            f"The {name!r} parameter of {_name(estimator)} must be a single value, or one value"
            f" for each of the hidden layers ({n_layers}). Got {value!r} instead."
        )
    return values


def _init(init, recommended: str) -> Callable:
    """Return the initializer; 'auto' stands for the one that the activation recommends."""
    return choose("init", recommended if init == "auto" else init, INITIALIZERS, Callable)
