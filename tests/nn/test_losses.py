import pickle

import numpy as np
import pytest
from gradients import check_vjp
from numpy.testing import assert_allclose, assert_array_equal
from reference import LOSS, ORDERS, ascending, targets
from scipy.special import expit, huber, softmax
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
)

from sknormnet.nn.losses import (
    LOSSES,
    AbsoluteError,
    BinaryLogLoss,
    ClassificationLoss,
    GammaDeviance,
    Huber,
    IdentityLoss,
    Loss,
    MulticlassLogLoss,
    PoissonDeviance,
    Quantile,
    Quantiles,
    SquaredError,
)

# The regressor's losses, the classifier's two losses, and the loss for several quantiles
CASES = {**LOSSES, "binary": BinaryLogLoss(), "multiclass": MulticlassLogLoss()}
CASES["quantiles"] = Quantiles()
ALL = pytest.mark.parametrize(("name", "loss"), CASES.items(), ids=list(CASES))


def case(name, n_rows=9, n_outputs=3, seed=0):
    """Targets, raw predictions and unequal weights."""
    rng = np.random.default_rng(seed)
    y = targets(name, n_rows, n_outputs, rng)
    raw = rng.normal(size=(n_rows, n_outputs))
    return y, raw, rng.uniform(0.1, 2, size=(n_rows, 1))


def test_every_loss_is_tested():
    abstract = {ClassificationLoss, IdentityLoss}
    leaves = {leaf for base in {Loss} | abstract for leaf in base.__subclasses__()} - abstract
    ours = {leaf for leaf in leaves if leaf.__module__ == Loss.__module__}
    assert {type(loss) for loss in CASES.values()} == ours
    assert set(CASES) == set(LOSS)


def test_the_table_of_losses():
    assert {name: type(loss) for name, loss in LOSSES.items()} == {
        "squared_error": SquaredError,
        "absolute_error": AbsoluteError,
        "huber": Huber,
        "quantile": Quantile,
        "poisson": PoissonDeviance,
        "gamma": GammaDeviance,
    }


# y, raw predictions, value and gradient for two rows with weights 1 and 3, computed by hand
BY_HAND = {
    # (3-1)^2/2 + (1-1)^2/2 = 2 and (0-2)^2/2 + (1-0)^2/2 = 2.5
    "squared_error": ([[1, 1], [2, 0]], [[3, 1], [0, 1]], 2 + 3 * 2.5, [[2, 0], [-6, 3]]),
    "absolute_error": ([[1, 1], [2, 0]], [[3, 1], [0, 1]], 2 + 3 * 3, [[1, 0], [-3, 3]]),
    # residuals 2 and 1: 1.35 * (2 - 1.35 / 2) and 1 / 2
    "huber": (
        [[1, 1], [2, 0]],
        [[3, 1], [0, 1]],
        1.35 * 1.325 + 3 * (1.35 * 1.325 + 0.5),
        [[1.35, 0], [-3 * 1.35, 3]],
    ),
    "quantile": ([[1, 1], [2, 0]], [[3, 1], [0, 1]], 1 + 1.5 * 3, [[0.5, 0], [-1.5, 1.5]]),
    # predictions 0, 50 and 100: 6 + 5 + 4 and 0.9 + 25.5 + 10.1; the first raw prediction moves
    # all three, the second the upper two, the third the last one
    "quantiles": (
        [[60], [-1]],
        [[0, 50, 50], [0, 50, 50]],
        15 + 3 * 36.5,
        [[-0.5, -0.4, 0.1], [3 * 1.5, 3 * 0.6, 3 * 0.1]],
    ),
    # means 1 and 2: log(1/2) + 2 - 1 and log(2/4) + 2 - 1
    "gamma": ([[2], [4]], [[0], [np.log(2)]], 4 * (1 - np.log(2)), [[-1], [-3]]),
    # means 1 and 2: 2 log(2/1) - 2 + 1 and 0 - 0 + 2
    "poisson": ([[2], [0]], [[0], [np.log(2)]], 2 * np.log(2) - 1 + 3 * 2, [[-1], [3 * 2]]),
    # probabilities 3/4 and 1/2: -log(3/4) and -log(1/2)
    "binary": (
        [[1], [0]],
        [[np.log(3)], [0]],
        np.log(4 / 3) + 3 * np.log(2),
        [[-1 / 4], [3 / 2]],
    ),
    # probabilities (1/6, 2/6, 3/6) and (1/3, 1/3, 1/3): -log(1/2) and -log(1/3)
    "multiclass": (
        [2, 0],
        [np.log([1, 2, 3]), [5, 5, 5]],
        np.log(2) + 3 * np.log(3),
        [[1 / 6, 2 / 6, -3 / 6], [-2, 1, 1]],
    ),
}


