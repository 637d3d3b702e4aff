"""Clocks: setting timers, and what comes of them when they are due."""

import time

import trio
from measures import goal, on_a_node
from sizes import BLOCK, Measured, Sizes, check, percentile

from callboard import Actor, Node, handler

FAR_S = 3600.0
"""A delay that no measure lives to see."""
SOON_S = 0.004
"""The delay of a timer whose lateness is measured."""

lateness: list[float] = []


class Sleeper(Actor):
    """Sets timers for itself, and counts those that ring."""

    rung: int = 0

    @handler
    async def set_some(self, first: int, count: int, delay: float) -> None:
        """Set timers under keys of their own."""
        for number in range(first, first + count):
            self.turn.after(delay, Sleeper.ring(), key=f"timer {number}")

    @handler
    async def ring(self) -> None:
        """One is due."""
        self.rung += 1
        if self.rung == goal.count:
            goal.reached.set()

    @handler
    async def ring_in_time(self, due_ns: int) -> None:
        """One is due, and says by how much it is late."""
        self.rung += 1
        lateness.append((time.time_ns() - due_ns) / 1e9)
        goal.finish_one()

    @handler
    async def set_one(self) -> None:
        """Set one whose lateness counts."""
        self.turn.after(SOON_S, Sleeper.ring_in_time(time.time_ns() + int(SOON_S * 1e9)))

    @handler
    async def count(self) -> int:
        """How many have rung."""
        return self.rung


async def _set(node: Node, sizes: Sizes, delay: float) -> float:
    """Seconds until an actor has set many timers, a block in a turn, and all of them are on disk."""
    sleeper = await node.spawn(Sleeper(), name="sleeper")
    blocks = [Sleeper.set_some(first, BLOCK, delay) for first in range(0, sizes.timers, BLOCK)]
    began = time.perf_counter()
    await node.tell_all([(sleeper, block) for block in blocks])
    await node.wait_idle()
    return time.perf_counter() - began


@on_a_node
async def set_timers(node: Node, sizes: Sizes) -> Measured:
    """Timers a second that are set under keys, and on disk."""
    took = await _set(node, sizes, FAR_S)
    check("timers set", node.statistics().scheduled, sizes.timers)
    return {"value": sizes.timers / took}


@on_a_node
async def fire_timers(node: Node, sizes: Sizes) -> Measured:
    """Timers a second that ring after all of them were due: until they are handled and durable."""
    goal.aim(sizes.timers)
    delay = 2.0 * sizes.timers / 10_000 + 0.5
    began = time.perf_counter()
    took = await _set(node, sizes, delay)
    check("timers ahead of their time", int(took < delay), 1)
    # The first are due `delay` after they were set; the clock starts when the last one may be.
    await trio.sleep(began + delay - time.perf_counter())
    began = time.perf_counter()
    await goal.reached.wait()
    await node.wait_idle()
    rung = await node.ref(Sleeper, "sleeper").ask(Sleeper.count())
    check("timers rung", rung, sizes.timers)
    return {"value": sizes.timers / (time.perf_counter() - began)}


@on_a_node
async def late(node: Node, sizes: Sizes) -> Measured:
    """Seconds, in the median, between the time a timer is due and its turn, on an idle loop."""
    sleeper = await node.spawn(Sleeper(), name="sleeper")
    lateness.clear()
    for _ in range(sizes.idle_tells):
        goal.aim_for_all(1)
        await sleeper.tell(Sleeper.set_one())
        await goal.reached.wait()
    check("timers in time", len([late for late in lateness if late >= 0]), sizes.idle_tells)
    return {"value": percentile(lateness, 0.5), "p99": percentile(lateness, 0.99)}
