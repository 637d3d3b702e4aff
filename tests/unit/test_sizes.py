"""Very many actors, messages and timers: memory and fairness are bounded by counts, not by what lies on disk.

The same with a million actors and ten million messages, on a real disk, is in `crash/test_sizes_hunt.py`.
"""

from __future__ import annotations

from itertools import pairwise

import attrs
import pytest
import trio

from callboard import Actor, Node, handler, open_node
from callboard.actors import alarm, cells, lives, window
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import list_mailboxes, peek
from callboard.mailbox.store import Table

pytestmark = pytest.mark.virtual
WEEK_S = 7 * 86400


class Queue(Actor, type_name="sizes.Queue"):
    """Notes whether its messages come in order."""

    last: int = -1
    wrong: list[int] = attrs.field(factory=list[int])

    @handler
    async def take(self, number: int) -> None:
        if number != self.last + 1:
            self.wrong.append(number)
        self.last = number

    @handler
    async def ignore(self) -> None:
        """Come in between."""

    @handler
    async def state(self) -> tuple[int, list[int]]:
        return self.last, self.wrong


class Waker(Actor, type_name="sizes.Waker"):
    """Sets many timers, and notes whether they come in order."""

    last: int = -1
    wrong: int = 0

    @handler
    async def set(self, first: int, count: int, delay: float) -> None:
        for number in range(first, first + count):
            self.turn.after(delay, Waker.ring(number))

    @handler
    async def ring(self, number: int) -> None:
        self.wrong += number != self.last + 1
        self.last = number

    @handler
    async def order(self) -> tuple[int, int]:
        return self.last, self.wrong


async def fill(node: Node, boxes: int, each: int) -> None:
    """Put so much mail into each of many mailboxes, in turns, as it comes in life."""
    refs = [node.ref(Queue, f"queue/{number}") for number in range(boxes)]
    pairs = [(ref, Queue.take(number)) for number in range(each) for ref in refs]
    for first in range(0, len(pairs), 10_000):
        await node.tell_all(pairs[first : first + 10_000])


def in_memory(node: Node) -> int:
    """Messages of all mailboxes that are in memory."""
    return sum(len(cell.mail) for cell in node._runtime.cells.by_name.values())


async def queues(node: Node, count: int) -> None:
    for number in range(count):
        await node.spawn(Queue(), name=f"queue/{number}")


async def test_a_backlog_in_many_mailboxes_is_read_as_it_is_handled_and_in_order() -> None:
    store, most = MemoryStore(), 0
    async with open_node(store) as node:
        await queues(node, 200)
        await node.pause_type(Queue)
        await fill(node, 200, 500)
    store = store.reopen()
    async with open_node(store) as node:
        assert in_memory(node) == 0
        await node.resume_type(Queue)
        while node.statistics().queued:
            most = max(most, in_memory(node))
            await trio.lowlevel.checkpoint()
        assert 0 < most < 200 * 200
        for number in (0, 99, 199):
            assert await node.ref(Queue, f"queue/{number}").ask(Queue.state()) == (499, [])


async def test_live_mail_above_the_budget_is_let_go_and_read_back_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "BUDGET", 1000 * window.OVERHEAD)
    async with open_node(MemoryStore()) as node:
        await queues(node, 50)
        await node.pause_type(Queue)
        await fill(node, 50, 300)
        assert in_memory(node) <= 50 * window.KEPT
        assert node._runtime.cells.window.held <= 50 * window.KEPT * (window.OVERHEAD + 64)
        await node.resume_type(Queue)
        await fill(node, 1, 0)
        await node.wait_idle()
        for number in range(50):
            assert await node.ref(Queue, f"queue/{number}").ask(Queue.state()) == (299, [])
        await node.wait_idle()
        assert in_memory(node) == 0
        assert node._runtime.cells.window.held == 0


async def test_mail_is_let_go_while_more_of_it_comes_in_and_none_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "BUDGET", 0)
    monkeypatch.setattr(window, "KEPT", 3)
    store = MemoryStore()
    async with open_node(store) as node:
        queue = await node.spawn(Queue(), name="queue/0")

        async def send(sender: int) -> None:
            for first in range(0, 2000, 10):
                pairs = [(queue, Queue.take(number)) for number in range(first, first + 10)]
                await node.tell_all(pairs if sender == 0 else [(queue, Queue.ignore())] * 7)

        await node.pause(queue)
        store.hold()
        async with trio.open_nursery() as nursery:
            for sender in range(3):
                nursery.start_soon(send, sender)
            for turn in range(2000):
                if turn == 200:
                    nursery.start_soon(node.resume, queue)
                await trio.sleep(0.01)
                store.release()
                store.hold()
                if not node.statistics().queued and turn > 500:
                    break
            store.release()
        assert await queue.ask(Queue.state()) == (1999, [])
        assert node.statistics().handled == 2000 + 2 * 200 * 7 + 1


