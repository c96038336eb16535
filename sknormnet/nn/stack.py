"""Several networks side by side, layer by layer, as one stack."""

from collections import deque
from collections.abc import Sequence

from sknormnet.nn.layers.layer import Layer


def stacked_layers(networks: Sequence[Sequence[Layer]]) -> list[Layer]:
    """Return the layers of a stack of networks.

    Where a network has a layer that may differ within a stack, such as dropout, the layers of
    that class are joined, with None for a network that has none there. All other layers are
    the same in each network.

    Parameters
    ----------
    networks : sequence of sequence of Layer
        The layers of each network.
    """
    stacked: list[Layer] = []
    remaining = [deque(layers) for layers in networks]
    while remaining[0]:
        differing = next((x[0] for x in remaining if x[0].differs_in_stack), None)
        if differing is None:
            layer, *_ = [layers.popleft() for layers in remaining]
        else:
            kind = type(differing)
            layer = kind.stacked(
                [layers.popleft() if type(layers[0]) is kind else None for layers in remaining]
            )
        stacked.append(layer)
    return stacked
