"""How an estimator's parameters steer training: when it stops, what it keeps, what it says."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknormnet._choices import choose
from sknormnet.estimators._reporting import History, Report
from sknormnet.estimators._sklearn import check_optimize_result
from sknormnet.nn.losses import Loss
from sknormnet.nn.network import Network
from sknormnet.training.batches import Samples, StackedSamples
from sknormnet.training.lbfgs import lbfgs
from sknormnet.training.loop import Run, epochs
from sknormnet.training.optimizers import OPTIMIZERS, Optimizer
from sknormnet.training.schedules import SCHEDULES, Constant, Custom, Schedule
from sknormnet.training.stack import Stack

Validate = Callable[[Network], tuple[float, float]]  # score and loss

# What max_iter="auto" stands for. L-BFGS needs 30 to 700 iterations on most tables of a few
# hundred rows.
AUTO_EPOCHS, AUTO_ITERATIONS = 40, 1000


@dataclass
class Job:
    """The training of one network, prepared: on what, and how it is judged.

    Attributes
    ----------
    estimator : BaseNormNet
        Its parameters say how to train.
    run : Run
    loss : Loss
    training : Samples
    validate : Validate or None
        Judges the network after each epoch, on rows that are held out, if there are any.
    stops_early : bool
        Whether training ends when that score stalls.
    going_on : bool
        Whether the run is a former call's, which training goes on from.
    incremental : bool
        Whether to train for one epoch, and go on with the optimiser's state.
    history : History
        What has been recorded so far.
    report : Report
        Tells the user.
    watched : bool
        Whether something else than `validate` predicts with the network before it is trained.
    """

    estimator: Any
    run: Run
    loss: Loss
    training: Samples
    validate: Validate | None
    stops_early: bool
    going_on: bool
    incremental: bool
    history: History = field(default_factory=History)
    report: Report = field(default_factory=Report)
    watched: bool = False

    @property
    def validated(self) -> bool:
        """Whether it is by held-out rows that epochs are compared."""
        return self.validate is not None


def is_stochastic(estimator) -> bool:
    """Whether the estimator's solver goes by minibatches."""
    solver = estimator.solver
    return solver in OPTIMIZERS if isinstance(solver, str) else isinstance(solver, Optimizer)


def resolve_max_iter(estimator) -> int:
    """Return the largest number of epochs, or of iterations of 'lbfgs'."""
    if isinstance(estimator.max_iter, str):
        return AUTO_EPOCHS if is_stochastic(estimator) else AUTO_ITERATIONS
    return int(estimator.max_iter)


def train_full_batch(job: Job, callbacks=None) -> None:
    """Train by L-BFGS on all rows at once."""
    estimator, run, history = job.estimator, job.run, job.history
    max_iter = resolve_max_iter(estimator)

    def report(value: float) -> bool:
        """Record an iteration; return whether it is to be the last."""
        history.losses.append(value)
        history.n_iter += 1
        run.patience = run.patience.after(-value, tol=0)
        job.report.goes_on()
        if callbacks is None:
            return False
        callbacks.epoch_begins()
        return callbacks.epoch_ends()

    result = lbfgs(
        run.network,
        job.loss,
        job.training.whole(),
        alpha=float(estimator.alpha) or None,
        max_iter=max_iter,
        max_fun=estimator.max_fun,
        tol=estimator.tol,
        report=report,
    )
    if not history.losses:
        report(float(result.fun))
    run.samples += result.nfev * len(job.training)
    history.n_iter = check_optimize_result("lbfgs", result, max_iter)
    history.is_over = True


def train_stochastic(together: Sequence["Progress"], callbacks=None) -> None:
    """Train by minibatches, several networks as one stack, each until it is done.

    Where there is something to validate on, a network is left as it was when its score was
    best. `callbacks` may stop training before.
    """
    going = together
    try:
        for progress in going:
            progress.start()
        while going:
            steps, staying = _epochs(going), going
            while len(staying) == len(going):  # when some leave, the stack is made anew
                if callbacks:
                    callbacks.epoch_begins()
                losses = zip(going, next(steps), strict=True)
                staying = [progress for progress, loss in losses if progress.after_epoch(loss)]
                if callbacks and callbacks.epoch_ends():
                    staying = []
            going = staying
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
    for progress in together:
        progress.finish()


def _epochs(going: Sequence["Progress"]) -> Iterator[list[float]]:
    """Train for one epoch at each ``next``; yield the networks' losses."""
    first = going[0]
    if len(going) == 1:
        batches = partial(first.job.training.batches, first.job.run.order, **first.batching)
        settings = {"alpha": first.alpha, "rate": first.rate, "max_grad_norm": first.max_grad_norm}
        steps = epochs(first.job.run, first.job.loss, batches, **settings, seen=first.seen)
        yield from ([loss] for loss in steps)
    stack = Stack.of([progress.job.run for progress in going])
    samples = StackedSamples([progress.job.training for progress in going])
    steps = epochs(
        stack,
        first.job.loss,
        partial(samples.batches, stack.order, **first.batching),
        alpha=_column([progress.alpha for progress in going], missing=0.0),
        rate=lambda seen: np.array([[progress.rate(seen)] for progress in going]),
        max_grad_norm=_column([progress.max_grad_norm for progress in going], missing=np.inf),
        seen=first.seen,
    )
    for losses in steps:
        stack.hand_down()
        yield losses.ravel().tolist()


def _column(values: list[float | None], *, missing: float) -> Any:
    """The values of a stack's members, or None if there are none at all."""
    if all(value is None for value in values):
        return None
    return np.array([[missing if value is None else value] for value in values])


