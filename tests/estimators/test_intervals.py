"""Prediction intervals and sets: their formulas, their coverage, and where they come from."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from saved_models import DATA
from scipy.stats import betabinom, binom
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknormnet import NormNetClassifier, NormNetRegressor
from sknormnet.estimators.conformal import MOST_SCORES, ConformalScores

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}
HELD_OUT = SMALL | {"early_stopping": True, "validation_fraction": 0.25}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def drawn(n_rows, seed=0):
    """Rows, and a target with noise that depends on them."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n_rows, 3))
    return X, X[:, 0] + (1 + X[:, 1]) * rng.standard_normal(n_rows)


def drawn_classes(n_rows, seed=0):
    X, y = drawn(n_rows, seed)
    return X, np.array(["a", "b", "c"])[(y > -0.5) * 1 + (y > 0.8)]


X, Y = drawn(200)
CLASSES = drawn_classes(200)[1]


def covered(interval, y):
    return (interval[..., 0] <= y) & (y <= interval[..., 1])


def in_set(model, X, y, coverage):
    return model.predict_set(X, coverage)[np.arange(len(y)), np.searchsorted(model.classes_, y)]


# ------------------------------------------------------------------------------ the quantile


@pytest.mark.parametrize(
    ("n_scores", "coverage", "rank"),
    [
        *[(9, 0.9, 9), (9, 0.89, 9), (9, 0.8, 8), (9, 0.81, 9), (9, 0.01, 1), (1, 0.5, 1)],
        *[(19, 0.95, 19), (100, 0.9, 91), (100, 0.5, 51), (99, 0.9, 90), (999, 0.999, 999)],
    ],
)
def test_the_quantile_is_the_score_of_a_rank(n_scores, coverage, rank):
    scores = np.random.default_rng(0).permutation(np.arange(1.0, n_scores + 1))
    assert ConformalScores.of(scores[:, None], None).quantile(coverage) == [rank]


@pytest.mark.parametrize(("n_scores", "coverage"), [(9, 0.901), (18, 0.95), (1, 0.51)])
def test_too_few_scores_are_an_error(n_scores, coverage):
    scores = ConformalScores.of(np.arange(1.0 * n_scores)[:, None], None)
    with pytest.raises(ValueError, match=r"coverage must be at most 0\.\d+ for the .* row"):
        scores.quantile(coverage)


def test_each_output_has_its_quantile():
    scores = np.column_stack([np.arange(99.0), -np.arange(99.0)])
    assert_array_equal(ConformalScores.of(scores, None).quantile(0.9), [89, -9])


def test_of_many_scores_some_are_kept_and_the_quantile_is_not_below():
    values = np.random.default_rng(0).standard_normal(10 * MOST_SCORES + 7)
    found = ConformalScores.of(values[:, None], None)
    assert found.scores.shape == found.shares.shape == (MOST_SCORES, 1)
    assert found.is_valid()
    for coverage in (0.5, 0.9, 0.999):
        at_most = [np.quantile(values, coverage + x, method="higher") for x in (0, 0.0004)]
        assert at_most[0] <= found.quantile(coverage)[0] <= at_most[1]


def test_weights_are_those_of_repeated_rows():
    rng = np.random.default_rng(0)
    scores, weight = rng.standard_normal((200, 1)), rng.integers(1, 5, 200)
    found = ConformalScores.of(scores, weight)
    assert found.n_effective == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    for coverage in (0.5, 0.8, 0.9, 0.95):
        level = coverage * (1 + 1 / found.n_effective)
        repeated = np.repeat(scores, weight)
        assert found.quantile(coverage) == np.quantile(repeated, level, method="inverted_cdf")


def test_only_ratios_of_weights_count():
    scores = np.random.default_rng(0).standard_normal((50, 1))
    weight = np.arange(1.0, 51)
    one, other = (ConformalScores.of(scores, x) for x in (weight, 1e-3 * weight))
    assert one.quantile(0.9) == other.quantile(0.9)
    equal, without = (ConformalScores.of(scores, x) for x in (np.full(50, 3.0), None))
    assert equal.quantile(0.9) == without.quantile(0.9)


