"""Draw the pictures of the user guide that are not the gallery's: ``python docs/images.py``.

Needs matplotlib (extra ``plot``). The pictures are written to the folder ``images``.
"""

from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, make_classification

from sknormnet import NormNetClassifier
from sknormnet.inspection import LayerStatisticsDisplay, TrainingHistoryDisplay, initialized

IMAGES = Path(__file__).parent / "images"


def learning_curves():
    """A network of 40 epochs that overfits noisy labels, and one that dropout holds back."""
    X, y = make_classification(1500, n_informative=8, flip_y=0.2, random_state=0)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
    for ax, keep_prob in zip(axes, (1.0, 0.5), strict=True):
        network = NormNetClassifier(keep_prob=keep_prob, calibrate=False, random_state=0).fit(X, y)
        TrainingHistoryDisplay.from_estimator(network, ax=ax, name="loss")
        ax.set_title(f"keep_prob={keep_prob:g}")
    return figure


def layer_statistics():
    """Outputs of eight tanh layers before training: they vanish, or they do not."""
    X, y = load_digits(return_X_y=True)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
    for ax, init in zip(axes, ("normal", "xavier_uniform"), strict=True):
        settings = {"batchnorm": False, "input_bins": 0, "random_state": 0}
        network = NormNetClassifier((64,) * 8, activation="tanh", init=init, **settings)
        LayerStatisticsDisplay.from_estimator(initialized(network, X, y), X, ax=ax)
        ax.set_title(f'init="{init}"')
    axes[0].get_legend().remove()
    return figure


def input_bins():
    """What six bins make of a number."""
    figure, ax = plt.subplots(figsize=(9, 2.4), layout="constrained")
    edges = np.array([-2.2, -1.0, -0.4, 0.1, 0.7, 1.3, 2.4])
    x = np.linspace(-2.6, 2.8, 500)
    for low, high in pairwise(edges):
        ax.plot(x, np.clip(2 * (x - low) / (high - low) - 1, -1, 1))
    for edge in edges:
        ax.axvline(edge, color="0.8", linewidth=1, zorder=0)
    ax.set(xlabel="scaled number (gray: edges of the bins)", ylabel="inputs", yticks=[-1, 0, 1])
    return figure


def main() -> None:
    plt.style.use("tableau-colorblind10")
    for draw in learning_curves, layer_statistics, input_bins:
        draw().savefig(IMAGES / f"{draw.__name__}.png", dpi=100)


if __name__ == "__main__":
    main()
