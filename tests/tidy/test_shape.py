"""Small files, small functions, no leftovers, names that say something, a docstring on all that is public."""

import ast
import re
from collections.abc import Collection, Iterator

import pytest

from .source import BESIDE, Source, agree, everything, package

FILE_LINES, TEST_FILE_LINES, FUNCTION_LINES = 300, 500, 60

LONG_FILES: dict[str, int] = {}
"""Files past the limit and the lines they may have: a ratchet, it only ever shrinks."""

LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
EMPTY_NAMES = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py", "base.py"}
EMPTY_CLASSES = re.compile(r"(Manager|Helper|Utils?)$")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def oversized(source: Source, allowed: dict[str, int]) -> Iterator[str]:
    """A file or functions that grew past their limit, and allowances that are larger than needed."""
    limit = TEST_FILE_LINES if source.folder in BESIDE else FILE_LINES
    lines = len(source.text.splitlines())
    if lines > allowed.get(source.path, limit):
        yield f"{source.path}: {lines} lines; does it hold two nouns?"
    elif lines < allowed.get(source.path, 0):
        yield f"{source.path}: {lines} lines now; let the ratchet follow"
    for node in ast.walk(source.tree):
        if isinstance(node, Function):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield source.at(node.lineno, f"{node.name} has {lines} lines; parents branch, leaves compute")


def leftovers(source: Source) -> Iterator[str]:
    """Notes to oneself: decide it, or open an issue."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if LEFTOVER.search(line):
            yield source.at(number, line.strip())


def empty_names(source: Source) -> Iterator[str]:
    """Names that would fit anything."""
    if source.path.rpartition("/")[2] in EMPTY_NAMES:
        yield f"{source.path}: name the noun it holds"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and EMPTY_CLASSES.search(node.name):
            yield source.at(node.lineno, f"{node.name}: name what it is")


def undocumented(source: Source, told: Collection[str] = ()) -> Iterator[str]:
    """Public things without a docstring, the file itself among them.

    A method of a class with bases needs none if it is `told` elsewhere: help() finds it there.
    """
    if not ast.get_docstring(source.tree):
        yield f"{source.path}: the file has no docstring"
    for node, inherits in public(source.tree):
        if not ast.get_docstring(node) and not (inherits and node.name in told):
            yield source.at(node.lineno, f"{node.name} has no docstring")


def public(scope: ast.Module | ast.ClassDef) -> Iterator[tuple[ast.ClassDef | Function, bool]]:
    """Public classes, functions and methods, and whether each may stand in for an inherited one."""
    for node in scope.body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            marks = {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}
            if not marks & {"overload", "override", "setter"}:
                yield node, isinstance(scope, ast.ClassDef) and bool(scope.bases)
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def methods_told(source: Source) -> Iterator[str]:
    """Names of the methods of a file that have a docstring."""
    for scope in ast.walk(source.tree):
        if isinstance(scope, ast.ClassDef):
            yield from (node.name for node, _ in public(scope) if ast.get_docstring(node))


def test_files_and_functions_stay_small() -> None:
    agree(found for source in everything() for found in oversized(source, LONG_FILES))


def test_every_allowance_is_for_a_file_that_exists() -> None:
    assert set(LONG_FILES) <= {source.path for source in package()}


def test_nothing_is_left_for_later_in_the_code() -> None:
    agree(found for source in everything() for found in leftovers(source))


def test_names_say_something() -> None:
    agree(found for source in everything() for found in empty_names(source))


def test_all_that_is_public_has_a_docstring() -> None:
    told = {name for source in package() for name in methods_told(source)}
    agree(found for source in package() for found in undocumented(source, told))


LONG = '"""Doc."""\n' + "x = 1\n" * FILE_LINES


def test_a_long_file_is_found_unless_the_ratchet_allows_exactly_it() -> None:
    assert len(list(oversized(Source("actors/cell.py", LONG), {}))) == 1
    assert len(list(oversized(Source("actors/cell.py", LONG), {"actors/cell.py": 300}))) == 1
    assert len(list(oversized(Source("actors/cell.py", LONG), {"actors/cell.py": 302}))) == 1
    assert list(oversized(Source("actors/cell.py", LONG), {"actors/cell.py": 301})) == []
    assert list(oversized(Source("tests/test_cell.py", LONG), {})) == []


def test_a_long_function_is_found() -> None:
    body = "async def f():\n" + "    x = 1\n" * FUNCTION_LINES
    assert len(list(oversized(Source("tests/test_cell.py", body), {}))) == 1


@pytest.mark.parametrize("word", ["TO.DO", "FIX.ME", "X.XX", "HA.CK"])
def test_a_leftover_is_found(word: str) -> None:
    text = f"x = 1  # {word.replace('.', '')}: later\nTODOS = 2"
    assert len(list(leftovers(Source("actors/cell.py", text)))) == 1


def test_an_empty_name_is_found() -> None:
    assert len(list(empty_names(Source("actors/utils.py", "class CellManager: ...")))) == 2


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n    x = 1",
        "def f(): ...",
        "async def f(): ...",
        '"""Doc."""\nclass A:\n    """Doc."""\n    def f(self): ...',
        '"""Doc."""\nclass A:\n    """Doc."""\n    class B: ...',
    ],
)
def test_a_missing_docstring_is_found(text: str) -> None:
    assert list(undocumented(Source("actors/cell.py", text))) != []


def test_what_is_private_or_an_overload_needs_no_docstring() -> None:
    text = '"""Doc."""\ndef _f(): ...\n@overload\ndef g(): ...\nclass _A:\n    def f(self): ...'
    assert list(undocumented(Source("actors/cell.py", text))) == []


def test_an_inherited_method_needs_a_docstring_only_once() -> None:
    base = '"""Doc."""\nclass A:\n    """Doc."""\n    def f(self):\n        """Doc."""\n'
    heir = 'class B(A):\n    """Doc."""\n    def f(self): ...\n'
    told = set(methods_told(Source("actors/cell.py", base)))
    assert told == {"f"}
    assert list(undocumented(Source("actors/cell.py", base + heir), told)) == []
    assert list(undocumented(Source("actors/cell.py", base + heir.replace("f(", "g(")), told)) != []
    assert list(undocumented(Source("actors/cell.py", base + heir.replace("(A)", "")), told)) != []
