"""Large bodies come, and are read, a piece at a time: in order, in nobody's way, and gone if they stop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import pytest
import trio
import trio.testing

from callboard import Actor, ActorRef, AskFailed, Node, NoSuchActor, Retry, handler, open_node
from callboard.actors.bodies import PIECE
from callboard.actors.cell import Cell
from callboard.mailbox.bodies import CHUNK, PAGE
from callboard.mailbox.maps import LOOSE
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import list_dead
from callboard.mailbox.store import Table, Writes

from .test_large_bodies import Shelf, bodies, reader, sound

pytestmark = pytest.mark.virtual
PIECES = "x" * (3 * PIECE * CHUNK)
"""What takes four batches."""


class Hasty(Actor, type_name="large.Hasty"):
    """Sends itself large texts, and then it is not so."""

    heard: list[int] = attrs.field(factory=list[int])

    @handler
    async def put(self, text: str) -> None:
        self.heard.append(len(text))

    @handler(retry=Retry(attempts=1))
    async def send_and_fail(self) -> None:
        await self.turn.ref.tell(Hasty.put(PIECES))
        raise ValueError("it was not meant so")

    @handler(retry=Retry(attempts=1), timeout=0.5)
    async def leave_while_sending(self) -> None:
        await self.turn.ref.tell(Hasty.put(PIECES))
        await self.turn.ref.tell(Hasty.put(PIECES))
        await trio.sleep(1)

    @handler
    async def change_its_mind(self) -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.turn.ref.tell, Hasty.put(PIECES))
                await trio.lowlevel.checkpoint()
                scope.cancel()
        await self.turn.ref.tell(Hasty.put("then"))

    @handler
    async def show(self) -> list[int]:
        return self.heard


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


# What turns send.


async def test_what_a_turn_tells_comes_in_pieces_too_and_with_its_turn() -> None:
    store = Pieces()
    async with open_node(store, types=[Shelf]) as node:
        shelf, other = await reader(node), await reader(node, "other")
        await shelf.tell(Shelf.pass_on(other, len(PIECES), 2))
        await node.wait_idle()
        assert await other.ask(Shelf.show()) == [len(PIECES)] * 2
        await node.wait_idle()
        assert bodies(store) == {}
        assert LOOSE.read(store) == {}
        assert store.most <= PIECE + 1
        sound(store)


@pytest.mark.parametrize("end", ["fails", "is cancelled"])
async def test_what_a_turn_laid_down_goes_with_it_if_it_(end: str) -> None:
    store = MemoryStore()
    async with open_node(store, types=[Hasty]) as node:
        hasty = await node.spawn(Hasty(), name="hasty")
        with pytest.raises(AskFailed):
            await hasty.ask(Hasty.send_and_fail() if end == "fails" else Hasty.leave_while_sending())
        await node.wait_idle()
        assert bodies(store) == {}
        assert LOOSE.read(store) == {}
        assert node.statistics().queued == 0
        sound(store)


async def test_a_task_of_a_handler_that_is_cancelled_while_it_sends_leaves_the_turn_alone() -> None:
    store = MemoryStore()
    async with open_node(store, types=[Hasty]) as node:
        hasty = await node.spawn(Hasty(), name="hasty")
        await hasty.ask(Hasty.change_its_mind())
        await node.wait_idle()
        assert await hasty.ask(Hasty.show()) == [len(PIECES), 4]
        await node.wait_idle()
        assert bodies(store) == {}
        assert LOOSE.read(store) == {}
        sound(store)


# Reading.


class Reads(MemoryStore):
    """Counts the chunks that are read at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = list[int]()

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        rows = super().scan(table, start, stop, limit)
        if table is Table.BODIES and rows:
            self.reads.append(len(rows))
        return rows


async def fill(node: Node, names: list[str]) -> list[ActorRef[Shelf]]:
    """Mailboxes that are paused, each with a large message on disk."""
    refs = [await reader(node, name) for name in names]
    for ref in refs:
        await node.pause(ref)
        await ref.tell(Shelf.put(PIECES))
    return refs


def before_visits(node: Node, see: Callable[[], None]) -> None:
    """Have something looked at before each visit to a mailbox, and after the last."""
    visits = node._runtime.workers._visits
    next_cell = visits._next

    def see_and_go_on() -> Cell | None:
        see()
        return next_cell()

    visits._next = see_and_go_on


async def test_a_body_is_read_a_piece_at_a_visit() -> None:
    store, seen = Reads(), list[int]()
    async with open_node(store, types=[Shelf]) as node:
        [shelf] = await fill(node, ["shelf"])
        cell = node._runtime.cells.by_name["shelf"]
        before_visits(node, lambda: seen.append(sum(store.reads) * (cell.handled == 0)))
        await node.resume(shelf)
        await node.wait_idle()
        pieces = [number * PAGE for number in range(3 * PIECE // PAGE + 1)]
        assert list(dict.fromkeys(seen)) == pieces, "the last piece comes with the turn"
        assert await shelf.ask(Shelf.show()) == [len(PIECES)]


async def test_one_body_is_read_at_a_time_and_whoever_is_paused_meanwhile_is_not_waited_for() -> None:
    store, names = Reads(), ["first", "second", "third"]
    async with open_node(store, types=[Shelf]) as node:
        refs = await fill(node, names)
        runtime, fetching = node._runtime, node._runtime.workers._visits.beginnings.fetching
        cells, begun, order = [runtime.cells.by_name[name] for name in names], list[Cell](), list[str]()

        def pause_the_first() -> None:
            assert len(store.reads) < 30, "they take the disk from each other"
            cell = fetching._cell
            if cell is not None and not begun:
                begun.append(cell)
                cell.paused = "while its body is being read"
                runtime.cells.block(cell)
            order.extend(cell.name for cell in cells if cell.handled and cell.name not in order)

        before_visits(node, pause_the_first)
        async with trio.open_nursery() as nursery:
            for ref in refs:
                nursery.start_soon(node.resume, ref)
        await node.wait_idle()
        assert [cell.handled for cell in cells] == [int(cell is not begun[0]) for cell in cells]
        await node.resume(refs[cells.index(begun[0])])
        await node.wait_idle()
        assert order[-1] == begun[0].name
        assert sum(store.reads) <= 3 * begun[0].handled * len(PIECES) // CHUNK + 2 * PAGE
        assert fetching._envelope is None, "what was read for a turn is not kept"


async def test_a_damaged_one_dies_though_some_of_it_was_read_and_the_next_is_read_from_its_start() -> None:
    store = MemoryStore()
    async with open_node(store, types=[Shelf]) as node:
        first, second = await fill(node, ["first", "second"])
        key = sorted(key for key, _ in store.scan(Table.BODIES, limit=1 << 20))[PIECE + 3]
        store.commit({Table.BODIES: {key: b"?" * CHUNK}})
        await node.resume(first)
        await node.wait_idle()
        assert await first.ask(Shelf.show()) == []
        [dead] = list_dead(store)
        assert "checksum" in str(dead)
        await node.resume(second)
        assert await second.ask(Shelf.show()) == [len(PIECES)]


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
