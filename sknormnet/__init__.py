"""Neural networks with batch normalisation, dropout and L2 as scikit-learn estimators."""

from sknormnet.estimators.classifier import NormNetClassifier
from sknormnet.estimators.regressor import NormNetRegressor
from sknormnet.estimators.search import PackedGridSearchCV, PackedRandomizedSearchCV
from sknormnet.nn.activations import Activation
from sknormnet.nn.losses import Loss
from sknormnet.training.optimizers import Optimizer
from sknormnet.training.schedules import Schedule

__all__ = [
    "Activation",
    "Loss",
    "NormNetClassifier",
    "NormNetRegressor",
    "Optimizer",
    "PackedGridSearchCV",
    "PackedRandomizedSearchCV",
    "Schedule",
    "__version__",
]

__version__ = "0.1.0"