@ALL
def test_value_and_gradient_by_hand(name, loss):
    y, raw, value, gradient = BY_HAND[name]
    raw = np.array(raw, float)
    found = loss.value_and_gradient(np.array(y), raw, np.array([[1.0], [3.0]]))
    assert type(found) is float
    assert_allclose(found, value, rtol=1e-15)
    assert_allclose(raw, gradient, rtol=1e-14, atol=1e-16)


@ALL
def test_gradient_agrees_with_a_numeric_derivative(name, loss):
    y, raw, weight = case(name)

    def function(raw):
        gradient = raw.copy()
        value = loss.value_and_gradient(y, gradient, weight)
        return value, lambda d: d * gradient

    check_vjp(function, raw)


@ALL
def test_value_agrees_with_sklearns_metric(name, loss):
    y, raw, weight = case(name)
    weight /= weight.sum()
    sample_weight = weight[:, 0]
    metric = {
        "squared_error": lambda: 3 * mean_squared_error(y, raw, sample_weight=sample_weight) / 2,
        "absolute_error": lambda: 3 * mean_absolute_error(y, raw, sample_weight=sample_weight),
        "huber": lambda: sum(
            weight @ huber(1.35, (y - raw)[:, k]) for weight in [sample_weight] for k in range(3)
        ),
        "quantile": lambda: 3 * mean_pinball_loss(y, raw, sample_weight=sample_weight),
        "quantiles": lambda: sum(
            mean_pinball_loss(y, of_q, alpha=q, sample_weight=sample_weight)
            for q, of_q in zip(ORDERS, ascending(raw).T, strict=True)
        ),
        "gamma": lambda: sum(
            mean_gamma_deviance(y[:, k], np.exp(raw[:, k]), sample_weight=sample_weight) / 2
            for k in range(3)
        ),
        "poisson": lambda: sum(
            mean_poisson_deviance(y[:, k], np.exp(raw[:, k]), sample_weight=sample_weight) / 2
            for k in range(3)
        ),
        "binary": lambda: sum(
            log_loss(y[:, k], expit(raw[:, k]), sample_weight=sample_weight) for k in range(3)
        ),
        "multiclass": lambda: log_loss(
            y, softmax(raw, axis=1), sample_weight=sample_weight, labels=range(3)
        ),
    }[name]
    expected = metric()
    assert_allclose(loss.value_and_gradient(y, raw, weight), expected, rtol=1e-12)


@ALL
def test_targets_and_weights_are_not_modified(name, loss):
    y, raw, weight = case(name)
    y_before, weight_before = y.copy(), weight.copy()
    loss.value_and_gradient(y, raw, weight)
    assert_array_equal(y, y_before)
    assert_array_equal(weight, weight_before)


@ALL
def test_float32_is_accurate(name, loss):
    y, raw, weight = case(name)
    y32 = y if name == "multiclass" else y.astype(np.float32)
    raw32 = raw.astype(np.float32)
    gradient = raw32.copy()
    value = loss.value_and_gradient(y32, gradient, weight.astype(np.float32))
    assert gradient.dtype == np.float32
    assert loss.inverse_link(raw32).dtype == np.float32
    assert_allclose(value, loss.value_and_gradient(y, raw, weight), rtol=1e-6)
    assert_allclose(gradient, raw, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_log_losses_of_very_confident_predictions(name, dtype):
    # Warnings are errors, so that an overflow would fail the test.
    raw = np.array([[1e4, -1e4], [-1e4, 1e4], [-1e4, -1e4]], dtype)
    y = np.array([0, 0, 0]) if name == "multiclass" else np.array([[1, 0], [1, 0], [0, 0]], dtype)
    value = CASES[name].value_and_gradient(y, raw, np.ones((3, 1), dtype))
    # The first row is correct. The second is wrong: its loss is 1e4 for each output, or, in the
    # multiclass loss, the difference 2e4 of the raw predictions.
    if name == "binary":
        assert value == 2e4
        assert_array_equal(raw, [[0, 0], [-1, 1], [0, 0]])
    else:
        assert_allclose(value, 2e4 + np.log(2), rtol=np.finfo(dtype).eps)
        assert_array_equal(raw, [[0, 0], [-1, 1], [-0.5, 0.5]])


@ALL
def test_inverse_link_follows_the_plain_formulas(name, loss):
    _, raw, _ = case(name)
    before = raw.copy()
    inverse = {
        "multiclass": lambda raw: np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True),
        "poisson": np.exp,
        "gamma": np.exp,
        "binary": expit,
        "quantiles": ascending,
    }.get(name, lambda raw: raw)
    found = loss.inverse_link(raw)
    assert_allclose(found, inverse(raw), rtol=1e-14)
    assert not np.shares_memory(found, raw)
    assert_array_equal(raw, before)


