"""The contributions of columns: their means as bars, and each row as a dot."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris

from sknormnet import NormNetClassifier
from sknormnet.inspection import InputAttributionsDisplay, integrated_gradients

X, Y = load_iris(return_X_y=True, as_frame=True)


def test_contributions_are_drawn(pyplot):
    rows = X.copy()
    rows.iloc[3, 2] = np.nan
    model = NormNetClassifier((6,), max_iter=5, random_state=0).fit(X, Y == 1)
    found = integrated_gradients(model, rows)
    display = InputAttributionsDisplay(found).plot(max_columns=3)
    of_means, of_rows = display.axes_
    means = np.abs(found.values).mean(axis=0)
    order = np.argsort(-means)[:3]
    bars = of_means.patches
    assert_allclose([bar.get_width() for bar in bars], means[order])
    assert np.all(np.diff([bar.get_y() for bar in bars]) < 0)  # the largest is on top
    labels = [label.get_text() for label in of_means.get_yticklabels()]
    assert labels == X.columns[order].tolist()
    for dots, column in zip(of_rows.collections, order, strict=True):
        assert_allclose(dots.get_offsets()[:, 0], found.values[:, column])
        missing = np.isnan(rows.to_numpy()[:, column])
        assert_allclose(np.ma.getmaskarray(np.ma.masked_invalid(dots.get_array())), missing)


@pytest.mark.parametrize("n_rows", [1, 2])
def test_few_rows_are_drawn(n_rows, pyplot):
    model = NormNetClassifier((6,), max_iter=5, random_state=0).fit(X, Y)
    display = InputAttributionsDisplay.from_estimator(
        model, X[:n_rows], output=2, baseline=X[70:72]
    )
    assert len(display.ax_.patches) == 4
    assert len(display.axes_[1].collections[0].get_offsets()) == n_rows
