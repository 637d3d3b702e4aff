"""Opening a node inside the user's own `trio.run`."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import trio

from ..actors.closing import close
from ..actors.durations import Seconds, in_seconds
from ..actors.errors import is_group
from ..actors.runtime import Runtime
from ..actors.schedule import Fair, Schedule
from ..actors.types import Types
from ..actors.world import Habits, World
from ..mailbox.disk import DiskStore
from ..mailbox.opening import open_disk
from ..mailbox.writer import Writer
from ..supervision.errors import TreeGaveUp
from ..supervision.failing import decide
from .control import attend
from .node import Node
from .watchdog import LIMIT_S, Watchdog

if TYPE_CHECKING:
    from ..actors.actor import Actor
    from ..mailbox.store import Store
    from .joining import Joining, Plan


@asynccontextmanager
async def open_node(
    store: str | Path | Store,
    *,
    name: str = "",
    types: list[type[Actor]] | None = None,
    speculation: bool = True,
    drain: Seconds = 5.0,
    idle: Seconds = 60.0,
    park: Seconds | None = 3600.0,
    keep_ids: Seconds = timedelta(hours=24),
    quota: int | None = None,
    roundtrip: bool = False,
    schedule: Schedule | None = None,
    seed: int | None = None,
    slow: Seconds | None = LIMIT_S,
    **joining: Unpack[Joining],
) -> AsyncGenerator[Node]:
    """Open a store and run its actors until the block is left.

    Leaving the block takes nothing more in, lets turns in hand finish for `drain` seconds, cancels the rest
    at no cost to their messages, commits, and closes. Being killed instead is as correct. A handler that
    shields itself from cancellation, or waits for a thread, is waited for.

    Args:
        store: a directory, made if it is not there; or a store object, for tests.
        name: the node's own name; fixed in the store at its first use.
        types: the actor classes to use; by default all imported subclasses of `Actor`.
        speculation: whether turns may run ahead of the disk (G6); results are equal.
        drain: seconds that turns in hand, and mail for other nodes, may take when the node closes.
        idle: seconds after which an idle actor leaves memory; one second while more than 50,000 are awake.
        park: seconds that mail of a mailbox without an actor waits; None for ever.
        keep_ids: seconds that an `id=` and its reply are kept.
        quota: bytes the store shall hold; senders outside wait while it holds three quarters of that (G13).
        roundtrip: encode every hop and re-decode every state, to show what would differ.
        schedule: who is next; first come, first served by default.
        seed: of the jitter between attempts; random by default.
        slow: seconds that a handler may run without a pause before it is told in the log; None never tells.
        joining: `peers=`, `listen=` and more, for a node that others reach; see `Joining`.

    Raises:
        StoreInUse, NotAStore, StoreDamaged, StoreTooNew, WrongNode, ClusterError, TreeGaveUp: see `errors`.
        DefinitionError, StoreFailed: an annotation mentions a name that does not exist; the disk failed.
    """
    plan = _plan(name, joining) if joining else None
    habits = Habits(
        speculation=speculation,
        roundtrip=roundtrip,
        idle_s=in_seconds(idle, "idle="),
        park_s=None if park is None else in_seconds(park, "park="),
        keep_ids_s=in_seconds(keep_ids, "keep_ids="),
        quota=_check_quota(quota),
        peers=plan.others if plan else frozenset(),
    )
    drain_s = in_seconds(drain, "drain=")
    world = real_world(types, schedule, seed)
    async with run_runtime(open_store(store, name, world.now_ns), world, habits, drain_s) as runtime:
        node = Node(runtime)
        with _attended(runtime, node, slow):
            async with plan.joined(runtime, node, drain_s) if plan else nullcontext():
                yield node


def _plan(name: str, joining: Joining) -> Plan:
    from .joining import Plan  # most nodes are alone

    return Plan(name, joining)


@contextmanager
def _attended(runtime: Runtime, node: Node, slow: Seconds | None) -> Generator[None]:
    """Take commands and watch for what blocks, where time and disk are real."""
    slow_s = None if slow is None else in_seconds(slow, "slow=")
    if _is_virtual() or not isinstance(runtime.store, DiskStore):
        yield
        return
    attend(runtime, node, runtime.store.path)
    watchdog = Watchdog(runtime, slow_s) if slow_s else None
    try:
        yield
    finally:
        if watchdog is not None:
            watchdog.close()


@asynccontextmanager
async def run_runtime(store: Store, world: World, habits: Habits, drain_s: float) -> AsyncGenerator[Runtime]:
    """Run a node's inside over an open store, in a world that is given; `open_node` gives the real one."""
    runtime: Runtime | None = None
    try:
        runtime = Runtime(store, _writer(store), world, habits)
        async with _running(runtime, drain_s):
            yield runtime
    finally:
        store.close(clean=runtime is not None and runtime.settled)


