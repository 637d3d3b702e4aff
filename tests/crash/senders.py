"""Senders: tasks outside any turn that use every verb there is, and note each call before and after."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from callboard import Actor, ActorRef, Node
from callboard.actors.message import Message
from callboard.testing.journal import Journal, Span, Tried

from .cast import Account, Asker, Hive, Hoarder, Recorder, Sluggard, Ticker

Make = Callable[[str, int], Message[Any, Any]]
AGAIN = {"id", "askid"}
"""Calls that are made again after a crash until they succeed."""
DELAYS = {"soon": 0.004, "later": 0.03}


@trio.lowlevel.enable_ki_protection
def start_soon(nursery: trio.Nursery, function: Callable[..., Awaitable[None]], *args: object) -> None:
    """Start a task; trio itself does not survive a Ctrl-C in the middle of that."""
    nursery.start_soon(function, *args)


class Roster:
    """Everybody in the cast, by kind."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.recorders = [node.ref(Recorder, f"rec/{number}") for number in range(4)]
        self.accounts = [node.ref(Account, f"acc/{number}") for number in range(6)]
        self.askers = [node.ref(Asker, f"asker/{number}") for number in range(2)]
        self.sluggard = node.ref(Sluggard, "sluggard")
        self.hive = node.ref(Hive, "hive")
        self.ticker = node.ref(Ticker, "ticker")
        self.hoarder = node.ref(Hoarder, "hoarder")

    async def spawn(self) -> None:
        """Get or create them all."""
        made: list[tuple[list[Any], Callable[[], Actor]]] = [
            (self.recorders, Recorder),
            (self.accounts, Account),
            (self.askers, Asker),
            ([self.sluggard], Sluggard),
            ([self.hive], Hive),
            ([self.ticker], Ticker),
            ([self.hoarder], Hoarder),
        ]
        async with trio.open_nursery() as nursery:
            for refs, kind in made:
                for ref in refs:
                    start_soon(nursery, self._spawn, kind, ref.name)

    async def _spawn(self, kind: Callable[[], Actor], name: str) -> None:
        ref = await self.node.spawn(kind(), name=name)
        await self.node.resume(ref)  # who paused it may have been killed

    @property
    def listeners(self) -> list[ActorRef[Any]]:
        """All that can be asked what they heard."""
        return [
            *self.recorders,
            *self.accounts,
            *self.askers,
            self.sluggard,
            self.hive,
            self.ticker,
            self.hoarder,
        ]


