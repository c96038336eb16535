"""
Overfitting, and two cures: L2 and dropout
==========================================

A large network on few noisy rows learns the noise by heart, and to bend its decision boundary
around single rows it takes large weights. L2 makes these dear: it adds
:math:`\\frac{\\alpha}{2} \\sum W^2` to the loss. Dropout (Srivastava et al. 2014) keeps each unit
with probability :math:`p` only, so that none can rely on another. Here they are alone and together,
on 80 rows of two moons.
"""

# %%
# Networks of one kind
# ------------------------
# All have 2 x 128 units for 80 rows and train for 150 epochs. Each is fitted four times, from other
# initial weights and to other rows, so that luck averages out. ``weight_decay``, the other way to
# shrink weights, is left out by ``solver="adam"``: it takes a share of each weight at each step,
# whatever the loss. Neither shrinks biases.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import log_loss

from sknormnet import NormNetClassifier

plt.style.use("tableau-colorblind10")

N_REPEATS = 4
X_test, y_test = make_moons(2000, noise=0.3, random_state=1000)
ROWS = [make_moons(80, noise=0.3, random_state=seed) for seed in range(N_REPEATS)]


def fitted(repeat, **parameters):
    """A network that is fitted to the rows of a repeat."""
    net = NormNetClassifier(
        hidden_layer_sizes=(128, 128),
        batchnorm=False,
        label_smoothing=0.0,
        solver="adam",
        learning_rate_init=0.01,
        batch_size=40,
        max_iter=150,
        random_state=repeat,
        **{"alpha": 0.0, "keep_prob": 1.0} | parameters,
    )
    return net.fit(*ROWS[repeat])


def described(**parameters):
    """Log loss on training and test rows, and the norm of the weights: means over the repeats."""
    found = []
    for repeat in range(N_REPEATS):
        net = fitted(repeat, **parameters)
        X, y = ROWS[repeat]
        losses = [log_loss(y_, net.predict_proba(X_)) for X_, y_ in ((X, y), (X_test, y_test))]
        found.append([*losses, np.sqrt(sum(np.sum(W**2) for W in net.coefs_))])
    return np.mean(found, axis=0)


PANELS = {
    "nothing": {},
    "L2, alpha=0.03": {"alpha": 0.03},
    "L2, alpha=0.3": {"alpha": 0.3},
    "L2, alpha=3": {"alpha": 3.0},
    "dropout, keep_prob=0.9": {"keep_prob": 0.9},
    "dropout, keep_prob=0.5": {"keep_prob": 0.5},
    "dropout, keep_prob=0.2": {"keep_prob": 0.2},
    "both, 0.1 and 0.7": {"alpha": 0.1, "keep_prob": 0.7},
}
X, y = ROWS[0]

fig, axes = plt.subplots(2, 4, figsize=(10, 5.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, parameters) in zip(axes.flat, PANELS.items(), strict=True):
    net = fitted(0, **parameters)
    DecisionBoundaryDisplay.from_estimator(
        net, X, response_method="predict_proba", cmap="PuOr", vmin=0, vmax=1, eps=0.6, ax=ax
    )
    ax.scatter(*X.T, c=y, cmap="PuOr", vmin=-0.4, vmax=1.4, s=14, ec="k", lw=0.5)
    right = net.score(X_test, y_test)
    ax.set(
        title=f"{name}\n{right:.0%} of new rows right", xticks=[], yticks=[], xlabel="", ylabel=""
    )
plt.show()

# %%
# Without a cure the boundary bends around single rows, and is sharp: probabilities are near 0 and 1
# right beside it. Too much L2 leaves little more than a line. About nine in ten new rows are right
# all the same; their log loss shows the false confidence.
#
# How much of a cure
# ------------------

ALPHAS = [0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
KEEP_PROBS = [1.0, 0.9, 0.7, 0.5, 0.3, 0.15]
by_alpha = np.array([described(alpha=alpha) for alpha in ALPHAS])
by_keep_prob = np.array([described(keep_prob=keep_prob) for keep_prob in KEEP_PROBS])
both = {alpha: described(alpha=alpha, keep_prob=0.7) for alpha in (0.1, 0.3)}

fig, axes = plt.subplots(2, 2, figsize=(9, 5.5), sharex="col", sharey="row", layout="constrained")
for column, x, found in ((0, ALPHAS, by_alpha), (1, KEEP_PROBS, by_keep_prob)):
    training, test, norm = found.T
    axes[0, column].plot(x, training, "C0o--", label="training rows")
    axes[0, column].plot(x, test, "C1s-", label="new rows")
    axes[1, column].plot(x, norm, "C3^-")
axes[0, 0].set(title="L2: small weights, better until too much", ylabel="Log loss", xscale="log")
axes[0, 1].set_title("Dropout: better, with weights as large")
axes[0, 1].legend()
axes[1, 0].set(xlabel="alpha", ylabel="Norm of the weights", ylim=(0, None))
axes[1, 1].set_xlabel("keep_prob")
axes[1, 1].invert_xaxis()  # more of the cure to the right, as on the left
plt.show()

# %%
# Here L2 is the better cure. Dropout helps beside an ``alpha`` that is too small, and adds nothing
# to the right one.

weak = by_alpha[ALPHAS.index(0.1)]
rows = {"nothing": by_keep_prob[0], "best dropout": min(by_keep_prob, key=lambda x: x[1])}
rows |= {"alpha=0.1": weak, "alpha=0.1, keep_prob=0.7": both[0.1]}
rows |= {"best L2": min(by_alpha, key=lambda x: x[1]), "alpha=0.3, keep_prob=0.7": both[0.3]}
print(f"{'':26}{'training':>10}{'new rows':>10}{'weights':>10}")
for name, (training, test, norm) in rows.items():
    print(f"{name:26}{training:10.3f}{test:10.3f}{norm:10.1f}")

nothing, best_l2, best_dropout = (rows[x][1] for x in ("nothing", "best L2", "best dropout"))
assert best_l2 < nothing / 2
assert best_dropout < nothing / 1.5
assert both[0.1][1] < weak[1]
assert by_alpha[-1, 1] > best_l2 + 0.05  # too much of it
assert np.all(np.diff(by_alpha[:, 2]) < 0)  # the weights shrink
