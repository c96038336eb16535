"""What each column of X was taken for, and what it became."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknormnet.inputs import summarize
from sknormnet.inspection.networks import network_estimator, table_columns
from sknormnet.inspection.records import Record, RecordList


@dataclass(frozen=True, eq=False, repr=False)
class InputSummary(Record):
    """What a column of X was taken for, measured on the training rows.

    Attributes
    ----------
    column : object
        Its name, or its index in an array.
    kind : {"numeric", "categorical"}
    becomes : str
        In words, such as "scaled" or "embedding".
    missing_share : float
        Share of the training weight with a missing value.
    center, scale : float or None
        Of a numeric column; the scale of a constant column is 0.
    n_levels : int or None
        Of a categorical column.
    bin_edges : ndarray of shape (n_bins + 1,) or None
        Of a numeric column in bins, in the unit of the column.
    levels : ndarray of shape (n_levels,) or None
        Of a categorical column, in sorted order.
    level_shares : ndarray of shape (n_levels,) or None
        Their shares of the training weight.
    is_other : ndarray of bool of shape (n_levels,) or None
        Which levels are encoded as unknown ones are: the rarest, and those without a training
        row.
    """

    column: object
    kind: str
    becomes: str
    missing_share: float
    center: float | None
    scale: float | None
    n_levels: int | None
    bin_edges: np.ndarray | None
    levels: np.ndarray | None
    level_shares: np.ndarray | None
    is_other: np.ndarray | None

    def _scalars(self) -> dict[str, Any]:
        names = "column", "kind", "becomes", "missing_share", "center", "scale", "n_levels"
        return {name: getattr(self, name) for name in names}


def input_summary(estimator) -> RecordList[InputSummary]:
    """Return what each column of X was taken for, and what it became.

    Parameters
    ----------
    estimator : NormNetClassifier, NormNetRegressor or Pipeline ending in one
        The fitted estimator. In a pipeline, the columns are those that the network gets.

    Returns
    -------
    summary : RecordList of InputSummary
        One record for each column; shown as a table in a notebook.

    Examples
    --------
    >>> import pandas as pd
    >>> from sknormnet import NormNetClassifier
    >>> from sknormnet.inspection import input_summary
    >>> X = pd.DataFrame({"age": [20, 30, None, 40], "color": ["red", "blue", "red", "red"]})
    >>> model = NormNetClassifier((4,), random_state=0).fit(X, [0, 1, 0, 1])
    >>> for x in input_summary(model):
    ...     print(x.column, x.kind, x.becomes, sep=": ")
    age: numeric: scaled, in 6 bins, with an indicator of missing values
    color: categorical: a 0/1 input
    """
    net = network_estimator(estimator)
    check_is_fitted(net)
    return RecordList(InputSummary(**vars(x)) for x in summarize(table_columns(net), net._inputs))
