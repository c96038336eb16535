"""Which part of the package may import which: the arrows point down only."""

import ast
from pathlib import Path

import pytest

import sknormnet

ROOT = Path(sknormnet.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# part -> what it may import of the project; the parts not named here, anything
ALLOWED = {
    "_aligned": [],
    "_choices": [],
    "nn": ["sknormnet.nn", "sknormnet._aligned", "sknormnet._choices"],
    "training": ["sknormnet.training", "sknormnet._aligned", "sknormnet._choices"],
    "estimators": [
        *("sknormnet.estimators", "sknormnet.training", "sknormnet.nn"),
        *("sknormnet._aligned", "sknormnet._choices"),
    ],
}
WITHOUT_SKLEARN = {"_aligned", "_choices", "nn"}


def imports(source: str) -> list[str]:
    """Every module and every name that the source imports, in full."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found += [f"{module}.{name.name}" for name in node.names]
    return found


def part(path: Path) -> str:
    """The folder of the package that a file is in, or the name of one that is in none."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def within(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def is_private_to_sklearn(name: str) -> bool:
    return within(name, "sklearn") and any(x.startswith("_") for x in name.split("."))


def test_imports_are_found_wherever_and_however_they_are_written():
    source = "import a.b as c\ndef f():\n    from d.e import g, h\n    from . import i\n"
    assert imports(source) == ["a.b", "d.e.g", "d.e.h", "..i"]


def test_every_part_is_where_the_rules_look_for_it():
    assert {part(path) for path in FILES} >= {*ALLOWED, "inspection", "__init__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_down(path):
    names = imports(path.read_text())
    assert not [name for name in names if name.startswith(".")], "relative imports hide arrows"
    for name in names:
        if within(name, "sknormnet"):
            assert any(within(name, x) for x in ALLOWED.get(part(path), ["sknormnet"])), name
        if part(path) in WITHOUT_SKLEARN:
            assert not within(name, "sklearn"), name


def test_private_names_of_sklearn_are_imported_in_one_file():
    users = {path for path in FILES if any(map(is_private_to_sklearn, imports(path.read_text())))}
    assert users == {ROOT / "estimators" / "_sklearn.py"}
