"""Ensembles that choose: networks with several settings, each trained without one fold.

Each setting is trained once for each fold, on the rows outside of it. The fold decides which
epoch of the network is kept. Together, the networks of a setting predict all rows out of fold,
and these predictions decide how much the setting weighs. All networks are trained as stacks.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone, is_classifier
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sknormnet.estimators._sklearn import fit_context
from sknormnet.estimators.base import BaseNormNet, working_copy
from sknormnet.estimators.classifier import NormNetClassifier
from sknormnet.estimators.columns import ValidatedTable, validate_table
from sknormnet.estimators.regression_scores import d_squared, r_squared
from sknormnet.estimators.regressor import NormNetRegressor
from sknormnet.estimators.rows import Rows
from sknormnet.estimators.settings import Call, resolve
from sknormnet.training.stacks import train

Score = Callable[[np.ndarray], float]  # weights of the candidates -> score; higher is better

# What the networks differ in by default. Dropout and weight decay make a network cautious where
# the targets are noisy. Without both, it is more accurate where they are not.
CANDIDATES: list[dict[str, Any]] = [
    {"input_bins": 12, "bin_strategy": "tree", "keep_prob": 1.0, "weight_decay": 1.0},
    {"input_bins": 6, "bin_strategy": "quantile", "keep_prob": 0.8, "weight_decay": 1.0},
    {"input_bins": 6, "bin_strategy": "tree", "keep_prob": 0.65, "weight_decay": 3.0},
]
FEW_ROWS = 100  # with fewer rows, none are held out
SEEDS = np.iinfo(np.int32).max
MOST_STEPS = 20  # of the greedy choice: no weight is below 1 / 20


@dataclass(frozen=True)
class OutOfFold:
    """Predictions for training rows by networks that were not trained on them.

    Attributes
    ----------
    numbers : ndarray of int of shape (n_predicted,)
        The rows that are in a fold.
    responses : ndarray of shape (n_candidates, n_predicted, ...)
        The predictions of each candidate. A row in several folds has their mean.
    y : {ndarray, sparse matrix} of shape (n_predicted,) or (n_predicted, n_outputs)
    weight : ndarray of shape (n_predicted,) or None
    n_rows : int
        Number of all training rows.
    """

    numbers: np.ndarray
    responses: np.ndarray
    y: Any
    weight: np.ndarray | None
    n_rows: int

    def mean(self, weights: np.ndarray) -> np.ndarray:
        """Return the weighted mean over the candidates."""
        return np.tensordot(weights, self.responses, 1)

    def of_all_rows(self, predicted: np.ndarray) -> np.ndarray:
        """Return predictions with NaN for the rows that are in no fold."""
        found = np.full((self.n_rows, *predicted.shape[1:]), np.nan)
        found[self.numbers] = predicted
        return found


class BaseEnsemble(BaseEstimator, ABC):
    """Base of the ensembles; use those instead."""

    _network: ClassVar[type[BaseNormNet]]
    _of_networks: ClassVar[dict[str, Any]] = {}  # parameters of a network that is not given

    _parameter_constraints: dict = {
        "estimator": [BaseNormNet, None],
        "candidates": ["array-like", None],
        "cv": ["cv_object"],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator=None, *, candidates=None, cv=4, random_state=None):
        self.estimator = estimator
        self.candidates = candidates
        self.cv = cv
        self.random_state = random_state

    # ------------------------------------------------------ for the leaf classes to fill

    @staticmethod
    @abstractmethod
    def _respond(member, X) -> np.ndarray:
        """Return the predictions of a member of which the ensemble is the mean."""

    @abstractmethod
    def _scorer(self, reader: BaseNormNet, out_of_fold: OutOfFold) -> Score:
        """Return what scores the weighted mean of the candidates' predictions."""

    @abstractmethod
    def _set_out_of_fold(self, reader: BaseNormNet, out_of_fold: OutOfFold | None) -> None:
        """Set the attributes that come from the ensemble's own out-of-fold predictions."""

    # -------------------------------------------------------------------------- fitting

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, groups=None) -> Self:
        """Train the networks, and choose how much each setting weighs.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs: all that the networks take, tables with categories and missing values
            too.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in training and in the choice.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group are in one fold.

        Returns
        -------
        self : object
            The fitted ensemble.
        """
        with working_copy(self) as copied:
            copied._fit(X, y, sample_weight, groups)
        return self

    def _fit(self, X, y, sample_weight, groups) -> None:
        reader, rows = self._read(X, y, sample_weight)
        candidates = self._chosen_candidates(rows)
        rng = check_random_state(self.random_state)
        folds = self._folds(rows, groups, rng)
        if folds[0] is not None and reader.scoring is None:
            reader.set_params(scoring="loss")
        members = [
            [clone(reader).set_params(**candidate, random_state=rng.randint(SEEDS)) for _ in folds]
            for candidate in candidates
        ]
        table = ValidatedTable(reader._columns, rows.X)
        fits = [
            member._prepare_fit(table, y, sample_weight, fold=fold)
            for of_candidate in members
            for member, fold in zip(of_candidate, folds, strict=True)
        ]
        train([trainer for fit in fits for trainer in fit.trainers])
        for member, fit in zip((m for ms in members for m in ms), fits, strict=True):
            member._finish(fit)
            vars(member).update(self._names)
        self._choose(reader, rows, candidates, members, folds)

    def _read(self, X, y, sample_weight) -> tuple[BaseNormNet, Rows]:
        """Return an unfitted network that has read the columns and classes, and the rows."""
        given = self.estimator
        if not isinstance(given, (self._network, type(None))):
            raise ValueError(
                f"The 'estimator' parameter of {type(self).__name__} must be a"
                f" {self._network.__name__} or None. Got {given!r} instead."
            )
        reader = self._network(**self._of_networks) if given is None else clone(given)
        reader._validate_params()
        settings = resolve(reader, Call.FRESH)
        rows, *_ = reader._validate(X, y, sample_weight, settings, Call.FRESH)
        names = "n_features_in_", "feature_names_in_", "classes_"
        self.__dict__.pop("feature_names_in_", None)
        self._names = {name: vars(reader)[name] for name in names if name in vars(reader)}
        self.__dict__.update(self._names)
        return reader, rows

    def _chosen_candidates(self, rows: Rows) -> list[dict[str, Any]]:
        if self.candidates is not None:
            return [dict(candidate) for candidate in self._checked_candidates()]
        unused = set()
        if len(rows) < FEW_ROWS:
            unused |= {"keep_prob"}  # "auto" is no dropout for so few rows
        if issparse(rows.X):
            unused |= {"input_bins", "bin_strategy"}
        return [{k: x for k, x in one.items() if k not in unused} for one in CANDIDATES]

    def _checked_candidates(self) -> list[dict[str, Any]]:
        found = [*self.candidates]
        if found and all(isinstance(candidate, dict) for candidate in found):
            return found
        raise ValueError(
            "candidates must be a list of at least one dict of parameters."
            f" Got {self.candidates!r} instead."
        )

    def _folds(self, rows: Rows, groups, rng) -> list[np.ndarray | None]:
        """Return the rows of each fold; None stands for no held-out rows."""
        n_rows = rows.X.shape[0]
        used = np.arange(n_rows) if rows.numbers is None else rows.numbers
        if not isinstance(self.cv, Integral):
            splits = check_cv(self.cv).split(np.zeros(n_rows), rows.y, groups)
            return [np.intersect1d(held_out, used) for _, held_out in splits]
        if len(used) < FEW_ROWS:
            return [None]
        y, groups = rows.y[used], None if groups is None else np.asarray(groups)[used]
        with warnings.catch_warnings():  # of classes with fewer rows than folds
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            splits = self._splitter(y, groups, rng.randint(SEEDS)).split(used, y, groups)
            return [used[held_out] for _, held_out in splits]

    def _splitter(self, y, groups, seed: int) -> Any:
        stratified = is_classifier(self) and y.ndim == 1
        if groups is not None:
            kind: Any = StratifiedGroupKFold if stratified else GroupKFold
        else:
            kind = StratifiedKFold if stratified else KFold
        return kind(self.cv, shuffle=True, random_state=seed)

    # ------------------------------------------------------------------------ the choice

    def _choose(self, reader, rows: Rows, candidates, members, folds) -> None:
        """Weigh the candidates by their out-of-fold predictions, and keep those that count."""
        n_candidates = len(candidates)
        weights, scores = np.full(n_candidates, 1 / n_candidates), np.full(n_candidates, np.nan)
        out_of_fold = None
        if folds[0] is not None:
            out_of_fold = self._out_of_fold(reader, rows, members, folds)
            score = self._scorer(reader, out_of_fold)
            weights = chosen_weights(score, n_candidates)
            scores = np.array([score(one) for one in np.eye(n_candidates)])
        self.candidates_ = candidates
        self.candidate_weights_, self.candidate_scores_ = weights, scores
        kept = [(w / len(ms), ms) for w, ms in zip(weights, members, strict=True) if w > 0]
        self.estimators_ = [member for _, ms in kept for member in ms]
        self.estimator_weights_ = np.concatenate([np.full(len(ms), w) for w, ms in kept])
        self._set_out_of_fold(reader, out_of_fold)

    def _out_of_fold(self, reader, rows: Rows, members, folds) -> OutOfFold:
        n_folds = np.bincount(np.concatenate(folds), minlength=rows.X.shape[0])
        numbers, place = np.flatnonzero(n_folds), np.cumsum(n_folds > 0) - 1
        responses: Any = None
        for candidate, of_candidate in enumerate(members):
            for member, fold in zip(of_candidate, folds, strict=True):
                found = self._respond(member, ValidatedTable(reader._columns, rows.X[fold]))
                if responses is None:
                    responses = np.zeros((len(members), len(numbers), *found.shape[1:]))
                responses[candidate, place[fold]] += found
        responses /= n_folds[numbers].reshape(-1, *[1] * (responses.ndim - 2))
        weight = None if rows.weight is None else rows.weight[numbers]
        return OutOfFold(numbers, responses, rows.y[numbers], weight, len(n_folds))

    # ------------------------------------------------------------------------ prediction

    def _mean(self, X) -> np.ndarray:
        """Return the weighted mean of the members' predictions."""
        check_is_fitted(self)
        table = self._table(X)
        mean: Any = 0.0
        for weight, member in zip(self.estimator_weights_, self.estimators_, strict=True):
            response = self._respond(member, table)
            mean = mean + weight * response.astype(np.float64)
        return mean.astype(response.dtype, copy=False)

    def _mean_and_std(self, X) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted mean of the members' predictions, and their standard deviation."""
        table, mean, square = self._table(X), self._mean(X), 0.0
        for weight, member in zip(self.estimator_weights_, self.estimators_, strict=True):
            square = square + weight * (self._respond(member, table) - mean) ** 2
        return mean, np.sqrt(square).astype(mean.dtype, copy=False)

    def _table(self, X) -> ValidatedTable:
        """Return X, validated once for all members."""
        columns = self.estimators_[0]._columns
        return ValidatedTable(columns, validate_table(self, X, columns))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags


