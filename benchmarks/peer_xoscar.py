"""xoscar at the same work: actors in one asyncio loop, nothing durable."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sizes import AHEAD, BLOCK, Measured, NotHere, Sizes, check

try:
    import xoscar
except ImportError as error:
    raise NotHere("xoscar is not installed (pip install --group bench-all)") from error


class Goal:
    """How a receiver says that it has seen all."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()


goal = Goal()


class Sink(xoscar.Actor):
    """Counts, tells the sender of every block that there is room, and says when all is there."""

    def __init__(self, goal: int) -> None:
        self.goal, self.count, self.source = goal, 0, None

    async def pace(self, source: Any) -> None:
        """Be told who waits for room."""
        self.source = source

    async def take(self, who: str, amount: int, note: str) -> int:
        """Take a deposit."""
        self.count += amount
        if self.source is not None and self.count % BLOCK == 0:
            await self.source.send.tell(BLOCK)
        if self.count == self.goal:
            goal.reached.set()
        return self.count


class Source(xoscar.Actor):
    """Sends until it has sent all."""

    def __init__(self, sink: Any, left: int) -> None:
        self.sink, self.left = sink, left

    async def send(self, count: int) -> None:
        """Send some."""
        count = min(count, self.left)
        self.left -= count
        for _ in range(count):
            await self.sink.take.tell("ann", 1, "rent")


class Player(xoscar.Actor):
    """Hits the ball back."""

    def __init__(self) -> None:
        self.hits, self.other = 0, None

    async def meet(self, other: Any) -> None:
        """Be told who the other is."""
        self.other = other

    async def hit(self, left: int) -> None:
        """Hit the ball."""
        self.hits += 1
        if left:
            await self.other.hit.tell(left - 1)
        else:
            goal.reached.set()

    async def score(self) -> int:
        """Hits so far."""
        return self.hits


def _in_a_pool(measure: Callable[[Sizes, str], Awaitable[Measured]], sizes: Sizes) -> Measured:
    async def pooled() -> Measured:
        goal.reached = asyncio.Event()
        pool = await xoscar.create_actor_pool("127.0.0.1", n_process=0)
        async with pool:
            return await measure(sizes, pool.external_address)

    return asyncio.run(pooled())


def tell(sizes: Sizes, _folder: Path) -> Measured:
    """Messages a second from one actor to another, until handled."""
    return _in_a_pool(_tell, sizes)


async def _tell(sizes: Sizes, address: str) -> Measured:
    sink = await xoscar.create_actor(Sink, sizes.tells, address=address)
    source = await xoscar.create_actor(Source, sink, sizes.tells, address=address)
    await sink.pace(source)
    began = time.perf_counter()
    for _ in range(AHEAD):
        await source.send.tell(BLOCK)
    await goal.reached.wait()
    took = time.perf_counter() - began
    check("xoscar tell", await sink.take("ann", 0, ""), sizes.tells)
    return {"value": sizes.tells / took}


def fan_in(sizes: Sizes, _folder: Path) -> Measured:
    """Messages a second from many actors to one."""
    return _in_a_pool(_fan_in, sizes)


async def _fan_in(sizes: Sizes, address: str) -> Measured:
    sent = sizes.senders * sizes.each
    sink = await xoscar.create_actor(Sink, sent, address=address)
    sources = [
        await xoscar.create_actor(Source, sink, sizes.each, address=address) for _ in range(sizes.senders)
    ]
    began = time.perf_counter()
    for source in sources:
        await source.send.tell(sizes.each)
    await goal.reached.wait()
    took = time.perf_counter() - began
    check("xoscar fan-in", await sink.take("ann", 0, ""), sent)
    return {"value": sent / took}


def ping_pong(sizes: Sizes, _folder: Path) -> Measured:
    """Round trips a second between two actors."""
    return _in_a_pool(_ping_pong, sizes)


async def _ping_pong(sizes: Sizes, address: str) -> Measured:
    players = [await xoscar.create_actor(Player, address=address) for _ in range(2)]
    for player, other in zip(players, reversed(players), strict=True):
        await player.meet(other)
    began = time.perf_counter()
    await players[0].hit.tell(2 * sizes.rallies - 1)
    await goal.reached.wait()
    took = time.perf_counter() - began
    check("xoscar ping-pong", sum([await player.score() for player in players]), 2 * sizes.rallies)
    return {"value": sizes.rallies / took}


def ask(sizes: Sizes, _folder: Path) -> Measured:
    """Answers a second to one caller outside."""
    return _in_a_pool(_ask, sizes)


async def _ask(sizes: Sizes, address: str) -> Measured:
    sink = await xoscar.create_actor(Sink, 0, address=address)
    began = time.perf_counter()
    for number in range(sizes.asks):
        check("xoscar ask", await sink.take("ann", 1, "rent"), number + 1)
    return {"value": sizes.asks / (time.perf_counter() - began)}
