"""Optimisers on one flat vector, as frozen settings; their state is held by the caller."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sknormnet._aligned import aligned_zeros
from sknormnet.training.blocks import Penalty, blocks, cast

NO_PENALTY = Penalty()

State = dict[str, Any]


class Optimizer(ABC):
    """Settings of an optimiser, under the names of the estimators' parameters.

    To write one, derive a frozen dataclass from this class or from an optimiser of this module.
    It keeps no state of its own: `start` makes it, `update` changes it. Write `adopt` as well if
    the meaning of the state depends on a setting.

    Attributes
    ----------
    stacks : bool
        Whether `update` can be given stacks of vectors, of shape (n_networks, n_parameters),
        with rates of shape (n_networks, 1), and steps each as it would on its own.
    of_member : str
        The setting, if any, that each network of a stack may have its own value of: it is then
        of the shape of the rates.
    """

    stacks: ClassVar[bool] = False
    of_member: ClassVar[str] = ""

    @abstractmethod
    def start(self, parameters: np.ndarray) -> State:
        """State before the first step: a dict, of which copies and pickles are made."""

    def adopt(self, state: State, before: Any) -> State:
        """Return the state to go on with, where `partial_fit` finds other settings than before.

        Parameters
        ----------
        state : dict
            The state that `before` left; it may be changed in place.
        before : Optimizer
            The same class with the settings so far.

        Returns
        -------
        state : dict
            By default, the same state.
        """
        return state

    @abstractmethod
    def update(
        self,
        parameters: np.ndarray,
        gradient: np.ndarray,
        state: State,
        rate: float,
        scratch: np.ndarray,
        penalty: Penalty = NO_PENALTY,
    ) -> None:
        """One step: change `parameters` and `state` in place.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
        gradient : ndarray of shape (n_parameters,)
            The loss's, without the penalty's part; it may be overwritten.
        state : dict
            As `start` made it and earlier steps left it.
        rate : float
            Learning rate.
        scratch : ndarray
            To work in, as long as a block.
        penalty : Penalty
            What shrinks the weights: :func:`~sknormnet.training.blocks.blocks`, which goes
            through the vectors piece by piece, adds it to the gradient.
        """


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent with momentum, Nesterov's or classical.

    With velocity v: ``v = momentum * v - rate * gradient``, then ``parameters += v``, or
    with Nesterov's momentum ``parameters += momentum * v - rate * gradient``.
    """

    stacks: ClassVar[bool] = True
    of_member: ClassVar[str] = "momentum"
    momentum: float = 0.9
    nesterovs_momentum: bool = True

    def start(self, parameters):
        return {"velocity": _zeros_like(parameters)}

    def update(self, parameters, gradient, state, rate, scratch, penalty=NO_PENALTY):
        rate, momentum = (cast(x, parameters.dtype) for x in (rate, self.momentum))
        for p, g, v, step in blocks(
            parameters, gradient, state["velocity"], scratch=scratch, penalty=penalty
        ):
            np.multiply(g, rate, out=step)
            v *= momentum
            v -= step
            if self.nesterovs_momentum:
                p -= step
                np.multiply(v, momentum, out=step)
                p += step
            else:
                p += v


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam, in the form of the end of the paper's section 2.

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

    def start(self, parameters):
        return {"m": _zeros_like(parameters), "v": _zeros_like(parameters), "t": 0}

    def adopt(self, state, before):
        # The bias-corrected averages, (1 - beta) / (1 - beta**t) times the state, go on as
        # they are; with other betas, another state stands for them.
        for name, old, new in (
            ("m", before.beta_1, self.beta_1),
            ("v", before.beta_2, self.beta_2),
        ):
            if new != old and state["t"]:
                state[name] *= _correction(old, state["t"]) / _correction(new, state["t"])
        return state

    def update(self, parameters, gradient, state, rate, scratch, penalty=NO_PENALTY):
        # The state is m / (1 - beta_1) and v / (1 - beta_2), which saves two passes of
        # eleven; the factors are made up for in the rate and in epsilon.
        state["t"] += 1
        t, (beta_1, beta_2) = state["t"], (self.beta_1, self.beta_2)
        factor = (1 - beta_2**t) ** 0.5 / (1 - beta_1**t) * (1 - beta_1) / (1 - beta_2) ** 0.5
        rate = cast(rate * factor, parameters.dtype)
        epsilon = self.epsilon / (1 - beta_2) ** 0.5
        for p, g, m, v, step in blocks(
            parameters, gradient, state["m"], state["v"], scratch=scratch, penalty=penalty
        ):
            self._average(g, m, v, step)
            _descend(p, m, v, epsilon, rate, step)

    def _average(self, g, m, v, scratch) -> None:
        """Take the gradient into both running averages."""
        np.multiply(m, self.beta_1, out=m)
        np.add(m, g, out=m)
        np.multiply(v, self.beta_2, out=v)
        np.multiply(g, g, out=scratch)
        np.add(v, scratch, out=v)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: ``W -= rate * weight_decay * W`` before each step.

    Where ``rate * weight_decay`` is above 1, it counts as 1, and the step starts from W = 0.

    Unlike the gradient of an L2 penalty, the decay is not divided by the root of v, so that
    all weights shrink alike, however large their gradients are.

    References
    ----------
    Loshchilov and Hutter (2019), "Decoupled weight decay regularization", arXiv 1711.05101.
    """

    of_member: ClassVar[str] = "weight_decay"
    weight_decay: float = 0.01

    def update(self, parameters, gradient, state, rate, scratch, penalty=NO_PENALTY):
        penalty = penalty._replace(decay=rate * self.weight_decay)
        super().update(parameters, gradient, state, rate, scratch, penalty)


@dataclass(frozen=True)
class NAdam(Adam):
    """Adam with Nesterov's momentum.

    The m of Adam's step is replaced by ``beta_1 * m + (1 - beta_1) * g``, each term with its
    bias correction: ``beta_1 * m / (1 - beta_1**(t + 1)) + (1 - beta_1) * g / (1 - beta_1**t)``.

    References
    ----------
    Dozat (2016), "Incorporating Nesterov momentum into Adam", ICLR workshop.
    """

    def update(self, parameters, gradient, state, rate, scratch, penalty=NO_PENALTY):
        # The state is that of Adam: m / (1 - beta_1) and v / (1 - beta_2).
        state["t"] += 1
        t, (beta_1, beta_2) = state["t"], (self.beta_1, self.beta_2)
        factor = (1 - beta_2**t) ** 0.5 / (1 - beta_1**t) * (1 - beta_1) / (1 - beta_2) ** 0.5
        rate = cast(rate * factor, parameters.dtype)
        ahead = beta_1 * (1 - beta_1**t) / (1 - beta_1 ** (t + 1))
        epsilon = self.epsilon * ((1 - beta_2**t) / (1 - beta_2)) ** 0.5
        for p, g, m, v, step in blocks(
            parameters, gradient, state["m"], state["v"], scratch=scratch, penalty=penalty
        ):
            self._average(g, m, v, step)
            np.multiply(m, ahead, out=step)
            np.add(g, step, out=g)
            _descend(p, g, v, epsilon, rate, step)


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

    def start(self, parameters):
        return {"v": _zeros_like(parameters)}

    def update(self, parameters, gradient, state, rate, scratch, penalty=NO_PENALTY):
        rate = cast(rate, parameters.dtype)
        for p, g, v, step in blocks(
            parameters, gradient, state["v"], scratch=scratch, penalty=penalty
        ):
            np.multiply(v, self.beta_2, out=v)
            np.multiply(g, g, out=step)
            np.multiply(step, 1 - self.beta_2, out=step)
            np.add(v, step, out=v)
            _descend(p, g, v, self.epsilon, rate, step)


def _correction(beta: float, t: int) -> float:
    """What makes ``sum(beta**age * x)`` of t values the mean with these weights."""
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
