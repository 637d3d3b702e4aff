"""The alarm: actors rest in pieces, a store is tended however long they stay, and timers keep their order."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from itertools import pairwise

import attrs
import pytest
import trio
import trio.abc
import trio.lowlevel

from callboard import Actor, Node, handler, open_node
from callboard.actors import alarm
from callboard.mailbox.memory import MemoryStore

pytestmark = pytest.mark.virtual


class Sleeper(Actor, type_name="alarm.Sleeper"):
    heard: list[str] = attrs.field(factory=list[str])

    @handler
    async def hear(self, text: str) -> None:
        self.heard = [*self.heard, text]

    @handler
    async def show(self) -> list[str]:
        return self.heard


class Tended(MemoryStore):
    """Notes when it was tended."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def tend(self) -> None:
        self.times.append(trio.current_time())
        super().tend()


@contextmanager
def counting(node: Node) -> Generator[list[int]]:
    """How many mailboxes were in memory after each step of a task."""
    counts = [len(node._runtime.cells.by_name)]

    class Steps(trio.abc.Instrument):
        def after_task_step(self, task: trio.lowlevel.Task) -> None:
            counts.append(len(node._runtime.cells.by_name))

    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    yield counts
    trio.lowlevel.remove_instrument(steps)


async def test_many_who_rest_at_once_do_so_in_pieces_that_leave_room_for_turns_and_in_one_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alarm, "SWEPT_AT_ONCE", 70)
    async with open_node(MemoryStore(), idle=10) as node:
        for number in range(500):
            await node.spawn(Sleeper(), name=f"sleeper/{number}")
        with counting(node) as counts:
            await trio.sleep(15.1)
    assert (counts[0], counts[-1]) == (500, 0)
    assert max(before - after for before, after in pairwise(counts)) == 70


async def test_a_store_is_tended_every_minute_however_long_actors_stay() -> None:
    store = Tended()
    async with open_node(store, idle=7 * 86400) as node:
        await node.spawn(Sleeper(), name="sleeper")
        await trio.sleep(601)
    gaps = [after - before for before, after in pairwise([0.0, *store.times])]
    assert len(gaps) >= 10
    assert max(gaps) <= 60.1


async def test_a_timer_on_its_way_to_the_disk_is_not_passed_by_one_that_is_due_after_it() -> None:
    store = MemoryStore()
    async with open_node(store) as node, trio.open_nursery() as nursery:
        sleeper = await node.spawn(Sleeper(), name="sleeper")
        await sleeper.tell(Sleeper.hear("second"), delay=20)
        store.hold()
        nursery.start_soon(sleeper.tell, Sleeper.hear("flies"))
        await trio.sleep(1)
        nursery.start_soon(lambda: sleeper.tell(Sleeper.hear("first"), delay=10))
        await trio.sleep(60)
        store.release()
        await node.wait_idle()
        await trio.sleep(1)
        assert await sleeper.ask(Sleeper.show()) == ["flies", "first", "second"]
