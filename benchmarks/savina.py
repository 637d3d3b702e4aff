"""Savina: small programs that compare actor runtimes, on our API, each with its result checked.

After Imam and Sarkar, *Savina – an actor benchmark suite* (2014); the parameters are smaller, as every
message here is part of a durable turn. The sixth here, ping-pong, is `measures.ping_pong`.
Rates are messages a second, of `fork_join_creation` actors; the clock stops when all of it is on disk.
"""

import math
import time
from collections.abc import Awaitable

from measures import BLOCK, goal, on_a_node, ping_pong as ping_pong
from sizes import Measured, Sizes, check

from callboard import Actor, ActorRef, Node, handler
from callboard.mailbox.reading import read_counters

WORKERS = 60
"""Of fork-join throughput."""
RING = 100
"""Actors of the thread ring."""
FRIENDS = 120
"""Actors of big."""


async def _run(node: Node, first: Awaitable[None], sent: int) -> Measured:
    began = time.perf_counter()
    await first
    await goal.reached.wait()
    await node.wait_idle()
    return {"value": sent / (time.perf_counter() - began)}


# Counting: one actor increments the counter of another, and then asks what it is.


class Counter(Actor):
    """Counts."""

    count: int = 0

    @handler
    async def increment(self) -> None:
        """One more."""
        self.count += 1

    @handler
    async def show(self) -> int:
        """How many."""
        return self.count


class Producer(Actor):
    """Increments, a block in a turn, and asks for the result behind them all."""

    counter: ActorRef[Counter]
    left: int
    result: int = 0

    @handler
    async def produce(self) -> None:
        """Send a block."""
        for _ in range(min(self.left, BLOCK)):
            self.left -= 1
            await self.counter.tell(Counter.increment())
        if self.left:
            await self.turn.ref.tell(Producer.produce())
        else:
            self.turn.request(self.counter, Counter.show(), then=Producer.told)

    @handler
    async def told(self, result: int) -> None:
        """Hear the result."""
        self.result = result
        goal.reached.set()

    @handler
    async def show(self) -> int:
        """The result."""
        return self.result


@on_a_node
async def counting(node: Node, sizes: Sizes) -> Measured:
    """Increments a second."""
    counter = await node.spawn(Counter())
    producer = await node.spawn(Producer(counter, sizes.tells))
    goal.aim(0)
    found = await _run(node, producer.tell(Producer.produce()), sizes.tells)
    check("counting", await producer.ask(Producer.show()), sizes.tells)
    return found


# Fork-join: many workers, each of which computes a little for each message.


class Worker(Actor):
    """Computes a sine for every message, and is done after the last."""

    left: int
    done: int = 0
    total: float = 0.0

    @handler
    async def work(self, angle: float) -> None:
        """Compute one."""
        self.total += math.sin(angle) ** 2 + math.cos(angle) ** 2
        self.done += 1
        if self.done == self.left:
            goal.finish_one()

    @handler
    async def show(self) -> float:
        """The sum, which is the number of messages."""
        return self.total


