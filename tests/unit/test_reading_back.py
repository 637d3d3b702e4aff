"""A mailbox larger than its window in memory: the rest lies on disk and is read back in order."""

from __future__ import annotations

import attrs
import pytest
import trio

from callboard import Actor, Node, Retry, handler, open_node
from callboard.actors.cell import WINDOW, Cell
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.records import Dead, open_segment, unpack
from callboard.mailbox.store import Table

pytestmark = pytest.mark.virtual


class Slow(Actor, type_name="reading.Slow"):
    last: int = -1
    wrong: list[int] = attrs.field(factory=list[int])

    @handler
    async def take(self, number: int) -> None:
        if number != self.last + 1:
            self.wrong.append(number)
        self.last = number

    @handler(retry=Retry(attempts=3, wait=1, jitter=0))
    async def take_at_last(self, number: int) -> None:
        if self.turn.attempt < 3:
            raise ValueError("not yet")
        await self.take(number)

    @handler
    async def nap(self, seconds: float) -> None:
        await trio.sleep(seconds)

    @handler
    async def state(self) -> tuple[int, list[int]]:
        return self.last, self.wrong


def cell_of(node: Node, name: str) -> Cell:
    return node._runtime.cells.by_name[name]


async def fill(node: Node, start: int, stop: int, name: str = "slow") -> None:
    slow = node.ref(Slow, name)
    for first in range(start, stop, 5000):
        await node.tell_all([(slow, Slow.take(n)) for n in range(first, min(first + 5000, stop))])


async def test_twenty_thousand_messages_wait_in_a_bounded_window_and_keep_their_order() -> None:
    async with open_node(MemoryStore()) as node:
        slow = await node.spawn(Slow(), name="slow")
        await slow.tell(Slow.nap(10))
        await fill(node, 0, 20_000)
        cell = cell_of(node, "slow")
        assert cell.waiting == 20_001
        assert len(cell.mail) <= WINDOW
        most = later = 0
        await trio.sleep(10)
        while cell.waiting:
            most = max(most, len(cell.mail))
            if cell.waiting < 20_000 - WINDOW:
                later = max(later, len(cell.mail))
            await trio.lowlevel.checkpoint()
        assert most <= WINDOW
        # What is read back comes a few pages at a time.
        assert 0 < later < 500
        assert await slow.ask(Slow.state()) == (19_999, [])
        assert not node.store.scan(Table.MAIL)


async def test_mail_that_comes_while_the_mailbox_is_read_back_stands_behind_it() -> None:
    async with open_node(MemoryStore()) as node:
        slow = await node.spawn(Slow(), name="slow")
        await slow.tell(Slow.nap(1))
        await fill(node, 0, WINDOW + 300)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 1)
            for number in range(WINDOW + 300, WINDOW + 400):
                await slow.tell(Slow.take(number))
                if number % 10 == 0:
                    await slow.tell(Slow.nap(0.1))
        assert (await slow.ask(Slow.state())) == (WINDOW + 399, [])


async def test_a_message_failing_at_the_head_holds_what_is_on_disk_behind_it() -> None:
    async with open_node(MemoryStore()) as node:
        slow = await node.spawn(Slow(), name="slow")
        await node.pause(slow)
        await slow.tell(Slow.take_at_last(0))
        await fill(node, 1, WINDOW + 100)
        await slow.tell(Slow.take_at_last(WINDOW + 100))
        await fill(node, WINDOW + 101, WINDOW + 200)
        await node.resume(slow)
        await trio.sleep(1)
        await fill(node, WINDOW + 200, WINDOW + 300)
        await trio.sleep(100)
        assert await slow.ask(Slow.state()) == (WINDOW + 299, [])