def ensemble_of(network: type[BaseNormNet], parameters: dict[str, Any]) -> BaseEnsemble:
    """Return an ensemble of networks of a class; see `BaseNormNet.for_accuracy`."""
    is_classification = issubclass(network, ClassifierMixin)
    ensemble = NormNetEnsembleClassifier if is_classification else NormNetEnsembleRegressor
    own = {name: x for name, x in parameters.items() if name in ensemble._parameter_constraints}
    of_network = {name: x for name, x in parameters.items() if name not in own}
    estimator = network(**ensemble._of_networks | of_network) if of_network else None
    return ensemble(estimator, **own)


def probability_of(y, p: np.ndarray, classes) -> np.ndarray:
    """Return the probabilities of what is true.

    Parameters
    ----------
    y : {ndarray, sparse matrix} of shape (n_rows,), or (n_rows, n_labels) for several labels
    p : ndarray of shape (..., n_rows, n_classes or n_labels)
    classes : ndarray of shape (n_classes,) or (n_labels,)

    Returns
    -------
    p_true : ndarray of shape (..., n_rows) or (..., n_rows, n_labels)
    """
    if y.ndim == 1:
        return p[..., np.arange(len(y)), np.searchsorted(classes, y)]
    return np.where((y.toarray() if issparse(y) else y) > 0, p, 1 - p)


