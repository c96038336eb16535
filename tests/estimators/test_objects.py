"""A loss, an optimiser and a schedule of one's own, or the package's set by oneself."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from gradients import check_vjp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, log_expit, log_softmax
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

import sknormnet
from sknormnet import Loss, NormNetClassifier, NormNetRegressor, Optimizer, Schedule
from sknormnet.nn.losses import BinaryLogLoss, Huber, IdentityLoss, MulticlassLogLoss
from sknormnet.training.blocks import blocks
from sknormnet.training.optimizers import NO_PENALTY, SGD, Adam, AdamW
from sknormnet.training.schedules import Cosine, InverseScaling

X, Y = load_iris(return_X_y=True)
X = scale(X)
X_TWO, Y_TWO = load_breast_cancer(return_X_y=True)
X_TWO = scale(X_TWO[:200])
Y_TWO = np.array(["malignant", "benign"])[Y_TWO[:200]]
LABELS = np.c_[Y > 0, Y > 1].astype(int)
X_REG, Y_REG = load_diabetes(return_X_y=True)
X_REG = scale(X_REG)

BETAS = {"beta_1": 0.8, "beta_2": 0.99}
SMALL = {"hidden_layer_sizes": (8,), "batch_size": 20, "max_iter": 8, "random_state": 0}


@dataclass(frozen=True)
class BinaryFocal(BinaryLogLoss):
    """Lin et al. (2017): the log loss times ``(1 - probability of the truth)**gamma``."""

    gamma: float = 2.0

    def losses_and_gradient(self, y, raw, weight):
        sign = 2 * y - 1
        wrong, losses = expit(-sign * raw), -log_expit(sign * raw)
        factor = wrong**self.gamma
        raw[...] = -sign * weight * factor * (self.gamma * (1 - wrong) * losses + wrong)
        return factor * losses


@dataclass(frozen=True)
class MulticlassFocal(MulticlassLogLoss):
    gamma: float = 2.0

    def losses_and_gradient(self, y, raw, weight):
        log_p, truth = log_softmax(raw, axis=1), np.eye(raw.shape[1], dtype=raw.dtype)[y]
        log_truth = np.sum(truth * log_p, axis=1, keepdims=True)
        p = np.exp(log_truth)
        slope = self.gamma * p * (1 - p) ** (self.gamma - 1) * log_truth - (1 - p) ** self.gamma
        raw[...] = weight * slope * (truth - np.exp(log_p))
        return -((1 - p) ** self.gamma) * log_truth


class Expectile(IdentityLoss):
    """Squared errors, those of targets above the prediction nine times as dear."""

    def losses_and_gradient(self, y, raw, weight):
        error = raw - y
        raw[...] = weight * np.where(error < 0, 0.9, 0.1) * error
        return np.where(error < 0, 0.9, 0.1) * error**2 / 2


@dataclass  # of which no hash is made
class Signs(Optimizer):
    """Steps of one length, whatever the gradient's; the state counts them."""

    size: float = 0.1

    def start(self, parameters):
        return {"steps": 0}

    def update(self, parameters, gradient, state, rate, scratch, penalty=NO_PENALTY):
        state["steps"] += 1
        for p, g, step in blocks(parameters, gradient, scratch=scratch, penalty=penalty):
            np.sign(g, out=step)
            step *= rate * self.size
            p -= step


@dataclass
class Stairs(Schedule):
    planned = True
    steps: int = 4

    def factor(self, progress, samples, stalls):
        return 1 - int(progress * self.steps) / self.steps


def test_the_base_classes_are_public():
    assert {"Activation", "Loss", "Optimizer", "Schedule"} < {*sknormnet.__all__}
    assert issubclass(BinaryFocal, Loss)


@pytest.mark.parametrize("loss", [BinaryFocal(), MulticlassFocal()])
def test_the_losses_of_this_file_are_right(loss):
    rng = np.random.default_rng(0)
    raw, weight = rng.normal(size=(9, 3)), rng.uniform(0.1, 2, size=(9, 1))
    y = rng.integers(3, size=9)
    y = y if loss.out_activation == "softmax" else np.eye(3)[y]

    def function(raw):
        gradient = raw.copy()
        value = loss.value_and_gradient(y, gradient, weight)
        return value, lambda d: d * gradient

    check_vjp(function, raw)


# --------------------------------------------------------------------------- classification


