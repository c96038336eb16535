"""Out-of-fold predictions, and the weights that they choose."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Score = Callable[[np.ndarray], float]  # weights of the candidates -> score; higher is better

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
    sample_weight : ndarray of shape (n_predicted,) or None
        Without the weights of classes.
    n_rows : int
        Number of all training rows.
    """

    numbers: np.ndarray
    responses: np.ndarray
    y: Any
    weight: np.ndarray | None
    sample_weight: np.ndarray | None
    n_rows: int

    def mean(self, weights: np.ndarray) -> np.ndarray:
        """Return the weighted mean over the candidates."""
        return np.tensordot(weights, self.responses, 1)

    def of_all_rows(self, predicted: np.ndarray) -> np.ndarray:
        """Return predictions with NaN for the rows that are in no fold."""
        found = np.full((self.n_rows, *predicted.shape[1:]), np.nan)
        found[self.numbers] = predicted
        return found


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
