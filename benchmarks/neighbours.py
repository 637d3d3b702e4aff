"""Neighbours: what an actor feels of another that is slow, flooded, or heavy.

It is asked at random times, 500 a second, and the value is the 99th percentile: alone, and beside the other.
What the other does goes on all the time.
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import trio
from load import Load, times
from measures import Sink
from sizes import Measured, Sizes, check
from weights import Vault

from callboard import Actor, ActorRef, Message, Node, handler, open_node

RATE = 500.0
"""Questions a second."""
HEAVY = 1_000_000
"""Bytes of a heavy state, or of a heavy message."""
HUGE = 16_000_000
"""Bytes of a message that is nearly as large as one can be."""
HUGE_EVERY_S = 0.5
STEP_S = 0.005
"""How long a handler computes without a pause."""

Other = AbstractAsyncContextManager[Callable[[], bool]]
"""Work beside the neighbour while the block lasts; it says whether it has come to an end."""


class Slow(Actor):
    """Takes its time, again and again."""

    @handler
    async def wait(self) -> None:
        """Wait for something, as for an answer from elsewhere."""
        await trio.sleep(0.05)
        await self.turn.ref.tell(Slow.wait())

    @handler
    async def compute(self) -> None:
        """Compute, and give way between the steps."""
        for _ in range(10):
            until = time.perf_counter() + STEP_S
            while time.perf_counter() < until:
                pass
            await trio.lowlevel.checkpoint()
        await self.turn.ref.tell(Slow.compute())


def _never() -> bool:
    return False


@asynccontextmanager
async def _nobody(_node: Node, _sizes: Sizes) -> AsyncGenerator[Callable[[], bool]]:
    yield _never


@asynccontextmanager
async def _waiting(node: Node, _sizes: Sizes) -> AsyncGenerator[Callable[[], bool]]:
    slow = await node.spawn(Slow())
    await slow.tell(Slow.wait())
    yield _never
    await node.stop(slow)


@asynccontextmanager
async def _computing(node: Node, _sizes: Sizes) -> AsyncGenerator[Callable[[], bool]]:
    slow = await node.spawn(Slow())
    await slow.tell(Slow.compute())
    yield _never
    await node.stop(slow)


@asynccontextmanager
async def _draining(node: Node, sizes: Sizes) -> AsyncGenerator[Callable[[], bool]]:
    flooded = await node.spawn(Sink(), name="flooded")
    await node.pause(flooded)
    for first in range(0, sizes.backlog, 1000):
        count = min(1000, sizes.backlog - first)
        await node.tell_all([(flooded, Sink.take("ann", 1, "rent")) for _ in range(count)])
    await node.resume(flooded)
    yield lambda: node.statistics().queued == 0
    check("a backlog", await flooded.ask(Sink.ask("ann", 0, "")), sizes.backlog)


@asynccontextmanager
async def _told(
    node: Node, actor: Vault, message: Callable[[], Message[Vault, None]], every_s: float = 0
) -> AsyncGenerator[Callable[[], bool]]:
    vault: ActorRef[Vault] = await node.spawn(actor)

    async def tell() -> None:
        while True:
            await vault.tell(message())
            if every_s:
                await trio.sleep(every_s)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell)
        yield _never
        nursery.cancel_scope.cancel()


def _changing(node: Node, _sizes: Sizes) -> Other:
    return _told(node, Vault(bytes(HEAVY)), Vault.turn_over)


def _receiving(node: Node, _sizes: Sizes) -> Other:
    return _told(node, Vault(b""), lambda: Vault.take(bytes(HEAVY)))


def _receiving_huge(node: Node, _sizes: Sizes) -> Other:
    return _told(node, Vault(b""), lambda: Vault.take(bytes(HUGE)), HUGE_EVERY_S)


def _asked(sizes: Sizes, folder: Path, beside: Callable[[Node, Sizes], Other]) -> Measured:
    async def measure() -> Measured:
        async with open_node(folder / "store", slow=None) as node:
            sink = await node.spawn(Sink(), name="neighbour")
            load = Load(lambda: sink.ask(Sink.ask("ann", 1, "rent")))
            async with beside(node, sizes) as over:
                await load.offer(times(RATE, sizes.load_s), over)
            check("questions", await sink.ask(Sink.ask("ann", 0, "")), len(load.latencies))
            found = load.found()
            return {"value": found["p99"], "p50": found["value"], "asked": float(len(load.latencies))}

    return trio.run(measure)


def alone(sizes: Sizes, folder: Path) -> Measured:
    """Nobody else is there."""
    return _asked(sizes, folder, _nobody)


def waiting(sizes: Sizes, folder: Path) -> Measured:
    """The other's handler waits 50 ms, again and again."""
    return _asked(sizes, folder, _waiting)


def computing(sizes: Sizes, folder: Path) -> Measured:
    """The other's handler computes in steps of 5 ms."""
    return _asked(sizes, folder, _computing)


def flooded(sizes: Sizes, folder: Path) -> Measured:
    """The other works off a deep backlog, as long as it lasts."""
    return _asked(sizes, folder, _draining)


def heavy_state(sizes: Sizes, folder: Path) -> Measured:
    """The other's state of 1 MB changes all the time, each change durable before the next."""
    return _asked(sizes, folder, _changing)


def heavy_mail(sizes: Sizes, folder: Path) -> Measured:
    """The other is told 1 MB all the time, each message durable before the next."""
    return _asked(sizes, folder, _receiving)


def huge_mail(sizes: Sizes, folder: Path) -> Measured:
    """The other is told 16 MB every half second."""
    return _asked(sizes, folder, _receiving_huge)
