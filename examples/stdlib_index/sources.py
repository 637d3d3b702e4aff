"""Sources: which files there are, and what module each of them is."""

import os
import sysconfig
from pathlib import Path

NOT_OURS = {"__pycache__", "site-packages", "dist-packages"}
"""Folders under the standard library that hold what was compiled or installed, not the library."""


def standard_library() -> Path:
    """Where the running Python keeps its standard library."""
    return Path(sysconfig.get_path("stdlib"))


def python_files(root: Path) -> list[str]:
    """Every .py file under a folder, from there, with slashes.

    Sorted, since the same question must have the same answer after a crash.
    """
    found: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        found += (Path(folder, name).relative_to(root).as_posix() for name in files if name.endswith(".py"))
    return sorted(found)


def module_name(path: str) -> str:
    """The dotted name of the module in a file: `json/__init__.py` is json."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def package_name(path: str) -> str:
    """The package that a file's relative imports start from; empty at the top."""
    name = module_name(path)
    return name if path.endswith("/__init__.py") else name.rpartition(".")[0]
