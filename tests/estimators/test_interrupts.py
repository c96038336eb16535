"""Ctrl+C: the call ends with KeyboardInterrupt, and the estimator is what it was before."""

import copy
import signal
import sys
import threading
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_info

import sknormnet
from sknormnet import Activation, NormNetClassifier, PackedGridSearchCV
from sknormnet.training import stacks

pytestmark = pytest.mark.filterwarnings("ignore:lbfgs failed to converge")

X, Y = load_iris(return_X_y=True)
X = scale(X)
PACKAGE = str(Path(sknormnet.__file__).parent)


def thread_pools():
    """Return the state of all thread pools; their order changes from call to call."""
    return sorted(threadpool_info(), key=lambda pool: pool["filepath"])


class Interrupts:
    """An activation that is interrupted at its n-th call, from whatever thread it comes."""

    def __init__(self):
        self.activation = Activation("interrupts", self._function, self._derivative)
        self.at_call, self.n_calls = None, 0

    def __deepcopy__(self, memo):
        return self

    def _function(self, z, out):
        self.n_calls += 1
        if self.n_calls == self.at_call:
            raise KeyboardInterrupt
        return np.tanh(z, out=out)

    def _derivative(self, z, y, out):
        return np.subtract(1, y * y, out=out)


def fit(model):
    return model.fit(X[30:], Y[30:] % 2)  # other classes than the first call's


def warm_start(model):
    return model.set_params(warm_start=True).fit(X[10:], Y[10:])


def partial_fit(model):
    return model.partial_fit(X[10:], Y[10:])


KINDS = {
    "single": {},
    "early stopping": {"early_stopping": True},
    "scorer": {"early_stopping": True, "scoring": "accuracy", "keep_prob": 0.8},
    "sgd": {"solver": "sgd", "batchnorm": False},
    "stack": {"n_members": 3},
    "in threads": {"n_members": 4},
    "in turn": {"n_members": 3},
    "in threads, early stopping": {"n_members": 4, "early_stopping": True},
    "lbfgs": {"solver": "lbfgs", "keep_prob": 1.0},
    "lbfgs in threads": {"solver": "lbfgs", "keep_prob": 1.0, "n_members": 3},
}
CALLS = {"fit": fit, "warm_start": warm_start, "partial_fit": partial_fit}
PAIRS = [
    (kind, call)
    for kind in KINDS
    for call in CALLS
    if not (call == "partial_fit" and ("lbfgs" in kind or "early" in kind or kind == "scorer"))
]


def fitted(kind, activation, monkeypatch):
    """A fitted model of this kind; ensembles are cut so that they train in that way."""
    if "in threads" in kind or kind == "in turn":
        monkeypatch.setattr(stacks, "CACHE", 1)
    monkeypatch.setattr(stacks, "blas_threads", lambda: 3 if "in threads" in kind else 1)
    model = NormNetClassifier((6,), activation=activation, max_iter=3, random_state=0)
    return model.set_params(**KINDS[kind]).fit(X, Y)


def state(model):
    """All attributes, with arrays as bytes."""
    seen = {
        name: repr(value)
        for name, value in vars(model).items()
        if name not in {"_networks", "_states"}
    }
    for name in ("coefs_", "intercepts_", "gammas_", "betas_", "running_means_", "running_vars_"):
        seen[name] = [array.tobytes() for array in getattr(model, name)]
    return seen | {"predictions": model.predict_proba(X).tobytes()}


@pytest.mark.parametrize(("kind", "call"), PAIRS)
def test_an_interrupt_while_training_undoes_the_call(kind, call, monkeypatch):
    interrupts = Interrupts()
    model = fitted(kind, interrupts.activation, monkeypatch)
    before = state(model)
    interrupts.n_calls = 0
    after = CALLS[call](copy.deepcopy(model)).predict_proba(X)
    n_calls = interrupts.n_calls - KINDS[kind].get("n_members", 1)  # without the prediction
    for at_call in {*np.linspace(1, n_calls, 12).astype(int), n_calls}:
        interrupts.n_calls, interrupts.at_call = 0, at_call
        with pytest.raises(KeyboardInterrupt):
            CALLS[call](model.set_params(warm_start=False))
        interrupts.at_call = None
        assert state(model.set_params(warm_start=False)) == before
    assert_array_equal(CALLS[call](model).predict_proba(X), after)


