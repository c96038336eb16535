"""The limit on BLAS threads: the first call lowers it, the last call always restores it."""

import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sknormnet.training import threads
from sknormnet.training.threads import Limit, blas_threads, in_one_thread


class Library:
    """A stand-in for threadpoolctl's controller of a BLAS library."""

    def __init__(self, n_threads=4):
        self.num_threads = n_threads

    def set_num_threads(self, n_threads):
        self.num_threads = n_threads


class LimitPerThread(threading.local, Library):
    """A library with a separate limit for each thread."""

    threading_layer = "openmp"


class Interrupted(Library):
    """A library that raises KeyboardInterrupt when its limit is read or set the n-th time."""

    def __init__(self, calls):
        self.calls, self.n_threads = calls, 4

    def _count(self):
        self.calls -= 1
        if self.calls == 0:
            raise KeyboardInterrupt

    @property
    def num_threads(self):
        self._count()
        return self.n_threads

    def set_num_threads(self, n_threads):
        self.n_threads = n_threads
        self._count()


@pytest.fixture
def libraries(monkeypatch):
    """Two libraries in place of those that are loaded."""
    shared = [Library(4), Library(1)]
    use(monkeypatch, shared)
    return shared


def use(monkeypatch, shared, own=()):
    monkeypatch.setattr(threads, "_libraries", lambda: (list(shared), list(own)))


def numbers(libraries):
    return [library.num_threads for library in libraries]


def fail():
    raise ValueError("on purpose")


def test_a_call_has_one_thread_and_restores_the_limits(libraries):
    assert in_one_thread(numbers, libraries) == [1, 1]
    assert numbers(libraries) == [4, 1]
    with pytest.raises(ValueError, match="on purpose"):
        in_one_thread(fail)
    assert numbers(libraries) == [4, 1]


def test_nested_calls(libraries):
    def outer():
        return [in_one_thread(numbers, libraries), numbers(libraries), blas_threads()]

    assert in_one_thread(outer) == [[1, 1], [1, 1], 4]
    assert numbers(libraries) == [4, 1]


def test_limits_are_restored_after_overlapping_calls_in_any_order():
    rng = np.random.default_rng(0)
    for _ in range(50):
        library, limit, inside = Library(4), Limit(), []
        for _ in range(12):
            if inside and rng.random() < 0.5:
                limit.leave(inside.pop(rng.integers(len(inside))))
            else:
                inside.append(object())
                limit.enter(inside[-1], [library])
            assert library.num_threads == (1 if inside else 4)
        for holder in inside:
            limit.leave(holder)
        assert library.num_threads == 4


def test_limits_are_restored_after_calls_in_threads(libraries):
    barrier = threading.Barrier(3)

    def work(number):
        for _ in range(100):
            if number == 0:
                with pytest.raises(ValueError, match="on purpose"):
                    in_one_thread(fail)
            assert in_one_thread(numbers, libraries) == [1, 1]
        barrier.wait()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    assert numbers(libraries) == [4, 1]


def test_a_limit_that_other_code_sets_during_a_call_stays(libraries):
    in_one_thread(libraries[0].set_num_threads, 3)
    assert numbers(libraries) == [3, 1]


def test_a_nested_call_lowers_a_limit_that_other_code_has_set(libraries):
    def outer():
        libraries[0].set_num_threads(3)
        return in_one_thread(numbers, libraries)

    assert in_one_thread(outer) == [1, 1]
    assert numbers(libraries) == [3, 1]


@pytest.mark.parametrize("calls", range(1, 6))
def test_limits_are_restored_after_an_interrupt_while_entering_or_leaving(calls, monkeypatch):
    hit = Interrupted(calls)
    shared = [Library(4), hit, Library(2)]
    use(monkeypatch, shared)
    if calls <= 4:  # a call reads and sets the limit when it enters and when it leaves
        with pytest.raises(KeyboardInterrupt):
            in_one_thread(int)
    else:
        in_one_thread(int)
    hit.calls = 0
    assert numbers(shared) == [4, 4, 2]
    assert in_one_thread(numbers, shared) == [1, 1, 1]
    assert numbers(shared) == [4, 4, 2]


def test_each_thread_restores_its_own_limit(monkeypatch):
    library = LimitPerThread()
    use(monkeypatch, [], [library])
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    def first():
        def body():
            first_is_in.set()
            assert second_is_in.wait(10)
            return library.num_threads

        found = in_one_thread(body), library.num_threads
        first_is_out.set()
        return found

    def second():
        def body():
            second_is_in.set()
            assert first_is_out.wait(10)
            return library.num_threads

        assert first_is_in.wait(10)
        return in_one_thread(body), library.num_threads

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.submit(first), pool.submit(second)
        assert one.result() == two.result() == (1, 4)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_forked_during_a_call_has_the_limits_from_before_the_call(libraries):
    def fork():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # about forks with threads
            child = os.fork()
        if child == 0:
            os._exit(0 if numbers(libraries) == [4, 1] else 1)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)

    assert in_one_thread(fork) == 0
    assert numbers(libraries) == [4, 1]
