"""The networks of estimators, fitted or initialized, and the rows as these networks take them.

No other module of `inspection` uses private attributes or methods of an estimator.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sknormnet.estimators.base import BaseNormNet
from sknormnet.estimators.search import last_step
from sknormnet.inputs import InputEncoder
from sknormnet.nn.losses import Loss
from sknormnet.nn.network import Network
from sknormnet.training.batches import Samples


def initialized(estimator, X, y) -> Any:
    """Return an initialized but untrained clone: the state in which `fit` starts training.

    The steps of a pipeline before the network are fitted. Batch norm's statistics are those of
    the given rows.

    Parameters
    ----------
    estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
        The estimator to clone.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The training inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The targets.

    Returns
    -------
    estimator : object
        The clone. It can predict, as a fitted estimator can.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknormnet import NormNetClassifier
    >>> from sknormnet.inspection import initialized, layer_statistics
    >>> X, y = load_iris(return_X_y=True)
    >>> model = initialized(NormNetClassifier(init="zeros", batchnorm=False), X, y)
    >>> print(layer_statistics(model, X)[0].std)
    0.0
    """
    estimator = without_checkpoint(clone(estimator))
    if isinstance(estimator, Pipeline):
        if len(estimator) > 1:
            X = estimator[:-1].fit_transform(X, y)
        estimator.steps[-1] = estimator.steps[-1][0], initialized(estimator[-1], X, y)
        return estimator
    return estimator._finish(estimator._prepare_fit(X, y))


def without_checkpoint(estimator) -> Any:
    """Return the same estimator, whose fits neither go on from a checkpoint nor write one."""
    network_estimator(estimator).set_params(checkpoint=None)
    return estimator


def network_estimator(estimator) -> BaseNormNet:
    """Return the estimator that has the networks: the given one, or a pipeline's last step."""
    last = last_step(estimator)
    if not isinstance(last, BaseNormNet):
        raise TypeError(
            "estimator must be a NormNetClassifier, a NormNetRegressor or a Pipeline that ends in"
            f" one. Got {estimator!r} instead."
        )
    return last


def fitted_network(estimator, member: int) -> Network:
    """Return the network of a fitted estimator; `member` is its index in an ensemble."""
    estimator = network_estimator(estimator)
    check_is_fitted(estimator)
    networks = estimator._networks
    if not 0 <= member < len(networks):
        raise ValueError(
            f"member must be an int in the range [0, {len(networks)}). Got {member!r} instead."
        )
    return networks[member]


def validated_inputs(estimator, X) -> Any:
    """Return the inputs of the network, an array or a CSR matrix, checked as in prediction."""
    X, estimator = _transformed(estimator, X), network_estimator(estimator)
    return estimator._encode(estimator._validate_inputs(X))


class Fitted(NamedTuple):
    """The parts of a fitted estimator that its predictions are made of.

    The columns of X have names, or indices in an array.
    """

    estimator: Any
    columns: list
    networks: list[Network]
    inputs: InputEncoder
    loss: Loss
    target_scaling: Any


def fitted_parts(estimator) -> Fitted:
    """Return the parts of a fitted estimator, or of a pipeline's last step."""
    net = network_estimator(estimator)
    check_is_fitted(net)
    columns = [*((net._columns and net._columns.names) or range(net.n_features_in_))]
    return Fitted(net, columns, net._networks, net._inputs, net._loss, net._target_scaling)


def validated_and_encoded(estimator, X) -> tuple[np.ndarray, np.ndarray]:
    """Return rows as numbers, with NaN for missing values, and as inputs of the network."""
    net = network_estimator(estimator)
    X = net._validate_inputs(_transformed(estimator, X))
    return tuple(x.toarray() if issparse(x) else x for x in (X, net._encode(X)))


def training_rows(estimator, X, y, sample_weight, dtype) -> tuple[Samples, Loss, float | None]:
    """Return the rows as `partial_fit` takes them, the loss, and alpha (None if it is 0)."""
    X, estimator = _transformed(estimator, X), network_estimator(estimator)
    rows, loss, alpha = estimator._validated_rows(X, y, sample_weight)
    return rows.samples(estimator._inputs, dtype), loss, alpha


def weights_of(network: Network, parameters: np.ndarray | None = None) -> list[np.ndarray]:
    """Return each layer's weights, or their part of a vector such as the gradient, as views."""
    return [arrays.W for arrays in network.arrays(parameters) if hasattr(arrays, "W")]


def _transformed(estimator, X) -> Any:
    """Return X transformed by the steps of a pipeline before the network."""
    has_steps = isinstance(estimator, Pipeline) and len(estimator) > 1
    return estimator[:-1].transform(X) if has_steps else X
