"""Files for releases agree with pyproject.toml and with each other."""

import re
import tomllib
from pathlib import Path

import pytest

import sknormnet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RECIPE = ".github/conda/recipe.yaml"
TESTS = ".github/workflows/tests.yml"
WITH_HOME = [
    "pyproject.toml",
    "CITATION.cff",
    ".github/ISSUE_TEMPLATE/config.yml",
    ".github/SECURITY.md",
    RECIPE,
]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def field(name: str, key: str) -> str:
    """The value of the first line of a YAML file that begins with the key."""
    return re.findall(rf'^ *{key}: "?([^"\n]+)', text(name), re.MULTILINE)[0]


def lower_bounds(requirements: list[str]) -> dict[str, str]:
    return dict(requirement.replace(" ", "").split(">=") for requirement in requirements)


def list_in(name: str, key: str) -> list[str]:
    """The items of the only list of a YAML file that has this key."""
    (items,) = re.findall(rf"^( *){key}:\n((?:\1  - .*\n)+)", text(name), re.MULTILINE)
    return re.findall(r"- (.*)", items[1])


def rows(job: str) -> list[list[str]]:
    """The rows of the table of compatible versions that name a job."""
    lines = [line for line in text("docs/compatibility.md").splitlines() if f"`{job}` |" in line]
    return [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines]


@pytest.mark.parametrize("name", WITH_HOME)
def test_the_project_has_one_home(name):
    home = PROJECT["project"]["urls"]["Source"]
    docs = PROJECT["project"]["urls"]["Documentation"]
    urls = re.findall(r"https://\w+\.com/[\w.-]+/[\w.-]+", text(name).replace("raw.", ""))
    assert {url.replace("githubusercontent", "github") for url in urls} == {home}
    assert {*re.findall(r"https://[\w.-]+\.readthedocs\.io", text(name))} <= {docs}


@pytest.mark.parametrize("name", ["CITATION.cff", RECIPE])
def test_version_and_license_are_those_of_the_package(name):
    assert field(name, "version") == sknormnet.__version__
    assert field(name, "license") == PROJECT["project"]["license"]


def test_the_recipe_has_the_requirements_of_the_package():
    python = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert field(RECIPE, "python_min") == python
    assert list_in(RECIPE, "host")[:2] == ["python ${{ python_min }}.*", "pip"]
    built_with = PROJECT["build-system"]["requires"]
    assert lower_bounds(list_in(RECIPE, "host")[2:]) == lower_bounds(built_with)
    assert lower_bounds(list_in(RECIPE, "run")) == {
        "python": "${{python_min}}",
        **lower_bounds(PROJECT["project"]["dependencies"]),
    }
    assert field(RECIPE, "summary") == PROJECT["project"]["description"]


def test_all_promised_versions_of_python_are_tested():
    classifiers = " ".join(PROJECT["project"]["classifiers"])
    promised = re.findall(r"Python :: (3\.\d+)", classifiers)
    (tested,) = re.findall(r"^ +python: \[(.*)\]", text(TESTS), re.MULTILINE)
    assert tested == ", ".join(f'"{version}"' for version in promised)
    assert rows("tests") == [
        [", ".join(promised), "newest", "newest", "newest", "Linux, macOS, Windows"]
    ]
    assert f">={promised[0]}" == PROJECT["project"]["requires-python"]


def test_the_table_of_versions_is_that_of_the_jobs():
    oldest = lower_bounds(PROJECT["project"]["dependencies"])
    names = "numpy", "scipy", "scikit-learn"
    assert rows("oldest") == [["3.11", *(oldest[name] for name in names), "Linux"]]
    lines = re.findall(r"^ +- \{ (python: .*) \}", text(TESTS), re.MULTILINE)
    jobs = [dict(re.findall(r'([\w-]+): "([\d.]+)"', line)) for line in lines]
    assert len(jobs) == 3
    assert rows("between") == [[*(job[x] for x in ("python", *names)), "Linux"] for job in jobs]


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda x: x.name
)
def test_actions_are_pinned_by_hash_with_their_version(path):
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\$/\.github/.*", action)
