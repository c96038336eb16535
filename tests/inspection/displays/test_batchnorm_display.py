"""The shifts and ratios of batch norm's statistics, unit by unit."""

from numpy.testing import assert_allclose
from sklearn.datasets import load_iris

from sknormnet import NormNetClassifier
from sknormnet.inspection import BatchNormDisplay, batchnorm_statistics


def test_batch_norm_is_drawn_unit_by_unit(pyplot):
    X, y = load_iris(return_X_y=True)
    model = NormNetClassifier((8, 5), max_iter=4, random_state=0).fit(X, y)
    shifts, ratios = BatchNormDisplay.from_estimator(model, X + 1).axes_
    for x, shift, ratio in zip(
        batchnorm_statistics(model, X + 1), shifts.collections, ratios.collections, strict=True
    ):
        assert_allclose(shift.get_offsets()[:, 1], x.shift)
        assert_allclose(ratio.get_offsets()[:, 1], x.ratio)
        assert {*shift.get_offsets()[:, 0].round()} == {x.layer}
