"""Measures: callboard at work on one node, on disk, every commit synced, state saved with every turn.

A measure opens a store of its own, does its work, checks that all of it was done, and returns a number.
The clock stops when the last message is handled *and* durable, so nobody is fast by being behind.
"""

import functools
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
from sizes import AHEAD, BLOCK, PAUSE_S, Measured, Sizes, check, percentile

from callboard import Actor, ActorRef, Node, handler, open_node


class Goal:
    """How a receiver says that it has seen all, without a message that would be counted too."""

    def __init__(self) -> None:
        self.count = self.pace = self.left = 0
        self.reached = trio.Event()

    def aim(self, count: int, *, pace: int = 0) -> None:
        """Wait for this many from now on, every `pace` of them acknowledged to their sender."""
        self.count, self.pace, self.reached = count, pace, trio.Event()

    def aim_for_all(self, left: int) -> None:
        """Wait until this many have called `finish_one`."""
        self.aim(0)
        self.left = left

    def finish_one(self) -> None:
        """One of them is done."""
        self.left -= 1
        if not self.left:
            self.reached.set()


goal = Goal()


class Sink(Actor):
    """Counts, tells the sender of every block that there is room, and says when all is there."""

    count: int = 0

    @handler
    async def take(self, who: str, amount: int, note: str) -> None:
        """The small message of all measures."""
        self.count += amount
        if goal.pace and self.count % goal.pace == 0 and self.turn.sender is not None:
            await self.turn.sender.tell(Source.send(goal.pace))
        if self.count == goal.count:
            goal.reached.set()

    @handler
    async def ask(self, who: str, amount: int, note: str) -> int:
        """The same with an answer."""
        self.count += amount
        return self.count


class Source(Actor):
    """Sends until it has sent all."""

    sink: ActorRef[Sink]
    left: int

    @handler
    async def send(self, count: int) -> None:
        """Send some."""
        count = min(count, self.left)
        self.left -= count
        sink = self.sink
        for _ in range(count):
            await sink.tell(Sink.take("ann", 1, "rent"))


class Player(Actor):
    """Hits the ball back to whoever sent it."""

    hits: int = 0

    @handler
    async def serve(self, other: ActorRef["Player"], left: int) -> None:
        """Begin a rally; this is no hit."""
        await other.tell(Player.hit(left))

    @handler
    async def hit(self, left: int) -> None:
        """Hit the ball; the rally is over when none are left."""
        self.hits += 1
        sender = self.turn.sender
        if left and sender is not None:
            await sender.tell(Player.hit(left - 1))
        else:
            goal.reached.set()

    @handler
    async def score(self) -> int:
        """Hits so far."""
        return self.hits


OnNode = Callable[[Node, Sizes], Awaitable[Measured]]
Measure = Callable[[Sizes, Path], Measured]


def on_a_node(measure: OnNode) -> Measure:
    """Run a measure in a node over a new store."""

    async def opened(sizes: Sizes, folder: Path) -> Measured:
        async with open_node(folder / "store") as node:
            found = await measure(node, sizes)
            done = node.statistics()
            return found | {"turns_per_commit": done.handled / done.writer.commits}

    @functools.wraps(measure)
    def measured(sizes: Sizes, folder: Path) -> Measured:
        return trio.run(opened, sizes, folder)

    return measured


async def until_done(node: Node, began: float) -> float:
    """Seconds until the goal is reached and everything is on disk."""
    await goal.reached.wait()
    await node.wait_idle()
    return time.perf_counter() - began


async def _count(sink: ActorRef[Sink]) -> int:
    return await sink.ask(Sink.ask("ann", 0, ""))


# Sending.


@on_a_node
async def tell(node: Node, sizes: Sizes) -> Measured:
    """Messages a second from one actor to another, until handled and durable."""
    sink = await node.spawn(Sink(), name="sink")
    source = await node.spawn(Source(sink, sizes.tells), name="source")
    goal.aim(sizes.tells, pace=BLOCK)
    began = time.perf_counter()
    await node.tell_all([(source, Source.send(BLOCK))] * AHEAD)
    took = await until_done(node, began)
    check("tell", await _count(sink), sizes.tells)
    return {"value": sizes.tells / took}


