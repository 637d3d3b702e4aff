"""The pytest plugin's working half: an async test on trio, on a virtual clock, with its own node.

`callboard_pytest.py` is what pytest loads and says which tests those are; this half is
imported when the first of them runs. It needs nothing of pytest, so `callboard.testing`
can be used where there is none.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import trio
from trio.testing import MockClock

from ..cluster.opening import open_node
from ..mailbox.memory import MemoryStore

if TYPE_CHECKING:
    import pytest

Test = Callable[..., Awaitable[object]]

DEFAULTS: Mapping[str, Any] = {"roundtrip": True, "seed": 0}
"""How a test's node is opened if nothing else is said."""


@contextmanager
def on_trio(item: pytest.Function, unopened: object, options: Mapping[str, Any]) -> Generator[None]:
    """While the block lasts, a test's function is a plain one that runs the async one on trio.

    Args:
        item: the test; under `@given` each of its examples gets a run of its own.
        unopened: what stands among its arguments where it wants a node.
        options: of `open_node`.
    """
    given = getattr(item.obj, "hypothesis", None)
    test: Test = item.obj if given is None else given.inner_test
    plain = runner(test, unopened, options)
    if given is None:
        item.obj = plain
    else:
        given.inner_test = plain
    try:
        yield
    finally:
        if given is None:
            item.obj = test
        else:
            given.inner_test = test


def runner(test: Test, unopened: object, options: Mapping[str, Any]) -> Callable[..., None]:
    """A plain function that runs an async one on a virtual clock, with a fresh node if it wants one."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True

        async def main() -> None:
            __tracebackhide__ = True
            wanted = [name for name, value in kwargs.items() if value is unopened]
            async with AsyncExitStack() as stack:
                if wanted:
                    store = MemoryStore(node=options.get("name", ""))
                    opening = open_node(store, **{**DEFAULTS, **options})
                    kwargs.update(dict.fromkeys(wanted, await stack.enter_async_context(opening)))
                await test(*args, **kwargs)

        trio.run(main, clock=MockClock(autojump_threshold=0))

    return run
