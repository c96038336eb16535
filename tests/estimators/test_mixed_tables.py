"""Tables straight into fit: numbers on any scale, words, categories, booleans, missing values."""

import pickle
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.impute import SimpleImputer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from sknormnet import NormNetClassifier, NormNetRegressor, PackedGridSearchCV
from sknormnet.inspection import (
    TrainingRecorder,
    initialized,
    input_summary,
    layer_gradients,
    layer_statistics,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {"hidden_layer_sizes": (8, 6), "max_iter": 4, "random_state": 0}
SMALL |= {"input_bins": 0, "weight_decay": 1.0, "keep_prob": 0.8}
COLORS, SIZES = ["blue", "green", "red"], ["L", "M", "S"]
NUMBERS = ["age", "income", "children"]


def table_of(n_rows, seed=0):
    """Numbers on several scales, a few words, a category, booleans, and missing values."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.uniform(18, 90, n_rows),
            "color": rng.choice(COLORS, n_rows),
            "income": np.exp(rng.normal(10, 1, n_rows)),
            "size": pd.Categorical(rng.choice(SIZES, n_rows), categories=["S", "M", "L", "XL"]),
            "smokes": rng.random(n_rows) < 0.3,
            "children": rng.integers(0, 5, n_rows),
        }
    )
    table.loc[rng.random(n_rows) < 0.1, "age"] = np.nan
    return table


def target_of(table):
    """What depends on all columns of interest."""
    y = np.log(table["income"]) + 2 * (table["color"] == "red") * (table["size"] == "L")
    return (y + table["smokes"] + table["age"].isna()).to_numpy()


def cities_of(n_rows, seed=0, n_cities=100):
    """A table with a column of many levels, on which the target depends, and the target."""
    table = table_of(n_rows, seed)
    numbers = np.random.default_rng(seed).integers(0, n_cities, n_rows)
    table["city"] = [f"city {k}" for k in numbers]
    return table, target_of(table) + np.sin(numbers)


X, NEW = table_of(400), table_of(150, seed=1)
T = target_of(X)
Y = np.digitize(T, np.quantile(T, [0.4, 0.7]))
CITIES, T_CITIES = cities_of(400)
Y_CITIES = (T_CITIES > np.median(T_CITIES)).astype(int)
NEW_CITIES = NEW.assign(city=CITIES["city"].iloc[:150].to_numpy())
CLASSIFIER, REGRESSOR = NormNetClassifier(**SMALL), NormNetRegressor(**SMALL)
BOTH = pytest.mark.parametrize(("model", "y"), [(CLASSIFIER, Y), (REGRESSOR, T)], ids=["c", "r"])
EVERY_SCALE = pytest.mark.parametrize("scale_inputs", ["standard", "robust", None])


def fitted(model, X, y, *args, **parameters):
    return clone(model).set_params(**parameters).fit(X, y, *args)


def predicted(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def test_one_line_is_the_whole_program():
    train, test = table_of(1200), table_of(600, seed=1)
    t, t_test = target_of(train), target_of(test)
    y, y_test = (np.where(x > np.median(t), "rich", "poor") for x in (t, t_test))
    assert NormNetClassifier(random_state=0).fit(train, y).score(test, y_test) > 0.9
    assert NormNetRegressor(random_state=0).fit(train, t).score(test, t_test) > 0.9


# --------------------------------------------------------------------- the same encoding by hand


def by_hand(table, training):
    """The inputs of the network, with the statistics of the training rows."""
    scaled = StandardScaler().fit(table[NUMBERS].iloc[training]).transform(table[NUMBERS])
    levels = [table["color"].to_numpy()[:, None] == COLORS]
    levels += [table["size"].to_numpy()[:, None] == SIZES]
    is_missing = np.isnan(scaled[:, :1])
    zero_one = np.hstack([table[["smokes"]], *levels]) * 1.0
    centered = zero_one - zero_one[training].mean(axis=0)
    return np.hstack([np.nan_to_num(scaled), is_missing, centered])


KINDS = {
    "default": {},
    "ensemble": {"n_members": 3},
    "early stopping": {"early_stopping": True},
    "input dropout": {"input_keep_prob": 0.8},
    "lbfgs": {"solver": "lbfgs", "keep_prob": 1.0},
    "linear": {"hidden_layer_sizes": (), "batchnorm": False},
}


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_that_of_inputs_encoded_by_hand(kind, model, y):
    model = fitted(model, X, y, **KINDS[kind])
    rows = clone(model)._prepare_fit(X, y).rows.numbers
    inputs, new = (
        by_hand(pd.concat([X, x]), slice(400) if rows is None else rows) for x in (X, NEW)
    )
    inputs, new = inputs[:400], new[400:]
    plain = fitted(model, inputs, y, scale_inputs=None)
    assert model.n_features_in_ == 6
    for mine, other in zip(model.coefs_, plain.coefs_, strict=True):
        assert_allclose(mine, other, rtol=1e-7, atol=1e-9)
    assert_allclose(predicted(model, NEW), predicted(plain, new), rtol=1e-8)


def test_all_that_looks_at_rows_encodes_them():
    inputs = by_hand(X, slice(400))
    model = fitted(REGRESSOR, X, T)
    plain = fitted(REGRESSOR, inputs, T, scale_inputs=None)
    pairs = (model, X), (plain, inputs)
    assert_allclose(*(m.hidden_activations(x, 0) for m, x in pairs), atol=1e-8)
    assert_allclose(*(m.predict_samples(x, 3, random_state=0) for m, x in pairs), rtol=1e-8)
    assert_allclose(*(m.predict(x, return_std=True) for m, x in pairs), rtol=1e-8)
    assert_allclose(*(initialized(m, x, T).predict(x) for m, x in pairs), rtol=1e-8)
    for name, function in (
        ("std", lambda m, x: layer_statistics(m, x)),
        ("gradient_norm", lambda m, x: layer_gradients(m, x, T)),
    ):
        found, expected = ([getattr(s, name) for s in function(m, x)] for m, x in pairs)
        assert_allclose(found, expected, rtol=1e-6)


def test_bins_of_numbers_next_to_categories():
    settings = {"input_bins": 6, "bin_strategy": "quantile", "input_frequencies": 2}
    model = fitted(REGRESSOR, X, T, **settings)
    edges = dict(zip(X, model.bin_edges_, strict=True))
    assert [name for name in X if edges[name] is not None] == ["age", "income"]
    numbers = X[["age", "income"]]
    quantiles = [
        np.quantile(x.dropna(), np.arange(7) / 6, method="inverted_cdf") for _, x in numbers.items()
    ]
    assert_array_equal([edges["age"], edges["income"]], quantiles)
    assert model.coefs_[0].shape[0] == by_hand(X, slice(400)).shape[1] + 2 * 6 + 3 * 4
    assert np.isfinite(model.predict(NEW)).all()


# ------------------------------------------------------------------------- tables of any library


def polars(table):
    objects = table.astype(object).where(table.notna(), None)
    return pl.DataFrame({name: column.to_list() for name, column in objects.items()})


def arrow(table):
    return pytest.importorskip("pyarrow").Table.from_pandas(table, preserve_index=False)


def arrow_words(table):
    return arrow(table.astype({"size": object}))


LIBRARIES = {
    "pandas objects": lambda table: table.astype(object),
    "pandas nullable": lambda table: table.convert_dtypes(),
    "pandas categories": lambda table: table.astype({"color": "category", "smokes": "category"}),
    "pandas ordered": lambda table: table.astype(
        {"color": pd.CategoricalDtype(["red", "pink", "green", "blue"], ordered=True)}
    ),
    "polars": polars,
    "polars categories": lambda table: polars(table).with_columns(
        pl.col("color").cast(pl.Categorical), pl.col("size").cast(pl.Enum(["XL", *SIZES]))
    ),
    "pyarrow": arrow,
    "pyarrow, all words": arrow_words,
    "objects": lambda table: table.to_numpy(object),
    "lists": lambda table: table.to_numpy(object).tolist(),
}


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@BOTH
@pytest.mark.parametrize("library", LIBRARIES)
def test_all_libraries_give_the_same_model_to_the_bit(library, model, y):
    convert = LIBRARIES[library]
    expected, model = fitted(model, X, y), fitted(model, convert(X), y)
    for mine, other in zip(model.coefs_, expected.coefs_, strict=True):
        assert_array_equal(mine, other)
    for one, other in ((model, convert), (expected, convert), (model, lambda table: table)):
        assert_array_equal(predicted(one, other(NEW)), predicted(expected, NEW))


@pytest.mark.parametrize(
    "convert",
    [
        lambda table: table.astype("Float64"),
        pl.DataFrame,
        arrow,
        lambda table: table.to_numpy(),
        lambda table: np.asfortranarray(table),
        lambda table: table.to_numpy().tolist(),
    ],
    ids=["nullable", "polars", "pyarrow", "array", "Fortran order", "lists"],
)
def test_numbers_of_any_library_give_the_same_model_to_the_bit(convert):
    numbers = pd.DataFrame({name: X[name].fillna(0.0) * 1.0 for name in NUMBERS})
    expected, model = fitted(REGRESSOR, numbers, T), fitted(REGRESSOR, convert(numbers), T)
    for mine, other in zip(model.coefs_, expected.coefs_, strict=True):
        assert_array_equal(mine, other)


@pytest.mark.parametrize("convert", [lambda table: table, polars], ids=["pandas", "polars"])
def test_names_of_columns_are_those_of_fit(convert):
    model = fitted(CLASSIFIER, convert(X), Y)
    assert model.feature_names_in_.tolist() == list(X)
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(convert(NEW[NEW.columns[::-1]]))
    with pytest.raises(ValueError, match="The feature names should match"):
        model.predict(convert(NEW.rename(columns={"age": "Age"})))
    with pytest.raises(ValueError, match=r"X has 2 features|The feature names should match"):
        model.predict(convert(NEW[["age", "income"]].assign(size=NEW["size"])))


def test_the_order_of_rows_and_levels_does_not_matter_for_levels():
    order = np.random.default_rng(0).permutation(400)
    first, second = (fitted(CLASSIFIER, X.iloc[k], Y[k]) for k in (slice(400), order))
    for one, other in zip(first.categories_, second.categories_, strict=True):
        assert_array_equal(one, other)
    assert [None if x is None else x.tolist() for x in first.categories_] == [
        *(None, COLORS, None, SIZES, [False, True], None)
    ]


def test_categorical_features_by_name_index_and_mask():
    chosen = ["color", "children"]
    table = X.drop(columns=["size", "smokes"])
    where = [table.columns.get_loc(name) for name in chosen]
    mask = [name in chosen for name in table]
    models = [fitted(REGRESSOR, table, T, categorical_features=x) for x in (chosen, where, mask)]
    assert input_summary(models[0])[where[1]].becomes == "5 0/1 inputs"
    for model in models[1:]:
        assert_array_equal(model.predict(table), models[0].predict(table))
    # Level numbers in an array are categories on demand.
    codes = table.assign(color=OrdinalEncoder().fit_transform(table[["color"]])).to_numpy()
    model = fitted(REGRESSOR, codes, T, categorical_features=where)
    assert_array_equal(model.predict(codes), models[0].predict(table))


def test_centered_levels_find_interactions():
    # The first of the MONK's problems (Thrun et al. 1991): all combinations of six categories.
    table = pd.DataFrame([*product("abc", "abc", "ab", "abc", "abcd", "ab")], columns=[*"uvwxyz"])
    y = np.where((table["u"] == table["v"]) | (table["y"] == "a"), "yes", "no")
    for seed in range(3):
        train, test, y_train, y_test = train_test_split(table, y, random_state=seed)
        centered, plain = (
            log_loss(y_test, fitted(NormNetClassifier(), train, y_train, **x).predict_proba(test))
            for x in ({"random_state": seed}, {"random_state": seed, "scale_inputs": None})
        )
        assert centered < 0.7 * plain


# ------------------------------------------------------------- unknown levels and missing values


@BOTH
def test_unknown_levels_and_new_missing_values_are_predicted(model, y):
    new = table_of(6, seed=2).astype({"size": object, "smokes": object})
    for value in ("unknown", None, np.nan, pd.NA, 3.5):
        for name in ("color", "size", "smokes"):
            table = new.assign(**{name: pd.Series([value] * 6, dtype=object)})
            assert np.isfinite(predicted(fitted(model, X, y), table)).all()
    table = new.assign(income=np.nan, children=pd.array([pd.NA] * 6, "Int64"))
    assert np.isfinite(predicted(fitted(model, X, y), table)).all()


def rows_like(table, **columns):
    """Five rows of a table that differ only in a column."""
    return table.iloc[:5].astype({name: object for name in columns}).assign(**columns)


def test_unknown_and_new_missing_levels_are_the_mean():
    model = fitted(REGRESSOR, X, T)
    plain = fitted(REGRESSOR, by_hand(X, slice(400)), T, scale_inputs=None)
    for name, own in (("color", slice(5, 8)), ("smokes", slice(4, 5))):
        expected = by_hand(X, slice(400))[:5]
        expected[:, own] = 0
        pink, none = (model.predict(rows_like(X, **{name: value})) for value in ("pink", None))
        assert_array_equal(pink, none)
        assert_allclose(pink, plain.predict(expected), rtol=1e-8)


def test_unknown_levels_are_rare_levels():
    rare = X.assign(color=np.where(np.arange(400) < 2, ["pink", "gray"] * 200, X["color"]))
    model = fitted(REGRESSOR, rare, T)
    gray, *others = (
        model.predict(rows_like(X, color=value)) for value in ("gray", "pink", "unknown", None)
    )
    for other in others:
        assert_array_equal(other, gray)
    assert np.abs(gray - model.predict(rows_like(X, color="red"))).max() > 1e-3
    assert input_summary(model)[1].is_other.tolist() == [False, True, False, True, False]


def test_missing_levels_of_training_rows_are_a_level():
    table = X.assign(color=X["color"].astype(object).where(np.arange(400) % 5 > 0, None))
    model = fitted(REGRESSOR, table, T)
    words = fitted(REGRESSOR, table.fillna({"color": "zzz"}), T)  # sorted behind all others
    assert_array_equal(model.predict(table), words.predict(table.fillna({"color": "zzz"})))
    found = [model.predict(rows_like(X, color=value)) for value in (None, np.nan, pd.NA)]
    for other in found[1:]:
        assert_array_equal(other, found[0])
    assert np.abs(found[0] - model.predict(rows_like(X, color="unknown"))).max() > 1e-3


@EVERY_SCALE
@pytest.mark.parametrize("name", ["income", "children"])
def test_new_missing_numbers_are_at_the_center(name, scale_inputs):
    model = fitted(REGRESSOR, X, T, scale_inputs=scale_inputs)
    values = np.sort(X[name])
    median = values[len(values) // 2 - 1]
    center = median if scale_inputs == "robust" else X[name].mean()
    found = model.predict(rows_like(X, **{name: np.nan}).astype({name: float}))
    assert_allclose(found, model.predict(rows_like(X, **{name: center})), rtol=1e-6)


def test_missing_numbers_of_training_rows_have_an_indicator():
    model = fitted(REGRESSOR, X, T)
    at_mean = model.predict(rows_like(X, age=X["age"].mean()))
    missing = model.predict(rows_like(X, age=np.nan))
    assert np.abs(missing - at_mean).max() > 1e-3
    assert input_summary(model)[0].missing_share == pytest.approx(X["age"].isna().mean())


# ------------------------------------------------------------------------------------ weights

WEIGHT = np.random.default_rng(0).integers(0, 4, 400)
EXACT = {"shuffle": False, "keep_prob": 1.0, "dtype": "float64"}


def with_rare_values(table):
    """A table with two rare levels, missing levels and a column of many levels."""
    color = table["color"].astype(object).where(np.arange(400) % 7 > 0, None)
    color = color.where(np.arange(400) % 200 != 3, "pink").where(np.arange(400) != 5, "gray")
    return table.assign(color=color, city=CITIES["city"])


@BOTH
@EVERY_SCALE
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_weights_are_repeated_rows(solver, scale_inputs, model, y):
    table, weight = with_rare_values(X), np.maximum(WEIGHT, 1)
    settings = EXACT | {"solver": solver, "scale_inputs": scale_inputs, "input_bins": 4}
    # Without a scale, an income of 20,000 is too far for ten digits.
    table = table.assign(income=np.log(table["income"]) - 10, age=table["age"] / 50 - 1)
    rows = np.arange(400).repeat(weight)
    weighted = fitted(model, table, y, weight, **settings, batch_size=400)
    repeated = fitted(model, table.iloc[rows], y[rows], **settings, batch_size=len(rows))
    for one, other in zip(weighted.coefs_, repeated.coefs_, strict=True):
        assert_allclose(one, other, rtol=0, atol=1e-10)
    assert_allclose(predicted(weighted, table), predicted(repeated, table), rtol=0, atol=1e-10)


@BOTH
@EVERY_SCALE
def test_rows_of_weight_zero_are_ignored(scale_inputs, model, y):
    table, settings = with_rare_values(X), {"scale_inputs": scale_inputs, "input_bins": 4}
    weight = (WEIGHT > 0) * 1.0
    kept = np.flatnonzero(weight)
    elsewhere = table.copy()
    elsewhere.loc[weight == 0, "age"] = 1e6
    elsewhere.loc[weight == 0, "income"] = np.nan
    elsewhere.loc[weight == 0, ["color", "city"]] = table.loc[kept[0], ["color", "city"]].to_list()
    removed = fitted(model, table.iloc[kept], y[kept], **settings)
    zeros = fitted(model, elsewhere, y, weight, **settings)
    assert_array_equal(predicted(zeros, NEW_CITIES), predicted(removed, NEW_CITIES))


@pytest.mark.parametrize("name", ["color", "city"])
def test_levels_of_rows_of_weight_zero_only_are_unknown(name):
    table = with_rare_values(X)
    table.loc[:9, name] = "nowhere else"
    weight = (np.arange(400) >= 10) * 1.0
    zeros = fitted(REGRESSOR, table, T, weight)
    unknown = table.iloc[:10].assign(**{name: "unknown"})
    assert_array_equal(zeros.predict(table.iloc[:10]), zeros.predict(unknown))
    removed = fitted(REGRESSOR, table.iloc[10:], T[10:])
    assert_array_equal(zeros.predict(NEW_CITIES), removed.predict(NEW_CITIES))


# ------------------------------------------------------------------------- more than one call


def encodings(model):
    return [
        (x.column, x.becomes, x.center, x.scale, None if x.levels is None else x.levels.tolist())
        for x in input_summary(model)
    ]


@BOTH
def test_training_goes_on_with_the_encoding_of_the_first_call(model, y):
    classes = {"classes": [0, 1, 2]} if model is CLASSIFIER else {}
    model = clone(model).partial_fit(X, y, **classes)
    before = encodings(model)
    more = X.assign(age=X["age"] * 100, income=np.nan, color="pink")
    model.partial_fit(more, y)
    # All but the scale, which is that of all rows so far.
    assert [(*x[:2], x[-1]) for x in encodings(model)] == [(*x[:2], x[-1]) for x in before]
    assert_array_equal(
        predicted(model, rows_like(X, color="pink")), predicted(model, rows_like(X, color="new"))
    )
    warm = fitted(model, X, y, warm_start=True)
    before = encodings(warm)
    assert encodings(warm.fit(more, y)) == before
    assert encodings(warm.set_params(warm_start=False).fit(more, y)) != before


GIVEN = {
    "names": {"color": ["red", "green", "blue", "pink"]},
    "in order": [["red", "green", "blue", "pink"], SIZES, [True, False]],
}


@pytest.mark.parametrize("given", GIVEN)
def test_levels_can_be_given(given):
    model = fitted(REGRESSOR, X, T, categories=GIVEN[given])
    assert model.categories_[1].tolist() == ["blue", "green", "pink", "red"]
    assert input_summary(model)[1].becomes == "4 0/1 inputs"
    few = fitted(REGRESSOR, X, T, categories={"color": ["red", "green"]})
    assert_array_equal(
        few.predict(rows_like(X, color="blue")), few.predict(rows_like(X, color="unknown"))
    )


@pytest.mark.parametrize("name", ["color", "city"])
def test_given_levels_are_learned_from_later_chunks(name):
    # What categories= is for: the first chunk does not have all levels.
    level = {"color": "red", "city": "city 3"}[name]
    table, is_late = CITIES, (CITIES[name] == level).to_numpy()
    settings = {"categories": {name: sorted(set(table[name]))}, "learning_rate": "constant"}
    model = clone(REGRESSOR).set_params(**settings)
    model.partial_fit(table[~is_late], T_CITIES[~is_late])
    for _ in range(20):
        model.partial_fit(table, T_CITIES + 10 * is_late)
    found, unknown = (
        model.predict(table.iloc[:5].assign(**{name: value})) for value in (level, "unknown")
    )
    assert (found > unknown + 2).all()


def test_copies_predict_the_same():
    for model, table, y in ((CLASSIFIER, CITIES, Y_CITIES), (REGRESSOR, X, T)):
        model = fitted(model, table, y, input_bins=3, n_members=2)
        expected = predicted(model, table)
        for again in (pickle.loads(pickle.dumps(model)), fitted(model, table, y)):
            assert_array_equal(predicted(again, table), expected)
        model = pickle.loads(pickle.dumps(fitted(model, table, y, n_members=1)))
        unpickled = pickle.loads(pickle.dumps(model))
        one, other = (predicted(m.partial_fit(table, y), table) for m in (model, unpickled))
        assert_array_equal(one, other)


# ---------------------------------------------------------------- validation, searches, callbacks


def test_a_scorer_gets_a_validated_array():
    seen = []

    def scoring(estimator, X, y):
        seen.append(X)
        return -np.mean((estimator.predict(X) - y) ** 2)

    model = fitted(REGRESSOR, X, T, early_stopping=True, scoring=scoring)
    by_name = fitted(REGRESSOR, X, T, early_stopping=True, scoring="neg_mean_squared_error")
    assert_array_equal(model.predict(NEW), by_name.predict(NEW))
    assert all(type(x) is np.ndarray and x.shape == (40, 6) for x in seen)
    assert set(seen[0][:, 1]) == {0, 1, 2}
    # The estimator itself still knows its columns.
    assert model.feature_names_in_.tolist() == list(X)


@BOTH
@pytest.mark.parametrize("scoring", [None, "loss", "neg_mean_squared_error"])
def test_validation_rows_may_be_tables(scoring, model, y):
    if scoring == "neg_mean_squared_error" and model is CLASSIFIER:
        scoring = "neg_log_loss"
    table = X.astype({"size": object})
    table.loc[[3, 7], "color"] = "unknown", None
    table.loc[5, "income"] = np.nan
    model = clone(model).set_params(scoring=scoring)
    given = clone(model).fit(X, y, X_val=table, y_val=pd.Series(y))
    again = clone(model).fit(polars(X), y, X_val=polars(table), y_val=pd.Series(y))
    assert given.validation_scores_ == again.validation_scores_
    assert len(given.validation_scores_) == given.n_iter_
    best = given.validation_scores_[given.best_epoch_ - 1]
    if scoring is None:
        assert given.score(table, y) == pytest.approx(best, abs=0.05)


def test_validation_levels_and_dates_are_checked():
    table = X.assign(age=pd.date_range("2020", periods=400))
    with pytest.raises(ValueError, match=r"^X_val has columns that are neither .*'age'"):
        clone(REGRESSOR).fit(X, T, X_val=table, y_val=T)
    with pytest.raises(ValueError, match=r"^Input X_val contains infinity.*'age'"):
        clone(REGRESSOR).fit(X, T, X_val=X.assign(age=np.inf), y_val=T)


GRIDS = {
    "network": {"alpha": [0.0, 1.0], "keep_prob": [1.0, 0.8]},
    "columns": {
        "categorical_features": ["from_dtype", ["color", "size", "smokes", "city", "children"]]
    },
    "scales": {"scale_inputs": ["standard", "robust", None], "input_bins": [0, 3]},
    "levels": {"categories": ["auto", {"color": ["red"]}], "alpha": [0.0, 1.0]},
}


@pytest.mark.parametrize("convert", [lambda table: table, polars], ids=["pandas", "polars"])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_packed_searches_are_those_of_grid_search(in_pipeline, grid, convert):
    model, settings, grid = (
        clone(CLASSIFIER),
        {"cv": KFold(3), "scoring": "neg_log_loss"},
        GRIDS[grid],
    )
    if in_pipeline:
        model = make_pipeline("passthrough", model)
        grid = {f"normnetclassifier__{name}": values for name, values in grid.items()}
    table = convert(with_rare_values(X)) if convert is polars else with_rare_values(X)
    found, expected = (
        kind(model, grid, **settings).fit(table, Y) for kind in (PackedGridSearchCV, GridSearchCV)
    )
    name = "mean_test_score"
    assert_array_equal(found.cv_results_[name], expected.cv_results_[name])
    assert len(np.unique(np.round(found.cv_results_[name], 9))) == len(found.cv_results_["params"])
    assert found.best_params_ == expected.best_params_
    assert_array_equal(found.predict_proba(table), expected.predict_proba(table))
    best = found.best_estimator_[-1] if in_pipeline else found.best_estimator_
    assert best.feature_names_in_.tolist() == [*X, "city"]


def test_a_recorder_watches_a_fit_on_a_table():
    recorder = TrainingRecorder()
    model = recorder.watch(clone(CLASSIFIER)).fit(CITIES, Y_CITIES)
    assert_array_equal(model.predict(CITIES), fitted(CLASSIFIER, CITIES, Y_CITIES).predict(CITIES))
    assert {x.epoch for x in recorder.layer_statistics_} == {0, 1, 2, 3, 4}
    last = [x.std for x in recorder.layer_statistics_ if x.epoch == 4]
    found = [x.std for x in layer_statistics(model, CITIES, training=True)]
    assert_allclose(last, found, rtol=1e-6)


def test_callbacks_get_the_table_and_estimators_that_predict_for_it():
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9 has no callbacks")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = clone(CLASSIFIER).set_callbacks(monitor).fit(CITIES, Y_CITIES)
    scores = [row["accuracy"] for row in monitor.get_logs().data]
    assert len(scores) == model.n_iter_ + 1
    assert model.score(CITIES, Y_CITIES) in scores


# ------------------------------------------------------------------------------------ pipelines


def test_a_column_transformer_in_front():
    numbers, words = (
        make_column_selector(dtype_include="number"),
        make_column_selector(dtype_exclude="number"),
    )
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
    )
    direct = NormNetRegressor(random_state=0)
    model = make_pipeline(columns, clone(direct)).fit(X, T)
    score = model.score(NEW, target_of(NEW))
    assert direct.fit(X, T).score(NEW, target_of(NEW)) == pytest.approx(score, abs=0.05)
    assert score > 0.8


def test_a_transformer_with_tables_as_output_in_front():
    columns = make_column_transformer(
        (SimpleImputer(), NUMBERS),
        ("passthrough", ["color", "size", "smokes"]),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    model = make_pipeline(columns, clone(CLASSIFIER)).fit(X, Y)
    assert [x.kind for x in input_summary(model)] == ["numeric"] * 3 + ["categorical"] * 3
    assert np.isfinite(model.predict_proba(NEW)).all()


@BOTH
def test_skrub_makes_a_pipeline(model, y):
    skrub = pytest.importorskip("skrub")
    table = CITIES.assign(day=pd.date_range("2020", periods=400))
    pipeline = skrub.tabular_pipeline(clone(model).set_params(max_iter=20)).fit(table, y)
    assert pipeline.score(table, y) > 0.5
    # Words may also be left to the network, while the vectorizer makes numbers of dates.
    words = {"low_cardinality": "passthrough", "high_cardinality": "passthrough"}
    pipeline = make_pipeline(skrub.TableVectorizer(**words), clone(model)).fit(table, y)
    found = {x.column: x.becomes for x in input_summary(pipeline)}
    assert (found["city"], found["color"]) == ("embedding", "3 0/1 inputs")
    assert found["day_month"] == "scaled"


META_ESTIMATORS = {
    "bagging": BaggingClassifier(CLASSIFIER, n_estimators=2, random_state=0),
    "calibration": CalibratedClassifierCV(CLASSIFIER, cv=3),
    "one versus rest": OneVsRestClassifier(CLASSIFIER),
    "stacking": StackingClassifier([("net", CLASSIFIER)], cv=3),
}


@pytest.mark.parametrize("name", META_ESTIMATORS)
def test_meta_estimators_pass_tables_on(name):
    model = clone(META_ESTIMATORS[name]).fit(CITIES, Y_CITIES)
    assert model.score(CITIES, Y_CITIES) > 0.55
    assert np.isfinite(model.predict_proba(NEW_CITIES)).all()


def test_inspection_of_scikit_learn_takes_tables():
    model = fitted(REGRESSOR, X, T, max_iter=20)
    importances = permutation_importance(model, X, T, n_repeats=3, random_state=0).importances_mean
    assert dict(zip(X, importances, strict=True))["income"] == importances.max()
    found = partial_dependence(model, X, ["color"], categorical_features=["color"])
    assert found["grid_values"][0].tolist() == COLORS
    assert found["average"][0].argmax() == COLORS.index("red")


@BOTH
@pytest.mark.parametrize("scale_inputs", ["standard", "robust"])
def test_a_standard_scaler_in_front_changes_nothing_that_matters(scale_inputs, model, y):
    numbers = X[NUMBERS]
    settings = {"scale_inputs": scale_inputs, "batchnorm": "before"}
    alone = fitted(model, numbers, y, **settings)
    behind = make_pipeline(StandardScaler(), clone(model).set_params(**settings)).fit(numbers, y)
    assert_allclose(predicted(behind, NEW[NUMBERS]), predicted(alone, NEW[NUMBERS]), rtol=1e-6)


# ---------------------------------------------------------------------------- numbers of any kind


@BOTH
@pytest.mark.parametrize("scale_inputs", ["standard", "robust"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_unit_of_a_column_does_not_matter(dtype, scale_inputs, model, y):
    settings = {"scale_inputs": scale_inputs, "dtype": dtype, "input_bins": 3}
    factors = dict(zip(NUMBERS, 10 ** np.random.default_rng(0).uniform(-6, 6, 3), strict=True))
    tables = [(x, x.assign(**{k: x[k] * f for k, f in factors.items()})) for x in (X, NEW)]
    models = [fitted(model, x, y, **settings) for x in tables[0]]
    found = [predicted(m, x) for m, x in zip(models, tables[1], strict=True)]
    assert_allclose(*found, rtol=1e-4, atol=1e-4)


@BOTH
@EVERY_SCALE
@pytest.mark.parametrize("n_bins", [0, 3])
def test_awkward_columns_are_harmless(n_bins, scale_inputs, model, y):
    awkward = {
        "constant": 0.1,
        "one level": "same",
        "missing": np.nan,
        "none": pd.Series([None] * 400, dtype=object),
        "no level": pd.Categorical([None] * 400),
        "rounding": 0.3 + np.arange(400) % 2 * 1e-17,
    }
    table = X.assign(income=np.log(X["income"]), **awkward)
    settings = {"input_bins": n_bins, "scale_inputs": scale_inputs, "max_iter": 30}
    model = fitted(model, table, y, **settings)
    assert model.score(table, y) > 0.75
    new = table.assign(constant=1e3, missing=5.0)
    if scale_inputs:  # a column that was constant, or missing, says nothing about other values
        assert_array_equal(
            predicted(model, new), predicted(model, new.assign(constant=0.1, missing=1e3))
        )
    new = table.assign(none=3.0, **{"one level": "other", "no level": "word"})
    assert np.isfinite(predicted(model, new)).all()


@BOTH
@pytest.mark.parametrize("scale_inputs", ["standard", "robust"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outliers_are_harmless(dtype, scale_inputs, model, y):
    table = X.assign(income=X["income"].where(np.arange(400) != 7, 1e30))
    model = fitted(model, table, y, dtype=dtype, scale_inputs=scale_inputs, max_iter=20)
    assert np.isfinite(predicted(model, table)).all()
    without = fitted(model, table.drop(columns="income"), y)
    score = fitted(model, table.iloc[20:], y[20:]).score(table.iloc[20:], y[20:])
    if scale_inputs == "robust":
        assert model.score(table.iloc[20:], y[20:]) > score - 0.1
    assert model.score(table, y) > without.score(table.drop(columns="income"), y) - 0.1


def test_sparse_inputs_on_any_scale_with_missing_values():
    rng = np.random.default_rng(0)
    data = sparse.random_array((400, 8), density=0.4, format="csr", random_state=rng)
    y = np.asarray(data[:, [0]].toarray() > 0).ravel() + data[:, [1]].toarray().ravel()
    factors = 10.0 ** rng.uniform(-6, 6, 8)
    for scale_inputs in ("standard", "robust"):
        model = fitted(REGRESSOR, data, y, scale_inputs=scale_inputs, max_iter=30)
        assert model.score(data, y) > 0.8
        other = sparse.csr_array(data * factors)
        again = fitted(model, other, y)
        assert_allclose(again.predict(other), model.predict(data), rtol=1e-4, atol=1e-4)
        # A sparse X is divided by its size, and zeros stay zeros, so both are the same.
        assert_allclose(model.predict(data.toarray()), model.predict(data), rtol=1e-9)
        missing = data.copy()
        missing.data[::7] = np.nan
        model = fitted(REGRESSOR, missing, y, scale_inputs=scale_inputs)
        assert model.coefs_[0].shape[0] == 16  # with indicators
        assert_allclose(model.predict(missing.toarray()), model.predict(missing), rtol=1e-9)
        assert_array_equal(model.predict(missing), fitted(model, missing, y).predict(missing))


def test_infinity_dates_and_words_among_numbers_are_errors_that_name_the_column():
    for value in (np.inf, -np.inf):
        table, nullable = X.copy(), X.convert_dtypes()
        table.loc[3, "income"] = nullable.loc[3, "income"] = value
        for given in (table, polars(table), nullable):
            with pytest.raises(ValueError, match=r"^Input X contains infinity.* 'income'"):
                fitted(REGRESSOR, given, T)
        with pytest.raises(ValueError, match=r"^Input X contains infinity.* 'income'"):
            fitted(REGRESSOR, X, T).predict(table)
    dates = pd.date_range("2020", periods=400)
    with pytest.raises(ValueError, match=r"neither numbers nor text.* 'day' \(datetime.*Convert"):
        fitted(REGRESSOR, X.assign(day=dates), T)
    mixed = X.assign(income=X["income"].astype(object).where(np.arange(400) != 3, "much"))
    with pytest.raises(ValueError, match=r"'income' \(object: float and str\)"):
        fitted(REGRESSOR, mixed, T)
    with pytest.raises(ValueError, match=r"not numbers: 'income'|'income' .*was numeric in fit"):
        fitted(REGRESSOR, X, T).predict(X.assign(income="much"))


# ---------------------------------------------------------------------------------- embeddings


def test_a_column_of_many_levels_is_learned():
    (train, t), (test, t_test) = cities_of(3000), cities_of(1000, seed=1)
    with_city = NormNetRegressor(random_state=0).fit(train, t)
    without = NormNetRegressor(random_state=0).fit(train.drop(columns="city"), t)
    assert with_city.score(test, t_test) > without.score(test.drop(columns="city"), t_test) + 0.1
    # Cities of about the same effect are near each other.
    effect = np.sin([int(name.split()[1]) for name in with_city.categories_[-1]])
    inputs = np.column_stack([with_city.embeddings_[-1], np.ones(100)])
    residual = np.linalg.lstsq(inputs, effect)[1]
    assert residual[0] < 0.2 * np.var(effect) * 100


def test_embeddings_and_levels_of_each_column():
    table = CITIES.assign(shop=[f"shop {k % 50}" for k in range(400)], smokes=CITIES["smokes"])
    model = fitted(CLASSIFIER, table, Y_CITIES)
    assert [None if x is None else x.shape for x in model.embeddings_] == [None] * 6 + [
        (100, 8),
        (50, 8),
    ]
    assert [x.becomes for x in input_summary(model)[-2:]] == ["embedding"] * 2
    assert not model.embeddings_[6].flags.writeable
    assert model.coefs_[0].shape == (by_hand(X, slice(400)).shape[1] + 2 * 8, 8)
    (network,) = model._networks
    parameters = network.named_parameters()
    assert parameters["input E"].shape == (100 + 2 + 50 + 2, 8)
    assert_array_equal(parameters["input E"][:100], model.embeddings_[6])
    assert_array_equal(parameters["input E"][102:152], model.embeddings_[7])
    members = fitted(model, table, Y_CITIES, n_members=3)
    assert members.embeddings_[7].shape == (3, 50, 8)


@pytest.mark.parametrize(
    "settings", [{}, {"input_keep_prob": 0.8}, {"n_members": 3}, {"alpha": 5.0}]
)
def test_tables_with_embeddings_predict_the_same_whatever_the_chunk(settings, monkeypatch):
    model = fitted(REGRESSOR, CITIES, T_CITIES, **settings)
    whole = model.predict(CITIES)
    assert_allclose([model.predict(CITIES.iloc[[k]])[0] for k in range(20)], whole[:20], rtol=1e-9)
    monkeypatch.setattr("sknormnet.nn.network.CHUNK_ELEMENTS", 500)
    assert_allclose(model.predict(CITIES), whole, rtol=1e-9)


def test_members_of_an_ensemble_with_embeddings_train_as_if_alone():
    together = fitted(REGRESSOR, CITIES, T_CITIES, n_members=3)
    slow = pytest.MonkeyPatch()
    with slow.context() as patch:
        patch.setattr("sknormnet.training.stacks.CACHE", 1)
        alone = fitted(together, CITIES, T_CITIES)
    assert_allclose(together.predict(CITIES), alone.predict(CITIES), rtol=1e-9)
    assert_allclose(together.embeddings_[-1], alone.embeddings_[-1], atol=1e-12)


def test_levels_of_an_embedding_in_prediction():
    model = fitted(REGRESSOR, CITIES, T_CITIES)
    rare = input_summary(model)[-1]
    assert rare.is_other.any()
    other = rare.levels[rare.is_other][0]
    at = {
        value: model.predict(CITIES.iloc[:5].assign(city=value))
        for value in (other, "unknown", "city 3")
    }
    assert_array_equal(at["unknown"], at[other])
    assert np.abs(at["city 3"] - at["unknown"]).max() > 1e-3
    # No training row has a missing city, so it is unknown, too.
    missing = CITIES.iloc[:5].assign(city=pd.Series([None] * 5, dtype=object))
    assert_array_equal(model.predict(missing), at["unknown"])


@pytest.mark.parametrize("solver", ["adam", "sgd", "adamw", "nadam", "rmsprop", "lbfgs"])
def test_every_solver_trains_embeddings(solver):
    settings = {"solver": solver, "keep_prob": 1.0, "random_state": 0, "max_iter": 20}
    model = NormNetClassifier((8,), **settings)
    start = initialized(model, CITIES, Y_CITIES).embeddings_[-1]
    model.fit(CITIES, Y_CITIES)
    assert np.abs(model.embeddings_[-1] - start).max() > 1e-3
    assert model.score(CITIES, Y_CITIES) > 0.7
