"""Rows as inputs of the networks, in float64: what they are made of, and paths between them.

Level numbers are replaced by the trained vectors, so all inputs are numbers that may lie between
those of two rows.
"""

from dataclasses import replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from sknormnet.inputs import NumericEncoder
from sknormnet.inputs.categorical import FIRST, MISSING
from sknormnet.inspection.networks import Fitted, fitted_parts, validated_and_encoded
from sknormnet.nn.layers import Arrays, Embedding, Layer


class EncodedRows(NamedTuple):
    """Some rows of X.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
        Numbers, and numbers of levels; NaN for a missing value.
    inputs : ndarray of shape (n_networks or 1, n_rows, n_inputs)
    """

    X: np.ndarray
    inputs: np.ndarray

    def take(self, rows: Any) -> "EncodedRows":
        """Return some of the rows."""
        return EncodedRows(self.X[rows], self.inputs[:, rows])


class EncodedNetworks:
    """The networks of an estimator as functions of their inputs, whose gradient is known.

    Parameters
    ----------
    estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
    """

    def __init__(self, estimator: Any):
        self.estimator = estimator
        self.fitted: Fitted = fitted_parts(estimator)
        layers: list = [_in_float64(x.layers_and_arrays()) for x in self.fitted.networks]
        self._embeddings = [x[:1] for x in layers if isinstance(x[0][0], Embedding)]
        self._layers = [x[bool(self._embeddings) :] for x in layers]

    @cached_property
    def columns(self) -> np.ndarray:
        """Index of the column of X that each input is made of."""
        encoder = self.fitted.inputs
        parts = [np.array(encoder.numeric_columns, int)[encoder.numeric.owners]]
        if encoder.categorical is not None:
            n_inputs = np.array(encoder.categorical.n_inputs)
            columns = np.array(encoder.categorical_columns)
            parts += [columns[n_inputs == 1], np.repeat(columns, n_inputs * (n_inputs > 1))]
        for ((layer, _),) in self._embeddings[:1]:
            parts += [np.repeat(np.array(encoder.embedded_columns), layer.width)]
        return np.concatenate(parts)

    def by_column(self, of_inputs: np.ndarray) -> np.ndarray:
        """Return the sums over the inputs that each column of X became."""
        found = np.zeros((self.fitted.inputs.n_features_in, len(of_inputs)))
        np.add.at(found, self.columns, of_inputs.T)
        return found.T

    def rows(self, X: Any) -> EncodedRows:
        """Return rows of X, which are checked as in prediction."""
        return self._with_vectors(*validated_and_encoded(self.estimator, X))

    def mean_row(self) -> EncodedRows:
        """Return what stands for the mean of the training rows.

        Its numbers are the centers of their columns, which are means or, with
        ``scale_inputs="robust"``, medians. The inputs of a categorical column are the mean of those
        of its levels.
        """
        encoder, categorical = self.fitted.inputs, self.fitted.inputs.categorical
        shares: list[np.ndarray] = []
        if categorical is not None:
            entries = map(categorical.entries, range(len(categorical.n_levels)))
            shares = [categorical.shares[own] for own in entries]
        X = np.full((max(map(len, shares), default=1), encoder.n_features_in), MISSING - FIRST)
        X, weight = X.astype(np.float64), np.eye(len(X), 1) * np.ones_like(X)
        X[:, encoder.numeric_columns] = encoder.numeric.center
        for column, share in zip(encoder.categorical_columns, shares, strict=True):
            X[: len(share), column] = np.arange(len(share)) - FIRST
            weight[: len(share), column] = share
        found = self._with_vectors(X, encoder.encode(X.astype(encoder.dtype)))
        mean = (found.inputs * weight[:, self.columns]).sum(axis=1, keepdims=True)
        return EncodedRows(np.zeros((1, encoder.n_features_in)), mean)

    def between(self, start: EncodedRows, end: EncodedRows, t: float) -> np.ndarray:
        """Return the inputs a share t of the way from one row to another.

        Scaled numbers, indicators and the inputs of categories go straight; so do the ramps and
        Fourier features of a number that is missing in one of both rows. For other numbers, ramps
        and Fourier features are those of the scaled number.
        """
        found = start.inputs + t * (end.inputs - start.inputs)
        numeric = self._numeric
        derived = found.copy()
        n_values = numeric.n_outputs - len(numeric.with_missing)
        numeric.fill_derived(found[..., : numeric.n_columns], derived[..., :n_values])
        is_missing = (np.isnan(start.X) | np.isnan(end.X))[:, self.columns]
        return np.where(is_missing, found, derived)

    @cached_property
    def _numeric(self) -> NumericEncoder:
        return replace(self.fitted.inputs.numeric, dtype=np.dtype(np.float64))

    def slopes(self, rows: EncodedRows) -> np.ndarray:
        """Return the derivatives of the inputs by the numbers in X that they are made of.

        Those of missing values and of categories are NaN.

        Returns
        -------
        slopes : ndarray of shape (n_rows, n_inputs)
        """
        own, inputs = self._numeric, rows.inputs[0]
        z = inputs[:, : own.n_columns]
        of_z = np.broadcast_to(own.scale_and_shift()[0], z.shape)
        if own.method == "robust":  # the derivative of z / sqrt(1 + (z / 3)**2), by its result
            of_z = of_z * np.maximum(1 - (z / 3) ** 2, 0) ** 1.5
        found = np.full(inputs.shape, np.nan)
        found[:, : own.n_outputs] = (
            own.derivatives(inputs[:, : own.n_outputs]) * of_z[:, own.owners]
        )
        found[np.isnan(rows.X)[:, self.columns]] = np.nan
        return found

    def raw_predictions(self, inputs: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return raw predictions, and a function from their gradient to that of the inputs.

        Parameters
        ----------
        inputs : ndarray of shape (n_networks or 1, n_rows, n_inputs)

        Returns
        -------
        raws : ndarray of shape (n_networks, n_rows, n_outputs)
        backward : callable ``d_raws -> d_inputs``
            d_inputs has the shape (n_networks, n_rows, n_inputs).
        """
        inputs = np.broadcast_to(inputs, (len(self._layers), *inputs.shape[1:]))
        pairs = [_forward(layers, x) for layers, x in zip(self._layers, inputs, strict=True)]

        def backward(d_raws: np.ndarray) -> np.ndarray:
            return np.stack([own(d) for (_, own), d in zip(pairs, d_raws, strict=True)])

        return np.stack([raw for raw, _ in pairs]), backward

    def _with_vectors(self, X: np.ndarray, inputs: np.ndarray) -> EncodedRows:
        x = inputs.astype(np.float64)
        found = [layer.forward_inference(x, own) for ((layer, own),) in self._embeddings]
        return EncodedRows(X, np.stack(found or [x]))


def _in_float64(pairs: list[tuple[Layer, Arrays]]) -> list[tuple[Layer, Arrays]]:
    return [
        (layer, SimpleNamespace(**{name: x.astype(np.float64) for name, x in vars(own).items()}))
        for layer, own in pairs
    ]


def _forward(layers: list[tuple[Layer, Arrays]], x: np.ndarray) -> tuple[np.ndarray, Any]:
    """Return the result of some layers as in prediction, and their backward pass."""
    steps = []
    for layer, arrays in layers:
        y = layer.forward_inference(x, arrays)
        steps.append((layer, arrays, x, y))
        x = y

    def backward(d: np.ndarray) -> np.ndarray:
        for layer, arrays, x, y in reversed(steps):
            d = layer.backward_inference(d, x, y, arrays)
        return d

    return x, backward
