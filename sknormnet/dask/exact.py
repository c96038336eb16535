"""Exact training on partitions: the objective of L-BFGS is a sum over them."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import dask
import numpy as np
from dask.delayed import delayed
from sklearn.base import is_classifier

from sknormnet.dask.partitions import Partition, evenly_spaced, partitions_of, with_rows
from sknormnet.estimators.base import NO_VALIDATION, BaseNormNet, working_copy
from sknormnet.estimators.precision import moments
from sknormnet.estimators.prepared import Inputs, PreparedFit
from sknormnet.estimators.settings import Call, resolve
from sknormnet.inputs.encoder import InputEncoder
from sknormnet.inputs.measures import SAMPLE_ROWS, Rows
from sknormnet.inputs.scales import Scales, measure_scales, pooled
from sknormnet.nn.network import Network
from sknormnet.training.lbfgs import FullBatchTrainer, FullObjective
from sknormnet.training.objective import objective

CHUNK = 4096  # rows of a partition that are in work at a time
FAN_IN = 8  # sums that a task adds up
NEEDED = {"solver": "lbfgs", "batchnorm": False, "class_weight": None}
NEEDED |= {"warm_start": False, "checkpoint": None}


def fit(estimator: Any, X: Any, y: Any) -> Any:
    """Fit a network to all rows, with L-BFGS on sums over the partitions.

    The loss and its gradient are sums over the rows. So each evaluation sends the parameters to
    the partitions and adds up what comes back. The network has the same optimum as one that
    `estimator.fit` trains on all rows in one place, up to rounding.

    Parameters
    ----------
    estimator : NormNetClassifier or NormNetRegressor
        With ``solver="lbfgs"`` and ``batchnorm=False``; without `class_weight`, `checkpoint` and
        `warm_start`.
    X : Dask array or DataFrame of shape (n_samples, n_features)
        The inputs. Each evaluation reads them anew, unless they are persisted.
    y : Dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_outputs)
        The targets, in as many partitions as X.

    Returns
    -------
    estimator : NormNetClassifier or NormNetRegressor
        The same object, fitted.

    Raises
    ------
    TypeError
        If X or y are not of Dask.
    ValueError
        If a parameter or the data are invalid.

    Notes
    -----
    Means and standard deviations are those of all rows. Medians and quartiles, bins, and the
    levels of categorical columns are those of 10,000 evenly spaced rows, as in
    `estimator.fit`, except for levels, which that takes from all rows: set `categories`, or
    a categorical dtype.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from sknormnet import NormNetRegressor
    >>> from sknormnet.dask import fit, predict
    >>> X = da.random.default_rng(0).normal(size=(1000, 3), chunks=(250, 3))
    >>> model = NormNetRegressor(
    ...     hidden_layer_sizes=(8,), solver="lbfgs", batchnorm=False, random_state=0
    ... )
    >>> model = fit(model, X, X[:, 0] - X[:, 1])
    >>> error = predict(model, X) - (X[:, 0] - X[:, 1])
    >>> print(bool(abs(error).max() < 0.1))
    True
    """
    _check_exact(estimator)
    partitions, n_rows = with_rows(partitions_of(X, y))
    with working_copy(estimator) as fitted:
        fitted._validate_params()
        sample = evenly_spaced(
            partitions, n_rows, SAMPLE_ROWS, with_classes=is_classifier(estimator) and y.ndim == 1
        )
        prepared = fitted._prepare(*sample, None, NO_VALIDATION, call=Call.FRESH)
        prepared = _prepared_for_all(fitted, prepared, partitions, int(n_rows.sum()))
        for trainer in prepared.trainers:
            trainer.fit()
        fitted._finish(prepared)
    return estimator


def _check_exact(estimator: Any) -> None:
    if not isinstance(estimator, BaseNormNet):
        raise TypeError(
            "estimator must be a NormNetClassifier or a NormNetRegressor."
            f" Got {type(estimator).__name__} instead."
        )
    for name, needed in NEEDED.items():
        value = getattr(estimator, name, needed)
        if value != needed:
            raise ValueError(
                f"The {name!r} parameter of {type(estimator).__name__} must be {needed!r} in"
                f" sknormnet.dask.fit. Got {value!r} instead. Other networks are trained on"
                " partitions by sknormnet.dask.partial_fit and sknormnet.dask.fit_each."
            )


# ---------------------------------------------------------------------------- measures of all rows


class Measured(NamedTuple):
    """What is measured on a partition.

    Attributes
    ----------
    n_rows : int
    scales : Scales
        Of the numeric columns.
    largest : float
        The largest absolute value of X.
    mean, std : ndarray of shape (n_targets,)
        Moments of the targets of a regressor.
    targets, counts : ndarray
        The encoded targets of a classifier, each once, and their numbers of rows.
    """

    n_rows: int
    scales: Scales
    largest: float
    mean: Any = None
    std: Any = None
    targets: Any = None
    counts: Any = None


def _measure(shared: tuple[Any, InputEncoder], X: Any, y: Any) -> Measured:
    reader, encoder = _estimator(shared[0]), shared[1]
    rows, *_ = reader._validate(X, y, None, resolve(reader, Call.CHECK), Call.CHECK)
    columns = None if encoder.categorical is None else np.array(encoder.numeric_columns, int)
    numeric = encoder.numeric
    scales = measure_scales(
        Rows(rows.X, None, None), columns, method=numeric.method, dtype=numeric.dtype
    )
    found = Measured(len(rows), scales, rows.largest_input)
    if is_classifier(reader):
        targets, counts = np.unique(rows.target, axis=0, return_counts=True)
        return found._replace(targets=targets, counts=counts)
    mean, std = moments(rows.target, None)
    return found._replace(mean=mean, std=std)


def _prepared_for_all(
    fitted: Any, sample: PreparedFit, partitions: list[Partition], n_rows: int
) -> PreparedFit:
    """Return the fit of all rows, from one that was prepared on a sample of them."""
    vars(fitted).update(fitted._attributes_of(sample))
    encoder = sample.inputs.encoder
    shared = delayed((_reader(fitted), encoder))
    measured = dask.compute(*[delayed(_measure)(shared, X, y) for X, y in partitions])
    encoder = _encoder_of_all(encoder, measured)
    measure = _classes_of_all if is_classifier(fitted) else _targets_of_all
    (targets, counts), scaling = measure(sample, measured)
    prepared = replace(
        sample, inputs=Inputs(encoder, None), target_scaling=scaling, trainers=[], validations=[]
    )
    vars(fitted).update(fitted._attributes_of(prepared))
    prepared.largest_input = encoder.bound(max(x.largest for x in measured))
    for old in sample.trainers:
        old.network.set_output_bias(sample.loss.baseline(targets, counts, sample.n_outputs))
        trainer = PartitionsTrainer(
            old.network,
            sample.loss,
            prepared.samples(prepared.rows),
            old.plan,
            old.state,
            observers=prepared.progress.observers,
            member=old.member,
        )
        trainer.partitions, trainer.n_rows, trainer.reader = partitions, n_rows, _reader(fitted)
        prepared.trainers.append(trainer)
        prepared.validations.append(None)
        prepared.progress.histories.append(trainer.history)
    return prepared


def _reader(fitted: BaseNormNet) -> SimpleNamespace:
    """Return what validates the rows of a partition, with its attributes as they are."""
    return SimpleNamespace(type=type(fitted), attributes=dict(vars(fitted)))


def _classes_of_all(sample: PreparedFit, measured: Sequence[Measured]) -> tuple[tuple, None]:
    """Return the encoded targets of all rows, with their numbers; they are not standardized."""
    targets = np.concatenate([x.targets for x in measured])
    return (targets, np.concatenate([x.counts for x in measured]).astype(float)), None


def _targets_of_all(sample: PreparedFit, measured: Sequence[Measured]) -> tuple[tuple, tuple]:
    """Return targets with the moments of those of all rows, and how targets are standardized.

    The targets are those of the sample, shifted and scaled.
    """
    n_rows, means, stds = (
        np.array([getattr(x, name) for x in measured]) for name in ("n_rows", "mean", "std")
    )
    mean = np.average(means, axis=0, weights=n_rows)
    std = np.sqrt(np.average(stds**2 + (means - mean) ** 2, axis=0, weights=n_rows))
    of_sample, target = moments(sample.rows.target, None), sample.rows.target
    if sample.settings.target.standardize_target and sample.loss.allows_shift_and_scale:
        return (target, None), (mean, np.where(std > 0, std, 1.0))
    unit = np.where(of_sample[1] > 0, of_sample[1], 1.0)
    return ((target - of_sample[0]) / unit * std + mean, None), sample.target_scaling


def _encoder_of_all(encoder: InputEncoder, measured: Sequence[Measured]) -> InputEncoder:
    """Return the encoder with the means and standard deviations of all rows."""
    numeric = encoder.numeric
    if numeric.method != "standard":
        return encoder
    first, *others = (x.scales for x in measured)
    numeric = replace(
        numeric, center=first.center[None], scale=first.scale[None], n_seen=first.n_seen[None]
    )
    for scales in others:
        numeric = pooled(numeric, scales)
    return replace(encoder, numeric=numeric)


# ------------------------------------------------------------------------------ sums over all rows


class PartitionsTrainer(FullBatchTrainer):
    """Trains a network with L-BFGS on the rows of all partitions.

    Attributes
    ----------
    partitions : list of Partition
    n_rows : int
        Their rows together.
    reader : SimpleNamespace
        What `_estimator` makes an estimator of.
    """

    partitions: list[Partition]
    n_rows: int
    reader: SimpleNamespace

    @property
    def batch_rows(self) -> int:
        return self.n_rows

    def objective(self) -> FullObjective:
        """Return the function that is minimized."""
        task = SumTask(self.reader, self.network, self.plan.alpha, self.n_rows)
        shared = delayed(task)

        def value_and_gradient(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            self.network.parameters[...] = parameters
            now = delayed(parameters)
            sums = [delayed(_summed)(shared, now, X, y) for X, y in self.partitions]
            while len(sums) > 1:
                groups = range(0, len(sums), FAN_IN)
                sums = [delayed(_added)(sums[start : start + FAN_IN]) for start in groups]
            return sums[0].compute()

        return value_and_gradient


@dataclass(frozen=True)
class SumTask:
    """What all partitions need to sum up their part of the objective.

    Attributes
    ----------
    reader : SimpleNamespace
    network : Network
    alpha : float or None
        Strength of the L2 penalty.
    n_rows : int
        Of all partitions.
    """

    reader: SimpleNamespace
    network: Network
    alpha: float | None
    n_rows: int


def _summed(task: SumTask, parameters: np.ndarray, X: Any, y: Any) -> tuple[float, np.ndarray]:
    """Return a partition's part of the objective and of its gradient.

    With the number of all rows as its total, a batch has the penalty of all rows.
    """
    estimator, network = _estimator(task.reader), copy.deepcopy(task.network)
    network.parameters[...] = parameters
    rows, loss, _ = estimator._validated_rows(X, y, None)
    evaluate, gradient = objective(network, loss, alpha=task.alpha)
    samples = rows.samples(estimator._inputs, network.dtype)
    value, total = 0.0, np.zeros(len(parameters))
    for batch in samples.batches(None, CHUNK, min_batch_size=1, shuffle=False):
        share = len(batch.y) / task.n_rows
        value += share * evaluate(batch._replace(total=task.n_rows), None)
        total += share * gradient
    return value, total


def _added(sums: list[tuple[float, np.ndarray]]) -> tuple[float, np.ndarray]:
    values, gradients = zip(*sums, strict=True)
    return sum(values), np.sum(gradients, axis=0)


def _estimator(reader: SimpleNamespace) -> Any:
    estimator = object.__new__(reader.type)
    vars(estimator).update(reader.attributes)
    return estimator
