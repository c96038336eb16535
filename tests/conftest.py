"""One BLAS thread for each test process: with `pytest -n 2`, two would spin for the same cores.

No window is opened for a picture.
"""

import os

import numpy  # noqa: F401 - its BLAS must be loaded to be limited
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_limits

os.environ["MPLBACKEND"] = "agg"
threadpool_limits(1)
