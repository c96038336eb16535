"""Fitted models of many kinds, whose files in tests/data all later versions must load.

When the format changes, or for a new kind of model, write the files that there are not yet by
``python tests/saved_models.py``, which needs skops. Never write a file again.
"""

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknormnet import (
    NormNetClassifier,
    NormNetEnsembleClassifier,
    NormNetEnsembleRegressor,
    NormNetRegressor,
)
from sknormnet.estimators.state import FORMAT
from sknormnet.training.optimizers import AdamW

DATA = Path(__file__).parent / "data"
# The streams of RandomState never change.
X = np.random.RandomState(0).uniform(-1, 1, (120, 4))
THREE = np.where(X[:, 0] > 0.3, "up", np.where(X[:, 1] > 0, "mid", "down"))
SMALL = {"hidden_layer_sizes": (6, 4), "max_iter": 2, "random_state": 0}


def table() -> Any:
    """A DataFrame with words, an embedded column, booleans and missing values."""
    import pandas

    number = np.where(X[:, 0] > 0.9, np.nan, X[:, 0])
    columns = {
        "number": number,
        "word": np.where(X[:, 1] > 0, "a", "b").astype(object),
        "many": [f"level {k % 40}" for k in range(len(X))],
        "flag": X[:, 2] > 0,
    }
    return pandas.DataFrame(columns)


def _streamed() -> NormNetClassifier:
    model = NormNetClassifier(**SMALL, solver="sgd", batchnorm="before", activation="gelu")
    for part in (slice(0, 60), slice(60, 120)):
        model.partial_fit(X[part], X[part, 0] > 0, classes=[False, True])
    return model


def _chosen(kind: Any) -> Any:
    candidates = [{"input_bins": 3}, {"solver": AdamW(weight_decay=0.1), "keep_prob": 0.7}]
    return kind(kind._network(**SMALL), candidates=candidates, cv=2, random_state=0)


MODELS: dict[str, Callable[[], Any]] = {
    "classifier": lambda: NormNetClassifier(**SMALL).fit(X, THREE),
    "float32": lambda: NormNetClassifier(**SMALL, activation="tanh").fit(X.astype("f4"), THREE),
    "multilabel": lambda: NormNetClassifier(**SMALL, batchnorm=False).fit(X, X[:, :3] > 0),
    "streamed": _streamed,
    "table": lambda: NormNetClassifier(**SMALL, input_bins=3).fit(table(), THREE),
    "robust": lambda: NormNetClassifier(**SMALL, scale_inputs="robust").fit(X, THREE),
    "ensemble": lambda: NormNetClassifier(**SMALL, n_members=3).fit(X, THREE),
    "regressor": lambda: NormNetRegressor(**SMALL, early_stopping=True).fit(X, X[:, :2]),
    "quantiles": lambda: NormNetRegressor("quantile", **SMALL, quantile=[0.1, 0.9]).fit(X, X[:, 0]),
    "lbfgs": lambda: NormNetRegressor("poisson", **SMALL, solver="lbfgs").fit(X, X[:, 0] + 1),
    "chosen_classifier": lambda: _chosen(NormNetEnsembleClassifier).fit(table(), THREE),
    "chosen_regressor": lambda: _chosen(NormNetEnsembleRegressor).fit(X, X[:, :2]),
    "for_prediction": lambda: NormNetRegressor(**SMALL).fit(X, X[:, 0]).without_training_state(),
    "intervals": lambda: MODELS["regressor"]().without_training_state(),
    "chosen_intervals": lambda: _chosen(NormNetEnsembleRegressor).fit(X, X[:, 0]),
    "chosen_sets": lambda: _chosen(NormNetEnsembleClassifier).fit(X, THREE),
}


def fitted(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MODELS[name]()


def inputs(name: str) -> Any:
    return (
        table()
        if name in ("table", "chosen_classifier")
        else X.astype("f4")
        if name == "float32"
        else X
    )


def predictions(name: str, model: Any) -> np.ndarray:
    if name.endswith("intervals"):
        return model.predict_interval(inputs(name)[:20])
    if name.endswith("sets"):
        return model.predict_set(inputs(name)[:20]).astype(float)
    predict = getattr(model, "predict_proba", model.predict)
    return predict(inputs(name)[:20])


def expected_predictions(folder: Path, name: str) -> np.ndarray:
    found = (np.load(path) for path in sorted(folder.glob("expected*.npz")))
    return next(x[name] for x in found if name in x)


def write(folder: Path) -> None:
    import skops.io as skops

    folder.mkdir(parents=True, exist_ok=True)
    expected, before = {}, [*folder.glob("expected*.npz")]
    for name in MODELS.keys() - {x.stem for x in folder.glob("*.pkl")}:
        model = fitted(name)
        expected[name] = predictions(name, model)
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model, protocol=4))
        if name == "classifier":
            content = skops.dumps(model, compression=ZIP_DEFLATED)
            (folder / f"{name}.skops").write_bytes(content)
    number = f"_{len(before) + 1}" if before else ""
    np.savez_compressed(folder / f"expected{number}.npz", **expected)


if __name__ == "__main__":
    write(DATA / f"format_{FORMAT}")
