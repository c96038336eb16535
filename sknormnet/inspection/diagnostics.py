"""Diagnostics of networks as numbers, without plots.

The functions that describe layers return a list of frozen records, one for each layer (and
epoch). The list is displayed as a table of the records' scalars.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sknormnet._choices import did_you_mean
from sknormnet.estimators._base import BaseNormNet
from sknormnet.estimators.search import last_step
from sknormnet.inspection.records import (
    Record,
    RecordList,
    cell,
    excerpt,
    html_table,
    import_pandas,
    scalar_columns,
)
from sknormnet.nn.activations import Activation
from sknormnet.nn.layers import ActivationLayer, BatchNorm, Layer
from sknormnet.nn.network import Network
from sknormnet.training.loop import objective

LEVELS = 5, 25, 50, 75, 95  # percentiles
FLAT = 0.05  # fraction of an activation's largest slope below which a unit is saturated


@dataclass(frozen=True, eq=False, repr=False)
class TrainingHistory(Record):
    """Values recorded in each epoch of the training of an estimator.

    Attributes
    ----------
    name : str
        Name of the estimator's class.
    loss, validation_loss, validation_score, learning_rate, seconds : ndarray of shape (n_epochs,)
        The same as in `history_`. Quantities that were not recorded have shape (0,).
    best_epoch : int or ndarray of int of shape (n_members,)
        Epoch whose parameters were kept, counted from 1, as in `best_epoch_`. For an ensemble,
        one for each member.
    """

    name: str
    loss: np.ndarray
    validation_loss: np.ndarray
    validation_score: np.ndarray
    learning_rate: np.ndarray
    seconds: np.ndarray
    best_epoch: int | np.ndarray

    def as_frame(self) -> Any:
        """Return a pandas DataFrame with a row for each epoch.

        Returns
        -------
        frame : pandas.DataFrame
            The index is the epoch, counted from 1. The columns are the recorded quantities.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pandas = import_pandas()
        epochs = pandas.RangeIndex(1, len(self.loss) + 1, name="epoch")
        return pandas.DataFrame(self._columns(), index=epochs)

    def _columns(self) -> dict[str, np.ndarray]:
        """The quantities that were recorded in each epoch."""
        n_epochs = len(self.loss)
        columns = {k: x for k, x in vars(self).items() if k not in ("name", "best_epoch")}
        return {k: x for k, x in columns.items() if len(x) == n_epochs}

    def _repr_html_(self) -> str:
        """The table in a notebook; the best epochs are in bold."""
        columns, n_epochs = self._columns(), len(self.loss)
        best = [i for i in np.ravel(self.best_epoch - 1).tolist() if 0 <= i < n_epochs]
        shown = excerpt(n_epochs, keep=best)
        rows = [
            ["..."] * (len(columns) + 1)
            if i is None
            else [str(i + 1), *(cell(x[i]) for x in columns.values())]
            for i in shown
        ]
        bold = {shown.index(i): range(len(columns) + 1) for i in best}
        title = f"{self.name}, {n_epochs} epochs, best {self.best_epoch}"
        return html_table(["epoch", *columns], rows, title=title, bold=bold)


@dataclass(frozen=True, eq=False, repr=False)
class LayerStatistics(Record):
    """Distribution of the values at one stage of a hidden layer over given rows.

    Attributes
    ----------
    layer : int
        Index of the hidden layer, counted from 0.
    stage : {"linear", "activation", "batchnorm"}
        The operation that computed the values: weights and biases, activation, or batch norm.
    mean, std : float
        Mean and standard deviation over all rows and units.
    quantiles : ndarray of shape (5,)
        The 5, 25, 50, 75 and 95 % quantiles of all values.
    dead : float
        Fraction of the units whose activation has slope 0 on every row, so that they pass no
        gradient on; NaN for other stages.
    saturated : float
        Fraction of the units whose absolute slope, averaged over the rows, is below 5 % of the
        largest slope of the activation. Dead units are included. NaN for other stages.
    unit_means, unit_stds : ndarray of shape (n_units,)
        Mean and standard deviation of each unit over the rows.
    epoch : int or None
        Number of epochs trained before, if a recorder counted them.
    """

    layer: int
    stage: str
    mean: float
    std: float
    quantiles: np.ndarray
    dead: float
    saturated: float
    unit_means: np.ndarray
    unit_stds: np.ndarray
    epoch: int | None = None


