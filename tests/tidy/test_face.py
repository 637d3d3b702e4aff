"""The face hands on what users need: each name once, nothing else, and nothing heavy."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

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


def test_names_that_come_later_come_from_where_the_checkers_see_them() -> None:
    block = next(node for node in FACE.tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == callboard._LATER
    assert all(getattr(callboard, name).__module__ == module for name, module in seen.items())


def test_names_that_come_later_are_listed_too() -> None:
    assert set(callboard.__all__) <= set(run_alone("import callboard; print(*dir(callboard))"))


# What an import costs: docs/decisions/0017-what-an-import-costs.md


def run_alone(program: str) -> list[str]:
    """The words that a program prints."""
    command = [sys.executable, "-P", "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def test_importing_the_face_loads_no_command_line_and_no_test_kit() -> None:
    loaded = set(run_alone("import sys, callboard; print(*sys.modules)"))
    assert {"click", "hypothesis", "cloudpickle", "callboard.console", "callboard.testing"} & loaded == set()


MOST_MODULES = 127
"""Of ours that `import callboard` loads. Each costs 0.1 ms, empty; lower this when there are fewer."""
FROM_THE_LIBRARY = {"mmap", "resource", "shlex"}
"""What of the standard library we load, and none of our dependencies does."""


def test_importing_the_face_loads_few_modules_of_ours_and_of_the_standard_library() -> None:
    program = """
import sys, attrs, lmdb, msgspec, trio
theirs = {*sys.modules}
import callboard
print(*sys.modules.keys() - theirs)
"""
    loaded = set(run_alone(program))
    ours = {name for name in loaded if name.partition(".")[0] == "callboard"}
    assert len(ours) <= MOST_MODULES, f"{len(ours)}: may some of them be loaded where they are used?"
    assert loaded - ours <= FROM_THE_LIBRARY


def test_importing_the_face_makes_no_class_with_attrs() -> None:
    # One takes 0.4 ms, of which most is compiling; a struct of msgspec takes a twentieth.
    program = """
import sys, attr, callboard
for module in [each for name, each in sys.modules.items() if name.startswith("callboard")]:
    for each in vars(module).values():
        if isinstance(each, type) and each.__module__.startswith("callboard") and attr.has(each):
            print(each.__qualname__)
"""
    assert run_alone(program) == []


def test_a_plain_program_needs_nothing_that_was_put_off(tmp_path: Path) -> None:
    program = f"""
import sys, trio
from callboard import Actor, Node, handler, open_node, run

class Plain(Actor, type_name="tidy.Plain"):
    count: int = 0

    @handler
    async def add(self, number: int) -> int:
        self.count += number
        return self.count

async def main():
    async with open_node({str(tmp_path / "store")!r}) as node:
        plain = await node.spawn(Plain())
        assert await plain.ask(Plain.add(3)) == 3
        node.statistics()

known = {{*sys.modules}}
trio.run(main)
print(*(name for name in sys.modules.keys() - known if name.startswith("callboard")))
"""
    assert run_alone(program) == []


def test_the_version_is_the_one_in_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert callboard.__version__ == project["version"]
