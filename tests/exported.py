"""Models exported to ONNX, run by ONNX Runtime and by ONNX's own reference implementation."""

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator
from skl2onnx import to_onnx
from sklearn.base import is_classifier

import sknormnet.onnx  # noqa: F401 - registers the converters


def inputs(X) -> dict[str, np.ndarray]:
    """The inputs of an exported model: X, or its columns by name, with "" for a missing word."""
    if isinstance(X, np.ndarray):
        return {"X": X}
    found = {}
    for name in X:
        column = X[name].to_numpy()[:, None]
        found[name] = np.where(X[[name]].isna(), "", column) if column.dtype == object else column
    return found


def exported(model, X, *, target_opset=None, **options) -> onnx.ModelProto:
    """The model in ONNX's format, which ONNX checks; by default without ZipMap."""
    options = {"zipmap": False} | options if is_classifier(model) else None
    found = to_onnx(model, X[:1], options=options, target_opset=target_opset)
    onnx.checker.check_model(found, full_check=True)
    return found


def outputs(found: onnx.ModelProto, X) -> list[list]:
    """What ONNX Runtime and the reference return for X."""
    session = onnxruntime.InferenceSession(found.SerializeToString())
    return [run(None, inputs(X)) for run in (session.run, ReferenceEvaluator(found).run)]


def assert_equal_predictions(
    model, X, *, like=None, dtype=np.float32, tolerance=1e-5, **options
) -> None:
    """Assert that an exported model predicts as the estimator does, for any number of rows.

    The types of its inputs are those of `like`, or else of X. Its predictions have this dtype.
    """
    found = exported(model, X if like is None else like, **options)
    for n_rows in (1, 7, len(X)):
        rows = X[-n_rows:]
        label = model.predict(rows)
        expected = model.predict_proba(rows) if is_classifier(model) else label.reshape(n_rows, -1)
        for *labels, got in outputs(found, rows):
            assert got.dtype == dtype
            assert got.shape == expected.shape
            np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)
            if is_classifier(model):
                np.testing.assert_array_equal(labels, [label])