@dataclass(frozen=True, eq=False, repr=False)
class BatchNormStatistics(Record):
    """A layer's batch-norm statistics for prediction, compared with those of given rows.

    Attributes
    ----------
    layer : int
        Index of the hidden layer, counted from 0.
    running_mean, running_var : ndarray of shape (n_units,)
        Statistics used in prediction: `running_means_` and `running_vars_`.
    batch_mean, batch_var : ndarray of shape (n_units,)
        Mean and biased variance of batch norm's inputs for the given rows.
    shift : ndarray of shape (n_units,)
        Difference of the means in standard deviations,
        ``(batch_mean - running_mean) / sqrt(running_var + batchnorm_epsilon)``.
    ratio : ndarray of shape (n_units,)
        Ratio of the standard deviations,
        ``sqrt((batch_var + batchnorm_epsilon) / (running_var + batchnorm_epsilon))``.
    """

    layer: int
    running_mean: np.ndarray
    running_var: np.ndarray
    batch_mean: np.ndarray
    batch_var: np.ndarray
    shift: np.ndarray
    ratio: np.ndarray

    def _scalars(self) -> dict[str, Any]:
        return {
            "layer": self.layer,
            "n_units": len(self.shift),
            "largest_shift": float(np.abs(self.shift).max()),
            "smallest_ratio": float(self.ratio.min()),
            "largest_ratio": float(self.ratio.max()),
        }


@dataclass(frozen=True, repr=False)
class LayerGradient(Record):
    """Norms of a layer's gradient, weights and update.

    Attributes
    ----------
    layer : int
        Index of the layer, counted from 0; the last one is the output layer.
    gradient_norm : float
        Euclidean norm of the gradient of the loss with respect to the layer's weights.
    weight_norm : float
        Euclidean norm of the layer's weights.
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


@dataclass(frozen=True, repr=False)
class LayerShift(Record):
    """How far the outputs of a hidden layer, which are the next layer's inputs, have moved.

    The distance between two epochs is the root mean square, over the units, of the difference
    between their means. It is divided by the root mean square of the units' standard deviations
    in the earlier epoch.

    Attributes
    ----------
    layer : int
        Index of the hidden layer, counted from 0.
    shift : float
        Distance from the previous epoch.
    drift : float
        Distance from the first recorded epoch.
    epoch : int or None
        Number of epochs trained before.
    """

    layer: int
    shift: float
    drift: float
    epoch: int | None


@dataclass(frozen=True, eq=False, repr=False)
class SearchTable(Record):
    """Scores of a search as a table of two of its parameters.

    Attributes
    ----------
    x, y : str
        Names of the parameters in the columns and in the rows.
    x_values, y_values : list
        Values of these parameters.
    metric : str
        Name of the scorer.
    mean, std : ndarray of shape (len(y_values), len(x_values))
        Mean and standard deviation of the score over the folds. Each entry is that of the best
        candidate with these two values, whatever its other parameters; NaN if there is none.
    """

    x: str
    y: str
    x_values: list
    y_values: list
    metric: str
    mean: np.ndarray
    std: np.ndarray

    def as_frame(self) -> Any:
        """Return the means as a pandas DataFrame, for example to style or plot them.

        Returns
        -------
        frame : pandas.DataFrame of shape (len(y_values), len(x_values))
            The index has the values of parameter `y`, the columns those of parameter `x`.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pandas = import_pandas()
        index, columns = (
            pandas.Index(
                [x if isinstance(x, Hashable) else str(x) for x in values],
                name=name,
                tupleize_cols=False,  # a tuple of layer sizes is one value
            )
            for values, name in ((self.y_values, self.y), (self.x_values, self.x))
        )
        return pandas.DataFrame(self.mean, index=index, columns=columns)

    def _repr_html_(self) -> str:
        """The table in a notebook; the best score is in bold."""
        rows = [
            [cell(value), *(_score(mean, std) for mean, std in zip(means, stds, strict=True))]
            for value, means, stds in zip(self.y_values, self.mean, self.std, strict=True)
        ]
        bold = {}
        if np.isfinite(self.mean).any():
            row, column = divmod(int(np.nanargmax(self.mean)), len(self.x_values))
            bold[row] = [column + 1]
        header = [f"{self.y} \\ {self.x}", *map(cell, self.x_values)]
        return html_table(header, rows, title=f"Mean test {self.metric}", bold=bold)


