"""Warnings about the scale of the inputs.

The scale is measured on up to 1,000 evenly spaced rows with at most a million numbers, so that X
is never copied as a whole.
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning

from sknormnet.estimators.precision import mean_and_std
from sknormnet.estimators.prepared import PreparedFit
from sknormnet.estimators.rows import ROWS_OF_SPREAD, Rows, shares
from sknormnet.inputs import InputEncoder, listed
from sknormnet.nn.losses import Loss

ColumnName = Callable[[int], str]

FEW_COLUMNS = 3  # columns named in a message, at most

HUGE_LOSS = 1e10  # far above any loss of training on scaled inputs
FAILED_LOSS = 10.0  # times the loss of a constant prediction; at least 1, for constant targets
POOR_LOSS = 0.4  # times the loss of a constant: scaled inputs do better unless y is mostly noise
SHORT = 5  # epochs after which it is too early to judge a poor loss

LARGE, SMALL = 100.0, 0.01  # root mean square of one column, and norm of that of all columns
UNEVEN = 1e4  # ratio of two standard deviations
ROUNDING = 1e-13  # spread of a constant column by rounding, relative to its mean or other columns

FAR = 10.0  # standard deviations of the training rows
WIDE = 100.0  # ratio of two spreads


class Column(NamedTuple):
    """Estimated mean and standard deviation of a column."""

    name: str
    mean: float
    std: float

    def __str__(self) -> str:
        return f"{self.name} (mean {self.mean:.2g}, standard deviation {self.std:.2g})"


# ------------------------------------------------------------------------- after training


def warn_of_poor_training(fit: PreparedFit, column_name: ColumnName) -> None:
    """Warn if training has failed, or has learned little from inputs that are not scaled.

    Training has failed if the loss is far above that of a constant prediction. It has learned
    little if the loss is not much below that of a constant prediction. The latter also happens
    with targets that are mostly noise, so it is reported only if the inputs are not scaled.
    """
    last_losses = [x.history.losses[-1] for x in fit.trainers if x.history.losses]
    if not last_losses:  # not trained
        return
    is_short = max(trainer.until for trainer in fit.trainers) <= SHORT
    if is_short and not max(last_losses) > HUGE_LOSS:
        return
    X, y, weight = fit.rows.evenly_spaced()
    constant = fit.loss.baseline(y, weight, fit.n_outputs)
    constant_loss = _loss(fit.loss, np.tile(constant, (len(y), 1)), y, weight)
    if not max(last_losses) > POOR_LOSS * constant_loss:
        return
    loss = _mean_loss(fit, X, y, weight)
    bound = max(HUGE_LOSS, constant_loss) if is_short else max(FAILED_LOSS * constant_loss, 1.0)
    failed = loss > bound
    if not failed and (is_short or not loss > POOR_LOSS * constant_loss):
        return
    columns = [] if fit.settings.scale_inputs else _badly_scaled(X, column_name)
    if columns or failed:
        message = (
            f"Training has {'failed' if failed else 'learned little'}: the loss is {loss:.3g}, and"
            f" the loss of a constant prediction is {constant_loss:.3g}."
            f" {_remedy(columns)}"
        )
        warnings.warn(message, ConvergenceWarning, stacklevel=2)


def _mean_loss(fit: PreparedFit, X: Any, y: np.ndarray, weight: np.ndarray | None) -> float:
    """Return the loss of the networks on some rows, averaged over the members."""
    x = X.astype(fit.dtype, copy=False)
    with np.errstate(all="ignore"):
        x = fit.inputs.encoder.encode(x)
        raws = [network.predict(x) for network in fit.networks]
    return float(np.mean([_loss(fit.loss, raw, y, weight) for raw in raws]))


def _loss(loss: Loss, raw: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> float:
    """Return the mean loss of raw predictions, without penalty; infinite if it is not finite."""
    y = y.astype(np.float64, copy=False) if y.ndim == 2 else y
    with np.errstate(all="ignore"):
        value = loss.value_and_gradient(y, raw.astype(np.float64), shares(weight, len(y)))
    return value if np.isfinite(value) else np.inf


def _badly_scaled(X: Any, column_name: ColumnName) -> list[Column]:
    """Return the columns of the worst scale; none if the inputs are on a scale of about 1."""
    mean, std = mean_and_std(X)
    size, largest, varies = np.hypot(mean, std), std.max(), _varies(mean, std)
    is_uneven = varies.any() and largest > UNEVEN * std[varies].min()
    if not (size.max() > LARGE or np.linalg.norm(size) < SMALL or is_uneven):
        return []
    numbers = np.argsort(-size, kind="stable")[: FEW_COLUMNS - int(is_uneven)].tolist()
    if is_uneven:
        numbers.append(int(np.argmin(np.where(varies, std, np.inf))))
    return [Column(column_name(k), mean[k], std[k]) for k in dict.fromkeys(numbers)]


def _varies(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return whether each column varies by more than rounding errors."""
    return std > ROUNDING * np.maximum(std.max(), np.abs(mean))


