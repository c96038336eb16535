"""The base of both ensembles: the folds, the networks, the choice and the mean."""

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, clone, is_classifier
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
from sknormnet.estimators.architecture import FEW_ROWS
from sknormnet.estimators.base import BaseNormNet, working_copy
from sknormnet.estimators.columns import ValidatedTable, validate_table
from sknormnet.estimators.ensembles.choice import OutOfFold, Score, chosen_weights
from sknormnet.estimators.ensembles.race import train_candidates
from sknormnet.estimators.ensembles.state import OUT_OF_FOLD, attributes_of, saved, shared
from sknormnet.estimators.fingerprint import fingerprint_of
from sknormnet.estimators.intervals import ConformalMixin
from sknormnet.estimators.progress import progress_of
from sknormnet.estimators.rows import Rows
from sknormnet.estimators.saved_fit import SavedFit
from sknormnet.estimators.settings import Call, resolve, uses_minibatches
from sknormnet.estimators.state import restored

EPOCHS = 36  # of each network of the default candidates: as accurate as 40
# What all networks have by default. Their predictions are averaged, so averages of the weights of
# each bring nothing.
OF_ALL = {"max_iter": EPOCHS, "weight_averaging": 0.0}
# What the networks differ in by default. Dropout and coarse bins make a network cautious where the
# targets are noisy. Without both, it is more accurate where they are not.
CANDIDATES: list[dict[str, Any]] = [
    {
        "input_bins": 8,
        "bin_strategy": "tree",
        "keep_prob": 1.0,
        "weight_decay": 1.0,
        **OF_ALL,
    },
    {"input_bins": 6, "bin_strategy": "quantile", "input_frequencies": 0, **OF_ALL},
]
SEEDS = np.iinfo(np.int32).max


