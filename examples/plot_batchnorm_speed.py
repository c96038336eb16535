"""
Batch norm trains faster
========================

Ioffe and Szegedy ("Batch normalization", 2015) put batch norm into a network and trained it at
rates at which it had not trained at all before. This example repeats that in small: three hidden
layers on handwritten digits, plain gradient descent, the same number of epochs with batch norm
and without, at learning rates from 0.03 to 10. With batch norm, the network bears larger rates and
needs fewer epochs, and a network of logistic units trains that does not otherwise. What that
saves in seconds is less, since an epoch takes longer.

Why is still debated. Ioffe and Szegedy wanted to keep the distribution of each layer's inputs in
place. Santurkar, Tsipras, Ilyas and Mądry ("How does batch normalization help optimization?",
2018) found training just as fast when they disturbed it again, and a smoother loss: its gradients
change less along a step, so that a larger step still goes down.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from sknormnet import NormNetClassifier

plt.style.use("tableau-colorblind10")

# %%
# All pixels are on one scale, from 0 to 1, and all else that the estimator does by default to
# train well is set aside: no Adam, no momentum, no dropout. The rate falls along half a cosine
# to 0. A figure is the mean over two networks that differ in their starting weights and in the
# order of the rows. Weights that grow without bound are an error in ``fit``, and count as an
# infinite loss here.

X, y = load_digits(return_X_y=True)
X = X / 16
EPOCHS = 20
RATES = np.array([0.03, 0.1, 0.3, 1, 3, 10])
NETWORKS = {"no batch norm": False, "before activation": "before", "after activation": "after"}


def train(batchnorm, rate, activation):
    """Losses and seconds by epoch."""
    network = NormNetClassifier(
        hidden_layer_sizes=(64, 64, 64),
        activation=activation,
        batchnorm=batchnorm,
        keep_prob=1.0,
        label_smoothing=0.0,
        solver="sgd",
        momentum=0.0,
        learning_rate_init=rate,
        batch_size=64,
        max_iter=EPOCHS,
        n_members=2,
        random_state=0,
    )
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the loss is infinite
            network.fit(X, y)
    except ValueError:
        return np.full(EPOCHS, np.inf), np.full(EPOCHS, np.nan)
    return np.array(network.history_["loss"]), np.array(network.history_["seconds"])


runs = {
    (activation, name, rate): train(batchnorm, rate, activation)
    for activation in ("relu", "logistic")
    for name, batchnorm in NETWORKS.items()
    for rate in RATES
}

# %%
# The largest rate that still trains
# ----------------------------------
# A network that says the same of every row has a loss of :math:`\log 10 = 2.3`. Say that one trains
# if its loss in the last epoch is below 0.5, the dotted line in the figure.

largest = {}
print(f"{'loss at rate':28}" + "".join(f"{rate:>7g}" for rate in RATES) + "   largest rate")
for activation in ("relu", "logistic"):
    for name in NETWORKS:
        final = np.array([runs[activation, name, rate][0][-1] for rate in RATES])
        largest[activation, name] = RATES[final < 0.5].max(initial=0.0)
        shown = "".join(f"{loss:7.2f}" if loss < 100 else f"{'-':>7}" for loss in final)
        print(f"{activation:10}{name:18}{shown}{largest[activation, name] or 'none':>15}")


assert largest["relu", "before activation"] > 2 * largest["relu", "no batch norm"]
assert largest["logistic", "no batch norm"] == 0 < largest["logistic", "after activation"]

# %%
# With batch norm before the activation, as in the paper, a layer gives the same when its weights
# are multiplied by a constant. So a step that makes them too large does no harm but to make the
# next ones smaller in proportion. Batch norm after the activation, the estimator's default,
# is ahead at small rates, and bears rates not as large.
#
# With ReLU and the initial weights of He et al., which the estimator takes by default, the network
# gets as low without batch norm at the one rate that suits it best. What batch norm brings there is
# that the rate need not be found so exactly.

fig, axes = plt.subplots(1, 2, layout="constrained", figsize=(9, 4), sharey=True)
for ax, activation in zip(axes, ("relu", "logistic"), strict=True):
    for name, color, marker in zip(NETWORKS, ["C0", "C1", "C3"], "sov", strict=True):
        final = [runs[activation, name, rate][0][-1] for rate in RATES]
        ax.plot(RATES, np.minimum(final, 10), marker + "-", color=color, label=name)
    ax.axhline(0.5, color="gray", linestyle=":")
    ax.set(xlabel="learning rate", xscale="log", yscale="log", ylim=(0.01, 5))
axes[0].set(ylabel=f"loss of epoch {EPOCHS}")
axes[0].set_title("ReLU: batch norm takes larger rates")
axes[1].set_title("Logistic units: only batch norm trains")
axes[0].legend()
plt.show()

# %%
# Epochs and seconds
# ------------------
# An epoch with batch norm takes longer, and there are fewer of them. The table has the epochs
# and seconds (both networks together) to a loss of 0.2, each network at the rate that is best
# for it. Seconds hang on the machine and its load.


def epochs_to(goal, losses):
    """Number of epochs until the loss is below the goal, and infinity if it never is."""
    below = np.flatnonzero(losses < goal)
    return below[0] + 1 if len(below) else np.inf


fewest = {}
print(f"{'to a loss of 0.2':28}{'best rate':>10}{'epochs':>8}{'seconds':>9}")
for activation in ("relu", "logistic"):
    for name in NETWORKS:
        epochs = [epochs_to(0.2, runs[activation, name, rate][0]) for rate in RATES]
        fewest[activation, name] = n_epochs = min(epochs)
        print(f"{activation:10}{name:18}", end="")
        if n_epochs == np.inf:
            print(f"{'none':>10}")
            continue
        rate = RATES[np.argmin(epochs)]
        seconds = runs[activation, name, rate][1][:n_epochs].sum()
        print(f"{rate:10g}{n_epochs:8d}{seconds:9.3f}")

assert fewest["relu", "before activation"] <= 0.7 * fewest["relu", "no batch norm"]

# %%
# The curves are those of ReLU at three rates, with batch norm in front of the activation.

fig, axes = plt.subplots(1, 2, layout="constrained", figsize=(9, 4), sharey=True)
for color, rate in zip(["C0", "C1", "C3"], [0.1, 0.3, 1], strict=True):
    for name, linestyle in [("no batch norm", "--"), ("before activation", "-")]:
        losses, seconds = runs["relu", name, rate]
        label = f"rate {rate}" if linestyle == "-" else None
        axes[0].plot(np.arange(1, EPOCHS + 1), losses, color=color, linestyle=linestyle)
        axes[1].plot(seconds.cumsum(), losses, color=color, linestyle=linestyle, label=label)
axes[1].plot([], [], "k-", label="batch norm")
axes[1].plot([], [], "k--", label="no batch norm")
axes[0].set(xlabel="epoch", xticks=range(0, 21, 5), ylabel="training loss", yscale="log")
axes[1].set(xlabel="seconds")
axes[0].set_title("Fewer epochs with batch norm ...")
axes[1].set_title("... each of which takes longer")
axes[1].legend()
plt.show()
