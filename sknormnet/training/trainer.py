"""Training of one network: step, epoch, fit. Network, loss, rows and settings are arguments."""

import copy
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import field, replace
from functools import cached_property, partial
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknormnet._dataclasses import dataclass
from sknormnet._fused import use_fused
from sknormnet.training.averaging import WeightAverage
from sknormnet.training.batches import Batch, Samples
from sknormnet.training.blocks import Penalty
from sknormnet.training.history import EpochRecord, History, Observer
from sknormnet.training.objective import clip, objective
from sknormnet.training.optimizers import Optimizer, State
from sknormnet.training.plan import Plan
from sknormnet.training.schedules import stream_factor
from sknormnet.training.stopping import Decision, Patience, decide
from sknormnet.training.threads import SMALL_PRODUCT, Stop, in_one_thread

# A planned schedule follows the time only once the fraction of `max_time` that has passed is larger
# by this much than the fraction of the epochs. So a limit that is far away changes no result.
TIME_AHEAD = 0.01
Validate = Callable[[Any], tuple[float, float]]  # network -> score and loss
AfterEpoch = Callable[[Sequence["BaseTrainer"]], None]  # trainers whose networks are at rest


@dataclass
class TrainingState:
    """What training changes besides the network. Later calls continue from it.

    Predictions do not need it.

    Attributes
    ----------
    order, dropout : Generator
        Draw the order of rows and the dropout masks.
    split_seed : int
        Seed for drawing the validation rows, so that training continues with the same rows.
    optimizer : Optimizer or None
        The optimizer that `moments` belong to.
    moments : dict
        State of the optimizer.
    patience : Patience
    metric : object
        Identifies the score that `patience` tracks. Scores of other metrics are not comparable.
    n_samples_seen : int
        Number of training samples seen; a row counts once per epoch.
    n_steps, n_stalls : int
        Number of training steps so far, and of times that the learning rate was lowered.
    """

    order: np.random.Generator
    dropout: np.random.Generator
    split_seed: int
    optimizer: Any = None
    moments: State = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)
    metric: Any = None
    n_samples_seen: int = 0
    n_steps: int = 0
    n_stalls: int = 0

    def compare_by(self, metric: Any, *, reset: bool) -> None:
        """Reset the patience if `reset` is True or if the metric changed."""
        if reset or metric != self.metric:
            self.patience, self.metric = Patience(), metric

    def use(self, optimizer: Any, parameters: np.ndarray, *, reset: bool) -> None:
        """Train with this optimizer from now on.

        Its moments are reset if `reset` is True or if the class of the optimizer changed.
        Otherwise the previous ones are used with the new settings.
        """
        if reset or type(optimizer) is not type(self.optimizer):
            self.moments = optimizer.start(parameters)
            self.n_stalls = 0
        elif optimizer != self.optimizer:
            self.moments = optimizer.adopt(self.moments, self.optimizer)
        self.optimizer = optimizer


@dataclass(frozen=True)
class Snapshot:
    """Copies of all that training changes: what another trainer of the same rows continues from.

    Attributes
    ----------
    network : tuple
        Snapshot of the network.
    state : TrainingState
        Without the optimizer and the metric, which are part of the settings.
    history : History
    best : tuple or None
        Snapshot of the network at its best epoch, and the epoch.
    average : tuple or None
        Snapshot of the average of the weights.
    """

    network: tuple
    state: TrainingState
    history: History
    best: Any
    average: Any = None

    @property
    def nbytes(self) -> int:
        """Size of the networks' and the optimizer's arrays."""
        best = self.best[0] if self.best else ()
        arrays = *self.network, *best, *(self.average or ()), *self.state.moments.values()
        return sum(x.nbytes for x in arrays if isinstance(x, np.ndarray))


