"""Optimizers on one flat vector, as frozen settings; the caller keeps their state."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sknormnet._aligned import aligned_zeros
from sknormnet.training.blocks import Penalty, add_penalty_gradient, blocks, cast

NO_PENALTY = Penalty()

State = dict[str, Any]


class Optimizer(ABC):
    """Settings of an optimizer, under the names of the estimators' parameters.

    To write an optimizer, derive a frozen dataclass from this class or from an optimizer of this
    module, and define `start` and `step`. `update` applies the L2 penalty and weight decay for
    every optimizer.

    Attributes
    ----------
    stacks : bool
        Whether `step` also works on stacks of vectors, of shape (n_networks, n_parameters), with
        rates of shape (n_networks, 1), and gives each network the step it would get alone.
    per_network_setting : str
        The setting, if any, that may differ within a stack. It then has the shape of the rates.
    """

    stacks: ClassVar[bool] = False
    per_network_setting: ClassVar[str] = ""

    @abstractmethod
    def start(self, parameters: np.ndarray) -> State:
        """Return the state before the first step.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)

        Returns
        -------
        state : dict
            Arrays of the shape of the parameters, and numbers.
        """

    @abstractmethod
    def step(
        self,
        parameters: np.ndarray,
        gradient: np.ndarray,
        state: Sequence[np.ndarray],
        coefficients: Any,
        scratch: np.ndarray,
    ) -> None:
        """Change one block of the parameters and of the state, in place.

        Parameters
        ----------
        parameters, gradient : ndarray of shape (n_block,)
            The gradient includes the penalty's part; it may be overwritten.
        state : sequence of ndarray of shape (n_block,)
            The arrays of the state, in the order of the dict that `start` returned.
        coefficients : object
            Result of the method `coefficients` for this step; by default, the learning rate.
        scratch : ndarray of shape (n_block,)
            A buffer for intermediate results.
        """

    def coefficients(self, state: State, rate: Any, dtype: np.dtype) -> Any:
        """Return the numbers that a step needs, once for all blocks; may count steps in `state`.

        Parameters
        ----------
        state : dict
        rate : float
            Learning rate.
        dtype : dtype
            Of the parameters.
        """
        return cast(rate, dtype)

    def decay(self, rate: Any) -> Any:
        """Return the fraction by which weights shrink before each step, or None for no decay."""
        return None

    def update(
        self,
        parameters: np.ndarray,
        gradient: np.ndarray,
        state: State,
        rate: Any,
        scratch: np.ndarray,
        penalty: Penalty = NO_PENALTY,
    ) -> None:
        """Do one step, block by block: penalty, decay, then `step`, while a block is in cache.

        Parameters
        ----------
        parameters, gradient : ndarray of shape (n_parameters,)
            The gradient of the loss, without the penalty's part; it may be overwritten.
        state : dict
            Result of `start`, as changed by earlier steps.
        rate : float
            Learning rate.
        scratch : ndarray
            A buffer of the length of a block; see `scratch_for`.
        penalty : Penalty
        """
        dtype, decay = parameters.dtype, self.decay(rate)
        strength, n_weights = cast(penalty.strength, dtype), penalty.n_weights
        # A decay above 1 sets the weights to 0; it does not change their sign.
        remaining = None if decay is None else cast(_not_negative(1 - decay), dtype)
        coefficients = self.coefficients(state, rate, dtype)
        arrays = [x for x in state.values() if isinstance(x, np.ndarray)]
        for start, (p, g, *state_block), buffer in blocks((parameters, gradient, *arrays), scratch):
            n = n_weights - start
            if strength is not None and n > 0:
                add_penalty_gradient(p[..., :n], g[..., :n], strength, buffer[..., :n])
            if remaining is not None and n > 0:
                np.multiply(p[..., :n], remaining, out=p[..., :n])
            self.step(p, g, state_block, coefficients, buffer)

    def adopt(self, state: State, before: Any) -> State:
        """Return the state to continue with when settings change between calls of `partial_fit`.

        Parameters
        ----------
        state : dict
            The state of the previous optimizer; it may be changed in place.
        before : Optimizer
            The previous optimizer: the same class with the previous settings.

        Returns
        -------
        state : dict
            By default, the same state.
        """
        return state


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent with momentum, Nesterov's or classical.

    With velocity v: ``v = momentum * v - rate * gradient``, then ``parameters += v``, or
    with Nesterov's momentum ``parameters += momentum * v - rate * gradient``.
    """

    stacks: ClassVar[bool] = True
    per_network_setting: ClassVar[str] = "momentum"
    momentum: float = 0.9
    nesterovs_momentum: bool = True

    def start(self, parameters: np.ndarray) -> State:
        return {"velocity": _zeros_like(parameters)}

    def coefficients(self, state: State, rate: Any, dtype: np.dtype) -> Any:
        return cast(rate, dtype), cast(self.momentum, dtype)

    def step(self, parameters, gradient, state, coefficients, scratch) -> None:
        (v,), (rate, momentum) = state, coefficients
        np.multiply(gradient, rate, out=scratch)
        v *= momentum
        v -= scratch
        if self.nesterovs_momentum:
            parameters -= scratch
            np.multiply(v, momentum, out=scratch)
            parameters += scratch
        else:
            parameters += v


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam, in the form at the end of section 2 of the paper.

    ``m = beta_1 * m + (1 - beta_1) * g``; ``v = beta_2 * v + (1 - beta_2) * g**2``;
    ``parameters -= rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)``

    References
    ----------
    Kingma and Ba (2014), "Adam: a method for stochastic optimization", arXiv 1412.6980.
    """

    stacks: ClassVar[bool] = True
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def start(self, parameters: np.ndarray) -> State:
        return {"m": _zeros_like(parameters), "v": _zeros_like(parameters), "t": 0}

    def adopt(self, state: State, before: Any) -> State:
        # The bias-corrected averages are (1 - beta) / (1 - beta**t) times the state. Rescaling
        # the state leaves them unchanged when the betas change.
        for name, old, new in (
            ("m", before.beta_1, self.beta_1),
            ("v", before.beta_2, self.beta_2),
        ):
            if new != old and state["t"]:
                state[name] *= _correction(old, state["t"]) / _correction(new, state["t"])
        return state

    def coefficients(self, state: State, rate: Any, dtype: np.dtype) -> Any:
        # The state is m / (1 - beta_1) and v / (1 - beta_2), which saves two of eleven passes
        # over the vectors. The rate and epsilon are scaled to compensate.
        state["t"] += 1
        t, (beta_1, beta_2) = state["t"], (self.beta_1, self.beta_2)
        factor = (1 - beta_2**t) ** 0.5 / (1 - beta_1**t) * (1 - beta_1) / (1 - beta_2) ** 0.5
        return cast(rate * factor, dtype), self.epsilon / (1 - beta_2) ** 0.5

    def step(self, parameters, gradient, state, coefficients, scratch) -> None:
        (m, v), (rate, epsilon) = state, coefficients
        self._update_averages(gradient, m, v, scratch)
        _descend(parameters, m, v, epsilon, rate, scratch)

    def _update_averages(self, g, m, v, scratch) -> None:
        """Add the gradient to both running averages."""
        np.multiply(m, self.beta_1, out=m)
        np.add(m, g, out=m)
        np.multiply(v, self.beta_2, out=v)
        np.multiply(g, g, out=scratch)
        np.add(v, scratch, out=v)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: ``W -= rate * weight_decay * W`` before each step.

    Unlike the gradient of an L2 penalty, the decay is not divided by the root of v. All weights
    therefore shrink by the same factor, whatever the size of their gradients. A product
    ``rate * weight_decay`` above 1 counts as 1.

    References
    ----------
    Loshchilov and Hutter (2019), "Decoupled weight decay regularization", arXiv 1711.05101.
    """

    per_network_setting: ClassVar[str] = "weight_decay"
    weight_decay: float = 0.01

    def decay(self, rate: Any) -> Any:
        return rate * self.weight_decay


