"""One output of an estimator as a function of its networks' raw predictions, with its gradient."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, log_expit, log_softmax, logsumexp
from sklearn.base import is_classifier

from sknormnet.inspection.networks import Fitted


class Output(NamedTuple):
    """What is explained.

    Attributes
    ----------
    function : callable ``raws -> values, gradient``
        raws and the gradient have the shape (n_members, n_rows, n_outputs), values (n_rows,).
    unit : float
        About the size of the values: the standard deviation of a standardized target, else 1.
    """

    function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    unit: float


def chosen_output(fitted: Fitted, output: Any) -> Output:
    """Return an output of an estimator: the log odds of a class, or a predicted number.

    Parameters
    ----------
    fitted : Fitted
    output : Any
        A label of a class, or the index of an output; None if there is no choice.
    """
    link = fitted.loss.out_activation
    if is_classifier(fitted.estimator):
        classes = fitted.estimator.classes_.tolist()
        is_binary = link == "logistic" and fitted.estimator.n_outputs_ == 1
        number = _position(output, classes, default=1 if is_binary else None)
        if link == "softmax":
            return Output(lambda raws: _log_odds_of_class(raws, number), 1.0)
        sign, column = (2 * number - 1, 0) if is_binary else (1, number)
        return Output(lambda raws: _log_odds_of_label(raws, column, sign), 1.0)
    if link not in SLOPES:
        raise ValueError(
            f"The out_activation of the loss must be one of {[*SLOPES]}. Got {link!r} instead."
        )
    numbers = [*range(fitted.estimator.n_outputs_)]
    number = _position(output, numbers, default=0 if len(numbers) == 1 else None)
    mean, scale = (np.broadcast_to(x, len(numbers))[number] for x in fitted.target_scaling)

    def predicted(raws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = fitted.loss.inverse_link(raws)[..., number].mean(axis=0)
        return values * scale + mean, SLOPES[link](raws, number) * (scale / len(raws))

    return Output(predicted, float(scale))


def _position(output: Any, choices: list, *, default: int | None) -> int:
    if output is None and default is not None:
        return default
    if output in choices:
        return choices.index(output)
    raise ValueError(f"output must be one of {choices}. Got {output!r} instead.")


def _log_odds_of_label(raws: np.ndarray, column: int, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``sign * log(p / (1 - p))`` for the mean p of the members' probabilities."""
    log_p, log_q = (log_expit(s * raws[..., column]) for s in (1, -1))
    total_p, total_q = (logsumexp(x, axis=0) for x in (log_p, log_q))
    gradient = np.zeros_like(raws)
    # d log(sum(p)) = p q / sum(p), and d log(sum(q)) = -p q / sum(q), with p + q = 1
    share = log_p + log_q
    gradient[..., column] = sign * (np.exp(share - total_p) + np.exp(share - total_q))
    return sign * (total_p - total_q), gradient


def _log_odds_of_class(raws: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``log(p / (1 - p))`` for the mean p of the members' probabilities of a class."""
    log_p = log_softmax(raws, axis=-1)
    others = np.delete(log_p, number, axis=-1)
    of_class, of_others = log_p[..., number], logsumexp(others, axis=-1)
    total_p, total_q = (logsumexp(x, axis=0) for x in (of_class, of_others))
    # As above, with d p = p (1 - p) for the raw prediction of the class, and -p p' for another's
    share = np.logaddexp(of_class - total_p, of_class - total_q)
    gradient = -np.exp(share[..., None] + log_p)
    gradient[..., number] = np.exp(share + of_others)
    return total_p - total_q, gradient


def _slope_of_identity(raws: np.ndarray, number: int) -> np.ndarray:
    slope = np.zeros_like(raws)
    slope[..., number] = 1
    return slope


def _slope_of_exp(raws: np.ndarray, number: int) -> np.ndarray:
    return _slope_of_identity(raws, number) * np.exp(raws)


def _slope_of_quantile(raws: np.ndarray, number: int) -> np.ndarray:
    slope = expit(raws)
    slope[..., 0] = 1
    slope[..., number + 1 :] = 0
    return slope


# Of the inverse link, by its name
SLOPES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "identity": _slope_of_identity,
    "exp": _slope_of_exp,
    "cumulated_softplus": _slope_of_quantile,
}
