"""What every test gets: a Hypothesis profile, trio for ``async def``, and nothing left running."""

import functools
import inspect
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, settings
from trio.testing import MockClock

PATIENCE = 60
"""Seconds an async test on the real clock may take: a hang becomes a traceback."""

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
settings.register_profile(
    "hunt",
    max_examples=5000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("CALLBOARD_TESTS", "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--hunt``."""
    parser.addoption("--hunt", action="store_true", help="run the tests marked hunt too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave hunts out unless asked: deselected, not skipped, so that a skip stays news."""
    if not config.getoption("hunt"):
        hunts = [item for item in items if item.get_closest_marker("hunt")]
        config.hook.pytest_deselected(items=hunts)
        items[:] = [item for item in items if item not in hunts]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Run ``async def`` tests on trio, under ``@given`` once for every example."""
    virtual = pyfuncitem.get_closest_marker("virtual") is not None
    given = getattr(pyfuncitem.obj, "hypothesis", None)
    if given is not None and inspect.iscoroutinefunction(given.inner_test):
        given.inner_test = on_trio(given.inner_test, virtual=virtual)
    elif inspect.iscoroutinefunction(pyfuncitem.obj):
        pyfuncitem.obj = on_trio(pyfuncitem.obj, virtual=virtual)


def on_trio(test: Callable[..., Awaitable[None]], *, virtual: bool) -> Callable[..., None]:
    """Turn an async test into one that pytest can call."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def body() -> None:
            with trio.fail_after(float("inf") if virtual else PATIENCE):
                await test(*args, **kwargs)

        trio.run(body, clock=MockClock(autojump_threshold=0) if virtual else None)

    return run


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    """Fail a test that leaves a thread or a child process behind."""
    threads, children = set(threading.enumerate()), has_children()
    yield
    left = [thread for thread in threading.enumerate() if thread not in threads and not idle(thread)]
    for thread in left:
        thread.join(1)  # one that is just ending is no leftover
    alive = [thread.name for thread in left if thread.is_alive()]
    assert not alive, f"threads left running: {', '.join(alive)}"
    assert children or not has_children(), "child processes left, running or never waited for"


def idle(thread: threading.Thread) -> bool:
    """Whether this is a worker of trio's cache that waits ten seconds for more work."""
    return thread.name.startswith("Trio thread ")


def has_children() -> bool:
    """Whether this process has children, even ones that ended and were not waited for."""
    if sys.platform == "darwin" or sys.platform == "win32":
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
