"""Training on one partition after the other, and of one network on each."""

import copy
from typing import Any

import dask
import numpy as np
from dask.delayed import delayed
from sklearn.base import clone, is_classifier

from sknormnet.dask.partitions import check_network, check_rows, partitions_of, with_rows
from sknormnet.estimators.ensembles.base import SEEDS
from sknormnet.estimators.ensembles.state import shared
from sknormnet.estimators.starts import drawn_seed


def partial_fit(
    estimator: Any, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
) -> Any:
    """Call ``partial_fit`` with each partition, in order.

    The estimator goes from partition to partition, and not the rows to it. While it is trained on
    one, other workers can read the next.

    Parameters
    ----------
    estimator : estimator with ``partial_fit``
    X : Dask array or DataFrame of shape (n_samples, n_features)
        The inputs.
    y : Dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_outputs)
        The targets, in as many partitions as X.
    sample_weight : Dask array or Series of shape (n_samples,), default=None
        Weights of the rows, in as many partitions as X. As in any call of `partial_fit`, a weight
        counts relative to the mean of its partition. Partitions whose weights are all 0 are left
        out.
    classes : array-like of shape (n_classes,), default=None
        For a classifier, all classes, in the first call.

    Returns
    -------
    estimator : estimator
        The same object, trained once on each row. It is the same as after `partial_fit` calls
        with the partitions on this machine.

    Examples
    --------
    >>> import dask.array as da
    >>> from sknormnet import NormNetClassifier
    >>> from sknormnet.dask import partial_fit
    >>> X = da.random.default_rng(0).normal(size=(2000, 3), chunks=(500, 3))
    >>> model = NormNetClassifier(random_state=0)
    >>> model = partial_fit(model, X, X[:, 0] > 0, classes=[False, True])
    >>> model.t_
    2000
    """
    options = {} if classes is None else {"classes": np.asarray(classes)}
    trained = delayed((estimator, 0))
    for number, rows in enumerate(partitions_of(X, y, sample_weight)):
        trained = delayed(_partial_fit)(trained, number, *rows, options)
    fitted, n_calls = trained.compute()
    if not n_calls:
        above = "" if sample_weight is None else " with a sample_weight above 0"
        raise ValueError(f"X has no rows{above}.")
    vars(estimator).update(vars(fitted))
    return estimator


def _partial_fit(
    trained: tuple[Any, int], number: int, X: Any, y: Any, sample_weight: Any, options: dict
) -> tuple[Any, int]:
    """Return the estimator trained on a partition, and on how many so far."""
    check_rows(number, X, y, sample_weight)
    if not X.shape[0] or (sample_weight is not None and not np.any(sample_weight)):
        return trained
    estimator, n_calls = trained
    weight = {} if sample_weight is None else {"sample_weight": sample_weight}
    return copy.deepcopy(estimator).partial_fit(X, y, **weight, **options), n_calls + 1


def fit_each(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:
    """Fit a network on each partition, and return their mean.

    Nothing passes between the partitions, so this scales to any number of them. Each network sees
    its own rows only. So partitions must be alike: shuffle rows that are sorted by time or class.

    Parameters
    ----------
    estimator : NormNetClassifier or NormNetRegressor
        Stays unfitted.
    X : Dask array or DataFrame of shape (n_samples, n_features)
        The inputs.
    y : Dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_outputs)
        The targets, in as many partitions as X.
    sample_weight : Dask array or Series of shape (n_samples,), default=None
        Weights of the rows, in as many partitions as X. Partitions whose weights are all below
        a millionth of the mean are left out.

    Returns
    -------
    ensemble : NormNetEnsembleClassifier or NormNetEnsembleRegressor
        A network weighs as much as the rows of its partition.

    Raises
    ------
    TypeError
        If the estimator is not one network, or the data are not of Dask.
    ValueError
        If partitions have other classes or levels than the first.

    Examples
    --------
    >>> import dask.array as da
    >>> from sknormnet import NormNetRegressor
    >>> from sknormnet.dask import fit_each
    >>> X = da.random.default_rng(0).normal(size=(2000, 3), chunks=(500, 3))
    >>> ensemble = fit_each(NormNetRegressor(max_iter=5, random_state=0), X, X[:, 0])
    >>> len(ensemble.estimators_)
    4
    """
    check_network(estimator)
    partitions, sizes = with_rows(partitions_of(X, y, sample_weight))
    seeds = np.random.default_rng(drawn_seed(estimator.random_state)).integers(
        SEEDS, size=len(partitions)
    )
    networks = [clone(estimator).set_params(random_state=int(seed)) for seed in seeds]
    fits = zip(networks, partitions, strict=True)
    members = dask.compute(*[delayed(_fit)(network, *rows) for network, rows in fits])
    return _mean_of(estimator, list(members), sizes.weights / sizes.weights.sum())


def _fit(network: Any, X: Any, y: Any, sample_weight: Any) -> Any:
    return network.fit(X, y, sample_weight).without_training_state()


def _mean_of(estimator: Any, members: list[Any], weights: np.ndarray) -> Any:
    """Return the ensemble of fitted networks."""
    first = members[0]
    for number, member in enumerate(members):
        _check_alike(first, member, number)
    ensemble = type(estimator).for_accuracy().set_params(estimator=clone(estimator))
    vars(ensemble).update(shared(first))
    ensemble.candidates_, ensemble.candidate_weights_ = [{}], np.ones(1)
    ensemble.candidate_scores_ = np.full(1, np.nan)
    ensemble.estimators_, ensemble.estimator_weights_ = members, weights
    ensemble._set_out_of_fold(first, None, ensemble.candidate_weights_)
    return ensemble


def _check_alike(first: Any, member: Any, number: int) -> None:
    """Raise an error unless both networks read rows and name classes alike."""
    advice = "Shuffle the rows, or repartition them into fewer partitions."
    if is_classifier(first) and not np.array_equal(first.classes_, member.classes_):
        raise ValueError(
            f"All partitions must have the same classes. The first has {first.classes_.tolist()},"
            f" and number {number} has {member.classes_.tolist()}. {advice}"
        )
    if first._columns != member._columns:
        raise ValueError(
            f"All partitions must have the same levels, but number {number} differs from the"
            " first. Set the parameter categories, or give the columns a categorical dtype."
        )
