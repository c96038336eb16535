"""Ensembles that choose: networks with several settings, each trained without one fold.

Each setting is trained once for each fold, on the rows outside of it. The fold decides which
epoch of the network is kept. Together, the networks of a setting predict all rows out of fold,
and these predictions decide how much the setting weighs. All networks are trained as stacks.
"""

from typing import Any

from sklearn.base import ClassifierMixin

from sknormnet.estimators.base import BaseNormNet
from sknormnet.estimators.ensembles.base import BaseEnsemble
from sknormnet.estimators.ensembles.classifier import NormNetEnsembleClassifier
from sknormnet.estimators.ensembles.regressor import NormNetEnsembleRegressor

__all__ = ["NormNetEnsembleClassifier", "NormNetEnsembleRegressor", "ensemble_of"]


def ensemble_of(network: type[BaseNormNet], parameters: dict[str, Any]) -> BaseEnsemble:
    """Return an ensemble of networks of a class; see `BaseNormNet.for_accuracy`."""
    is_classification = issubclass(network, ClassifierMixin)
    ensemble = NormNetEnsembleClassifier if is_classification else NormNetEnsembleRegressor
    own = {name: x for name, x in parameters.items() if name in ensemble._parameter_constraints}
    of_network = {name: x for name, x in parameters.items() if name not in own}
    estimator = network(**of_network) if of_network else None
    return ensemble(estimator, **own)