class Descent:
    """Gradient descent over minibatches: the steps of one network, or of a stack of networks.

    For a stack, losses, alpha and learning rates have shape (n_networks, 1), and max_grad_norm
    has one element per network.

    Parameters
    ----------
    network : Network
    loss : Loss
    batches : callable
        Starts a pass over the training rows.
    optimizer : Optimizer
    moments : dict
        State of the optimizer, which each step changes.
    rng : Generator, or sequence of Generator for a stack
        Draws the dropout masks.
    alpha : float or None
        Strength of the L2 penalty.
    rate : callable ``n_seen -> learning rate``
        Called before each step; `n_seen` is the number of rows in all previous steps.
    max_grad_norm : float or None
    n_seen : int, default=0
        Initial value of the row counter.
    fused : bool, default=False
        Whether to use compiled loops.
    out_of_time : callable returning bool, or None, default=None
        Called after each step; where it returns True, the epoch ends there.

    Attributes
    ----------
    n_seen : int
        Number of rows in all steps so far.
    n_rows, n_steps : int
        Number of rows and of steps of the last epoch.
    is_out_of_time : bool
        Whether `out_of_time` has returned True.
    """

    def __init__(
        self,
        network: Any,
        loss: Any,
        batches: Callable[[], Iterator[Batch]],
        *,
        optimizer: Optimizer,
        moments: State,
        rng: Any,
        alpha: Any,
        rate: Callable[[int], Any],
        max_grad_norm: Any = None,
        n_seen: int = 0,
        fused: bool = False,
        out_of_time: Callable[[], bool] | None = None,
    ):
        self._n_weights, self._batches, self._rng = network.n_weights, batches, rng
        self._alpha, self._rate = alpha, rate
        self._evaluate, self._gradient = objective(
            network, loss, alpha=alpha, penalty_gradient=False, fused=fused
        )
        self._update = optimizer.updater(network.parameters, self._gradient, moments, fused=fused)
        self._clipped: list = []  # each network's gradient and its maximum norm
        if max_grad_norm is not None:
            gradients = np.atleast_2d(self._gradient)
            self._clipped = list(zip(gradients, np.ravel(max_grad_norm), strict=True))
        self._out_of_time, self.is_out_of_time = out_of_time, False
        self.n_seen, self.n_rows, self.n_steps = n_seen, 0, 0

    def step(self, batch: Batch) -> Any:
        """Train on one batch, and return its loss before the step."""
        loss = self._evaluate(batch, self._rng)
        for gradient, max_norm in self._clipped:
            clip(gradient, max_norm)
        strength = None if self._alpha is None else self._alpha / batch.total
        self._update(self._rate(self.n_seen), Penalty(strength, self._n_weights))
        return loss

    def epoch(self, stop: Stop | None = None) -> Any:
        """Train on each row once, and return the mean loss of the rows.

        The loss of each batch is the one before its step. `stop` is checked before each step.
        """
        losses, n_before, self.n_steps = 0.0, self.n_seen, 0
        for batch in self._batches():
            if stop is not None:
                stop.check()
            n_rows = batch.row_weight.shape[-1]
            losses += self.step(batch) * n_rows
            self.n_seen += n_rows
            self.n_steps += 1
            if self._out_of_time is not None and self._out_of_time():
                self.is_out_of_time = True
                break
        self.n_rows = self.n_seen - n_before
        return losses / self.n_rows


