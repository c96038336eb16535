"""The saved state: plain, checked, small, and readable in later versions."""

import copy
import pickle
from dataclasses import replace

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from peak_memory import peak_of
from saved_models import (
    DATA,
    MODELS,
    SMALL,
    THREE,
    X,
    expected_predictions,
    fitted,
    inputs,
    predictions,
)
from sklearn.base import clone

from sknormnet import NormNetClassifier, NormNetRegressor
from sknormnet.estimators.records import to_plain
from sknormnet.estimators.state import FORMAT, KEY
from sknormnet.nn.activations import ACTIVATIONS
from sknormnet.nn.losses import SquaredError
from sknormnet.training.optimizers import SGD, AdamW

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PLAIN = dict, list, tuple, str, int, float, bool, type(None), np.ndarray
NETWORKS = NormNetClassifier, NormNetRegressor  # in ensembles; their states are their own


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


def leaves(value, path=()):
    """All values in nested containers, with the keys that lead to them."""
    yield path, value
    if isinstance(value, dict | list | tuple):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in pairs:
            yield from leaves(item, (*path, key))


def replaced(value, path, new):
    """A copy of nested containers with one value replaced, or left out if `new` is DELETED."""
    if not path:
        return new
    key, *rest = path
    pairs = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    key = len(value) - 1 if key == -1 else key
    if rest or new is not DELETED:
        pairs[key] = replaced(pairs[key], rest, new)
    else:
        del pairs[key]
    return pairs if isinstance(value, dict) else type(value)(pairs.values())


DELETED = object()


def load(state, like):
    model = object.__new__(type(like))
    model.__setstate__(state)
    return model


# ------------------------------------------------------------------------------ what is saved


def test_a_state_is_plain(name):
    for path, value in leaves(fitted(name).__getstate__()):
        assert type(value) in (*PLAIN, *NETWORKS), path


def test_records_as_parameters_are_plain_and_own_objects_are_kept():
    class OwnLoss(SquaredError):
        pass

    settings = {"solver": AdamW(weight_decay=0.1), "activation": ACTIVATIONS["gelu"]}
    model = NormNetRegressor(OwnLoss(), **SMALL | settings).fit(X, X[:, 0])
    state = model.__getstate__()
    assert state["loss"] is model.loss
    assert settings.keys() == state[KEY]["parameters"].keys()
    copied = load(state, model)
    assert copied.get_params() == model.get_params()
    assert_array_equal(copied.predict(X), model.predict(X))


def test_an_unfitted_estimator_is_copied():
    model = NormNetClassifier(solver=SGD(), alpha=0.1)
    for copied in (copy.copy(model), pickle.loads(pickle.dumps(model))):
        assert vars(copied) == vars(model)


def test_copies_have_the_same_attributes(name):
    model = fitted(name)
    copied = pickle.loads(pickle.dumps(model))
    assert vars(copied).keys() == vars(model).keys()
    assert_array_equal(predictions(name, copied), predictions(name, model))
    assert joblib.hash(copied) == joblib.hash(pickle.loads(pickle.dumps(copied)))
    assert clone(copied).get_params().keys() == model.get_params().keys()


def test_models_in_a_list_are_saved_as_one():
    models = [fitted("classifier"), fitted("classifier").without_training_state()]
    for copied in pickle.loads(pickle.dumps(models)):
        assert_array_equal(copied.predict_proba(X), models[0].predict_proba(X))


def test_another_byte_order_makes_no_difference():
    model = fitted("regressor")

    def swapped(value):
        if isinstance(value, dict):
            return {key: swapped(item) for key, item in value.items()}
        if isinstance(value, tuple):
            return tuple(map(swapped, value))
        return value.astype(value.dtype.newbyteorder()) if isinstance(value, np.ndarray) else value

    copied = load(swapped(model.__getstate__()), model)
    assert_array_equal(copied.predict(X), model.predict(X))
    model.set_params(early_stopping=False).partial_fit(X, X[:, :2])
    copied.set_params(early_stopping=False).partial_fit(X, X[:, :2])
    assert_array_equal(copied.predict(X), model.predict(X))


# ---------------------------------------------------------------------- files of all formats


FORMATS = sorted(DATA.glob("format_*"))


@pytest.mark.parametrize("folder", FORMATS, ids=lambda x: x.name)
def test_files_of_each_format_load(folder, name):
    model = pickle.loads((folder / f"{name}.pkl").read_bytes())
    expected = expected_predictions(folder, name)
    assert_allclose(predictions(name, model), expected, rtol=1e-10 if name != "float32" else 1e-4)
    copied = pickle.loads(pickle.dumps(model))
    assert_array_equal(predictions(name, copied), predictions(name, model))
    if "_states" in vars(model):
        y = model.predict(inputs(name))
        if hasattr(model, "partial_fit") and name != "quantiles":
            model.set_params(early_stopping=False).partial_fit(inputs(name), y)
            assert np.isfinite(predictions(name, model)).all()


