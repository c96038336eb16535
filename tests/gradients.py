"""The numeric derivative with which the tests check every gradient."""

import numpy as np
from numpy.testing import assert_allclose

STEP = 6e-6  # the cube root of float64's epsilon, where a central difference is most accurate


def check_vjp(function, x, *, seed=0, rtol=1e-6):
    """Compare a vector-Jacobian product with a central difference in one random direction.

    `function` takes an array of the shape of `x` and returns ``y, backward``. ``backward(d_y)``
    returns the derivative of ``sum(d_y * y)`` with respect to this array. `y` and the result of
    backward may be buffers that the next call overwrites, and backward may overwrite `d_y`.
    """
    rng = np.random.default_rng(seed)
    x = np.array(x, np.float64)
    direction = rng.normal(size=x.shape)
    direction *= STEP / np.linalg.norm(direction)

    y, backward = function(x.copy())
    d_y = rng.normal(size=np.shape(y))
    analytic = np.vdot(backward(d_y.copy()), direction)

    above = np.array(function(x + direction)[0], np.float64)
    below = np.array(function(x - direction)[0], np.float64)
    numeric = np.vdot(d_y, above - below) / 2

    assert_allclose(analytic / STEP, numeric / STEP, rtol=rtol, atol=0)