def test_few_rows_of_much_weight_are_few():
    weight = np.where(np.arange(100) < 3, 1e6, 1.0)
    with pytest.raises(ValueError, match=r"at most 0\.75 for the 3 row\(s\)"):
        ConformalScores.of(np.arange(100.0)[:, None], weight).quantile(0.8)


@pytest.mark.parametrize("coverage", [0, 1, -0.1, 90, np.nan, "0.9", None, [0.8, 0.9]])
def test_coverage_must_be_between_0_and_1(coverage):
    model = NormNetRegressor(**HELD_OUT).fit(X, Y)
    with pytest.raises(ValueError, match=r"coverage must be a float in the range \(0\.0, 1\.0\)"):
        model.predict_interval(X, coverage)


# ------------------------------------------------------------------------------- intervals


@pytest.mark.parametrize("settings", [{}, {"n_members": 3}, {"loss": "absolute_error"}])
def test_an_interval_is_as_wide_as_the_residuals(settings):
    model = NormNetRegressor(**SMALL | settings).fit(X, Y)
    X_new, y_new = drawn(99, seed=1)
    model.conformalize(X_new, y_new)
    reach = np.sort(abs(y_new - model.predict(X_new)))[80 - 1]
    y = model.predict(X)
    assert_allclose(model.predict_interval(X, 0.8), np.stack([y - reach, y + reach], axis=1))


def test_intervals_of_quantiles_are_corrected_by_what_lies_outside():
    model = NormNetRegressor("quantile", quantile=[0.1, 0.5, 0.7], **SMALL).fit(X, Y)
    X_new, y_new = drawn(99, seed=1)
    model.conformalize(X_new, y_new)
    low, _, high = model.predict(X_new).T
    more = np.sort(np.maximum(low - y_new, y_new - high))[90 - 1]
    low, _, high = model.predict(X).T
    assert_allclose(model.predict_interval(X), np.stack([low - more, high + more], axis=1))


def test_ends_do_not_cross():
    model = NormNetRegressor("quantile", quantile=[0.05, 0.95], **HELD_OUT).fit(X, Y)
    low, high = model.predict_interval(X, coverage=0.05).T
    assert (low <= high).all()
    assert (low == high).any()


@pytest.mark.parametrize(("loss", "unit"), [("poisson", np.sqrt), ("gamma", lambda y: y)])
def test_intervals_grow_with_the_predictions_of_counts_and_amounts(loss, unit):
    def amounts(X):
        return np.random.default_rng(0).poisson(np.exp(1 + X[:, 0])) + (loss == "gamma")

    model = NormNetRegressor(loss, **SMALL).fit(X, amounts(X))
    X_new = drawn(99, seed=1)[0]
    model.conformalize(X_new, amounts(X_new))
    y = model.predict(X_new)
    reach = np.sort(abs(amounts(X_new) - y) / unit(y))[99 - 1] * unit(model.predict(X))
    low, high = model.predict_interval(X, 0.99).T
    assert_allclose(high, model.predict(X) + reach)
    assert_allclose(low, np.maximum(model.predict(X) - reach, 0))
    assert (low == 0).any()


def test_each_output_has_an_interval():
    both = np.column_stack([Y, 10 * Y[::-1]])
    model = NormNetRegressor(**HELD_OUT).fit(X, both)
    interval = model.predict_interval(X)
    assert interval.shape == (200, 2, 2)
    width = np.ptp(interval, axis=-1)
    assert_allclose(width, np.broadcast_to(width[0], (200, 2)))
    assert width[0, 1] > 3 * width[0, 0]


def test_intervals_have_the_dtype_of_predictions():
    model = NormNetRegressor(**HELD_OUT).fit(X.astype("f4"), Y)
    narrow, wide = model.predict_interval(X.astype("f4")), model.predict_interval(X)
    assert (narrow.dtype, wide.dtype) == (np.float32, np.float64)
    assert_allclose(narrow, wide, rtol=1e-4, atol=1e-4)