class BaseTrainer(ABC):
    """Trains one network and notifies observers of each epoch.

    Parameters
    ----------
    network : Network
    loss : Loss
    samples : Samples
        The training rows.
    plan : Plan
    state : TrainingState
    validate : Validate or None, default=None
        Scores the network after each epoch on validation rows.
    observers : sequence of Observer, default=()
        Are notified of each epoch, after `history`.
    member : int, default=0
        Index of the network in its ensemble.

    Attributes
    ----------
    history : History
        The record of this call.
    until : int
        The epoch at which `fit` ends at the latest.
    max_time : float or None
        The seconds after which `fit` ends.
    resumes_from : Snapshot or None
        What `fit` continues from. The stacks are chosen as for training from the start, so that
        they are the same as before.
    """

    def __init__(
        self,
        network: Any,
        loss: Any,
        samples: Samples,
        plan: Plan,
        state: TrainingState,
        *,
        validate: Validate | None = None,
        observers: Sequence[Observer] = (),
        member: int = 0,
    ):
        self.network, self.loss, self.samples = network, loss, samples
        self.plan, self.state, self.validate = plan, state, validate
        self.observers, self.member, self.history = tuple(observers), member, History()
        self.until, self.max_time = plan.max_epochs, plan.max_time
        self.resumes_from: Snapshot | None = None
        self._best: Any = None  # snapshot of the network, and the epoch
        momentum = plan.averaging(is_validated=validate is not None)
        self._average = WeightAverage(network, momentum) if momentum else None

    @property
    @abstractmethod
    def batch_rows(self) -> int:
        """Number of rows in a training step."""

    @abstractmethod
    def fit(self, stop: Stop | None = None, after_epoch: AfterEpoch | None = None) -> None:
        """Train until done.

        Parameters
        ----------
        stop : Stop or None
            Raises `Stopped` before the next step, once training in another thread has failed.
        after_epoch : callable ``trainers -> None``, or None
            Called after each epoch.
        """

    def begin(self) -> None:
        """Continue from `resumes_from`, notify the observers, and start the clock."""
        if self.resumes_from is not None:
            self.resume(self.resumes_from)
        if not self.history.is_over:
            self.notify(EpochRecord(self.member, 0))
        self._epoch_start = perf_counter()
        self._training_start = self._epoch_start - sum(self.history.seconds)

    @property
    def elapsed(self) -> float:
        """Seconds of training so far; a pause between snapshot and continuation does not count."""
        return perf_counter() - self._training_start

    def is_out_of_time(self) -> bool:
        """Whether `max_time` has passed."""
        return self.max_time is not None and self.elapsed >= self.max_time

    def snapshot(self) -> Snapshot:
        """Return copies of all that training has changed so far."""
        state = replace(self.state, optimizer=None, metric=None)  # perhaps the user's own objects
        history, average = self.history.copy(), self._average and self._average.snapshot()
        return Snapshot(self.network.snapshot(), copy.deepcopy(state), history, self._best, average)

    def resume(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot of a trainer of the same network, plan and rows."""
        self._best = snapshot.best
        if self._average and snapshot.average:
            self._average.restore(snapshot.average)
        self.network.restore(snapshot.network)
        own, state = self.state, snapshot.state
        for name, value in state.moments.items():
            if isinstance(value, np.ndarray):
                own.moments[name][...] = value
            else:
                own.moments[name] = value
        self.state = replace(
            copy.deepcopy(replace(state, moments={})),
            moments=own.moments,
            optimizer=own.optimizer,
            metric=own.metric,
        )
        vars(self.history).update(vars(snapshot.history.copy()))

    def notify(self, record: EpochRecord) -> bool:
        """Pass a record to all observers; return whether one of them wants training to stop."""
        self.history.on_epoch(record)
        return any([observer.on_epoch(record) for observer in self.observers])

    def with_blas_threads(self, function: Callable, *args) -> Any:
        """Call a function with one BLAS thread if the products of this training are small."""
        return in_one_thread(function, *args) if self.is_small else function(*args)

    @property
    def is_small(self) -> bool:
        """Whether all matrix products of a training step are too small for several threads."""
        return self.largest_product <= SMALL_PRODUCT

    @property
    def largest_product(self) -> int:
        """Number of multiplications in the largest matrix product of a training step.

        That is rows of a batch * fan_in * fan_out. A sparse X is not multiplied by BLAS.
        """
        n_weights = [math.prod(shape) for shape in self.network.weight_shapes]
        if self.samples.is_sparse:
            n_weights[0] = 0
        return self.batch_rows * max(n_weights)


class Trainer(BaseTrainer):
    """Trains one network by minibatches: `step` and `epoch` are its descent's, `fit` is here.

    Where there are validation rows, the network is left as it was when its score was best. If
    weights are averaged, it has their average whenever it is scored or shown to observers, and in
    the end.

    Attributes
    ----------
    pause : Snapshot or None
        What training can continue from, after a `fit` that `end_at` has shortened.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        network, plan, state = self.network, self.plan, self.state
        self._continues = state.n_samples_seen > 0 or network.momentum_weight > 0
        state.use(plan.optimizer, network.parameters, reset=not plan.is_chunk)
        self._first_step = state.n_steps
        self._pause_at = 0
        self.pause: Snapshot | None = None

    @cached_property
    def batching(self) -> dict[str, Any]:
        """How the rows are cut into batches, as arguments of `Samples.batches`."""
        min_batch_size = 2 if self.network.statistics.size else 1  # batch norm needs two rows
        return self.plan.batching(len(self.samples), min_batch_size=min_batch_size)

    @property
    def batch_rows(self) -> int:
        return self.batching["batch_size"]

    @property
    def n_seen(self) -> int:
        """Number of rows in all steps of this call."""
        return self.history.n_iter * len(self.samples)

    @property
    def rate_settings(self) -> tuple:
        """What `rate` depends on, besides the training state."""
        plan = self.plan
        of_plan = plan.schedule, plan.learning_rate_init, plan.max_epochs, plan.is_chunk
        return *of_plan, self._first_step, self.until, self._pause_at

    def rate(self, n_seen: int) -> float:
        """Return the learning rate after `n_seen` rows of this call."""
        plan, state = self.plan, self.state
        if plan.is_chunk and plan.schedule.planned:  # no number of epochs is known
            n_steps = self._first_step + n_seen / self.batch_rows
            return float(plan.learning_rate_init * stream_factor(n_steps))
        progress = n_seen / (len(self.samples) * plan.max_epochs)
        if self.max_time is not None:  # the schedule ends when the time does
            of_time = min(1.0, self.elapsed / self.max_time)
            progress = of_time if of_time > progress + TIME_AHEAD else progress
        rate = plan.rate(progress, n_samples_seen=state.n_samples_seen, n_stalls=state.n_stalls)
        return rate * self._cooling(n_seen / len(self.samples))

    def _cooling(self, epoch: float) -> float:
        """Return the factor of the rate in a cooldown, and 1 before it."""
        if not 0 < self._pause_at < epoch:
            return 1.0
        return (self.until - epoch) / (self.until - self._pause_at)

    def descent(self) -> Descent:
        """Return the steps that train this network alone."""
        plan, state = self.plan, self.state
        return Descent(
            self.network,
            self.loss,
            partial(self.samples.batches, state.order, **self.batching),
            optimizer=state.optimizer,
            moments=state.moments,
            rng=state.dropout,
            alpha=plan.alpha,
            rate=self.rate,
            max_grad_norm=plan.max_grad_norm,
            n_seen=self.n_seen,
            fused=self.uses_compiled_loops(self.network),
            out_of_time=None if self.max_time is None else self.is_out_of_time,
        )

    def uses_compiled_loops(self, network: Any) -> bool:
        """Whether to train a network, or a stack of such networks, with compiled loops."""
        n_epochs = self.plan.max_epochs - self.history.n_iter
        n_steps = n_epochs * math.ceil(len(self.samples) / self.batch_rows)
        return use_fused(network, self.batch_rows, n_steps)

    def fit(self, stop: Stop | None = None, after_epoch: AfterEpoch | None = None) -> None:
        self.begin()
        descent = self.descent()
        while not self.history.is_over:
            loss = descent.epoch(stop)
            stops = self.end_epoch(loss, descent)
            if after_epoch is not None:
                after_epoch([self])
            if stops:
                break
        self.finish()

    def end_at(self, epoch: int, *, cooldown: int = 0) -> None:
        """Have `fit` end at an epoch, and keep a snapshot from which training can continue.

        Over the last `cooldown` epochs, the rate falls to 0, as it does at the end of a planned
        schedule. The snapshot is that of the epoch before.
        """
        self.until, self._pause_at = epoch, epoch - cooldown

    def resume(self, snapshot: Snapshot) -> None:
        super().resume(snapshot)
        self.pause = snapshot

    def begin(self) -> None:
        """Score the network that training continues from: an epoch must beat it to be kept."""
        if self._continues and self.validate and self.resumes_from is None:
            score, _ = self.validate(self.network)
            self._keep_if_best(score, epoch=0)
            self.state.patience = self.state.patience.after(score, tol=self.plan.tol)
        super().begin()

    def end_epoch(self, loss: float, descent: Descent) -> bool:
        """Record an epoch of this loss, which the descent has just done; decide what follows.

        Returns whether an observer wants training to stop.
        """
        self.state.n_samples_seen += descent.n_rows
        self.state.n_steps += descent.n_steps
        epoch, average = self.history.n_iter + 1, self._average
        if average:
            average.add_epoch()
        with average.in_network() if average else nullcontext():
            decision, stops = self._score_and_record(epoch, loss, descent)
        if epoch == self._pause_at or (decision.stops and epoch < self._pause_at):
            self.pause = self.snapshot()
            self.pause.history.is_over = decision.stops
        self._epoch_start = perf_counter()
        return stops

    def _score_and_record(self, epoch: int, loss: float, descent: Descent) -> tuple[Decision, bool]:
        """Score the network and notify the observers; return both decisions about what follows."""
        state, plan, score, validation_loss = self.state, self.plan, None, None
        best_epoch, rate = epoch, self._rate_now()
        if self.validate:
            score, validation_loss = self.validate(self.network)
            best_epoch = self._keep_if_best(score, epoch=epoch)
        seconds = perf_counter() - self._epoch_start
        state.patience = state.patience.after(-loss if score is None else score, tol=plan.tol)
        decision = decide(loss, rate, state.patience, plan, is_out_of_time=descent.is_out_of_time)
        self.history.reached_max_time = decision is Decision.STOP_OUT_OF_TIME
        message, warning = self._act_on(decision), self._warning(decision, loss, epoch)
        is_last = decision.stops or epoch == self.until
        stops = self.notify(
            EpochRecord(
                self.member, epoch, loss, rate, seconds, score, validation_loss,
                best_epoch=best_epoch, is_last=is_last, message=message, warning=warning,
            )
        )  # fmt: skip
        if warning:
            warnings.warn(warning, ConvergenceWarning, stacklevel=5)
        return decision, stops

    def finish(self) -> None:
        """Return to the best epoch, if there were validation rows; else use the average, if any."""
        self.history.is_over = True
        if self._best:
            self.network.restore(self._best[0])
        elif self._average:
            self._average.replace_weights()

    def _rate_now(self) -> float:
        return self.rate(self.n_seen + len(self.samples))  # this epoch is not yet recorded

    def _keep_if_best(self, score: float, *, epoch: int) -> int:
        """Keep the network if its score is the best so far; return the best epoch."""
        if score > self.state.patience.best:
            self._best = self.network.snapshot(), epoch
        return self._best[1] if self._best else epoch

    def _act_on(self, decision: Decision) -> str:
        """Lower the learning rate if that was decided; return the message for users."""
        state, plan = self.state, self.plan
        if decision is Decision.STOP_OUT_OF_TIME:
            return f"max_time={plan.max_time:g} seconds have passed. Stopping."
        if decision not in (Decision.LOWER_RATE, Decision.STOP_STALLED):
            return ""
        message = (
            f"{'Validation score' if self.validate else 'Training loss'} did not improve"
            f" more than tol={plan.tol:f} for {plan.n_iter_no_change} consecutive epochs."
        )
        if decision is Decision.STOP_STALLED:
            reason = " Learning rate too small." if state.n_stalls else ""
            return f"{message}{reason} Stopping."
        state.patience = state.patience.renewed()
        state.n_stalls += 1
        return f"{message} Setting learning rate to {self._rate_now():f}"

    def _warning(self, decision: Decision, loss: float, epoch: int) -> str:
        """Return a warning if training diverged, or if more epochs might have helped."""
        plan = self.plan
        if decision is Decision.STOP_DIVERGED:
            return f"Training has diverged: the loss is {loss}."
        is_planned = plan.is_chunk or plan.schedule.planned
        if decision.stops or epoch < plan.max_epochs or is_planned:
            return ""
        return (
            f"Stochastic Optimizer: Maximum iterations ({plan.max_epochs}) "
            "reached and the optimization hasn't converged yet."
        )
