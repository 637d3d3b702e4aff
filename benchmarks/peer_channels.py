"""Plain trio at the same work: a task is an actor, a memory channel its mailbox; nothing durable.

What a program would do without a runtime, and so what a runtime costs beyond tasks.
"""

import time
from pathlib import Path

import attrs
import trio
from sizes import AHEAD, BLOCK, Measured, Sizes, check

ROOM = AHEAD * BLOCK
"""Messages a mailbox holds before its senders wait."""


@attrs.frozen
class Deposit:
    """The small message of all measures."""

    who: str
    amount: int
    note: str


Send = trio.MemorySendChannel[Deposit]
Receive = trio.MemoryReceiveChannel[Deposit]
Ball = trio.MemorySendChannel[int]
Racket = trio.MemoryReceiveChannel[int]


async def _take(inbox: Receive, goal: int) -> int:
    count = 0
    async for deposit in inbox:
        count += deposit.amount
        if count == goal:
            break
    return count


async def _send(outbox: Send, count: int) -> None:
    for _ in range(count):
        await outbox.send(Deposit("ann", 1, "rent"))


async def _one_way(senders: int, each: int) -> Measured:
    outbox, inbox = trio.open_memory_channel[Deposit](ROOM)
    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(senders):
            nursery.start_soon(_send, outbox, each)
        count = await _take(inbox, senders * each)
    took = time.perf_counter() - began
    check("channels", count + inbox.statistics().current_buffer_used, senders * each)
    return {"value": senders * each / took}


def tell(sizes: Sizes, _folder: Path) -> Measured:
    """Messages a second from one task to another, until received."""
    return trio.run(_one_way, 1, sizes.tells)


def fan_in(sizes: Sizes, _folder: Path) -> Measured:
    """Messages a second from many tasks to one."""
    return trio.run(_one_way, sizes.senders, sizes.each)


async def _play(racket: Racket, ball: Ball) -> int:
    hits = 0
    async for left in racket:
        hits += 1
        if left:
            await ball.send(left - 1)
        if left <= 1:
            break
    return hits


def ping_pong(sizes: Sizes, _folder: Path) -> Measured:
    """Round trips a second between two tasks."""
    return trio.run(_rally, sizes.rallies)


async def _rally(rallies: int) -> Measured:
    to_left, left = trio.open_memory_channel[int](1)
    to_right, right = trio.open_memory_channel[int](1)
    hits: list[int] = []

    async def player(racket: Racket, ball: Ball) -> None:
        hits.append(await _play(racket, ball))

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(player, left, to_right)
        nursery.start_soon(player, right, to_left)
        await to_left.send(2 * rallies - 1)
    took = time.perf_counter() - began
    check("channels ping-pong", sum(hits), 2 * rallies)
    return {"value": rallies / took}


def ask(sizes: Sizes, _folder: Path) -> Measured:
    """Answers a second to one caller, over a channel of its own for each question."""
    return trio.run(_asks, sizes.asks)


Question = tuple[Deposit, trio.MemorySendChannel[int]]


async def _asks(asks: int) -> Measured:
    outbox, inbox = trio.open_memory_channel[Question](ROOM)

    async def bank() -> None:
        count = 0
        async for deposit, reply in inbox:
            count += deposit.amount
            await reply.send(count)

    async def inquire() -> int:
        reply, answer = trio.open_memory_channel[int](1)
        await outbox.send((Deposit("ann", 1, "rent"), reply))
        return await answer.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(bank)
        began = time.perf_counter()
        for number in range(asks):
            check("channels ask", await inquire(), number + 1)
        took = time.perf_counter() - began
        await outbox.aclose()
    return {"value": asks / took}
