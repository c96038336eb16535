"""NormNetEnsembleRegressor."""

import numpy as np
from sklearn.base import RegressorMixin

from sknormnet.estimators.ensembles.base import BaseEnsemble
from sknormnet.estimators.intervals import IntervalMixin
from sknormnet.estimators.regression_scores import d_squared, r_squared
from sknormnet.estimators.regressor import NormNetRegressor
from sknormnet.estimators.settings import Call, resolve
from sknormnet.nn.losses import Loss


class NormNetEnsembleRegressor(RegressorMixin, IntervalMixin, BaseEnsemble):
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
        differ in regularization and in how the inputs are encoded, except for parameters that
        `estimator` sets. Of three candidates or more, those whose held-out loss is more than twice
        that of the best one after half of the folds are not trained on the others.

    cv : int, cross-validation splitter or iterable, default=6
        The folds. An integer is the number of folds, shuffled. With fewer than 100 rows, no rows
        are held out: an integer is then the number of networks of each candidate, which are
        trained on all rows, and all candidates weigh the same.

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
        explains, which is R squared for the squared error. NaN if no rows were held out, and
        for candidates that were not trained on all folds.

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
    R squared 1.00
    """

    _network = NormNetRegressor

    def _scorer(self, reader, out_of_fold):
        loss = reader._loss_with(resolve(reader, Call.FRESH).target)

        def score(weights: np.ndarray) -> float:
            return d_squared(out_of_fold.y, out_of_fold.mean(weights), loss, out_of_fold.weight)

        return score

    def _set_out_of_fold(self, reader, out_of_fold, weights):
        self.oof_prediction_, self.oof_score_ = None, np.nan
        if out_of_fold is None:
            return
        self.oof_score_ = self._scorer(reader, out_of_fold)(weights)
        predicted = out_of_fold.mean(weights)
        self.oof_prediction_ = out_of_fold.of_all_rows(predicted)
        self._set_conformal(predicted, out_of_fold.y, out_of_fold.sample_weight)

    def predict(self, X, return_std=False):
        """Predict targets: the weighted mean of the networks' predictions.

        Parameters
        ----------
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
            The inputs.
        return_std : bool, default=False
            Whether to return the weighted standard deviation over the networks too. It lacks the
            noise of the targets: for an interval that contains them, see `predict_interval`.

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
        X : {DataFrame, array-like, sparse matrix} of shape (n_samples, n_features)
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
        return r_squared(y, self.predict(X), self._loss, sample_weight)

    @property
    def _loss(self) -> Loss:
        return self.estimators_[0]._loss

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