def lines_of(function, *, interrupt_at=None):
    """Call a function, and count the lines of the package that it runs.

    KeyboardInterrupt is raised at the line of a number. The lines of the BLAS limit do not count:
    a lock's release, which no signal can part from its block, may be parted from it here.
    """
    n_lines = 0

    def trace(frame, event, arg):
        nonlocal n_lines
        path = frame.f_code.co_filename
        if not path.startswith(PACKAGE) or path.endswith("threads.py"):
            return None
        if event == "line":
            n_lines += 1
            if n_lines == interrupt_at:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return n_lines


@pytest.mark.parametrize(
    ("kind", "call"),
    [(kind, "fit") for kind in ("single", "scorer", "stack", "lbfgs")]
    + [("single", "partial_fit"), ("scorer", "warm_start")],
)
def test_an_interrupt_anywhere_undoes_the_call(kind, call, monkeypatch):
    model = fitted(kind, "relu", monkeypatch).set_params(
        max_iter=1, warm_start=call == "warm_start"
    )
    before = state(model)
    for _ in range(2):  # the first call fills caches
        other = object.__new__(type(model))
        vars(other).update(vars(model))
        n_lines = lines_of(lambda other=other: CALLS[call](other))
    assert state(model) == before
    # Some of all lines, and each of the last ones, which set the attributes.
    last = range(n_lines - 100, n_lines - 2)  # the call is over then
    for line in {*np.linspace(1, n_lines - 100, 30).astype(int).tolist(), *last}:
        with pytest.raises(KeyboardInterrupt):
            lines_of(lambda: CALLS[call](model), interrupt_at=line)
        assert state(model) == before, line


@pytest.fixture
def handles_sigint():
    """Python's handler of Ctrl+C, which processes in the background start without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("handles_sigint")
@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent differently")
@pytest.mark.parametrize("way", ["in threads", "in turn", "stack", "single", "lbfgs"])
def test_a_signal_ends_the_call_and_every_thread_of_it(way, monkeypatch):
    calls, numbers = [], count(21)

    def function(z, out):
        calls.append(1)
        # L-BFGS may be done before another thread that waits for this call sends the signal.
        if next(numbers) == 20:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return np.tanh(z, out=out)

    def derivative(z, y, out):
        return np.subtract(1, y * y, out=out)

    model = fitted(way, Activation("counts", function, derivative), monkeypatch)
    before, limits = state(model), thread_pools()
    model.set_params(max_iter=100_000, n_iter_no_change=np.inf, tol=0, max_fun=10**9)
    n_threads = threading.active_count()
    numbers = count()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    n_calls = len(calls)
    time.sleep(0.05)
    assert len(calls) == n_calls  # no thread trains on
    assert threading.active_count() == n_threads
    assert thread_pools() == limits
    parameters = {"max_iter": 3, "n_iter_no_change": 10, "tol": 1e-4, "max_fun": 15000}
    assert state(model.set_params(**parameters)) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_members_in_other_threads_stop_when_one_fails(error, monkeypatch):
    others_epochs, lock = [], threading.Lock()
    first = []

    def score(model, X, y):
        with lock:
            if not first:
                first.append(threading.get_ident())
        if threading.get_ident() == first[0]:
            raise error("on purpose")
        others_epochs.append(1)
        return 0.5

    monkeypatch.setattr(stacks, "CACHE", 1)
    monkeypatch.setattr(stacks, "blas_threads", lambda: 2)
    model = NormNetClassifier((6,), n_members=6, max_iter=2000, scoring=score)
    model.set_params(early_stopping=True, n_iter_no_change=np.inf)
    with pytest.raises(error, match="on purpose"):
        model.fit(X, Y)
    assert len(others_epochs) < 1000  # of 10,000


@pytest.mark.parametrize("search", [GridSearchCV, PackedGridSearchCV])
@pytest.mark.parametrize("at_call", [1, 10, 25])
def test_an_interrupt_ends_a_search(search, at_call):
    interrupts = Interrupts()
    model = NormNetClassifier((6,), max_iter=3, random_state=0, activation=interrupts.activation)
    search = search(model, {"alpha": [0, 1, 2]}, cv=3)
    interrupts.at_call = at_call
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert not hasattr(search, "cv_results_")
    interrupts.at_call = None
    assert np.isfinite(search.fit(X, Y).best_score_)


def test_an_interrupted_first_call_leaves_the_model_unfitted():
    interrupts = Interrupts()
    interrupts.at_call = 5
    model = NormNetClassifier((6,), activation=interrupts.activation, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert vars(model) == vars(clone(model))
