"""
Dropout, layer by layer, and why prediction goes without
========================================================

Dropout keeps each hidden unit with probability :math:`p` in a training step, so that no unit
comes to rely on particular others (Srivastava et al. 2014). How much of it should each layer get?
And why is it switched off when the network predicts? On 200 digits, a network that narrows from
256 to 16 units does best with most dropout where there are most units. And one pass of the
whole network predicts as well as the average of many thinned ones, each of which is worse.
"""

# %%
# The data: 8 x 8 pixels of handwritten digits. Twenty times, 200 rows are drawn to train on; the
# other 1,597 are to be predicted.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedShuffleSplit

from sknormnet import NormNetClassifier, PackedGridSearchCV

plt.style.use("tableau-colorblind10")

X, y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
splits = StratifiedShuffleSplit(20, train_size=200, random_state=0)

# %%
# More dropout where there are more units
# ---------------------------------------
#
# ``keep_prob`` takes one probability for all hidden layers, or a tuple with one for each.
# (0.5, 0.8, 0.95) drops half of the 256 units, a fifth of the 64, and one in twenty of the 16. It
# is compared with the reverse, with the same strength everywhere, 0.75 being the average of the
# three, and with no dropout. What else regularises by design, weight decay and label smoothing,
# is off. ``PackedGridSearchCV`` trains settings and splits as stacks; the score is the log loss on
# the rows held out.

net = NormNetClassifier((256, 64, 16), weight_decay=0.0, label_smoothing=0.0, random_state=0)
settings = {
    "no dropout": 1.0,
    "0.9 everywhere": 0.9,
    "0.75 everywhere": 0.75,
    "0.6 everywhere": 0.6,
    "0.95, 0.8, 0.5": (0.95, 0.8, 0.5),
    "0.5, 0.8, 0.95": (0.5, 0.8, 0.95),
}
search = PackedGridSearchCV(
    net, {"keep_prob": list(settings.values())}, cv=splits, scoring="neg_log_loss", refit=False
)
results = search.fit(X, y).cv_results_
by_split = [results[f"split{i}_test_score"] for i in range(splits.get_n_splits())]
log_loss = dict(zip(settings, -np.transpose(by_split), strict=True))

best = log_loss["0.5, 0.8, 0.95"]
print(f"{'keep_prob':18}{'log loss':>9}{'(0.5, 0.8, 0.95) is better':>29}")
for name, losses in log_loss.items():
    wins = "" if losses is best else f"in {(losses > best).sum()} of {len(best)} splits"
    print(f"{name:18}{losses.mean():9.3f}{wins:>29}")

# %%
# Each dot is a split, each bar their mean.

fig, ax = plt.subplots(layout="constrained", figsize=(8, 3.5))
for row, losses in enumerate(log_loss.values()):
    color = "C1" if losses is best else "C0"
    ax.plot(losses, np.full(len(losses), row), "o", color=color, alpha=0.4, markersize=5)
    ax.plot(losses.mean(), row, "|", color=color, markersize=24, markeredgewidth=4)
ax.set_yticks(range(len(settings)), settings, fontsize=11)
ax.set(xlabel="log loss on held-out rows", title="Most dropout in the widest layer does best")
plt.show()

assert all(losses.mean() > best.mean() for losses in log_loss.values() if losses is not best)
assert (log_loss["0.95, 0.8, 0.5"] > best).mean() > 0.7

# %%
# Over the reverse, the gain is clear in nearly every split. Over the best strength for all layers
# alike it is small: it shows in the mean, and not in every split.
#
# Why prediction goes without
# ---------------------------
#
# A unit that is kept is divided by :math:`p`. With a mask :math:`m` that is 1 with probability
# :math:`p` and else 0, :math:`E(a m / p) = a`: on average, the next layer is given what it gets
# from all units. So nothing needs to be done at prediction, where all units are kept. Take one
# row, and what the first hidden layer hands on to the 64 units of the second:

train, test = next(splits.split(X, y))
net = net.set_params(keep_prob=(0.5, 0.8, 0.95), max_iter=60).fit(X[train], y[train])
X_test, y_test = X[test], y[test]

rng = np.random.default_rng(0)
activations, weights = net.hidden_activations(X_test[:1], 0), net.coefs_[1]
masks = rng.random((2000, activations.size)) < 0.5
whole = (activations @ weights).ravel()
undivided = (activations * masks @ weights).mean(axis=0)
divided = (activations * masks / 0.5 @ weights).mean(axis=0)

# %%
# What holds for a layer's input does not hold for the network's output, which is no linear
# function of it. So the network with all units comes close to the average of the thinned ones, and
# no closer. ``predict_proba_samples`` gives the probabilities of thinned networks; here is the
# average of the first 1, 2, 5, ... of them beside ``predict_proba``, which uses the whole network:

samples = net.predict_proba_samples(X_test, n_samples=200, random_state=0)
whole_net = net.predict_proba(X_test)


def error(probabilities):
    return 100 * np.mean(probabilities.argmax(axis=1) != y_test)


counts = [1, 2, 5, 10, 20, 50, 100, 200]
averages = [samples[:k].mean(axis=0) for k in counts]
errors = [error(average) for average in averages]
distances = [abs(average - whole_net).mean() for average in averages]

print(f"{'averaged':14}{'wrong':>7}{'highest probability':>22}{'distance from whole':>22}")
for k, average, wrong, distance in zip(counts, averages, errors, distances, strict=True):
    print(f"{k:<14}{wrong:6.1f}%{average.max(axis=1).mean():22.3f}{distance:22.4f}")
print(f"{'whole network':14}{error(whole_net):6.1f}%{whole_net.max(axis=1).mean():22.3f}")

# %%
# On the left, the mean input of the second layer's units over 2,000 masks: divided by :math:`p`
# it is on the diagonal, undivided at half of it. On the right, the share of wrong predictions.

fig, (left, right) = plt.subplots(1, 2, layout="constrained", figsize=(9, 4))
left.axline((0, 0), slope=1, color="0.6", linestyle="--")
left.plot(whole, divided, "o", color="C0", label="divided by p")
left.plot(whole, undivided, "x", color="C1", label="undivided")
left.set(xlabel="input with all units", ylabel="mean input with dropout")
left.set_title("Dividing by p keeps the mean")
left.legend()

right.plot(counts, errors, "o-", color="C0", label="thinned, averaged")
right.axhline(error(whole_net), color="C1", linestyle="--", linewidth=2, label="whole, once")
right.set(xlabel="thinned predictions averaged", xscale="log", ylabel="wrong predictions (%)")
right.set_xticks(counts, counts)
right.set_title("The whole network, once,\nis as good as many thinned ones")
right.legend()
plt.show()

assert np.allclose(divided, whole, atol=0.1 * whole.std())
assert np.allclose(undivided, whole / 2, atol=0.1 * whole.std())
assert errors[0] > error(whole_net) + 2
assert abs(errors[-1] - error(whole_net)) < 1
assert 0.005 < distances[-1] < 0.8 * distances[0]

# %%
# A thinned network alone is wrong more often. The average is as good as the whole network, for many
# times the work, and its probabilities stay a little apart: those of the whole network are
# surer. The spread of the thinned predictions is of use where doubt is the question, see
# :ref:`sphx_glr_gallery_plot_uncertainty.py`.
