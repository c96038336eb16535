"""Limit the number of BLAS threads while a network trains; independent of networks.

Small matrix products gain nothing from a second BLAS thread. On a machine with other load they
become much slower: the threads of a product wait for each other, and each thread first has to
get a core.
"""

import os
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from sknormnet._dataclasses import dataclass

# Number of multiplications up to which a matrix product gets one BLAS thread. Ratios of the time of
# a fit with one thread to that with two (float32, OpenBLAS, two cores), on an idle machine and
# beside one busy process per core, by the largest product:
#   64 x 448 x 128 (digits)    0.82 and 0.04
#   256 x 128 x 128 = 2^22     1.11 and 0.04
#   256 x 100 x 256            1.3
SMALL_PRODUCT = 2**22


class Limit:
    """A limit of one thread on BLAS libraries, which several calls may hold at the same time.

    The first call lowers the limits and the last call restores them. A limit that was already 1
    is never raised. If a limit is no longer 1 when the last call ends, other code has changed it
    in the meantime, and it is left unchanged.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders: set = set()
        self._lowered: dict[Any, int] = {}  # library -> its previous limit

    def enter(self, holder: object, libraries: list) -> None:
        """Lower the limits to 1 until `holder` leaves."""
        with self._lock:
            self._holders.add(holder)
            for library in libraries:
                n_threads = library.num_threads or 1
                if n_threads > 1:
                    self._lowered[library] = n_threads
                    _set(library, 1)

    def leave(self, holder: object) -> None:
        """Restore the limits if no other holder is left. May be called more than once."""
        with self._lock:
            self._holders.discard(holder)
            if not self._holders:
                self._restore()

    def before(self, library) -> int:
        """Return the limit that a library would have without this object."""
        with self._lock:
            return self._lowered.get(library, library.num_threads or 1)

    def after_fork(self) -> None:
        """In a forked process, drop the calls of the parent's threads, which no longer exist."""
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
    do not undo each other's limits. Here, the lock and the holders of `Limit` ensure this.
    """
    getattr(library, "_real_set_num_threads", library.set_num_threads)(n_threads)


class _ThreadLimits(threading.local):
    """One `Limit` per thread, for libraries whose limit applies to a single thread only."""

    def __init__(self) -> None:
        self.limit = Limit()


_process_limit, _thread_limits = Limit(), _ThreadLimits()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process_limit.after_fork)


@cache  # finding the libraries takes milliseconds
def _libraries() -> tuple[list, list]:
    """Return the BLAS libraries with one limit per process, and those with one per thread.

    A fit uses the libraries of NumPy and SciPy only, which are loaded before this call.
    """
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    per_thread = [x for x in found if getattr(x, "threading_layer", None) == "openmp"]
    return [x for x in found if x not in per_thread], per_thread


def blas_threads() -> int:
    """Return the number of threads that BLAS may use outside of `in_one_thread`."""
    per_process, per_thread = _libraries()
    limits = [_process_limit.before(library) for library in per_process]
    limits += [_thread_limits.limit.before(library) for library in per_thread]
    return max(limits, default=1)


def in_one_thread(function: Callable, *args) -> Any:
    """Call a function with one BLAS thread, and return its result.

    Several threads may make such calls at the same time. When the last of these calls returns or
    raises, the limits from before the first call are restored. The limit of most BLAS libraries
    applies to the whole process, so that products in other threads are slower in the meantime.

    Parameters
    ----------
    function : callable
    *args : object
        Arguments of the function.

    Returns
    -------
    result : object
    """
    holder, (per_process, per_thread) = object(), _libraries()
    try:
        _process_limit.enter(holder, per_process)
        if per_thread:
            _thread_limits.limit.enter(holder, per_thread)
        return function(*args)
    finally:
        try:
            _leave(holder)
        except BaseException:  # such as Ctrl+C while the limits are restored
            _leave(holder)
            raise


def _leave(holder: object) -> None:
    _process_limit.leave(holder)
    _thread_limits.limit.leave(holder)


class Stopped(Exception):
    """Training has stopped because training in another thread has failed or was interrupted."""


@dataclass
class Stop:
    """Stops the networks that are trained in several threads after an error in one of them.

    Attributes
    ----------
    error : BaseException or None
        The first one.
    """

    error: BaseException | None = None

    def at(self, error: BaseException) -> None:
        """Have all networks stop because of this error, unless there was one before."""
        self.error = self.error or error

    def check(self) -> None:
        """Raise `Stopped` if training is to stop."""
        if self.error is not None:
            raise Stopped