def mean_log(p: np.ndarray, weight: np.ndarray | None) -> float:
    """Return the mean logarithm of probabilities, the negative log loss."""
    return float(np.average(np.log(p), axis=0, weights=weight).mean())


def tempered(p: np.ndarray, temperature: float, *, multilabel: bool) -> np.ndarray:
    """Return probabilities whose log odds are divided by the temperature.

    References
    ----------
    Guo et al. (2017), "On calibration of modern neural networks", arXiv 1706.04599.
    """
    if temperature == 1:
        return p
    with np.errstate(divide="ignore"):  # 1 - p may be 0
        other = np.log1p(-p) if multilabel else 0.0
    log_odds = (np.log(p) - other) / temperature
    q = expit(log_odds) if multilabel else softmax(log_odds, axis=-1)
    limits = np.finfo(p.dtype)
    return np.clip(q, limits.smallest_subnormal, 1 - limits.epsneg if multilabel else 1)


def chosen_weights(score: Score, n_candidates: int) -> np.ndarray:
    """Choose weights greedily: add the candidate that helps most, again and again.

    Parameters
    ----------
    score : Score
    n_candidates : int

    Returns
    -------
    weights : ndarray of shape (n_candidates,)
        Multiples of one number that sum to 1.

    References
    ----------
    Caruana, Niculescu-Mizil, Crew and Ksikes (2004), "Ensemble selection from libraries of
    models", ICML.
    """
    counts, best, best_score = np.zeros(n_candidates), np.zeros(n_candidates), -np.inf
    for _ in range(MOST_STEPS):
        trials = counts + np.eye(n_candidates)
        scores = [score(trial / trial.sum()) for trial in trials]
        counts = trials[int(np.argmax(scores))]
        if max(scores) > best_score:
            best, best_score = counts, max(scores)
    return best / best.sum()


