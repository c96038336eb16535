"""What a fit says while it trains: a progress line, or a table with a row an epoch."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np


@dataclass
class History:
    """What one call has to tell: losses and validation scores, iteration by iteration."""

    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    n_iter: int = 0
    best_epoch: int = 0
    is_over: bool = False

    def columns(self) -> dict[str, list[float]]:
        """All that was recorded, under the names of the estimators' `history_`."""
        return {
            "loss": self.losses,
            "validation_loss": self.validation_losses,
            "validation_score": self.scores,
            "learning_rate": self.rates,
            "seconds": self.seconds,
        }


def mean_history(histories: Sequence[History]) -> History:
    """What an ensemble has to tell: the means over the members that still trained."""
    if len(histories) == 1:
        return histories[0]
    lists: dict[str, Any] = {
        f.name: [_mean(row) for row in zip_longest(*(getattr(x, f.name) for x in histories))]
        for f in fields(History)
        if f.default_factory is list
    }
    return History(**lists, n_iter=max(history.n_iter for history in histories))


def joined(before: dict[str, list[float]], now: dict[str, list[float]]) -> dict[str, list[float]]:
    """Columns of two calls one below the other, in new lists, where NaN stands for a gap.

    A column that neither of them has stays empty; all others have as many rows as the losses.
    """
    columns = {}
    for name, values in now.items():
        earlier = before.get(name, [])
        if earlier or values:
            earlier = earlier + [math.nan] * (len(before.get("loss", [])) - len(earlier))
            values = values + [math.nan] * (len(now["loss"]) - len(values))
        columns[name] = earlier + values
    return columns


def _mean(values: Sequence[float | None]) -> float:
    return float(np.mean([x for x in values if x is not None]))


class Report:
    """Tells how the members of a fit come along: nothing here, something in its subclasses.

    Parameters
    ----------
    name : str
        Of the estimator.
    histories : sequence of History
        Of the members; they grow while these train.
    total : int
        The largest number of epochs.
    """

    def __init__(self, name: str = "", histories: Sequence[History] = (), total: int = 0):
        self.name, self.histories, self.total = name, histories, total
        self._started, self._shown = perf_counter(), 0
        self._lock = Lock()  # members may train in threads

    def goes_on(self) -> None:
        """Tell that a member has done an epoch."""

    def says(self, message: str) -> None:
        """Tell what has become of a single network, on a line of its own."""

    def ends(self) -> None:
        """Tell that all is done."""


class ProgressLine(Report):
    """One line, redrawn in place on a terminal; elsewhere a line at each tenth of the way."""

    def goes_on(self) -> None:
        with self._lock:
            done = self._done
            if sys.stdout.isatty():
                print(f"\r{self._line(done)}\033[K", end="", flush=True)
            elif 10 * done // self.total > 10 * self._shown // self.total:
                print(self._line(done), flush=True)
                self._shown = done

    def says(self, message: str) -> None:
        if len(self.histories) == 1:
            print(f"\r{message}\033[K" if sys.stdout.isatty() else message)

    def ends(self) -> None:
        done = self._done
        if sys.stdout.isatty():
            print(f"\r{self._line(done)}\033[K")
        elif self._shown < done:
            print(self._line(done))

    @property
    def _done(self) -> int:
        """Number of epochs done, on average over the members."""
        return -(-sum(history.n_iter for history in self.histories) // len(self.histories))

    def _line(self, done: int) -> str:
        latest = {
            "loss": [x.losses[-1] for x in self.histories if x.losses],
            "validation score": [x.scores[-1] for x in self.histories if x.scores],
            "learning rate": [x.rates[-1] for x in self.histories if x.rates],
        }
        seconds = perf_counter() - self._started
        left = seconds / max(done, 1) * (self.total - done)
        return ", ".join(
            [
                f"{self.name}: epoch {done:{len(str(self.total))}d}/{self.total}",
                *(f"{name} {_mean(values):.4g}" for name, values in latest.items() if values),
                f"{left:.0f} s left" if done < self.total else f"{seconds:.1f} s",
            ]
        )


class Table(Report):
    """A row for each epoch that all members have done which still train."""

    def goes_on(self) -> None:
        with self._lock:
            going = [history.n_iter for history in self.histories if not history.is_over]
            done = min(going, default=max(history.n_iter for history in self.histories))
            for epoch in range(self._shown, done):
                self._print(epoch)
            self._shown = done

    def says(self, message: str) -> None:
        if len(self.histories) == 1:
            print(message)

    def ends(self) -> None:
        self.goes_on()

    def _print(self, epoch: int) -> None:
        row = {}
        for name in History().columns():
            values = [x.columns()[name] for x in self.histories]
            if any(values):
                row[name.replace("_", " ")] = _mean([x[epoch] for x in values if len(x) > epoch])
        if epoch == 0:
            print("epoch", *(f"{name:>17}" for name in row))
        print(f"{epoch + 1:5d}", *(f"{value:17.6g}" for value in row.values()), flush=True)
