"""The interface of a layer: everything that a network uses of its layers.

A layer is a frozen record of settings and holds no arrays. The network passes it views of
its flat vectors, as attributes of `arrays`:

    W, b, gamma, beta       trained parameters, under the names that the layer gives them
    d_W, d_b, ...           their gradient, which the backward pass fills
    mean, var               statistics of the batch, which the forward pass of batch norm fills
    dtype                   of all arrays
    stack_shape             () for one network, (n_networks,) for a stack of networks
    fused                   whether to work in compiled loops, see sknormnet/_fused.py

Rows are axis -2 and units are axis -1. For a stack of networks, all arrays have one more axis
in front, and the same code serves both. A sparse x of a stack is a list of matrices.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np

from sknormnet.nn.folding import FoldedNetwork
from sknormnet.nn.moments import Chunk
from sknormnet.nn.parameters import Shapes

Arrays = SimpleNamespace
Backward = Callable[[np.ndarray], Any]  # d_y -> d_x; it may overwrite d_y
Forward = Callable[[Any, Any, Any], tuple[Any, Backward | None]]  # x, row_weight, rng


class Layer(ABC):
    """One step of a network.

    To write a layer, derive a frozen dataclass from this class, and define `parameters`,
    `initialize`, `forward_inference` and `build_forward`. Everything else has a default.

    Attributes
    ----------
    weight_names : tuple of str
        Names of the parameters that an L2 penalty and weight decay shrink. A layer with weights
        begins a new hidden layer (or the output) of the network.
    stage : str or None
        Name of the layer's outputs in `sknormnet.inspection`. None leaves them out.
    differs_in_stack : bool
        Whether the networks of a stack may have different layers of this class, or none, at
        the same place. `stacked` then joins these layers.
    """

    weight_names: ClassVar[tuple[str, ...]] = ()
    stage: ClassVar[str | None] = None
    differs_in_stack: ClassVar[bool] = False

    @property
    def parameters(self) -> Shapes:
        """Names and shapes of the trained parameters."""
        return {}

    @property
    def statistics(self) -> Shapes:
        """Names and shapes of the batch statistics that prediction needs."""
        return {}

    def initialize(self, arrays: Arrays, rng: np.random.Generator) -> None:
        """Set the trained parameters and the statistics to their starting values."""
        return

    @abstractmethod
    def build_forward(self, n_rows: int, arrays: Arrays, *, input_gradient: bool = True) -> Forward:
        """Allocate buffers for batches of `n_rows` rows, and return the forward pass.

        Parameters
        ----------
        n_rows : int
        arrays : Arrays
        input_gradient : bool, default=True
            Whether backward must return d_x. The first layer with parameters need not.

        Returns
        -------
        forward : callable ``(x, row_weight, rng) -> y, backward``
            x is of shape (n_rows, n_inputs). row_weight, of shape (1, n_rows), holds each row's
            share of the batch's weight and sums to 1. rng draws dropout masks. y is a
            buffer that the next forward pass overwrites. ``backward(d_y) -> d_x`` fills the
            gradient of the parameters, and may overwrite d_y.
        """

    @abstractmethod
    def forward_inference(self, x: Any, arrays: Arrays) -> Any:
        """Return y as in prediction, in a new array: no dropout, fixed statistics."""

    def backward_inference(self, d_y: Any, x: Any, y: Any, arrays: Arrays) -> Any:
        """Return d_x as in prediction; y is what `forward_inference` returned for x."""
        raise NotImplementedError(f"{type(self).__name__} does not define backward_inference.")

    def weights(self, arrays: Arrays) -> np.ndarray | None:
        """Return the matrix that multiplies the layer's inputs; None if there is none."""
        return None

    def embeddings(self, arrays: Arrays) -> list[np.ndarray]:
        """Return the trained vectors of categorical inputs, a table for each."""
        return []

    def forward_sample(self, x: Any, arrays: Arrays, rng: np.random.Generator) -> Any:
        """Return y as in prediction, but with the layer's noise, if it has any."""
        return self.forward_inference(x, arrays)

    def recompute_statistics(self, chunks: Iterable[Chunk], arrays: Arrays) -> None:
        """Set the statistics to those of all training rows, which come chunk by chunk."""
        raise NotImplementedError(f"{type(self).__name__} does not define recompute_statistics.")

    def fold(self, folded: FoldedNetwork, arrays: Arrays) -> None:
        """Append this layer to a folded network; by default, as a call of `forward_inference`."""
        folded.add(partial(self.forward_inference, arrays=arrays))

    def without_noise(self) -> Self | None:
        """Return the layer without its training noise; None if no layer is needed then."""
        return self

    def stacking_key(self) -> Any:
        """Return the settings that all networks of a stack must share at this place.

        None if they may differ, and if networks may lack the layer.
        """
        return self

    @classmethod
    def stacked(cls, members: Sequence[Any]) -> "Layer":
        """Return the layer of a stack whose networks have `members` (None for no layer)."""
        raise NotImplementedError(f"{cls.__name__} does not define stacked.")