@pytest.mark.parametrize(
    ("x", "y", "loss"),
    [
        (X_TWO, Y_TWO, BinaryFocal()),
        (X, LABELS, BinaryFocal()),
        (X, Y, MulticlassFocal()),
    ],
    ids=["two classes", "labels", "classes"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_focal_loss(x, y, loss, dtype):
    model = NormNetClassifier(**SMALL, loss=loss, early_stopping=True, scoring="loss", dtype=dtype)
    assert model.fit(x, y).score(x, y) > 0.75
    assert np.isfinite(model.history_["validation_loss"]).all()
    plain = NormNetClassifier(**SMALL, dtype=dtype).fit(x, y)
    assert np.abs(model.predict_proba(x) - plain.predict_proba(x)).max() > 0.01
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    weight = np.arange(len(x)) % 3
    one, other = (
        clone(model).set_params(early_stopping=False).partial_fit(x, y, weight, classes=c)
        for c in [np.unique(y) if y.ndim == 1 else [0, 1]] * 2
    )
    other = pickle.loads(pickle.dumps(other))
    one.partial_fit(x, y), other.partial_fit(x, y)
    assert_array_equal(one.predict_proba(x), other.predict_proba(x))


def test_a_focal_loss_without_focus_is_the_log_loss():
    for x, y, loss in [(X_TWO, Y_TWO, BinaryFocal(gamma=0)), (X, Y, MulticlassFocal(gamma=0))]:
        one = NormNetClassifier(**SMALL, loss=loss).fit(x, y)
        # label_smoothing is the named loss's; an object has its own.
        other = NormNetClassifier(**SMALL, label_smoothing=0).fit(x, y)
        assert_allclose(one.predict_proba(x), other.predict_proba(x), rtol=1e-6)


def test_the_log_loss_as_an_object_is_the_one_of_the_name():
    loss = MulticlassLogLoss(label_smoothing=0.2)
    one = NormNetClassifier(**SMALL, loss=loss, label_smoothing=0.5).fit(X, Y)
    other = NormNetClassifier(**SMALL, label_smoothing=0.2).fit(X, Y)
    assert_array_equal(one.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize(
    ("y", "loss", "needed"),
    [
        (Y, BinaryFocal(), "softmax"),
        (Y > 0, MulticlassFocal(), "logistic"),
        (LABELS, MulticlassFocal(), "logistic"),
    ],
)
def test_a_loss_of_another_kind_of_target(y, loss, needed):
    with pytest.raises(ValueError, match=rf"here '{needed}'\. Got \w+Focal\(.*\) with '\w+'"):
        NormNetClassifier(**SMALL, loss=loss).fit(X, y)


@pytest.mark.parametrize("loss", ["hinge", Huber(), BinaryFocal, None])
def test_what_is_no_loss_of_classification(loss):
    with pytest.raises(ValueError, match="The 'loss' parameter of NormNetClassifier must be a str"):
        NormNetClassifier(loss=loss).fit(X, Y)


# ------------------------------------------------------------------------------- regression


def test_a_loss_of_ones_own():
    model = NormNetRegressor(Expectile(), random_state=0).fit(X_REG, 1e3 * Y_REG)
    above = (1e3 * Y_REG > model.predict(X_REG)).mean()
    assert 0.02 < above < 0.3
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X_REG), model.predict(X_REG))


def test_a_loss_is_used_as_it_is():
    one = NormNetRegressor(Huber(0.1), **SMALL, huber_delta=5.0).fit(X_REG, Y_REG)
    other = NormNetRegressor("huber", **SMALL, huber_delta=0.1).fit(X_REG, Y_REG)
    assert_array_equal(one.predict(X_REG), other.predict(X_REG))


# ----------------------------------------------------------------- optimisers and schedules


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"solver": Adam(beta_1=0.8, beta_2=0.99)}, {"solver": "adam"} | BETAS),
        ({"solver": AdamW(beta_1=0.8, beta_2=0.99)}, {"weight_decay": 0.01} | BETAS),
        ({"learning_rate": Cosine()}, {"learning_rate": "cosine"}),
        (
            {"learning_rate": InverseScaling(0.1), "solver": SGD()},
            {"learning_rate": "invscaling", "power_t": 0.1, "solver": "sgd"},
        ),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_object_is_used_as_it_is(params, named):
    # The parameters of those names are others.
    one = NormNetRegressor(**SMALL, **params).fit(X_REG, Y_REG)
    other = NormNetRegressor(**SMALL, **named).fit(X_REG, Y_REG)
    assert_array_equal(one.predict(X_REG), other.predict(X_REG))


def test_an_optimiser_and_a_schedule_of_ones_own():
    params = {"solver": Signs(0.2), "learning_rate": Stairs(steps=8)}
    model = NormNetRegressor(**SMALL | {"max_iter": 30}, **params).fit(X_REG, Y_REG)
    assert model.score(X_REG, Y_REG) > 0.4
    assert model.n_iter_ == 30  # a plan is followed to its end
    rates = 0.01 * (1 - np.arange(1, 30) * 8 // 30 / 8)
    assert_allclose(model.history_["learning_rate"][:-1], rates)
    assert repr(model.solver) in repr(model)
    again = pickle.loads(pickle.dumps(model))
    again.partial_fit(X_REG, Y_REG)
    model.partial_fit(X_REG, Y_REG)
    assert_array_equal(again.predict(X_REG), model.predict(X_REG))
    twin = clone(model).fit(X_REG, Y_REG)
    assert twin.solver == model.solver
    assert twin.loss_curve_ == model.loss_curve_[:30]


def test_the_penalty_reaches_an_optimiser_of_ones_own():
    weak, strong = (
        NormNetRegressor(**SMALL, solver=Signs(1.0), alpha=alpha).fit(X_REG, Y_REG)
        for alpha in (0, 1e3)
    )
    assert np.abs(strong.coefs_[0]).sum() < 0.8 * np.abs(weak.coefs_[0]).sum()


def test_a_search_over_objects():
    grid = {"solver": ["adam", Adam(beta_1=0.5), Signs()], "learning_rate": [Stairs(), "cosine"]}
    search = GridSearchCV(NormNetClassifier(**SMALL), grid, cv=2, error_score="raise").fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"solver": Adam}, "an instance of '.*Optimizer'"),
        ({"solver": Stairs()}, "an instance of '.*Optimizer'"),
        ({"learning_rate": Signs()}, "an instance of '.*Schedule' or a callable"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [NormNetClassifier, NormNetRegressor])
def test_objects_in_the_wrong_place(kind, params, message):
    name = next(iter(params))
    with pytest.raises(ValueError, match=rf"The '{name}' parameter of {kind.__name__} .*{message}"):
        kind(**params).fit(X, Y)
    if name == "solver":
        assert not hasattr(kind(**params), "partial_fit")
