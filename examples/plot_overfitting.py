"""
Overfitting and its cures
=========================

A network with 4,000 weights, trained on 80 rows, learns each of them by heart: it is sure of
itself everywhere, and wrong by a lot where the classes overlap. Two cures are compared. L2
(``alpha``) adds the squares of the weights to the loss, and so keeps them small. Dropout
(``keep_prob``) leaves out units at random in each step of training, so that none can rely on
single others (Srivastava et al., "Dropout: a simple way to prevent neural networks from
overfitting", 2014). How much of each is best, the loss on rows that training has not seen tells.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import log_loss

from sknormnet import NormNetClassifier

plt.style.use("tableau-colorblind10")

# %%
# Two moons with so much noise that they overlap: 80 rows to train on, 4,000 to test. No batch
# norm, no label smoothing and no weight decay, which are cures in a way themselves.

X, y = make_moons(80, noise=0.3, random_state=0)
X_test, y_test = make_moons(4000, noise=0.3, random_state=100)


def fit(**parameters):
    """A network of two hidden layers of 64 units, trained with Adam."""
    network = NormNetClassifier(
        hidden_layer_sizes=(64, 64),
        batchnorm=False,
        label_smoothing=0.0,
        batch_size=40,
        max_iter=300,
        random_state=0,
    )
    defaults = {"solver": "adam", "keep_prob": 1.0}
    return network.set_params(**defaults | parameters).fit(X, y)


def norm(arrays):
    """Root of the sum of all squares."""
    return np.sqrt(sum((array**2).sum() for array in arrays))


def figures(network):
    """Losses, accuracies and norms, by name."""
    return {
        "training loss": log_loss(y, network.predict_proba(X)),
        "test loss": log_loss(y_test, network.predict_proba(X_test)),
        "test accuracy": network.score(X_test, y_test),
        "norm of weights": norm(network.coefs_),
        "norm of biases": norm(network.intercepts_),
    }


SETTINGS = {
    "nothing": {},
    "L2, alpha 0.1": {"alpha": 0.1},
    "L2, alpha 1": {"alpha": 1.0},
    "L2, alpha 30": {"alpha": 30.0},
    "dropout, keep 0.8": {"keep_prob": 0.8},
    "dropout, keep 0.3": {"keep_prob": 0.3},
    "dropout, keep 0.1": {"keep_prob": 0.1},
    "both, 0.3 and 0.5": {"alpha": 0.3, "keep_prob": 0.5},
}
networks = {name: fit(**parameters) for name, parameters in SETTINGS.items()}
results = {name: figures(network) for name, network in networks.items()}


def print_table(results):
    print(f"{'':20}" + "".join(f"{column:>17}" for column in next(iter(results.values()))))
    for name, values in results.items():
        print(f"{name:20}" + "".join(f"{value:17.3f}" for value in values.values()))


print_table(results)

for name in ("L2, alpha 0.1", "dropout, keep 0.3", "both, 0.3 and 0.5"):
    assert results[name]["test loss"] < 0.8 * results["nothing"]["test loss"]
assert results["L2, alpha 0.1"]["norm of weights"] < 0.5 * results["nothing"]["norm of weights"]
assert results["L2, alpha 30"]["norm of weights"] < 0.5
assert results["L2, alpha 30"]["norm of biases"] > 1

# %%
# The probability of class 1, from blue to yellow, with the boundary in white. Black dots are the
# rows of class 0, white ones those of class 1. With nothing, the boundary winds around single rows
# and the probability jumps from 0 to 1. With L2 or dropout, it changes slowly where the classes
# overlap. Too much of a cure is no good either: with ``alpha=30``, the weights are next to 0. The
# biases are not, as L2 leaves them alone, but all that they can say is the share of the classes.

fig, axes = plt.subplots(2, 4, layout="constrained", figsize=(10, 5.4), sharex=True, sharey=True)
for ax, (name, network) in zip(axes.flat, networks.items(), strict=True):
    display = DecisionBoundaryDisplay.from_estimator(
        network,
        X,
        response_method="predict_proba",
        class_of_interest=1,
        eps=0.4,
        plot_method="contourf",
        levels=np.linspace(0, 1, 11),
        cmap="cividis",
        ax=ax,
    )
    ax.contour(display.xx0, display.xx1, display.response, [0.5], colors="white", linewidths=2)
    ax.scatter(*X.T, c=y, cmap="gray", s=18, edgecolors="black", linewidths=0.8)
    ax.set_title(f"{name}\ntest loss {results[name]['test loss']:.2f}", fontsize=11)
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# How much
# --------
# More of either raises the training loss. Over ``alpha``, the test loss falls and rises again.
# Over ``keep_prob``, it falls to the end here, but the accuracy, in the table above, does not rise
# with it: with a tenth of the units kept, the network is cautious rather than right. L2 works by
# small weights; with dropout, a test loss as low goes with weights several times as large.

SWEEPS = {"alpha": [0.01, 0.03, 0.1, 0.3, 1, 3, 10], "keep_prob": [1, 0.9, 0.8, 0.6, 0.4, 0.2, 0.1]}
fig, axes = plt.subplots(1, 2, layout="constrained", figsize=(9.5, 4.2), sharey=True)
for ax, (parameter, values) in zip(axes, SWEEPS.items(), strict=True):
    found = [figures(fit(**{parameter: value})) for value in values]
    for name, style in [("test loss", "C1o-"), ("training loss", "C0s--")]:
        ax.plot(values, [f[name] for f in found], style, label=name)
    norms = [f["norm of weights"] / results["nothing"]["norm of weights"] for f in found]
    ax.plot(values, norms, "C3v:", label="norm of weights, relative")
    ax.set(xlabel=parameter)
axes[0].set(xscale="log", ylim=0, ylabel="log loss")
axes[1].invert_xaxis()
axes[0].set_title("L2 shrinks the weights")
axes[1].set_title("Dropout works with larger weights")
axes[0].legend()
plt.show()

# %%
# ``alpha`` or ``weight_decay``
# -----------------------------
# ``alpha`` is part of the loss: its gradient is divided by the number of rows in a batch, and then
# by Adam by a root mean square of gradients, so that it shrinks weights with small gradients more
# than those with large ones. ``weight_decay``, with ``solver="adamw"``, makes all weights smaller
# by the same share in each step, ``learning_rate * weight_decay``. Neither shrinks biases. By
# default, the estimator has ``alpha=0`` and ``weight_decay=1``, and drops a fifth of the units.

print_table(
    {
        f"weight_decay {decay:g}": figures(fit(solver="adamw", weight_decay=decay))
        for decay in (0.1, 1, 3, 10)
    }
)
