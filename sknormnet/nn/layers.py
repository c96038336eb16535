"""The layers: what each computes and its derivative; they know nothing of each other.

A layer is a frozen record of settings. What training changes is lent to it: its arrays
in the network's flat vectors, as attributes of `lent`,

    W, b, gamma, beta       its trained parameters
    d_W, d_b, ...           where their gradient goes
    mean, var               where batch norm leaves the statistics of the batch
    knots                   what the data set before training, and training leaves alone

``bind`` takes them, allocates the buffers for batches of `n_rows` rows once, and returns

    forward(x, share, rng) -> y, backward
    backward(d_y) -> d_x

where `x` is (n_rows, n_units in), `share` (1, n_rows) holds each row's share of the
batch's weight and sums to 1, and `rng` draws the dropout masks. The buffers are reused:
`y` holds until the next forward, and backward may overwrite `d_y`.

For a stack of networks all arrays have one more axis in front: `lent.lead` is then its
length in a tuple, else an empty one. Of sparse `x`, and of `rng`, there is a list.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from sknormnet._aligned import aligned_empty
from sknormnet.nn.activations import Activation
from sknormnet.nn.initializers import Initializer
from sknormnet.nn.parameters import Shapes

Backward = Callable[[np.ndarray], Any]
Forward = Callable[..., tuple[np.ndarray, Backward]]


class Layer(ABC):
    """One step of the network."""

    @property
    def parameters(self) -> Shapes:
        """Shapes of the trained parameters."""
        return {}

    @property
    def statistics(self) -> Shapes:
        """Shapes of the batch statistics that prediction needs."""
        return {}

    @property
    def constants(self) -> Shapes:
        """Shapes of what is set before training."""
        return {}

    def initialize(self, lent: SimpleNamespace, rng: np.random.Generator) -> None:
        """Set the trained parameters to their starting values."""
        return

    @abstractmethod
    def infer(self, x, lent: SimpleNamespace) -> np.ndarray:
        """Return `y` as in prediction, in a new array; dropout is off, statistics are fixed."""

    @abstractmethod
    def bind(self, n_rows: int, lent: SimpleNamespace, *, input_gradient: bool = True) -> Forward:
        """Return the forward pass for batches of `n_rows` rows."""


@dataclass(frozen=True)
class PiecewiseLinear(Layer):
    """Inputs, joined by a piecewise linear encoding of some of them.

    An input z becomes, for each bin between neighbouring knots a and b, the ramp
    ``2 * clip((z - a) / (b - a), 0, 1) - 1`` as well; a bin without width is a step. A sparse
    `x` is made dense.

    Parameters
    ----------
    n_inputs : int
    encoded : tuple of int
        Numbers of the inputs that are encoded.
    n_bins : int

    References
    ----------
    Gorishniy, Rubachev and Babenko (2022), "On embeddings for numerical features in tabular deep
    learning", arXiv 2203.05556.
    """

    n_inputs: int
    encoded: tuple[int, ...]
    n_bins: int

    @property
    def n_units(self) -> int:
        """Number of outputs."""
        return self.n_inputs + self.n_bins * len(self.encoded)

    @property
    def constants(self) -> Shapes:
        return {"knots": (self.n_bins + 1, len(self.encoded))}

    def infer(self, x, lent):
        x = _dense(x)
        y = np.empty((len(x), self.n_units), x.dtype)
        return self._encode(x, y, *self._bins(lent.knots))

    def bind(self, n_rows, lent, *, input_gradient=True):
        y = aligned_empty((*lent.lead, n_rows, self.n_units), lent.dtype)
        lower, slope = self._bins(lent.knots)

        def forward(x, share, rng):
            return self._encode(_dense(x), y, lower, slope), None

        return forward

    @staticmethod
    def _bins(knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where each bin begins, and the slope of its ramp."""
        widths = np.maximum(np.diff(knots, axis=-2), knots.dtype.type(1e-12))
        return knots[..., None, :-1, :], (2 / widths)[..., None, :, :]

    def _encode(self, x, y, lower, slope) -> np.ndarray:
        """Fill `y`."""
        y[..., : self.n_inputs] = x
        ramps = y[..., self.n_inputs :].reshape(*y.shape[:-1], self.n_bins, len(self.encoded))
        np.subtract(x[..., None, self.encoded], lower, out=ramps)
        np.multiply(ramps, slope, out=ramps)
        np.subtract(ramps, 1, out=ramps)
        np.clip(ramps, -1, 1, out=ramps)
        return y


