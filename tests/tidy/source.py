"""The tree as the tidy tests see it: its files, their syntax, and what they name."""

import ast
import functools
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import attrs

ROOT = Path(__file__).parents[2]

FLOORS = {"mailbox": 1, "actors": 2, "supervision": 3, "cluster": 4, "testing": 5, "console": 5}
"""The package's folders; imports point down. The doors at the root stand above them all."""

BESIDE = ("tests", "examples", "benchmarks")
"""Folders of Python that are not part of the package."""


@attrs.frozen
class Source:
    """One Python file."""

    path: str
    """From the root, with slashes."""
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.text, self.path)

    @property
    def folder(self) -> str:
        """The top folder it lies in; empty at the root."""
        return self.path.rpartition("/")[0].partition("/")[0]

    def at(self, line: int, text: str) -> str:
        """A complaint, in the form that editors can follow."""
        return f"{self.path}:{line}: {text}"


def read(path: Path) -> Source:
    """The source in a file of the tree."""
    return Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))


@functools.cache
def package() -> tuple[Source, ...]:
    """Every file that ships."""
    inside = (path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
    return tuple(read(path) for path in sorted([*ROOT.glob("*.py"), *inside]))


@functools.cache
def everything() -> tuple[Source, ...]:
    """Every file that ships, and tests, examples and benchmarks."""
    outside = (path for folder in BESIDE for path in (ROOT / folder).rglob("*.py"))
    return (*package(), *(read(path) for path in sorted(outside)))


def agree(complaints: Iterable[str]) -> None:
    """Fail with every complaint on a line of its own, if there is one."""
    __tracebackhide__ = True
    text = "".join(f"\n  {complaint}" for complaint in complaints)
    assert not text, text


class Import(NamedTuple):
    """One import statement, wherever in a file it stands."""

    line: int
    level: int
    """Leading dots."""
    module: str
    names: tuple[str, ...]
    """What is taken from the module; empty for a plain ``import``."""


def imports(tree: ast.Module) -> Iterator[Import]:
    """Every import of a file, lazy ones and those for type checkers included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(node.lineno, node.level, node.module or "", names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, 0, alias.name, ())


def uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every outside thing a file names, by its full dotted name, and the builtins it calls.

    ``from time import time as now`` is seen as ``time.time``, and so is ``clock.time`` after
    ``import time as clock``. A call without arguments is named with its parentheses too.
    """
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module or ""
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield node.lineno, f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and (name := dotted(node, known)):
            yield node.lineno, name
        elif isinstance(node, ast.Call) and (name := dotted(node.func, known)):
            yield node.lineno, f"{name}()" if not node.args and not node.keywords else name


def dotted(node: ast.expr, known: dict[str, str]) -> str | None:
    """The full name of ``a.b.c``, if ``a`` was imported or is a bare name."""
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and (head := dotted(node.value, known)):
        return f"{head}.{node.attr}"
    return None


def matches(name: str, patterns: Collection[str]) -> bool:
    """Whether a dotted name is one of these, or something inside one."""
    return any(fnmatch(name, pattern) or fnmatch(name, f"{pattern}.*") for pattern in patterns)