def training_history(estimator) -> TrainingHistory:
    """Return the training history of a fitted estimator.

    Parameters
    ----------
    estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
        The fitted estimator.

    Returns
    -------
    history : TrainingHistory
        Values for each epoch. For an ensemble, means over its members.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknormnet import NormNetClassifier
    >>> from sknormnet.inspection import training_history
    >>> X, y = load_iris(return_X_y=True)
    >>> history = training_history(NormNetClassifier(max_iter=10, random_state=0).fit(X, y))
    >>> history.loss.shape, history.best_epoch
    ((10,), 10)
    """
    net = net_of(estimator)
    check_is_fitted(net)
    history = {name: np.array(values) for name, values in net.history_.items()}
    return TrainingHistory(type(net).__name__, **history, best_epoch=net.best_epoch_)


def layer_statistics(
    estimator, X, *, training: bool = False, member: int = 0
) -> RecordList[LayerStatistics]:
    """Return statistics of the values in each hidden layer, stage by stage, for given rows.

    Parameters
    ----------
    estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
        The fitted estimator.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows. All are processed at once.
    training : bool, default=False
        Whether batch norm uses the mean and variance of the given rows, as in training, or its
        running statistics, as in prediction. Dropout is off in both cases.
    member : int, default=0
        Index of the network in an ensemble.

    Returns
    -------
    statistics : RecordList of LayerStatistics
        One for each stage of each hidden layer, in the order of computation.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknormnet import NormNetClassifier
    >>> from sknormnet.inspection import layer_statistics
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NormNetClassifier((8, 4), random_state=0).fit(X, y)
    >>> for x in layer_statistics(model, X)[:3]:
    ...     print(x.layer, x.stage)
    0 linear
    0 activation
    0 batchnorm
    """
    stages = _stages(estimator, X, member, training=training)
    return RecordList(_statistics(number, layer, x, y) for number, layer, _, x, y in stages)


def batchnorm_statistics(estimator, X, *, member: int = 0) -> RecordList[BatchNormStatistics]:
    """Compare batch norm's statistics for prediction with those of given rows.

    For rows distributed like the training rows, the two differ only by chance. Larger differences
    indicate that the data have shifted.

    Parameters
    ----------
    estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
        The estimator, fitted with batch norm.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows. The layers before each batch norm process them as in prediction.
    member : int, default=0
        Index of the network in an ensemble.

    Returns
    -------
    statistics : RecordList of BatchNormStatistics
        One for each hidden layer.

    Raises
    ------
    ValueError
        If the network has no batch norm.
    """
    found: RecordList[BatchNormStatistics] = RecordList()
    for number, layer, lent, x, _ in _stages(estimator, X, member):
        if isinstance(layer, BatchNorm):
            batch = x.mean(axis=0), x.var(axis=0)
            running = lent.mean.ravel().copy(), lent.var.ravel().copy()
            std, now = (np.sqrt(var + layer.epsilon) for _, var in (running, batch))
            shift, ratio = (batch[0] - running[0]) / std, now / std
            found.append(BatchNormStatistics(number, *running, *batch, shift, ratio))
    if not found:
        raise ValueError("The network has no batch norm. Fit it with batchnorm=True.")
    return found


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
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
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
    network = network_of(estimator, member).without_noise()
    X, net = _inputs(estimator, X), net_of(estimator)
    rows, loss, _ = net._encode(X, y, sample_weight, going_on=True, incremental=True)
    evaluate, gradient = objective(network, loss, alpha=float(net.alpha) or None)
    evaluate(rows.samples(network.dtype).whole(), None)
    slopes = (a.W for a in network.arrays(gradient) if hasattr(a, "W"))
    return RecordList(
        LayerGradient(number, _norm(slope), _norm(W))
        for number, (slope, W) in enumerate(zip(slopes, weights_of(network), strict=True))
    )