@dataclass(frozen=True)
class Dense(Layer):
    """``y = x @ W + b``; `x` may be sparse.

    Parameters
    ----------
    fan_in, fan_out : int
    init : callable ``(fan_in, fan_out, rng) -> W``
        Biases start at 0.
    bias : bool, default=True
        Without, there is no b: batch norm behind the layer would take it away again.
    """

    fan_in: int
    fan_out: int
    init: Initializer
    bias: bool = True

    @property
    def parameters(self) -> Shapes:
        W = {"W": (self.fan_in, self.fan_out)}
        return W | {"b": (1, self.fan_out)} if self.bias else W

    def initialize(self, lent, rng):
        W = np.asarray(self.init(self.fan_in, self.fan_out, rng))
        finite = W.dtype.kind in "fiu" and bool(np.isfinite(W).all())
        if W.shape != lent.W.shape or not finite:
            raise ValueError(
                f"init must return a finite array of shape {lent.W.shape} and of real numbers."
                f" Got one of shape {W.shape} and dtype {W.dtype}"
                f"{'' if finite else ', which is not all finite numbers,'} instead."
            )
        lent.W[...] = W

    def infer(self, x, lent):
        y = x @ lent.W
        return y + lent.b if self.bias else y

    def bind(self, n_rows, lent, *, input_gradient=True):
        W, W_T, d_W = lent.W, lent.W.mT, lent.d_W
        dot = _dot(W.ndim)
        y = aligned_empty((*lent.lead, n_rows, self.fan_out), W.dtype)
        d_x = aligned_empty((*lent.lead, n_rows, self.fan_in), W.dtype) if input_gradient else None
        ones = np.ones((1, n_rows), W.dtype)

        def forward(x, share, rng):
            _product(dot, x, W, y)
            if self.bias:
                np.add(y, lent.b, out=y)

            def backward(d_y):
                _product(dot, _transposed(x), d_y, d_W)
                if self.bias:
                    dot(ones, d_y, lent.d_b)
                return None if d_x is None else dot(d_y, W_T, d_x)

            return y, backward

        return forward


@dataclass(frozen=True)
class BatchNorm(Layer):
    """``y = (x - mean) / sqrt(var + epsilon) * gamma + beta``, per unit.

    `mean` and `var` are the weighted mean and the weighted biased variance of the batch:
    ``mean = sum(share * x)`` and ``var = sum(share * (x - mean)**2)``. The gradient goes
    through both.

    Parameters
    ----------
    n_units : int
    epsilon : float

    References
    ----------
    Ioffe and Szegedy (2015), "Batch normalization: accelerating deep network training by
    reducing internal covariate shift", arXiv 1502.03167.
    """

    n_units: int
    epsilon: float

    @property
    def parameters(self) -> Shapes:
        return {"gamma": (1, self.n_units), "beta": (1, self.n_units)}

    @property
    def statistics(self) -> Shapes:
        return {"mean": (1, self.n_units), "var": (1, self.n_units)}

    def initialize(self, lent, rng):
        lent.gamma.fill(1)
        lent.beta.fill(0)
        lent.var.fill(1)  # predictions before the first batch must be finite

    def affine(self, lent: SimpleNamespace) -> tuple[np.ndarray, np.ndarray]:
        """Scale and shift that the layer amounts to with the statistics as they are."""
        scale = lent.gamma / np.sqrt(lent.var + self.epsilon)
        return scale, lent.beta - lent.mean * scale

    def infer(self, x, lent):
        scale, shift = self.affine(lent)
        return x * scale + shift

    def bind(self, n_rows, lent, *, input_gradient=True):
        gamma, beta, mean, var = lent.gamma, lent.beta, lent.mean, lent.var
        d_gamma, d_beta = lent.d_gamma, lent.d_beta
        shape = *lent.lead, n_rows, self.n_units
        centred, y = (aligned_empty(shape, gamma.dtype) for _ in range(2))
        std, scale, row = np.empty((3, *gamma.shape), gamma.dtype)
        ones = np.ones((1, n_rows), gamma.dtype)
        dot = _dot(gamma.ndim)

        def forward(x, share, rng):
            dot(share, x, mean)
            np.subtract(x, mean, out=centred)
            np.multiply(centred, centred, out=y)
            dot(share, y, var)
            np.add(var, self.epsilon, out=std)
            np.sqrt(std, out=std)
            np.divide(gamma, std, out=scale)
            np.multiply(centred, scale, out=y)
            np.add(y, beta, out=y)

            def backward(d_y):
                # With z = centred / std, the normalised x:
                #   d_x = scale * (d_y - share * (sum(d_y) + z * sum(d_y * z)))
                # y is of no more use to anyone, so it serves as scratch.
                dot(ones, d_y, d_beta)
                np.multiply(d_y, centred, out=y)
                dot(ones, y, d_gamma)
                np.divide(d_gamma, std, out=d_gamma)
                np.divide(d_gamma, std, out=row)
                np.multiply(centred, row, out=y)
                np.add(y, d_beta, out=y)
                np.multiply(y, share.mT, out=y)
                np.subtract(d_y, y, out=d_y)
                return np.multiply(d_y, scale, out=d_y)

            return y, backward

        return forward


