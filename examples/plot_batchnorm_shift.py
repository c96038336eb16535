"""
Layer inputs that shift, and what batch norm does
=================================================

While a network trains, each layer learns from inputs that the layers before it make, and these
change under its feet. Ioffe and Szegedy (2015) called this internal covariate shift and made batch
norm against it: whatever the layers before do, the next one gets inputs whose mean and spread are
two learned parameters. This example watches the shift, without batch norm and with it, and then
another one that batch norm does not cure: between the data of training and those of later.
"""

# %%
# While training
# --------------
# :class:`~sknormnet.inspection.TrainingRecorder` looks at a thousand rows after each epoch. The
# bands show what the last of four hidden layers hands on to the output: all its units, over
# these rows.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknormnet import NormNetClassifier
from sknormnet.inspection import (
    BatchNormDisplay,
    LayerShiftDisplay,
    TrainingRecorder,
    batchnorm_statistics,
    layer_shift,
)

plt.style.use("tableau-colorblind10")

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)


def recorded(batchnorm):
    """A fitted pipeline, and the recorder that has watched it."""
    net = NormNetClassifier(
        hidden_layer_sizes=(64, 64, 64, 64),
        batchnorm=batchnorm,
        keep_prob=1.0,
        label_smoothing=0.0,
        solver="sgd",
        max_iter=20,
        random_state=0,
    )
    recorder = TrainingRecorder()
    model = recorder.watch(make_pipeline(StandardScaler(), net))
    return model.fit(X_train, y_train), recorder


RUNS = {name: recorded(name) for name in (False, "before", "after")}

fig, axes = plt.subplots(1, 3, figsize=(9, 3.6), sharey=True, layout="constrained")
for ax, (name, (_, recorder)) in zip(axes, RUNS.items(), strict=True):
    LayerShiftDisplay.from_recorder(recorder, ax=ax)
    ax.set_title(f"batchnorm={name!r}")
    ax.label_outer()
fig.suptitle("The last hidden layer's outputs move while it trains, unless there is batch norm")
for ax in axes[:2]:
    ax.get_legend().remove()
plt.show()

# %%
# In numbers, the drift is how far the units' means have moved since the start, in units of
# their spread at the start. It adds up from layer to layer without batch norm, and stays small
# in all layers with it.

DRIFTS = {
    name: [x.drift for x in layer_shift(recorder.layer_statistics_) if x.epoch == 20]
    for name, (_, recorder) in RUNS.items()
}

fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for (name, drifts), style in zip(DRIFTS.items(), ("C0o-", "C1s-", "C3^-"), strict=True):
    ax.plot(range(4), drifts, style, label=f"batchnorm={name!r}")
    print(f"batchnorm={name!r:9} drift by layer: " + "  ".join(f"{x:.2f}" for x in drifts))
ax.set(title="Shifts add up, unless batch norm stops them")
ax.set(xlabel="Hidden layer", ylabel="Drift in 20 epochs", xticks=range(4))
ax.legend()
plt.show()

assert DRIFTS[False] == sorted(DRIFTS[False])
for name in ("before", "after"):
    assert DRIFTS[name][-1] < DRIFTS[False][-1] / 5

# %%
# That the shift is gone is not to say that it was what had slowed training. Santurkar et al.
# (2018, "How does batch normalization help optimization?") put a shift back in behind batch norm,
# and it trained as fast as before: what counts is that the loss becomes smoother.
#
# Between training and later
# --------------------------
# In prediction, batch norm goes by the statistics of the training rows. If later rows are not like
# these, say because another scanner makes fainter images, then the layers get what they were not
# trained on. :class:`~sknormnet.inspection.BatchNormDisplay` shows it unit by unit, without knowing
# a single class.

model, _ = RUNS["after"]
X_later = 0.3 * X_test

fig, axes = plt.subplots(2, 2, figsize=(9, 6), sharex=True, sharey="col", layout="constrained")
for row, rows, title in zip(
    axes, (X_test, X_later), ("Rows as in training", "Faint scanner"), strict=True
):
    BatchNormDisplay.from_estimator(model, rows, ax=row)
    row[0].set_title(f"{title}: {model.score(rows, y_test):.0%} right")
plt.show()

# %%
# What helps is to bring the new rows back to the scale of the old ones, here by a scaler of
# their own: it needs no classes either.

rescaled = make_pipeline(StandardScaler().fit(X_later), model[-1])
CASES = {"as in training": (model, X_test), "faint scanner": (model, X_later)}
CASES["rescaled"] = (rescaled, X_later)
scores, shifts = {}, {}
for name, (pipe, rows) in CASES.items():
    scores[name] = pipe.score(rows, y_test)
    shifts[name] = np.mean([np.abs(x.shift).mean() for x in batchnorm_statistics(pipe, rows)])
    print(
        f"{name:15} accuracy {scores[name]:.3f}  mean shift {shifts[name]:.2f} standard deviations"
    )

assert shifts["faint scanner"] > 3 * shifts["as in training"]
assert scores["faint scanner"] < scores["as in training"] - 0.2
assert scores["rescaled"] > scores["as in training"] - 0.05
