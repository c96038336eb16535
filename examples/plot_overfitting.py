"""
Overfitting, L2 and dropout
===========================

A network with 4,000 weights, trained on 80 rows, memorizes them. It is
confident everywhere, and very wrong where the classes overlap. This example
compares two remedies. L2 (``alpha``) adds the squared weights to the loss and
so keeps them small. Dropout (``keep_prob``) drops random units in each step of
training, so that no unit can rely on particular other units (Srivastava et
al., "Dropout: a simple way to prevent neural networks from overfitting",
2014). The loss on test rows shows how much of each is best.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import log_loss

from sknormnet import NormNetClassifier

plt.style.use("tableau-colorblind10")

# %%
# The data are two moons with so much noise that they overlap: 80 training rows
# and 4,000 test rows. Batch norm, label smoothing and weight decay are off,
# since they also reduce overfitting.

X, y = make_moons(80, noise=0.3, random_state=0)
X_test, y_test = make_moons(4000, noise=0.3, random_state=100)


def fit(**parameters):
    """Fit a network with two hidden layers of 64 units."""
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
    """Return the square root of the sum of all squares."""
    return np.sqrt(sum((array**2).sum() for array in arrays))


def figures(network):
    """Return losses, accuracy and norms, by name."""
    return {
        "training loss": log_loss(y, network.predict_proba(X)),
        "test loss": log_loss(y_test, network.predict_proba(X_test)),
        "test accuracy": network.score(X_test, y_test),
        "norm of weights": norm(network.coefs_),
        "norm of biases": norm(network.intercepts_),
    }


SETTINGS = {
    "no regularization": {},
    "alpha=0.1": {"alpha": 0.1},
    "alpha=1": {"alpha": 1.0},
    "alpha=30": {"alpha": 30.0},
    "keep_prob=0.8": {"keep_prob": 0.8},
    "keep_prob=0.3": {"keep_prob": 0.3},
    "keep_prob=0.1": {"keep_prob": 0.1},
    "alpha=0.3, keep_prob=0.5": {"alpha": 0.3, "keep_prob": 0.5},
}
networks = {name: fit(**parameters) for name, parameters in SETTINGS.items()}
results = {name: figures(network) for name, network in networks.items()}


def print_table(results):
    print(
        f"{'':25}"
        + "".join(f"{column:>17}" for column in next(iter(results.values())))
    )
    for name, values in results.items():
        print(
            f"{name:25}"
            + "".join(f"{value:17.3f}" for value in values.values())
        )


print_table(results)

for name in ("alpha=0.1", "keep_prob=0.3", "alpha=0.3, keep_prob=0.5"):
    assert (
        results[name]["test loss"]
        < 0.8 * results["no regularization"]["test loss"]
    )
assert (
    results["alpha=0.1"]["norm of weights"]
    < 0.5 * results["no regularization"]["norm of weights"]
)
assert results["alpha=30"]["norm of weights"] < 0.5
assert results["alpha=30"]["norm of biases"] > 1

# %%
# The predicted probability of class 1, from blue (0) to orange (1), with the
# decision boundary in black. Squares are rows of class 0, dots rows of class
# 1. Without regularization, the boundary winds around single rows and the
# probability jumps from 0 to 1. With L2 or dropout, it changes gradually where
# the classes overlap. Too much regularization is harmful: with ``alpha=30``,
# the weights are close to 0. The biases are not, since L2 does not act on
# them, but they can only fit the class frequencies.

colors = LinearSegmentedColormap.from_list("", ["C0", "white", "C1"])
fig, axes = plt.subplots(
    2, 4, layout="constrained", figsize=(10, 5.8), sharex=True, sharey=True
)
for ax, (name, network) in zip(axes.flat, networks.items(), strict=True):
    display = DecisionBoundaryDisplay.from_estimator(
        network,
        X,
        response_method="predict_proba",
        class_of_interest=1,
        eps=0.4,
        plot_method="contourf",
        levels=np.linspace(0, 1, 11),
        cmap=colors,
        ax=ax,
    )
    ax.contour(
        display.xx0,
        display.xx1,
        display.response,
        [0.5],
        colors="black",
        linewidths=1.5,
    )
    for label, marker in enumerate("so"):
        rows = X[y == label]
        ax.plot(
            *rows.T,
            marker,
            color=f"C{label}",
            mec="black",
            ms=5,
            label=f"class {label}",
        )
    found = results[name]
    ax.set_title(
        f"{name}\ntest loss {found['test loss']:.2f},"
        f" accuracy {found['test accuracy']:.0%}",
        fontsize=10,
    )
    ax.set(xticks=[], yticks=[])
axes[0, 0].legend(loc="lower left", fontsize=9)
fig.colorbar(
    display.surface_, ax=axes, label="Probability of class 1", shrink=0.6
)
plt.show()

# %%
# How much regularization
# -----------------------
# More L2 and more dropout both raise the training loss. With growing
# ``alpha``, the test loss falls and then rises. With decreasing ``keep_prob``,
# the test loss falls throughout this range. The accuracy rises by one or two
# points at most, and falls again when there is too much of either: what
# regularization repairs here is first of all the confidence. L2 needs small
# weights for this; with dropout, the weights are several times as large at a
# similar test loss.

SWEEPS = {
    "alpha": [0.01, 0.03, 0.1, 0.3, 1, 3, 10],
    "keep_prob": [1, 0.9, 0.8, 0.6, 0.4, 0.2, 0.1],
}
PANELS = {
    "Log loss": {"test loss": "C1o-", "training loss": "C0s--"},
    "Test accuracy": {"test accuracy": "C5D-"},
    "Norm of the weights": {"norm of weights": "C3v:"},
}
fig, axes = plt.subplots(
    3, 2, layout="constrained", figsize=(9, 7.5), sharex="col", sharey="row"
)
for column, (parameter, values) in zip(axes.T, SWEEPS.items(), strict=True):
    found = [figures(fit(**{parameter: value})) for value in values]
    for ax, styles in zip(column, PANELS.values(), strict=True):
        for name, style in styles.items():
            ax.plot(values, [f[name] for f in found], style, label=name)
    column[-1].set_xlabel(parameter)
for ax, ylabel in zip(axes[:, 0], PANELS, strict=True):
    ax.set_ylabel(ylabel)
axes[0, 0].set(xscale="log", ylim=0)
axes[2, 0].set_ylim(0)
axes[0, 1].invert_xaxis()
axes[0, 0].set_title("L2: small weights")
axes[0, 1].set_title("Dropout: weights stay larger")
axes[0, 0].legend()
plt.show()

# %%
# ``alpha`` or ``weight_decay``
# -----------------------------
# ``alpha`` is part of the loss. Its gradient is divided by the number of rows
# in a batch, and Adam then divides it by the root mean square of the
# gradients. L2 therefore shrinks weights with small gradients more than
# weights with large gradients. ``weight_decay``, with ``solver="adamw"``,
# shrinks all weights by the same fraction in each step, ``learning_rate *
# weight_decay``. Neither acts on biases. The defaults are ``alpha=0``,
# ``weight_decay=1`` and ``keep_prob="auto"``, which is 0.8.

print_table(
    {
        f"weight_decay {decay:g}": figures(
            fit(solver="adamw", weight_decay=decay)
        )
        for decay in (0.1, 1, 3, 10)
    }
)
