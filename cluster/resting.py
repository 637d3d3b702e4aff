"""Resting: a store is opened to be written to, and nothing in it moves."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..actors.world import Habits
from .clerk import Clerk
from .node import Node
from .opening import open_store, real_world, run_runtime

if TYPE_CHECKING:
    from ..actors.actor import Actor


@asynccontextmanager
async def open_at_rest(path: Path, *, types: list[type[Actor]] | None = None) -> AsyncGenerator[Clerk]:
    """Open a store that is there, for commands only: no turn begins and no timer fires until the next run.

    What is sent waits in its mailbox, as after a crash.

    Args:
        path: the store's directory.
        types: the actor classes to use; by default all imported subclasses of `Actor`.

    Raises:
        StoreInUse: a node runs over it.
        StoreError: another of its kinds.
    """
    world = real_world(types, None, None)
    store = open_store(path, "", world.now_ns)
    async with run_runtime(store, world, Habits(at_rest=True), 0.0) as runtime:
        yield Clerk(runtime, Node(runtime))
