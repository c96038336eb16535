"""The network: a container of layers and their arrays; knows nothing of losses or optimizers.

A network asks no layer for its type: what layers do differently stands in their contract,
:class:`~sknormnet.nn.layers.Layer`.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Self

import numpy as np

from sknormnet._aligned import aligned_zeros
from sknormnet.nn.folding import FoldedNetwork
from sknormnet.nn.layers.layer import Arrays, Layer
from sknormnet.nn.moments import Chunk
from sknormnet.nn.parameters import Layout, Shapes
from sknormnet.nn.products import rows_are_equal
from sknormnet.nn.stack import stacked_layers

CHUNK_ELEMENTS = 2**19  # of the widest layer, at a time, while predicting: a few MB
KEEP_ELEMENTS = 2**20  # of a layer, of all rows, while taking statistics: a few MB

NetworkForward = Callable[..., tuple[np.ndarray, Callable[[np.ndarray], None]]]


class Network:
    """Layers one after the other, and their parameters.

    Parameters
    ----------
    layers : sequence of Layer
        The last one with weights is the output; the others with weights begin hidden layers.
    dtype : dtype
        float32 or float64: the precision of everything in it.
    momentum : float, default=0.9
        Weight of the OLD value in the running statistics of batch norm.
    stack_shape : tuple of int, default=()
        ``(n_networks,)`` for a stack of networks that train together, see `stacked`.

    Attributes
    ----------
    parameters : ndarray of shape (n_parameters,)
        All trained parameters in one vector: first all weights, then biases, gammas, betas.
    n_weights : int
        How many of them are weights, the only ones that L2 and weight decay shrink.
    statistics : ndarray of shape (n_statistics,)
        The statistics that prediction needs: batch norm's means and variances.
    constants : ndarray of shape (n_constants,)
        What is set before training: the knots of encoded inputs.
    tracks : bool
        Whether forward passes update the running statistics. Training that recomputes them at
        its end and does not predict before can do without, which saves some calls a step.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        dtype: Any,
        momentum: float = 0.9,
        stack_shape: tuple[int, ...] = (),
    ):
        self.layers = tuple(layers)
        self.dtype = np.dtype(dtype)
        self.momentum = momentum
        weight_names = _names(layer.weight_names for layer in layers)
        # The output layer has all of its parameters, so its names come first: a hidden layer may
        # be without a bias.
        names = _names(layer.parameters for layer in reversed(layers))
        self._trained = Layout([x.parameters for x in layers], weight_names | names)
        self._statistics = _layout([x.statistics for x in layers])
        self._constants = _layout([x.constants for x in layers])
        self.n_weights = sum(self._trained.total(name) for name in weight_names)
        self.parameters = aligned_zeros((*stack_shape, self._trained.size), self.dtype)
        self.statistics = np.zeros((*stack_shape, self._statistics.size), self.dtype)
        self.constants = np.zeros((*stack_shape, self._constants.size), self.dtype)
        self.tracks = True
        self.momentum_weight = 0.0
        self._folded: FoldedNetwork | None = None

    def initialize(self, rng: np.random.Generator) -> Self:
        """Set all parameters to their starting values, layer by layer."""
        for layer, arrays in self.layers_and_arrays():
            layer.initialize(arrays, rng)
        return self

    def set_output_bias(self, raw: np.ndarray) -> None:
        """Set the output's biases, so that predictions start around `raw`."""
        self.arrays()[-1].b[...] = raw

    # ------------------------------------------------------------------ arrays

    def arrays(self, parameters: np.ndarray | None = None) -> list[Arrays]:
        """Return each layer's parameters, statistics and constants, as views of the vectors.

        `parameters` may be another vector of the same layout, such as a gradient.
        """
        found = self._trained.views(self.parameters if parameters is None else parameters)
        statistics = self._statistics.views(self.statistics)
        constants = self._constants.views(self.constants)
        for arrays, more, still_more in zip(found, statistics, constants, strict=True):
            vars(arrays).update(vars(more) | vars(still_more))
        return found

    def layers_and_arrays(self) -> list[tuple[Layer, Arrays]]:
        """Return the layers, each with its arrays."""
        return list(zip(self.layers, self.arrays(), strict=True))

    def named_parameters(self) -> dict[str, np.ndarray]:
        """Return views of the trained parameters, by names such as "hidden 0 gamma", "output W"."""
        found: dict[str, np.ndarray] = {}
        n_hidden, number = len(self.layer_starts) - 1, -1
        for layer, arrays in zip(self.layers, self._trained.views(self.parameters), strict=True):
            number += bool(layer.weight_names)
            place = "input" if number < 0 else f"hidden {number}"
            place = "output" if number == n_hidden else place
            found |= {f"{place} {name}": array for name, array in vars(arrays).items()}
        return found

    @property
    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the weights, layer by layer."""
        return [x.parameters[name] for x in self.layers for name in x.weight_names]

    @property
    def layer_starts(self) -> list[int]:
        """Positions of the layers that begin a hidden layer or, the last one, the output."""
        return [i for i, layer in enumerate(self.layers) if layer.weight_names]

    @property
    def is_noisy(self) -> bool:
        """Whether training draws noise in some layer, as dropout does."""
        return any(layer.without_noise() is not layer for layer in self.layers)

    def without_noise(self) -> "Network":
        """Return a copy that trains without noise, such as dropout."""
        layers = [quiet for layer in self.layers if (quiet := layer.without_noise())]
        network = Network(layers, self.dtype, self.momentum)
        network.copy_state_from(self)
        return network

    def same_shapes(self, other: "Network") -> bool:
        """Whether the other network's vectors fit this one's layers."""
        own, others = ([*filter(None, x._trained.shapes)] for x in (self, other))
        return own == others

    def __str__(self) -> str:
        trained = (layer for layer in self.layers if layer.parameters)
        return ", ".join(f"{type(x).__name__}{next(iter(x.parameters.values()))}" for x in trained)

    def is_finite(self) -> bool:
        """Whether all parameters and statistics are finite numbers."""
        return bool(np.isfinite(self.parameters).all() and np.isfinite(self.statistics).all())

    # ---------------------------------------------------------------- training

    def build_forward(self, n_rows: int, gradient: np.ndarray) -> NetworkForward:
        """Return the forward pass for batches of `n_rows` rows.

        Parameters
        ----------
        n_rows : int
        gradient : ndarray of shape (n_parameters,)
            Where the backward pass leaves the gradient.

        Returns
        -------
        forward : callable ``(x, row_weight, rng) -> raw, backward``
            `row_weight` of shape (1, n_rows) sums to 1. ``backward(d_raw)`` fills `gradient`.
            If the network tracks, batch norm's statistics move with each forward pass.
        """
        self._folded = None  # about to be out of date
        batch_statistics = np.empty_like(self.statistics)
        tracks = self.tracks and self.statistics.size
        first = next(i for i, layer in enumerate(self.layers) if layer.parameters)
        arrays = self._training_arrays(gradient, batch_statistics)
        forwards = [
            layer.build_forward(n_rows, own, input_gradient=i > first)
            for i, (layer, own) in enumerate(zip(self.layers, arrays, strict=True))
        ]

        def forward(x, row_weight, rng):
            backwards, inputs = [], x
            for layer_forward in forwards:
                x, layer_backward = layer_forward(x, row_weight, rng)
                backwards.append(layer_backward)
            if tracks:
                self._update_running_statistics(batch_statistics, rows_are_equal(inputs))

            def backward(d):
                for layer_backward in reversed(backwards[first:]):
                    d = layer_backward(d)

            return x, backward

        return forward

    def _training_arrays(self, gradient: np.ndarray, batch_statistics: np.ndarray) -> list[Arrays]:
        """For each layer, the arrays that it works on in training."""
        found = self._trained.views(self.parameters)
        for arrays, d, batch, constants in zip(
            found,
            self._trained.views(gradient),
            self._statistics.views(batch_statistics),
            self._constants.views(self.constants),
            strict=True,
        ):
            vars(arrays).update({f"d_{name}": array for name, array in vars(d).items()})
            vars(arrays).update(vars(batch) | vars(constants))
            vars(arrays).update(dtype=self.dtype, stack_shape=self.parameters.shape[:-1])
        return found

    def _update_running_statistics(self, batch_statistics: np.ndarray, constant: Any) -> None:
        """Move the running averages, without the bias towards their start.

        They are sum(m**age * batch) / sum(m**age); `momentum_weight` is (1 - m) times
        the denominator. A `constant` batch, whose rows are all equal, moves nothing: its
        variances are 0, which says nothing about the rows that prediction will meet.
        """
        if constant is not False and np.any(constant):
            batch_statistics[constant] = self.statistics[constant]
        if self.momentum_weight == 0:  # subtracting the start from the batch would round
            self.statistics[...] = batch_statistics
            self.momentum_weight = 1 - self.momentum
            return
        self.momentum_weight = self.momentum * self.momentum_weight + 1 - self.momentum
        batch_statistics -= self.statistics
        batch_statistics *= (1 - self.momentum) / self.momentum_weight
        self.statistics += batch_statistics

    def recompute_statistics(self, chunks: Callable[[], Iterable[Chunk]], n_rows: int) -> None:
        """Replace the running statistics by those of all training rows, exactly.

        Layer by layer, with dropout off, each from the layers before it as they are in
        prediction.

        Parameters
        ----------
        chunks : callable returning an iterator over (x, weight)
            Starts a pass over the training rows; weight is (n,) or None for equal ones.
        n_rows : int
            How many training rows there are.
        """
        widths = [size for x in self.layers for _, size in x.statistics.values()]
        keep = n_rows * max(widths, default=0) <= KEEP_ELEMENTS
        pairs, start = self.layers_and_arrays(), 0
        kept: list[Chunk] | None = None
        for end, (layer, arrays) in enumerate(pairs):
            if not layer.statistics:
                continue
            before = pairs[start:end]
            values: Iterable[Chunk] = (
                (_forward_inference(before, x), weight) for x, weight in kept or chunks()
            )
            if keep:  # the inputs of this layer, so that the next pass starts from here
                kept, start = kept or [], end
                for number, value in enumerate(values):
                    kept[number : number + 1] = [value]  # in place of what it was made from
                values = kept
            layer.recompute_statistics(values, arrays)
        self.momentum_weight = 1.0

    # -------------------------------------------------------------- prediction

    def fold(self) -> Self:
        """Fold batch norm into the weights, once for all predictions to come."""
        self._folded = self._fold()
        return self

    def _fold(self) -> FoldedNetwork:
        folded = FoldedNetwork()
        for layer, arrays in self.layers_and_arrays():
            layer.fold(folded, arrays)
        return folded

    def predict(self, X: Any) -> np.ndarray:
        """Return raw predictions, of shape (n_rows, n_outputs).

        Nothing is random and nothing is written; rows go in chunks, so memory is bounded.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_rows, n_features)
            Of any numeric dtype.
        """
        return self._by_chunks(self._folded or self._fold(), X)

    def bound(self, largest: float) -> float:
        """Return what no raw prediction exceeds where no input exceeds `largest`.

        Infinite where a layer or an activation function does not tell.
        """
        return (self._folded or self._fold()).bound(largest)

    def sample(self, X: Any, rng: np.random.Generator) -> np.ndarray:
        """Return raw predictions with dropout on, each row with a mask of its own.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_rows, n_features)
        rng : Generator
            Draws the masks.

        References
        ----------
        Gal and Ghahramani (2016), "Dropout as a Bayesian approximation", arXiv 1506.02142.
        """
        pairs = self.layers_and_arrays()

        def forward_sample(x):
            for layer, arrays in pairs:
                x = layer.forward_sample(x, arrays, rng)
            return x

        return self._by_chunks(forward_sample, X)

    def hidden(self, X: Any, number: int) -> np.ndarray:
        """Return the outputs of hidden layer `number`, from 0, of shape (n_rows, n_units)."""
        pairs = self.layers_and_arrays()[: self.layer_starts[number + 1]]
        return self._by_chunks(partial(_forward_inference, pairs), X)

    def _by_chunks(self, function: Callable[[Any], np.ndarray], X: Any) -> np.ndarray:
        """Return what a function of rows in the network's dtype returns for all rows of X."""
        n_rows = self.chunk_rows
        if X.shape[0] <= n_rows:
            return function(X.astype(self.dtype, copy=False))
        starts = range(0, X.shape[0], n_rows)
        parts = (X[start : start + n_rows].astype(self.dtype, copy=False) for start in starts)
        return np.concatenate([function(part) for part in parts])

    @property
    def chunk_rows(self) -> int:
        """Number of rows to take at a time where no gradient is needed."""
        return max(1, CHUNK_ELEMENTS // max(max(shape) for shape in self.weight_shapes))

    # ----------------------------------------------------------- copies, stacks

    def snapshot(self) -> tuple:
        """Return a copy of all that training changes."""
        return self.parameters.copy(), self.statistics.copy(), self.momentum_weight

    def restore(self, snapshot: tuple) -> None:
        """Go back to a snapshot."""
        self._folded = None
        self.parameters[...], self.statistics[...], self.momentum_weight = snapshot

    def copy_state_from(self, other: "Network") -> None:
        """Take over the parameters and statistics of a network of the same shapes."""
        self.restore(other.snapshot())
        self.constants = other.constants

    @classmethod
    def stacked(cls, networks: Sequence["Network"]) -> "Network":
        """Return one network that trains several, equal by `stacking_key`, together.

        Only training can be done with it: their vectors become rows of the stack's, so
        that each of them is at any time the network that it would be on its own.
        """
        first = networks[0]
        stack = cls(
            stacked_layers([network.layers for network in networks]),
            first.dtype,
            first.momentum,
            (len(networks),),
        )
        stack.tracks, stack.momentum_weight = first.tracks, first.momentum_weight
        for network, parameters, statistics in zip(
            networks, stack.parameters, stack.statistics, strict=True
        ):
            parameters[...], statistics[...] = network.parameters, network.statistics
            network.parameters, network.statistics = parameters, statistics
        stack.constants[...] = [network.constants for network in networks]
        return stack

    def stacking_key(self) -> tuple:
        """Return what the networks of a stack must have in common."""
        keys = [key for layer in self.layers if (key := layer.stacking_key()) is not None]
        return keys, self.dtype, self.momentum, self.tracks

    def __getstate__(self) -> dict:
        return vars(self) | {"_folded": None}  # derived, and in part views of the parameters

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self.fold()


def _names(groups: Iterable[Iterable[str]]) -> dict[str, None]:
    """All names, once each, in the order in which they appear."""
    return dict.fromkeys(name for group in groups for name in group)


def _layout(shapes: Sequence[Shapes]) -> Layout:
    return Layout(shapes, _names(shapes))


def _forward_inference(pairs: Sequence[tuple[Layer, Arrays]], x: Any) -> Any:
    """Some layers one after the other, as in prediction."""
    for layer, arrays in pairs:
        x = layer.forward_inference(x, arrays)
    return x
