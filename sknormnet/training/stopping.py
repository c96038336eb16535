"""When to stop training: a pure function of the scores so far."""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Patience:
    """The best score so far and how long training has waited for a better one. Higher is better.

    Attributes
    ----------
    best : float
        The best score so far.
    waited : int
        Number of scores since the last one that was at least `tol` above the best before it.
    """

    best: float = -math.inf
    waited: int = 0

    def after(self, score: float, *, tol: float) -> "Patience":
        """Return the patience after the next score."""
        return Patience(
            best=score if score > self.best else self.best,
            waited=0 if score >= self.best + tol else self.waited + 1,  # NaN is no improvement
        )

    def renewed(self) -> "Patience":
        """Return the same best score with `waited` reset to 0."""
        return replace(self, waited=0)
