"""
Batch norm as a regularizer: the effect of batch size
=====================================================

In training, batch norm normalizes each row by the mean and variance of the batch that the row
happens to be in. The normalized values of a row therefore change from step to step. Like dropout,
this noise makes it harder to memorize single rows. The mean of :math:`n` rows has a standard error
of :math:`\\sigma / \\sqrt{n}`, so larger batches are less noisy, and the full batch has no noise.
Ioffe and Szegedy (2015) observed that batch norm regularizes. Luo et al. (2019, "Towards
understanding regularization in batch normalization") explain why.
"""

# %%
# Same number of steps, same learning rate
# ----------------------------------------
# A fifth of the labels are random, so networks can overfit. Small batches also regularize because
# their gradients are noisy. A small learning rate averages this noise out, and networks without
# batch norm show how much of it remains. All networks train for 800 steps, whatever the batch
# size. Each setting is repeated four times with other rows and other initial weights.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from sknormnet import NormNetClassifier

plt.style.use("tableau-colorblind10")

N_ROWS, N_STEPS, N_REPEATS = 512, 800, 4
BATCH_SIZES = [16, 64, 128, 256, N_ROWS]

X, y = load_digits(return_X_y=True)
X = scale(X).astype(np.float32)
rng = np.random.default_rng(0)
random = rng.permutation(len(y))[: len(y) // 5]
y[random] = rng.integers(10, size=len(random))


def scores(batchnorm, batch_size, repeat):
    """Accuracy on training rows and on test rows."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, train_size=N_ROWS, stratify=y, random_state=repeat
    )
    net = NormNetClassifier(
        hidden_layer_sizes=(32,) * 6,
        input_bins=0,
        batchnorm=batchnorm,
        keep_prob=1.0,
        label_smoothing=0.0,
        solver="sgd",
        learning_rate_init=0.03,
        batch_size=batch_size,
        max_iter=N_STEPS * batch_size // N_ROWS,
        random_state=repeat,
    ).fit(X_train, y_train)
    return net.score(X_train, y_train), net.score(X_test, y_test)


results = {}
for batchnorm in ("before", False):
    found = [[scores(batchnorm, size, k) for k in range(N_REPEATS)] for size in BATCH_SIZES]
    results[batchnorm] = 100 * np.array(found)

# %%
# Gap between training and test accuracy
# --------------------------------------

gaps = {batchnorm: found[..., 0] - found[..., 1] for batchnorm, found in results.items()}

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
places = np.arange(len(BATCH_SIZES))
for (batchnorm, gap), style in zip(gaps.items(), ("C0o-", "C1s--"), strict=True):
    name = f"batchnorm={batchnorm!r}"
    ax.errorbar(places, gap.mean(axis=1), gap.std(axis=1) / 2, fmt=style, capsize=4, label=name)
ax.set(
    title="With batch norm, larger batches overfit more",
    xlabel="Batch size (rows)",
    ylabel="Training - test accuracy\n(percentage points)",
    xticks=places,
    xticklabels=[*BATCH_SIZES[:-1], f"{N_ROWS} (all)"],
)
ax.legend()
plt.show()

# %%
# The bars are standard errors. Without batch norm, only batches of 16 rows reduce the gap clearly.
# With batch norm, the gap grows with each batch size. With the full batch there is no noise left.
# Batch norm makes it easier to fit any data, so the full batch then overfits more than a network
# without batch norm. Networks with 16 rows per batch do not reach a training accuracy of 100 % in
# 800 steps, which also reduces their gap.

print(f"{'':12}{'batch norm':>24}{'no batch norm':>24}")
print(f"{'batch size':12}" + f"{'training':>10}{'test':>7}{'gap':>7}" * 2)
for size, *rows in zip(
    BATCH_SIZES, *(found.mean(axis=1) for found in results.values()), strict=True
):
    cells = (f"{training:10.1f}{new:7.1f}{training - new:7.1f}" for training, new in rows)
    print(f"{size:<12}" + "".join(cells))

by_size = {batchnorm: gap.mean(axis=1) for batchnorm, gap in gaps.items()}
assert np.all(np.diff(by_size["before"]) > 0)
assert by_size["before"][-1] - by_size["before"][1] > 5  # from 64 rows to all
assert abs(by_size[False][-1] - by_size[False][1]) < 5
assert by_size["before"][0] < by_size[False][0] - 5
