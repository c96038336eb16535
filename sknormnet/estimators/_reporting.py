"""What a fit prints while it trains: a progress line, or a table with a row for each epoch."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np

from sknormnet.estimators._screen import Screen

REDRAW = 0.1  # seconds between two drawings of the progress line


@dataclass
class History:
    """What one call has to tell: losses and validation scores, iteration by iteration.

    Attributes
    ----------
    best_epoch : int
        Number, from 1, of the epoch of this call with the best validation score; 0 while the
        network that training started from is the best.
    """

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

    As a context manager, it also tells of a fit that ends with an error.

    Parameters
    ----------
    name : str
        Of the estimator.
    histories : sequence of History
        Of the members; they grow while these train.
    total : int
        The largest number of epochs.
    unit : str, default="epoch"
        What the solver's passes are called.
    """

    def __init__(
        self,
        name: str = "",
        histories: Sequence[History] = (),
        total: int = 0,
        unit: str = "epoch",
    ):
        self.name, self.histories, self.total, self.unit = name, histories, total, unit

    def __enter__(self) -> "Report":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error) -> None:
        if kind is not None:
            self.ends("interrupted" if issubclass(kind, KeyboardInterrupt) else "failed")

    def begins(self, history: History) -> None:
        """Tell that a member begins to train."""

    def goes_on(self) -> None:
        """Tell that a member has done an epoch."""

    def says(self, message: str) -> None:
        """Tell what has become of a single network, on a line of its own."""

    def clear(self) -> None:
        """Remove the progress line, so that a warning can be printed."""

    def ends(self, failure: str = "") -> None:
        """Tell what came of it, once; a word says so if the fit has failed."""


class Printed(Report):
    """What the progress line and the table share: messages, and a last line that stays."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._screen = Screen()
        self._started = perf_counter()
        self._is_over = False
        self._training: dict[int, History] = {}  # the members that train at a time
        self._lock = Lock()  # members may train in threads

    def begins(self, history: History) -> None:
        """Take note of a member that begins to train, alone or beside others."""
        with self._lock:
            if not self._training:
                self._started = perf_counter()
            # All members of a stack begin before one is over.
            others = [x for x in self._training.values() if not x.is_over]
            self._training = {id(x): x for x in [*others, history]}

    def says(self, message: str) -> None:
        """Print a message, unless it is about one of several members."""
        if len(self.histories) == 1:
            self._screen.print(message)

    def clear(self) -> None:
        """Remove the progress line, so that a warning can be printed."""
        with self._lock:
            self._screen.clear()

    def ends(self, failure: str = "") -> None:
        """Print the last line: what came of the fit, the best epoch, the time."""
        with self._lock:
            # After an interrupt, threads may train on. They are not to be heard.
            if self._training and not self._is_over:
                self._screen.print(self._last_line(failure))
            self._is_over = True

    def _last_line(self, failure: str) -> str:
        means = {} if failure else _means(self.histories)
        best, at = ("", "") if failure else self._best()
        score = f"val {means['validation_score']:.4g}" if "validation_score" in means else ""
        parts = {
            "name": f"{self.name}: ",
            "members": f"{len(self.histories)} members" if len(self.histories) > 1 else "",
            "outcome": self._outcome(failure),
            "loss": f"loss {means['loss']:.4g}" if np.isfinite(means.get("loss", np.nan)) else "",
            "score": f"{score} ({best})" if best else score,
            "seconds": _time(perf_counter() - self._started, digits=1),
        }
        steps = [("score", best or score), ("loss", "" if score else parts["loss"]), ("name", "")]
        steps += [("score", at or score), ("seconds", "")]
        steps += [(name, "") for name in ("score", "loss", "members")]
        return _shortened(parts, steps, self._screen.width)[0]

    def _outcome(self, failure: str) -> str:
        """Whether training went all the way, and where it ended if not."""
        epochs = [x.n_iter for x in self.histories]
        diverged = [x.n_iter for x in self.histories if not np.isfinite(x.losses[-1:]).all()]
        if failure:
            return f"{failure} after {self.unit} {_span(epochs)} of {self.total}"
        if diverged:
            number = f"{len(diverged)} " if len(epochs) > 1 else ""
            return f"{number}diverged in {self.unit} {_span(diverged)} of {self.total}"
        if min(epochs) < self.total:
            return f"stopped after {self.unit} {_span(epochs)} of {self.total}"
        return f"{self.total} {self.unit}{'s' if self.total > 1 else ''}"

    def _best(self) -> tuple[str, str]:
        """The best validation score and its epoch, in some words and in fewer."""
        scores = [x.scores[x.best_epoch - 1] for x in self.histories if x.scores and x.best_epoch]
        if scores:
            at = _span([x.best_epoch for x in self.histories])
            return f"best {_mean(scores):.4g} at {at}", f"best {at}"
        validated = any(np.isfinite(x.scores).any() for x in self.histories)
        return ("best at the start",) * 2 if validated else ("", "")


class ProgressLine(Printed):
    """One line, redrawn in place on a terminal; elsewhere a line at each tenth of the way."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._redrawn, self._tenths = -math.inf, 0
        self._level = 0  # number of epochs that all who train have done
        self._dropped = 0  # number of parts that the terminal has no room for

    def begins(self, history: History) -> None:
        """Take note of a member that begins to train, alone or beside others."""
        super().begins(history)
        self._level = 0

    def goes_on(self) -> None:
        """Draw the line if it is time to, but for the last epoch: the last line follows."""
        with self._lock:
            going = [x.n_iter for x in self._training.values() if not x.is_over]
            level = min(going, default=0)
            done, whole = self._done(), self.total * len(self.histories)
            if self._is_over or done >= whole or level in (0, self._level):
                return  # the members of a stack end an epoch one by one
            self._level = level
            if self._screen.is_live:
                if perf_counter() >= self._redrawn + REDRAW:
                    self._screen.draw(self._line(done / whole))
                    self._redrawn = perf_counter()
            elif 10 * done // whole > self._tenths:
                self._screen.print(self._line(done / whole))
                self._tenths = 10 * done // whole

    def _done(self) -> int:
        """Number of epochs done or not needed any more, over all members."""
        going = [x.n_iter for x in self._training.values() if not x.is_over]
        front = max(going, default=self.total)
        done = 0
        for x in self.histories:
            if not x.is_over:
                done += x.n_iter
            elif id(x) in self._training:  # a stack takes as long when one has left it
                done += max(x.n_iter, front)
            else:
                done += self.total
        return done

    def _line(self, share: float) -> str:
        """The line when a share of the way is done."""
        members = self._training.values()
        going = [x.n_iter for x in members if not x.is_over]
        epoch = math.ceil(_mean(going))
        left = (perf_counter() - self._started) * (1 - share) / share
        means = _means(members)
        names = {"loss": "loss", "validation_score": "val", "learning_rate": "lr"}
        parts = {
            "name": f"{self.name}: ",
            "members": self._which(),
            "epoch": f"{self.unit} {epoch}/{self.total}",
            **{k: f"{v} {means[k]:.4g}" if k in means else "" for k, v in names.items()},
            "left": f"{_time(left)} left",
        }
        order = ["learning_rate", "name", "left", "loss", "validation_score", "members"]
        if parts["validation_score"]:  # which says more than the loss
            order.insert(1, "loss")
        parts |= dict.fromkeys(order[: self._dropped], "")  # for good: they do not come and go
        steps = [(name, "") for name in order[self._dropped :]]
        line, n_taken = _shortened(parts, steps, self._screen.width)
        self._dropped += n_taken
        return line

    def _which(self) -> str:
        """Which members train, where not all do at a time."""
        n_members = len(self.histories)
        if len(self._training) == n_members:
            return ""
        if len(self._training) > 1:
            return f"{sum(x.is_over for x in self.histories)}/{n_members} members done"
        number = next(i for i, x in enumerate(self.histories, 1) if id(x) in self._training)
        return f"member {number}/{n_members}"


