"""Parsing: the bytes of one file in, what it imports and defines out. Pure, so both sides can trust it."""

import ast
import gc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .sources import module_name, package_name

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Parsed:
    """What one file says."""

    module: str
    imports: dict[str, int]
    """Modules by name, and in how many import statements each is named."""
    defines: list[str]
    """Names bound at the top level by def, class or assignment; sorted."""


@dataclass(frozen=True)
class Unparsed:
    """A file that could not be read or is no Python, and why."""

    path: str
    why: str


def expect_trees() -> None:
    """Set the process up for parsing: a syntax tree is thousands of objects and no cycle.

    To look for cycles while one is built takes a quarter of the time.
    """
    gc.set_threshold(100_000)


def parse_file(root: Path, path: str) -> Parsed | Unparsed:
    """Read and parse one file under a root."""
    try:
        source = (root / path).read_bytes()
    except OSError as error:
        return Unparsed(path, f"{type(error).__name__}: {error.strerror}")
    return parse(path, source)


def parse(path: str, source: bytes) -> Parsed | Unparsed:
    """Parse the bytes of one file; `path` says which module it is.

    `import a.b` and `from a.b import c` both count for a.b, since only the interpreter could say whether c
    is a module. Imports count wherever they stand, definitions only at the top level.
    """
    try:
        tree = ast.parse(source, path)
    except SyntaxError as error:
        return Unparsed(path, f"{type(error).__name__}: {error.msg} (line {error.lineno})")
    except (ValueError, RecursionError, MemoryError) as error:
        # Null bytes; nesting that is too deep for the parser.
        return Unparsed(path, f"{type(error).__name__}: {error}")
    imports: Counter[str] = Counter()
    defines: set[str] = set()
    for statement, top in statements(tree, top=True):
        imports.update(imported(statement, package_name(path)))
        if top:
            defines.update(defined(statement))
    return Parsed(module_name(path), dict(sorted(imports.items())), sorted(defines))


def statements(node: ast.AST, *, top: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Every statement under a node, and whether it is at the top level.

    A statement never stands inside an expression, so expressions, most of the tree, are left alone.
    """
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield child, top
            yield from statements(child, top=top and not isinstance(child, Scope))


def imported(statement: ast.AST, package: str) -> Iterator[str]:
    """The modules that one statement imports."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        yield resolve(statement.module or "", statement.level, package)


def resolve(name: str, level: int, package: str) -> str:
    """The absolute name behind `level` dots; as it was written if it climbs out of the tree."""
    above = package.split(".") if package else []
    if level == 0:
        return name
    if level > len(above):
        return "." * level + name
    return ".".join([*above[: len(above) - level + 1], *([name] if name else [])])


def defined(statement: ast.AST) -> Iterator[str]:
    """The names that one statement defines; what it imports is not its own."""
    if isinstance(statement, Scope):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from bound(target)
    elif isinstance(statement, ast.AnnAssign):
        yield from bound(statement.target)


def bound(target: ast.expr) -> Iterator[str]:
    """The names in the target of an assignment."""
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Starred):
        yield from bound(target.value)
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from bound(element)
