"""Full-batch training with L-BFGS from scipy.optimize."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from sknormnet.training.batches import Batch
from sknormnet.training.loop import objective


def lbfgs(
    network,
    loss,
    batch: Batch,
    *,
    alpha: float | None,
    max_iter: int,
    max_fun: int,
    tol: float,
    report: Callable[[float], Any],
) -> OptimizeResult:
    """Train with L-BFGS on all rows at once.

    Parameters
    ----------
    network : Network
        Its parameters are replaced by the best parameters found.
    loss : Loss
    batch : Batch
        All training rows.
    alpha : float or None
        Strength of the L2 penalty.
    max_iter, max_fun : int
        Maximum number of iterations and of evaluations of the loss.
    tol : float
        Stop when no element of the gradient exceeds `tol` in absolute value.
    report : callable ``loss -> bool``
        Called with the loss after each iteration; returns whether to stop.

    Returns
    -------
    result : scipy.optimize.OptimizeResult
    """
    evaluate, gradient = objective(network, loss, alpha=alpha)

    def value_and_gradient(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        network.parameters[...] = parameters
        return evaluate(batch, None), gradient.astype(np.float64)

    def after_iteration(intermediate_result: OptimizeResult) -> None:
        if report(float(intermediate_result.fun)):
            raise StopIteration

    result = minimize(
        value_and_gradient,
        network.parameters.astype(np.float64),
        method="L-BFGS-B",
        jac=True,
        callback=after_iteration,
        options={"maxiter": max_iter, "maxfun": max_fun, "gtol": tol},
    )
    network.parameters[...] = result.x
    return result