class Table(Printed):
    """A row for each epoch that all members have done which still train."""

    NAMES = {
        "loss": "loss",
        "validation_loss": "val loss",
        "validation_score": "val score",
        "learning_rate": "lr",
        "seconds": "s",
    }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._shown = 0

    def goes_on(self) -> None:
        """Print the rows that are complete."""
        with self._lock:
            going = [x.n_iter for x in self.histories if not x.is_over]
            done = min(going, default=max(x.n_iter for x in self.histories))
            if not self._is_over:
                for epoch in range(self._shown + 1, done + 1):
                    self._print(epoch)
                self._shown = max(self._shown, done)

    def ends(self, failure: str = "") -> None:
        """Print the rows of members that ended before others, and the last line."""
        self.goes_on()
        super().ends(failure)

    def _print(self, epoch: int) -> None:
        means = _means(self.histories, epoch)
        if epoch == 1:
            self._screen.print(self.unit + "".join(f"{self.NAMES[name]:>11}" for name in means))
        numbers = "".join(f"{_four_digits(x):>11}" for x in means.values())
        self._screen.print(f"{epoch:{len(self.unit)}d}{numbers}")


def _means(histories: Iterable[History], epoch: int | None = None) -> dict[str, float]:
    """What was recorded of an epoch, or of each member's last one, on average.

    The means are over the members that have done the epoch.
    """
    columns = [x.columns() for x in histories]
    means = {}
    for name in History().columns():
        values = [x[name][-1 if epoch is None else epoch - 1 :][:1] for x in columns]
        if any(values):
            means[name] = _mean([x[0] for x in values if x])
    return means


def _shortened(
    parts: Mapping[str, str], steps: Sequence[tuple[str, str]], width: float
) -> tuple[str, int]:
    """Join parts to a line, and replace as many of them, step by step, as make it fit.

    Returns the line and the number of steps that were taken.
    """
    parts = dict(parts)
    for n_taken, (name, text) in enumerate([("", ""), *steps]):
        parts[name] = text
        line = parts["name"] + ", ".join(x for k, x in parts.items() if x and k != "name")
        if len(line) <= width:
            return line, n_taken
    return line[: int(width)], len(steps)


def _span(numbers: Sequence[int]) -> str:
    first, last = min(numbers), max(numbers)
    return f"{first}" if first == last else f"{first}-{last}"


def _time(seconds: float, digits: int = 0) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.{digits}f} s"


def _four_digits(x: float) -> str:
    """A number of four significant digits, zeros at the end too, as a column needs them."""
    return f"{x:#.4g}".rstrip(".")
