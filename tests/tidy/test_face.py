"""The face hands on what users need: each name once, nothing else, and nothing heavy."""

import ast
import subprocess
import sys
import tomllib

import callboard

from .source import ROOT, imports, read

FACE = read(ROOT / "__init__.py")


def test_the_face_exports_exactly_what_it_imports() -> None:
    names = [
        name
        for found in imports(FACE.tree)
        if found.module.partition(".")[0] == "callboard"
        for name in found.names
    ]
    listed = next(
        ast.literal_eval(node.value)
        for node in FACE.tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    assert sorted(listed) == sorted([*names, "__version__"])


def test_every_name_of_the_face_is_there() -> None:
    assert [name for name in callboard.__all__ if not hasattr(callboard, name)] == []


def test_importing_the_face_loads_no_command_line_and_no_test_kit() -> None:
    program = "import sys, callboard; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-P", "-c", program], check=True, capture_output=True, text=True)
    heavy = {"click", "hypothesis", "cloudpickle", "callboard.console", "callboard.testing"}
    assert heavy & set(loaded.stdout.split()) == set()


def test_the_version_is_the_one_in_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert callboard.__version__ == project["version"]