@on_a_node
async def tell_all(node: Node, sizes: Sizes) -> Measured:
    """Messages a second from one caller outside, a batch at a time."""
    sink = await node.spawn(Sink(), name="sink")
    goal.aim(sizes.tells)
    began = time.perf_counter()
    for _ in range(sizes.tells // sizes.batch):
        await node.tell_all([(sink, Sink.take("ann", 1, "rent")) for _ in range(sizes.batch)])
    took = await until_done(node, began)
    check("tell_all", await _count(sink), sizes.tells)
    return {"value": sizes.tells / took}


@on_a_node
async def fan_in(node: Node, sizes: Sizes) -> Measured:
    """Messages a second from many actors to one."""
    sent = sizes.senders * sizes.each
    sink = await node.spawn(Sink(), name="sink")
    sources = [await node.spawn(Source(sink, sizes.each)) for _ in range(sizes.senders)]
    goal.aim(sent)
    began = time.perf_counter()
    await node.tell_all([(source, Source.send(sizes.each)) for source in sources])
    took = await until_done(node, began)
    check("fan-in", await _count(sink), sent)
    return {"value": sent / took}


@on_a_node
async def fan_in_outside(node: Node, sizes: Sizes) -> Measured:
    """Messages a second from many tasks, each waiting until its message is durable before the next."""
    sent = sizes.senders * sizes.each_outside
    sink = await node.spawn(Sink(), name="sink")

    async def send() -> None:
        for _ in range(sizes.each_outside):
            await sink.tell(Sink.take("ann", 1, "rent"))

    goal.aim(sent)
    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(sizes.senders):
            nursery.start_soon(send)
    took = await until_done(node, began)
    check("fan-in from outside", await _count(sink), sent)
    return {"value": sent / took}


@on_a_node
async def cycle(node: Node, sizes: Sizes) -> Measured:
    """Messages a second from one caller outside, each durable before the next, until all are handled."""
    sink = await node.spawn(Sink(), name="sink")
    goal.aim(sizes.cycles)
    began = time.perf_counter()
    for _ in range(sizes.cycles):
        await sink.tell(Sink.take("ann", 1, "rent"))
    took = await until_done(node, began)
    check("cycle", await _count(sink), sizes.cycles)
    return {"value": sizes.cycles / took}


# To and fro.


async def _players(node: Node) -> tuple[ActorRef[Player], ActorRef[Player]]:
    return await node.spawn(Player(), name="left"), await node.spawn(Player(), name="right")


@on_a_node
async def ping_pong(node: Node, sizes: Sizes) -> Measured:
    """Round trips a second between two actors."""
    left, right = await _players(node)
    goal.aim(0)
    began = time.perf_counter()
    await left.tell(Player.serve(right, 2 * sizes.rallies - 1))
    took = await until_done(node, began)
    hits = await left.ask(Player.score()) + await right.ask(Player.score())
    check("ping-pong", hits, 2 * sizes.rallies)
    return {"value": sizes.rallies / took}


@on_a_node
async def ask(node: Node, sizes: Sizes) -> Measured:
    """Answers a second to one caller outside."""
    sink = await node.spawn(Sink(), name="sink")
    began = time.perf_counter()
    for number in range(sizes.asks):
        check("ask", await sink.ask(Sink.ask("ann", 1, "rent")), number + 1)
    return {"value": sizes.asks / (time.perf_counter() - began)}


@on_a_node
async def ask_many(node: Node, sizes: Sizes) -> Measured:
    """Answers a second to many callers outside."""
    sink = await node.spawn(Sink(), name="sink")
    answers: list[int] = []

    async def call() -> None:
        answers.extend([await sink.ask(Sink.ask("ann", 1, "rent")) for _ in range(sizes.asks_each)])

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(sizes.askers):
            nursery.start_soon(call)
    took = time.perf_counter() - began
    asked = sizes.askers * sizes.asks_each
    check("ask of many", len(set(answers)), asked)
    return {"value": asked / took}


# Latency.


async def _latency(sink: ActorRef[Sink], tells: int) -> Measured:
    times: list[float] = []
    for _ in range(tells):
        await trio.sleep(PAUSE_S)
        began = time.perf_counter()
        await sink.tell(Sink.take("ann", 1, "rent"))
        times.append(time.perf_counter() - began)
    return {"value": percentile(times, 0.5), "p99": percentile(times, 0.99)}


@on_a_node
async def acknowledged_idle(node: Node, sizes: Sizes) -> Measured:
    """Seconds, in the median, until a tell from outside is acknowledged; nothing else goes on."""
    sink = await node.spawn(Sink(), name="sink")
    found = await _latency(sink, sizes.idle_tells)
    check("acknowledged tell", await _count(sink), sizes.idle_tells)
    return found


@on_a_node
async def acknowledged_busy(node: Node, sizes: Sizes) -> Measured:
    """The same while a rally without end keeps the loop busy all the time."""
    sink = await node.spawn(Sink(), name="sink")
    left, right = await _players(node)
    await left.tell(Player.serve(right, 1 << 40))
    before, began = node.statistics().handled, time.perf_counter()
    found = await _latency(sink, sizes.busy_tells)
    # How fast the load went: a runtime that serves outsiders by starving its actors would show.
    rate = (node.statistics().handled - before) / (time.perf_counter() - began)
    check("acknowledged tell beside a load", await _count(sink), sizes.busy_tells)
    return found | {"load": rate}
