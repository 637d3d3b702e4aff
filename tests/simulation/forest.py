"""A forest for storms: a tree of three levels, actors that fail by chance, and a count of our own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest

from callboard import Actor, ActorRef, Child, Dynamic, Retry, Supervisor, handler
from callboard.supervision.events import Event, Exited, Started
from callboard.supervision.overseer import Overseer
from callboard.supervision.state import Phase

STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")
STARTS: Counter[str] = Counter()
"""How often `started` of each actor ran."""
RETRIED: Counter[str] = Counter()
"""How often a turn of each actor failed that is tried again, which makes a fresh object, too."""


class Tree(Actor, type_name="storm.Tree"):
    """One of many actors under supervisors."""

    label: str
    seen: int = 0

    async def started(self) -> None:
        STARTS[self.label] += 1

    @handler(retry=Retry(attempts=1))
    async def grow(self, calm: float) -> None:
        """Fail by chance, for good: this message is not tried again."""
        self.seen += 1
        if self.turn.random.random() > calm:
            raise ValueError("struck by lightning")

    @handler(retry=Retry(attempts=3, wait=0.5))
    async def sway(self, calm: float, to: ActorRef[Tree]) -> None:
        """Take a while, perhaps fail this once, and send something on."""
        self.seen += 1
        await to.tell(Tree.grow(1.0))
        if self.turn.random.random() > calm and self.turn.attempt == 1:
            RETRIED[self.label] += 1
            raise ValueError("swayed too far")


def names(middles: int, lows: int, actors: int) -> list[str]:
    return [f"{m}.{low}.{n}" for m in range(middles) for low in range(lows) for n in range(actors)]


def forest(middles: int, lows: int, actors: int, **options: Any) -> Supervisor:
    """Three levels, the lowest with all strategies in turn."""

    def low(m: int, number: int) -> Supervisor:
        children = [Child(Tree(label), name=label) for label in (f"{m}.{number}.{n}" for n in range(actors))]
        strategy: Any = STRATEGIES[number % 3]
        return Supervisor(f"low {m}.{number}", children, strategy=strategy, intensity=2, **options)

    inner = [
        Supervisor(f"middle {m}", [low(m, n) for n in range(lows)], intensity=4, period=30, **options)
        for m in range(middles)
    ]
    return Supervisor("top", [*inner, Dynamic("pool", Tree, **options)], intensity=10_000, **options)


@attrs.define
class Book:
    """What was seen of one run of one supervisor."""

    overseer: Overseer
    restarts: list[float] = attrs.field(factory=list[float])
    """When restarts were counted, allowed or not."""
    failures: int = 0
    """Children that ended by themselves while it ran."""
    late: int = 0
    """The same while it stopped: nobody counts those."""


@attrs.define
class Books:
    """Watches every supervisor from outside, and counts by itself."""

    books: dict[Overseer, Book] = attrs.field(factory=dict[Overseer, Book])
    begun: Counter[str] = attrs.field(factory=Counter[str])
    """Starts that supervisors heard of, by child."""

    def hear(self, overseer: Overseer, event: Event, before: Any) -> None:
        book = self.books.setdefault(overseer, Book(overseer))
        after = overseer.state
        if after.restarts != before.restarts:
            book.restarts.append(after.restarts[0])
        if isinstance(event, Exited):
            stopping = before.phase in (Phase.STOPPING, Phase.ENDED)
            book.late += stopping
            book.failures += not stopping
        if isinstance(event, Started):
            self.begun[event.name] += 1

    def check_budgets(self) -> None:
        """Each supervisor gave up exactly when its budget was spent, by a count of our own."""
        for book in self.books.values():
            spec, restarts = book.overseer.spec, book.restarts
            for number, at in enumerate(restarts):
                within = sum(at - spec.period <= other <= at for other in restarts[: number + 1])
                gave_up = "GaveUp" in type(book.overseer.state.exit).__name__ and number == len(restarts) - 1
                assert gave_up == (within > spec.intensity), f"{spec.name}: {restarts}"

    def of(self, start: str) -> list[Book]:
        return [book for book in self.books.values() if book.overseer.name.startswith(start)]


@contextmanager
def books_kept() -> Generator[Books]:
    """Note what every supervisor hears and does within the block."""
    books, hear = Books(), Overseer._hear
    STARTS.clear()
    RETRIED.clear()

    def noted(self: Overseer, event: Event) -> None:
        before = self.state
        hear(self, event)
        books.hear(self, event, before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Overseer, "_hear", noted)
        yield books
