"""What a fit prints while it trains: a progress line, or a table with a row for each epoch."""

import math
from collections.abc import Iterable, Mapping, Sequence
from threading import RLock
from time import perf_counter

import numpy as np

from sknormnet.estimators.screen import Screen
from sknormnet.estimators.settings import Settings
from sknormnet.training.history import EpochRecord, History, Observer

REDRAW = 0.1  # seconds between two drawings of the progress line


class Progress:
    """What is printed while the members of a fit train: here nothing, in the subclasses more.

    As a context manager, it also prints that a fit has failed or was interrupted.

    Parameters
    ----------
    owner : str
        Name of the estimator's class.
    unit : str, default="epoch"
        What is counted: an "epoch", or an "iteration" of L-BFGS.

    Attributes
    ----------
    histories : list of History
        The records of the members, which grow in training.
    total : int
        Maximum number of epochs of a member.
    """

    def __init__(self, owner: str, unit: str = "epoch"):
        self.owner, self.unit, self.total = owner, unit, 0
        self.histories: list[History] = []

    def add(self, history: History, max_epochs: int) -> None:
        """Add a member, whose number is that of the members before it."""
        self.histories.append(history)
        self.total = max(self.total, max_epochs)

    @property
    def observers(self) -> tuple[Observer, ...]:
        """The observers to be notified of each epoch."""
        return ()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error) -> None:
        if kind is not None:
            self.ends("failed" if issubclass(kind, Exception) else "interrupted")

    def clear(self) -> None:
        """Remove the progress line, so that a warning can be printed."""

    def ends(self, failure: str = "") -> None:
        """Print how the fit ended, once; `failure` is a word for a fit that has failed."""


class PrintedProgress(Progress):
    """What the progress line and the table share: messages, and a last line that stays."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._screen = Screen()
        self._started = perf_counter()
        self._is_over = False
        self._training: dict[int, History] = {}  # the members that train now
        self._current: int | None = None  # the member whose epoch is shown
        self._lock = RLock()  # members may train in threads

    @property
    def observers(self) -> tuple[Observer, ...]:
        return (self,)

    def on_epoch(self, record: EpochRecord) -> None:
        """Print what there is to print after an epoch of a member."""
        if record.epoch == 0:
            self.begin(record.member)
            return
        with self._lock:
            self._current = record.member
            self.show()
            if record.message and len(self.histories) == 1:
                self._screen.print(record.message)
            if record.warning:
                self._screen.clear()

    def begin(self, member: int) -> None:
        """Take note of a member that begins to train, alone or beside others."""
        with self._lock:
            if not self._training:
                self._started = perf_counter()
            # All members of a stack begin before one is over.
            others = {k: x for k, x in self._training.items() if not x.is_over}
            self._training = others | {member: self.histories[member]}

    def show(self) -> None:
        """Show the progress after an epoch."""

    def clear(self) -> None:
        with self._lock:
            self._screen.clear()

    def _n_iters(self, members: Mapping[int, History]) -> list[int]:
        """Return the epochs of members that still train, or whose last epoch is shown now."""
        return [x.n_iter for k, x in members.items() if not x.is_over or k == self._current]

    def ends(self, failure: str = "") -> None:
        """Print the last line: the outcome of the fit, the best epoch, the time."""
        with self._lock:
            # After an interrupt, threads may still train. They must not print any more.
            if self._training and not self._is_over:
                self._screen.print(self._last_line(failure))
            self._is_over = True

    def _last_line(self, failure: str) -> str:
        means = {} if failure else _means(self.histories)
        best, at = ("", "") if failure else self._best()
        score = f"val {means['validation_score']:.4g}" if "validation_score" in means else ""
        parts = {
            "name": f"{self.owner}: ",
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
        """Return whether all epochs were run, and after which one training ended if not."""
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
        """Return the best validation score and its epoch, in a longer and a shorter form."""
        scores = [x.scores[x.best_epoch - 1] for x in self.histories if x.scores and x.best_epoch]
        if scores:
            at = _span([x.best_epoch for x in self.histories])
            return f"best {np.mean(scores):.4g} at {at}", f"best {at}"
        validated = any(np.isfinite(x.scores).any() for x in self.histories)
        return ("best at the start",) * 2 if validated else ("", "")


class ProgressLine(PrintedProgress):
    """One line, redrawn in place on a terminal; elsewhere a line after each tenth of training."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._redrawn, self._tenths = -math.inf, 0
        self._level = 0  # number of epochs that all members that train now have done
        self._dropped = 0  # number of parts of the line that the terminal is too narrow for

    def begin(self, member: int) -> None:
        super().begin(member)
        self._level = 0

    def show(self) -> None:
        """Draw the line if it is time to, but for the last epoch: the last line follows."""
        with self._lock:
            level = min(self._n_iters(self._training), default=0)
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
        front = max(self._n_iters(self._training), default=self.total)
        done = 0
        for member, x in enumerate(self.histories):
            if not x.is_over:
                done += x.n_iter
            elif member in self._training:  # a stack takes as long when one has left it
                done += max(x.n_iter, front)
            else:
                done += self.total
        return done

    def _line(self, share: float) -> str:
        """Return the line when this share of all epochs is done."""
        members = self._training.values()
        epoch = math.ceil(np.mean(self._n_iters(self._training)))
        left = (perf_counter() - self._started) * (1 - share) / share
        means = _means(members)
        names = {"loss": "loss", "validation_score": "val", "learning_rate": "lr"}
        parts = {
            "name": f"{self.owner}: ",
            "members": self._which(),
            "epoch": f"{self.unit} {epoch}/{self.total}",
            **{k: f"{v} {means[k]:.4g}" if k in means else "" for k, v in names.items()},
            "left": f"{_time(left)} left",
        }
        order = ["learning_rate", "name", "left", "loss", "validation_score", "members"]
        if parts["validation_score"]:  # more informative than the loss
            order.insert(1, "loss")
        parts |= dict.fromkeys(order[: self._dropped], "")  # and stay so, rather than come and go
        steps = [(name, "") for name in order[self._dropped :]]
        line, n_taken = _shortened(parts, steps, self._screen.width)
        self._dropped += n_taken
        return line

    def _which(self) -> str:
        """Return which members train; "" if all of them do."""
        n_members = len(self.histories)
        if len(self._training) == n_members:
            return ""
        if len(self._training) > 1:
            return f"{sum(x.is_over for x in self.histories)}/{n_members} members done"
        return f"member {min(self._training) + 1}/{n_members}"


