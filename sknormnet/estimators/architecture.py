"""The architecture of a network: frozen settings, with checked values per hidden layer."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

from sknormnet._choices import choose
from sknormnet._dataclasses import dataclass
from sknormnet.estimators.own_objects import check_activation
from sknormnet.inputs import InputEncoder
from sknormnet.nn.activations import ACTIVATIONS, Activation
from sknormnet.nn.initializers import INITIALIZERS, Initializer
from sknormnet.nn.mlp import mlp
from sknormnet.nn.network import Network

# From so many rows on, defaults are those of large tables: float32, rows held out for validation,
# no more weight decay than 1, and, with so many rows per column, less dropout.
MANY_ROWS, ROWS_PER_COLUMN = 1000, 20
FEW_ROWS = 100  # fewer train without dropout
# Where "auto" drops inputs: without categorical columns, and with some, whose centered 0/1 inputs
# add less noise when they are dropped; and for classes that are mostly noise.
INPUT_KEEP_PROB, INPUT_KEEP_PROB_OF_CATEGORIES, INPUT_KEEP_PROB_OF_NOISE = 0.8, 0.75, 0.55
OUTPUT = ACTIVATIONS["identity"]  # of the output layer, for init="auto"


@dataclass(frozen=True)
class Architecture:
    """The layers of a network.

    Attributes
    ----------
    owner : str
        Name of the estimator's class, for messages.
    hidden : tuple of int
        Number of units of each hidden layer.
    scaling_layer : bool or None
        Whether there is a trained factor for each input; None for that of
        ``scaling_layer="auto"``.
    activations : tuple of Activation
    inits : tuple of Initializer
        One for each hidden layer and one for the output layer.
    batchnorm : {None, "before", "after"}
    batchnorm_momentum, batchnorm_epsilon : float
    keep_probs : tuple of float or None
        One for each hidden layer; None for those of ``keep_prob="auto"``.
    input_keep_prob : float or None
        None for that of ``input_keep_prob="auto"``.
    drops_inputs : bool
        Whether ``input_keep_prob="auto"`` drops inputs, however many rows there are.
    is_classifier : bool
    allows_dropout : bool
        Whether the solver allows dropout.
    """

    owner: str
    hidden: tuple[int, ...]
    scaling_layer: bool | None
    activations: tuple[Activation, ...]
    inits: tuple[Initializer, ...]
    batchnorm: str | None
    batchnorm_momentum: float
    batchnorm_epsilon: float
    keep_probs: tuple[float, ...] | None
    input_keep_prob: float | None
    drops_inputs: bool
    is_classifier: bool
    allows_dropout: bool

    @classmethod
    def of(
        cls, parameters: Mapping[str, Any], owner: str, *, is_classifier: bool, is_stochastic: bool
    ) -> "Architecture":
        """Return the architecture that an estimator's parameters describe.

        Raises
        ------
        ValueError
            If a parameter does not have one valid value for each hidden layer, or if the solver
            does not support dropout.
        """
        hidden = _hidden_sizes(parameters["hidden_layer_sizes"])
        activations = tuple(
            choose(f"Each 'activation' of {owner}", x, ACTIVATIONS, Activation)
            for x in _per_layer(parameters, "activation", owner, len(hidden))
        )
        keep_probs = None
        if not isinstance(parameters["keep_prob"], str):
            keep_probs = _keep_probs(parameters, owner, len(hidden))
        input_keep_prob = parameters["input_keep_prob"]
        input_keep_prob = None if isinstance(input_keep_prob, str) else float(input_keep_prob)
        if not is_stochastic and min(input_keep_prob or 1, *(keep_probs or ()), 1) < 1:
            raise ValueError(
                "solver='lbfgs' does not support keep_prob < 1 or input_keep_prob < 1: dropout"
                " makes the loss random, but L-BFGS compares the losses of different steps."
                " Use another solver, such as 'adamw'."
            )
        batchnorm = parameters["batchnorm"]
        return cls(
            owner=owner,
            hidden=hidden,
            scaling_layer=parameters["scaling_layer"],
            activations=activations,
            inits=tuple(_init(parameters["init"], x.init) for x in (*activations, OUTPUT)),
            batchnorm={True: "after", False: None}.get(batchnorm, batchnorm),
            batchnorm_momentum=float(parameters["batchnorm_momentum"]),
            batchnorm_epsilon=float(parameters["batchnorm_epsilon"]),
            keep_probs=keep_probs,
            input_keep_prob=input_keep_prob,
            drops_inputs=False,
            is_classifier=is_classifier,
            allows_dropout=is_stochastic,
        )

    def build(self, inputs: InputEncoder, n_outputs: int, dtype: Any, *, n_rows: float) -> Network:
        """Return the network, without starting values, for `n_rows` training rows."""
        for activation in self.activations:
            check_activation(self.owner, activation, dtype)
        of_units, of_inputs = self._auto_keep_probs(inputs, n_rows)
        keep_probs, input_keep_prob = self.keep_probs, self.input_keep_prob
        if keep_probs is None:
            keep_probs = (of_units,) * len(self.hidden)
        if input_keep_prob is None:
            input_keep_prob = of_inputs
        return mlp(
            inputs.n_outputs,
            self.hidden,
            n_outputs,
            embedding_sizes=inputs.embedding_sizes,
            scaling_layer=bool(self.scaling_layer),
            activations=self.activations,
            inits=self.inits,
            batchnorm=self.batchnorm,
            batchnorm_momentum=self.batchnorm_momentum,
            batchnorm_epsilon=self.batchnorm_epsilon,
            keep_probs=keep_probs,
            input_keep_prob=input_keep_prob,
            dtype=dtype,
        )

    def dropping_inputs(self, *, are_noisy: bool) -> "Architecture":
        """Return the architecture with dropout of inputs, unless a parameter sets dropout.

        A classifier drops more of them if its targets are mostly noise.
        """
        if self.keep_probs is not None or self.input_keep_prob is not None:
            return self
        if are_noisy and self.is_classifier:
            return replace(self, input_keep_prob=INPUT_KEEP_PROB_OF_NOISE)
        return replace(self, drops_inputs=True)

    def _auto_keep_probs(self, inputs: InputEncoder, n_rows: float) -> tuple[float, float]:
        """Return what "auto" stands for: for hidden units, and for inputs."""
        if self.keep_probs is not None or not self.allows_dropout or n_rows < FEW_ROWS:
            return 1.0, 1.0
        is_wide = n_rows < ROWS_PER_COLUMN * inputs.n_columns
        of_units = 0.6 if is_wide or n_rows < MANY_ROWS else 0.8
        drops_inputs = self.is_classifier and (is_wide or n_rows < MANY_ROWS / 2)
        if not (drops_inputs or self.drops_inputs):
            return of_units, 1.0
        has_categories = inputs.categorical is not None
        return of_units, INPUT_KEEP_PROB_OF_CATEGORIES if has_categories else INPUT_KEEP_PROB


def _hidden_sizes(sizes: Any) -> tuple[int, ...]:
    """Return hidden_layer_sizes as a tuple, which may be empty."""
    sizes = [sizes] if isinstance(sizes, Integral) else list(sizes)
    if not all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be integers, got {sizes}.")
    sizes = [int(size) for size in sizes]
    if min(sizes, default=1) <= 0:
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return tuple(sizes)


def _keep_probs(parameters: Mapping[str, Any], owner: str, n_layers: int) -> tuple[float, ...]:
    """Return keep_prob for each hidden layer."""
    values = _per_layer(parameters, "keep_prob", owner, n_layers)
    for value in values:
        if not (isinstance(value, Real) and 0 < float(value) <= 1):
            raise ValueError(
                f"Each 'keep_prob' of {owner} must be a float in the range (0.0, 1.0]."
                f" Got {value!r} instead."
            )
    return tuple(float(value) for value in values)


def _per_layer(parameters: Mapping[str, Any], name: str, owner: str, n_layers: int) -> list:
    """Return the values of a parameter that is one value or has one per hidden layer."""
    value = parameters[name]
    if isinstance(value, str | Real | Activation):
        return [value] * n_layers
    values = list(value)
    if len(values) != n_layers:
        raise ValueError(
            f"The {name!r} parameter of {owner} must be a single value, or one value"
            f" for each of the hidden layers ({n_layers}). Got {value!r} instead."
        )
    return values


def _init(init: Any, recommended: str) -> Initializer:
    """Return the initializer; 'auto' stands for the one that the activation recommends."""
    return choose("init", recommended if init == "auto" else init, INITIALIZERS, Callable)
