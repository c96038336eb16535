"""The predictions of one fitted estimator as nodes of an ONNX graph."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sknormnet.nn import losses
from sknormnet.onnx.graph import Graph
from sknormnet.onnx.inputs import columns_of, encoded
from sknormnet.onnx.networks import raw_predictions, softplus


def _exp(graph: Graph, raw: str, n_outputs: int) -> str:
    return graph.add("Min", graph.add("Exp", raw), float(np.finfo(graph.dtype).max))


def _cumulated_softplus(graph: Graph, raw: str, n_outputs: int) -> str:
    steps = graph.add("Where", np.arange(n_outputs) == 0, raw, softplus(graph, raw))
    return graph.add("CumSum", steps, -1)


def _logistic(graph: Graph, raw: str, n_outputs: int) -> str:
    p = graph.add("Sigmoid", raw)
    if n_outputs > 1:  # labels
        return p
    return graph.concatenated([graph.add("Sigmoid", graph.add("Neg", raw)), p])


def _softmax(graph: Graph, raw: str, n_outputs: int) -> str:
    return graph.add("Softmax", raw, axis=-1)


def _identity(graph: Graph, raw: str, n_outputs: int) -> str:
    return raw


INVERSE_LINKS: dict[type, Callable[[Graph, str, int], str]] = {
    losses.SquaredError: _identity,
    losses.AbsoluteError: _identity,
    losses.Huber: _identity,
    losses.Quantile: _identity,
    losses.Quantiles: _cumulated_softplus,
    losses.PoissonDeviance: _exp,
    losses.GammaDeviance: _exp,
    losses.BinaryLogLoss: _logistic,
    losses.MulticlassLogLoss: _softmax,
}


def predictions(graph: Graph, estimator: Any, variables: Sequence[Any]) -> str:
    """Add all nodes of a fitted estimator, and return the name of its predictions.

    Parameters
    ----------
    graph : Graph
        Its dtype is that of the predictions. The networks calculate in float64 only if this and
        their own precision are float64.
    estimator : NormNetClassifier or NormNetRegressor
    variables : sequence of Variable
        Inputs of the graph: X itself, or an input for each of its columns.

    Returns
    -------
    predictions : str
        The probabilities, of shape (n_rows, n_classes), or the predicted targets, of shape
        (n_rows, n_outputs).
    """
    networks, loss = estimator._networks, estimator._loss
    if type(loss) not in INVERSE_LINKS:
        raise ValueError(
            "The 'loss' must be one of sknormnet's own losses to be exported to ONNX."
            f" Got {loss!r} instead."
        )
    own = graph if networks[0].dtype == np.float64 else replace(graph, dtype=networks[0].dtype)
    levels = {} if estimator._columns is None else estimator._columns.levels
    inputs = encoded(own, estimator._inputs, columns_of(estimator, variables), levels)
    raw = raw_predictions(own, networks, *inputs)
    y = graph.cast(INVERSE_LINKS[type(loss)](own, raw, estimator.n_outputs_))
    if len(networks) > 1:
        y = graph.add("Mul", y, 1 / len(networks))  # before the sum, which could overflow
        y = graph.add("ReduceSum", y, [0], keepdims=0)
    if estimator._target_scaling is None:
        return y
    mean, scale = estimator._target_scaling
    return graph.add("Add", graph.add("Mul", y, scale), mean)
