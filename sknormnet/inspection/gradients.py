"""The gradients of the layers' weights, and the size of their updates."""

import numpy as np

from sknormnet._dataclasses import dataclass
from sknormnet.inspection.networks import fitted_network, training_rows, weights_of
from sknormnet.inspection.records import Record, RecordList
from sknormnet.training.objective import objective


@dataclass(frozen=True, repr=False)
class LayerGradient(Record):
    """Norms of a layer's gradient, weights and update.

    Attributes
    ----------
    layer : int
        Index of the layer, counted from 0; the last one is the output layer.
    gradient_norm : float
        Euclidean norm of the gradient of the loss with respect to the layer's weights, without the
        factors of a scaling layer.
    weight_norm : float
        Euclidean norm of these weights.
    update_ratio : float
        Norm of the change of the weights in the last epoch, divided by their norm before that
        epoch. NaN if no recorder observed the epoch.
    epoch : int or None
        Number of epochs trained before, if a recorder counted them.
    """

    layer: int
    gradient_norm: float
    weight_norm: float
    update_ratio: float = float("nan")
    epoch: int | None = None


def layer_gradients(
    estimator, X, y, *, sample_weight=None, member: int = 0
) -> RecordList[LayerGradient]:
    """Return the norm of the gradient with respect to each layer's weights, for given rows.

    It is the gradient of the loss that training minimizes, including the L2 penalty. The rows
    form one batch, and batch norm uses the statistics of this batch. Dropout is off.

    Parameters
    ----------
    estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
        The fitted estimator.
    X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
        The rows. All are processed at once.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    member : int, default=0
        Index of the network in an ensemble.

    Returns
    -------
    gradients : RecordList of LayerGradient
        One for each layer, including the output layer.
    """
    network = fitted_network(estimator, member).without_noise()
    rows, loss, alpha = training_rows(estimator, X, y, sample_weight, network.dtype)
    evaluate, gradient = objective(network, loss, alpha=alpha)
    evaluate(rows.whole(), None)
    pairs = zip(weights_of(network, gradient), weights_of(network), strict=True)
    return RecordList(
        LayerGradient(layer, _norm(d_W), _norm(W)) for layer, (d_W, W) in enumerate(pairs)
    )


def relative_norm(array: np.ndarray, base: np.ndarray) -> float:
    """Return the norm of an array divided by that of `base`; NaN if the latter is 0."""
    return _norm(array) / _norm(base) if base.any() else np.nan


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array.ravel()))
