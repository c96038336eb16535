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

from sknormnet._choices import choose, plain
from sknormnet.estimators._reporting import History, Report
from sknormnet.estimators._sklearn import check_optimize_result
from sknormnet.nn.losses import Loss
from sknormnet.nn.network import Network
from sknormnet.nn.products import rows_are_equal
from sknormnet.training.batches import Batch, Samples, StackedSamples
from sknormnet.training.lbfgs import lbfgs
from sknormnet.training.loop import Run, epochs
from sknormnet.training.optimizers import OPTIMIZERS, Optimizer
from sknormnet.training.schedules import SCHEDULES, Custom, Schedule, stream_factor
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
    going_on : bool
        Whether the run is a former call's, which training goes on from.
    incremental : bool
        Whether to train for one epoch, and go on with the optimizer's state.
    history : History
        What has been recorded so far.
    report : Report
        Tells the user.
    watched : bool
        Whether something else than `validate` predicts with the network before it is trained.
    largest_input : float
        The largest absolute value of X.
    batch_rows : int
        Number of rows in a training step; 0 until training begins.
    """

    estimator: Any
    run: Run
    loss: Loss
    training: Samples
    validate: Validate | None
    going_on: bool
    incremental: bool
    history: History = field(default_factory=History)
    report: Report = field(default_factory=Report)
    watched: bool = False
    largest_input: float = math.inf
    batch_rows: int = 0

    @property
    def validated(self) -> bool:
        """Whether it is by held-out rows that epochs are compared."""
        return self.validate is not None


def has_nothing_to_normalize(job: Job) -> bool:
    """Whether there is batch norm and all rows are equal, so that it makes one value of them."""
    network, first = job.run.network, None
    if not network.statistics.size:
        return False
    for x, _ in job.training.chunks(network.chunk_rows):
        first = x[:1].copy() if first is None else first
        if not rows_are_equal(x) or (x[:1] != first).sum():
            return False
    return True


def is_stochastic(estimator) -> bool:
    """Whether the estimator's solver goes by minibatches."""
    solver = estimator.solver
    return solver in OPTIMIZERS if isinstance(solver, str) else isinstance(solver, Optimizer)


def resolve_max_iter(estimator) -> int:
    """Return the largest number of epochs, or of iterations of 'lbfgs'."""
    if isinstance(estimator.max_iter, str):
        return AUTO_EPOCHS if is_stochastic(estimator) else AUTO_ITERATIONS
    return int(estimator.max_iter)


class Stopped(Exception):
    """Training was stopped because another thread's failed or was interrupted."""


@dataclass
class Stop:
    """Tells networks that are trained in several threads to stop, once there is an error.

    Attributes
    ----------
    error : BaseException or None
        The first one.
    """

    error: BaseException | None = None

    def at(self, error: BaseException) -> None:
        """Have all stop because of this error, or of one before."""
        self.error = self.error or error

    def check(self) -> None:
        """Raise `Stopped` if training is to stop."""
        if self.error is not None:
            raise Stopped

    def between(self, batches: Callable[[], Iterator[Batch]]) -> Iterator[Batch]:
        """Start a pass over the training rows that ends by `Stopped` if training is to stop."""
        for batch in batches():
            self.check()
            yield batch


def train_full_batch(job: Job, callbacks, stop: Stop) -> None:
    """Train by L-BFGS on all rows at once; `stop` may end it by an error after an iteration."""
    estimator, run, history = job.estimator, job.run, job.history
    max_iter = resolve_max_iter(estimator)

    def report(value: float) -> bool:
        """Record an iteration; return whether it is to be the last."""
        stop.check()
        history.losses.append(value)
        history.n_iter += 1
        run.patience = run.patience.after(-value, tol=0)
        job.report.goes_on()
        if callbacks is None:
            return False
        callbacks.epoch_begins()
        return callbacks.epoch_ends()

    job.report.begins(history)
    result = lbfgs(
        run.network,
        job.loss,
        job.training.whole(),
        alpha=float(estimator.alpha) or None,
        max_iter=max_iter,
        max_fun=plain(estimator.max_fun),
        tol=plain(estimator.tol),
        report=report,
    )
    if not history.losses:
        report(float(result.fun))
    run.samples += result.nfev * len(job.training)
    job.report.clear()  # this may warn
    history.n_iter = check_optimize_result("lbfgs", result, max_iter)
    history.best_epoch = len(history.losses)
    history.is_over = True


