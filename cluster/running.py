"""Running a program's `main` over a store, signals included.

Signals belong to this function and to the command line, never to a node: the first
SIGINT or SIGTERM lets turns in hand finish and closes the node, the second ends the
process from the signal handler itself. Being ended at any point is correct, since a node
is crash-only.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import trio

from ..mailbox.glance import read_counters
from ..mailbox.store import Store
from ..supervision.errors import TreeGaveUp
from .node import Node
from .opening import open_node, sole
from .orders import Attendance, Order, attended, take_order

Main = Callable[[Node], Awaitable[object]]
SIGNALS = (signal.SIGINT, signal.SIGTERM)
GAVE_UP = 70
"""The exit code when the supervision tree gave up: software failed (EX_SOFTWARE), not the machine."""


def run(main: Main, *, store: str | Path, **options: Any) -> None:
    """Open a store, run `main(node)` in a fresh `trio.run`, and close.

    A first run says on stderr where the store is, a later one what it resumed. When
    `main` returns, the node goes on until nobody can have a turn, then closes.

    In a process that `callboard run --nodes` or `cluster.launching.launch` has started, the launcher decides
    on store, name, peers and address, whatever is given here: the program is the same for all nodes. Such a
    node also goes on when `main` has returned, for the others, until the launcher stops it or is gone.

    Args:
        main: an async function that takes the node.
        store: a directory, made if it is not there.
        options: as for `open_node`.

    Raises:
        SystemExit: 130 after SIGINT, 143 after SIGTERM; 70 if the supervision tree gave up, or did not
            start, with the report of what led there on stderr.
        TypeError: `main` is not an async function.
        RuntimeError: this is not the main thread, which alone hears signals.
        LaunchFailed: the process was started by a launched node, not by the launcher.
        Exception: whatever `main` or `open_node` raised.
    """
    _check(main)
    order = take_order()
    if order is not None:
        store, options = order.store, order.options(options)
    try:
        received = trio.run(_run, main, store, options, order)
    except (TreeGaveUp, BaseExceptionGroup) as error:
        found = sole(error) if isinstance(error, BaseExceptionGroup) else error
        if not isinstance(found, TreeGaveUp):
            raise
        _say_gave_up(found)
        raise SystemExit(GAVE_UP) from error
    if received:
        raise SystemExit(128 + received)


def _check(main: object) -> None:
    """Refuse what cannot be run, before a store is made."""
    inner = main
    while isinstance(inner, functools.partial):
        inner = inner.func
    if (inspect.isfunction(inner) and not inspect.iscoroutinefunction(inner)) or not callable(inner):
        raise TypeError(
            f"run() takes an async function of one parameter, the node; {main!r:.80} is none: write async def"
        )
    try:
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
    except ValueError:
        raise RuntimeError(
            "run() belongs in the main thread, which alone hears signals; "
            "in another one use open_node inside your own trio.run"
        ) from None


def run_named(module: str, function: str) -> None:
    """Run a function of a module as a launched node's program; one that is not async calls `run` itself.

    Raises:
        TypeError: it is no function.
    """
    found: Any = getattr(importlib.import_module(module), function, None)
    if not callable(found):
        raise TypeError(f"there is no function {function!r} in the module {module!r}")
    if inspect.iscoroutinefunction(found):
        run(found, store=f"{module}.store")
    else:
        found()


async def _run(main: Main, store: str | Path, options: dict[str, Any], order: Order | None) -> int:
    async with open_node(store, **options) as node:
        _greet(node.store, store)
        attendance: Attendance | None = None
        with trio.CancelScope() as scope, _signals(scope) as received:
            if order is None:
                await _go(main, node)
            else:
                try:
                    async with attended(order, node) as attendance:
                        await _go(main, node)
                        await attendance.finish()
                except BaseExceptionGroup as group:
                    raise sole(group) from None
        if attendance is not None and attendance.done:
            return 0
        if received:
            _say(f"{signal.Signals(received[0]).name}: finishing the turns in hand; once more to end at once")
    if received:
        _say("stopped cleanly; what was waiting goes on at the next start")
    return received[0] if received else 0


async def _go(main: Main, node: Node) -> None:
    await main(node)
    await node.wait_idle()


def _greet(opened: Store, path: str | Path) -> None:
    if opened.identity.created:
        _say(f"made a new store in {path}")
        return
    counters = read_counters(opened)
    _say(
        f"resumed {path}: {_count(counters.actors, 'actor')}, {_count(counters.scheduled, 'timer')}, "
        f"{_count(counters.queued, 'message')} waiting"
        + ("" if opened.identity.clean else " (the last run did not close it)")
    )


def _say_gave_up(error: TreeGaveUp) -> None:
    """The report; and what `main` raised meanwhile, which would be seen nowhere else."""
    _say(str(error))
    if error.__cause__ is not None:
        traceback.print_exception(error.__cause__)
    _say("the node is closed, and no mail is lost: what was waiting goes on at the next start")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _say(text: str) -> None:
    with suppress(OSError):  # whoever read it may be gone, and that must not end a node
        sys.stderr.write(f"callboard: {text}\n")
        sys.stderr.flush()


@contextmanager
def _signals(scope: trio.CancelScope) -> Generator[list[int]]:
    """Cancel the scope at the first signal, end the process at the second."""
    received: list[int] = []
    token = trio.lowlevel.current_trio_token()

    def handle(number: int, _: FrameType | None) -> None:
        if received:
            os._exit(128 + number)
        received.append(number)
        token.run_sync_soon(scope.cancel)

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield received
    finally:
        if not received:
            for number, handler in before.items():
                signal.signal(number, handler)
