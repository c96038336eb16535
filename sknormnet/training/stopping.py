"""When to stop: a pure function of the scores so far."""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Patience:
    """What the scores so far amount to; higher is better.

    Attributes
    ----------
    best : float
        The best score so far.
    waited : int
        For how many scores in a row none has been better than the best before it by `tol`.
    """

    best: float = -math.inf
    waited: int = 0

    def after(self, score: float, *, tol: float) -> "Patience":
        """The patience left when the next score is known."""
        return Patience(
            best=score if score > self.best else self.best,
            waited=0 if score >= self.best + tol else self.waited + 1,  # NaN is no improvement
        )

    def renewed(self) -> "Patience":
        """The same best score, and waiting from the start."""
        return replace(self, waited=0)