def train_stochastic(together: Sequence["Progress"], callbacks, stop: Stop) -> None:
    """Train by minibatches, several networks as one stack, each until it is done.

    Where there is something to validate on, a network is left as it was when its score was
    best. `callbacks` may stop training before; `stop` may end it by an error before a batch.
    """
    going = together
    for progress in going:
        progress.job.report.begins(progress.job.history)
        progress.begin()
    while going:
        steps, staying = _epochs(going, stop), going
        while len(staying) == len(going):  # when some leave, the stack is made anew
            if callbacks:
                callbacks.epoch_begins()
            losses = zip(going, next(steps), strict=True)
            staying = [progress for progress, loss in losses if progress.after_epoch(loss)]
            if callbacks and callbacks.epoch_ends():
                staying = []
        going = staying
    for progress in together:
        progress.finish()


def _epochs(going: Sequence["Progress"], stop: Stop) -> Iterator[list[float]]:
    """Train for one epoch at each ``next``; yield the networks' losses."""
    first = going[0]
    if len(going) == 1:
        batches = partial(first.job.training.batches, first.job.run.order, **first.batching)
        settings = {"alpha": first.alpha, "rate": first.rate, "max_grad_norm": first.max_grad_norm}
        batches = partial(stop.between, batches)
        steps = epochs(first.job.run, first.job.loss, batches, **settings, seen=first.seen)
        yield from ([loss] for loss in steps)
    stack = Stack.of([progress.job.run for progress in going])
    samples = StackedSamples([progress.job.training for progress in going])
    steps = epochs(
        stack,
        first.job.loss,
        partial(stop.between, partial(samples.batches, stack.order, **first.batching)),
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
        self.batching = _batching(estimator, run, len(job.training))
        self.alpha = float(estimator.alpha) or None
        self.max_grad_norm = plain(estimator.max_grad_norm)
        self._schedule = _schedule(estimator)
        self._epochs = 1 if job.incremental else resolve_max_iter(estimator)
        self._history = job.history
        self._before = job.run.samples
        self._best: tuple | None = None
        if job.incremental and self._schedule.planned:
            self.rate = _stream_rate(estimator, job.run, self.batching["batch_size"])
        else:
            self.rate = _rate(self._schedule, estimator, job.run, len(job.training))

    @property
    def seen(self) -> int:
        """Number of rows in all steps of this call."""
        return self._history.n_iter * len(self.job.training)

    def begin(self) -> None:
        """Score the network that training goes on from: an epoch has to beat it to be kept."""
        job = self.job
        if job.going_on and job.validate:
            score, _ = job.validate(job.run.network)
            self._keep_if_best(score)
            job.run.patience = job.run.patience.after(score, tol=plain(self._estimator.tol))
        self._start_clock()

    def _start_clock(self) -> None:
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
        self._start_clock()
        run = self.job.run
        run.patience = run.patience.after(score, tol=plain(self._estimator.tol))
        self._history.is_over = self._diverged(loss) or self._stalled() or self._at_the_end()
        return not self._history.is_over

    def finish(self) -> None:
        """Go back to the best epoch, if there is a score to tell it by."""
        if self._best:
            self.job.run.network.restore(self._best)
        else:
            self._history.best_epoch = self._history.n_iter

    def _rate_now(self) -> float:
        return self.rate(self.job.run.samples - self._before)

    def _validated(self, validate: Validate) -> float:
        """Score the network, and keep it if it is the best so far."""
        score, loss = validate(self.job.run.network)
        self._history.scores.append(score)
        self._history.validation_losses.append(loss)
        self._keep_if_best(score)
        return score

    def _keep_if_best(self, score: float) -> None:
        run = self.job.run
        if score > run.patience.best:
            self._best = run.network.snapshot()
            self._history.best_epoch = self._history.n_iter

    def _diverged(self, loss: float) -> bool:
        """Whether training ends here because the loss is no number any more."""
        if np.isfinite(loss):
            return False
        self.job.report.clear()
        warnings.warn(
            f"Training has diverged: the loss is {loss}.", ConvergenceWarning, stacklevel=4
        )
        return True

    def _stalled(self) -> bool:
        """Whether training ends here because patience does; first the rate may be lowered."""
        run, estimator = self.job.run, self._estimator
        # The best epochs of a planned schedule are its last ones, at low rates: all are run.
        if self._schedule.planned or run.patience.waited <= plain(estimator.n_iter_no_change):
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
            self.job.report.clear()
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self._epochs}) "
                "reached and the optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return True


