"""The estimators' parameters, read once: frozen settings that all other code works with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from sklearn.base import is_classifier

from sknormnet._choices import configured, filled, plain
from sknormnet._dataclasses import dataclass
from sknormnet.estimators.architecture import MANY_ROWS, Architecture
from sknormnet.nn.layers import ScaledDense
from sknormnet.nn.losses import Loss
from sknormnet.training.optimizers import OPTIMIZERS, SGD, AdamW, Optimizer
from sknormnet.training.plan import Plan
from sknormnet.training.schedules import SCHEDULES, Custom, Schedule

if TYPE_CHECKING:
    from sknormnet.estimators.base import BaseNormNet
    from sknormnet.estimators.checkpoint import Checkpoint

# What max_iter="auto" stands for. L-BFGS needs 30 to 700 iterations on most tables of a few
# hundred rows.
AUTO_EPOCHS, AUTO_ITERATIONS = 40, 1000
FEW_BINS = 3  # input_bins="auto" of a regressor for few rows that show no curves
# weight_decay="auto", at most: training on few rows makes few steps, so each must decay more
MOST_DECAY = 8.0


class Call(Enum):
    """What kind of call this is."""

    FRESH = auto()  # fit of a new network
    CONTINUED = auto()  # fit that continues to train a network: warm_start
    CHUNK = auto()  # partial_fit
    CHECK = auto()  # no training: validation rows are checked against the training rows


@dataclass(frozen=True)
class TargetSettings:
    """How y becomes the target of a loss; each estimator has some of these parameters."""

    loss: str | Loss
    class_weight: Mapping | str | None = None
    label_smoothing: float = 0.0
    calibrate: bool = False
    standardize_target: bool = False
    quantile: Any = 0.5
    huber_delta: float = 1.35


@dataclass(frozen=True)
class Settings:
    """All parameters of an estimator, as plain numbers and objects.

    Attributes
    ----------
    owner : str
        Name of the estimator's class, for messages.
    call : Call
    continues : bool
        Whether there is a trained network from which training continues.
    architecture : Architecture
    plan : Plan
    target : TargetSettings
    n_members, verbose : int
    input_bins, input_frequencies : int or None
        None for "auto", which depends on X.
    bin_strategy : str
    scale_inputs : str or None
    categorical_features, categories : object
    dtype : str
    has_auto_decay : bool
        Whether the weight decay depends on the number of rows.
    random_state : int, RandomState or None
    early_stopping : bool or "auto"
    validation_fraction : float
    scoring : str, callable or None
    """

    owner: str
    call: Call
    continues: bool
    architecture: Architecture
    plan: Plan
    target: TargetSettings
    n_members: int
    input_bins: int | None
    input_frequencies: int | None
    bin_strategy: str
    scale_inputs: str | None
    categorical_features: Any
    categories: Any
    verbose: int
    dtype: str
    has_auto_decay: bool
    random_state: Any
    early_stopping: bool | str
    validation_fraction: float
    scoring: Any
    checkpoint: Checkpoint | None

    @property
    def is_stochastic(self) -> bool:
        """Whether training goes by minibatches."""
        return self.plan.optimizer is not None

    def for_rows(self, n_rows: float, *, are_sparse: bool) -> Settings:
        """Return the settings for rows on which some parameters that are "auto" depend."""
        architecture, plan = self.architecture, self.plan
        if architecture.scaling_layer is None:
            # Other optimizers divide by the size of the gradient. Steps of SGD would be too large.
            is_adaptive = self.is_stochastic and not isinstance(plan.optimizer, SGD)
            scales = is_adaptive and self.input_bins != 0 and not are_sparse
            architecture = replace(architecture, scaling_layer=scales)
        if self.has_auto_decay and isinstance(plan.optimizer, AdamW):
            decay = min(MOST_DECAY, max(1.0, (MANY_ROWS / n_rows) ** 2))
            plan = replace(plan, optimizer=replace(plan.optimizer, weight_decay=decay))
        return replace(self, architecture=architecture, plan=plan)

    @property
    def adapts_to_lines(self) -> bool:
        """Whether `for_lines` makes a difference."""
        return self.is_stochastic and self.for_lines(are_noisy=False) != self

    def for_lines(self, *, are_noisy: bool) -> Settings:
        """Return the settings for targets that curves do not predict better than straight lines.

        Parameters
        ----------
        are_noisy : bool
            Whether the targets are mostly noise, so that straight lines predict little, too.
        """
        architecture = self.architecture.dropping_inputs(are_noisy=are_noisy)
        settings = replace(self, architecture=architecture)
        if self.architecture.is_classifier:
            return settings
        bins, frequencies = self.input_bins, self.input_frequencies
        return replace(
            settings,
            input_bins=FEW_BINS if bins is None else bins,
            input_frequencies=0 if frequencies is None else frequencies,
        )

    def holds_out(self, n_rows: float) -> bool:
        """Whether some of `n_rows` rows are held out for validation."""
        if self.early_stopping == "auto":
            return self.is_stochastic and MANY_ROWS <= n_rows < math.inf
        return self.is_stochastic and bool(self.early_stopping)


def resolve(estimator: BaseNormNet, call: Call) -> Settings:
    """Read an estimator's parameters. No other code does.

    Raises
    ------
    ValueError
        If parameters do not fit together.
    """
    names = estimator._parameter_constraints
    parameters = {name: plain(getattr(estimator, name)) for name in names}
    has_auto_decay = parameters["weight_decay"] == "auto" and isinstance(estimator.solver, str)
    if parameters["weight_decay"] == "auto":
        parameters["weight_decay"] = 1.0
    for name in ("input_bins", "input_frequencies", "scaling_layer", "weight_averaging"):
        if parameters[name] == "auto":
            parameters[name] = None
    if call is Call.CHUNK and parameters["early_stopping"] not in (False, "auto"):
        raise ValueError("partial_fit does not support early_stopping=True")
    if call in (Call.CHUNK, Call.CHECK):
        parameters["checkpoint"] = None
    continues = call in (Call.CONTINUED, Call.CHUNK) and estimator._has_begun
    if parameters["scaling_layer"] is None and continues:
        layers = estimator._networks[0].layers
        parameters["scaling_layer"] = any(isinstance(x, ScaledDense) for x in layers)
    owner = type(estimator).__name__
    is_stochastic = uses_minibatches(estimator)
    own = {
        "owner": owner,
        "call": call,
        "has_auto_decay": has_auto_decay,
        "continues": continues,
        "architecture": Architecture.of(
            parameters,
            owner,
            is_classifier=is_classifier(estimator),
            is_stochastic=is_stochastic,
        ),
        "plan": _plan(parameters, owner, call, is_stochastic=is_stochastic),
        "target": filled(TargetSettings, parameters),
    }
    return filled(Settings, parameters | own)


def uses_minibatches(estimator: BaseNormNet) -> bool:
    """Whether the estimator's solver trains by minibatches."""
    solver = estimator.solver
    return solver in OPTIMIZERS if isinstance(solver, str) else isinstance(solver, Optimizer)


def _plan(parameters: dict[str, Any], owner: str, call: Call, *, is_stochastic: bool) -> Plan:
    max_iter = parameters["max_iter"]
    if max_iter == "auto":
        max_iter = AUTO_EPOCHS if is_stochastic else AUTO_ITERATIONS
    schedule = parameters["learning_rate"]
    if callable(schedule) and not isinstance(schedule, Schedule):
        schedule = Custom(schedule)
    what = f"The 'learning_rate' parameter of {owner}"
    optimizer = None
    if is_stochastic:
        of_solver = f"The 'solver' parameter of {owner}"
        optimizer = configured(of_solver, parameters["solver"], OPTIMIZERS, Optimizer, parameters)
    is_chunk = call is Call.CHUNK
    own = {
        "owner": owner,
        "optimizer": optimizer,
        "schedule": configured(what, schedule, SCHEDULES, Schedule, parameters),
        "max_epochs": 1 if is_chunk else max_iter,
        "alpha": float(parameters["alpha"]) or None,
        "is_chunk": is_chunk,
    }
    if is_chunk:
        own["max_time"] = None
    return filled(Plan, parameters | own)
