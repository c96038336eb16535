"""How many threads BLAS may use while a network trains; knows nothing of networks.

Small matrix products gain nothing from a second BLAS thread. On a machine that does anything
else as well, they lose a lot: the threads of a product wait for each other, and each of them
has to get a core first.
"""

import os
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

# Multiplications of a matrix product up to which it gets one BLAS thread. Measured with OpenBLAS
# on two idle cores, time with two threads / time with one, float32 and float64:
#   64 x 128 x 128 = 2^20    0.88 and 0.75, for 4 and 12 us that a fit does not notice
#   128 x 128 x 128 = 2^21   0.83 and 0.72
#   256 x 128 x 128 = 2^22   0.60 and 0.60, as for all larger ones
SMALL_PRODUCT = 2**21


class Limit:
    """A limit of one thread on some BLAS libraries, which several calls may want at a time.

    The first call lowers the limits, the last one restores them. A limit that was 1 already is
    never raised. If a limit is not 1 any more when the last call ends, other code has set it
    meanwhile, and it stays.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders: set = set()
        self._lowered: dict[Any, int] = {}  # library -> its limit before

    def enter(self, holder: object, libraries: list) -> None:
        """Lower the limits to 1, until `holder` leaves."""
        with self._lock:
            self._holders.add(holder)
            for library in libraries:
                n_threads = library.num_threads or 1
                if n_threads > 1:
                    self._lowered[library] = n_threads
                    _set(library, 1)

    def leave(self, holder: object) -> None:
        """Restore the limits, if nobody else needs them to be 1. May be called again."""
        with self._lock:
            self._holders.discard(holder)
            if not self._holders:
                self._restore()

    def before(self, library) -> int:
        """Return the limit of a library without this one."""
        with self._lock:
            return self._lowered.get(library, library.num_threads or 1)

    def after_fork(self) -> None:
        """In a new process, forget the calls of the old one's threads, which it has not."""
        self._lock = threading.Lock()
        self._holders.clear()
        self._restore()

    def _restore(self) -> None:
        for library, n_threads in self._lowered.items():
            if library.num_threads == 1:
                _set(library, n_threads)
        self._lowered.clear()


def _set(library, n_threads: int) -> None:
    """Set the limit of a library, from any thread.

    From threadpoolctl 3.8 on, `set_num_threads` does nothing in most threads, so that threads
    do not undo each other's limits. The lock and the holders of `Limit` see to that here.
    """
    getattr(library, "_real_set_num_threads", library.set_num_threads)(n_threads)


class _ThreadLimits(threading.local):
    """A `Limit` for each thread, for libraries whose limit holds for one thread only."""

    def __init__(self) -> None:
        self.limit = Limit()


_process_limit, _thread_limits = Limit(), _ThreadLimits()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process_limit.after_fork)


@cache  # it takes milliseconds to find the libraries
def _libraries() -> tuple[list, list]:
    """BLAS libraries whose limit is the process's, and those where each thread has its own.

    The products of a fit are NumPy's and SciPy's, whose libraries are loaded by now; those that
    are loaded later are not needed.
    """
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    own = [x for x in found if getattr(x, "threading_layer", None) == "openmp"]
    return [x for x in found if x not in own], own


def blas_threads() -> int:
    """Return the number of threads that BLAS may use when no call is in `in_one_thread`."""
    shared, own = _libraries()
    numbers = [_process_limit.before(library) for library in shared]
    numbers += [_thread_limits.limit.before(library) for library in own]
    return max(numbers, default=1)


def in_one_thread(function: Callable, *args) -> Any:
    """Call a function with one BLAS thread; return what it returns.

    Several threads may be in such calls at a time. After the last of them, the limits are what
    they were before the first, whether the calls have returned or raised. The limit of most BLAS
    libraries holds for the process, so that products in other threads are slower meanwhile.

    Parameters
    ----------
    function : callable
    *args : object
        What it is called with.

    Returns
    -------
    result : object
    """
    holder, (shared, own) = object(), _libraries()
    try:
        _process_limit.enter(holder, shared)
        if own:
            _thread_limits.limit.enter(holder, own)
        return function(*args)
    finally:
        try:
            _leave(holder)
        except BaseException:  # Ctrl+C in the midst of it
            _leave(holder)
            raise


def _leave(holder: object) -> None:
    _process_limit.leave(holder)
    _thread_limits.limit.leave(holder)
