"""Lives: actors leave memory when they are idle, and come back with their first message."""

import time
from pathlib import Path

import trio
from crowds import fill
from measures import Sink, goal
from sizes import Measured, Sizes, check

from callboard import Node, open_node


async def _tell_each(node: Node, sizes: Sizes) -> float:
    """Seconds until each of many actors has had one more message, and all of it is on disk."""
    sinks = [node.ref(Sink, f"sink {number}") for number in range(sizes.actors)]
    pairs = [(sink, Sink.take("ann", 1, "rent")) for sink in sinks]
    before = node.statistics().handled
    began = time.perf_counter()
    for first in range(0, sizes.actors, sizes.batch):
        await node.tell_all(pairs[first : first + sizes.batch])
    await node.wait_idle()
    took = time.perf_counter() - began
    check("a message to each", node.statistics().handled - before, sizes.actors)
    return took


def activate(sizes: Sizes, folder: Path) -> Measured:
    """Actors a second that a message wakes, read from disk; beside it the same when they are awake."""

    async def measure() -> Measured:
        goal.aim(0)
        async with open_node(folder / "store") as node:
            await fill(node, sizes)
        async with open_node(folder / "store") as node:
            check("actors asleep", node.statistics().active, 0)
            waking = await _tell_each(node, sizes)
            check("actors awake", node.statistics().active, sizes.actors)
            awake = await _tell_each(node, sizes)
        return {"value": sizes.actors / waking, "awake_rate": sizes.actors / awake}

    return trio.run(measure)


def passivate(sizes: Sizes, folder: Path) -> Measured:
    """Actors a second that leave memory, in the sweeps that find them idle."""

    async def measure() -> Measured:
        goal.aim(0)
        async with open_node(folder / "store") as node:
            await fill(node, sizes)
            alarm = node._runtime.alarm
            alarm._idle_s = 0.0  # the sweep itself is measured, and not how long it is waited for
            await trio.sleep(0.01)
            longest, began = 0.0, time.perf_counter()
            while node.statistics().active:
                alarm._begin_sweep()
                more = True
                while more:
                    swept = time.perf_counter()
                    more = alarm._sweep_some()
                    longest = max(longest, time.perf_counter() - swept)
                    await trio.lowlevel.checkpoint()
            took = time.perf_counter() - began
            check("passivated", await _count(node, sizes), sizes.actors)
        return {"value": sizes.actors / took, "longest": longest}

    return trio.run(measure)


async def _count(node: Node, sizes: Sizes) -> int:
    """How many actors say, when they are awake again, that they had their message."""
    sinks = [node.ref(Sink, f"sink {number}") for number in range(sizes.actors)]
    found: list[int] = []

    async def inquire(some: list[int]) -> None:
        found.extend([await sinks[number].ask(Sink.ask("ann", 0, "")) for number in some])

    async with trio.open_nursery() as nursery:
        for first in range(sizes.senders):
            nursery.start_soon(inquire, list(range(first, sizes.actors, sizes.senders)))
    return sum(found)