def test_intervals_are_finite():
    narrow = X.astype("f4")
    model = NormNetRegressor(**SMALL).fit(narrow, Y).conformalize(narrow, 1e300 * Y)
    largest = np.finfo(np.float32).max
    assert_array_equal(model.predict_interval(narrow), np.tile([-largest, largest], (200, 1)))


# ------------------------------------------------------------------------- prediction sets


def test_a_set_has_the_classes_above_a_threshold_and_the_most_probable_one():
    model = NormNetClassifier(**SMALL).fit(X, CLASSES)
    X_new, y_new = drawn_classes(99, seed=1)
    model.conformalize(X_new, y_new)
    of_truth = model.predict_proba(X_new)[np.arange(99), np.searchsorted(model.classes_, y_new)]
    p = model.predict_proba(X)
    for coverage, rank in ((0.3, 30), (0.9, 90)):
        expected = p >= np.sort(of_truth)[::-1][rank - 1]
        expected[np.arange(200), p.argmax(axis=1)] = True
        assert_array_equal(model.predict_set(X, coverage), expected)
    assert (p < np.sort(of_truth)[::-1][30 - 1]).all(axis=1).any()  # would be empty


@pytest.mark.parametrize("settings", [{}, {"n_members": 3}])
@pytest.mark.parametrize("y", [CLASSES, Y > 0])
def test_sets_contain_predictions_and_smaller_sets(settings, y):
    model = NormNetClassifier(**HELD_OUT | settings).fit(X, y)
    sets = [model.predict_set(X, coverage) for coverage in (0.5, 0.8, 0.95)]
    assert all(x.shape == (200, len(model.classes_)) and x.dtype == bool for x in sets)
    assert (sets[0] <= sets[1]).all()
    assert (sets[1] <= sets[2]).all()
    assert in_set(model, X, model.predict(X), 0.5).all()


def test_weights_of_classes_do_not_change_the_promise():
    for class_weight in ("balanced", {"a": 1, "b": 2, "c": 30}):
        model = NormNetClassifier(**HELD_OUT, class_weight=class_weight).fit(X, CLASSES)
        assert model._conformal.n_effective == 50


def test_multilabel_targets_are_refused():
    model = NormNetClassifier(**HELD_OUT).fit(X, X > 0)
    for fitted in (model, model.conformalize(X, X > 0)):
        with pytest.raises(ValueError, match="Multilabel targets are not supported"):
            fitted.predict_set(X)


# ----------------------------------------------------------------------------- the coverage


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("kind", ["interval", "quantiles", "set"])
def test_one_new_row_after_another_is_covered_as_often_as_promised(kind, coverage):
    """Each of 600 new rows has a calibration of its own, so whether they are covered is drawn
    from a binomial distribution."""
    n_rows, n_new = 39, 600
    draw = drawn_classes if kind == "set" else drawn
    if kind == "set":
        model = NormNetClassifier(**SMALL)
    else:
        quantile = {"loss": "quantile", "quantile": [0.2, 0.8]} if kind == "quantiles" else {}
        model = NormNetRegressor(**SMALL | quantile)
    model.fit(*draw(200, seed=1))
    X_all, y_all = draw((n_rows + 1) * n_new, seed=2)
    p, n_covered = model._response(X_all), 0
    for k in range(n_new):
        *rows, new = range(k * (n_rows + 1), (k + 1) * (n_rows + 1))
        model._set_conformal(p[rows], y_all[rows], None)
        if kind == "set":
            score = model._conformal_scores(y_all[[new]], p[[new]])
            n_covered += score[0, 0] <= model._conformal.quantile(coverage)[0]
        else:
            n_covered += covered(model.predict_interval(X_all[[new]], coverage), y_all[new])[0]
    rank = np.ceil((n_rows + 1) * coverage - 1e-9)
    least, most = binom.interval(0.999, n_new, rank / (n_rows + 1))
    assert least <= n_covered <= most


