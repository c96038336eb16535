"""How an estimator's parameters steer training: when it stops, what it keeps, what it says."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknormnet.estimators._sklearn import check_optimize_result
from sknormnet.nn.losses import Loss
from sknormnet.nn.network import Network
from sknormnet.training.batches import Samples
from sknormnet.training.lbfgs import lbfgs
from sknormnet.training.loop import Run, epochs
from sknormnet.training.optimizers import OPTIMIZERS
from sknormnet.training.schedules import SCHEDULES, Constant, Custom, Schedule


@dataclass
class History:
    """What one call has to tell: losses and validation scores, iteration by iteration."""

    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    n_iter: int = 0

    def columns(self) -> dict[str, list[float]]:
        """All that was recorded, under the names of the estimators' `history_`."""
        return {
            "loss": self.losses,
            "validation_loss": self.validation_losses,
            "validation_score": self.scores,
            "learning_rate": self.rates,
            "seconds": self.seconds,
        }


def train_full_batch(estimator, run: Run, loss: Loss, training: Samples) -> History:
    """Train by L-BFGS on all rows at once."""
    history = History()

    def report(value: float) -> None:
        history.losses.append(value)
        run.patience = run.patience.after(-value, tol=0)
        _say(estimator, f"Iteration {len(history.losses)}, loss = {value:.8f}")

    result = lbfgs(
        run.network,
        loss,
        training.whole(),
        alpha=float(estimator.alpha),
        max_iter=estimator.max_iter,
        max_fun=estimator.max_fun,
        tol=estimator.tol,
        report=report,
    )
    if not history.losses:
        report(float(result.fun))
    run.samples += result.nfev * len(training)
    history.n_iter = check_optimize_result("lbfgs", result, estimator.max_iter)
    return history


def train_stochastic(
    estimator,
    run: Run,
    loss: Loss,
    training: Samples,
    validate: Callable[[Network], tuple[float, float]] | None,
    *,
    stops_early: bool,
    incremental: bool,
) -> History:
    """Train by minibatches until the loss, or the validation score, stalls.

    Where there is something to validate on, which returns a score and a loss, the network
    is left as it was when the score was best. An incremental call trains for one epoch and
    goes on with the optimiser's state.
    """
    run.use(_settings(OPTIMIZERS[estimator.solver], estimator), anew=not incremental)
    schedule = _schedule(estimator, incremental=incremental)
    planned, before = len(training) * estimator.max_iter, run.samples

    def rate(seen: int) -> float:
        factor = schedule.factor(seen / planned, run.samples, run.stalls)
        return float(estimator.learning_rate_init * factor)

    run.network.tracks = incremental or validate is not None
    batches = partial(
        training.batches,
        run.order,
        **_batching(estimator, run, len(training), incremental=incremental),
    )
    steps = epochs(
        run,
        loss,
        batches,
        alpha=float(estimator.alpha),
        rate=rate,
        max_grad_norm=estimator.max_grad_norm,
    )
    history = History()
    # Where training goes on, what it starts from has scored best so far.
    best = run.network.snapshot() if validate and run.patience.best > -math.inf else None
    try:
        start = perf_counter()
        for value in islice(steps, 1 if incremental else estimator.max_iter):
            history.n_iter += 1
            history.losses.append(value)
            history.rates.append(rate(run.samples - before))
            _say(estimator, f"Iteration {history.n_iter}, loss = {value:.8f}")
            score = -value
            if validate:
                score, validation_loss = validate(run.network)
                history.scores.append(score)
                history.validation_losses.append(validation_loss)
                _say(estimator, f"Validation score: {score:f}")
                if score > run.patience.best:
                    best = run.network.snapshot()
            history.seconds.append(perf_counter() - start)
            start = perf_counter()
            run.patience = run.patience.after(score, tol=estimator.tol)
            if _diverged(value):
                break
            if schedule.planned and not stops_early:
                continue
            watched = "Validation score" if validate else "Training loss"
            now = partial(rate, run.samples - before)
            if _stalled(estimator, run, schedule, now, watched=watched):
                break
        else:
            if not (incremental or schedule.planned):
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) "
                    "reached and the optimization hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=2,
                )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
    if best:
        run.network.restore(best)
    return history


def _diverged(value: float) -> bool:
    """Whether training ends here because the loss is no number any more."""
    if np.isfinite(value):
        return False
    warnings.warn(f"Training has diverged: the loss is {value}.", ConvergenceWarning, stacklevel=2)
    return True


def _stalled(
    estimator, run: Run, schedule: Schedule, rate: Callable[[], float], *, watched: str
) -> bool:
    """Whether training ends here because patience does; first the rate may be lowered."""
    if run.patience.waited <= estimator.n_iter_no_change:
        return False
    message = (
        f"{watched} did not improve more than tol={estimator.tol:f}"
        f" for {estimator.n_iter_no_change} consecutive epochs."
    )
    if not schedule.goes_on(rate()):
        reason = " Learning rate too small." if run.stalls else ""
        _say(estimator, f"{message}{reason} Stopping.")
        return True
    run.patience = run.patience.renewed()
    run.stalls += 1
    _say(estimator, f"{message} Setting learning rate to {rate():f}")
    return False


def _batching(estimator, run: Run, n_rows: int, *, incremental: bool) -> dict[str, Any]:
    """How to cut the rows into batches; with batch norm, into none of a single row."""
    least = 2 if run.network.statistics.size else 1
    batch_size = estimator.batch_size
    if incremental and n_rows < least:
        warnings.warn(
            "Got a single row with batch norm, which has nothing to normalise in it: nothing is"
            " learned from X. Call partial_fit with more rows, or set batchnorm=False.",
            stacklevel=3,
        )
    if batch_size == "auto":
        batch_size = min(200, n_rows)
    elif batch_size == "scale":
        batch_size = min(max(64, n_rows // 30), 256, n_rows)
    elif batch_size > n_rows:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=3,
        )
    elif batch_size < min(least, n_rows):
        warnings.warn(
            f"Got `batch_size` {batch_size} with batch norm, which has nothing to normalise in a"
            f" single row. It is going to be {least}. Set batchnorm=False to train row by row.",
            stacklevel=3,
        )
    return {
        "batch_size": max(least, min(batch_size, n_rows)),
        "min_batch_size": least,
        "shuffle": estimator.shuffle,
    }


def _schedule(estimator, *, incremental: bool) -> Schedule:
    """The schedule to follow: a constant one where a plan would have no end."""
    if callable(estimator.learning_rate):
        schedule: Schedule = Custom(estimator.learning_rate)
    else:
        schedule = _settings(SCHEDULES[estimator.learning_rate], estimator)
    return Constant() if incremental and schedule.planned else schedule


def _settings(kind: type, estimator) -> Any:
    """An optimiser or a schedule, set as the estimator's parameters of those names say."""
    values = {f.name: getattr(estimator, f.name) for f in fields(kind)}
    # A search may hand in numpy.float64, which would drag float32 arrays along.
    return kind(**{k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()})


def _say(estimator, message: str) -> None:
    if estimator.verbose:
        print(message)
