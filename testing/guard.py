"""Guard: code under simulation that reaches for the real world gets an error with the remedy.

A simulation can be repeated only if nothing in it depends on the real clock, on real randomness, on
threads or on the network. Python has no way to forbid these, so their functions are replaced while a
simulation runs, for its own thread; libraries that only measure or log (`EXEMPT`) keep the real ones.

What cannot be caught so: `datetime.now()`, whose type is immutable, and names that a module imported by
`from time import time`. If they change what happens, the second run of a plan shows it.
"""

from __future__ import annotations

import os
import random
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import trio
import trio.lowlevel

from .errors import OutsideWorld

EXEMPT = frozenset({"logging", "hypothesis", "trio", "_pytest", "pytest", "coverage", "xdist", "execnet"})
"""Packages whose look at the clock changes nothing that happens."""

BETWEEN = frozenset({"random", "secrets", "uuid"})
"""Modules that ask for somebody else."""

NOW = "use self.turn.now() in a handler and trio.current_time() in a test: both are the simulated clock"
SLEEP = "use `await trio.sleep(...)`, over which the simulated clock jumps"
CHANCE = "use self.turn.random in a handler, and draw it in a test: both repeat"
NO_THREADS = (
    "virtual time would jump over a thread; in a test of a handler that needs one, hand it the function to "
    "call and pass another one here"
)
NO_NETWORK = "pass the handler a client, and give it a simulated one here"

_frame: Callable[[int], FrameType] = vars(sys)["_getframe"]
"""`sys._getframe`: the only way to know who asks."""

BANNED: tuple[tuple[Any, str, str], ...] = (
    (time, "time", NOW),
    (time, "time_ns", NOW),
    (time, "monotonic", NOW),
    (time, "monotonic_ns", NOW),
    (time, "sleep", SLEEP),
    (uuid, "uuid1", CHANCE),
    (uuid, "uuid4", CHANCE),
    (os, "urandom", CHANCE),
    (random, "_urandom", CHANCE),  # through which SystemRandom and secrets get theirs
)
ALWAYS_BANNED: tuple[tuple[Any, str, str], ...] = (
    (threading.Thread, "start", NO_THREADS),
    (trio.to_thread, "run_sync", NO_THREADS),
    (socket.socket, "__init__", NO_NETWORK),
)
NAMES = {(random, "_urandom"): "os.urandom (secrets, SystemRandom)", (socket.socket, "__init__"): "socket()"}


@contextmanager
def guarded(on_breach: Callable[[OutsideWorld], None]) -> Generator[None]:
    """Forbid the real world to the tasks of this thread while the block lasts.

    Between the steps of an `ActorMachine` no task runs, and Hypothesis may do as it likes.

    Args:
        on_breach: hears of each breach, since a handler's error would only be retried.
    """
    thread = threading.get_ident()
    saved = [(owner, name, getattr(owner, name)) for owner, name, _ in BANNED + ALWAYS_BANNED]
    for place, (owner, name, remedy) in enumerate(BANNED + ALWAYS_BANNED):
        exempt = EXEMPT if place < len(BANNED) else frozenset[str]()
        setattr(owner, name, _forbidden(owner, name, remedy, exempt, thread, on_breach))
    try:
        yield
    finally:
        for owner, name, original in saved:
            setattr(owner, name, original)


def _forbidden(
    owner: Any,
    name: str,
    remedy: str,
    exempt: frozenset[str],
    thread: int,
    on_breach: Callable[[OutsideWorld], None],
) -> Callable[..., Any]:
    original = getattr(owner, name)

    def forbidden(*args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread or not trio.lowlevel.in_trio_task():
            return original(*args, **kwargs)
        caller = _frame(1)
        while caller.f_globals.get("__name__") in BETWEEN and caller.f_back is not None:
            caller = caller.f_back
        module = str(caller.f_globals.get("__name__", "?"))
        if module.partition(".")[0] in exempt:
            return original(*args, **kwargs)
        what = NAMES.get((owner, name)) or f"{owner.__name__}.{name}()"
        error = OutsideWorld(
            f"{what} was called under simulation, in {module}, line {caller.f_lineno}: "
            f"the run could not be repeated. Instead, {remedy}"
        )
        on_breach(error)
        raise error

    return forbidden