@pytest.mark.parametrize("folder", FORMATS, ids=lambda x: x.name)
def test_skops_files_of_each_format_load(folder):
    skops = pytest.importorskip("skops.io")
    trusted = ["sknormnet.estimators.classifier.NormNetClassifier"]
    model = skops.load(folder / "classifier.skops", trusted=trusted)
    expected = expected_predictions(folder, "classifier")
    assert_allclose(predictions("classifier", model), expected, rtol=1e-10)


def test_there_are_files_of_this_format():
    assert {x.stem for x in (DATA / f"format_{FORMAT}").glob("*.pkl")} == {*MODELS}


def test_a_newer_format_says_so():
    model = fitted("classifier")
    state = replaced(model.__getstate__(), (KEY, "format"), FORMAT + 1)
    message = f"saved by a newer version of sknormnet, in format {FORMAT + 1}.*Update sknormnet"
    with pytest.raises(ValueError, match=message):
        load(state, model)


def test_a_state_without_a_format_says_so():
    with pytest.raises(ValueError, match="saved in format 0, which this version"):
        load({"_networks": []}, NormNetClassifier())


def test_parameters_newer_than_the_file_have_their_defaults():
    model = fitted("classifier")
    state = model.__getstate__()
    del state["max_grad_norm"]
    assert load(state, model).get_params() == model.get_params()


# -------------------------------------------------------------------- damaged and hostile states

OTHERS = [
    *(DELETED, None, True, -1, 0, 10**8, 10**30, -1.0, np.nan, np.inf, "x", "Dense", (), (1, -1)),
    *({}, {"class": "Dense"}, {"class": "os.system"}, {"class": "Activation", "name": "x"}),
    *(np.zeros(0), np.full((1, 4), -1.0), np.array(["x"]), np.array([None]), np.zeros((10**9, 0))),
]

CHECKED = {KEY, "n_outputs_", "n_features_in_", "out_activation_", "classes_", "feature_names_in_"}


@pytest.mark.parametrize("kind", ["table", "streamed", "quantiles"])
@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
def test_a_damaged_state_raises_a_value_error_or_does_no_harm(kind):
    model, n_refused, n_tried = fitted(kind), 0, 0
    state = model.__getstate__()
    paths = [path for path, _ in leaves(state) if path and path[0] in CHECKED]
    paths = [path for path in paths if path[-1] in range(3) or type(path[-1]) is str]

    def attempt():
        nonlocal n_refused, n_tried
        for path in paths:
            for other in OTHERS:
                n_tried += 1
                try:
                    predictions(kind, load(replaced(state, path, other), model))
                except ValueError:
                    n_refused += 1

    assert peak_of(attempt) < 20e6  # nothing is allocated by a number in the state
    assert n_refused > 0.8 * n_tried


@pytest.mark.parametrize("kind", ["chosen_classifier", "chosen_regressor"])
def test_a_damaged_state_of_an_ensemble_raises_a_value_error_or_does_no_harm(kind):
    model, refused = fitted(kind), []
    state = model.__getstate__()
    others = [*OTHERS, fitted("classifier"), fitted("regressor"), [fitted("streamed")] * 2]
    checked = {name for name in state if name.endswith("_") and not name.startswith("oof_p")}
    assert len(checked) > 6
    for path in [(KEY,), (KEY, "candidates_"), *((name,) for name in checked)]:
        for other in others:
            try:
                copied = load(replaced(state, path, other), model)
                assert_array_equal(predictions(kind, copied), predictions(kind, model))
            except ValueError:
                refused.append(path)
    assert {*refused} >= {(KEY,), *((name,) for name in checked)}
    assert len(refused) > 0.8 * (len(checked) + 2) * len(others)


def test_networks_of_an_ensemble_must_fit_each_other():
    model = fitted("chosen_classifier")
    state, first = model.__getstate__(), model.estimators_[0]
    others = {
        "other classes": pickle.loads(pickle.dumps(first)),
        "other columns": pickle.loads(pickle.dumps(first)),
        "not fitted": clone(first),
    }
    others["other classes"].classes_ = np.array(["a", "b", "c"])
    table = inputs("table").assign(word="other")
    others["other columns"].fit(table, THREE)
    for other in others.values():
        with pytest.raises(ValueError, match="state of this NormNetEnsembleClassifier is damaged"):
            load(replaced(state, ("estimators_", -1), other), model)