def _remedy(columns: list[Column]) -> str:
    if not columns:
        return "Lower learning_rate_init, or set max_grad_norm=1."
    found = ", ".join(map(str, columns))
    return f"The inputs are not scaled, for example {found}. Set scale_inputs='standard'."


# ------------------------------------------------------------------------ before training


def warn_of_another_scale(
    rows: Rows, held_out: Rows, numeric: np.ndarray, column_name: ColumnName
) -> None:
    """Warn if validation rows are on a different scale than the training rows.

    The usual reason is a scaler that was applied to X but not to X_val. Fewer than 10 rows,
    constant columns, columns with missing values and sparse X are not checked. `numeric` are
    the indices of the numeric columns.
    """
    few = min(len(rows), len(held_out)) < ROWS_OF_SPREAD
    if few or issparse(rows.X) or issparse(held_out.X):
        return
    X, X_val = (x.evenly_spaced()[0].astype(np.float64) for x in (rows, held_out))
    places = _on_another_scale(X[:, numeric], X_val[:, numeric])
    found = numeric[places].tolist()
    if not found:
        return
    names = [column_name(k) for k in found[:FEW_COLUMNS]]
    columns = [
        f"{name} ({X[:, k].mean():.3g} +- {X[:, k].std():.3g} in X,"
        f" {X_val[:, k].mean():.3g} +- {X_val[:, k].std():.3g} in X_val)"
        for k, name in zip(found, names, strict=False)
    ]
    more = f" and {len(found) - len(names)} more" if len(found) > len(names) else ""
    warnings.warn(
        f"X_val is on a different scale than X: {', '.join(columns)}{more}. Transform X_val with"
        " the same steps as X, such as a scaler. A Pipeline does so with"
        " transform_input=['X_val'].",
        UserWarning,
        stacklevel=2,
    )


def _on_another_scale(X: np.ndarray, X_val: np.ndarray) -> list[int]:
    """Return indices of columns that are far off, far wider or, if most of them are, far narrower.

    Medians and quartiles are compared with whole ranges and standard deviations, so that no
    single row decides. A single narrow column is normal: the date column of the last days is one.
    """
    low, median, high = np.quantile(X_val, [0.25, 0.5, 0.75], axis=0)
    std, std_val = X.std(axis=0), X_val.std(axis=0)
    spread = np.subtract(*np.quantile(X, [0.75, 0.25], axis=0))
    beyond = np.maximum(X.min(axis=0) - median, median - X.max(axis=0))
    varies = _varies(X.mean(axis=0), std)
    narrow = varies & (std_val > 0) & (spread > WIDE * std_val)
    found = varies & ((beyond > FAR * std) | (high - low > WIDE * std))
    if 2 * narrow.sum() > varies.sum():
        found |= narrow
    return np.flatnonzero(found).tolist()


def warn_of_values_outside_bins(X: Any, inputs: InputEncoder, column_name: ColumnName) -> None:
    """Warn if most values of a column lie outside the bins of the first call.

    A column that was constant there has no bins: all other values lie outside.
    """
    numeric = inputs.numeric
    if not numeric.n_bins or issparse(X):
        return
    low, high = np.full((2, numeric.n_columns), [[-np.inf], [np.inf]])
    constant = numeric.scale[0] == 0
    low[constant] = high[constant] = numeric.center[0, constant]
    binned = list(numeric.binned)
    low[binned], high[binned] = numeric.bin_edges[[0, -1]]
    x = X[:, list(inputs.numeric_columns)]
    share = ((x < low) | (x > high)).mean(axis=0)
    found = np.flatnonzero(share > 0.5).tolist()
    if found:
        names = listed(column_name(inputs.numeric_columns[k]) for k in found)
        warnings.warn(
            f"Most values of {names} lie outside the bins, which are those of the first call."
            " Begin with rows that are like later ones, or set input_bins=0.",
            UserWarning,
            stacklevel=2,
        )
