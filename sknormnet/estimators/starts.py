"""What the training of each network starts from: random weights, or the last call's network."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sknormnet._dataclasses import dataclass
from sknormnet.estimators.settings import Settings
from sknormnet.inputs import InputEncoder
from sknormnet.nn.network import Network
from sknormnet.training.trainer import TrainingState


@dataclass
class Start:
    """Where the training of a member starts.

    Attributes
    ----------
    state : TrainingState
    before : Network or None
        The network of the last call, which is not changed; None for a new network.
    rng : Generator or None
        Draws the weights of a new network.
    """

    state: TrainingState
    before: Any = None
    rng: np.random.Generator | None = None

    def network(
        self, settings: Settings, inputs: InputEncoder, n_outputs: int, *, dtype: Any, n_rows: float
    ) -> Network:
        """Return a network with the current settings of its layers, ready to be trained."""
        network = settings.architecture.build(inputs, n_outputs, dtype, n_rows=n_rows)
        if self.rng is not None:
            return network.initialize(self.rng)
        if not network.same_shapes(self.before):
            raise ValueError(
                "partial_fit and warm_start=True need the same hidden_layer_sizes, batchnorm,"
                " scaling_layer and number of outputs. The layers were"
                f" {self.before} and would be {network}."
            )
        network.copy_state_from(self.before)
        return network


def drawn_seed(random_state: Any) -> int:
    """Return the seed of all random streams of a fit."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def new_starts(n_members: int, seed: int) -> list[Start]:
    """Return the starts of new networks. The seed is split into a stream for each use."""
    streams = iter(np.random.SeedSequence(seed).spawn(4 * n_members))
    return [
        Start(
            TrainingState(_rng(order), _rng(dropout), int(split.generate_state(1)[0])),
            rng=_rng(weights),
        )
        for weights, order, dropout, split in zip(*[streams] * 4, strict=True)
    ]


def _rng(seed: np.random.SeedSequence) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


def continued_starts(
    settings: Settings, networks: Sequence[Network], states: Sequence[TrainingState]
) -> list[Start]:
    """Return the starts from fitted networks. States are copied, so they survive a failed call."""
    dtype = networks[0].dtype
    if settings.dtype not in ("auto", dtype):
        raise ValueError(
            "partial_fit and warm_start=True need the same dtype as the last fit."
            f" It was {dtype} and would be {settings.dtype}."
        )
    if len(networks) != settings.n_members:
        raise ValueError(
            "partial_fit and warm_start=True need the same n_members as the last fit."
            f" It was {len(networks)} and would be {settings.n_members}."
        )
    pairs = zip(copy.deepcopy(list(states)), networks, strict=True)
    return [Start(state, before=network) for state, network in pairs]
