"""What goes on inside a network, in numbers; draws nothing.

Each function returns frozen records, one for each layer (and epoch), in a list that is shown as
a table of their scalars.
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
FLAT = 0.05  # of an activation's largest slope: below, a unit is saturated


@dataclass(frozen=True, eq=False, repr=False)
class TrainingHistory(Record):
    """What training an estimator was like, epoch by epoch.

    Attributes
    ----------
    name : str
        Of the estimator's class.
    loss, validation_loss, validation_score, learning_rate, seconds : ndarray
        As in `history_`; those of shape (0,) were not recorded.
    best_epoch : int or ndarray of int of shape (n_members,)
        Number, from 1, of the epoch whose weights were kept, as in `best_epoch_`; of an
        ensemble, for each of its members.
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
            Its index counts the epochs from 1. Its columns are what was recorded in each epoch.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pandas = import_pandas()
        epochs = pandas.RangeIndex(1, len(self.loss) + 1, name="epoch")
        return pandas.DataFrame(self._columns(), index=epochs)

    def _columns(self) -> dict[str, np.ndarray]:
        """What was recorded in each epoch."""
        n_epochs = len(self.loss)
        columns = {k: x for k, x in vars(self).items() if k not in ("name", "best_epoch")}
        return {k: x for k, x in columns.items() if len(x) == n_epochs}

    def _repr_html_(self) -> str:
        """The table in a notebook; the epochs that were kept are in bold."""
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
    """How the values at one stage of a hidden layer are distributed over some rows.

    Attributes
    ----------
    layer : int
        Number of the hidden layer, from 0.
    stage : {"linear", "activation", "batchnorm"}
        What has just been done: weights and biases, activation function, or batch norm.
    mean, std : float
        Over all rows and units.
    quantiles : ndarray of shape (5,)
        The 5, 25, 50, 75 and 95 % quantiles of all values.
    dead : float
        Share of the units whose activation has slope 0 on every row, so that no
        gradient gets through them; NaN for other stages.
    saturated : float
        Share of the units whose activation has, on average over the rows, less than a
        twentieth of its largest slope, the dead ones among them; NaN for other stages.
    unit_means, unit_stds : ndarray of shape (n_units,)
        Over the rows, unit by unit.
    epoch : int or None
        How many epochs of training came before, where a recorder counted them.
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
    """What a layer's batch norm predicts with, beside what some rows would have it be.

    Attributes
    ----------
    layer : int
        Number of the hidden layer, from 0.
    running_mean, running_var : ndarray of shape (n_units,)
        What it predicts with: `running_means_` and `running_vars_`.
    batch_mean, batch_var : ndarray of shape (n_units,)
        Mean and biased variance of what it gets for the rows.
    shift : ndarray of shape (n_units,)
        ``(batch_mean - running_mean) / sqrt(running_var + batchnorm_epsilon)``
    ratio : ndarray of shape (n_units,)
        ``sqrt((batch_var + batchnorm_epsilon) / (running_var + batchnorm_epsilon))``
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
    """How long a layer's gradient and update are beside its weights.

    Attributes
    ----------
    layer : int
        Number of the layer, from 0; the last one is the output.
    gradient_norm : float
        Euclidean norm of the gradient of the loss with respect to the layer's weights.
    weight_norm : float
        Euclidean norm of these weights.
    update_ratio : float
        Norm of the weights' change in the last epoch divided by their norm before it; NaN
        where no recorder saw that epoch.
    epoch : int or None
        How many epochs of training came before, where a recorder counted them.
    """

    layer: int
    gradient_norm: float
    weight_norm: float
    update_ratio: float = float("nan")
    epoch: int | None = None


@dataclass(frozen=True, repr=False)
class LayerShift(Record):
    """How far the outputs of a hidden layer, the next one's inputs, have moved.

    A distance is the root mean square over the units of the difference between their means,
    divided by the root mean square of their standard deviations before.

    Attributes
    ----------
    layer : int
        Number of the hidden layer, from 0.
    shift : float
        Distance from the epoch before.
    drift : float
        Distance from the first epoch recorded.
    epoch : int or None
    """

    layer: int
    shift: float
    drift: float
    epoch: int | None


