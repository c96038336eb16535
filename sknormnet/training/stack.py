"""Several runs trained together, on arrays with one more axis in front."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sknormnet._aligned import aligned_empty
from sknormnet.training.loop import Run


@dataclass
class Stack(Run):
    """A run of several networks with the same layers, except for dropout.

    Training a small network takes most of its time for function calls. A stack makes as many
    calls as a single network. The members' vectors become rows (views) of the stack's vectors.
    After each epoch and a call of `hand_down`, each member is in the state in which training it
    alone would leave it.

    Attributes
    ----------
    members : list of Run
        With optimizers of one class, whose settings are equal except for the
        `per_network_setting`.
    """

    members: list[Run] = field(default_factory=list)

    @classmethod
    def of(cls, members: Sequence[Run]) -> "Stack":
        """Return a stack that continues the training of the members."""
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
        """Copy scalar state, which is not shared through views, to the members."""
        for run in self.members:
            run.samples, run.steps = self.samples, self.steps
            run.network.momentum_weight = self.network.momentum_weight
            for name, value in self.state.items():
                if not isinstance(value, np.ndarray):
                    run.state[name] = value


def _stacked_optimizer(optimizers: Sequence[Any]) -> Any:
    """Return one optimizer whose `per_network_setting` is a column if it differs."""
    first = optimizers[0]
    name = first.per_network_setting
    if not name or len({getattr(x, name) for x in optimizers}) == 1:
        return first
    column = np.array([[getattr(x, name)] for x in optimizers])
    return replace(first, **{name: column})


def _stacked_state(states: Sequence[dict]) -> dict:
    """Return a state whose arrays hold those of all states as rows; each state gets a view."""
    stacked = dict(states[0])
    for name, array in states[0].items():
        if isinstance(array, np.ndarray):
            rows = stacked[name] = aligned_empty((len(states), *array.shape), array.dtype)
            for state, row in zip(states, rows, strict=True):
                row[...] = state[name]
                state[name] = row
    return stacked
