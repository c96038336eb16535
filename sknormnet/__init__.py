"""Neural networks with batch normalization, dropout and L2 as scikit-learn estimators."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sknormnet.estimators.checkpoint import Checkpoint
from sknormnet.estimators.classifier import NormNetClassifier
from sknormnet.estimators.regressor import NormNetRegressor
from sknormnet.nn.activations import Activation
from sknormnet.nn.losses import Loss
from sknormnet.training.optimizers import Optimizer
from sknormnet.training.schedules import Schedule

if TYPE_CHECKING:
    from sknormnet.estimators.ensembles import (
        NormNetEnsembleClassifier,
        NormNetEnsembleRegressor,
    )
    from sknormnet.estimators.halving import (
        PackedHalvingGridSearchCV,
        PackedHalvingRandomSearchCV,
    )
    from sknormnet.estimators.search import PackedGridSearchCV, PackedRandomizedSearchCV

__all__ = [
    "Activation",
    "Checkpoint",
    "Loss",
    "NormNetClassifier",
    "NormNetEnsembleClassifier",
    "NormNetEnsembleRegressor",
    "NormNetRegressor",
    "Optimizer",
    "PackedGridSearchCV",
    "PackedHalvingGridSearchCV",
    "PackedHalvingRandomSearchCV",
    "PackedRandomizedSearchCV",
    "Schedule",
    "__version__",
]

__version__ = "0.1.0"


# Other modules that users import from.
_MODULES = ["inspection", "nn", "training"]
# Classes, and their modules in `estimators`.
_CLASSES = {
    "NormNetEnsembleClassifier": "ensembles",
    "NormNetEnsembleRegressor": "ensembles",
    "PackedGridSearchCV": "search",
    "PackedHalvingGridSearchCV": "halving",
    "PackedHalvingRandomSearchCV": "halving",
    "PackedRandomizedSearchCV": "search",
}


def __getattr__(name: str) -> Any:
    """Load ensembles, searches and subpackages on first access: the package starts faster."""
    if name in _MODULES:
        return import_module(f"sknormnet.{name}")
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"sknormnet.estimators.{_CLASSES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, those that are not loaded yet among them."""
    return sorted([*__all__, *_MODULES])
