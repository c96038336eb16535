"""Learning-rate schedules: pure functions of how far training has come."""

from abc import ABC, abstractmethod
from dataclasses import dataclass


class Schedule(ABC):
    """Settings of a schedule, under the names of the estimators' parameters."""

    @abstractmethod
    def factor(self, samples: int, stalls: int) -> float:
        """What the initial learning rate is multiplied by.

        Parameters
        ----------
        samples : int
            Training samples seen so far.
        stalls : int
            How often training has stopped improving so far.
        """

    def goes_on(self, rate: float) -> bool:
        """Whether training goes on, at a lower rate, when it has stalled at `rate`."""
        return False


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate throughout."""

    def factor(self, samples, stalls):
        return 1.0


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """Divide by ``(samples + 1) ** power_t``."""

    power_t: float = 0.5

    def factor(self, samples, stalls):
        return (samples + 1) ** -self.power_t


@dataclass(frozen=True)
class Adaptive(Schedule):
    """Divide by 5 at each stall, until the rate is at most 1e-6."""

    def factor(self, samples, stalls):
        return 5.0**-stalls

    def goes_on(self, rate):
        return rate > 1e-6


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "invscaling": InverseScaling,
    "adaptive": Adaptive,
}
