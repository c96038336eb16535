"""The estimators' docstrings list every parameter and every entry of the tables."""

import re
from inspect import signature

import pytest

from sknormnet import NormNetClassifier, NormNetRegressor
from sknormnet.nn.activations import ACTIVATIONS
from sknormnet.nn.initializers import INITIALIZERS
from sknormnet.nn.losses import CLASSIFICATION_LOSSES, LOSSES
from sknormnet.training.optimizers import OPTIMIZERS
from sknormnet.training.schedules import SCHEDULES

BOTH = (NormNetClassifier, NormNetRegressor)
TABLES = {
    "activation": {*ACTIVATIONS},
    "init": {*INITIALIZERS, "auto"},
    "solver": {*OPTIMIZERS, "lbfgs"},
    "learning_rate": {*SCHEDULES},
}
OF_ONE = {
    (NormNetClassifier, "loss"): {*CLASSIFICATION_LOSSES["softmax"]},
    (NormNetRegressor, "loss"): {*LOSSES},
}
CASES = OF_ONE | {(kind, name): TABLES[name] for name in TABLES for kind in BOTH}


def split_by_parameter(estimator):
    """Return what stands before the first parameter, then each name and its text."""
    text = estimator.__doc__.split("Parameters\n")[1].split("    Attributes\n")[0]
    return re.split(r"^    (\w+) : ", text, flags=re.MULTILINE)


def parameters(estimator):
    """The names of the documented parameters, in order."""
    return split_by_parameter(estimator)[1::2]


def sections(estimator):
    """The docstring's text about each parameter."""
    parts = split_by_parameter(estimator)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(("estimator", "parameter"), CASES)
def test_every_entry_has_its_bullet(estimator, parameter):
    bullets = re.findall(r"^        - (.*?)(?:,? [^',\n]|\n)", sections(estimator)[parameter], re.M)
    named = {name for bullet in bullets for name in re.findall(r"'(\w+)'", bullet)}
    assert named == CASES[estimator, parameter]


@pytest.mark.parametrize("estimator", BOTH)
def test_every_parameter_is_documented_once(estimator):
    assert sorted(parameters(estimator)) == sorted(signature(estimator).parameters)


def test_the_shared_parameters_are_documented_in_the_same_order():
    one, other = map(parameters, BOTH)
    assert [x for x in one if x in other] == [x for x in other if x in one]


def test_the_shared_parameters_are_documented_alike():
    one, other = map(sections, BOTH)
    shared = [name for name in one if name in other and (BOTH[0], name) not in OF_ONE]
    assert len(shared) > 30
    assert {name: one[name].strip() for name in shared} == {
        name: other[name].strip() for name in shared
    }
