"""Several runs trained as one, on arrays that have one more axis in front."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sknormnet._aligned import aligned_empty
from sknormnet.training.loop import Run


@dataclass
class Stack(Run):
    """A run of several networks that differ in their dropout at most.

    Small networks spend their time on calls, of which a stack makes as many as one network.
    The members' vectors become rows of the stack's: each member is at the end of each epoch
    the run that it would be on its own, as soon as it has been told with `hand_down`.

    Attributes
    ----------
    members : list of Run
        With optimisers of one kind, set alike but for their `per_network_setting`.
    """

    members: list[Run] = field(default_factory=list)

    @classmethod
    def of(cls, members: Sequence[Run]) -> "Stack":
        """The members as one run, from where they stand."""
        first = members[0]
        return cls(
            network=first.network.stacked([run.network for run in members]),
            order=[run.order for run in members],
            dropout=[run.dropout for run in members],
            split_seed=first.split_seed,
            optimizer=_stacked_optimizer([run.optimizer for run in members]),
            state=_stacked_state([run.state for run in members]),
            samples=first.samples,
            steps=first.steps,
            members=list(members),
        )

    def hand_down(self) -> None:
        """Tell the members what is the same for all and no array."""
        for run in self.members:
            run.samples, run.steps = self.samples, self.steps
            run.network.momentum_weight = self.network.momentum_weight
            for name, value in self.state.items():
                if not isinstance(value, np.ndarray):
                    run.state[name] = value


def _stacked_optimizer(optimizers: Sequence[Any]) -> Any:
    first = optimizers[0]
    name = first.per_network_setting
    if not name or len({getattr(x, name) for x in optimizers}) == 1:
        return first
    column = np.array([[getattr(x, name)] for x in optimizers])
    return replace(first, **{name: column})


def _stacked_state(states: Sequence[dict]) -> dict:
    """The arrays as rows of one, in which each state gets its row."""
    stacked = dict(states[0])
    for name, array in states[0].items():
        if isinstance(array, np.ndarray):
            rows = stacked[name] = aligned_empty((len(states), *array.shape), array.dtype)
            for state, row in zip(states, rows, strict=True):
                row[...] = state[name]
                state[name] = row
    return stacked
