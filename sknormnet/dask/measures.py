"""What is measured on partitions, and put together for all rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import ClassifierMixin

from sknormnet._dataclasses import dataclass
from sknormnet.estimators.precision import weighted_mean_and_std
from sknormnet.estimators.prepared import PreparedFit
from sknormnet.estimators.rows import NEGLIGIBLE, Rows
from sknormnet.inputs import measures
from sknormnet.inputs.encoder import InputEncoder
from sknormnet.inputs.scales import Scales, measure_scales, pooled, without_rounding
from sknormnet.nn.losses import Loss


@dataclass(frozen=True)
class Reader:
    """An estimator in the middle of its fit, when it cannot be pickled. It reads partitions.

    Attributes
    ----------
    kind : type
    attributes : dict
    weight_unit : float
        The mean sample weight of all rows.
    """

    kind: type
    attributes: dict[str, Any]
    weight_unit: float

    @classmethod
    def of(cls, fitted: Any, weight_unit: float) -> Self:
        """Return the reader with the attributes that an estimator has now."""
        return cls(type(fitted), dict(vars(fitted)), weight_unit)

    def rows(self, X: Any, y: Any, sample_weight: Any) -> tuple[Rows, Loss]:
        """Return a partition's rows that count among all rows, with weights in their unit."""
        estimator: Any = object.__new__(self.kind)
        vars(estimator).update(self.attributes)
        rows, loss, _ = estimator._validated_rows(X, y, sample_weight)
        if rows.weight is None:
            return rows, loss
        weight = rows.weight * (rows.weight_unit / self.weight_unit)
        counts = weight >= NEGLIGIBLE
        numbers = None if counts.all() else np.flatnonzero(counts)
        return replace(rows, weight=weight, weight_unit=1.0, numbers=numbers), loss


class Measured(NamedTuple):
    """What is measured on a partition.

    Attributes
    ----------
    n_rows : int
    weight : float
        The sum of the sample weights.
    scales : Scales
        Of the numeric columns.
    largest : float
        The largest absolute value of X.
    mean, std : ndarray of shape (n_targets,)
        Moments of the targets of a regressor.
    targets, counts : ndarray
        The encoded targets of a classifier, each once, and the sums of their weights.
    """

    n_rows: int
    weight: float
    scales: Scales
    largest: float
    mean: Any = None
    std: Any = None
    targets: Any = None
    counts: Any = None


def measure(reader: Reader, X: Any, y: Any, sample_weight: Any) -> Measured:
    """Measure a partition as the encoder and the targets of the reader need it."""
    encoder = reader.attributes["_inputs"]
    rows, _ = reader.rows(X, y, sample_weight)
    columns = None if encoder.categorical is None else np.array(encoder.numeric_columns, int)
    numeric = encoder.numeric
    scales = measure_scales(
        measures.WeightedRows(rows.X, rows.numbers, rows.weight),
        columns,
        method=numeric.method,
        dtype=numeric.dtype,
    )
    target, weight = rows.of(rows.target), rows.of(rows.weight)
    total = len(rows) if weight is None else float(weight.sum())
    scales = scales._replace(n_seen=scales.n_seen * (total / len(rows)))  # they weigh so much
    found = Measured(len(rows), total, scales, rows.largest_input)
    if issubclass(reader.kind, ClassifierMixin):
        targets, numbers = np.unique(target, axis=0, return_inverse=True)
        return found._replace(targets=targets, counts=np.bincount(numbers.ravel(), weight))
    mean, std = weighted_mean_and_std(target, weight)
    return found._replace(mean=mean, std=std)


def classes_of_all(sample: PreparedFit, measured: Sequence[Measured]) -> tuple[tuple, None]:
    """Return the encoded targets of all rows, with their weights; they are not standardized."""
    targets = np.concatenate([x.targets for x in measured])
    return (targets, np.concatenate([x.counts for x in measured]).astype(float)), None


def targets_of_all(sample: PreparedFit, measured: Sequence[Measured]) -> tuple[tuple, tuple]:
    """Return targets with the moments of those of all rows, and how targets are standardized.

    The targets are those of the sample, shifted and scaled, with the weights of the sample.
    """
    weights, means, stds = (
        np.array([getattr(x, name) for x in measured]) for name in ("weight", "mean", "std")
    )
    mean = np.average(means, axis=0, weights=weights)
    std = np.sqrt(np.average(stds**2 + (means - mean) ** 2, axis=0, weights=weights))
    std = without_rounding(std, np.abs(mean), std.dtype)
    target, weight = sample.rows.of(sample.rows.target), sample.rows.of(sample.rows.weight)
    of_sample = weighted_mean_and_std(target, weight)
    if sample.settings.target.standardize_target and sample.loss.allows_shift_and_scale:
        return (target, weight), (mean, np.where(std > 0, std, 1.0))
    unit = np.where(of_sample[1] > 0, of_sample[1], 1.0)
    return ((target - of_sample[0]) / unit * std + mean, weight), sample.target_scaling


def size_of_all(measured: Sequence[Measured]) -> tuple[Any, Any]:
    """Return the number of all rows, and their weight."""
    return sum(x.n_rows for x in measured), sum(x.weight for x in measured)


def encoder_of_all(encoder: InputEncoder, measured: Sequence[Measured]) -> InputEncoder:
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
    n_rows, weight = size_of_all(measured)
    numeric = replace(numeric, n_seen=numeric.n_seen * (n_rows / weight))
    return replace(encoder, numeric=numeric)
