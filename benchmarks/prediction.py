"""Prediction of one row, a thousand and a million, side by side."""

from collections.abc import Callable
from functools import partial

import numpy as np
from sklearn.utils.validation import validate_data

from benchmarks import sides
from benchmarks.problems import Problem
from benchmarks.timing import interleave, ratio, table
from sknormnet import NormNetClassifier

PROBLEM = Problem(20_000, 100, (256, 128), 10, 256, 1, 1)
CALLS = {1: 1000, 1_000: 30, 1_000_000: 1}  # number of rows -> of calls timed together
CHUNK_ROWS = 2**14  # for ONNX Runtime, which does not bound its memory by itself


def run(*, quick: bool) -> dict:
    """Time predict of ours, also in ONNX Runtime, of MLPClassifier and of skorch."""
    X, y = PROBLEM.data(np.float32)
    models = {
        "mlp": sides.mlp(PROBLEM, 1),
        "plain": sides.ours(PROBLEM, 1),
        "with": sides.ours(PROBLEM, 1, keep_prob=sides.KEEP_PROB),
        "skorch with": sides.skorch(PROBLEM, 1),
    }
    for model in models.values():
        sides.train(model, X, y)
    predictors = {side: model.predict for side, model in models.items()}
    predictors["onnx"] = _onnx_runtime(models["with"], X)
    columns = {}
    for n_rows, calls in CALLS.items():
        if quick and n_rows > 1_000:
            continue
        name = f"{n_rows:,} row{'s' * (n_rows > 1)}"
        rows = np.resize(X, (n_rows, X.shape[1]))
        runs = {
            side: partial(_repeat, predict, rows, calls) for side, predict in predictors.items()
        }
        validate = partial(validate_data, models["plain"], reset=False)
        runs["validation"] = partial(_repeat, validate, rows, calls)
        seconds = interleave(runs, 9 if n_rows <= 1_000 else 3)
        ours = seconds["with"]
        columns[name] = {
            "MLPClassifier / ours, with": ratio(ours, seconds["mlp"]),
            "skorch / ours, with": ratio(ours, seconds["skorch with"]),
            "ONNX Runtime with / ours, with": ratio(ours, seconds["onnx"]),
            "ours, with / ours, plain": ratio(seconds["plain"], ours),
            "microseconds, ONNX Runtime": float(np.median(seconds["onnx"]) / calls * 1e6),
            "microseconds, ours": float(np.median(ours) / calls * 1e6),
            "... of it scikit-learn's validation": float(
                np.median(seconds["validation"]) / calls * 1e6
            ),
        }
    rows = {key: [column[key] for column in columns.values()] for key in columns["1 row"]}
    print(table("Prediction, float32, (256, 128) on 100 features", [*columns], rows))
    return columns


def _onnx_runtime(model: NormNetClassifier, X) -> Callable[[np.ndarray], np.ndarray]:
    """Return the `predict` of a fitted model of ours, exported and run by ONNX Runtime."""
    import onnxruntime  # here, so that only this section needs them
    from skl2onnx import to_onnx

    import sknormnet.onnx  # noqa: F401 - tells skl2onnx how to convert networks

    exported = to_onnx(model, X[:1], options={"zipmap": False})
    session = onnxruntime.InferenceSession(exported.SerializeToString())

    def predict(X) -> np.ndarray:
        chunks = (X[start : start + CHUNK_ROWS] for start in range(0, len(X), CHUNK_ROWS))
        return np.concatenate([session.run(["label"], {"X": chunk})[0] for chunk in chunks])

    return predict


def _repeat(call, X, calls: int) -> None:
    for _ in range(calls):
        call(X)
