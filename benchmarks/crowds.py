"""Crowds: making very many actors, and what they weigh in memory, awake and asleep."""

import functools
import gc
import itertools
import time
import tracemalloc
from pathlib import Path

import trio
from measures import Sink, goal, on_a_node, until_done
from sizes import BLOCK, Measured, Sizes, check, own_memory

from callboard import Actor, Node, handler, open_node
from callboard.mailbox.reading import read_counters


class Founder(Actor):
    """Spawns many actors, a block of them in one turn."""

    made: int = 0

    @handler
    async def spawn(self, count: int) -> None:
        """Spawn some, and then some more in another turn."""
        some = min(count, BLOCK)
        for number in range(self.made, self.made + some):
            self.turn.spawn(Sink(), name=f"sink {number}")
        self.made += some
        if count > some:
            await self.turn.ref.tell(Founder.spawn(count - some))
        else:
            goal.reached.set()


@on_a_node
async def spawn(node: Node, sizes: Sizes) -> Measured:
    """Actors made and stored a second, by the turns of one actor."""
    founder = await node.spawn(Founder(), name="founder")
    goal.aim(0)
    began = time.perf_counter()
    await founder.tell(Founder.spawn(sizes.actors))
    took = await until_done(node, began)
    check("spawn", read_counters(node.store).actors - 1, sizes.actors)
    return {"value": sizes.actors / took}


@on_a_node
async def spawn_outside(node: Node, sizes: Sizes) -> Measured:
    """The same by many tasks outside, each waiting until its actor is durable before the next."""
    numbers = itertools.count()

    async def make() -> None:
        while (number := next(numbers)) < sizes.actors:
            await node.spawn(Sink(), name=f"sink {number}")

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(sizes.senders):
            nursery.start_soon(make)
    took = time.perf_counter() - began
    check("spawn from outside", read_counters(node.store).actors, sizes.actors)
    return {"value": sizes.actors / took}


async def fill(node: Node, sizes: Sizes) -> None:
    """Make many actors, each of which has had a turn and is awake."""
    for first in range(0, sizes.actors, BLOCK):
        refs = [node.ref(Sink, f"sink {number}") for number in range(first, min(first + BLOCK, sizes.actors))]
        async with trio.open_nursery() as nursery:
            for ref in refs:
                nursery.start_soon(functools.partial(node.spawn, Sink(), name=ref.name))
        await node.tell_all([(ref, Sink.take("ann", 1, "rent")) for ref in refs])
    await node.wait_idle()
    gc.collect()


@on_a_node
async def memory(node: Node, sizes: Sizes) -> Measured:
    """Bytes of one actor that is awake and idle; what the process takes from the system."""
    goal.aim(0)
    await node.spawn(Sink(), name="first")  # what is made once is not counted
    before = own_memory()
    await fill(node, sizes)
    taken = own_memory() - before
    check("memory", node.statistics().active, sizes.actors + 1)
    return {"value": taken / sizes.actors}


def passivated(sizes: Sizes, folder: Path) -> Measured:
    """Bytes of one actor that was passivated; objects alive, since an allocator seldom gives pages back."""

    async def measure() -> Measured:
        goal.aim(0)
        async with open_node(folder / "store", idle=0.5) as node:
            await node.spawn(Sink(), name="first")
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            await fill(node, sizes)
            awake = tracemalloc.get_traced_memory()[0] - before
            while node.statistics().active:  # noqa: ASYNC110 - nobody says when an actor was passivated
                await trio.sleep(0.05)
            gc.collect()
            asleep = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            check("passivated", read_counters(node.store).actors, sizes.actors + 1)
            return {"value": asleep / sizes.actors, "awake": awake / sizes.actors}

    return trio.run(measure)
