"""What the displays have in common: axes, colors, and the fit that some of them draw."""

from typing import Any

import numpy as np
from sklearn.base import clone

from sknormnet.estimators._sklearn import check_matplotlib_support
from sknormnet.inspection.networks import without_checkpoint
from sknormnet.inspection.recorder import TrainingRecorder


class Display:
    """Base class of the displays, which holds the axes.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The first panel's axes.
    axes_ : ndarray of matplotlib.axes.Axes
        All axes, one for each panel.
    figure_ : matplotlib.figure.Figure
        The figure that the axes belong to.
    """

    ax_: Any
    axes_: np.ndarray
    figure_: Any

    @classmethod
    def _recorded(cls, estimator, X, y, member: int) -> TrainingRecorder:
        """Fit a clone and return a recorder that has observed the fit."""
        check_matplotlib_support(f"{cls.__name__}.from_estimator")  # before the fit
        recorder = TrainingRecorder(member=member)
        recorder.watch(without_checkpoint(clone(estimator))).fit(X, y)
        return recorder

    def _draw_on(self, ax, n_panels: int) -> list:
        """Set the axes, the given ones or new ones, and return one for each panel."""
        check_matplotlib_support(f"{type(self).__name__}.plot")
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(
                1, n_panels, figsize=(4.8 * n_panels, 3.8), layout="constrained", squeeze=False
            )
        self.axes_ = np.ravel(np.asarray(ax, object))
        if len(self.axes_) < n_panels:
            raise ValueError(
                f"ax must be {n_panels} axes, one for each panel. Got {len(self.axes_)} instead."
            )
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        return list(self.axes_[:n_panels])


def label_epochs(ax, ylabel: str) -> None:
    """Label the axes of a curve over the epochs."""
    ax.set(xlabel="Epoch", ylabel=ylabel)
    ax.xaxis.get_major_locator().set_params(integer=True)


def colors_by_depth(n_layers: int) -> np.ndarray:
    """Return a color for each layer, from dark to light."""
    import matplotlib as mpl

    return mpl.colormaps["viridis"](np.linspace(0, 0.85, n_layers))