class Table(PrintedProgress):
    """A row for each epoch that is done by all members that still train."""

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

    def show(self) -> None:
        """Print the rows that are complete."""
        with self._lock:
            histories = dict(enumerate(self.histories))
            done = min(self._n_iters(histories), default=max(x.n_iter for x in self.histories))
            if not self._is_over:
                for epoch in range(self._shown + 1, done + 1):
                    self._print(epoch)
                self._shown = max(self._shown, done)

    def ends(self, failure: str = "") -> None:
        """Print the rows that are left, and the last line."""
        self.show()
        super().ends(failure)

    def _print(self, epoch: int) -> None:
        means = _means(self.histories, epoch)
        if epoch == 1:
            self._screen.print(self.unit + "".join(f"{self.NAMES[name]:>11}" for name in means))
        numbers = "".join(f"{_four_digits(x):>11}" for x in means.values())
        self._screen.print(f"{epoch:{len(self.unit)}d}{numbers}")


def progress_of(owner: str, settings: Settings) -> Progress:
    """Return what `verbose` asks for: nothing, a progress line or a table."""
    kind = {0: Progress, 1: ProgressLine}.get(int(settings.verbose), Table)
    return kind(owner, "epoch" if settings.is_stochastic else "iteration")


def _means(histories: Iterable[History], epoch: int | None = None) -> dict[str, float]:
    """Return the mean values of an epoch over the members that have done it.

    None stands for the last epoch of each member.
    """
    columns = [x.columns() for x in histories]
    means = {}
    for name in History().columns():
        values = [x[name][-1 if epoch is None else epoch - 1 :][:1] for x in columns]
        if any(values):
            means[name] = float(np.mean([x[0] for x in values if x]))
    return means


def _shortened(
    parts: Mapping[str, str], steps: Sequence[tuple[str, str]], width: float
) -> tuple[str, int]:
    """Join parts to a line, and shorten them step by step until it fits.

    A step replaces the part of this name by this text. Returns the line and the number of steps.
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
    """Format with four significant digits, including zeros at the end, to align a column."""
    return f"{x:#.4g}".rstrip(".")
