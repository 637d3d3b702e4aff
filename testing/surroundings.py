"""Surroundings: what a simulation needs of the process it runs in."""

from __future__ import annotations

import gc
import logging
from collections.abc import Generator
from contextlib import contextmanager

import trio
from trio.testing import MockClock

from ..actors.actor import Actor, ActorType, find_types
from .errors import SimulationError

OFTEN_ENOUGH = 20_000
"""New objects after which Python looks for garbage; by default 700."""

_running: list[object] = []


@contextmanager
def alone() -> Generator[None]:
    """Be the only simulation, on a virtual clock, while the block lasts.

    Raises:
        SimulationError: the clock is not virtual, or another simulation runs.
    """
    clock = trio.lowlevel.current_clock()
    if not isinstance(clock, MockClock) or clock.autojump_threshold != 0:
        raise SimulationError(
            "a simulation needs a virtual clock: use @simulate or run_simulation(test), or "
            "trio.run(..., clock=trio.testing.MockClock(autojump_threshold=0))"
        )
    if _running:
        raise SimulationError(
            "another simulation runs in this process, and its clock and guard are the process's: "
            "end it first, or give one simulation several nodes"
        )
    _running.append(clock)
    try:
        yield
    finally:
        _running.remove(clock)


@contextmanager
def quiet() -> Generator[None]:
    """Let our loggers say nothing, unless somebody set their level: faults would fill the screen."""
    loggers = logging.getLogger("callboard")
    level = loggers.level
    if level == logging.NOTSET:
        loggers.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        loggers.setLevel(level)


@contextmanager
def rarely_collected() -> Generator[None]:
    """Look for garbage once in a run instead of twenty times: short lives make much of it at once."""
    before = gc.get_threshold()
    gc.set_threshold(OFTEN_ENOUGH, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def forget_habits(types: list[type[Actor]] | None) -> None:
    """Let no handler be known to suspend: what a process has seen of its handlers ends with it."""
    for kind in find_types(types).values():
        if isinstance(kind, ActorType):
            for spec in kind.handlers.values():
                spec.suspends = False
