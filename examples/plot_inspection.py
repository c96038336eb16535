"""
Is it training? A look inside
=============================

Two networks of eight hidden tanh layers, one with batch norm and one without, begin with weights
that are too small. The one learns, the other does not. The score tells that much; the displays of
:mod:`sknormnet.inspection` tell where it goes wrong.
"""

# %%
# Loss and score
# --------------
# :class:`~sknormnet.inspection.TrainingHistoryDisplay` draws what ``history_`` holds. The dots mark
# the epochs whose weights were kept. Without batch norm, the loss stays where guessing has it.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknormnet import NormNetClassifier
from sknormnet.inspection import (
    GradientFlowDisplay,
    LayerStatisticsDisplay,
    TrainingHistoryDisplay,
    TrainingRecorder,
    layer_statistics,
)

plt.style.use("tableau-colorblind10")

X, y = load_digits(return_X_y=True)


def fitted(batchnorm):
    """A fitted pipeline, and the recorder that has watched its network."""
    net = NormNetClassifier(
        hidden_layer_sizes=(64,) * 8,
        activation="tanh",
        init="normal",  # a standard deviation of 0.01
        batchnorm=batchnorm,
        keep_prob=1.0,
        label_smoothing=0.0,
        solver="sgd",
        learning_rate_init=0.02,
        max_iter=15,
        early_stopping=True,
        n_iter_no_change=15,
        random_state=0,
    )
    recorder = TrainingRecorder()
    return recorder.watch(make_pipeline(StandardScaler(), net)).fit(X, y), recorder


(normed, normed_recorder), (plain, plain_recorder) = fitted("before"), fitted(False)

display = TrainingHistoryDisplay.from_estimator(normed, name="batch norm")
TrainingHistoryDisplay.from_estimator(plain, ax=display.axes_, name="none")
plt.show()

print(f"best validation score: {normed[-1].best_validation_score_:.3f} with batch norm,")
print(f"{plain[-1].best_validation_score_:.3f} without")
assert normed[-1].best_validation_score_ > 0.8
assert plain[-1].best_validation_score_ < 0.2

# %%
# Where does the signal go?
# -------------------------
# :class:`~sknormnet.inspection.LayerStatisticsDisplay` draws how the values in each layer are
# distributed, stage by stage. Without batch norm, each layer hands on less than it gets; from the
# third one on there is nothing to be seen. With it, each layer is brought back to one scale.

fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for ax, model, title in zip(axes, (plain, normed), ("Without", "With batch norm"), strict=True):
    LayerStatisticsDisplay.from_estimator(model, X, ax=ax)
    ax.set_title(title, loc="left")
axes[0].get_legend().remove()
plt.show()

stds = {
    name: [x.std for x in layer_statistics(model, X) if x.stage == "activation"]
    for name, model in {"with": normed, "without": plain}.items()
}
for name, values in stds.items():
    print(f"spread of the activations, {name:8}" + "".join(f"{value:9.1e}" for value in values))
assert min(stds["with"]) > 0.1
assert max(stds["without"][3:]) < 0.01

# %%
# And the gradient?
# -----------------
# It takes the same way back. :class:`~sknormnet.inspection.GradientFlowDisplay` draws what the
# recorder has seen: the norm of each layer's gradient, and how much of its weights a layer has
# changed in an epoch. Without batch norm, only the output's biases learn: how frequent the
# classes are.

fig, axes = plt.subplots(2, 2, figsize=(9, 6), sharex=True, layout="constrained")
for row, recorder, title in zip(
    axes, (plain_recorder, normed_recorder), ("Without", "With batch norm"), strict=True
):
    GradientFlowDisplay.from_recorder(recorder, ax=row)
    row[0].set_title(title, loc="left")
plt.show()

for name, recorder in {"with": normed_recorder, "without": plain_recorder}.items():
    norms = [x.gradient_norm for x in recorder.gradients_ if x.layer == 0]
    print(f"norm of the first layer's gradient, {name}: {np.median(norms):.1e}")
    assert np.median(norms) > 0.01 if name == "with" else np.median(norms) < 1e-6
