"""The heat map of a search."""

import numpy as np
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from sknormnet import NormNetClassifier
from sknormnet.inspection import SearchResultsDisplay, search_table


def test_heat_map_shows_means_and_stds_and_frames_the_best(pyplot):
    net = NormNetClassifier((4,), max_iter=2, random_state=0)
    grid = {"keep_prob": [0.5, 0.75, 1.0], "batchnorm": [False, True]}
    search = GridSearchCV(net, grid, cv=2).fit(*load_iris(return_X_y=True))
    ax = SearchResultsDisplay.from_estimator(search, "keep_prob", "batchnorm").ax_
    table = search_table(search, "keep_prob", "batchnorm")
    assert_array_equal(ax.images[0].get_array(), table.mean)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.5", "0.75", "1"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["False", "True"]
    written = [text.get_text() for text in ax.texts]
    cells = zip(table.mean.flat, table.std.flat, strict=True)
    assert written == [f"{mean:.3f}\n± {std:.3f}" for mean, std in cells]
    (frame,) = ax.patches
    column, row = np.array(frame.get_xy()) + 0.47
    assert table.mean[round(row), round(column)] == np.nanmax(table.mean)
