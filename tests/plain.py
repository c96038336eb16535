"""Estimators with the default settings of scikit-learn's MLPs, apart from batch norm.

Most tests use them: constant learning rate, no dropout, no weight decay, neither inputs nor targets
scaled.
"""

from sklearn.neural_network import MLPClassifier

from sknormnet import NormNetClassifier, NormNetRegressor

SHARED = MLPClassifier().get_params()
SHARED |= {
    "keep_prob": 1.0,
    "scale_inputs": None,
    "input_bins": 0,
    "weight_decay": 1.0,
    "scoring": None,
}


def plain_classifier(**settings) -> NormNetClassifier:
    return NormNetClassifier(**SHARED | {"label_smoothing": 0.0} | settings)


def plain_regressor(**settings) -> NormNetRegressor:
    return NormNetRegressor(**SHARED | {"standardize_target": False} | settings)