@pytest.mark.parametrize("settings", [{}, {"n_members": 3}])
def test_intervals_on_held_out_rows_cover_new_rows(settings):
    """Although the rows have chosen the epoch. With n rows, of which one has the rank k, the
    number of covered new rows is drawn from a beta-binomial distribution."""
    n_new, n_held_out, n_fits = 1000, 50, 12
    X_new, y_new = drawn(n_new, seed=99)
    shares = []
    for seed in range(n_fits):
        model = NormNetRegressor(**HELD_OUT | settings | {"random_state": seed})
        model.fit(*drawn(4 * n_held_out, seed))
        shares.append(covered(model.predict_interval(X_new, 0.8), y_new).mean())
    rank = np.ceil((n_held_out + 1) * 0.8)
    expected = betabinom(n_new, rank, n_held_out + 1 - rank)
    error = expected.std() / n_new / np.sqrt(n_fits)
    assert abs(np.mean(shares) - expected.mean() / n_new) < 4 * error


@pytest.mark.parametrize("kind", [NormNetRegressor, NormNetClassifier])
def test_intervals_and_sets_of_ensembles_that_choose_cover_new_rows(kind):
    draw = drawn_classes if kind is NormNetClassifier else drawn
    X_new, y_new = draw(2000, seed=1)
    model = kind.for_accuracy(cv=3, **SMALL).fit(*draw(600))
    if kind is NormNetClassifier:
        share = in_set(model, X_new, y_new, 0.9).mean()
    else:
        share = covered(model.predict_interval(X_new), y_new).mean()
    assert abs(share - 0.9) < 4 * np.sqrt(0.9 * 0.1 * (1 / 600 + 1 / 2000))


# -------------------------------------------------------------------- where they come from


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_members", [1, 3])
def test_fit_calibrates_on_validation_rows(n_members, weighted):
    X_val, y_val = drawn(99, seed=1)
    weight = np.arange(1.0, 100) if weighted else None
    model = NormNetRegressor(**SMALL, n_members=n_members)
    model.fit(X, Y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    interval = model.predict_interval(X)
    again = model.conformalize(X_val, y_val, weight).predict_interval(X)
    assert_allclose(interval, again, rtol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"class_weight": "balanced"}, {"n_members": 2}])
def test_fit_calibrates_sets_at_the_temperature_that_it_keeps(settings):
    X_val, y_val = drawn_classes(99, seed=1)
    model = NormNetClassifier(**SMALL | settings, calibrate=True)
    model.fit(X, CLASSES, X_val=X_val, y_val=y_val)
    before = model._conformal
    after = model.conformalize(X_val, y_val)._conformal
    assert_allclose(before.scores, after.scores, rtol=1e-5, atol=1e-6)
    assert before.n_effective == 99


def test_rows_without_weight_are_not_calibrated_on():
    weight = np.where(np.arange(200) % 2, 1.0, 0.0)
    model = NormNetRegressor(**SMALL).fit(X, Y)
    found = model.conformalize(X, Y, weight)._conformal
    assert_allclose(found.scores, model.conformalize(X[1::2], Y[1::2])._conformal.scores)
    assert found.n_effective == 100


def test_ensembles_that_choose_calibrate_out_of_fold():
    model = NormNetRegressor.for_accuracy(cv=2, **SMALL).fit(X, Y)
    reach = np.sort(abs(Y - model.oof_prediction_))[181 - 1]
    assert_allclose(np.ptp(model.predict_interval(X[:5]), axis=1), 2 * reach)
    assert all(x._conformal is None for x in model.estimators_)
    weight = np.where(np.arange(200) < 50, 3.0, 1.0)
    assert model.fit(X, Y, weight)._conformal.n_effective == pytest.approx(300**2 / 600)
    few = clone(model).fit(X[:60], Y[:60])
    with pytest.raises(ValueError, match=r"This NormNetEnsembleRegressor holds no calibration"):
        few.predict_interval(X)
    assert few.conformalize(X[60:], Y[60:]).predict_interval(X).shape == (200, 2)