async def test_a_deep_mailbox_survives_restarts_in_the_middle() -> None:
    store = MemoryStore()
    async with open_node(store, drain=0) as node:
        slow = await node.spawn(Slow(), name="slow")
        await node.pause(slow)
        await fill(node, 0, 3000)
        await slow.tell(Slow.nap(10))
        await fill(node, 3000, 9000)
        await node.resume(slow)
        await trio.sleep(1)
    async with open_node(store.reopen()) as node:
        assert await node.ref(Slow, "slow").ask(Slow.state()) == (8999, [])
        assert not node.store.scan(Table.MAIL)


async def test_a_segment_that_was_half_done_before_a_restart_is_removed_in_the_end() -> None:
    """Found by attacking: such a segment was never known, so it stayed on disk for ever."""
    store = MemoryStore()
    async with open_node(store, drain=0) as node:
        slow = await node.spawn(Slow(), name="slow")
        await node.pause(slow)
        await node.tell_all([(slow, Slow.take(0)), (slow, Slow.nap(9)), (slow, Slow.take(1))])
        await node.resume(slow)
        await trio.sleep(1)
    store = store.reopen()
    assert len(store.scan(Table.MAIL)) == 1
    async with open_node(store) as node:
        assert await node.ref(Slow, "slow").ask(Slow.state()) == (1, [])
        await node.wait_idle()
        assert not store.scan(Table.MAIL)


async def test_mail_in_the_batch_in_flight_is_waited_for_though_nothing_else_happens() -> None:
    """Found by reading: it waited for the batch after, which nobody had a reason to write."""
    store = MemoryStore()
    async with open_node(store) as node:
        slow = await node.spawn(Slow(), name="slow")
        await slow.tell(Slow.nap(1))
        await fill(node, 0, WINDOW - 1)
        store.hold()
        cell = cell_of(node, "slow")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fill, node, WINDOW - 1, WINDOW + 50)
            await trio.sleep(2)
            assert cell.loaded < cell.tail
            for _ in range(20):
                store.release()
                store.hold()
                await trio.sleep(0.1)
            store.release()
        with trio.fail_after(5):
            await node.wait_idle()
            assert await slow.ask(Slow.state()) == (WINDOW + 49, [])


def damage(store: MemoryStore, how: str) -> bytes:
    """Break the only segment of mail; returns what is left of it."""
    [(key, value)] = store.scan(Table.MAIL)
    match how:
        case "byte":
            raws = open_segment(value)
            at = value.index(raws[1] or b"") + 20
            broken: bytes | None = value[:at] + bytes([value[at] ^ 255]) + value[at + 1 :]
        case "tail":
            broken = value[:-10]
        case "length":
            broken = b"\xff" + value[1:]
        case _:
            broken = None
    store.commit({Table.MAIL: {key: broken}})
    return broken or b""


@pytest.mark.parametrize(
    ("how", "lost", "last"), [("byte", 1, 2), ("tail", 3, -1), ("length", 3, -1), ("gone", 3, -1)]
)
async def test_damaged_mail_dies_with_its_bytes_and_the_rest_goes_on(how: str, lost: int, last: int) -> None:
    """Found by attacking: a cut or missing last segment left the mailbox waiting for ever."""
    store = MemoryStore()
    async with open_node(store) as node:
        slow = await node.spawn(Slow(), name="slow")
        await node.pause(slow)
        await node.tell_all([(slow, Slow.take(n)) for n in range(3)])
    store = store.reopen()
    left = damage(store, how)
    async with open_node(store) as node:
        await node.resume(node.ref(Slow, "slow"))
        with trio.fail_after(5):
            await node.wait_idle()
        assert node.statistics().died == lost
        assert (await node.ref(Slow, "slow").ask(Slow.state()))[0] == last
        letters = [unpack(Dead, value) for _, value in store.scan(Table.DEAD)]
        assert {letter.reason for letter in letters} == {"undecodable"}
        assert left in [letter.envelope for letter in letters]
        await node.ref(Slow, "slow").tell(Slow.take(7))
        await node.wait_idle()
        assert not store.scan(Table.MAIL)