def layer_shift(statistics: Sequence[LayerStatistics]) -> RecordList[LayerShift]:
    """Return how far the outputs of each hidden layer have moved, epoch by epoch.

    Parameters
    ----------
    statistics : list of LayerStatistics
        Collected by a :class:`TrainingRecorder`, as its `layer_statistics_`.

    Returns
    -------
    shifts : RecordList of LayerShift
        One for each hidden layer and each epoch but the first.

    References
    ----------
    Ioffe and Szegedy (2015), "Batch normalization: accelerating deep network training by
    reducing internal covariate shift", arXiv 1502.03167.
    """
    outputs: dict[int, dict[Any, LayerStatistics]] = {}
    for x in statistics:  # the last stage is the output of the layer
        outputs.setdefault(x.layer, {})[x.epoch] = x
    shifts: RecordList[LayerShift] = RecordList()
    for layer, by_epoch in outputs.items():
        first, *rest = by_epoch.values()
        before = first
        for now in rest:
            shifts.append(
                LayerShift(layer, _distance(before, now), _distance(first, now), now.epoch)
            )
            before = now
    return shifts


def search_table(search, x: str, y: str, *, metric: str = "score") -> SearchTable:
    """Return the scores of a search as a table of two of its parameters.

    Parameters
    ----------
    search : GridSearchCV, RandomizedSearchCV or dict
        A fitted search, or its `cv_results_`.
    x, y : str
        Names of the parameters in the columns and in the rows. The last part of a name is
        sufficient, such as ``keep_prob`` for ``normnetclassifier__keep_prob``.
    metric : str, default="score"
        Name of the scorer, for a search with several.

    Returns
    -------
    table : SearchTable

    Raises
    ------
    ValueError
        If the search has no such parameter or metric.
    """
    results = search if isinstance(search, Mapping) else search.cv_results_
    across, down = (_parameter(results, name) for name in (x, y))
    means = _result(results, f"mean_test_{metric}")
    stds = _result(results, f"std_test_{metric}")
    x_values, y_values = _distinct(across), _distinct(down)
    mean, std = np.full((2, len(y_values), len(x_values)), np.nan)
    for candidate in np.argsort(means):  # best candidates last; failed ones are skipped
        at = _index(y_values, down[candidate]), _index(x_values, across[candidate])
        if np.isfinite(means[candidate]) and None not in at:
            mean[at], std[at] = means[candidate], stds[candidate]
    return SearchTable(x, y, x_values, y_values, metric, mean, std)


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
    estimator = clone(estimator)
    if isinstance(estimator, Pipeline):
        if len(estimator) > 1:
            X = estimator[:-1].fit_transform(X, y)
        estimator.steps[-1] = estimator.steps[-1][0], initialized(estimator[-1], X, y)
        return estimator
    return estimator._finish(net_of(estimator)._prepare_fit(X, y))


def columns(records: Sequence[Any]) -> dict[str, list]:
    """Return the scalars of records as columns, ready for a `pandas.DataFrame`.

    Parameters
    ----------
    records : sequence of LayerStatistics, LayerGradient, ...
        Records of the same class.

    Returns
    -------
    columns : dict of str to list
        One list for each scalar field; arrays are left out. BatchNormStatistics hold arrays: their
        columns are the layer, the number of units, the largest absolute shift, and the smallest
        and largest ratio.

    Examples
    --------
    >>> from sknormnet.inspection import LayerGradient, columns
    >>> columns([LayerGradient(0, 0.5, 2.0), LayerGradient(1, 0.25, 1.0)])["weight_norm"]
    [2.0, 1.0]
    """
    return scalar_columns(records)


def weights_of(network: Network) -> list[np.ndarray]:
    """Views of the weights of each layer."""
    return [a.W for a in network.arrays() if hasattr(a, "W")]


def net_of(estimator) -> BaseNormNet:
    """Return the network estimator: the given one, or the last step of a pipeline."""
    net = last_step(estimator)
    if not isinstance(net, BaseNormNet):
        raise TypeError(
            "estimator must be a NormNetClassifier, a NormNetRegressor or a Pipeline that ends in"
            f" one. Got {estimator!r} instead."
        )
    return net


def network_of(estimator, member: int) -> Network:
    """Return one of the networks of a fitted estimator."""
    net = net_of(estimator)
    check_is_fitted(net)
    runs = net._runs
    if not 0 <= member < len(runs):
        raise ValueError(
            f"member must be an int in the range [0, {len(runs)}). Got {member!r} instead."
        )
    return runs[member].network


def _inputs(estimator, X) -> Any:
    """Return X transformed by the steps of a pipeline before the network."""
    has_steps = isinstance(estimator, Pipeline) and len(estimator) > 1
    return estimator[:-1].transform(X) if has_steps else X


