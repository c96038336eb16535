"""Networks that train as scikit-learn's MLPs do by default, but for batch norm.

What most tests build on: constant rates, no dropout, no decay, targets as they are.
"""

from sklearn.neural_network import MLPClassifier

from sknormnet import NormNetClassifier, NormNetRegressor

SHARED = MLPClassifier().get_params() | {"keep_prob": 1.0}


def plain_classifier(**settings) -> NormNetClassifier:
    return NormNetClassifier(**SHARED | {"label_smoothing": 0.0} | settings)


def plain_regressor(**settings) -> NormNetRegressor:
    return NormNetRegressor(**SHARED | {"standardize_target": False} | settings)
