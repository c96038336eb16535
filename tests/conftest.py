"""Settings of all tests: one BLAS thread per process, and no windows for figures; one fixture.

With `pytest -n 2` and more BLAS threads, the two processes would compete for the same cores.
"""

import os
from types import SimpleNamespace

import numpy  # noqa: F401 - only a loaded BLAS can be limited
import pytest
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_limits

from sknormnet import _fused
from sknormnet.nn import losses
from sknormnet.nn.layers import batchnorm
from sknormnet.training import optimizers

os.environ["MPLBACKEND"] = "agg"
threadpool_limits(1)


@pytest.fixture
def pyplot():
    """matplotlib.pyplot, whose figures are closed after the test."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield pyplot
    pyplot.close("all")


@pytest.fixture(params=["in Python", "compiled"])
def loops(request, monkeypatch):
    """Run the loops that numba compiles as they are, and compiled if numba is installed."""
    if request.param == "compiled":
        pytest.importorskip("numba")
        return
    uncached = _fused.compiled.__wrapped__
    for module in (_fused, batchnorm, losses, optimizers):
        monkeypatch.setattr(module, "compiled", uncached)
    as_it_is = SimpleNamespace(njit=lambda **options: lambda loop: loop)
    monkeypatch.setattr(_fused, "_numba", lambda: as_it_is)
