"""Imports point down, to a module: mailbox < actors < supervision < cluster < testing, console."""

import ast
from collections.abc import Collection, Iterator

import pytest

from .source import FLOORS, Import, Source, agree, everything, imports, package

ROOF = max(FLOORS.values()) + 1

ABSOLUTE = {
    "__init__.py": "the face imports absolutely: pytest may load it by its path",
    "testing/callboard_pytest.py": "pytest loads it by its bare name, so it imports absolutely",
}
"""Files that are more than a module of the package."""


PROGRAMS = {
    "console/demo_bank.py": "people print and copy it, so it imports what they would: the face",
}
"""Files that ship with the package and are programs of their own."""


def climbs(source: Source, modules: Collection[str]) -> Iterator[str]:
    """What is wrong with the imports of one file of the package."""
    for found in imports(source.tree):
        if wrong := misdirected(source, found, modules):
            yield source.at(found.line, wrong)


def misdirected(source: Source, found: Import, modules: Collection[str]) -> str | None:
    """What is wrong with one import, if anything."""
    target = landing(source, found)
    if target is None:
        return None
    if source.path in PROGRAMS:
        return PROGRAMS[source.path] if found.level or target else None
    if source.path in ABSOLUTE:
        if found.level:
            return ABSOLUTE[source.path]
    elif not found.level:
        return "inside the package, import relatively"
    if target in ("", *FLOORS) and not all(f"{target}/{name}.py" in modules for name in found.names or [""]):
        return f"{target or 'the face'} is not a module: name the file that holds it"
    floor = target.partition("/")[0]
    own = FLOORS.get(source.folder, ROOF)
    if floor != source.folder and FLOORS.get(floor, ROOF) >= own:
        return f"{source.folder} may not look up at {target}"
    return None


def landing(source: Source, found: Import) -> str | None:
    """Where in the package an import leads, as a path without ending; None if outside it."""
    module = found.module.split(".") if found.module else []
    if found.level:
        here = source.path.split("/")[: -found.level]
        return "/".join(here + module)
    return "/".join(module[1:]) if module[0] == "callboard" else None


def borrowed(source: Source) -> Iterator[str]:
    """Imports of our folders by their bare names: the standard library's, or ours a second time."""
    for found in imports(source.tree):
        if not found.level and found.module.partition(".")[0] in FLOORS:
            yield source.at(found.line, f"say callboard.{found.module}")


def crowded(source: Source) -> Iterator[str]:
    """What an ``__init__.py`` holds besides its docstring, literals and names handed on, now or later."""
    for node in source.tree.body:
        literal = isinstance(node, ast.Assign | ast.Expr) and is_literal(node.value)
        later = (isinstance(node, ast.FunctionDef) and node.name in {"__getattr__", "__dir__"}) or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        )
        if not literal and not later and not isinstance(node, ast.ImportFrom):
            yield source.at(node.lineno, "an __init__.py only hands on names")


def is_literal(node: ast.expr) -> bool:
    """Whether an expression is plain data."""
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def test_imports_point_down_to_a_module() -> None:
    modules = {source.path for source in package()}
    agree(found for source in package() for found in climbs(source, modules))


def test_our_folders_are_never_imported_by_their_bare_names() -> None:
    agree(found for source in everything() for found in borrowed(source))


def test_an_init_file_only_hands_on_names() -> None:
    faces = [source for source in package() if source.path.endswith("__init__.py")]
    agree(found for source in faces for found in crowded(source))


def test_only_the_doors_stand_at_the_root() -> None:
    assert {source.path for source in package() if not source.folder} == {"__init__.py", "__main__.py"}


SMALL_HOUSE = {
    "mailbox/__init__.py",
    "mailbox/store.py",
    "actors/__init__.py",
    "actors/turn.py",
    "testing/world.py",
    "console/command.py",
    "cluster/node.py",
}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("mailbox/store.py", "from ..actors.turn import Turn"),
        ("mailbox/store.py", "def f():\n    from ..actors.turn import Turn"),
        ("mailbox/store.py", "from ..actors import turn"),
        ("actors/turn.py", "from ..mailbox import Store"),
        ("actors/turn.py", "from .. import mailbox"),
        ("actors/turn.py", "from .. import Actor"),
        ("actors/turn.py", "from . import Turn"),
        ("actors/turn.py", "from callboard.mailbox.store import Store"),
        ("actors/turn.py", "import callboard.mailbox.store"),
        ("actors/turn.py", "import callboard"),
        ("testing/world.py", "from ..console.command import main"),
        ("console/command.py", "from ..testing.world import World"),
        ("cluster/node.py", "from ..testing.world import World"),
        ("__init__.py", "from .mailbox.store import Store"),
        ("__init__.py", "from callboard.mailbox import Store"),
        ("testing/callboard_pytest.py", "from .world import World"),
        ("testing/callboard_pytest.py", "from callboard.console.command import main"),
        ("console/demo_bank.py", "from callboard.actors.turn import Turn"),
        ("console/demo_bank.py", "from .command import main"),
    ],
)
def test_the_floors_rule_finds(path: str, text: str) -> None:
    assert len(list(climbs(Source(path, text), SMALL_HOUSE))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("actors/turn.py", "from ..mailbox.store import Store"),
        ("actors/turn.py", "from ..mailbox import store"),
        ("actors/turn.py", "import trio\nfrom collections.abc import Iterator"),
        ("mailbox/store.py", "from . import store"),
        ("testing/world.py", "from ..cluster.node import Node"),
        ("testing/__init__.py", "from .world import World"),
        ("__init__.py", "from callboard.mailbox.store import Store"),
        ("__main__.py", "from .console.command import main"),
        ("testing/callboard_pytest.py", "from callboard.testing.world import World"),
        ("console/demo_bank.py", "import trio\nfrom callboard import Actor"),
    ],
)
def test_the_floors_rule_allows(path: str, text: str) -> None:
    assert list(climbs(Source(path, text), SMALL_HOUSE)) == []


def test_a_bare_name_and_a_crowded_init_are_found() -> None:
    assert list(borrowed(Source("tests/x.py", "import mailbox\nfrom mailbox.store import S"))) == [
        "tests/x.py:1: say callboard.mailbox",
        "tests/x.py:2: say callboard.mailbox.store",
    ]
    assert list(crowded(Source("actors/__init__.py", '"""Doc."""\n__all__ = ["a"]\nfrom .x import a'))) == []
    assert len(list(crowded(Source("actors/__init__.py", "x = f()\ndef g(): ...\nimport os")))) == 3