class NormNetEnsembleClassifier(ClassifierMixin, BaseEnsemble):
    """Classifier that averages networks of several settings, chosen on held-out rows.

    Each candidate, a setting of the network's parameters, is trained once for each fold, on the
    rows outside of the fold. Each network keeps the epoch with the smallest loss on its fold.
    The predictions for the held-out rows decide how much a candidate weighs: starting from none,
    the candidate that decreases their log loss most is added, again and again [1]_. The ensemble
    predicts the weighted mean of the probabilities of all networks.

    Parameters
    ----------
    estimator : NormNetClassifier, default=None
        The network, with parameters that all candidates share. None stands for
        ``NormNetClassifier()``.

    candidates : list of dict, default=None
        Parameters that the candidates set. None stands for{candidates}

    cv : int, cross-validation splitter or iterable, default=4
        The folds. An integer is the number of folds, shuffled and stratified by class. With
        fewer than 100 rows, an integer has no effect: all networks are trained on all rows, and
        all candidates weigh the same.

    random_state : int, RandomState instance or None, default=None
        Seeds the folds and the networks. Pass an int for reproducible results.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,) or list of ndarray
        Class labels.

    candidates_ : list of dict
        The candidates.

    candidate_weights_ : ndarray of shape (n_candidates,)
        Weights of the candidates; they sum to 1.

    candidate_scores_ : ndarray of shape (n_candidates,)
        Negative log loss of each candidate on the held-out rows. NaN if no rows were held out.

    estimators_ : list of NormNetClassifier
        The networks of the candidates that weigh more than 0, fold by fold.

    estimator_weights_ : ndarray of shape (n_estimators,)
        Weights of the networks; they sum to 1.

    temperature_ : float
        What log probabilities are divided by before they are normalized again [2]_; chosen for
        the smallest log loss on the held-out rows. 1 if no rows were held out.

    oof_proba_ : ndarray of shape (n_samples, n_classes) or None
        Probabilities of each training row, predicted by the networks that were not trained on it
        (out of fold). NaN for rows that are in no fold. None if no rows were held out.

    oof_score_ : float
        Negative log loss of `oof_proba_`: an estimate of that on new rows.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Only defined if X has feature names that are all
        strings.

    See Also
    --------
    NormNetClassifier : A single network.
    NormNetEnsembleRegressor : The same for regression.

    References
    ----------
    .. [1] Caruana, Niculescu-Mizil, Crew and Ksikes (2004), "Ensemble selection from libraries of
       models", ICML.
    .. [2] Guo et al. (2017), "On calibration of modern neural networks", arXiv 1706.04599.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from sknormnet import NormNetEnsembleClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = NormNetEnsembleClassifier(random_state=0).fit(X_train, y_train)
    >>> print(f"accuracy {model.score(X_test, y_test):.2f}")
    accuracy 0.9...
    """

    _network = NormNetClassifier
    _of_networks = {"label_smoothing": 0.0}

    @staticmethod
    def _respond(member, X):
        return member.predict_proba(X)

    def _scorer(self, reader, out_of_fold):
        of_truth = probability_of(out_of_fold.y, out_of_fold.responses, reader.classes_)

        def score(weights: np.ndarray) -> float:
            return mean_log(np.tensordot(weights, of_truth, 1), out_of_fold.weight)

        return score

    def _set_out_of_fold(self, reader, out_of_fold):
        self.temperature_, self.oof_proba_, self.oof_score_ = 1.0, None, np.nan
        if out_of_fold is None:
            return
        p = out_of_fold.mean(self.candidate_weights_)

        def score(log_temperature: float) -> float:
            q = tempered(p, np.exp(log_temperature), multilabel=self._is_multilabel)
            q = probability_of(out_of_fold.y, q, self.classes_)
            return mean_log(q, out_of_fold.weight)

        found = minimize_scalar(lambda x: -score(x), bounds=(-1, 1), method="bounded")
        self.temperature_, self.oof_score_ = float(np.exp(found.x)), score(found.x)
        p = tempered(p, self.temperature_, multilabel=self._is_multilabel)
        self.oof_proba_ = out_of_fold.of_all_rows(p)

    def predict_proba(self, X) -> np.ndarray:
        """Predict probabilities: the weighted mean of those of the networks.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Probability of each class, in the order of `classes_`, or of each label.
        """
        p = self._mean(X)
        return tempered(p, self.temperature_, multilabel=self._is_multilabel)

    def predict_log_proba(self, X) -> np.ndarray:
        """Predict the natural logarithms of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            Finite, since probabilities are never exactly 0.
        """
        return np.log(self.predict_proba(X))

    def predict(self, X) -> np.ndarray:
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable class of each row. For multilabel targets, an indicator matrix of
            the labels with a probability above 0.5.
        """
        p = self.predict_proba(X)
        if self._is_multilabel:
            return (p > 0.5).astype(int)
        return self.classes_[p.argmax(axis=1)]

    @property
    def _is_multilabel(self) -> bool:
        return self.estimators_[0]._is_multilabel

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class NormNetEnsembleRegressor(RegressorMixin, BaseEnsemble):
    """Regressor that averages networks of several settings, chosen on held-out rows.

    Each candidate, a setting of the network's parameters, is trained once for each fold, on the
    rows outside of the fold. Each network keeps the epoch with the smallest loss on its fold.
    The predictions for the held-out rows decide how much a candidate weighs: starting from none,
    the candidate that improves their score most is added, again and again [1]_. The ensemble
    predicts the weighted mean of the predictions of all networks.

    Parameters
    ----------
    estimator : NormNetRegressor, default=None
        The network, with parameters that all candidates share. None stands for
        ``NormNetRegressor()``.

    candidates : list of dict, default=None
        Parameters that the candidates set. None stands for the default candidates, which
        differ in regularization and in how the inputs are encoded.

    cv : int, cross-validation splitter or iterable, default=4
        The folds. An integer is the number of folds, shuffled. With fewer than 100 rows, an
        integer has no effect: all networks are trained on all rows, and all candidates weigh the
        same.

    random_state : int, RandomState instance or None, default=None
        Seeds the folds and the networks. Pass an int for reproducible results.

    Attributes
    ----------
    candidates_ : list of dict
        The candidates.

    candidate_weights_ : ndarray of shape (n_candidates,)
        Weights of the candidates; they sum to 1.

    candidate_scores_ : ndarray of shape (n_candidates,)
        Score of each candidate on the held-out rows: the share of the networks' `loss` that it
        explains, which is R squared for the squared error. NaN if no rows were held out.

    estimators_ : list of NormNetRegressor
        The networks of the candidates that weigh more than 0, fold by fold.

    estimator_weights_ : ndarray of shape (n_estimators,)
        Weights of the networks; they sum to 1.

    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs), or None
        Predictions for each training row by the networks that were not trained on it (out of
        fold). NaN for rows that are in no fold. None if no rows were held out.

    oof_score_ : float
        Score of `oof_prediction_`: an estimate of that on new rows.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Only defined if X has feature names that are all
        strings.

    See Also
    --------
    NormNetRegressor : A single network.
    NormNetEnsembleClassifier : The same for classification.

    References
    ----------
    .. [1] Caruana, Niculescu-Mizil, Crew and Ksikes (2004), "Ensemble selection from libraries of
       models", ICML.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.model_selection import train_test_split
    >>> from sknormnet import NormNetEnsembleRegressor
    >>> X, y = make_friedman1(n_samples=1000, random_state=0)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = NormNetEnsembleRegressor(random_state=0).fit(X_train, y_train)
    >>> print(f"R squared {model.score(X_test, y_test):.2f}")
    R squared 0.99
    """

    _network = NormNetRegressor

    @staticmethod
    def _respond(member, X):
        return member.predict(X)

    def _scorer(self, reader, out_of_fold):
        loss = reader._loss_with(resolve(reader, Call.FRESH).target)

        def score(weights: np.ndarray) -> float:
            return d_squared(out_of_fold.y, out_of_fold.mean(weights), loss, out_of_fold.weight)

        return score

    def _set_out_of_fold(self, reader, out_of_fold):
        self.oof_prediction_, self.oof_score_ = None, np.nan
        if out_of_fold is not None:
            self.oof_score_ = self._scorer(reader, out_of_fold)(self.candidate_weights_)
            predicted = out_of_fold.mean(self.candidate_weights_)
            self.oof_prediction_ = out_of_fold.of_all_rows(predicted)

    def predict(self, X, return_std=False):
        """Predict targets: the weighted mean of the networks' predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.
        return_std : bool, default=False
            Whether to return the weighted standard deviation over the networks too.

        Returns
        -------
        y : ndarray of shape (n_samples,), (n_samples, n_outputs) or (n_samples, n_quantiles)
            Predicted means, medians or quantiles, depending on the networks' `loss`.
        y_std : ndarray of the same shape
            Standard deviation of each prediction. Only if ``return_std=True``.
        """
        return self._mean_and_std(X) if return_std else self._mean(X)

    def score(self, X, y, sample_weight=None) -> float:
        """Return R squared or, for several quantiles, the mean of D squared over the quantiles.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            The score.
        """
        return r_squared(y, self.predict(X), self.estimators_[0]._loss, sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