class Sender:
    """One task that sends until it is killed."""

    def __init__(
        self,
        name: str,
        roster: Roster,
        journal: Journal,
        rng: random.Random,
        *,
        flood: int,
        hoard: bool = False,
        on_ack: Callable[[], None],
    ) -> None:
        self.name = name
        self._roster = roster
        self._journal = journal
        self._rng = rng
        self._flood = flood
        self._hoards = hoard
        self._on_ack = on_ack
        number = int(name[1:])
        count = len(roster.recorders)
        self._mine = [roster.recorders[number % count], roster.recorders[(number + 1) % count]]
        self._weights = [weight for _, weight in self._verbs()]

    async def send(self) -> None:
        """Make one call after the other, for ever."""
        await self.catch_up()
        verbs = [verb for verb, _ in self._verbs()]
        while True:
            await self._rng.choices(verbs, self._weights)[0]()
            await trio.sleep(self._rng.choice((0, 0, 0, 0.002)))

    async def catch_up(self) -> None:
        """Make the call again whose outcome the last run did not learn; its id makes that safe."""
        if self._journal.pending is not None:
            await self._make_with_id(self._journal.pending)

    def _verbs(self) -> list[tuple[Callable[[], Awaitable[None]], float]]:
        return [
            (self.tell, 8),
            (self.tell_slow, 1),
            (self.tell_stumbling, 0.5),
            (self.tell_doomed, 0.2),
            (self.tell_with_effect, 1.5),
            (self.tell_all, 1),
            (self.ask, 2),
            (self.tell_with_id, 1),
            (self.ask_with_id, 1),
            (self.tell_delayed, 1.5),
            (self.tell_keyed, 1),
            (self.pay, 2),
            (self.borrow, 2),
            (self.question, 2),
            (self.hatch, 0.7),
            (self.arm, 2),
            (self.pause, 0.7),
            (self.flood, 0.3 if self.name == "s0" else 0),
            (self.hoard, 1 if self._hoards else 0),
        ]

    # The verbs.

    async def tell(self) -> None:
        await self._tell(self._recorder(), Recorder.note)

    async def tell_slow(self) -> None:
        await self._tell(self._recorder(), Recorder.note_slowly)

    async def tell_stumbling(self) -> None:
        await self._tell(self._recorder(), Recorder.note_stumbling)

    async def tell_doomed(self) -> None:
        await self._tell(self._recorder(), Recorder.doomed, "doomed")

    async def tell_with_effect(self) -> None:
        await self._tell(self._recorder(), Recorder.note_with_effect)

    async def tell_all(self) -> None:
        pairs: list[tuple[ActorRef[Any], Message[Any, Any]]] = []
        spans: list[Span] = []
        for _ in range(self._rng.randrange(2, 7)):
            to = self._recorder()
            spans.append(self._take(to))
            pairs.append((to, Recorder.note(self.name, spans[-1].first)))
        await self._call("all", spans, lambda: self._roster.node.tell_all(pairs))

    async def flood(self) -> None:
        to = self._recorder()
        span = self._take(to, count=self._flood)
        pairs = [(to, Recorder.note(self.name, number)) for number in range(span.first, span.last + 1)]
        await self._call("all", [span], lambda: self._roster.node.tell_all(pairs))

    async def ask(self) -> None:
        to = self._recorder()
        span = self._take(to)
        await self._call("ask", [span], lambda: to.ask(Recorder.note(self.name, span.first)))

    async def tell_with_id(self) -> None:
        await self._make_with_id(Tried("id", [self._take(self._recorder())], again=True))

    async def ask_with_id(self) -> None:
        await self._make_with_id(Tried("askid", [self._take(self._recorder())], again=True))

    async def _make_with_id(self, call: Tried) -> None:
        span = call.spans[0]
        to = self._roster.node.ref(Recorder, span.to)
        once = f"{span.stream}/{span.first}"
        message = Recorder.note(span.stream, span.first)
        if call.how == "id":
            await self._call("id", [span], lambda: to.tell(message, id=once))
            if self._rng.random() < 0.2:
                await to.tell(message, id=once)
            return
        replies: list[int] = []

        async def ask() -> int:
            async with trio.open_nursery() as nursery:
                for _ in range(self._rng.randrange(1, 3)):
                    start_soon(nursery, note_reply)
            return replies[0]

        async def note_reply() -> None:
            replies.append(await to.ask(message, id=once))

        await self._call("askid", [span], ask)
        if len(set(replies)) > 1:
            self._journal.odd(f"the id {once} got the replies {replies}")

    async def tell_delayed(self) -> None:
        word = self._rng.choice(list(DELAYS))
        await self._tell_late("delayed", f"{self.name}.{word}", DELAYS[word])

    async def tell_keyed(self) -> None:
        delay = self._rng.choice((0, 0.003, 0.02))
        await self._tell_late("keyed", f"{self.name}.keyed", delay, key=self.name)

    async def _tell_late(self, how: str, stream: str, delay: float, key: str | None = None) -> None:
        to = self._mine[0]
        span = self._take(to, stream)
        message = Recorder.note_late(stream, span.first, time.time() + delay)
        await self._call(how, [span], lambda: to.tell(message, delay=delay, key=key))

    async def pay(self) -> None:
        source, target = self._rng.choices(self._roster.accounts, k=2)
        amount = self._rng.randrange(1, 40)
        await self._tell(source, lambda stream, number: Account.pay(stream, number, target, amount))

    async def borrow(self) -> None:
        borrower, lender = self._rng.choices(self._roster.accounts, k=2)
        amount = self._rng.randrange(1, 60)
        await self._tell(borrower, lambda stream, number: Account.borrow(stream, number, lender, amount))

    async def question(self) -> None:
        asker = self._rng.choice(self._roster.askers)
        await self._tell(asker, lambda stream, number: Asker.question(stream, number, self._roster.sluggard))

    async def hatch(self) -> None:
        await self._tell(self._roster.hive, Hive.hatch)

    async def arm(self) -> None:
        await self._tell(self._roster.ticker, Ticker.arm if self._rng.random() < 0.8 else Ticker.disarm)

    async def hoard(self) -> None:
        """A message and a state of many pages."""
        size = self._rng.randrange(1, 40_000)
        heap = self._rng.randbytes(size)
        await self._tell(self._roster.hoarder, lambda stream, number: Hoarder.hoard(stream, number, heap))

    async def pause(self) -> None:
        """Let mail pile up, so that it is woken and filled up in pieces."""
        to = self._recorder()
        await self._roster.node.pause(to)
        await trio.sleep(self._rng.choice((0.002, 0.02, 0.2)))
        await self._roster.node.resume(to)

    # What they share.

    def _recorder(self) -> ActorRef[Recorder]:
        return self._rng.choice(self._mine)

    def _take(self, to: ActorRef[Any], stream: str | None = None, count: int = 1) -> Span:
        return self._journal.take(to.name, stream or self.name, count)

    async def _tell(self, to: ActorRef[Any], make: Make, how: str = "tell") -> None:
        span = self._take(to)
        await self._call(how, [span], lambda: to.tell(make(span.stream, span.first)))

    async def _call(self, how: str, spans: list[Span], call: Callable[[], Awaitable[int | None]]) -> None:
        self._journal.tried(how, spans, again=how in AGAIN)
        reply = await call()
        self._journal.acked(reply)
        self._on_ack()
