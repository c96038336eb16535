"""Exact training on partitions: the objective of L-BFGS is a sum over them."""

from dataclasses import replace
from functools import partial
from typing import Any

import dask
from dask.delayed import delayed
from sklearn.base import is_classifier

from sknormnet.dask.measures import (
    Reader,
    classes_of_all,
    encoder_of_all,
    measure,
    size_of_all,
    targets_of_all,
)
from sknormnet.dask.partitions import (
    Partition,
    check_network,
    evenly_spaced,
    partitions_of,
    with_rows,
)
from sknormnet.dask.sums import PartitionsTrainer
from sknormnet.estimators.base import NO_VALIDATION, working_copy
from sknormnet.estimators.prepared import Inputs, PreparedFit
from sknormnet.estimators.settings import Call
from sknormnet.inputs.measures import SAMPLE_ROWS

NEEDED = {"solver": "lbfgs", "batchnorm": False, "class_weight": None}
NEEDED |= {"warm_start": False, "checkpoint": None}


def fit(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:
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
        The inputs. Each evaluation reads them again, unless they are persisted.
    y : Dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_outputs)
        The targets, in as many partitions as X.
    sample_weight : Dask array or Series of shape (n_samples,), default=None
        Weights of the rows, in as many partitions as X, with the meaning of those of
        `estimator.fit`.

    Returns
    -------
    estimator : NormNetClassifier or NormNetRegressor
        The same object, fitted.

    Raises
    ------
    TypeError
        If X, y or sample_weight are not of Dask.
    ValueError
        If a parameter or the data are invalid.

    Notes
    -----
    Means and standard deviations are those of all rows. Medians, quartiles, bins, levels of
    categorical columns and indicators of missing values are those of 10,000 evenly spaced rows.
    `estimator.fit` takes levels and indicators from all rows. To have all levels here, too, set
    `categories`, or give the columns a categorical dtype.

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
    partitions, sizes = with_rows(partitions_of(X, y, sample_weight))
    with working_copy(estimator) as fitted:
        fitted._validate_params()
        with_classes = is_classifier(estimator) and (y.ndim == 1 or y.shape[1] == 1)
        sample = evenly_spaced(partitions, sizes.n_rows, SAMPLE_ROWS, with_classes=with_classes)
        prepared = fitted._prepare(*sample, NO_VALIDATION, call=Call.FRESH)
        prepared = _prepared_for_all(fitted, prepared, partitions, sizes.unit)
        for trainer in prepared.trainers:
            trainer.fit()
        fitted._finish(prepared)
    return estimator


def _check_exact(estimator: Any) -> None:
    check_network(estimator)
    for name, needed in NEEDED.items():
        value = getattr(estimator, name, needed)
        if value != needed:
            raise ValueError(
                f"The {name!r} parameter of {type(estimator).__name__} must be {needed!r} in"
                f" sknormnet.dask.fit. Got {value!r} instead. Other networks are trained on"
                " partitions by sknormnet.dask.partial_fit and sknormnet.dask.fit_each."
            )


def _prepared_for_all(
    fitted: Any, sample: PreparedFit, partitions: list[Partition], weight_unit: float
) -> PreparedFit:
    """Return the fit of all rows, from one that was prepared on a sample of them."""
    vars(fitted).update(fitted._attributes_of(sample), _target_scaling=None)
    reader = delayed(Reader.of(fitted, weight_unit))
    measured = dask.compute(*[delayed(measure)(reader, *rows) for rows in partitions])
    encoder = encoder_of_all(sample.inputs.encoder, measured)
    of_all = classes_of_all if is_classifier(fitted) else targets_of_all
    (targets, weights), scaling = of_all(sample, measured)
    prepared = replace(
        sample, inputs=Inputs(encoder, None), target_scaling=scaling, trainers=[], validations=[]
    )
    prepared.largest_input = encoder.bound(max(x.largest for x in measured))
    vars(fitted).update(fitted._attributes_of(prepared))
    kind = partial(
        PartitionsTrainer, partitions, *size_of_all(measured), Reader.of(fitted, weight_unit)
    )
    raw = sample.loss.baseline(targets, weights, sample.n_outputs)
    for trainer in sample.trainers:
        trainer.network.set_output_bias(raw)
        prepared.add_trainer(trainer.network, trainer.state, None, kind=kind)
    return prepared
