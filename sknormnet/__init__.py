"""Neural networks with batch normalisation, dropout and L2 as scikit-learn estimators."""

from sknormnet.estimators.classifier import NormNetClassifier
from sknormnet.estimators.regressor import NormNetRegressor
from sknormnet.nn.activations import Activation

__all__ = ["Activation", "NormNetClassifier", "NormNetRegressor", "__version__"]

__version__ = "0.1.0"