def _stages(
    estimator, X, member: int, *, training: bool = False
) -> Iterator[tuple[int, Layer, Any, np.ndarray, np.ndarray]]:
    """Yield index of the hidden layer, layer, its arrays, its inputs and outputs, per stage."""
    network = network_of(estimator, member)
    x = net_of(estimator)._validate_inputs(_inputs(estimator, X))
    x = x.astype(network.dtype, copy=False)
    n_hidden, number = len(weights_of(network)) - 1, -1
    for layer, lent in zip(network.layers, network.arrays(), strict=True):
        if layer.stage is None:
            x = layer.forward_inference(x, lent)
            continue
        number += bool(layer.weight_names)
        if number == n_hidden:
            return
        if training and isinstance(layer, BatchNorm):
            lent.mean, lent.var = x.mean(axis=0, keepdims=True), x.var(axis=0, keepdims=True)
        y = layer.forward_inference(x, lent)
        yield number, layer, lent, x, y
        x = y


def _statistics(number: int, layer: Layer, x: np.ndarray, y: np.ndarray) -> LayerStatistics:
    dead = saturated = np.nan
    if isinstance(layer, ActivationLayer):
        slopes = np.abs(layer.activation.derivative(x, y, np.empty_like(x))).mean(axis=0)
        dead = float(np.mean(slopes == 0))
        saturated = float(np.mean(slopes < FLAT * _steepest(layer.activation)))
    return LayerStatistics(
        layer=number,
        stage=layer.stage or "",
        mean=float(y.mean(dtype=np.float64)),
        std=float(y.std(dtype=np.float64)),
        quantiles=np.percentile(y, LEVELS),
        dead=dead,
        saturated=saturated,
        unit_means=y.mean(axis=0),
        unit_stds=y.std(axis=0),
    )


def _steepest(activation: Activation) -> float:
    """Return the largest absolute slope of an activation over [-8, 8]."""
    z = np.linspace(-8, 8, 1601)
    y = activation.function(z, np.empty_like(z))
    return float(np.abs(activation.derivative(z, y, np.empty_like(z))).max())


def _distance(before: LayerStatistics, now: LayerStatistics) -> float:
    return relative_norm(now.unit_means - before.unit_means, before.unit_stds)


def relative_norm(array: np.ndarray, base: np.ndarray) -> float:
    """Return the norm of an array divided by that of `base`; NaN if the latter is 0."""
    return _norm(array) / _norm(base) if base.any() else np.nan


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array.ravel()))


def _score(mean: float, std: float) -> str:
    return f"{mean:.4g} ± {std:.2g}" if np.isfinite(mean) else ""


def _parameter(results: Mapping, name: str) -> Any:
    """Return the values of a parameter, given its full name or the last part of it."""
    names = [key.removeprefix("param_") for key in results if key.startswith("param_")]
    found = [x for x in names if x == name] or [x for x in names if x.endswith(f"__{name}")]
    if len(found) != 1:
        count = (
            f"{len(found)} searched parameters match" if found else "No searched parameter matches"
        )
        near = did_you_mean(name, [x.rpartition("__")[2] for x in names])
        raise ValueError(f"{count} {name!r}. Searched: {sorted(names)}.{'' if found else near}")
    return results[f"param_{found[0]}"]


def _result(results: Mapping, name: str) -> np.ndarray:
    if name not in results:
        metrics = sorted(key[10:] for key in results if key.startswith("mean_test_"))
        got = name.split("_test_")[1]
        raise ValueError(
            f"metric must be one of {metrics}. Got {got!r} instead.{did_you_mean(got, metrics)}"
        )
    return results[name]


def _distinct(values: Iterable) -> list:
    """Return the distinct values: numbers sorted, others in the order of first occurrence."""
    found: list = []
    for value in values:
        if value is not np.ma.masked and _index(found, value) is None:
            found.append(value)
    numbers = all(isinstance(x, Number) and not isinstance(x, bool | np.bool_) for x in found)
    return sorted(found) if numbers else found


def _index(values: list, value) -> int | None:
    """Return the position of a value, compared by repr: 1 and True differ, arrays work too."""
    return next((i for i, x in enumerate(values) if repr(x) == repr(value)), None)
