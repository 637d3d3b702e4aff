"""Damaged records: none of them keeps a node from starting, or others from running (G14)."""

from __future__ import annotations

import pytest
import trio

from callboard import Actor, handler, open_node
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.store import Table

pytestmark = pytest.mark.virtual


class Other(Actor, type_name="damage.Other"):
    total: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total


class Busy(Actor, type_name="damage.Busy"):
    heard: int = 0

    @handler
    async def hear(self, amount: int = 1) -> int:
        self.heard += amount
        return self.heard

    @handler
    async def remind(self) -> None:
        self.turn.after(100, Busy.hear(), key="k")
        self.turn.request(self.turn.ref, Busy.hear(), then=Busy.hear, timeout=50)


@pytest.mark.parametrize("table", [Table.BOXES, Table.KEYED, Table.TIMERS, Table.REQUESTS, Table.MARKS])
async def test_no_damaged_record_keeps_the_node_from_running(table: Table) -> None:
    """Found by attacking: one flipped bit in any of these ended the node at every start."""

    store = MemoryStore()
    async with open_node(store, types=[Busy, Other]) as node:
        busy = await node.spawn(Busy(), name="busy")
        await busy.tell(Busy.remind())
        await node.wait_idle()
        await node.pause(busy)
        await busy.tell(Busy.hear(), id="a")
        await busy.tell(Busy.remind())
        await node.spawn(Other(), name="other")
    store = store.reopen()
    async with open_node(store, types=[Busy, Other]) as node:
        node._runtime.workers.closing = True
        await node.resume(node.ref(Busy, "busy"))
    store = store.reopen()
    rows = store.scan(table)[:1] if table is Table.BOXES else store.scan(table)
    for key, value in rows:
        store.commit({table: {key: value[:-1] + bytes([value[-1] ^ 1])}})
    async with open_node(store, types=[Busy, Other]) as node:
        await trio.sleep(1000)
        assert await node.ref(Other, "other").ask(Other.add(1)) == 1
