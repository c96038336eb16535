import math
from dataclasses import FrozenInstanceError

import pytest

from sknormnet.training.stopping import Patience


def after(*scores, tol=0.0):
    """`waited` after each score, and the final best score."""
    patience, waited = Patience(), []
    for score in scores:
        patience = patience.after(score, tol=tol)
        waited.append(patience.waited)
    return waited, patience.best


def test_patience_before_the_first_score():
    assert Patience() == Patience(best=-math.inf, waited=0)


@pytest.mark.parametrize(
    ("scores", "tol", "waited", "best"),
    [
        ([1, 2, 3], 0, [0, 0, 0], 3),
        ([3, 2, 1], 0, [0, 1, 2], 3),
        ([1, 0, 2, 1, 1], 0, [0, 1, 0, 1, 2], 2),
        # With tol 0, an equal score is an improvement; otherwise an increase of exactly tol.
        ([1, 1, 1], 0, [0, 0, 0], 1),
        ([1, 1.5, 2], 0.5, [0, 0, 0], 2),
        # Better by less than tol: the best score is updated, but `waited` still increases.
        ([1, 1.25, 1.5], 0.5, [0, 1, 2], 1.5),
        # The improvement is measured from the updated best score.
        ([1, 1.25, 1.75], 0.5, [0, 1, 0], 1.75),
        ([-5, -4, -4.5], 0, [0, 0, 1], -4),
        ([-math.inf, -math.inf, 0], 1e-4, [0, 0, 0], 0),
        ([math.inf, 0], 0, [0, 1], math.inf),
    ],
)
def test_waited_and_best_after_scores(scores, tol, waited, best):
    assert after(*scores, tol=tol) == (waited, best)


def test_the_first_score_is_an_improvement():
    for score in (-1e300, 0, 1e300):
        assert after(score, tol=1.0) == ([0], score)


def test_nan_is_never_the_best():
    _, best = after(math.nan, 1, math.nan, 0.5, tol=0)
    assert best == 1
    assert after(math.nan)[1] == -math.inf


def test_nan_is_no_improvement():
    waited, _ = after(1, 0, math.nan, math.nan)
    assert waited == [0, 1, 2, 3]


def test_renewed_resets_waited():
    patience = Patience(best=3.0, waited=7)
    assert patience.renewed() == Patience(best=3.0, waited=0)
    assert patience == Patience(best=3.0, waited=7)


def test_patience_is_immutable():
    patience = Patience(best=1.0, waited=2)
    assert patience.after(0.0, tol=0) == Patience(1.0, 3)
    assert patience == Patience(1.0, 2)
    with pytest.raises(FrozenInstanceError):
        patience.waited = 0