@ALL
def test_gradient_is_zero_where_the_inverse_link_gives_the_target(name, loss):
    # This holds for every loss with its canonical link.
    _, raw, weight = case(name)
    y = loss.inverse_link(raw)
    if name == "multiclass":
        y, raw = np.zeros(9, int), np.tile([1e3, 0.0, 0.0], (9, 1))
    loss.value_and_gradient(y, raw, weight)
    assert_allclose(raw, 0, atol=1e-15)


@pytest.mark.parametrize(
    "name", [name for name, loss in CASES.items() if isinstance(loss, ClassificationLoss)]
)
def test_log_inverse_link_is_exact(name):
    loss = CASES[name]
    _, raw, _ = case(name)
    assert_allclose(np.exp(loss.log_inverse_link(raw)), loss.inverse_link(raw), rtol=1e-14)
    # The probability itself underflows to 0.
    assert_array_equal(loss.log_inverse_link(np.array([[-1e4, 0.0]]))[0, 0], -1e4)


@ALL
def test_in_y_true_range(name, loss):
    y, _, _ = case(name)
    assert loss.in_y_true_range(y)
    assert loss.in_y_true_range(np.array([[-1.0], [2.0]])) is (name not in ("poisson", "gamma"))
    assert loss.in_y_true_range(np.array([[0.0], [2.0]])) is (name != "gamma")


@ALL
def test_out_activation(name, loss):
    names = {"poisson": "exp", "gamma": "exp", "binary": "logistic", "multiclass": "softmax"}
    names["quantiles"] = "cumulated_softplus"
    assert loss.out_activation == names.get(name, "identity")


@ALL
def test_losses_can_be_pickled(name, loss):
    again = pickle.loads(pickle.dumps(loss))
    assert type(again) is type(loss)
    y, raw, weight = case(name)
    raw_again = raw.copy()
    value = loss.value_and_gradient(y, raw, weight)
    assert again.value_and_gradient(y, raw_again, weight) == value
    assert_array_equal(raw_again, raw)


# ------------------------------------------------------------- label smoothing and baselines

SMOOTHED = {
    "binary": BinaryLogLoss(label_smoothing=0.2),
    "multiclass": MulticlassLogLoss(label_smoothing=0.2),
}


@pytest.mark.parametrize("scale", [1.0, 100.0])  # without and with subtracting the maximum
@pytest.mark.parametrize("name", SMOOTHED)
def test_label_smoothing_is_the_mean_loss_over_the_classes(name, scale):
    y, raw, weight = case(name)
    raw *= scale
    smoothed, plain = SMOOTHED[name], CASES[name]
    found = raw.copy()
    value = smoothed.value_and_gradient(y, found, weight)
    # The loss is linear in the target, so it is a weighted mean of the losses for each class.
    if name == "binary":
        terms = [(0.8, y), (0.1, np.ones_like(y)), (0.1, np.zeros_like(y))]
    else:
        terms = [(0.8, y)] + [(0.2 / 3, np.full_like(y, k)) for k in range(3)]
    expected, gradient = 0.0, np.zeros_like(raw)
    for factor, target in terms:
        term_gradient = raw.copy()
        expected += factor * plain.value_and_gradient(target, term_gradient, weight)
        gradient += factor * term_gradient
    assert_allclose(value, expected, rtol=1e-12)
    assert_allclose(found, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SMOOTHED)
def test_gradient_of_a_smoothed_loss(name):
    y, raw, weight = case(name)

    def function(raw):
        gradient = raw.copy()
        value = SMOOTHED[name].value_and_gradient(y, gradient, weight)
        return value, lambda d: d * gradient

    check_vjp(function, raw)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["poisson", "gamma", *SMOOTHED])
def test_the_baseline_is_the_best_constant(name, weighted):
    # The gradient is 0 there. The classification losses have label smoothing: without it, the
    # baseline uses a smoothing of a thousandth and differs from the best constant.
    loss = SMOOTHED.get(name, CASES[name])
    y, raw, weight = case(name, n_rows=40)
    weight = weight if weighted else np.ones_like(weight)
    start = loss.baseline(y, weight.ravel() if weighted else None, 3)
    raw[...] = start
    loss.value_and_gradient(y, raw, weight)
    assert_allclose(raw.sum(axis=0), 0, atol=1e-12)


