"""Display of what an ensemble has chosen."""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknormnet.inspection.displays.display import Display


class CandidatesDisplay(Display):
    """Bars of the weights and of the out-of-fold scores of an ensemble's candidates.

    A line marks the score of the ensemble.

    Parameters
    ----------
    candidates : list of dict
        Parameters that each candidate sets.
    weights, scores : ndarray of shape (n_candidates,)
        Weight of each candidate, and its score on held-out rows.
    score : float
        Score of the ensemble on held-out rows.

    See Also
    --------
    sknormnet.NormNetEnsembleClassifier : Has these numbers as attributes.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sknormnet import NormNetClassifier
    >>> from sknormnet.inspection import CandidatesDisplay
    >>> ensemble = NormNetClassifier.for_accuracy(random_state=0).fit(*load_iris(return_X_y=True))
    >>> _ = CandidatesDisplay.from_estimator(ensemble)
    >>> plt.show()
    """

    def __init__(
        self,
        candidates: list[dict[str, Any]],
        weights: np.ndarray,
        scores: np.ndarray,
        score: float,
    ):
        self.candidates, self.weights, self.scores = candidates, weights, scores
        self.score = score

    @classmethod
    def from_estimator(cls, estimator, *, ax=None) -> Self:
        """Draw the candidates of a fitted ensemble.

        Parameters
        ----------
        estimator : NormNetEnsembleClassifier or NormNetEnsembleRegressor
            The fitted ensemble.
        ax : array-like of two matplotlib Axes, default=None
            Where to draw the weights and the scores; by default on a new figure.

        Returns
        -------
        display : CandidatesDisplay
        """
        check_is_fitted(estimator)
        display = cls(
            estimator.candidates_,
            estimator.candidate_weights_,
            estimator.candidate_scores_,
            estimator.oof_score_,
        )
        return display.plot(ax=ax)

    def plot(self, ax=None) -> Self:
        """Draw on the given axes, or on a new figure."""
        of_weights, of_scores = self._draw_on(ax, 2)
        rows = np.arange(len(self.candidates))[::-1]
        of_weights.barh(rows, self.weights)
        of_weights.set(xlabel="Weight", xlim=(0, 1), yticks=rows, yticklabels=self._labels())
        of_scores.plot(self.scores, rows, "o", label="candidate")
        of_scores.axvline(self.score, color="C1", label="ensemble")
        of_scores.set(xlabel="Score on held-out rows", yticks=rows, yticklabels=[])
        of_scores.set_ylim(of_weights.get_ylim())
        of_scores.legend()
        return self

    def _labels(self) -> list[str]:
        """Return the parameters of each candidate, one per line, without those that all share."""
        lines = [[f"{name}={x!r}" for name, x in own.items()] for own in self.candidates]
        shared = set.intersection(*map(set, lines)) if len(lines) > 1 else set()
        return ["\n".join(x for x in own if x not in shared) or "as given" for own in lines]
