"""Pykka at the same work: actors in threads, mailboxes in memory, nothing durable.

The yardstick of speed, because it is what people use now. Each measure has the name of ours, the same
messages and the same waiting for room.
"""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from sizes import AHEAD, BLOCK, Measured, NotHere, Sizes, check, own_memory

try:
    import pykka
except ImportError as error:
    raise NotHere("Pykka is not installed (pip install --group bench)") from error


@attrs.frozen
class Deposit:
    """The small message of all measures."""

    who: str
    amount: int
    note: str


@attrs.frozen
class Send:
    """Tell a sender to send this many."""

    count: int


@attrs.frozen
class Ping:
    """Hit the ball; the rally is over when none are left."""

    left: int


class Sink(pykka.ThreadingActor):
    """Counts, tells the sender of every block that there is room, and says when all is there."""

    use_daemon_thread = True

    def __init__(self, goal: int, reached: threading.Event, sender: "list[pykka.ActorRef[Source]]") -> None:
        super().__init__()
        self.goal, self.reached, self.sender, self.count = goal, reached, sender, 0

    def on_receive(self, message: Any) -> int:
        """Take a deposit."""
        self.count += message.amount
        if self.sender and self.count % BLOCK == 0:
            self.sender[0].tell(Send(BLOCK))
        if self.count == self.goal:
            self.reached.set()
        return self.count


class Source(pykka.ThreadingActor):
    """Sends until it has sent all."""

    use_daemon_thread = True

    def __init__(self, sink: pykka.ActorRef[Sink], left: int) -> None:
        super().__init__()
        self.sink, self.left = sink, left

    def on_receive(self, message: Any) -> None:
        """Send some."""
        count = min(message.count, self.left)
        self.left -= count
        for _ in range(count):
            self.sink.tell(Deposit("ann", 1, "rent"))


class Player(pykka.ThreadingActor):
    """Hits the ball back."""

    use_daemon_thread = True

    def __init__(self, reached: threading.Event, other: "list[pykka.ActorRef[Player]]") -> None:
        super().__init__()
        self.reached, self.other, self.hits = reached, other, 0

    def on_receive(self, message: Any) -> int:
        """Hit the ball."""
        self.hits += 1
        if message.left:
            self.other[0].tell(Ping(message.left - 1))
        else:
            self.reached.set()
        return self.hits


def _answer(ref: pykka.ActorRef[Any], question: object) -> int:
    answer: Any = ref.ask(question)
    return int(answer)


@contextmanager
def _all_stopped() -> Generator[None]:
    try:
        yield
    finally:
        pykka.ActorRegistry.stop_all(block=False)


@_all_stopped()
def tell(sizes: Sizes, _folder: Path) -> Measured:
    """Messages a second from one actor to another, until handled."""
    reached, sender = threading.Event(), list[pykka.ActorRef[Source]]()
    sink = Sink.start(sizes.tells, reached, sender)
    source = Source.start(sink, sizes.tells)
    sender.append(source)
    began = time.perf_counter()
    for _ in range(AHEAD):
        source.tell(Send(BLOCK))
    reached.wait()
    took = time.perf_counter() - began
    check("Pykka tell", _answer(sink, Deposit("ann", 0, "")), sizes.tells)
    return {"value": sizes.tells / took}


@_all_stopped()
def fan_in(sizes: Sizes, _folder: Path) -> Measured:
    """Messages a second from many actors to one."""
    sent, reached = sizes.senders * sizes.each, threading.Event()
    sink = Sink.start(sent, reached, [])
    sources = [Source.start(sink, sizes.each) for _ in range(sizes.senders)]
    began = time.perf_counter()
    for source in sources:
        source.tell(Send(sizes.each))
    reached.wait()
    took = time.perf_counter() - began
    check("Pykka fan-in", _answer(sink, Deposit("ann", 0, "")), sent)
    return {"value": sent / took}


@_all_stopped()
def ping_pong(sizes: Sizes, _folder: Path) -> Measured:
    """Round trips a second between two actors."""
    reached, others = threading.Event(), list[pykka.ActorRef[Player]]()
    first = Player.start(reached, others)
    others.append(Player.start(reached, [first]))
    began = time.perf_counter()
    first.tell(Ping(2 * sizes.asks - 1))
    reached.wait()
    took = time.perf_counter() - began
    # The one question more is a hit more.
    check("Pykka ping-pong", _answer(first, Ping(0)), sizes.asks + 1)
    return {"value": sizes.asks / took}


@_all_stopped()
def ask(sizes: Sizes, _folder: Path) -> Measured:
    """Answers a second to one caller outside."""
    sink = Sink.start(0, threading.Event(), [])
    began = time.perf_counter()
    for number in range(sizes.asks):
        check("Pykka ask", _answer(sink, Deposit("ann", 1, "rent")), number + 1)
    return {"value": sizes.asks / (time.perf_counter() - began)}


@_all_stopped()
def spawn(sizes: Sizes, _folder: Path) -> Measured:
    """Actors started a second."""
    began = time.perf_counter()
    refs = [Sink.start(0, threading.Event(), []) for _ in range(sizes.actors)]
    took = time.perf_counter() - began
    check("Pykka spawn", sum(ref.is_alive() for ref in refs), sizes.actors)
    return {"value": sizes.actors / took}


@_all_stopped()
def memory(sizes: Sizes, _folder: Path) -> Measured:
    """Bytes of one idle actor, its thread included."""
    reached, before = threading.Event(), own_memory()
    refs = [Sink.start(0, reached, []) for _ in range(sizes.actors)]
    check("Pykka memory", sum(_answer(ref, Deposit("ann", 1, "rent")) for ref in refs), sizes.actors)
    return {"value": (own_memory() - before) / sizes.actors}
