"""
Weight initialization: vanishing and exploding signals
======================================================

Each layer multiplies its inputs by its weights. If the weights are too small, the signal shrinks
from layer to layer until it vanishes. If they are too large, the signal grows without bound, or
saturates every unit where its activation is flat. The gradients pass through the same weights
backward. Glorot and Bengio (2010, "Understanding the difficulty of training deep feedforward
neural networks") and He et al. (2015, "Delving deep into rectifiers") chose the variance of the
weights so that the signal keeps its scale:

.. math:: \\mathrm{Var}(W) = \\frac{2}{n_{in} + n_{out}} \\quad \\text{(Xavier, for tanh)}
          \\qquad \\mathrm{Var}(W) = \\frac{2}{n_{in}} \\quad \\text{(He, for ReLU)}

This example initializes ten hidden layers with zeros, with weights that are too small or too
large, and with these two rules. Batch norm rescales the outputs of each layer, so the choice
matters less.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.preprocessing import scale

from sknormnet import NormNetClassifier
from sknormnet.inspection import initialized, layer_gradients, layer_statistics

plt.style.use("tableau-colorblind10")

X, y = load_digits(return_X_y=True)
X = scale(X)


def too_large(fan_in, fan_out, rng):
    """Weights of variance 1, independent of the layer size."""
    return rng.normal(size=(fan_in, fan_out))


INITS = {
    "zeros": "zeros",
    "too small": "normal",  # standard deviation 0.01
    "Xavier": "xavier_normal",
    "He": "he_normal",
    "too large": too_large,
}
STYLES = dict(zip(INITS, ("k:", "C0v-", "C1o-", "C2s-", "C3^-"), strict=True))
NET = NormNetClassifier(
    hidden_layer_sizes=(64,) * 10,
    keep_prob=1.0,
    label_smoothing=0.0,
    solver="sgd",
    learning_rate="cosine",
    learning_rate_init=0.01,
    batch_size=64,
    max_iter=15,
    random_state=0,
)


def net(activation, init, batchnorm=False):
    """Return an unfitted network of ten hidden layers."""
    return clone(NET).set_params(activation=activation, init=INITS[init], batchnorm=batchnorm)


# %%
# Before training
# ---------------
# :func:`~sknormnet.inspection.initialized` returns the network with its initial parameters,
# untrained. The standard deviation of each layer's activations shows how much of the signal is
# left. The gradient norm of each layer shows how much of the gradient arrives.


def before_training(activation, init):
    """Return the std of each hidden layer's activations and each layer's gradient norm."""
    start = initialized(net(activation, init), X, y)
    stds = [x.std for x in layer_statistics(start, X) if x.stage == "activation"]
    return stds, [x.gradient_norm for x in layer_gradients(start, X, y)]


STARTS = {(a, init): before_training(a, init) for a in ("tanh", "relu") for init in INITS}

fig, axes = plt.subplots(2, 2, figsize=(9, 6), sharex=True, sharey="row", layout="constrained")
for (activation, init), columns in STARTS.items():
    for ax, values in zip(axes[:, int(activation == "relu")], columns, strict=True):
        if np.any(values):
            numbers = range(len(values))
            ax.semilogy(numbers, values, STYLES[init], ms=5, label=init)
axes[0, 0].set(title="tanh: Xavier and He preserve the signal", ylabel="Std of activations")
axes[0, 1].set(title="ReLU: He preserves the signal")
for ax in axes[1]:
    ax.set_xlabel("Layer (10 is the output layer)")
axes[1, 0].set_ylabel("Gradient norm")
axes[1, 0].legend(loc="center", bbox_to_anchor=(0.5, 0.38), ncols=2)
plt.show()

# %%
# With zeros, all activations and all gradients of hidden layers are 0, so nothing ever
# distinguishes one unit from another. Zeros cannot be drawn on a logarithmic axis. With tanh and
# weights that are too large, the standard deviation looks healthy only because most activations
# are close to -1 or 1, where tanh is flat.

print(f"{'':6}{'init':<10}{'std in layer 0':>18}{'in layer 9':>13}{'gradient in layer 0':>21}")
for (activation, init), (stds, gradients) in STARTS.items():
    print(f"{activation:6}{init:<10}{stds[0]:18.1e}{stds[9]:13.1e}{gradients[0]:21.1e}")

for activation in ("tanh", "relu"):
    assert not np.any(STARTS[activation, "zeros"][0])
    assert STARTS[activation, "too small"][0][9] < 1e-10
    assert STARTS[activation, "too small"][1][0] < 1e-9
assert STARTS["tanh", "Xavier"][0][9] > STARTS["tanh", "Xavier"][0][0] / 4
assert 1 / 3 < STARTS["relu", "He"][0][9] / STARTS["relu", "He"][0][0] < 3
assert STARTS["relu", "Xavier"][0][9] < STARTS["relu", "Xavier"][0][0] / 8
assert STARTS["relu", "too large"][0][9] > 1e6

# %%
# Training with and without batch norm
# ------------------------------------
# Weights that are too large are left out without batch norm: their gradients of :math:`10^8`
# make the parameters overflow, and ``fit`` raises an error.

LOSSES = {
    (batchnorm, init): net("relu", init, batchnorm).fit(X, y).loss_curve_
    for batchnorm in (False, "before")
    for init in INITS
    if batchnorm or init != "too large"
}

fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
for (batchnorm, init), losses in LOSSES.items():
    ax = axes[int(bool(batchnorm))]
    ax.semilogy(range(1, len(losses) + 1), losses, STYLES[init], ms=4, label=init)
axes[0].set(title="ReLU without batch norm", xlabel="Epoch", ylabel="Training loss")
axes[1].set(title="With batch norm: all but zeros learn", xlabel="Epoch")
axes[1].legend(title="Initialization", ncols=2)
plt.show()

# %%
# Without batch norm, a network with weights that are too small stays at the loss of guessing. With
# batch norm, weights a hundred times smaller or eight times larger than He's still let the network
# learn. With He's weights, the training loss is lower without batch norm (0.002) than with it
# (0.138): in this example, batch norm helps with badly chosen initial weights only.

CHANCE = np.log(10)
for (batchnorm, init), losses in LOSSES.items():
    print(f"{f'batchnorm={batchnorm}':<18}{init:<10} loss {losses[0]:6.3f} -> {losses[-1]:6.3f}")
    if init == "zeros" or (init == "too small" and not batchnorm):
        assert losses[-1] > CHANCE - 0.01
    else:
        assert losses[-1] < CHANCE / 2
assert LOSSES[False, "He"][-1] < LOSSES[False, "Xavier"][-1]
