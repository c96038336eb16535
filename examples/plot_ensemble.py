"""
An ensemble that chooses its settings
=====================================

``NormNetClassifier.for_accuracy()`` is more accurate than one network, and
takes about ten times as long. It trains networks with several settings
(candidates), each on all folds of the rows but one. The predictions for the
left-out folds show how good each candidate is, and decide its weight in the
ensemble. So nobody has to know beforehand whether the data need much
regularization or little. This example trains it on the same data twice: once
with correct labels, and once with a quarter of the labels wrong.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss

from sknormnet import NormNetClassifier
from sknormnet.inspection import CandidatesDisplay

# sphinx_gallery_thumbnail_number = 2
plt.style.use("tableau-colorblind10")

# %%
# Two classes, 15 features, 400 training rows and 3,000 test rows, in three
# draws. The test rows have wrong labels as the training rows do.

N_TRAIN, N_DRAWS = 400, 3


def draw(seed, wrong):
    """Return training and test rows with a share of wrong labels."""
    X, y = make_classification(
        N_TRAIN + 3000,
        n_features=15,
        n_informative=8,
        n_clusters_per_class=3,
        flip_y=0.0,
        class_sep=1.5,
        random_state=seed,
    )
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(len(y)) < wrong, 1 - y, y)
    return X[:N_TRAIN], y[:N_TRAIN], X[N_TRAIN:], y[N_TRAIN:]


# %%
# One network and the ensemble
# ----------------------------

SHARES = {"correct labels": 0.0, "a quarter is wrong": 0.25}
ensembles, losses = {}, {}
print(f"{'':22}{'network':>9}{'ensemble':>10}{'estimate':>10}")
for name, wrong in SHARES.items():
    for seed in range(N_DRAWS):
        X, y, X_test, y_test = draw(seed, wrong)
        network = NormNetClassifier(random_state=seed).fit(X, y)
        ensemble = NormNetClassifier.for_accuracy(random_state=seed).fit(X, y)
        losses[name, seed] = [
            log_loss(y_test, model.predict_proba(X_test))
            for model in (network, ensemble)
        ]
        ensembles[name, seed] = ensemble
        one, all_of_them = losses[name, seed]
        print(f"{name:22}{one:9.3f}{all_of_them:10.3f}", end="")
        print(f"{-ensemble.oof_score_:10.3f}")

means = {
    name: np.mean([losses[name, seed] for seed in range(N_DRAWS)], axis=0)
    for name in SHARES
}
assert all(ensemble < network for network, ensemble in means.values())

# %%
# The last column is ``-oof_score_``: the loss of the ensemble on the left-out
# folds, an estimate of the test loss that needs no test rows.
#
# What it has chosen
# ------------------
# :class:`~sknormnet.inspection.CandidatesDisplay` draws the weights of the
# candidates and their scores on the left-out folds. Candidates are described
# by the parameters that they set. The orange line is the score of the
# ensemble: a mean of different networks is at least as good as each of them.

for name in SHARES:
    display = CandidatesDisplay.from_estimator(ensembles[name, 0])
    display.figure_.set_size_inches(9, 3.6)
    display.figure_.suptitle(f"Training rows: {name}")
    plt.show()

# %%
# The first candidate has no dropout and twelve bins, the second has dropout
# and six. With correct labels, the first is worse, and weighs little. With
# wrong labels, the scores are closer, and the weights differ from draw to
# draw.

weights = {
    name: np.mean(
        [ensembles[name, k].candidate_weights_ for k in range(N_DRAWS)], axis=0
    )
    for name in SHARES
}
for name, of_candidates in weights.items():
    shares = "".join(f"{weight:7.2f}" for weight in of_candidates)
    print(f"{name:22} mean weights{shares}")
assert weights["correct labels"][0] < 0.2