def _check_quota(quota: int | None) -> int | None:
    if quota is not None and (isinstance(quota, bool) or quota < 1):
        raise ValueError(f"quota= is a number of bytes, at least 1, or None for no quota; got {quota!r}")
    return quota


def real_world(types: list[type[Actor]] | None, schedule: Schedule | None, seed: int | None) -> World:
    """The real world, but for its time where trio's clock is virtual."""
    virtual = _is_virtual()
    return World(
        now_ns=_virtual_now if virtual else time.time_ns,
        clock=trio.current_time,
        tick=trio.current_time if virtual else time.perf_counter,
        random=random.Random(seed),
        schedule=schedule or Fair(),
        types=Types(types),
        decide=decide,
        longest_nap_s=float("inf") if virtual else LONGEST_NAP_S,
    )


def _is_virtual() -> bool:
    """Whether trio's clock is a test's own."""
    # Asked for by name, since trio.testing would load pytest with it.
    testing = sys.modules.get("trio.testing")
    return testing is not None and isinstance(trio.lowlevel.current_clock(), testing.MockClock)


def _writer(store: Store) -> Writer:
    """A writer that may use a thread, unless the store is in memory: virtual time jumps over threads."""
    token = trio.lowlevel.current_trio_token()
    return Writer(
        store,
        clock=time.perf_counter,
        call_soon=token.run_sync_soon if isinstance(store, DiskStore) else None,
        cpu_clock=time.thread_time,
    )


@asynccontextmanager
async def _running(runtime: Runtime, drain_s: float) -> AsyncGenerator[None]:
    """Run the node's tasks around a block, whose own exception passes through bare."""
    outcome: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            await runtime.run(nursery)
            try:
                with runtime.block:
                    yield
            except BaseException as error:
                outcome = error
            try:
                if runtime.failure is None:
                    with trio.CancelScope(shield=True):
                        await close(runtime, drain_s)
            finally:
                # Even if a second Ctrl-C ended it: from here on nobody commits, so nobody may wait for it.
                runtime.abandon()
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        outcome = sole(group)
    finally:
        runtime.end()
    if runtime.failure is not None:
        raise runtime.failure from outcome
    if runtime.gave_up:
        raise TreeGaveUp(runtime.gave_up) from outcome
    if outcome is not None:
        raise outcome


def sole(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error in a group, or the group if there are several."""
    interrupts = group.subgroup(KeyboardInterrupt)
    if interrupts is not None:
        return KeyboardInterrupt()
    first, *others = group.exceptions
    if others:
        return group
    return sole(first) if is_group(first) else first


def open_store(store: str | Path | Store, name: str, now_ns: Callable[[], int]) -> Store:
    """The store at a path, or the one that was given.

    Raises:
        StoreError: one of its kinds.
        TypeError: it is neither.
    """
    if isinstance(store, str | Path):
        return open_disk(Path(store), node=name, entropy=os.urandom, now_ns=now_ns)
    if not isinstance(store, DiskStore):
        from ..mailbox.memory import MemoryStore  # for tests

        if not isinstance(store, MemoryStore):
            raise TypeError(f"a store is given as the path of its directory; got {store!r:.80}")
    return store


def _virtual_now() -> int:
    return VIRTUAL_EPOCH_NS + int(trio.current_time() * 1e9)


LONGEST_NAP_S = 5.0
"""How soon a node notices that the wall clock was set, at the latest."""
VIRTUAL_EPOCH_NS = 1_700_000_000_000_000_000
"""The wall clock at trio's time 0 under a virtual clock."""
