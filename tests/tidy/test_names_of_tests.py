"""Actor classes of tests have names of their own.

A node looks for actors by name among all classes that are alive. Where two share a name it first lets the
garbage collector look for dead ones, which in one process with all tests takes longer than the test, and then
it refuses both.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator

from .source import Source, agree, everything

ALONE = ("tests/typing/",)
"""What is read by checkers and never imported."""


def actors(source: Source) -> Iterator[str]:
    """Declared names of the actor classes at the top of a file."""
    for node in source.tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        if any(ast.unparse(base).endswith("Actor") for base in node.bases):
            given = [keyword.value for keyword in node.keywords if keyword.arg == "type_name"]
            yield str(ast.literal_eval(given[0])) if given else node.name


def shared(sources: list[Source]) -> Iterator[str]:
    """Names that stand in several files."""
    where: defaultdict[str, list[str]] = defaultdict(list)
    for source in sources:
        for name in actors(source):
            where[name].append(source.path)
    yield from (
        f"{name} is an actor in {', '.join(paths)}" for name, paths in where.items() if len(paths) > 1
    )


def test_no_two_actor_classes_of_tests_share_a_name() -> None:
    agree(shared([s for s in everything() if s.path.startswith("tests/") and not s.path.startswith(ALONE)]))


def test_a_shared_name_is_found() -> None:
    first = Source("tests/a.py", "class Ann(Actor): ...")
    second = Source("tests/b.py", "class Ben(callboard.Actor, type_name='Ann'): ...")
    assert list(shared([first, second])) == ["Ann is an actor in tests/a.py, tests/b.py"]
    assert list(shared([first])) == []