@dataclass(frozen=True)
class Activate(Layer):
    """``y = f(x)``, element by element.

    Parameters
    ----------
    n_units : int
    activation : Activation
    """

    n_units: int
    activation: Activation

    def infer(self, x, lent):
        y = np.empty_like(x)
        self.activation.function(x, y)
        return y

    def bind(self, n_rows, lent, *, input_gradient=True):
        function, derivative = self.activation.function, self.activation.derivative
        shape = *lent.lead, n_rows, self.n_units
        y, slope = (aligned_empty(shape, lent.dtype) for _ in range(2))

        def forward(x, share, rng):
            function(x, y)

            def backward(d_y):
                derivative(x, y, slope)
                return np.multiply(d_y, slope, out=d_y)

            return y, backward

        return forward


@dataclass(frozen=True)
class Dropout(Layer):
    """Inverted dropout: ``y = x * kept / p``, where kept is 1 if U < p else 0.

    p is `keep_prob` rounded to a multiple of 1/65536, and at least 1/65536. U is uniform over
    the multiples of 1/65536 in [0, 1), drawn anew for each element of each batch. So the mean
    of y is exactly x. `x` may be sparse: an element that is 0 stays 0 either way.

    Parameters
    ----------
    n_units : int
    keep_prob : float
        In (0, 1).

    References
    ----------
    Srivastava et al. (2014), "Dropout: a simple way to prevent neural networks from
    overfitting", Journal of Machine Learning Research 15.
    """

    n_units: int
    keep_prob: float

    def infer(self, x, lent):
        return x

    def bind(self, n_rows, lent, *, input_gradient=True):
        scale = lent.dtype.type(self.scale)
        kept = np.empty((n_rows, self.n_units), bool)
        return masking(kept, scale, draw=self.draw, thin=self.thin)

    def thin(self, x, rng: np.random.Generator):
        """Return `y` as in training, in a new array, for any number of rows."""
        is_sparse = not isinstance(x, np.ndarray)
        kept = np.empty(x.data.shape if is_sparse else x.shape, bool)
        self.draw(rng, kept)
        y, mask = x.copy(), kept * x.dtype.type(self.scale)
        if is_sparse:
            y.data *= mask
        else:
            y *= mask
        return y

    def draw(self, rng: np.random.Generator, kept: np.ndarray) -> None:
        """Fill `kept`, spending 16 random bits on an element."""
        # The raw words of the bit generator take a third of the time of rng.random.
        words = rng.bit_generator.random_raw(-(-kept.size // 4))
        draws = words.view(np.uint16)[: kept.size].reshape(kept.shape)
        np.less(draws, self._n_kept, out=kept)

    @property
    def scale(self) -> float:
        """What a unit that is kept is multiplied by: 1 / p."""
        return 65536 / self._n_kept

    @property
    def _n_kept(self) -> int:
        """How many of the 65,536 draws keep a unit."""
        return max(1, round(self.keep_prob * 65536))


def masking(kept: np.ndarray, scale, *, draw: Callable, thin: Callable) -> Forward:
    """The forward pass ``y = x * kept * scale``, whose `kept` is drawn anew each time.

    Parameters
    ----------
    kept : ndarray of bool, of the shape of x
    scale : floating scalar or array that broadcasts
        Of the working dtype.
    draw : callable ``(rng, kept)``
        Fills `kept`.
    thin : callable ``(x, rng) -> y``
        Does the same for a sparse `x`.
    """
    mask, y = (aligned_empty(kept.shape, scale.dtype) for _ in range(2))

    def forward(x, share, rng):
        if not isinstance(x, np.ndarray):
            return thin(x, rng), None
        draw(rng, kept)
        np.multiply(kept, scale, out=mask)
        np.multiply(x, mask, out=y)

        def backward(d_y):
            return np.multiply(d_y, mask, out=d_y)

        return y, backward

    return forward


def _dot(ndim: int) -> Callable:
    """The matrix product ``(a, b, out)`` for arrays with so many axes.

    For two, ``np.dot`` spares 0.3 us a call over ``np.matmul``, which a step of a small
    network makes a dozen times.
    """
    return np.dot if ndim == 2 else np.matmul


def _product(dot: Callable, x, W: np.ndarray, out: np.ndarray) -> None:
    """``out[...] = x @ W`` for a dense or a sparse `x`, or a list of these."""
    if isinstance(x, np.ndarray):
        dot(x, W, out)
    elif isinstance(x, list):
        for x_one, W_one, out_one in zip(x, W, out, strict=True):
            out_one[...] = x_one @ W_one
    else:
        out[...] = x @ W


def _transposed(x):
    """The transpose of a dense or a sparse `x`, or of each in a list."""
    if isinstance(x, np.ndarray):
        return x.mT
    return [one.T for one in x] if isinstance(x, list) else x.T


def _dense(x) -> np.ndarray:
    """A dense or a sparse `x`, or a list of sparse ones, as an array."""
    if isinstance(x, list):
        return np.stack([one.toarray() for one in x])
    return x if isinstance(x, np.ndarray) else x.toarray()