@pytest.mark.parametrize("settings", [{}, {"solver": "lbfgs"}, {"early_stopping": False}])
def test_without_held_out_rows_an_error_says_what_to_do(settings):
    model = NormNetRegressor(**SMALL | settings).fit(X, Y)
    message = (
        r"This NormNetRegressor holds no calibration: .* Call conformalize\(X, y\) .*"
        r"early_stopping=True\), .* X_val and y_val .* NormNetRegressor\.for_accuracy\(\)"
    )
    with pytest.raises(ValueError, match=message):
        model.predict_interval(X)
    assert covered(model.conformalize(X, Y).predict_interval(X), Y).mean() >= 0.9


def test_partial_fit_removes_the_calibration():
    model = NormNetRegressor(**HELD_OUT).fit(X, Y).set_params(early_stopping=False)
    assert model.partial_fit(X, Y)._conformal is None
    classifier = NormNetClassifier(**SMALL).partial_fit(X, CLASSES, classes=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"holds no calibration: .* trained further since"):
        classifier.predict_set(X)
    assert classifier.conformalize(X, CLASSES).predict_set(X).any(axis=1).all()


def test_warm_start_calibrates_anew():
    model = NormNetRegressor(**HELD_OUT, warm_start=True).fit(X, Y)
    before = model._conformal
    after = model.set_params(max_iter=20).fit(X, Y)._conformal
    assert before.scores.shape == after.scores.shape
    assert (before.scores != after.scores).any()


def test_unfitted_estimators_say_so():
    for method, rows in (("predict_interval", (X,)), ("conformalize", (X, Y))):
        with pytest.raises(ValueError, match="NormNetRegressor instance is not fitted yet"):
            getattr(NormNetRegressor(), method)(*rows)


def test_rows_to_calibrate_on_are_checked():
    model = NormNetClassifier(**HELD_OUT).fit(X, CLASSES)
    before = model._conformal
    with pytest.raises(ValueError, match="`y` has classes not in"):
        model.conformalize(X, np.full(200, "d"))
    with pytest.raises(ValueError, match="X has 2 features, but NormNetClassifier is expecting 3"):
        model.conformalize(X[:, :2], CLASSES)
    with pytest.raises(ValueError, match="sample_weight must be >= 0"):
        model.conformalize(X, CLASSES, -np.ones(200))
    assert model._conformal is before


def test_a_pipeline_predicts_intervals_by_its_last_step():
    pipeline = make_pipeline(StandardScaler(), NormNetRegressor(**HELD_OUT)).fit(X, Y)
    interval = pipeline[-1].predict_interval(pipeline[:-1].transform(X))
    assert covered(interval, pipeline.predict(X)).all()


def test_tables_are_conformalized():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=["x", "y", "z"]).assign(word=np.where(Y > 0, "u", "v"))
    for model in (NormNetRegressor(**SMALL), NormNetRegressor.for_accuracy(cv=2, **SMALL)):
        interval = model.fit(table, Y).conformalize(table, Y).predict_interval(table)
        assert covered(interval, Y).mean() >= 0.9


# ---------------------------------------------------------------------------- saved models


def test_copies_predict_the_same_intervals():
    for model in (NormNetRegressor(**HELD_OUT), NormNetRegressor.for_accuracy(cv=2, **SMALL)):
        interval = model.fit(X, Y).predict_interval(X)
        for copied in (pickle.loads(pickle.dumps(model)), model.without_training_state()):
            assert_array_equal(copied.predict_interval(X), interval)
        with pytest.raises(ValueError, match="is not fitted yet"):
            clone(model).predict_interval(X)


@pytest.mark.parametrize("name", ["regressor", "chosen_regressor", "quantiles", "lbfgs"])
def test_files_that_hold_no_calibration_say_so(name):
    model = pickle.loads((DATA / "format_1" / f"{name}.pkl").read_bytes())
    rows = np.zeros((2, model.n_features_in_))
    with pytest.raises(ValueError, match=r"holds no calibration: .* saved by an earlier version"):
        model.predict_interval(rows)
