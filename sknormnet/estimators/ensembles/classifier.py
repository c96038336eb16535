"""NormNetEnsembleClassifier."""

import numpy as np
from sklearn.base import ClassifierMixin

from sknormnet.estimators.classifier import NormNetClassifier
from sknormnet.estimators.ensembles.base import BaseEnsemble
from sknormnet.estimators.ensembles.probabilities import mean_log, probability_of, tempered
from sknormnet.estimators.held_out import LEAST_PROBABILITY, best_temperature
from sknormnet.estimators.intervals import SetMixin


class NormNetEnsembleClassifier(ClassifierMixin, SetMixin, BaseEnsemble):
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
        Parameters that the candidates set. None stands for the default candidates, which
        differ in regularization and in how the inputs are encoded, except for parameters that
        `estimator` sets. Of three candidates or more, those whose held-out loss is more than twice
        that of the best one after half of the folds are not trained on the others.

    cv : int, cross-validation splitter or iterable, default=6
        The folds. An integer is the number of folds, shuffled and stratified by class. With
        fewer than 100 rows, no rows are held out: an integer is then the number of networks of
        each candidate, which are trained on all rows, and all candidates weigh the same.

    random_state : int, RandomState instance or None, default=None
        Seeds the folds and the networks. Pass an int for reproducible results.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted; the column numbers of the labels for multilabel targets.

    candidates_ : list of dict
        The candidates.

    candidate_weights_ : ndarray of shape (n_candidates,)
        Weights of the candidates; they sum to 1.

    candidate_scores_ : ndarray of shape (n_candidates,)
        Negative log loss of each candidate on the held-out rows. NaN if no rows were held out, and
        for candidates that were not trained on all folds.

    estimators_ : list of NormNetClassifier
        The networks of the candidates that weigh more than 0, fold by fold.

    estimator_weights_ : ndarray of shape (n_estimators,)
        Weights of the networks; they sum to 1.

    temperature_ : float
        Divisor of the log probabilities, which are then normalized again [2]_; chosen for the
        smallest log loss on the held-out rows. 1 if no rows were held out.

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
    >>> model.score(X_test, y_test) > 0.9
    True
    """

    _network = NormNetClassifier

    def _scorer(self, reader, out_of_fold):
        of_truth = probability_of(out_of_fold.y, out_of_fold.responses, reader.classes_)

        def score(weights: np.ndarray) -> float:
            return mean_log(np.tensordot(weights, of_truth, 1), out_of_fold.weight)

        return score

    def _set_out_of_fold(self, reader, out_of_fold, weights):
        self.temperature_, self.oof_proba_, self.oof_score_ = 1.0, None, np.nan
        if out_of_fold is None:
            return
        p = out_of_fold.mean(weights)

        def score(temperature: float, least: float = 0.0) -> float:
            q = tempered(p, temperature, multilabel=self._is_multilabel)
            q = probability_of(out_of_fold.y, q, self.classes_)
            return mean_log(q + least, out_of_fold.weight)

        self.temperature_ = best_temperature(lambda x: -score(x, LEAST_PROBABILITY))
        self.oof_score_ = score(self.temperature_)
        p = tempered(p, self.temperature_, multilabel=self._is_multilabel)
        self.oof_proba_ = out_of_fold.of_all_rows(p)
        self._set_conformal(p, out_of_fold.y, out_of_fold.sample_weight)

    def predict_proba(self, X) -> np.ndarray:
        """Predict probabilities: the weighted mean of those of the networks.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
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
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
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
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
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
