"""What an actor feels of another that computes, blocks or floods: counted, in time that only work moves.

The clock is virtual and stands still but for what handlers and commits say that they take, so that every
wait is the number of steps, turns and commits in it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable, Generator

import pytest
import trio
from trio.testing import MockClock

from callboard import Actor, ActorRef, Node, handler, open_node
from callboard.actors.schedule import FAVOUR, HASTE
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.store import Writes

pytestmark = pytest.mark.virtual
STEP_S = 0.005
TURN_S = 0.00001
COMMIT_S = 0.0004
STEPS = list[float]()
"""When steps of handlers that hold up the loop began."""


@pytest.fixture(autouse=True)
def _fresh() -> Generator[None]:
    yield
    STEPS.clear()


def work(seconds: float) -> None:
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, MockClock)
    clock.jump(seconds)


class SlowStore(MemoryStore):
    """A disk that takes its time, more for more."""

    def commit(self, writes: Writes) -> None:
        size = sum(len(value or b"") for changes in writes.values() for value in changes.values())
        work(COMMIT_S * (1 + size / 400_000))
        super().commit(writes)


class Quick(Actor, type_name="neighbours.Quick"):
    """Answers at once; has much mail at times."""

    count: int = 0

    @handler
    async def ask(self) -> int:
        work(TURN_S)
        return self.count

    @handler
    async def take(self) -> None:
        work(TURN_S)
        self.count += 1

    @handler
    async def hand_on(self, other: ActorRef[Quick]) -> int:
        work(TURN_S)
        await other.tell(Quick.take())
        return self.count


class Busy(Actor, type_name="neighbours.Busy"):
    """Holds up the loop."""

    @handler
    async def compute(self) -> None:
        for _ in range(10):
            STEPS.append(trio.current_time())
            work(STEP_S)
            await trio.lowlevel.checkpoint()
        await self.turn.ref.tell(Busy.compute())

    @handler
    async def block(self) -> None:
        STEPS.append(trio.current_time())
        work(STEP_S)
        await self.turn.ref.tell(Busy.block())


class Weighty(Actor, type_name="neighbours.Weighty"):
    """Has a state of a megabyte, which changes."""

    blob: bytes = b""

    @handler
    async def change(self, to: int) -> None:
        work(0.001)
        self.blob = bytes([to % 256]) * 1_000_000


async def awake() -> None:
    """Keep the clock from jumping while somebody works."""
    while True:
        work(0.00001)
        await trio.lowlevel.checkpoint()


async def waits(call: Callable[[], Awaitable[object]], count: int, rate: float) -> list[tuple[float, float]]:
    """Make calls at random times, a number a second: when each was meant, and when it was over.

    One that is never answered is an error a second after the last: the clock of `awake` goes on for ever.
    """
    rng, found, at = random.Random(7), list[tuple[float, float]](), trio.current_time()
    meant_at = [at := at + rng.expovariate(rate) for _ in range(count)]

    async def make(meant: float) -> None:
        await trio.sleep_until(meant)
        await call()
        found.append((meant, trio.current_time()))

    async with trio.open_nursery() as beside:
        beside.start_soon(awake)
        with trio.fail_at(at + 1):
            async with trio.open_nursery() as nursery:
                for meant in meant_at:
                    nursery.start_soon(make, meant)
        beside.cancel_scope.cancel()
    return found


async def flooded(node: Node, count: int) -> ActorRef[Quick]:
    """An actor with a backlog that drains."""
    flood = await node.spawn(Quick(), name="flood")
    await node.pause(flood)
    for _ in range(0, count, 1000):
        await node.tell_all([(flood, Quick.take())] * 1000)
    await node.resume(flood)
    return flood


@pytest.mark.parametrize("verb", ["compute", "block"])
@pytest.mark.parametrize("neighbours", [1, 2])
async def test_an_ask_meets_two_steps_at_most_of_each_neighbour_that_holds_up_the_loop(
    verb: str, neighbours: int
) -> None:
    async with open_node(SlowStore(), types=[Quick, Busy]) as node:
        quick = await node.spawn(Quick())
        slow = [await node.spawn(Busy()) for _ in range(neighbours)]
        for each in slow:
            await each.tell(getattr(Busy, verb)())
        found = await waits(lambda: quick.ask(Quick.ask()), 200, rate=100)
        met = [sum(meant - STEP_S < began < over for began in STEPS) for meant, over in found]
        assert sum(each > 0 for each in met) > 100
        assert max(met) <= 2 * neighbours
        for each in slow:
            await node.stop(each)


async def test_an_ask_beside_a_backlog_waits_for_a_few_slices_and_no_favour() -> None:
    async with open_node(SlowStore(), types=[Quick]) as node:
        quick = await node.spawn(Quick())
        flood = await flooded(node, 30_000)
        found = await waits(lambda: quick.ask(Quick.ask()), 30, rate=100)
        assert node.statistics().queued > 0
        slowest = max(over - meant for meant, over in found)
        assert slowest < 0.003 + 2 * COMMIT_S < FAVOUR * TURN_S / 2
        assert await flood.ask(Quick.ask()) == 30_000


async def test_many_asks_beside_a_backlog_leave_it_most_of_the_loop() -> None:
    async with open_node(SlowStore(), types=[Quick]) as node:
        quick, flood = await node.spawn(Quick()), await flooded(node, 30_000)
        began, before = trio.current_time(), node.statistics().queued
        await waits(lambda: quick.ask(Quick.ask()), 1500, rate=5000)
        took, left = trio.current_time() - began, node.statistics().queued
        assert left > 0
        assert (before - left) * TURN_S > took / 2
        assert await flood.ask(Quick.ask()) == 30_000


async def test_more_asks_than_there_is_time_for_leave_a_backlog_half_of_the_turns() -> None:
    async with open_node(SlowStore(), types=[Quick]) as node:
        asked = itertools.cycle([await node.spawn(Quick()) for _ in range(20)])
        flood = await flooded(node, 30_000)
        before = node.statistics().queued
        await waits(lambda: next(asked).ask(Quick.ask()), 5000, rate=2 / TURN_S)
        assert before - node.statistics().queued > 5000 - HASTE
        assert await flood.ask(Quick.ask()) == 30_000


async def test_an_ask_beside_a_large_state_does_not_wait_until_that_is_written_twice() -> None:
    async with open_node(SlowStore(), types=[Quick, Weighty]) as node:
        quick, heavy = await node.spawn(Quick()), await node.spawn(Weighty())

        async def change() -> None:
            number = 0
            while True:
                await heavy.tell(Weighty.change(number := number + 1))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change)
            found = await waits(lambda: quick.ask(Quick.ask()), 300, rate=300)
            nursery.cancel_scope.cancel()
        assert sorted(over - meant for meant, over in found)[150] < 0.002


async def test_where_nothing_else_goes_on_an_answer_and_what_its_turn_has_sent_are_one_commit() -> None:
    async with open_node(SlowStore()) as node:
        first, second = await node.spawn(Quick()), await node.spawn(Quick())
        await node.wait_idle()
        before = node.statistics().writer.commits
        for _ in range(20):
            await first.ask(Quick.hand_on(second))
        await node.wait_idle()
        assert node.statistics().writer.commits - before == 20


async def test_a_full_mailbox_does_not_wait_for_a_thousand_turns_that_block() -> None:
    async with open_node(SlowStore(), types=[Quick, Busy]) as node:
        flood = await flooded(node, 5000)
        busy = [await node.spawn(Busy()) for _ in range(2)]
        for each in busy:
            await each.tell(Busy.block())
        with trio.fail_after(1000 * STEP_S / 4):
            assert await flood.ask(Quick.ask()) == 5000
        assert len(STEPS) > 10
        for each in busy:
            await node.stop(each)
