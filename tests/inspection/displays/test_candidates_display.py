"""The bars of what an ensemble has chosen."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from sknormnet import NormNetClassifier, NormNetEnsembleClassifier
from sknormnet.inspection import CandidatesDisplay

X, Y = load_iris(return_X_y=True)


def test_weights_and_scores_are_drawn(pyplot):
    candidates = [{"keep_prob": 1.0}, {"keep_prob": 0.7, "alpha": 0.1}, {}]
    candidates = [x | {"max_iter": 5} for x in candidates]
    network = NormNetClassifier((5,))
    ensemble = NormNetEnsembleClassifier(network, candidates=candidates, cv=2, random_state=0)
    display = CandidatesDisplay.from_estimator(ensemble.fit(X, Y))
    of_weights, of_scores = display.axes_
    bars = [bar.get_width() for bar in of_weights.patches]
    assert_allclose(bars, ensemble.candidate_weights_)
    points, line = of_scores.lines
    assert_allclose(points.get_xdata(), ensemble.candidate_scores_)
    assert_allclose(line.get_xdata(), ensemble.oof_score_)
    labels = [label.get_text() for label in of_weights.get_yticklabels()]
    # max_iter is the same for all.
    assert labels == ["keep_prob=1.0", "keep_prob=0.7\nalpha=0.1", "as given"]
    assert np.all(np.diff(points.get_ydata()) < 0)  # the first candidate is on top


def test_it_needs_a_fitted_ensemble():
    with pytest.raises(NotFittedError):
        CandidatesDisplay.from_estimator(NormNetEnsembleClassifier())