@dataclass(frozen=True)
class NAdam(Adam):
    """Adam with Nesterov's momentum.

    The m of Adam's step is replaced by ``beta_1 * m + (1 - beta_1) * g``, with a bias correction
    of each term: ``beta_1 * m / (1 - beta_1**(t + 1)) + (1 - beta_1) * g / (1 - beta_1**t)``.

    References
    ----------
    Dozat (2016), "Incorporating Nesterov momentum into Adam", ICLR workshop.
    """

    def coefficients(self, state: State, rate: Any, dtype: np.dtype) -> Any:
        rate, _ = super().coefficients(state, rate, dtype)
        t, (beta_1, beta_2) = state["t"], (self.beta_1, self.beta_2)
        ahead = beta_1 * (1 - beta_1**t) / (1 - beta_1 ** (t + 1))
        return rate, self.epsilon * ((1 - beta_2**t) / (1 - beta_2)) ** 0.5, ahead

    def step(self, parameters, gradient, state, coefficients, scratch) -> None:
        (m, v), (rate, epsilon, ahead) = state, coefficients
        self._update_averages(gradient, m, v, scratch)
        np.multiply(m, ahead, out=scratch)
        np.add(gradient, scratch, out=gradient)
        _descend(parameters, gradient, v, epsilon, rate, scratch)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop: ``v = beta_2 * v + (1 - beta_2) * g**2``; ``p -= rate * g / (sqrt(v) + epsilon)``.

    References
    ----------
    Tieleman and Hinton (2012), "Lecture 6.5: rmsprop", Coursera.
    """

    stacks: ClassVar[bool] = True
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def start(self, parameters: np.ndarray) -> State:
        return {"v": _zeros_like(parameters)}

    def step(self, parameters, gradient, state, coefficients, scratch) -> None:
        (v,) = state
        np.multiply(v, self.beta_2, out=v)
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(scratch, 1 - self.beta_2, out=scratch)
        np.add(v, scratch, out=v)
        _descend(parameters, gradient, v, self.epsilon, coefficients, scratch)


def _not_negative(number: Any) -> Any:
    return np.maximum(number, 0) if isinstance(number, np.ndarray) else max(number, 0.0)


def _correction(beta: float, t: int) -> float:
    """Return the factor that makes ``sum(beta**age * x)`` of t values a weighted mean."""
    return (1 - beta) / (1 - beta**t)


def _descend(p, direction, v, epsilon, rate, scratch) -> None:
    """``p -= rate * direction / (sqrt(v) + epsilon)``."""
    np.sqrt(v, out=scratch)
    np.add(scratch, epsilon, out=scratch)
    np.divide(direction, scratch, out=scratch)
    np.multiply(scratch, rate, out=scratch)
    np.subtract(p, scratch, out=p)


def _zeros_like(parameters: np.ndarray) -> np.ndarray:
    return aligned_zeros(parameters.shape, parameters.dtype)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "adam": Adam,
    "adamw": AdamW,
    "nadam": NAdam,
    "rmsprop": RMSprop,
    "sgd": SGD,
}
