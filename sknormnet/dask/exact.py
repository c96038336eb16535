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
    targets_of_all,
)
from sknormnet.dask.partitions import Partition, evenly_spaced, partitions_of, with_rows
from sknormnet.dask.sums import PartitionsTrainer
from sknormnet.estimators.base import NO_VALIDATION, BaseNormNet, working_copy
from sknormnet.estimators.prepared import Inputs, PreparedFit
from sknormnet.estimators.settings import Call
from sknormnet.inputs.measures import SAMPLE_ROWS

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


def _prepared_for_all(
    fitted: Any, sample: PreparedFit, partitions: list[Partition], n_rows: int
) -> PreparedFit:
    """Return the fit of all rows, from one that was prepared on a sample of them."""
    vars(fitted).update(fitted._attributes_of(sample))
    reader = delayed(Reader.of(fitted))
    measured = dask.compute(*[delayed(measure)(reader, X, y) for X, y in partitions])
    encoder = encoder_of_all(sample.inputs.encoder, measured)
    of_all = classes_of_all if is_classifier(fitted) else targets_of_all
    (targets, counts), scaling = of_all(sample, measured)
    prepared = replace(
        sample, inputs=Inputs(encoder, None), target_scaling=scaling, trainers=[], validations=[]
    )
    prepared.largest_input = encoder.bound(max(x.largest for x in measured))
    vars(fitted).update(fitted._attributes_of(prepared))
    kind = partial(PartitionsTrainer, partitions, n_rows, Reader.of(fitted))
    for trainer in sample.trainers:
        trainer.network.set_output_bias(sample.loss.baseline(targets, counts, sample.n_outputs))
        prepared.add_trainer(trainer.network, trainer.state, None, member=trainer.member, kind=kind)
    return prepared
