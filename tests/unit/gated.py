"""What the tests of the gate share: an actor that notes what it does, and a node whose disk can be held."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.lowlevel

from callboard import Actor, ActorRef, Node, handler, open_node
from callboard.mailbox.memory import MemoryStore

SEEN: list[str] = []
"""What happened, in order; `scene` empties it."""


class Gated(Actor, type_name="gate.Base"):
    count: int = 0

    @handler
    async def note(self, text: str) -> str:
        SEEN.append(text)
        self.count += 1
        return text

    @handler
    async def flood(self, to: ActorRef[Gated], count: int) -> None:
        for number in range(count):
            await to.tell(Gated.note(str(number)))

    @handler
    async def wait(self, text: str) -> str:
        raise NotImplementedError

    @handler
    async def effect(self, text: str) -> str:
        raise NotImplementedError

    @handler
    async def effect_in_a_child(self, text: str) -> None:
        raise NotImplementedError


def gated(*, speculation: bool = True) -> type[Gated]:
    """A class of its own for each test: a handler that was seen to suspend stays known for it."""

    class Fresh(Gated, type_name="gate.Gated", speculation=speculation):
        @handler
        async def wait(self, text: str) -> str:
            SEEN.append(f"{text} begins")
            await trio.lowlevel.checkpoint()
            SEEN.append(f"{text} goes on")
            return text

        @handler
        async def effect(self, text: str) -> str:
            SEEN.append(f"{text} begins")
            await self.turn.effect_key()
            SEEN.append(f"{text} has a key")
            return text

        @handler
        async def effect_in_a_child(self, text: str) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.effect, text)

    return Fresh


@asynccontextmanager
async def scene(kind: type[Gated], **options: Any) -> AsyncGenerator[tuple[Node, MemoryStore, trio.Nursery]]:
    """A node, its store, and a nursery for callers.

    The store is let go whatever happens, lest a test that fails leave its node waiting for ever.
    """
    SEEN.clear()
    store = MemoryStore()
    async with open_node(store, types=[kind], **options) as node, trio.open_nursery() as nursery:
        try:
            yield node, store, nursery
        finally:
            store.release()