async def test_a_mailbox_paused_for_a_week_leaves_memory_and_goes_on_where_it_was() -> None:
    async with open_node(MemoryStore()) as node:
        await queues(node, 2)
        await node.pause(node.ref(Queue, "queue/0"))
        await fill(node, 1, 60_000)
        for _ in range(7):
            await trio.sleep(WEEK_S / 7)
            assert await node.ref(Queue, "queue/1").ask(Queue.state()) == (-1, [])
        await trio.sleep(120)
        assert node.statistics().active == 0
        assert node._runtime.cells.window.held == 0
        await node.resume(node.ref(Queue, "queue/0"))
        await node.wait_idle()
        assert await node.ref(Queue, "queue/0").ask(Queue.state()) == (59_999, [])


async def many_with_old_mail(boxes: int = 3000) -> MemoryStore:
    """A store opened again: two messages in each of many mailboxes, of a type that is paused."""
    store = MemoryStore()
    async with open_node(store) as node:
        await queues(node, boxes)
        await node.pause_type(Queue)
        await fill(node, boxes, 2)
    return store.reopen()


async def test_no_more_mailboxes_with_old_mail_are_woken_than_can_have_turns_soon() -> None:
    store = await many_with_old_mail()
    async with open_node(store, idle=0.01) as node, trio.open_nursery() as nursery:
        store.hold()  # so that turns come to a stop
        nursery.start_soon(node.resume_type, Queue)
        await trio.sleep(1)
        ready = node.statistics().ready
        store.release()
        assert 500 <= ready <= 700
        await node.wait_idle()
        assert await node.ref(Queue, "queue/2999").ask(Queue.state()) == (1, [])


async def test_who_was_woken_and_has_nothing_more_to_do_rests_while_others_are_woken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lives, "ACTIVE_ENOUGH", 500)
    store, most = await many_with_old_mail(), 0
    async with open_node(store, idle=3600) as node:
        await node.resume_type(Queue)
        while node.statistics().queued:
            most = max(most, node.statistics().active)
            await trio.lowlevel.checkpoint()
        assert 500 < most < 1500


async def test_turns_begin_before_all_mailboxes_with_old_mail_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found by testing: every other time they began when 200 more had been found."""
    store = await many_with_old_mail(300)
    handled, prefixes = list[int](), store.prefixes
    async with open_node(store, idle=1) as node:

        def asked(table: Table, width: int, start: bytes = b"", limit: int = 1000) -> list[bytes]:
            handled.append(node.statistics().handled)
            return prefixes(table, width, start, limit)

        await trio.sleep(60)
        monkeypatch.setattr(store, "prefixes", asked)
        await node.resume_type(Queue)
        await node.wait_idle()
        assert handled[:2] == [0, 20]


async def test_ten_thousand_messages_that_nobody_claims_die_in_order_and_starve_nobody() -> None:
    async with open_node(MemoryStore(), park=60) as node:
        nobody, due = node.ref(Queue, "nobody"), trio.current_time() + 60
        await node.tell_all([(nobody, Queue.take(number)) for number in range(10_000)])
        await queues(node, 1)
        await trio.sleep_until(due)
        deaths = [0]
        while deaths[-1] < 10_000:
            await node.ref(Queue, "queue/0").ask(Queue.state())
            deaths.append(node.statistics().died)
        assert max(after - before for before, after in pairwise(deaths)) <= 1000
        numbers = [each.letter.number for each in node.dead.letters()]
        assert numbers == sorted(numbers)


async def test_in_a_crowd_actors_rest_after_a_second_without_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (alarm, cells):
        monkeypatch.setattr(module, "CROWD", 1000)
    monkeypatch.setattr(alarm, "SWEPT_AT_ONCE", 70)
    async with open_node(MemoryStore(), idle=3600) as node:
        await queues(node, 1000)
        await trio.sleep(600)
        assert node.statistics().active == 1000
        await queues(node, 1001)
        for _ in range(50):
            await node.ref(Queue, "queue/7").ask(Queue.state())
            await trio.sleep(0.1)
        assert "queue/7" in node._runtime.cells.by_name
        assert node.statistics().active <= 1000
        assert await node.ref(Queue, "queue/500").ask(Queue.state()) == (-1, [])


async def test_a_hundred_thousand_timers_due_at_once_come_in_order_and_starve_nobody() -> None:
    async with open_node(MemoryStore()) as node:
        waker = await node.spawn(Waker(), name="waker")
        for first in range(0, 100_000, 10_000):
            await waker.tell(Waker.set(first, 10_000, 3600))
        await node.wait_idle()
        await queues(node, 1)
        neighbour, waits = node.ref(Queue, "queue/0"), list[int]()
        await trio.sleep(3600)
        while node.statistics().scheduled:
            before = node.statistics().handled
            await neighbour.ask(Queue.state())
            waits.append(node.statistics().handled - before)
        await node.wait_idle()
        assert len(waits) > 20
        assert max(waits) < 5000
        assert await waker.ask(Waker.order()) == (99_999, 0)


async def test_mailboxes_and_mail_are_listed_page_by_page() -> None:
    async with open_node(MemoryStore()) as node:
        await queues(node, 250)
        await node.pause_type(Queue)
        await fill(node, 1, 5000)
        store, pages, after = node.store, list[int](), 0
        while page := list_mailboxes(store, after=after, limit=100):
            pages.append(len(page))
            after = page[-1].box
        assert pages == [100, 100, 50]
        assert [letter.sequence for letter in peek(store, "queue/0", limit=1500)] == list(range(1500))
