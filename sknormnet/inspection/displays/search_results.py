"""Display of the results of a hyperparameter search."""

from typing import Any, Self

import numpy as np

from sknormnet.inspection.displays.display import Display
from sknormnet.inspection.search_results import SearchTable, search_table


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
        ax.add_patch(_cell_frame(*divmod(int(np.nanargmax(table.mean)), len(table.x_values))))
        ax.set(
            xlabel=table.x,
            ylabel=table.y,
            xticks=range(len(table.x_values)),
            yticks=range(len(table.y_values)),
            xticklabels=[_tick_label(value) for value in table.x_values],
            yticklabels=[_tick_label(value) for value in table.y_values],
        )
        self.figure_.colorbar(image, ax=ax, label=f"Mean test {table.metric}")
        return self


def _cell_frame(row: int, column: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, ec="#D55E00", lw=3)


def _tick_label(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
