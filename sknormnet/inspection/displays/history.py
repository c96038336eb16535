"""Display of a training history."""

from typing import Self

import numpy as np

from sknormnet.inspection.displays.display import Display, label_epochs
from sknormnet.inspection.history import TrainingHistory, training_history


class TrainingHistoryDisplay(Display):
    """Loss and validation score, epoch by epoch; a dot marks the best epoch.

    The curves of an ensemble are means over its members. Members may differ in their best epoch,
    so there may be several dots.

    Parameters
    ----------
    history : TrainingHistory
        As returned by :func:`training_history`.

    See Also
    --------
    training_history : The numbers.
    sklearn.model_selection.LearningCurveDisplay : Scores against the number of training rows.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sknormnet import NormNetClassifier
    >>> from sknormnet.inspection import TrainingHistoryDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> one, other = (
    ...     NormNetClassifier(batchnorm=batchnorm, early_stopping=True, random_state=0).fit(X, y)
    ...     for batchnorm in (True, False)
    ... )
    >>> display = TrainingHistoryDisplay.from_estimator(one, name="batch norm")
    >>> _ = TrainingHistoryDisplay.from_estimator(other, ax=display.axes_, name="none")
    >>> plt.show()
    """

    def __init__(self, history: TrainingHistory):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, name=None, **line_kw) -> Self:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
            The fitted estimator.
        ax : matplotlib Axes or array-like of two, default=None
            Where to draw: the loss on the first axes, the validation score on the second. By
            default on a new figure.
        name : str, default=None
            Name in the legend; by default the name of the estimator's class.
        **line_kw : dict
            Keyword arguments of matplotlib's `plot`.

        Returns
        -------
        display : TrainingHistoryDisplay
        """
        return cls(training_history(estimator)).plot(ax=ax, name=name, **line_kw)

    def plot(self, ax=None, *, name=None, **line_kw) -> Self:
        """Draw the history; see `from_estimator` for the parameters."""
        history, name = self.history, name or self.history.name
        validated = len(history.validation_score) > 0
        n_panels = 2 if validated and (ax is None or np.size(ax) > 1) else 1
        loss_ax, *score_ax = self._draw_on(ax, n_panels)
        curves = [(loss_ax, history.loss, f"{name}, training" if validated else name, "-")]
        if validated:
            curves.append((loss_ax, history.validation_loss, f"{name}, validation", "--"))
        curves += [(axes, history.validation_score, name, "--") for axes in score_ax]
        color = line_kw.pop("color", None)
        for axes, values, label, style in curves:
            epochs = np.arange(1, len(values) + 1)
            (line,) = axes.plot(epochs, values, style, label=label, color=color, **line_kw)
            color = line.get_color()
            if values is not history.loss or not validated:  # the best by validation, if any
                best = np.unique(history.best_epoch) - 1
                axes.plot(epochs[best], values[best], "o", color=color)
        for axes, ylabel in zip((loss_ax, *score_ax), ("Loss", "Validation score"), strict=False):
            label_epochs(axes, ylabel)
            axes.legend()
        return self