def _rate(schedule: Schedule, estimator, run: Run, n_rows: int) -> Callable[[int], float]:
    """The learning rate as a function of the rows seen so far in this call."""
    start, planned = plain(estimator.learning_rate_init), n_rows * resolve_max_iter(estimator)

    def rate(seen: int) -> float:
        return float(start * schedule.factor(seen / planned, run.samples, run.stalls))

    def checked(seen: int) -> float:
        factor = schedule.factor(seen / planned, run.samples, run.stalls)
        try:
            found = float(start * float(factor))
        except (TypeError, ValueError):
            found = math.nan
        # At the end, where there are no more steps, the rate is only recorded.
        if seen < planned and not 0 <= found < math.inf:
            raise ValueError(
                f"The 'learning_rate' parameter of {type(estimator).__name__} must give finite"
                f" factors >= 0. {estimator.learning_rate!r} gave {factor!r} at a progress of"
                f" {seen / planned:.3g} instead."
            )
        return found

    built_in = type(schedule) in SCHEDULES.values()
    return rate if built_in else checked


def _stream_rate(estimator, run: Run, batch_size: int) -> Callable[[int], float]:
    """The same for a planned schedule in `partial_fit`, where no number of epochs is known."""
    start, steps = plain(estimator.learning_rate_init), run.steps
    return lambda seen: float(start * stream_factor(steps + seen / batch_size))


def _batching(estimator, run: Run, n_rows: int) -> dict[str, Any]:
    """How to cut the rows into batches; with batch norm, into none of a single row."""
    least = 2 if run.network.statistics.size else 1
    batch_size = plain(estimator.batch_size)
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
            f"Got `batch_size` {batch_size} with batch norm, which has nothing to normalize in a"
            f" single row. It is going to be {least}. Set batchnorm=False to train row by row.",
            stacklevel=3,
        )
    return {
        "batch_size": max(least, min(batch_size, n_rows)),
        "min_batch_size": least,
        "shuffle": estimator.shuffle,
    }


def _schedule(estimator) -> Schedule:
    """The schedule that the estimator's parameters describe."""
    if callable(estimator.learning_rate) and not isinstance(estimator.learning_rate, Schedule):
        return Custom(estimator.learning_rate)
    return _configured(estimator, "learning_rate", SCHEDULES, Schedule)


def _configured(estimator, name: str, table: Mapping[str, type], kind: type) -> Any:
    """The optimizer or schedule of a parameter: an object as it is, one of a name set.

    That is, as the estimator's parameters with the names of its fields say.
    """
    choice = getattr(estimator, name)
    found = choose(f"The {name!r} parameter of {type(estimator).__name__}", choice, table, kind)
    if found is choice:
        return found
    return found(**{f.name: plain(getattr(estimator, f.name)) for f in fields(found)})
