import math
from dataclasses import FrozenInstanceError

import pytest
from plans import plan_of

from sknormnet.training.schedules import Adaptive, Constant, Cosine, InverseScaling
from sknormnet.training.stopping import Decision, Patience, decide


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


# -------------------------------------------------------------------------------- decisions


@pytest.mark.parametrize(
    ("loss", "rate", "waited", "schedule", "decision"),
    [
        (1.0, 0.1, 0, Constant(), "CONTINUE"),
        (1.0, 0.1, 5, Constant(), "CONTINUE"),  # n_iter_no_change epochs are waited for
        (1.0, 0.1, 6, Constant(), "STOP_STALLED"),
        (1.0, 0.1, 6, InverseScaling(), "STOP_STALLED"),
        (1.0, 0.1, 5, Adaptive(), "CONTINUE"),
        (1.0, 0.1, 6, Adaptive(), "LOWER_RATE"),
        (1.0, 2e-6, 6, Adaptive(), "LOWER_RATE"),
        (1.0, 1e-6, 6, Adaptive(), "STOP_STALLED"),
        (1.0, 0.1, 6, Cosine(), "CONTINUE"),  # all planned epochs run
        (1.0, 0.1, 99, Cosine(), "CONTINUE"),
        (-1e300, 0.1, 0, Constant(), "CONTINUE"),
        *[
            (loss, 0.1, waited, schedule, "STOP_DIVERGED")
            for loss in (math.nan, math.inf, -math.inf)
            for waited in (0, 6)
            for schedule in (Constant(), Adaptive(), Cosine())
        ],
    ],
)
def test_what_follows_an_epoch(loss, rate, waited, schedule, decision):
    plan = plan_of(schedule=schedule, n_iter_no_change=5)
    assert decide(loss, rate, Patience(best=0.0, waited=waited), plan) is Decision[decision]


def test_patience_without_an_end():
    plan = plan_of(schedule=Constant(), n_iter_no_change=math.inf)
    assert decide(1.0, 0.1, Patience(waited=10**9), plan) is Decision.CONTINUE


def test_the_decisions_that_end_training():
    assert {x for x in Decision if x.stops} == {x for x in Decision if "STOP_" in x.name}


def test_the_end_of_the_time_comes_before_all_but_divergence():
    plan, patience = plan_of(schedule=Cosine(), max_time=10.0), Patience(waited=99)
    assert decide(1.0, 0.1, patience, plan, is_out_of_time=True) is Decision.STOP_OUT_OF_TIME
    assert decide(math.nan, 0.1, patience, plan, is_out_of_time=True) is Decision.STOP_DIVERGED
