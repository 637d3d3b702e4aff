"""History: what became of every message, as far as it is on disk, and as far as memory believes.

Each event belongs to a batch. What memory believes (`now`) runs ahead; what is on disk (`durable`)
follows when the batch is. A crash sets `now` back to `durable`: exactly the suffix is lost that the
runtime says is lost, and any other loss shows as a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from ..actors.message import Message
from ..mailbox.envelope import Flag

Lifetime = tuple[str, int, int]
"""One life of an actor: its name, its mailbox's number, and the how manieth it is there."""
ENDED = frozenset({"handled", "refused", "dead", "dropped"})


@attrs.define
class Sent:
    """One message that somebody sent."""

    number: int
    sender: str
    """Address of the actor that sent it; empty from outside."""
    to: str
    handler: str
    message: Message[Any, Any] | None
    """The message; None if it never was in memory as a value."""
    due: int = 0
    """When it is due, nanoseconds since the epoch; 0 if it is no timer."""
    flags: int = 0
    """Of its envelope; see `Flag`."""
    cause: int = 0
    """Number of the message in whose turn it was sent; an answer's is its question's; 0 from outside."""
    id: str = ""
    """The `id=` it came with."""
    behind: int = 0
    """Number of the message behind which it was put when it was taken back from the dead letters."""
    again: int = 0
    """How many were taken back before it, and itself; 0 if it was not."""
    home: str = ""
    """The other node that it came from; empty for this one."""

    @property
    def place(self) -> tuple[int, int]:
        """Its place among the messages of its sender to its receiver: those of smaller ones come first."""
        return (self.behind, self.again) if self.again else (self.number, 0)

    @property
    def pair(self) -> tuple[str, str, str]:
        """Between whom order is kept: the sender's node and name, and the receiver."""
        return (self.home, self.sender, self.to)

    @property
    def keyed(self) -> bool:
        """A timer that can be cancelled or replaced."""
        return bool(self.flags & Flag.KEYED)

    @property
    def is_answer(self) -> bool:
        """The outcome of a request."""
        return bool(self.flags & Flag.REPLY)

    def __str__(self) -> str:
        who = self.sender or "outside"
        return f"{self.message or self.handler} from {who} to {self.to}"


@attrs.define
class Known:
    """What is known at one level: on disk, or in memory."""

    status: dict[int, str] = attrs.field(factory=dict[int, str])
    """By message number: scheduled, queued, or how it ended."""
    attempts: dict[int, int] = attrs.field(factory=dict[int, int])
    """Failed attempts of messages that have not ended."""
    states: dict[Lifetime, bytes] = attrs.field(factory=dict[Lifetime, bytes])
    """State after the last turn, by mailbox and life."""
    ids: dict[tuple[str, str], Taken] = attrs.field(factory=dict[tuple[str, str], "Taken"])
    """What came with an id, by receiver and id."""
    answers: dict[int, int] = attrs.field(factory=dict[int, int])
    """Number of the answer, by that of the question."""

    def copy(self) -> Known:
        """The same, to go on separately."""
        return Known(
            dict(self.status), dict(self.attempts), dict(self.states), dict(self.ids), dict(self.answers)
        )


@attrs.frozen
class Taken:
    """The message that came first with an `id=`."""

    sent: Sent
    box: int
    """Number of the mailbox; another one under the same name knows nothing of the id."""
    until: int
    """How long the id is kept, nanoseconds since the epoch."""


Change = Callable[[Known], None]


@attrs.frozen
class Pending:
    """Something that is true now, and durable with a batch."""

    lsn: int
    change: Change
    ended: Sent | None
    """A message that it ends."""
    born: Sent | None
    """A message that it begins."""
    revived: Sent | None
    """A message whose end as a dead letter it takes back, as it was."""


class History:
    """Of one store, through all lives of its node."""

    def __init__(self) -> None:
        self.sent: dict[int, Sent] = {}
        """Every message there ever was, those that a crash took back among them."""
        self.now = Known()
        self.durable = Known()
        self.order: list[Sent] = []
        """Messages in the order in which their turns ended, as far as that is on disk."""
        self.excused: set[int] = set()
        """Messages that a fault damaged on purpose."""
        self.reset: set[str] = set()
        """Mailboxes whose attempts a person has set back to zero."""
        self.timers: dict[int, int] = {}
        """Number of the message, by that of its timer with a key."""
        self.latest_ns = 0
        """The latest that the wall clock ever showed."""
        self._pending: list[Pending] = []
        self._revivals = 0

    def change(
        self,
        lsn: int,
        change: Change,
        *,
        ended: Sent | None = None,
        born: Sent | None = None,
        revived: Sent | None = None,
    ) -> None:
        """Something that is true now, and durable with batch `lsn`."""
        change(self.now)
        self._pending.append(Pending(lsn, change, ended, born, revived))

    def revive(self, lsn: int, number: int, to: str, change: Change) -> None:
        """A dead letter comes again, at the tail of a mailbox: its end is forgotten, with batch `lsn`."""
        old = self.sent.get(number)
        if old is None:
            return
        self._revivals += 1
        before = [each.number for each in self.sent.values() if (each.sender, each.to) == (old.sender, to)]
        behind = max(before, default=0)
        self.sent[number] = attrs.evolve(old, to=to, behind=behind, again=self._revivals)
        self.change(lsn, change, revived=old)

    def learn(self, change: Change) -> None:
        """Something that was true on disk before anybody looked."""
        change(self.now)
        change(self.durable)

    def commit(self, lsn: int) -> tuple[list[Sent], list[Sent]]:
        """Batch `lsn` is on disk; returns the messages whose turns ended with it, and those it brought."""
        done = [item for item in self._pending if item.lsn <= lsn]
        self._pending = [item for item in self._pending if item.lsn > lsn]
        for item in done:
            item.change(self.durable)
            if item.ended is not None:
                self.order.append(item.ended)
            if item.revived is not None:
                self.order = [each for each in self.order if each.number != item.revived.number]
        ended = [item.ended for item in done if item.ended is not None]
        return ended, [item.born for item in done if item.born is not None]

    def crash(self) -> int:
        """What was not on disk never was; returns how many messages' turns that takes back."""
        lost = sum(item.ended is not None for item in self._pending)
        for item in reversed(self._pending):
            if item.revived is not None:
                self.sent[item.revived.number] = item.revived
        self._pending.clear()
        self.now = self.durable.copy()
        return lost

    def waiting(self, status: str) -> set[int]:
        """The numbers of messages that are queued, or scheduled, on disk."""
        return {number for number, is_now in self.durable.status.items() if is_now == status}