class Progress:
    """How one job comes along: what is recorded of each epoch, and whether there is another.

    Parameters
    ----------
    job : Job

    Attributes
    ----------
    rate : callable ``seen -> learning rate``
        What holds after `seen` rows of this call.
    alpha, max_grad_norm : float or None
    batching : dict
        How the rows are cut into batches.
    """

    def __init__(self, job: Job):
        estimator, run = job.estimator, job.run
        self._estimator, self.job = estimator, job
        optimizer = _configured(estimator, "solver", OPTIMIZERS, Optimizer)
        run.use(optimizer, anew=not job.incremental)
        run.network.tracks = job.incremental or job.validated or job.watched
        self.batching = _batching(estimator, run, len(job.training), incremental=job.incremental)
        self.alpha = float(estimator.alpha) or None
        self.max_grad_norm = estimator.max_grad_norm
        self._schedule = _schedule(estimator, incremental=job.incremental)
        self._epochs = 1 if job.incremental else resolve_max_iter(estimator)
        self._history = job.history
        self._before = job.run.samples
        self._best: tuple | None = None
        # Where training goes on, what it starts from has scored best so far.
        if job.validated and job.run.patience.best > -math.inf:
            self._best = job.run.network.snapshot()
        self.rate = _rate(self._schedule, estimator, job.run, len(job.training))

    @property
    def seen(self) -> int:
        """Number of rows in all steps of this call."""
        return self._history.n_iter * len(self.job.training)

    def start(self) -> None:
        """Start the clock of an epoch."""
        self._started = perf_counter()

    def after_epoch(self, loss: float) -> bool:
        """Record an epoch of this loss; return whether training goes on."""
        self._history.n_iter += 1
        self._history.losses.append(loss)
        self._history.rates.append(self._rate_now())
        validate = self.job.validate
        score = -loss if validate is None else self._validated(validate)
        self._history.seconds.append(perf_counter() - self._started)
        self.job.report.goes_on()
        self.start()
        run = self.job.run
        run.patience = run.patience.after(score, tol=self._estimator.tol)
        self._history.is_over = self._diverged(loss) or self._stalled() or self._at_the_end()
        return not self._history.is_over

    def finish(self) -> None:
        """Go back to the best epoch, if there is a score to tell it by."""
        if self._best:
            self.job.run.network.restore(self._best)

    def _rate_now(self) -> float:
        return self.rate(self.job.run.samples - self._before)

    def _validated(self, validate: Validate) -> float:
        """Score the network, and keep it if it is the best so far."""
        score, loss = validate(self.job.run.network)
        self._history.scores.append(score)
        self._history.validation_losses.append(loss)
        if score > self.job.run.patience.best:
            self._best = self.job.run.network.snapshot()
        return score

    def _diverged(self, loss: float) -> bool:
        """Whether training ends here because the loss is no number any more."""
        if np.isfinite(loss):
            return False
        warnings.warn(
            f"Training has diverged: the loss is {loss}.", ConvergenceWarning, stacklevel=4
        )
        return True

    def _stalled(self) -> bool:
        """Whether training ends here because patience does; first the rate may be lowered."""
        run, estimator = self.job.run, self._estimator
        follows_a_plan = self._schedule.planned and not self.job.stops_early
        if follows_a_plan or run.patience.waited <= estimator.n_iter_no_change:
            return False
        message = (
            f"{'Validation score' if self.job.validated else 'Training loss'} did not improve"
            f" more than tol={estimator.tol:f} for {estimator.n_iter_no_change} consecutive"
            " epochs."
        )
        if not self._schedule.goes_on(self._rate_now()):
            reason = " Learning rate too small." if run.stalls else ""
            self.job.report.says(f"{message}{reason} Stopping.")
            return True
        run.patience = run.patience.renewed()
        run.stalls += 1
        self.job.report.says(f"{message} Setting learning rate to {self._rate_now():f}")
        return False

    def _at_the_end(self) -> bool:
        """Whether this was the last epoch; a warning tells where more might have helped."""
        if self._history.n_iter < self._epochs:
            return False
        if not (self.job.incremental or self._schedule.planned):
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self._epochs}) "
                "reached and the optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return True


def _rate(schedule: Schedule, estimator, run: Run, n_rows: int) -> Callable[[int], float]:
    """The learning rate as a function of the rows seen so far in this call."""
    start, planned = estimator.learning_rate_init, n_rows * resolve_max_iter(estimator)

    def rate(seen: int) -> float:
        return float(start * schedule.factor(seen / planned, run.samples, run.stalls))

    return rate


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
    schedule: Schedule
    if callable(estimator.learning_rate) and not isinstance(estimator.learning_rate, Schedule):
        schedule = Custom(estimator.learning_rate)
    else:
        schedule = _configured(estimator, "learning_rate", SCHEDULES, Schedule)
    return Constant() if incremental and schedule.planned else schedule


def _configured(estimator, name: str, table: Mapping[str, type], kind: type) -> Any:
    """The optimiser or schedule of a parameter: an object as it is, one of a name set.

    That is, as the estimator's parameters with the names of its fields say.
    """
    choice = getattr(estimator, name)
    found = choose(f"The {name!r} parameter of {type(estimator).__name__}", choice, table, kind)
    if found is choice:
        return found
    values = {f.name: getattr(estimator, f.name) for f in fields(found)}
    # A search may hand in numpy.float64, which would drag float32 arrays along.
    return found(**{k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()})