class BaseEnsemble(ConformalMixin, BaseEstimator, ABC):
    """Base of the ensembles; use those instead."""

    _network: ClassVar[type[BaseNormNet]]

    _parameter_constraints: dict = {
        "estimator": [BaseNormNet, None],
        "candidates": ["array-like", None],
        "cv": ["cv_object"],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator=None, *, candidates=None, cv=6, random_state=None):
        self.estimator = estimator
        self.candidates = candidates
        self.cv = cv
        self.random_state = random_state

    # ------------------------------------------------------ for the leaf classes to fill

    @abstractmethod
    def _scorer(self, reader: BaseNormNet, out_of_fold: OutOfFold) -> Score:
        """Return what scores the weighted mean of the candidates' predictions."""

    @abstractmethod
    def _set_out_of_fold(
        self, reader: BaseNormNet, out_of_fold: OutOfFold | None, weights: np.ndarray
    ) -> None:
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
        candidates = self._chosen_candidates(reader, rows)
        rng = check_random_state(self.random_state)
        folds = self._folds(rows, groups, rng)
        if folds[0] is not None and reader.scoring is None:
            reader.set_params(scoring="loss")
        checkpoint, reader.checkpoint = reader.checkpoint, None  # one for all networks
        members = [
            [clone(reader).set_params(**candidate, random_state=rng.randint(SEEDS)) for _ in folds]
            for candidate in candidates
        ]
        table = ValidatedTable(reader._columns, rows.X)
        others = {
            "the parameter random_state": [m.random_state for ms in members for m in ms],
            "the parameter candidates": candidates,
            "the folds": folds,
        }
        progress = progress_of(type(self).__name__, resolve(reader, Call.FRESH))
        together: dict[str, Any] = {"progress": progress, "shared": {}}
        fits = [
            [
                member._prepare_fit(table, y, sample_weight, fold=fold, **together)
                for member, fold in zip(of_candidate, folds, strict=True)
            ]
            for of_candidate in members
        ]
        trainers = [trainer for of_one in fits for fit in of_one for trainer in fit.trainers]
        saved = checkpoint and SavedFit(checkpoint, fingerprint_of(reader, rows, None, others))
        with progress:
            with saved.saving(trainers) if saved else nullcontext() as after_epoch:
                left = train_candidates(fits, after_epoch)
            for k in left:
                for member, fit in zip(members[k], fits[k], strict=True):
                    member._finish(fit)
                    vars(member).update(shared(self), _conformal=None)  # the ensemble's is enough
        self.candidates_ = candidates
        self._choose(reader, rows, left, [members[k] for k in left], folds)

    def _read(self, X, y, sample_weight) -> tuple[BaseNormNet, Rows]:
        """Return an unfitted network that has read the columns and classes, and the rows."""
        given = self.estimator
        if not isinstance(given, (self._network, type(None))):
            raise ValueError(
                f"The 'estimator' parameter of {type(self).__name__} must be a"
                f" {self._network.__name__} or None. Got {given!r} instead."
            )
        reader = self._network() if given is None else clone(given)
        reader._validate_params()
        settings = resolve(reader, Call.FRESH)
        rows, *_ = reader._validate(X, y, sample_weight, settings, Call.FRESH)
        self.__dict__.pop("feature_names_in_", None)
        self.__dict__.update(shared(reader))
        return reader, rows

    def _chosen_candidates(self, reader: BaseNormNet, rows: Rows) -> list[dict[str, Any]]:
        if self.candidates is not None:
            return [dict(candidate) for candidate in self._checked_candidates()]
        # What the caller has set on `estimator` is the same for all candidates.
        defaults, given = (x.get_params(deep=False) for x in (self._network(), reader))
        unused = {name for name, value in given.items() if repr(value) != repr(defaults[name])}
        if len(rows) < FEW_ROWS:
            unused |= {"keep_prob"}  # "auto" is no dropout for so few rows
        if issparse(rows.X):
            unused |= {"input_bins", "bin_strategy", "input_frequencies"}
        if not uses_minibatches(reader):
            unused |= {"max_iter"}
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
        if len(used) < FEW_ROWS:  # too few to hold any out
            return [None for _ in range(self.cv)]
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

    def _choose(self, reader, rows: Rows, left: list[int], members, folds) -> None:
        """Weigh the candidates that are left, and keep those that count."""
        n_left = len(left)
        weights, scores = np.full(n_left, 1 / n_left), np.full(n_left, np.nan)
        out_of_fold = None
        if folds[0] is not None:
            out_of_fold = self._out_of_fold(reader, rows, members, folds)
            score = self._scorer(reader, out_of_fold)
            weights = chosen_weights(score, n_left)
            scores = np.array([score(one) for one in np.eye(n_left)])
        n_candidates = len(self.candidates_)
        self.candidate_weights_ = np.zeros(n_candidates)
        self.candidate_scores_ = np.full(n_candidates, np.nan)
        self.candidate_weights_[left], self.candidate_scores_[left] = weights, scores
        kept = [(w / len(ms), ms) for w, ms in zip(weights, members, strict=True) if w > 0]
        self.estimators_ = [member for _, ms in kept for member in ms]
        self.estimator_weights_ = np.concatenate([np.full(len(ms), w) for w, ms in kept])
        self._conformal = None
        self._set_out_of_fold(reader, out_of_fold, weights)

    def _out_of_fold(self, reader, rows: Rows, members, folds) -> OutOfFold:
        n_folds = np.bincount(np.concatenate(folds), minlength=rows.X.shape[0])
        numbers, place = np.flatnonzero(n_folds), np.cumsum(n_folds > 0) - 1
        responses: Any = None
        for candidate, of_candidate in enumerate(members):
            for member, fold in zip(of_candidate, folds, strict=True):
                found = member._response(ValidatedTable(reader._columns, rows.X[fold]))
                if responses is None:
                    responses = np.zeros((len(members), len(numbers), *found.shape[1:]))
                responses[candidate, place[fold]] += found
        responses /= n_folds[numbers].reshape(-1, *[1] * (responses.ndim - 2))
        return OutOfFold(replace(rows, numbers=numbers), responses)

    def _checked_rows(self, X, y, sample_weight) -> Rows:
        return self.estimators_[0]._checked_rows(X, y, sample_weight)

    # ------------------------------------------------------------------------ prediction

    def _mean(self, X) -> np.ndarray:
        """Return the weighted mean of the members' predictions."""
        responses = self._responses(X)
        mean: Any = 0.0
        for weight, response in zip(self.estimator_weights_, responses, strict=True):
            mean = mean + weight * response.astype(np.float64)
        return mean.astype(response.dtype, copy=False)

    def _mean_and_std(self, X) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted mean of the members' predictions, and their standard deviation."""
        responses = np.stack([*self._responses(X)])
        mean = np.tensordot(self.estimator_weights_, responses, 1)
        square = np.tensordot(self.estimator_weights_, (responses - mean) ** 2, 1)
        return mean.astype(responses.dtype), np.sqrt(square).astype(responses.dtype)

    def _responses(self, X) -> Iterator[np.ndarray]:
        """Yield the predictions of one member after the other; X is validated once."""
        check_is_fitted(self)
        columns = self.estimators_[0]._columns
        table = ValidatedTable(columns, validate_table(self, X, columns))
        return (member._response(table) for member in self.estimators_)

    # ------------------------------------------------------------------------ saved state

    def without_training_state(self) -> Self:
        """Return a copy that keeps only what predictions need.

        Its networks lack the optimizer's state and the attributes with a value for each epoch.
        It lacks the out-of-fold predictions, but not their score.

        Returns
        -------
        copied : object
            A shallow copy with the same predictions.
        """
        check_is_fitted(self)
        copied = copy.copy(self)
        copied.estimators_ = [x.without_training_state() for x in self.estimators_]
        for name in OUT_OF_FOLD:
            copied.__dict__.pop(name, None)
        return copied

    def __sklearn_is_fitted__(self) -> bool:
        return "estimators_" in vars(self)

    def __getstate__(self) -> dict[str, Any]:
        attributes: Any = super().__getstate__()
        return saved(attributes)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(restored(state, type(self), attributes_of))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags
