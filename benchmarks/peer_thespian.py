"""Thespian at the same work, with its simple base: all actors in the caller's thread, nothing durable.

The quickest of its bases, since nobody switches and nothing is serialised. Each measure has the name of ours,
the same messages and the same waiting for room.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
from sizes import AHEAD, BLOCK, Measured, NotHere, Sizes, check

try:
    from thespian.actors import Actor, ActorAddress, ActorSystem
except ImportError as error:
    raise NotHere("Thespian is not installed (pip install --group bench)") from error

MOST = timedelta(seconds=60)


@attrs.frozen
class Deposit:
    """The small message of all measures."""

    who: str
    amount: int
    note: str


@attrs.frozen
class Setup:
    """Tell an actor whom it works with, and how much there is to do."""

    other: ActorAddress
    left: int


@attrs.frozen
class Send:
    """Tell a sender to send this many."""

    count: int


@attrs.frozen
class Ping:
    """Hit the ball; the rally is over when none are left."""

    left: int


class Show:
    """Ask for the count."""


class Sink(Actor):
    """Counts, and tells the sender of every block that there is room."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802
        """Take a deposit, or say how many there were."""
        if message.__class__ is Deposit:
            self.count += message.amount
            if self.count % BLOCK == 0:
                self.send(sender, Send(BLOCK))
        elif isinstance(message, Show):
            self.send(sender, self.count)


class Source(Actor):
    """Sends until it has sent all."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802
        """Send some."""
        if isinstance(message, Setup):
            self.sink, self.left = message.other, message.left
        elif isinstance(message, Send):
            count = min(message.count, self.left)
            self.left -= count
            for _ in range(count):
                self.send(self.sink, Deposit("ann", 1, "rent"))


class Player(Actor):
    """Hits the ball back to whoever sent it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802
        """Hit the ball."""
        if isinstance(message, Setup):
            self.send(message.other, Ping(message.left))
        elif isinstance(message, Ping):
            self.count += 1
            if message.left:
                self.send(sender, Ping(message.left - 1))
        elif isinstance(message, Show):
            self.send(sender, self.count)


class Bank(Actor):
    """Answers every deposit."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802
        """Take a deposit, and say how many there were."""
        if message.__class__ is Deposit:
            self.count += message.amount
            self.send(sender, self.count)


@contextmanager
def _system() -> Generator[Any]:
    system = ActorSystem("simpleSystemBase")
    try:
        yield system
    finally:
        system.shutdown()


def _count(system: Any, actor: Any) -> int:
    # This base works off its queue while somebody asks.
    return int(system.ask(actor, Show(), MOST))


def tell(sizes: Sizes, _folder: Path) -> Measured:
    """Messages a second from one actor to another, until handled."""
    with _system() as system:
        sink, source = system.createActor(Sink), system.createActor(Source)
        system.tell(source, Setup(sink, sizes.tells))
        began = time.perf_counter()
        for _ in range(AHEAD):
            system.tell(source, Send(BLOCK))
        while (count := _count(system, sink)) < sizes.tells:
            pass
        took = time.perf_counter() - began
        check("Thespian tell", count, sizes.tells)
    return {"value": sizes.tells / took}


def fan_in(sizes: Sizes, _folder: Path) -> Measured:
    """Messages a second from many actors to one."""
    sent = sizes.senders * sizes.each
    with _system() as system:
        sink = system.createActor(Sink)
        sources = [system.createActor(Source) for _ in range(sizes.senders)]
        for source in sources:
            system.tell(source, Setup(sink, sizes.each))
        began = time.perf_counter()
        for source in sources:
            system.tell(source, Send(sizes.each))
        while (count := _count(system, sink)) < sent:
            pass
        took = time.perf_counter() - began
        check("Thespian fan-in", count, sent)
    return {"value": sent / took}


def ping_pong(sizes: Sizes, _folder: Path) -> Measured:
    """Round trips a second between two actors."""
    with _system() as system:
        left, right = system.createActor(Player), system.createActor(Player)
        began = time.perf_counter()
        system.tell(left, Setup(right, 2 * sizes.rallies - 1))
        while (hits := _count(system, left) + _count(system, right)) < 2 * sizes.rallies:
            pass
        took = time.perf_counter() - began
        check("Thespian ping-pong", hits, 2 * sizes.rallies)
    return {"value": sizes.rallies / took}


def ask(sizes: Sizes, _folder: Path) -> Measured:
    """Answers a second to one caller outside."""
    with _system() as system:
        bank = system.createActor(Bank)
        began = time.perf_counter()
        for number in range(sizes.asks):
            check("Thespian ask", system.ask(bank, Deposit("ann", 1, "rent"), MOST), number + 1)
        return {"value": sizes.asks / (time.perf_counter() - began)}
