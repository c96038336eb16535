"""
Batch norm at prediction time
=============================

In training, batch norm normalizes by the mean and variance of the batch. If it
did so in prediction, the prediction for a row would depend on the rows that
happen to be predicted together with it, and a single row could not be
predicted at all. Predictions therefore use fixed statistics, those of the
training rows. This example measures what is gained by that, and compares two
ways to get the statistics: computed exactly after training, as ``fit`` does,
or as moving averages during training, as ``partial_fit`` must.
"""

# %%
# Handwritten digits: 1,000 training rows and 797 test rows, in five draws.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from sknormnet import NormNetClassifier

plt.style.use("tableau-colorblind10")

N_DRAWS, EPSILON = 5, 1e-5
X, y = load_digits(return_X_y=True)
X = X / 16

NET = NormNetClassifier(
    hidden_layer_sizes=(64, 64),
    batchnorm="before",
    batchnorm_epsilon=EPSILON,
    scale_inputs=None,
    input_bins=0,
    keep_prob=1.0,
    early_stopping=False,
    batch_size=32,
    max_iter=15,
)


def draw(seed):
    """Return training and test rows."""
    return train_test_split(
        X, y, train_size=1000, stratify=y, random_state=seed
    )


nets, tests = [], []
for seed in range(N_DRAWS):
    X_train, X_test, y_train, y_test = draw(seed)
    net = clone(NET).set_params(random_state=seed)
    nets.append(net.fit(X_train, y_train))
    tests.append((X_test, y_test))

# %%
# The network by hand
# -------------------
# A few lines of NumPy predict as the network does, with any statistics.


def normalized_by(net, rows, statistics=None):
    """Return probabilities, and the statistics of each layer.

    The statistics are a mean and a variance for each hidden layer; if they are
    None, those of the given rows.
    """
    values, used = rows, []
    for k in range(2):
        z = values @ net.coefs_[k] + net.intercepts_[k]
        mean, var = statistics[k] if statistics else (z.mean(0), z.var(0))
        used.append((mean, var))
        normalized = (z - mean) / np.sqrt(var + EPSILON)
        values = np.maximum(0, net.gammas_[k] * normalized + net.betas_[k])
    raw = values @ net.coefs_[2] + net.intercepts_[2]
    return softmax(raw, axis=1), used


for net, (X_test, _) in zip(nets, tests, strict=True):
    fixed = list(zip(net.running_means_, net.running_vars_, strict=True))
    by_hand, _ = normalized_by(net, X_test, fixed)
    np.testing.assert_allclose(by_hand, net.predict_proba(X_test), atol=1e-3)

# %%
# Accuracy by the number of rows predicted together
# -------------------------------------------------
# The same trained networks predict the same test rows, in batches. A batch of
# one row is normalized to zeros, so all rows get the same prediction. In
# larger batches, the accuracy comes close to that with fixed statistics, as
# long as the batches are random. If they are sorted by digit, each has one or
# two digits only, and the networks normalize away what tells the digits apart.

SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256]


def accuracy_by_own_batch(net, X_test, y_test, size, *, by_class):
    """Predict in batches that are normalized by their own statistics."""
    order = np.argsort(y_test, kind="stable") if by_class else np.arange(797)
    right = [
        normalized_by(net, X_test[rows])[0].argmax(axis=1) == y_test[rows]
        for rows in np.split(order, range(size, 797, size))
    ]
    return np.concatenate(right).mean()


accuracies = {
    by_class: np.array(
        [
            [
                accuracy_by_own_batch(net, *test, size, by_class=by_class)
                for size in SIZES
            ]
            for net, test in zip(nets, tests, strict=True)
        ]
    )
    for by_class in (False, True)
}
fixed = np.mean(
    [net.score(*test) for net, test in zip(nets, tests, strict=True)]
)

fig, ax = plt.subplots(layout="constrained", figsize=(8, 4.2))
places = np.arange(len(SIZES))
ax.axhline(100 * fixed, color="black", ls=":", lw=2, label="fixed statistics")
for found, style, label in zip(
    accuracies.values(),
    ("C0o-", "C1s--"),
    ("own batch, random order", "own batch, sorted by digit"),
    strict=True,
):
    ax.plot(places, 100 * found.T, style, lw=0.7, ms=4, alpha=0.5)
    ax.plot(places, 100 * found.mean(axis=0), style, lw=2.5, label=label)