def test_the_baseline_of_squared_error_is_a_tenth_of_a_standard_deviation_above_the_mean():
    y, _, weight = case("squared_error", n_rows=40)
    w = weight.ravel()
    mean = w @ y / w.sum()
    spread = np.sqrt(w @ (y - mean) ** 2 / w.sum())
    assert_allclose(SquaredError().baseline(y, w, 3), mean + spread / 10)


@pytest.mark.parametrize(
    ("name", "y"),
    [("poisson", np.zeros((5, 2))), ("binary", np.ones((5, 2))), ("multiclass", np.zeros(5, int))],
)
def test_the_baseline_is_finite(name, y):
    start = CASES[name].baseline(y, None, 2)
    assert start.shape == (2,)
    assert np.isfinite(start).all()


@pytest.mark.parametrize("order", [0.1, 0.5, 0.8])
def test_the_pinball_loss_of_any_order(order):
    y, raw, weight = case("quantile", n_rows=40)
    weight /= weight.sum()
    loss, found = Quantile(order), raw.copy()
    expected = mean_pinball_loss(y, raw, alpha=order, sample_weight=weight[:, 0]) * 3
    assert_allclose(loss.value_and_gradient(y, found, weight), expected)
    assert_allclose(found, weight * np.where(raw > y, 1 - order, -order))
    # The best constant has a fraction `order` of the weight below it.
    start = loss.baseline(y, weight[:, 0], 3)
    assert (weight[:, 0] @ (y < start) <= order + 1e-12).all()
    assert (weight[:, 0] @ (y <= start) >= order - 1e-12).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_the_baseline_of_several_quantiles_is_the_targets_quantiles(weighted):
    y, _, weight = case("quantiles", n_rows=400)
    y = y + np.random.default_rng(1).normal(size=y.shape)
    w = weight[:, 0] if weighted else None
    loss = Quantiles((0.05, 0.3, 0.31, 0.9))
    start = loss.inverse_link(loss.baseline(y, w, 4)[None])[0]
    expected = [Quantile(q).baseline(y, w, 1)[0] for q in loss.quantile]
    assert_allclose(start, expected, rtol=1e-12)


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e9])
def test_the_baselines_of_equal_quantiles_differ_slightly(scale):
    y = scale * np.repeat([[1.0], [1.0], [1.0], [5.0]], 9, axis=0)
    loss = Quantiles((0.1, 0.2, 0.9))
    start = loss.inverse_link(loss.baseline(y, None, 3)[None])[0]
    spread = np.std(y) or 1.0
    expected = [scale, scale + spread / 1000, scale + spread / 1000 + (4 * scale or 1e-3)]
    assert_allclose(start, expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predicted_quantiles_never_cross(dtype):
    rng = np.random.default_rng(0)
    raw = (10.0 ** rng.uniform(-8, 8, (1000, 3)) * rng.choice([-1, 1], (1000, 3))).astype(dtype)
    predictions = Quantiles().inverse_link(raw)
    assert np.isfinite(predictions).all()
    assert (np.diff(predictions, axis=1) >= 0).all()


def test_several_quantiles_need_a_single_target():
    assert Quantiles((0.2, 0.8)).n_outputs(np.zeros((5, 1))) == 2
    assert Quantile().n_outputs(np.zeros((5, 3))) == 3
    with pytest.raises(ValueError, match=r"y must be one-dimensional\. Got 2 targets instead"):
        Quantiles().n_outputs(np.zeros((5, 2)))


def test_the_baseline_of_absolute_error_and_huber_is_the_median():
    y, _, weight = case("huber", n_rows=41)
    assert_array_equal(Huber().baseline(y, None, 3), np.median(y, axis=0))
    assert_array_equal(AbsoluteError().baseline(y, None, 3), np.median(y, axis=0))
    w = weight[:, 0]
    assert_array_equal(AbsoluteError().baseline(y, w, 3), Quantile(0.5).baseline(y, w, 3))


@pytest.mark.parametrize("delta", [0.01, 1.0, 1e6])
def test_huber_of_any_delta(delta):
    y, raw, weight = case("huber")
    loss, found = Huber(delta), raw.copy()
    expected = float((weight * huber(delta, raw - y)).sum())
    assert_allclose(loss.value_and_gradient(y, found, weight), expected, rtol=1e-12)
    assert_allclose(found, weight * np.clip(raw - y, -delta, delta))
