"""World: what a node is given instead of taking it, so that a test can give something else."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from .points import Probe
    from .retry import Decision, Retry
    from .schedule import Schedule
    from .types import Types

Decide = Callable[["Retry", int, BaseException, int, float], "Decision"]


class World(msgspec.Struct, frozen=True):
    """Clocks, randomness, and the decisions that are made on a higher floor."""

    now_ns: Callable[[], int]
    """The wall clock, nanoseconds since the epoch."""
    clock: Callable[[], float]
    """Seconds of trio's clock, for what waits."""
    tick: Callable[[], float]
    """Seconds of real time, for slices and commits; stands still under a virtual clock."""
    random: Random
    """For the jitter between attempts."""
    schedule: Schedule
    """Who is next."""
    types: Types
    """The actor classes there are."""
    decide: Decide
    """What becomes of a message whose turn failed."""
    longest_nap_s: float
    """The wall clock can be set while nothing happens: how often a pending timer is looked at, seconds."""
    probe: Probe | None = None
    """Listens to what happens; nobody does outside the failure lab."""


class Habits(msgspec.Struct, frozen=True):
    """How a node is asked to behave; see `open_node`."""

    speculation: bool = True
    roundtrip: bool = False
    idle_s: float = 60.0
    park_s: float | None = 3600.0
    keep_ids_s: float = 86400.0
    quota: int | None = None
    at_rest: bool = False
    """Take things in and write them down, and begin no turn and fire no timer; for `open_at_rest`."""
    peers: frozenset[str] = frozenset()