ax.set(xlabel="Rows predicted together", ylabel="Test accuracy (%)")
ax.set(xticks=places, xticklabels=SIZES, ylim=(0, 102))
ax.set_title("Only fixed statistics work for any rows")
ax.legend(loc="center right", bbox_to_anchor=(1, 0.45))
plt.show()

print(f"{'rows together':16}" + "".join(f"{size:7}" for size in SIZES))
for by_class, found in accuracies.items():
    name = "sorted by digit" if by_class else "random order"
    print(f"{name:16}" + "".join(f"{a:7.1%}" for a in found.mean(axis=0)))
print(f"fixed statistics: {fixed:.1%} for any number of rows in any order")

assert np.all(accuracies[False][:, 0] < 0.2)
assert np.all(accuracies[False][:, 1] < 0.75)
assert abs(accuracies[False][:, -1].mean() - fixed) < 0.02
assert np.all(accuracies[True][:, 4] < 0.4)

# %%
# Batch norm vanishes from the network
# ------------------------------------
# With fixed statistics, batch norm is a multiplication and an addition, which
# the weights and biases in front of it can take over. Prediction then takes no
# longer than without batch norm. The estimator predicts with such folded
# weights, and its export to ONNX contains no batch norm either, see
# :ref:`sphx_glr_gallery_export_onnx.py`.

net, (X_test, _) = nets[0], tests[0]
values = X_test
for k in range(2):
    factor = net.gammas_[k] / np.sqrt(net.running_vars_[k] + EPSILON)
    weights = net.coefs_[k] * factor
    bias = net.betas_[k] - net.running_means_[k] * factor
    values = np.maximum(0, values @ weights + bias)
folded = softmax(values @ net.coefs_[2] + net.intercepts_[2], axis=1)
np.testing.assert_allclose(folded, net.predict_proba(X_test), atol=1e-3)

# %%
# Exact statistics and moving averages
# ------------------------------------
# ``fit`` ends with a pass over all training rows that computes the statistics
# exactly. Most libraries use moving averages instead, collected while the
# weights still change, and so does ``partial_fit``, which never sees all rows:
# after each batch, the average becomes ``momentum * average + (1 - momentum) *
# batch``. ``batchnorm_momentum`` changes the statistics and not the weights.
# Below, networks with the same weights predict with moving averages over one
# batch (momentum 0), two (0.5), about ten (0.9, the default) and a hundred
# (0.99), and with the exact statistics.

MOMENTA = [0.0, 0.5, 0.9, 0.99]
losses = np.zeros((N_DRAWS, len(MOMENTA) + 1))
for seed in range(N_DRAWS):
    X_train, X_test, y_train, y_test = draw(seed)
    for k, momentum in enumerate(MOMENTA):
        net = clone(NET).set_params(
            batchnorm_momentum=momentum, random_state=seed
        )
        for _ in range(8):
            net.partial_fit(X_train, y_train, classes=np.arange(10))
        losses[seed, k] = log_loss(y_test, net.predict_proba(X_test))
    _, exact = normalized_by(net, X_train)
    p, _ = normalized_by(net, X_test, exact)
    losses[seed, -1] = log_loss(y_test, p)

names = [f"momentum\n{momentum}" for momentum in MOMENTA] + ["exact"]
fig, ax = plt.subplots(layout="constrained", figsize=(7, 3.6))
ax.plot(names, losses.T, "o-", color="C0", lw=0.8, ms=4, alpha=0.6)
ax.plot(names, losses.mean(axis=0), "s", color="C1", ms=10, label="mean")
ax.set(ylim=0, ylabel="Log loss on test rows", xlabel="Statistics")
ax.set_title("Exact statistics are better than moving averages")
ax.legend()
plt.show()

print("test loss: " + "  ".join(f"{loss:.3f}" for loss in losses.mean(axis=0)))
assert np.all(losses[:, -1] < losses[:, 0])
assert losses.mean(axis=0).argmin() == len(MOMENTA)

# %%
# One batch is a poor estimate. A hundred batches are a good one, but of the
# weights of a hundred steps ago: after so short a training, 0.99 is worse than
# 0.9. The exact statistics are neither noisy nor late.
