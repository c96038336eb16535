"""Settings of all tests: one BLAS thread per process, and no windows for figures.

With `pytest -n 2` and more BLAS threads, the two processes would compete for the same cores.
"""

import os

import numpy  # noqa: F401 - only a loaded BLAS can be limited
import pytest
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_limits

os.environ["MPLBACKEND"] = "agg"
threadpool_limits(1)


@pytest.fixture
def pyplot():
    """matplotlib.pyplot, whose figures are closed after the test."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield pyplot
    pyplot.close("all")
