"""The public names of the package, as tab completion shows them."""

import subprocess
import sys
from types import ModuleType

import pytest

import sknormnet
from sknormnet import inspection

MODULES = {"inspection", "nn", "training"}


def test_dir_shows_the_public_names():
    assert dir(sknormnet) == sorted({*sknormnet.__all__, *MODULES})
    assert {"PackedGridSearchCV", "PackedHalvingGridSearchCV"} < {*dir(sknormnet)}
    assert dir(inspection) == sorted(inspection.__all__)


@pytest.mark.parametrize("module", [sknormnet, inspection], ids=lambda x: x.__name__)
def test_dir_shows_only_existing_public_names(module):
    for name in dir(module):
        assert not name.startswith("_") or name == "__version__"
        assert isinstance(getattr(module, name), ModuleType) == (name in MODULES)
        assert name not in ("Any", "TYPE_CHECKING")


def test_unknown_attributes_raise_an_error():
    with pytest.raises(AttributeError, match="module 'sknormnet' has no attribute 'typo'"):
        _ = sknormnet.typo


def test_searches_inspection_and_linear_models_are_imported_lazily():
    code = """
import sys, sknormnet
dir(sknormnet)
lazy = "inspection", "estimators.search", "estimators.halving"
lazy = ["sknormnet." + name for name in lazy]
assert not any(name in sys.modules for name in lazy)
assert "sknormnet.estimators.linearity" not in sys.modules  # it imports linear models
assert sknormnet.inspection.layer_statistics
assert sknormnet.PackedGridSearchCV
assert "sknormnet.estimators.halving" not in sys.modules
assert sknormnet.PackedHalvingRandomSearchCV
assert all(name in sys.modules for name in lazy)
assert "matplotlib" not in sys.modules
"""
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


@pytest.mark.parametrize(
    ("module", "package", "advice"),
    [
        ("sknormnet.onnx", "skl2onnx", "pip install skl2onnx onnxruntime"),
        ("sknormnet.dask", "dask", "dask[dataframe]"),
    ],
)
def test_modules_of_extras_are_imported_only_when_asked_for(module, package, advice):
    code = f"""
import importlib, sys, sknormnet, sknormnet.estimators.search, sknormnet.inspection
assert not {{"{module}", "{package}"}} & {{*sys.modules}}
sys.modules["{package}"] = None  # as if it were not installed
try:
    importlib.import_module("{module}")
except ImportError as error:
    assert {advice!r} in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
