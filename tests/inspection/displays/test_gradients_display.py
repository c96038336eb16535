"""The norms of gradients and updates, layer by layer and epoch by epoch."""

from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris

from sknormnet import NormNetClassifier
from sknormnet.inspection import GradientFlowDisplay, TrainingRecorder


def test_gradients_are_drawn_layer_by_layer(pyplot):
    recorder = TrainingRecorder()
    model = recorder.watch(NormNetClassifier((8, 5), max_iter=4, random_state=0))
    model.fit(*load_iris(return_X_y=True))
    norms, updates = GradientFlowDisplay.from_recorder(recorder).axes_
    for layer, (norm, update) in enumerate(zip(norms.lines, updates.lines, strict=True)):
        gradients = [x for x in recorder.gradients_ if x.layer == layer]
        assert_array_equal(norm.get_xdata(), range(5))
        assert_array_equal(norm.get_ydata(), [x.gradient_norm for x in gradients])
        assert_array_equal(update.get_ydata(), [x.update_ratio for x in gradients])
    assert norms.get_yscale() == updates.get_yscale() == "log"
    assert norms.get_legend_handles_labels()[1] == ["layer 0", "layer 1", "output"]