@dataclass(frozen=True, eq=False, repr=False)
class SearchTable(Record):
    """Scores of a search over two of its parameters.

    Attributes
    ----------
    x, y : str
        Names of the parameters of the columns and of the rows.
    x_values, y_values : list
    metric : str
    mean, std : ndarray of shape (len(y_values), len(x_values))
        Mean and standard deviation over the folds of the best candidate with these values,
        whatever its other parameters; NaN where there is none.
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
            Its index and columns are the values of the parameters `y` and `x`.

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
                tupleize_cols=False,  # a tuple of sizes is one value
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
    """Return what training was like.

    Parameters
    ----------
    estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
        Fitted. Of an ensemble, the means over its members.

    Returns
    -------
    history : TrainingHistory

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
    """Describe the values in each hidden layer for some rows, stage by stage.

    Parameters
    ----------
    estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
        Fitted.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows, all taken at a time.
    training : bool, default=False
        Whether batch norm normalises by the rows' own mean and variance, as in training, or by
        its running statistics, as in prediction. Dropout is off either way.
    member : int, default=0
        Number of the network, in an ensemble.

    Returns
    -------
    statistics : RecordList of LayerStatistics
        For each hidden layer its stages, in the order in which they are computed.

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
    """Compare what batch norm predicts with to what it would see in some rows.

    Rows like those of training differ by chance only; others tell that the data have shifted.

    Parameters
    ----------
    estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
        Fitted with batch norm.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows. They pass the layers before as in prediction.
    member : int, default=0
        Number of the network, in an ensemble.

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
    """Return how long the gradient of each layer's weights is, on some rows.

    It is that of the loss that training minimises, L2 included, for the rows as one batch:
    batch norm goes by their own statistics. Dropout is off.

    Parameters
    ----------
    estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
        Fitted.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows, all taken at a time.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Their weights.
    member : int, default=0
        Number of the network, in an ensemble.

    Returns
    -------
    gradients : RecordList of LayerGradient
        One for each layer, the last one the output.
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
    """Return how far what each hidden layer hands on has moved, epoch by epoch.

    Parameters
    ----------
    statistics : list of LayerStatistics
        As a :class:`TrainingRecorder` collects them.

    Returns
    -------
    shifts : RecordList of LayerShift
        For each hidden layer and each epoch but the first.

    References
    ----------
    Ioffe and Szegedy (2015), "Batch normalization: accelerating deep network training by
    reducing internal covariate shift", arXiv 1502.03167.
    """
    outputs: dict[int, dict[Any, LayerStatistics]] = {}
    for x in statistics:  # the last stage of a layer is what it hands on
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
    """Return the scores of a search over two of its parameters.

    Parameters
    ----------
    search : GridSearchCV, RandomizedSearchCV or dict
        A search that is fitted, or its `cv_results_`.
    x, y : str
        Names of the parameters of the columns and of the rows. The last part of a name, such
        as ``keep_prob`` of ``normnetclassifier__keep_prob``, will do.
    metric : str, default="score"
        Name of the scorer, of a search with several.

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
    for candidate in np.argsort(means):  # the best come last, but for those that failed
        at = _index(y_values, down[candidate]), _index(x_values, across[candidate])
        if np.isfinite(means[candidate]) and None not in at:
            mean[at], std[at] = means[candidate], stds[candidate]
    return SearchTable(x, y, x_values, y_values, metric, mean, std)


def initialized(estimator, X, y) -> Any:
    """Return a clone that is fitted but for the training: as `fit` would begin it.

    Batch norm's statistics are those of the rows.

    Parameters
    ----------
    estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)

    Returns
    -------
    estimator : object
        Of the same class.

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
    """Return the records' scalars as columns, ready for a `pandas.DataFrame`.

    Parameters
    ----------
    records : sequence of LayerStatistics, of LayerGradient, ...
        All of one kind.

    Returns
    -------
    columns : dict of str to list
        Without the arrays in the records. Of BatchNormStatistics, whose values are all arrays,
        the number of units, the largest absolute shift and the range of the ratios.

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
    """The network's estimator: the one given, or the one that its pipeline ends in."""
    net = last_step(estimator)
    if not isinstance(net, BaseNormNet):
        raise TypeError(
            "estimator must be a NormNetClassifier, a NormNetRegressor or a Pipeline that ends in"
            f" one. Got {estimator!r} instead."
        )
    return net


def network_of(estimator, member: int) -> Network:
    """One of the networks that an estimator has been fitted with."""
    net = net_of(estimator)
    check_is_fitted(net)
    runs = net._runs
    if not 0 <= member < len(runs):
        raise ValueError(
            f"member must be an int in the range [0, {len(runs)}). Got {member!r} instead."
        )
    return runs[member].network


def _inputs(estimator, X) -> Any:
    """X as the network's estimator gets it, behind the steps of a pipeline."""
    has_steps = isinstance(estimator, Pipeline) and len(estimator) > 1
    return estimator[:-1].transform(X) if has_steps else X


def _stages(
    estimator, X, member: int, *, training: bool = False
) -> Iterator[tuple[int, Layer, Any, np.ndarray, np.ndarray]]:
    """Number of the hidden layer, what is done, its arrays, before and after, step by step."""
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
    """The largest slope of an activation, where there is anything to see of it."""
    z = np.linspace(-8, 8, 1601)
    y = activation.function(z, np.empty_like(z))
    return float(np.abs(activation.derivative(z, y, np.empty_like(z))).max())


def _distance(before: LayerStatistics, now: LayerStatistics) -> float:
    return relative_norm(now.unit_means - before.unit_means, before.unit_stds)


def relative_norm(array: np.ndarray, base: np.ndarray) -> float:
    """The norm of an array divided by that of another; NaN where that is 0."""
    return _norm(array) / _norm(base) if base.any() else np.nan


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array.ravel()))


def _score(mean: float, std: float) -> str:
    return f"{mean:.4g} ± {std:.2g}" if np.isfinite(mean) else ""


def _parameter(results: Mapping, name: str) -> Any:
    """The values of a parameter, by the whole of its name or by its end."""
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
    """The values once: numbers by their size, others in the order of their first."""
    found: list = []
    for value in values:
        if value is not np.ma.masked and _index(found, value) is None:
            found.append(value)
    numbers = all(isinstance(x, Number) and not isinstance(x, bool | np.bool_) for x in found)
    return sorted(found) if numbers else found


def _index(values: list, value) -> int | None:
    """Where a value stands; 1 and True are not the same, and neither are arrays compared."""
    return next((i for i, x in enumerate(values) if repr(x) == repr(value)), None)
