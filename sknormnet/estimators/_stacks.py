"""Which networks are trained as one stack, and how many stacks at a time."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from itertools import pairwise
from threading import Lock, Thread
from typing import Any

import numpy as np
from sklearn import config_context, get_config

from sknormnet.estimators._training import (
    Job,
    Progress,
    Stop,
    is_stochastic,
    train_full_batch,
    train_stochastic,
)
from sknormnet.nn.layers import PiecewiseLinear
from sknormnet.training.threads import SMALL_PRODUCT, blas_threads, in_one_thread

CACHE = 8 * 2**20  # bytes that a stack works on: with twice as many, it gains half as much
FEWEST = 3  # members; fewer gain nothing over one after the other


def train(jobs: Sequence[Job], callbacks=None) -> Sequence[Job]:
    """Train the networks of all jobs, those that can go together as stacks.

    What becomes of a network does not depend on those beside it. Stacks are trained as many at
    a time as BLAS has threads, each with one thread. Under the eyes of `callbacks`, all jobs,
    which are the members of one ensemble, go together. If training fails or is interrupted, all
    stacks stop at their next batch, and none is trained any more when the exception is raised.
    """
    n_threads = blas_threads() if len(jobs) > 1 and callbacks is None else 1
    stop = Stop()
    teams = _teams(jobs, n_threads, callbacks, stop)
    n_threads = min(n_threads, len(teams))
    if n_threads > 1:
        in_one_thread(_train_in_threads, teams, n_threads, stop)
    else:
        with_threads_for(jobs, _train_in_turn, teams)
    return jobs


def with_threads_for(jobs: Sequence[Job], function: Callable, *args) -> Any:
    """Call a function with one BLAS thread if the products of all jobs are small.

    Else it has all BLAS threads that the caller has.
    """
    small = all(largest_product(job) <= SMALL_PRODUCT for job in jobs)
    return in_one_thread(function, *args) if small else function(*args)


def largest_product(job: Job) -> int:
    """Return the number of multiplications in the largest matrix product of a training step.

    That is rows of a batch * fan_in * fan_out. A sparse X is not multiplied by BLAS.
    """
    network = job.run.network
    n_weights = [math.prod(shape) for shape in network.weight_shapes]
    if job.training.is_sparse and not isinstance(network.layers[0], PiecewiseLinear):
        n_weights[0] = 0
    return job.batch_rows * max(n_weights)


def _train_in_turn(teams: Sequence[Callable]) -> None:
    for team in teams:
        team()


def _train_in_threads(teams: Sequence[Callable], n_threads: int, stop: Stop) -> None:
    """Train `n_threads` teams at a time. Whatever happens, none is trained on afterwards."""
    waiting = deque([*teams, *[None] * n_threads])
    workers = [Worker(waiting, stop) for _ in range(n_threads)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.wait()
    except BaseException as error:
        stop.at(error)
        for worker in workers:
            if worker.has_begun:
                worker.wait()
        # Where Ctrl+C comes at a bad moment, Thread.start raises RuntimeError instead.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    if stop.error:
        raise stop.error


class Worker(Thread):
    """A thread that trains waiting teams until none is left or training is to stop.

    Parameters
    ----------
    waiting : deque of callable or None
        What trains the teams, and None for each worker as a sign that there are no more.
    stop : Stop

    Attributes
    ----------
    has_begun : bool
        Whether it may train, so that there is something to wait for.
    """

    def __init__(self, waiting: deque, stop: Stop):
        super().__init__(daemon=True)
        self.has_begun = False
        self._waiting, self._stop_at = waiting, stop
        # Settings that each thread has its own of: NumPy's error handling, scikit-learn's.
        self._context, self._config = copy_context(), get_config()
        self._busy = Lock()
        self._busy.acquire()

    def run(self) -> None:
        """Train, and have the others stop if that fails."""
        self.has_begun = True
        try:
            with config_context(**self._config):
                for team in iter(self._waiting.popleft, None):
                    self._stop_at.check()
                    self._context.run(in_one_thread, team)
        except BaseException as error:
            self._stop_at.at(error)
        finally:
            self._busy.release()

    def wait(self) -> None:
        """Return when it trains no more; `join` may not wait once a Ctrl+C has ended it."""
        with self._busy:
            pass


def _teams(jobs: Sequence[Job], n_threads: int, callbacks, stop: Stop) -> list[Callable]:
    """What trains the jobs, some at a time, until `stop` says so."""
    teams: list[Callable] = []
    groups: list[tuple[tuple, list[Progress]]] = []
    for job in jobs:
        if not is_stochastic(job.estimator):
            job.batch_rows = len(job.training)
            teams.append(partial(train_full_batch, job, callbacks, stop))
            continue
        progress = Progress(job)
        job.batch_rows = progress.batching["batch_size"]
        kind = _kind(progress)
        for other, members in groups:
            if kind == other and progress.job.run.optimizer.stacks:
                members.append(progress)
                break
        else:
            groups.append((kind, [progress]))
    for _, members in groups:
        for part in [members] if callbacks else _cut(members, n_threads):
            teams.append(partial(train_stochastic, part, callbacks, stop))
    return teams


def _kind(progress: Progress) -> tuple:
    """What the networks of a stack have in common."""
    job = progress.job
    run, network = job.run, job.run.network
    optimizer = run.optimizer
    if optimizer.per_network_setting:
        optimizer = replace(optimizer, **{optimizer.per_network_setting: None})
    data = len(job.training), job.training.is_sparse
    return (
        network.stacking_key(), job.loss, optimizer,
        progress.batching, data, run.samples, run.steps,
    )  # fmt: skip


def _cut(members: list[Progress], n_threads: int) -> list[list[Progress]]:
    """A group in parts that stay in cache, and that keep all threads busy."""
    progress = members[0]
    network, n_rows = progress.job.run.network, progress.batching["batch_size"]
    numbers = 4 * network.parameters.size + 3 * n_rows * sum(map(sum, network.weight_shapes))
    most = CACHE // (numbers * network.dtype.itemsize)
    if most < FEWEST:
        return [[member] for member in members]
    n_parts = max(math.ceil(len(members) / most), min(n_threads, len(members) // FEWEST), 1)
    bounds = np.linspace(0, len(members), n_parts + 1).round().astype(int)
    return [members[start:stop] for start, stop in pairwise(bounds)]
