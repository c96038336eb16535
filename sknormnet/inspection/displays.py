"""Plots of the diagnostics, in the form of scikit-learn's displays."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from sknormnet.estimators._base import hidden_number
from sknormnet.estimators._sklearn import check_matplotlib_support
from sknormnet.inspection.diagnostics import (
    BatchNormStatistics,
    LayerGradient,
    LayerStatistics,
    SearchTable,
    TrainingHistory,
    batchnorm_statistics,
    layer_statistics,
    search_table,
    training_history,
)
from sknormnet.inspection.recorder import TrainingRecorder

STAGE_COLORS = {"linear": "#0072B2", "activation": "#E69F00", "batchnorm": "#009E73"}


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
        recorder.watch(clone(estimator)).fit(X, y)
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
        curves += [(each, history.validation_score, name, "--") for each in score_ax]
        color = line_kw.pop("color", None)
        for axes, values, label, style in curves:
            epochs = np.arange(1, len(values) + 1)
            (line,) = axes.plot(epochs, values, style, label=label, color=color, **line_kw)
            color = line.get_color()
            if values is not history.loss or not validated:
                best = np.unique(history.best_epoch) - 1
                axes.plot(epochs[best], values[best], "o", color=color)
        for axes, what in zip((loss_ax, *score_ax), ("Loss", "Validation score"), strict=False):
            _label_by_epoch(axes, what)
            axes.legend()
        return self


class LayerStatisticsDisplay(Display):
    """Distribution of the values in each hidden layer, stage by stage.

    A thin line extends from the 5 % to the 95 % quantile, a thick line from the first to the third
    quartile, and a dot marks the median. If units are dead or saturated, the plot states what
    percentage.

    Parameters
    ----------
    statistics : list of LayerStatistics
        As returned by :func:`layer_statistics`.

    See Also
    --------
    layer_statistics : The numbers.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sknormnet import NormNetClassifier
    >>> from sknormnet.inspection import LayerStatisticsDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NormNetClassifier(random_state=0).fit(X, y)
    >>> _ = LayerStatisticsDisplay.from_estimator(model, X)
    >>> plt.show()
    """

    def __init__(self, statistics: Sequence[LayerStatistics]):
        self.statistics = statistics

    @classmethod
    def from_estimator(cls, estimator, X, *, training=False, member=0, ax=None) -> Self:
        """Draw the statistics for given rows.

        Parameters
        ----------
        estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
            The fitted estimator.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        training : bool, default=False
            Whether batch norm uses the statistics of the given rows, as in training.
        member : int, default=0
            Index of the network in an ensemble.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        display : LayerStatisticsDisplay
        """
        return cls(layer_statistics(estimator, X, training=training, member=member)).plot(ax=ax)

    def plot(self, ax=None) -> Self:
        """Draw on the given axes, or on a new figure."""
        (ax,) = self._draw_on(ax, 1)
        stages = list(dict.fromkeys(x.stage for x in self.statistics))
        layers = sorted({x.layer for x in self.statistics})
        for x in self.statistics:
            place = x.layer + 0.22 * (stages.index(x.stage) - (len(stages) - 1) / 2)
            low, first, median, third, high = x.quantiles
            color = STAGE_COLORS[x.stage]
            ax.plot([place, place], [low, high], "-", lw=1.5, color=color)
            ax.plot([place, place], [first, third], "-", lw=5, color=color, solid_capstyle="butt")
            label = x.stage if x.layer == layers[0] else None
            ax.plot(place, median, "o", ms=5, mfc="white", mec=color, color=color, label=label)
            if x.saturated > 0:
                kind, share = ("dead", x.dead) if x.dead > 0 else ("saturated", x.saturated)
                ax.annotate(
                    f"{share:.0%}\n{kind}",
                    (x.layer, 1),
                    xycoords=("data", "axes fraction"),
                    xytext=(0, -2),
                    textcoords="offset points",
                    ha="center",
                    va="top",
                    fontsize="small",
                )
        if any(x.saturated > 0 for x in self.statistics):
            ax.margins(y=0.2)
        ax.axhline(0, lw=0.8, color="0.7", zorder=0)
        ax.set(xlabel="Hidden layer", ylabel="Value", xticks=layers)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        return self


class BatchNormDisplay(Display):
    """Batch norm's statistics for given rows, compared with those for prediction, unit by unit.

    A shifted mean, or a ratio of standard deviations other than 1, indicates that the inputs of a
    unit are not distributed as in training.

    Parameters
    ----------
    statistics : list of BatchNormStatistics
        As returned by :func:`batchnorm_statistics`.

    See Also
    --------
    batchnorm_statistics : The numbers.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sknormnet import NormNetClassifier
    >>> from sknormnet.inspection import BatchNormDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NormNetClassifier(random_state=0).fit(X, y)
    >>> _ = BatchNormDisplay.from_estimator(model, X + 0.5)
    >>> plt.show()
    """

    def __init__(self, statistics: Sequence[BatchNormStatistics]):
        self.statistics = statistics

    @classmethod
    def from_estimator(cls, estimator, X, *, member=0, ax=None) -> Self:
        """Draw the statistics for given rows.

        Parameters
        ----------
        estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
            The estimator, fitted with batch norm.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        member : int, default=0
            Index of the network in an ensemble.
        ax : array-like of two matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        display : BatchNormDisplay
        """
        return cls(batchnorm_statistics(estimator, X, member=member)).plot(ax=ax)

    def plot(self, ax=None) -> Self:
        """Draw the shifts on the first of two axes and the ratios on the second."""
        panels = self._draw_on(ax, 2)
        for x, color in zip(self.statistics, _by_depth(len(self.statistics)), strict=True):
            places = x.layer + np.linspace(-0.3, 0.3, len(x.shift))
            for axes, values in zip(panels, (x.shift, x.ratio), strict=True):
                axes.scatter(places, values, s=12, color=color)
        names = "Shift of mean / standard deviation", "Ratio of standard deviations"
        for axes, name, same in zip(panels, names, (0, 1), strict=True):
            axes.axhline(same, lw=1, color="0.5", ls="--", zorder=0)
            axes.set(xlabel="Hidden layer", ylabel=name, xticks=[x.layer for x in self.statistics])
        return self


class GradientFlowDisplay(Display):
    """Norm of each layer's gradient, and of its update relative to its weights, epoch by epoch.

    If the norms differ between the layers by orders of magnitude, the gradients vanish or explode.

    Parameters
    ----------
    gradients : list of LayerGradient
        Collected by a :class:`TrainingRecorder`, as its `gradients_`.

    See Also
    --------
    TrainingRecorder : Collects the numbers.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sknormnet import NormNetClassifier
    >>> from sknormnet.inspection import GradientFlowDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NormNetClassifier((8, 8, 8), max_iter=10, random_state=0)
    >>> _ = GradientFlowDisplay.from_estimator(model, X, y)
    >>> plt.show()
    """

    def __init__(self, gradients: Sequence[LayerGradient]):
        self.gradients = gradients

    @classmethod
    def from_estimator(cls, estimator, X, y, *, member=0, ax=None) -> Self:
        """Fit a clone and draw its training.

        Parameters
        ----------
        estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
            The estimator to clone and fit.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The training inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        member : int, default=0
            Index of the network in an ensemble.
        ax : array-like of two matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        display : GradientFlowDisplay
        """
        return cls.from_recorder(cls._recorded(estimator, X, y, member), ax=ax)

    @classmethod
    def from_recorder(cls, recorder: TrainingRecorder, *, ax=None) -> Self:
        """Draw what a recorder has recorded.

        Parameters
        ----------
        recorder : TrainingRecorder
            A recorder that has observed a fit.
        ax : array-like of two matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        display : GradientFlowDisplay
        """
        return cls(recorder.gradients_).plot(ax=ax)

    def plot(self, ax=None) -> Self:
        """Draw the gradients on the first of two axes and the updates on the second."""
        panels = self._draw_on(ax, 2)
        layers = sorted({x.layer for x in self.gradients})
        for layer, color in zip(layers, _by_depth(len(layers)), strict=True):
            mine = [x for x in self.gradients if x.layer == layer]
            epochs = [x.epoch for x in mine]
            label = "output" if layer == layers[-1] else f"layer {layer}"
            values = [x.gradient_norm for x in mine], [x.update_ratio for x in mine]
            for axes, column in zip(panels, values, strict=True):
                axes.plot(epochs, column, color=color, label=label)
        for axes, what in zip(panels, ("Norm of gradient", "Update / weights"), strict=True):
            _label_by_epoch(axes, what)
            axes.set_yscale("log")
        panels[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        return self


class LayerShiftDisplay(Display):
    """Distribution of the outputs of a hidden layer during training.

    The outputs of a hidden layer are the inputs of the next layer. The plot shows the median over
    all units, with bands between the quartiles and between the 5 % and 95 % quantiles.

    Parameters
    ----------
    statistics : list of LayerStatistics
        Collected by a :class:`TrainingRecorder`, as its `layer_statistics_`.
    layer : int, default=-1
        Index of the hidden layer: 0 for the first, -1 for the last.

    See Also
    --------
    layer_shift : How far the outputs move, as numbers.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sknormnet import NormNetClassifier
    >>> from sknormnet.inspection import LayerShiftDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> fig, axes = plt.subplots(1, 2, sharey=True)
    >>> for ax, batchnorm in zip(axes, [False, True]):
    ...     model = NormNetClassifier(batchnorm=batchnorm, max_iter=10, random_state=0)
    ...     _ = LayerShiftDisplay.from_estimator(model, X, y, ax=ax)
    >>> plt.show()
    """

    def __init__(self, statistics: Sequence[LayerStatistics], *, layer: int = -1):
        self.statistics, self.layer = statistics, layer

    @classmethod
    def from_estimator(cls, estimator, X, y, *, layer=-1, member=0, ax=None) -> Self:
        """Fit a clone and draw its training.

        Parameters
        ----------
        estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
            The estimator to clone and fit.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The training inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        layer : int, default=-1
            Index of the hidden layer: 0 for the first, -1 for the last.
        member : int, default=0
            Index of the network in an ensemble.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        display : LayerShiftDisplay
        """
        return cls.from_recorder(cls._recorded(estimator, X, y, member), layer=layer, ax=ax)

    @classmethod
    def from_recorder(cls, recorder: TrainingRecorder, *, layer=-1, ax=None) -> Self:
        """Draw what a recorder has recorded.

        Parameters
        ----------
        recorder : TrainingRecorder
            A recorder that has observed a fit.
        layer : int, default=-1
            Index of the hidden layer: 0 for the first, -1 for the last.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        display : LayerShiftDisplay
        """
        return cls(recorder.layer_statistics_, layer=layer).plot(ax=ax)

    def plot(self, ax=None) -> Self:
        """Draw on the given axes, or on a new figure."""
        layer = hidden_number(self.layer, len({x.layer for x in self.statistics}))
        (ax,) = self._draw_on(ax, 1)
        outputs = {x.epoch: x.quantiles for x in self.statistics if x.layer == layer}
        low, first, median, third, high = np.array(list(outputs.values())).T
        epochs = list(outputs)
        color = "#0072B2"
        ax.fill_between(epochs, low, high, color=color, alpha=0.2, lw=0, label="5 to 95 %")
        ax.fill_between(epochs, first, third, color=color, alpha=0.4, lw=0, label="25 to 75 %")
        ax.plot(epochs, median, color=color, label="median")
        _label_by_epoch(ax, f"Output of hidden layer {layer}")
        ax.legend()
        return self


class SearchResultsDisplay(Display):
    """Heat map of the scores of a search over two of its parameters; a frame marks the best.

    Each cell shows the score of the best candidate with these two values: its mean and standard
    deviation over the folds.

    Parameters
    ----------
    table : SearchTable
        As returned by :func:`search_table`.

    See Also
    --------
    search_table : The numbers.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sknormnet import NormNetClassifier
    >>> from sknormnet.inspection import SearchResultsDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> grid = {"keep_prob": [0.5, 0.8, 1.0], "batchnorm": [False, True]}
    >>> search = GridSearchCV(NormNetClassifier((8,), max_iter=10, random_state=0), grid, cv=3)
    >>> _ = SearchResultsDisplay.from_estimator(search.fit(X, y), "keep_prob", "batchnorm")
    >>> plt.show()
    """

    def __init__(self, table: SearchTable):
        self.table = table

    @classmethod
    def from_estimator(cls, search, x, y, *, metric="score", ax=None, cmap="cividis") -> Self:
        """Draw the results of a search.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or dict
            A fitted search, or its `cv_results_`.
        x, y : str
            Names of the parameters in the columns and in the rows, or their last parts.
        metric : str, default="score"
            Name of the scorer, for a search with several.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.
        cmap : str or matplotlib Colormap, default="cividis"
            Colors of the scores.

        Returns
        -------
        display : SearchResultsDisplay
        """
        return cls(search_table(search, x, y, metric=metric)).plot(ax=ax, cmap=cmap)

    def plot(self, ax=None, *, cmap="cividis") -> Self:
        """Draw on the given axes, or on a new figure."""
        (ax,) = self._draw_on(ax, 1)
        table = self.table
        image = ax.imshow(table.mean, cmap=cmap, aspect="auto")
        middle = (np.nanmin(table.mean) + np.nanmax(table.mean)) / 2
        for row, column in np.argwhere(np.isfinite(table.mean)):
            mean, std = table.mean[row, column], table.std[row, column]
            color = "white" if mean < middle else "black"
            text = f"{mean:.3f}\n± {std:.3f}"
            ax.text(column, row, text, ha="center", va="center", color=color, fontsize="small")
        ax.add_patch(_frame(*divmod(int(np.nanargmax(table.mean)), len(table.x_values))))
        ax.set(
            xlabel=table.x,
            ylabel=table.y,
            xticks=range(len(table.x_values)),
            yticks=range(len(table.y_values)),
            xticklabels=[_label(value) for value in table.x_values],
            yticklabels=[_label(value) for value in table.y_values],
        )
        self.figure_.colorbar(image, ax=ax, label=f"Mean test {table.metric}")
        return self


def _label_by_epoch(ax, what: str) -> None:
    ax.set(xlabel="Epoch", ylabel=what)
    ax.xaxis.get_major_locator().set_params(integer=True)


def _by_depth(n_layers: int) -> np.ndarray:
    """Return a color for each layer, from dark to light."""
    import matplotlib as mpl

    return mpl.colormaps["viridis"](np.linspace(0, 0.85, n_layers))


def _frame(row: int, column: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, ec="#D55E00", lw=3)


def _label(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
