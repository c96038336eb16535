"""What a table holds, the estimators' docstrings name: one bullet for each entry."""

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


def sections(estimator):
    """The docstring's text about each parameter."""
    text = estimator.__doc__.split("Parameters\n")[1].split("    Attributes\n")[0]
    parts = re.split(r"^    (\w+) : ", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(("estimator", "parameter"), CASES)
def test_every_entry_has_its_bullet(estimator, parameter):
    bullets = re.findall(r"^        - (.*?)(?:,? [^',\n]|\n)", sections(estimator)[parameter], re.M)
    named = {name for bullet in bullets for name in re.findall(r"'(\w+)'", bullet)}
    assert named == CASES[estimator, parameter]


@pytest.mark.parametrize("estimator", BOTH)
def test_every_parameter_is_documented_in_the_order_of_the_signature(estimator):
    assert [*sections(estimator)] == [*signature(estimator).parameters]


def test_the_shared_parameters_are_documented_alike():
    one, other = map(sections, BOTH)
    shared = [name for name in one if name in other and (BOTH[0], name) not in OF_ONE]
    assert len(shared) > 30
    assert {name: one[name].strip() for name in shared} == {
        name: other[name].strip() for name in shared
    }