@pytest.mark.parametrize("kind", ["table", "intervals"])
def test_arrays_of_other_shapes_and_types_are_refused(kind):
    model = fitted(kind)
    state = model.__getstate__()
    arrays = [(path, x) for path, x in leaves(state[KEY]) if isinstance(x, np.ndarray) and x.size]
    assert len(arrays) > 8
    for path, x in arrays:
        for other in (x[..., :-1], x[None], x.astype(np.float16), x.astype(object), x.tolist()):
            with pytest.raises(ValueError, match=r"state of this NormNet.* is damaged"):
                load(replaced(state, (KEY, *path), other), model)


@pytest.mark.parametrize("kind", ["intervals", "chosen_sets"])
def test_damaged_scores_are_refused(kind):
    model = fitted(kind)
    state, sound = model.__getstate__(), model._conformal
    path = (KEY, "fitted", "conformal") if kind == "intervals" else (KEY, "conformal")
    for damaged in (
        replace(sound, scores=sound.scores[::-1]),
        replace(sound, scores=sound.scores[:, :0]),
        replace(sound, scores=np.full_like(sound.scores, np.nan)),
        replace(sound, shares=sound.shares - 1),
        replace(sound, shares=2 * sound.shares),
        replace(sound, n_effective=0.0),
        SGD(),
    ):
        with pytest.raises(ValueError, match="has invalid conformal scores"):
            load(replaced(state, path, to_plain(damaged)), model)


# ------------------------------------------------------------------- without training state


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_members", [1, 3])
def test_what_predicts_is_little_more_than_the_parameters(dtype, n_members):
    model = NormNetClassifier(max_iter=40, dtype=dtype, n_members=n_members, random_state=0)
    rows = np.random.default_rng(0).normal(size=(100, 30))
    small = model.fit(rows, rows[:, 0] > 0).without_training_state()
    n_bytes = sum(x.parameters.nbytes for x in model._networks)
    assert len(pickle.dumps(small)) < 1.1 * n_bytes
    assert len(pickle.dumps(model)) > 3 * n_bytes
    assert_array_equal(small.predict_proba(rows), model.predict_proba(rows))
    assert not hasattr(small, "history_")
    assert len(model.history_["loss"]) == 40


@pytest.mark.parametrize("kind", [NormNetClassifier, NormNetRegressor])
def test_an_ensemble_without_training_state_is_little_more_than_its_parameters(kind):
    settings = {"max_iter": 3, "cv": 2, "random_state": 0}
    rows = np.random.default_rng(0).normal(size=(500, 30))
    model = kind.for_accuracy(**settings).fit(rows, rows[:, 0] > 0)
    small = model.without_training_state()
    n_bytes = sum(x.parameters.nbytes for net in model.estimators_ for x in net._networks)
    assert len(pickle.dumps(small)) < 1.1 * n_bytes
    assert len(pickle.dumps(model)) > 3 * n_bytes
    assert_array_equal(small.predict(rows), model.predict(rows))
    assert small.oof_score_ == model.oof_score_
    assert "oof_score_" in vars(model)
    assert not {"oof_proba_", "oof_prediction_"} & {*vars(small)}
    assert {"oof_proba_", "oof_prediction_"} & {*vars(model)}
    with pytest.raises(ValueError, match="has no training state"):
        small.estimators_[0].set_params(warm_start=True).fit(rows, rows[:, 0] > 0)


def test_without_training_state_only_a_new_fit_is_possible():
    small = fitted("classifier").without_training_state()
    warm = copy.copy(small).set_params(warm_start=True)
    for call in (small.partial_fit, warm.fit):
        with pytest.raises(ValueError, match="NormNetClassifier has no training state"):
            call(X, THREE)
    assert_array_equal(small.fit(X, THREE).predict(X), fitted("classifier").predict(X))


def test_the_original_goes_on_training():
    model, other = fitted("classifier"), fitted("classifier")
    model.without_training_state()
    assert_array_equal(model.partial_fit(X, THREE).coefs_[0], other.partial_fit(X, THREE).coefs_[0])


# ------------------------------------------------------------------------------------- skops


def test_skops_needs_to_trust_one_name_for_each_class(name):
    skops = pytest.importorskip("skops.io")
    model = fitted(name)
    data = skops.dumps(model)
    kinds = {type(x) for x in (model, getattr(model, "estimator", model))}
    trusted = sorted(f"{x.__module__}.{x.__name__}" for x in kinds)
    assert skops.get_untrusted_types(data=data) == trusted
    copied = skops.loads(data, trusted=trusted)
    assert_array_equal(predictions(name, copied), predictions(name, model))
    if name in ("classifier", "ensemble", "streamed"):
        y = model.predict(X)
        for x in (model, copied):
            x.partial_fit(X, y)
        assert_array_equal(predictions(name, copied), predictions(name, model))
