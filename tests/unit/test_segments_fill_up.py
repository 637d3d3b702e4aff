"""A backlog lies in full pages: new mail joins the last segment, through refills and restarts."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, strategies as st

from callboard import Actor, handler, open_node
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.records import open_pair
from callboard.mailbox.segments import open_segment
from callboard.mailbox.store import Table

pytestmark = pytest.mark.virtual


class Sink(Actor):
    seen: list[int] = attrs.field(factory=list[int])

    @handler
    async def take(self, number: int, padding: str) -> None:
        self.seen.append(number)

    @handler
    async def read(self) -> list[int]:
        return self.seen


@pytest.fixture(autouse=True)
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mailboxes spill to disk after three messages, and are read a segment at a time."""
    monkeypatch.setattr("callboard.actors.sending.WINDOW", 3)
    monkeypatch.setattr("callboard.actors.window.WINDOW", 3)
    monkeypatch.setattr("callboard.actors.window.PAGE", 1)


def segments(store: MemoryStore) -> list[tuple[int, int]]:
    """First sequence and number of messages of each segment there is."""
    return [(open_pair(key)[1], len(open_segment(value))) for key, value in store.scan(Table.MAIL)]


async def test_mail_that_arrives_in_many_batches_lies_in_few_segments() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        sink = await node.spawn(Sink(), name="sink")
        await node.pause(sink)
        for number in range(60):
            await sink.tell(Sink.take(number, "x" * 100))
        found = segments(store)
        assert [first for first, _ in found] == sorted(first for first, _ in found)
        assert sum(count for _, count in found) == 60
        assert len(found) < 6
        await node.resume(sink)
        await node.wait_idle()
        assert await sink.ask(Sink.read()) == list(range(60))
        assert segments(store) == []


async def test_no_mail_is_put_behind_a_broken_length() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        sink = await node.spawn(Sink(), name="sink")
        await node.pause(sink)
        await sink.tell(Sink.take(0, ""))
        await sink.tell(Sink.take(1, ""))
    store = store.reopen()
    [(key, value)] = store.scan(Table.MAIL)
    store.commit({Table.MAIL: {key: value[:-1]}})
    async with open_node(store) as node:
        sink = node.ref(Sink, "sink")
        await sink.tell(Sink.take(2, ""))
        await node.resume(sink)
        await node.wait_idle()
        assert await sink.ask(Sink.read()) == [2]
        assert node.statistics().died == 2


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.integers(1, 9)),
        st.tuples(st.just("burst"), st.integers(1, 40)),
        st.sampled_from([("pause", 0), ("resume", 0), ("restart", 0), ("idle", 0)]),
    ),
    max_size=14,
)


@given(STEPS, st.sampled_from([1, 300, 3000]))
async def test_whatever_the_batches_all_mail_is_handled_in_order_and_no_segment_is_left(
    steps: list[tuple[str, int]], padding: int
) -> None:
    store = MemoryStore()
    sent = 0
    left = list(steps)
    while True:
        async with open_node(store) as node:
            sink = await node.spawn(Sink(), name="sink")
            while left:
                step, count = left.pop(0)
                if step == "tell":
                    for _ in range(count):
                        await sink.tell(Sink.take(sent, "x" * padding))
                        sent += 1
                elif step == "burst":
                    pairs = [(sink, Sink.take(sent + index, "x" * padding)) for index in range(count)]
                    await node.tell_all(pairs)
                    sent += count
                elif step == "pause":
                    await node.pause(sink)
                elif step == "resume":
                    await node.resume(sink)
                elif step == "idle":
                    await node.wait_idle()
                else:
                    break
            else:
                await node.resume(sink)
                await node.wait_idle()
                assert await sink.ask(Sink.read()) == list(range(sent))
                await node.wait_idle()
                assert segments(store) == []
                return
        store = store.reopen()
