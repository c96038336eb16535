"""
Regularization: L2 and dropout against overfitting
==================================================

A network with 5,000 weights, trained on 80 rows, memorizes them. It is
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
# The data are two moons with so much noise that they overlap: four draws of 80
# training rows, and 4,000 test rows. Batch norm and weight decay are off,
# since they also reduce overfitting. So is the scaling layer, whose factors
# could grow as L2 shrinks the weights.

N_DRAWS = 4
draws = [make_moons(80, noise=0.3, random_state=k) for k in range(N_DRAWS)]
X_test, y_test = make_moons(4000, noise=0.3, random_state=100)


def fit(seed=0, **parameters):
    """Fit a network with two hidden layers of 64 units to one draw."""
    network = NormNetClassifier(
        hidden_layer_sizes=(64, 64),
        batchnorm=False,
        scaling_layer=False,
        batch_size=40,
        max_iter=300,
        random_state=seed,
    )
    defaults = {"solver": "adam", "keep_prob": 1.0}
    return network.set_params(**defaults | parameters).fit(*draws[seed])


def norm(arrays):
    """Return the square root of the sum of all squares."""
    return np.sqrt(sum((array**2).sum() for array in arrays))


def figures(network, seed=0):
    """Return losses, accuracy and norms, by name."""
    X, y = draws[seed]
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


def over_draws(**parameters):
    """Return an array with the figures of each draw, by name."""
    rows = [figures(fit(k, **parameters), k) for k in range(N_DRAWS)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def print_table(results):
    """Print the means over the draws."""
    columns = next(iter(results.values()))
    print(f"{'':25}" + "".join(f"{column:>17}" for column in columns))
    for name, values in results.items():
        cells = (f"{value.mean():17.3f}" for value in values.values())
        print(f"{name:25}" + "".join(cells))


results = {
    name: over_draws(**parameters) for name, parameters in SETTINGS.items()
}
print_table(results)

plain = results["no regularization"]
for name in ("alpha=0.1", "keep_prob=0.3", "alpha=0.3, keep_prob=0.5"):
    assert np.all(results[name]["test loss"] < 0.8 * plain["test loss"])
small = results["alpha=0.1"]["norm of weights"]
assert np.all(small < 0.5 * plain["norm of weights"])
assert np.all(results["alpha=30"]["norm of weights"] < 0.5)
assert np.all(results["alpha=30"]["norm of biases"] > 1)

# %%
# The predicted probability of class 1 on the first draw, from blue (0) to
# orange (1), with the decision boundary in black. Squares are rows of class 0,
# dots rows of class 1. Without regularization, the boundary winds around
# single rows and the probability jumps from 0 to 1. With L2 or dropout, it
# changes gradually where the classes overlap. Too much regularization is
# harmful: with ``alpha=30``, the weights are close to 0. The biases are not,
# since L2 does not act on them, but they can only fit the class frequencies.

X, y = draws[0]
colors = LinearSegmentedColormap.from_list("", ["C0", "white", "C1"])
fig, axes = plt.subplots(
    2, 4, layout="constrained", figsize=(10, 5.8), sharex=True, sharey=True
)
for ax, (name, parameters) in zip(axes.flat, SETTINGS.items(), strict=True):
    display = DecisionBoundaryDisplay.from_estimator(
        fit(**parameters),
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
    found = {key: values[0] for key, values in results[name].items()}
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
# Lines are means over the draws, and bands go from the smallest to the largest
# value. More L2 and more dropout both raise the training loss. With growing
# ``alpha``, the test loss falls and then rises. With decreasing ``keep_prob``,
# the test loss falls throughout this range. The accuracy changes little: what
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
sweeps = {
    parameter: [over_draws(**{parameter: value}) for value in values]
    for parameter, values in SWEEPS.items()
}
for column, (parameter, values) in zip(axes.T, SWEEPS.items(), strict=True):
    for ax, styles in zip(column, PANELS.values(), strict=True):
        for name, style in styles.items():
            found = np.array([figures[name] for figures in sweeps[parameter]])
            ax.plot(values, found.mean(axis=1), style, label=name)
            low, high = found.min(axis=1), found.max(axis=1)
            color = style[:2]
            ax.fill_between(values, low, high, color=color, alpha=0.15, lw=0)
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

by_dropout = [values["test loss"].mean() for values in sweeps["keep_prob"]]
assert np.all(np.diff(by_dropout) < 0)

# %%
# ``alpha`` or ``weight_decay``
# -----------------------------
# ``alpha`` is part of the loss. Its gradient is divided by the number of rows
# in a batch, and Adam then divides it by the root mean square of the
# gradients. L2 therefore shrinks weights with small gradients more than
# weights with large gradients. ``weight_decay``, with ``solver="adamw"``,
# shrinks all weights by the same fraction in each step, ``learning_rate *
# weight_decay``. Neither acts on biases. The default is ``alpha=0`` with
# ``weight_decay="auto"``: 1 from 1,000 rows on, and up to 8 for fewer.

decays = {
    f"weight_decay={decay:g}": over_draws(solver="adamw", weight_decay=decay)
    for decay in (0.1, 1, 3, 10)
}
print_table(decays)
assert np.all(decays["weight_decay=3"]["test loss"] < plain["test loss"])