class Distributor(Actor):
    """Gives every worker its messages in rounds."""

    workers: tuple[ActorRef[Worker], ...]
    rounds: int

    @handler
    async def distribute(self) -> None:
        """A block of rounds."""
        for _ in range(min(self.rounds, BLOCK // len(self.workers) + 1)):
            self.rounds -= 1
            for worker in self.workers:
                await worker.tell(Worker.work(float(self.rounds)))
        if self.rounds:
            await self.turn.ref.tell(Distributor.distribute())


@on_a_node
async def fork_join_throughput(node: Node, sizes: Sizes) -> Measured:
    """Messages a second to many workers."""
    each = sizes.tells // WORKERS
    workers = [await node.spawn(Worker(each)) for _ in range(WORKERS)]
    distributor = await node.spawn(Distributor(tuple(workers), each))
    goal.aim_for_all(WORKERS)
    found = await _run(node, distributor.tell(Distributor.distribute()), each * WORKERS)
    sums = [round(await worker.ask(Worker.show())) for worker in workers]
    check("fork-join throughput", sum(sums), each * WORKERS)
    return found


class Mayfly(Actor):
    """Is made for one message, and ends with it."""

    @handler
    async def live(self, angle: float) -> None:
        """Compute once."""
        assert -1 <= math.sin(angle) <= 1
        self.turn.stop()
        goal.finish_one()


class Brood(Actor):
    """Makes them, a block in a turn."""

    left: int

    @handler
    async def hatch(self) -> None:
        """Make a block, each with its message."""
        for _ in range(min(self.left, BLOCK)):
            self.left -= 1
            await self.turn.spawn(Mayfly()).tell(Mayfly.live(float(self.left)))
        if self.left:
            await self.turn.ref.tell(Brood.hatch())


@on_a_node
async def fork_join_creation(node: Node, sizes: Sizes) -> Measured:
    """Actors a second that are made, handle one message, and end."""
    brood = await node.spawn(Brood(sizes.actors))
    goal.aim_for_all(sizes.actors)
    found = await _run(node, brood.tell(Brood.hatch()), sizes.actors)
    check("fork-join creation", read_counters(node.store).actors, 1)
    check("messages of fork-join creation", goal.left, 0)
    return found


# Thread ring: a token goes round until it has made its hops.


class Link(Actor):
    """Hands the token on."""

    place: int
    following: ActorRef["Link"] | None = None
    ended_with: int = 0

    @handler
    async def close_ring(self, following: ActorRef["Link"]) -> None:
        """Be told who is next."""
        self.following = following

    @handler
    async def token(self, left: int) -> None:
        """Hand it on, or keep it."""
        assert self.following is not None
        if left:
            await self.following.tell(Link.token(left - 1))
        else:
            self.ended_with = self.place + 1
            goal.reached.set()

    @handler
    async def show(self) -> int:
        """Its place, counted from 1, if the token ended here."""
        return self.ended_with


@on_a_node
async def thread_ring(node: Node, sizes: Sizes) -> Measured:
    """Hops a second of one token."""
    links = [await node.spawn(Link(place)) for place in range(RING)]
    for place, link in enumerate(links):
        await link.tell(Link.close_ring(links[(place + 1) % RING]))
    goal.aim(0)
    found = await _run(node, links[0].tell(Link.token(sizes.tells)), sizes.tells)
    ends = [await link.ask(Link.show()) for link in links]
    check("thread ring", sum(ends), sizes.tells % RING + 1)
    return found


# Big: everybody pings somebody at random, and goes on when the pong is there.


class Friend(Actor):
    """Pings the others in an order of its own."""

    left: int
    place: int
    pinged: int = 0
    ponged: int = 0

    @handler
    async def begin(self) -> None:
        """Ping the first."""
        await self._go_on()

    @handler
    async def ping(self) -> None:
        """Answer."""
        self.pinged += 1
        assert self.turn.sender is not None
        await self.turn.sender.tell(Friend.pong())

    @handler
    async def pong(self) -> None:
        """Hear the answer, and ping another."""
        self.ponged += 1
        if self.left:
            await self._go_on()
        else:
            goal.finish_one()

    @handler
    async def show(self) -> tuple[int, int]:
        """Pings and pongs."""
        return self.pinged, self.ponged

    async def _go_on(self) -> None:
        self.left -= 1
        # Whoever it is, it is the same in every run. Their names are known: a state that held
        # all of their refs would be saved with every turn.
        whom = (self.place * 7919 + self.left * 104_729) % FRIENDS
        await ActorRef[Friend](f"friend {whom}").tell(Friend.ping())


@on_a_node
async def big(node: Node, sizes: Sizes) -> Measured:
    """Messages a second, pings and pongs."""
    each = max(sizes.tells // 2 // FRIENDS, 1)
    friends = [await node.spawn(Friend(each, place), name=f"friend {place}") for place in range(FRIENDS)]
    goal.aim_for_all(FRIENDS)
    sent = 2 * each * FRIENDS
    found = await _run(node, node.tell_all([(friend, Friend.begin()) for friend in friends]), sent)
    counts = [await friend.ask(Friend.show()) for friend in friends]
    check("pings of big", sum(pinged for pinged, _ in counts), each * FRIENDS)
    check("pongs of big", sum(ponged for _, ponged in counts), each * FRIENDS)
    return found
