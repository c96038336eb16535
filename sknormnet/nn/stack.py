"""Combine the layers of several networks into the layers of one stack."""

from collections import deque
from collections.abc import Sequence

from sknormnet.nn.layers.layer import Layer


def stacked_layers(networks: Sequence[Sequence[Layer]]) -> list[Layer]:
    """Return the layers of a stack of networks.

    Layers that may differ between the networks, such as dropout, are joined into one layer by
    their method `stacked`, with None for each network that lacks the layer. All other layers
    are the same in every network.

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
            layer_class = type(differing)
            members = [
                layers.popleft() if type(layers[0]) is layer_class else None for layers in remaining
            ]
            layer = layer_class.stacked(members)
        stacked.append(layer)
    return stacked
