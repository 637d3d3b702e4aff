"""What pytest loads when it starts: no more than the question whether a test asks for us.

It is installed beside the package, as a module of its own, since whatever lies in the package
brings trio and the runtime with it, and every run of pytest would wait for that. What a
test that asks gets is in `callboard.testing.plugin`; `-p no:callboard` turns both off.

Asked for is an async test that takes our `node` fixture, or is marked `callboard`. It runs on
trio, on a virtual clock that jumps over every wait, under `@given` once for every example.
Tests that carry the mark of pytest-trio, anyio or pytest-asyncio, or got it by those
plugins' modes, are theirs.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from callboard.cluster.node import Node

MARK: Final = "callboard"
OTHERS: Final = ("anyio", "asyncio", "trio")
"""Marks of those who run async tests too."""


class Unopened:
    """Stands for the node until the test has begun."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(  # this, since tools look what their arguments have
            f"node.{name}: the fixture's node is open only while callboard runs an async test that takes it. "
            "It is not open in other fixtures, in a plain `def`, or in a test that another plugin runs "
            f"(marked {', '.join(OTHERS)}): write `async with open_node(MemoryStore()) as node:` there"
        )

    def __repr__(self) -> str:
        return "<node, not open yet>"


UNOPENED: Final[Any] = Unopened()


# One for all: what each test, and each example of `@given`, gets in its place is its own.
@pytest.fixture(scope="session")
def node() -> Node:
    """A fresh node over a store in memory, on a virtual clock; closed when the async test ends."""
    opened_later: Node = UNOPENED
    return opened_later


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known, and our Hypothesis profiles to those who name one."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(**options): run this async test on trio, on a virtual clock; options are open_node's, "
        "for the `node` fixture",
    )
    profile: object = config.getoption("--hypothesis-profile", default=None)
    if isinstance(profile, str) and profile.startswith("callboard-"):
        importlib.import_module("callboard.testing.profiles")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Run an async test that asks for us."""
    if not is_ours(pyfuncitem):
        return (yield)
    from callboard.testing.plugin import on_trio

    mark = pyfuncitem.get_closest_marker(MARK)
    with on_trio(pyfuncitem, UNOPENED, mark.kwargs if mark else {}):
        return (yield)


def is_ours(item: pytest.Function) -> bool:
    """Whether a test is async, asks for us, and is nobody else's."""
    given = getattr(item.obj, "hypothesis", None)
    test = item.obj if given is None else given.inner_test
    takes_node = any(value is UNOPENED for value in item.funcargs.values())
    return (
        (takes_node or item.get_closest_marker(MARK) is not None)
        and inspect.iscoroutinefunction(test)
        and not is_theirs(item)
    )


def is_theirs(item: pytest.Function) -> bool:
    """Whether another plugin runs a test, since it is marked so or by that plugin's mode."""
    return (
        any(item.get_closest_marker(other) for other in OTHERS)
        or "anyio_backend" in item.fixturenames  # all that anyio's mode leaves
        or type(item) is not pytest.Function  # pytest-asyncio has a class of its own
    )
