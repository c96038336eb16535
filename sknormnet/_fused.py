"""Loops over the elements of arrays, which numba compiles if it is installed and if that pays.

NumPy passes over its arrays once per call. A compiled loop does the work of several calls in one
pass. Each loop stands beside the NumPy calls that it replaces. It does the same operations in the
same order, and without numba's fastmath, so its results are equal to the last bit, NaN included.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

SWITCH = "SKNORMNET_FUSED"

# Bytes of vectors and of batch norm's inputs, over all steps of all fits in this process, from
# which compiled loops pay: importing numba and compiling the loops takes 1.1 s, and they save
# about 0.25 ns a byte. Compiled code is not kept on disk. It would save 0.6 s a process, but a
# fit would then depend on a writable folder and on the space left in it.
BYTES_THAT_PAY = 4e9

_n_bytes_so_far = 0.0


def use_fused(network: Any, n_rows: int, n_steps: int) -> bool:
    """Return whether to train with compiled loops.

    The environment variable SKNORMNET_FUSED decides: "0" for never, "1" for always. If it is not
    set, compiled loops are used from the fit on with which they pay, as estimated for all
    training in this process. Numba is not imported before.

    Parameters
    ----------
    network : Network
        To be trained; it may be a stack.
    n_rows : int
        Number of rows in a batch.
    n_steps : int
        Expected number of training steps.
    """
    global _n_bytes_so_far
    setting = os.environ.get(SWITCH, "")
    if setting not in ("", "0", "1"):
        raise ValueError(f"{SWITCH} must be '0', '1' or not set. Got {setting!r} instead.")
    if setting:
        return setting == "1"
    # Half of the statistics are means: one for each input of batch norm.
    n_bytes_in_step = network.parameters.nbytes + n_rows * network.statistics.nbytes / 2
    _n_bytes_so_far += n_steps * n_bytes_in_step
    return _n_bytes_so_far >= BYTES_THAT_PAY and has_numba()


@cache  # importing a numba that fails takes time
def has_numba() -> bool:
    """Return whether numba can compile."""
    try:
        return not _numba().config.DISABLE_JIT
    except Exception:  # not installed, or not for this version of NumPy
        return False


@cache
def compiled(loop: Callable[..., None], n_axes: int = 2) -> Callable[..., None]:
    """Return a loop as machine code, for arrays with `n_axes` axes; it holds no interpreter lock.

    Parameters
    ----------
    loop : callable
        Works on scalars and on arrays with one or two axes: rows and units. It must be in a
        module, and call nothing but NumPy.
    n_axes : int, default=2
        With 3, the arrays are those of a stack of networks. The loop gets the rows of all networks
        one below the other, and as many rows of parameters as there are networks.
    """
    fast_loop = _numba().njit(nogil=True, error_model="numpy")(loop)
    if n_axes <= 2:
        return fast_loop

    def for_stack(*arrays: np.ndarray) -> None:
        fast_loop(*[np.ascontiguousarray(x.reshape(-1, x.shape[-1])) for x in arrays])

    return for_stack


def _numba() -> Any:
    import numba

    return numba
