"""When loops are compiled, and that numba is not imported otherwise."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sknormnet import _fused
from sknormnet._fused import SWITCH, compiled, use_fused


@pytest.fixture
def numba_pays_from(monkeypatch):
    """Pretend that numba is installed, and that compiled loops pay from a number of bytes on."""

    def pays_from(n_bytes, *, installed=True):
        monkeypatch.delenv(SWITCH, raising=False)
        monkeypatch.setattr(_fused, "_n_bytes_so_far", 0.0)
        monkeypatch.setattr(_fused, "BYTES_THAT_PAY", n_bytes)
        monkeypatch.setattr(_fused, "has_numba", lambda: installed)

    return pays_from


def network(n_parameters=10, n_normalized=0):
    parameters, statistics = np.zeros(n_parameters), np.zeros(2 * n_normalized)
    return SimpleNamespace(parameters=parameters, statistics=statistics)


def test_compiled_loops_pay_in_long_training(numba_pays_from):
    numba_pays_from(8000)
    assert not use_fused(network(), n_rows=5, n_steps=99)
    numba_pays_from(8000)
    assert use_fused(network(), n_rows=5, n_steps=100)


def test_inputs_of_batch_norm_count(numba_pays_from):
    numba_pays_from(8 * (10 + 5 * 3))
    assert not use_fused(network(), n_rows=5, n_steps=1)
    assert use_fused(network(n_normalized=3), n_rows=5, n_steps=1)


def test_many_short_fits_pay_as_one_long_fit(numba_pays_from):
    numba_pays_from(8000)
    used = [use_fused(network(), n_rows=5, n_steps=40) for _ in range(4)]
    assert used == [False, False, True, True]


def test_without_numba_nothing_is_compiled(numba_pays_from):
    numba_pays_from(0, installed=False)
    assert not use_fused(network(), n_rows=5, n_steps=100)


@pytest.mark.parametrize(("setting", "used"), [("0", False), ("1", True)])
@pytest.mark.parametrize("n_bytes", [0, 1e9])
def test_the_environment_variable_decides(setting, used, n_bytes, numba_pays_from, monkeypatch):
    numba_pays_from(n_bytes)
    monkeypatch.setenv(SWITCH, setting)
    assert use_fused(network(), n_rows=5, n_steps=1) is used


def test_other_values_of_the_environment_variable_are_errors(monkeypatch):
    monkeypatch.setenv(SWITCH, "off")
    with pytest.raises(
        ValueError, match=r"SKNORMNET_FUSED must be '0', '1' or not set\. Got 'off'"
    ):
        use_fused(network(), n_rows=5, n_steps=1)


@pytest.mark.parametrize(("setting", "n_steps"), [("0", 1e30), ("", 1)])
def test_numba_is_not_imported_unless_it_is_used(setting, n_steps):
    code = f"""
import os, sys
os.environ[{SWITCH!r}] = {setting!r}
from types import SimpleNamespace
import numpy as np
from sknormnet import NormNetClassifier
from sknormnet._fused import use_fused
from sknormnet.training.optimizers import Adam
NormNetClassifier((5,), max_iter=2).fit(np.arange(20.0).reshape(10, 2) / 20, [0, 1] * 5)
p, g = np.zeros((2, 10))
network = SimpleNamespace(parameters=p, statistics=np.zeros(0))
Adam().updater(p, g, Adam().start(p), fused=use_fused(network, 10, {n_steps}))
print("numba" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False"]


def test_a_numba_that_cannot_be_imported_is_not_used(monkeypatch):
    def fail():
        raise ImportError("Numba needs NumPy 2.3 or less.")

    monkeypatch.setattr(_fused, "_numba", fail)
    assert not _fused.has_numba.__wrapped__()


def add(x, row, y):
    n_rows = len(x) // len(row)
    for i in range(len(x)):
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] + row[i // n_rows, j]


@pytest.mark.parametrize("stack_shape", [(), (2,)])
def test_rows_of_a_stack_lie_one_below_the_other(stack_shape, loops):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(*stack_shape, 4, 3)), np.zeros((*stack_shape, 4, 3))
    row = rng.normal(size=(*stack_shape, 5))[..., None, 1:4]  # a view that is not contiguous
    _fused.compiled(add, x.ndim)(x, row, y)
    assert_array_equal(y, x + row)


def test_a_loop_is_compiled_once():
    pytest.importorskip("numba")
    assert compiled(add) is compiled(add)
