"""Large bodies from outside come a piece at a time: in order, in nobody's way, and gone if they stop."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing

from callboard import ActorRef, Node, NoSuchActor, open_node
from callboard.actors.bodies import PIECE
from callboard.mailbox.bodies import CHUNK
from callboard.mailbox.maps import LOOSE
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.store import Table, Writes

from .test_large_bodies import Shelf, bodies, reader, sound

pytestmark = pytest.mark.virtual
PIECES = "x" * (3 * PIECE * CHUNK)
"""What takes four batches."""


async def step(store: MemoryStore) -> None:
    """Let one commit come to the disk, and hold the next."""
    store.release(hold=True)
    await trio.testing.wait_all_tasks_blocked()


async def begin(node: Node, nursery: trio.Nursery, store: MemoryStore, to: ActorRef[Shelf]) -> None:
    """Send a large message, of which the first piece is written and held."""
    await node.wait_idle()
    store.hold()
    nursery.start_soon(to.tell, Shelf.put(PIECES))
    await trio.testing.wait_all_tasks_blocked()
    assert list(bodies(store).values()) == [PIECE]
    assert len(LOOSE.read(store)) == 1


async def test_who_sends_to_the_same_mailbox_comes_behind_it_and_others_do_not_wait() -> None:
    store = MemoryStore()
    async with open_node(store, types=[Shelf]) as node, trio.open_nursery() as nursery:
        shelf, other, third = [await reader(node, name) for name in ("shelf", "other", "third")]
        await begin(node, nursery, store, shelf)
        for call in (
            partial(shelf.tell, Shelf.put("behind")),
            partial(node.tell_all, [(shelf, Shelf.put("and more")), (other, Shelf.put("y"))]),
            partial(other.tell, Shelf.put("behind y")),
            partial(third.tell, Shelf.put("not held up")),
        ):
            nursery.start_soon(call)
            await trio.testing.wait_all_tasks_blocked()
        await step(store)
        await step(store)
        assert node._runtime.cells.by_name["third"].handled == 1
        assert node._runtime.cells.by_name["shelf"].handled == 0
        store.release()
        assert await shelf.ask(Shelf.show()) == [len(PIECES), 6, 8]
        assert await other.ask(Shelf.show()) == [1, 8]
        await node.wait_idle()
        assert bodies(store) == {}
        assert LOOSE.read(store) == {}
        sound(store)


async def test_a_caller_who_leaves_takes_it_along() -> None:
    store = MemoryStore()
    async with open_node(store, types=[Shelf]) as node:
        shelf = await reader(node)
        async with trio.open_nursery() as nursery:
            await begin(node, nursery, store, shelf)
            await step(store)
            sound(store)
            nursery.cancel_scope.cancel()
        store.release()
        await node.wait_idle()
        assert bodies(store) == {}
        assert LOOSE.read(store) == {}
        await shelf.tell(Shelf.put("after"))
        assert await shelf.ask(Shelf.show()) == [5]
        sound(store)


async def test_one_that_nobody_took_is_removed_again() -> None:
    store = MemoryStore()
    async with open_node(store, types=[Shelf]) as node:
        with pytest.raises(NoSuchActor):
            await node.ref(Shelf, "nobody").ask(Shelf.copy(PIECES))
        await node.wait_idle()
        assert bodies(store) == {}
        assert LOOSE.read(store) == {}


class Pieces(MemoryStore):
    """Notes how many chunks each commit writes or removes."""

    most = 0

    def commit(self, writes: Writes) -> None:
        self.most = max(self.most, len(writes.get(Table.BODIES, {})))
        super().commit(writes)


async def test_it_comes_and_goes_in_pieces_that_hold_nobody_up_for_long() -> None:
    store = Pieces()
    async with open_node(store, types=[Shelf]) as node:
        shelf = await reader(node)
        await shelf.tell(Shelf.put(PIECES))
        assert await shelf.ask(Shelf.show()) == [len(PIECES)]
        await node.wait_idle()
        assert bodies(store) == {}
        assert PIECE <= store.most <= PIECE + 1


async def test_what_a_crash_left_of_it_is_removed_by_the_next_life() -> None:
    store, left = MemoryStore(), MemoryStore()
    async with open_node(store, types=[Shelf]) as node:
        async with trio.open_nursery() as nursery:
            await begin(node, nursery, store, await reader(node))
            await step(store)
            store.release()
            left = store.copy()
            nursery.cancel_scope.cancel()
        await node.wait_idle()
    left = left.reopen()
    assert bodies(left)
    sound(left)
    async with open_node(left, types=[Shelf]) as node:
        await node.wait_idle()
        assert bodies(left) == {}
        assert LOOSE.read(left) == {}
        assert await node.ref(Shelf, "shelf").ask(Shelf.show()) == []
        sound(left)
