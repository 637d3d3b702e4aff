"""The lists that packaging and type checkers go by name every folder there is.

A checker that reads nothing also finds nothing. `./check` compares the number of files that mypy and
pyright say they read with the number there are; these tests hold the lists they start from.
"""

import tomllib
from typing import Any

import pytest

from .source import BESIDE, FLOORS, ROOT, package

TYPED = ("tests", "examples")
"""What the checkers read beside the package; benchmarks are plain scripts, ruff alone reads them."""

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TOOL = PROJECT["tool"]


def test_every_folder_with_code_in_the_package_ships() -> None:
    folders = {source.path.rpartition("/")[0].replace("/", ".") for source in package()}
    packages = {name.removeprefix("callboard").lstrip(".") for name in TOOL["setuptools"]["packages"]}
    assert packages == folders == {"", *FLOORS}


def test_no_folder_with_code_is_unknown_to_these_tests() -> None:
    top = (path for path in ROOT.iterdir() if not path.name.startswith((".", "build", "dist")))
    folders = {path.name for path in top if path.is_dir() and any(path.rglob("*.py"))}
    assert folders <= {*FLOORS, *BESIDE}


def test_mypy_reads_every_folder() -> None:
    assert TOOL["mypy"]["files"] == [".typing/callboard", *TYPED]


def test_pyright_reads_every_folder() -> None:
    assert set(TOOL["pyright"]["include"]) == {"*.py", *FLOORS, *TYPED}


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py", "py.typed", *FLOORS])
def test_the_folder_of_links_shows_the_real_files(name: str) -> None:
    assert (ROOT / ".typing/callboard" / name).resolve() == ROOT / name
