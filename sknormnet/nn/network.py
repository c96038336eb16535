"""The network: layers in a row and what they share; knows nothing of losses or optimisers."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from sknormnet._aligned import aligned_zeros
from sknormnet.nn.activations import ACTIVATIONS, Activation
from sknormnet.nn.initializers import INITIALIZERS, Initializer
from sknormnet.nn.layers import Activate, BatchNorm, Dense, Dropout, Layer, PiecewiseLinear
from sknormnet.nn.parameters import Layout
from sknormnet.nn.stack import lined_up

CHUNK_ELEMENTS = 2**19  # of the widest layer, at a time, while predicting: a few MB
KEEP_ELEMENTS = 2**20  # of a layer, of all rows, while taking statistics: a few MB

Chunk = tuple[Any, np.ndarray | None]  # rows of X or of a layer, and their weights


class Network:
    """A row of layers and their parameters.

    Parameters
    ----------
    layers : sequence of Layer
        Ends in a Dense layer, the output.
    dtype : dtype
        float32 or float64: the precision of everything in it.
    momentum : float, default=0.9
        What the running statistics of batch norm keep of their OLD value at a batch.
    lead : tuple of int, default=()
        For a stack of networks that train together, how many; see `stacked`.

    Attributes
    ----------
    parameters : ndarray of shape (n_parameters,)
        All that is trained, in one vector: first all weights, then biases, gammas, betas.
    n_weights : int
        How many of them are weights, the only ones that an L2 penalty shrinks.
    statistics : ndarray of shape (n_statistics,)
        Batch norm's means and variances for prediction.
    constants : ndarray of shape (n_constants,)
        What is set before training: the knots of encoded inputs.
    tracks : bool
        Whether forward passes move them. Training that ends with `settle` and does not
        look before can do without, which saves a small network some calls.
    """

    def __init__(
        self, layers: Sequence[Layer], dtype, momentum: float = 0.9, lead: tuple[int, ...] = ()
    ):
        self.layers = tuple(layers)
        self.dtype = np.dtype(dtype)
        self.momentum = momentum
        self._trained = Layout([x.parameters for x in layers], ("W", "b", "gamma", "beta"))
        self._tracked = Layout([x.statistics for x in layers], ("mean", "var"))
        self._set = Layout([x.constants for x in layers], ("knots",))
        self.n_weights = self._trained.total("W")
        self.parameters = aligned_zeros((*lead, self._trained.size), self.dtype)
        self.statistics = np.zeros((*lead, self._tracked.size), self.dtype)
        self.constants = np.zeros((*lead, self._set.size), self.dtype)
        self.tracks = True
        self.momentum_weight = 0.0
        self._steps: list | None = None

    @classmethod
    def stacked(cls, networks: Sequence["Network"]) -> "Network":
        """Networks that differ in their dropout at most, as one that trains them together.

        Only training can be done with it: their vectors become rows of the stack's, so
        that each of them is at any time the network that it would be on its own.
        """
        first = networks[0]
        stack = cls(
            lined_up([network.layers for network in networks]),
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

    def initialize(self, rng: np.random.Generator) -> "Network":
        """Set all parameters to their starting values, layer by layer."""
        for layer, arrays in zip(self.layers, self.arrays(), strict=True):
            layer.initialize(arrays, rng)
        return self

    def start_at(self, raw: np.ndarray) -> None:
        """Set the output's biases, so that predictions start around `raw`."""
        self.arrays()[-1].b[...] = raw

    def arrays(self, parameters: np.ndarray | None = None) -> list:
        """For each layer, its parameters and statistics by name, as views of the vectors.

        `parameters` may be another vector of their form, such as a gradient.
        """
        arrays = self._trained.views(self.parameters if parameters is None else parameters)
        tracked, constants = self._tracked.views(self.statistics), self._set.views(self.constants)
        for mine, statistics, constant in zip(arrays, tracked, constants, strict=True):
            vars(mine).update(vars(statistics) | vars(constant))
        return arrays

    @property
    def form(self) -> list[Layer]:
        """What all networks of a stack must have: the layers but for dropout, however begun."""
        kept = (layer for layer in self.layers if not isinstance(layer, Dropout))
        return [replace(x, init=INITIALIZERS["zeros"]) if isinstance(x, Dense) else x for x in kept]

    @property
    def encoding(self) -> PiecewiseLinear | None:
        """What the inputs go through first, if anything."""
        first = self.layers[0]
        return first if isinstance(first, PiecewiseLinear) else None

    @property
    def n_units(self) -> int:
        """Number of inputs and outputs of all dense layers."""
        return sum(x.fan_in + x.fan_out for x in self.layers if isinstance(x, Dense))

    def without_dropout(self) -> "Network":
        """A copy that keeps all units while it trains."""
        layers = [layer for layer in self.layers if not isinstance(layer, Dropout)]
        network = Network(layers, self.dtype, self.momentum)
        network.take_over(self)
        return network

    def same_shapes(self, other: "Network") -> bool:
        """Whether the other network's vectors fit this one's layers."""
        mine, others = ([*filter(None, x._trained.shapes)] for x in (self, other))
        return mine == others

    def __str__(self) -> str:
        trained = (layer for layer in self.layers if layer.parameters)
        return ", ".join(f"{type(x).__name__}{next(iter(x.parameters.values()))}" for x in trained)

    def is_finite(self) -> bool:
        """Whether all parameters and statistics are numbers."""
        return bool(np.isfinite(self.parameters).all() and np.isfinite(self.statistics).all())

    # ---------------------------------------------------------------- training

    def bind(self, n_rows: int, gradient: np.ndarray) -> Callable:
        """Return the forward pass for batches of `n_rows` rows.

        Parameters
        ----------
        n_rows : int
        gradient : ndarray of shape (n_parameters,)
            Where the backward pass leaves the gradient.

        Returns
        -------
        forward : callable ``(x, share, rng) -> raw, backward``
            `share` of shape (1, n_rows) sums to 1. ``backward(d_raw)`` fills `gradient`.
            If the network tracks, batch norm's statistics move with each forward pass.
        """
        self._steps = None  # about to be out of date
        batch_statistics = np.empty_like(self.statistics)
        tracks = self.tracks and self.statistics.size
        first = next(i for i, layer in enumerate(self.layers) if layer.parameters)
        lent = self._lend(gradient, batch_statistics)
        forwards = [
            layer.bind(n_rows, arrays, input_gradient=i > first)
            for i, (layer, arrays) in enumerate(zip(self.layers, lent, strict=True))
        ]

        def forward(x, share, rng):
            backwards, inputs = [], x
            for layer_forward in forwards:
                x, layer_backward = layer_forward(x, share, rng)
                backwards.append(layer_backward)
            if tracks:
                self._track(batch_statistics, rows_are_equal(inputs))

            def backward(d):
                for layer_backward in reversed(backwards[first:]):
                    d = layer_backward(d)

            return x, backward

        return forward

    def _lend(self, gradient: np.ndarray, batch_statistics: np.ndarray) -> list:
        """For each layer, the arrays that it works on while training."""
        lent = self._trained.views(self.parameters)
        for mine, d_mine, batch, constant in zip(
            lent,
            self._trained.views(gradient),
            self._tracked.views(batch_statistics),
            self._set.views(self.constants),
            strict=True,
        ):
            vars(mine).update({f"d_{name}": d for name, d in vars(d_mine).items()})
            vars(mine).update(
                vars(batch) | vars(constant), dtype=self.dtype, lead=self.parameters.shape[:-1]
            )
        return lent

    def _track(self, batch_statistics: np.ndarray, constant: Any) -> None:
        """Move the running averages, free of the bias towards their start.

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

    # -------------------------------------------------------------- prediction

    def settle(self, chunks: Callable[[], Iterable[Chunk]], n_rows: int) -> None:
        """Replace the running statistics by those of all training rows, exactly.

        Layer by layer, with dropout off, each from the layers before it as they are in
        prediction. Mean and biased variance are accumulated in float64.

        Parameters
        ----------
        chunks : callable returning an iterator over (x, weight)
            Starts a pass over the training rows; weight is (n,) or None for equal ones.
        n_rows : int
            How many training rows there are.
        """
        widths = [a.mean.size for a in self.arrays() if hasattr(a, "mean")]
        keep = n_rows * max(widths, default=0) <= KEEP_ELEMENTS
        lent, start = self.arrays(), 0
        kept: list[Chunk] | None = None
        for end, layer in enumerate(self.layers):
            if not layer.statistics:
                continue
            part = list(zip(self.layers[start:end], lent[start:end], strict=True))
            values: Iterable[Chunk] = ((_infer(part, x), weight) for x, weight in kept or chunks())
            if keep:  # what this layer gets, so that the next pass starts from here
                kept, start = kept or [], end
                for number, value in enumerate(values):
                    kept[number : number + 1] = [value]  # in place of what it was made from
                values = kept
            lent[end].mean[...], lent[end].var[...] = _moments(values)
        self.momentum_weight = 1.0

    def freeze(self) -> "Network":
        """Fold batch norm into the weights, once, for all predictions to come."""
        self._steps = self._fold(self.layers)
        return self

    def predict(self, X) -> np.ndarray:
        """Return raw predictions, of shape (n_rows, n_outputs).

        Nothing is drawn and nothing written; rows go in chunks, so memory is bounded.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_rows, n_features)
            Of any numeric dtype.
        """
        return self._by_chunks(partial(_run, self._steps or self._fold(self.layers)), X)

    def bound(self, largest: float) -> float:
        """Return what no raw prediction exceeds where no input exceeds `largest`.

        Infinite with activation functions that are not the package's own.
        """
        for W, b, function in self._steps or self._fold(self.layers):
            if W is None:  # ramps from -1 to 1 beside the inputs
                largest = max(largest, 1.0)
                continue
            sums = np.abs(W).sum(axis=0, dtype=np.float64) * largest + np.abs(b)
            largest = float(sums.max())
            if function is not None:
                if not any(function is x.function for x in ACTIVATIONS.values()):
                    return math.inf
                largest = 1.1 * largest + 2  # no activation of the table is further from 0
        return largest

    def sample(self, X, rng: np.random.Generator) -> np.ndarray:
        """Return raw predictions with dropout on: of another thinned network for each row.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_rows, n_features)
        rng : Generator
            Draws the masks.

        References
        ----------
        Gal and Ghahramani (2016), "Dropout as a Bayesian approximation", arXiv 1506.02142.
        """
        layers = [*zip(self.layers, self.arrays(), strict=True)]

        def thinned(x):
            for layer, arrays in layers:
                is_dropout = isinstance(layer, Dropout)
                x = layer.thin(x, rng) if is_dropout else layer.infer(x, arrays)
            return x

        return self._by_chunks(thinned, X)

    def hidden(self, X, number: int) -> np.ndarray:
        """Return what hidden layer `number`, from 0, hands on, of shape (n_rows, n_units)."""
        dense = [i for i, layer in enumerate(self.layers) if isinstance(layer, Dense)]
        upto = [*zip(self.layers, self.arrays(), strict=True)][: dense[number + 1]]
        return self._by_chunks(partial(_infer, upto), X)

    def _by_chunks(self, function: Callable, X) -> np.ndarray:
        """What a function of rows in the network's precision returns for all rows of X."""
        n_rows = self.chunk_rows
        if X.shape[0] <= n_rows:
            return function(X.astype(self.dtype, copy=False))
        starts = range(0, X.shape[0], n_rows)
        parts = (X[start : start + n_rows].astype(self.dtype, copy=False) for start in starts)
        return np.concatenate([function(part) for part in parts])

    @property
    def chunk_rows(self) -> int:
        """Number of rows to take at a time where no gradient is needed."""
        widths = [n for x in self.layers if isinstance(x, Dense) for n in (x.fan_in, x.fan_out)]
        return max(1, CHUNK_ELEMENTS // max(widths))

    def _fold(self, layers: Sequence[Layer]) -> list:
        """Layers -> (W, b, activation or None) for each dense one, batch norm within.

        Encoded inputs are a step in front, (None, None, function of x).
        """
        steps: list = []
        affine = None  # of a batch norm behind an activation: goes into the next weights
        for layer, a in zip(layers, self.arrays(), strict=False):
            if isinstance(layer, Dense):
                W, b = a.W, a.b if layer.bias else np.zeros((1, layer.fan_out), self.dtype)
                if affine:
                    scale, shift = affine
                    W, b, affine = scale.mT * W, shift @ W + b, None
                steps.append((W, b, None))
            elif isinstance(layer, BatchNorm):
                W, b, activation = steps[-1]
                scale, shift = layer.affine(a)
                if activation is None:
                    steps[-1] = W * scale, b * scale + shift, None
                else:
                    affine = scale, shift
            elif isinstance(layer, Activate):
                steps[-1] = *steps[-1][:2], layer.activation.function
            elif isinstance(layer, PiecewiseLinear):
                steps.append((None, None, partial(layer.infer, lent=a)))
        return steps

    # ----------------------------------------------------------------- keeping

    def snapshot(self) -> tuple:
        """Copy of all that training changes."""
        return self.parameters.copy(), self.statistics.copy(), self.momentum_weight

    def restore(self, snapshot: tuple) -> None:
        """Go back to a snapshot."""
        self._steps = None
        self.parameters[...], self.statistics[...], self.momentum_weight = snapshot

    def take_over(self, other: "Network") -> None:
        """Go on from where a network of the same shapes stands."""
        self.restore(other.snapshot())
        self.constants = other.constants

    def __getstate__(self):
        return vars(self) | {"_steps": None}  # derived, and views of the parameters in part

    def __setstate__(self, state):
        vars(self).update(state)
        self.freeze()


def rows_are_equal(x) -> Any:
    """Whether all rows of an array, a CSR matrix or each of a list of these are equal.

    Of an array with leading axes, for each of these, or False for all. The first and the last row
    mostly tell.
    """
    if isinstance(x, list):
        return np.array([rows_are_equal(one) for one in x])
    if not isinstance(x, np.ndarray):
        return _sparse_rows_are_equal(x)
    if x.ndim == 2 and x[0, 0] != x[-1, 0]:  # a twentieth of the time of what follows
        return False
    if (x[..., 0, :] != x[..., -1, :]).any(axis=-1).all():
        return False
    return (x == x[..., :1, :]).all(axis=(-2, -1))


def _sparse_rows_are_equal(x) -> bool:
    x = x.tocsr()
    starts, stops = x.indptr[:-1], x.indptr[1:]
    rows = ((x.indices[i:j], x.data[i:j]) for i, j in zip(starts, stops, strict=True))
    first = next(rows)
    return all(all(map(np.array_equal, first, row)) for row in rows)


def _run(steps: list, x) -> np.ndarray:
    """The folded network on rows of the working dtype."""
    for W, b, function in steps:
        if W is None:
            x = function(x)
            continue
        x = x @ W
        x += b
        if function is not None:
            function(x, x)
    return x


def _infer(layers: Sequence[tuple[Layer, Any]], x) -> np.ndarray:
    """Some layers in a row, as in prediction."""
    for layer, arrays in layers:
        x = layer.infer(x, arrays)
    return x


def _moments(chunks: Iterable[Chunk]) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and biased variance per column, merged chunk by chunk in float64.

    References
    ----------
    Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance".
    """
    total, mean, squares = 0.0, np.zeros(1), np.zeros(1)
    for z, weight in chunks:
        share = np.ones(len(z)) if weight is None else weight.astype(np.float64)
        chunk_total = share.sum()
        share /= chunk_total
        centred = z.astype(np.float64)
        chunk_mean = share @ centred
        centred -= chunk_mean
        centred *= centred
        total += chunk_total
        delta = chunk_mean - mean
        grown = chunk_total / total
        squares = squares + chunk_total * (share @ centred + delta**2 * (1 - grown))
        mean = mean + delta * grown
    return mean, squares / total


def mlp(
    n_inputs: int,
    hidden: Sequence[int],
    n_outputs: int,
    *,
    encoding: PiecewiseLinear | None = None,
    activations: Sequence[Activation],
    inits: Sequence[Initializer],
    batchnorm: str | None = None,
    batchnorm_momentum: float = 0.9,
    batchnorm_epsilon: float = 1e-5,
    keep_probs: Sequence[float],
    input_keep_prob: float = 1.0,
    dtype=np.float64,
) -> Network:
    """Build a multi-layer perceptron, with its parameters not yet initialised.

    Parameters
    ----------
    n_inputs, n_outputs : int
    hidden : sequence of int
        Units of each hidden layer.
    encoding : PiecewiseLinear or None, default=None
        What the inputs go through first.
    activations : sequence of Activation
        One for each hidden layer.
    inits : sequence of callable
        One for each hidden layer and one for the output.
    batchnorm : {None, "before", "after"}, default=None
        Where batch norm stands: nowhere, or before or after each activation.
    batchnorm_momentum, batchnorm_epsilon : float
    keep_probs : sequence of float
        One for each hidden layer.
    input_keep_prob : float, default=1.0
    dtype : dtype, default=float64

    Returns
    -------
    network : Network
    """
    layers: list[Layer] = []
    if encoding:
        layers.append(encoding)
        n_inputs = encoding.n_units

    def dropout(n_units: int, keep_prob: float) -> None:
        if keep_prob < 1:
            layers.append(Dropout(n_units, keep_prob))

    dropout(n_inputs, input_keep_prob)
    for (fan_in, n_units), activation, init, keep_prob in zip(
        pairwise([n_inputs, *hidden]), activations, inits[:-1], keep_probs, strict=True
    ):
        layers.append(Dense(fan_in, n_units, init, bias=batchnorm != "before"))
        row: list[Layer] = [Activate(n_units, activation)]
        if batchnorm:
            row.insert(0 if batchnorm == "before" else 1, BatchNorm(n_units, batchnorm_epsilon))
        layers += row
        dropout(n_units, keep_prob)
    layers.append(Dense([n_inputs, *hidden][-1], n_outputs, inits[-1]))
    return Network(layers, dtype, batchnorm_momentum)
