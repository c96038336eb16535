"""Which networks are trained as one stack, and how many stacks at a time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from sknormnet.estimators._sklearn import Parallel, delayed
from sknormnet.estimators._training import (
    Job,
    Progress,
    is_stochastic,
    train_full_batch,
    train_stochastic,
)

CACHE = 8 * 2**20  # bytes that a stack works on: with twice as many, it gains half as much
FEWEST = 3  # members; fewer gain nothing over one after the other


def train(jobs: Sequence[Job], callbacks=None) -> Sequence[Job]:
    """Train the networks of all jobs, those that can go together as stacks.

    What becomes of a network does not depend on those beside it. Stacks are trained as many at
    a time as BLAS has threads, each with one thread. Under the eyes of `callbacks`, all jobs,
    which are the members of one ensemble, go together.
    """
    n_threads = _blas_threads() if len(jobs) > 1 and callbacks is None else 1
    teams = _teams(jobs, n_threads, callbacks)
    if len(teams) > 1:
        with threadpool_limits(1, user_api="blas"):
            parallel = Parallel(n_jobs=min(n_threads, len(teams)), backend="threading")
            parallel(delayed(team)() for team in teams)
    else:
        for team in teams:
            team()
    return jobs


def _blas_threads() -> int:
    found = (x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas")
    return max(found, default=1)


def _teams(jobs: Sequence[Job], n_threads: int, callbacks) -> list[Callable]:
    """What trains the jobs, some at a time."""
    teams: list[Callable] = []
    groups: list[tuple[tuple, list[Progress]]] = []
    for job in jobs:
        if not is_stochastic(job.estimator):
            teams.append(partial(train_full_batch, job, callbacks))
            continue
        progress = Progress(job)
        kind = _kind(progress)
        for other, members in groups:
            if kind == other and progress.job.run.optimizer.stacks:
                members.append(progress)
                break
        else:
            groups.append((kind, [progress]))
    for _, members in groups:
        for part in [members] if callbacks else _cut(members, n_threads):
            teams.append(partial(train_stochastic, part, callbacks))
    return teams


def _kind(progress: Progress) -> tuple:
    """What the networks of a stack have in common."""
    job = progress.job
    run, network = job.run, job.run.network
    optimizer = run.optimizer
    if optimizer.of_member:
        optimizer = replace(optimizer, **{optimizer.of_member: None})
    data = len(job.training), job.training.is_sparse
    return (
        network.form, network.dtype, network.momentum, network.tracks, job.loss, optimizer,
        progress.batching, data, run.samples, run.steps,
    )  # fmt: skip


def _cut(members: list[Progress], n_threads: int) -> list[list[Progress]]:
    """A group in parts that stay in cache, and that keep all threads busy."""
    progress = members[0]
    network, n_rows = progress.job.run.network, progress.batching["batch_size"]
    numbers = 4 * network.parameters.size + 3 * n_rows * network.n_units
    most = CACHE // (numbers * network.dtype.itemsize)
    if most < FEWEST:
        return [[member] for member in members]
    n_parts = max(math.ceil(len(members) / most), min(n_threads, len(members) // FEWEST), 1)
    bounds = np.linspace(0, len(members), n_parts + 1).round().astype(int)
    return [members[start:stop] for start, stop in pairwise(bounds)]
