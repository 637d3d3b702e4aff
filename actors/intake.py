"""Intake: what comes from outside waits here when there is too much (G13).

Turns never wait, since a turn that waits for room in a mailbox can wait for itself.
Whoever sends from outside does, in the order in which the calls were made.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from .errors import NodeClosed, Overloaded

if TYPE_CHECKING:
    from .ledger import Ledger
    from .room import Room
    from .schedule import Schedule

MAX_BYTES_WAITING = 16 * 1024 * 1024
"""Bytes taken in from outside that may wait for the disk."""
MOST_READY = 50_000
"""Mailboxes that may have a turn due: each is in memory, about 2 KB, until its mail is handled."""


class Place:
    """A caller's place in the line."""

    __slots__ = ("called",)

    def __init__(self) -> None:
        self.called = trio.Event()


class Intake:
    """The door for senders outside a turn."""

    def __init__(self, ledger: Ledger, room: Room, schedule: Schedule) -> None:
        self._ledger = ledger
        self._room = room
        self._schedule = schedule
        self._queue: deque[Place] = deque()
        self._closed: NodeClosed | None = None

    @property
    def most(self) -> float:
        """Bytes that can ever fit."""
        return float("inf") if self._room.quota is None else self._room.quota

    @property
    def is_closed(self) -> bool:
        """Whether nobody is let in any more."""
        return self._closed is not None

    def check_open(self) -> None:
        """Raise if the node was closed.

        Raises:
            NodeClosed: it was.
        """
        if self._closed is not None:
            raise NodeClosed(str(self._closed))

    async def admit(self, size: int) -> None:
        """Wait until a message of `size` bytes may come in.

        Raises:
            Overloaded: it can never fit.
            NodeClosed: the node was closed, perhaps while waiting.
        """
        self.check_open()
        if size > self.most:
            raise Overloaded(
                f"{size} bytes can never fit: the store's quota is {self.most} bytes; "
                "send less at once, or open the node with a larger quota="
            )
        if self._queue or self._must_wait():
            await self._stand_in_line()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()

    async def _stand_in_line(self) -> None:
        """Wait for one's turn; the place is kept until one is in, so that nobody slips past."""
        place = Place()
        self._queue.append(place)
        try:
            while self._queue[0] is not place or self._must_wait():
                place.called = trio.Event()
                await place.called.wait()
                self.check_open()
        finally:
            self._queue.remove(place)
            # The next in the queue may come in too; it looks for itself.
            self.reconsider()

    def reconsider(self) -> None:
        """There may be room now."""
        if self._queue and not self._must_wait():
            self._queue[0].called.set()

    def close(self, reason: str) -> None:
        """Let nobody in any more."""
        self._closed = NodeClosed(reason)
        for place in self._queue:
            place.called.set()

    def _must_wait(self) -> bool:
        ledger = self._ledger
        return (
            self._room.disk is not None
            or ledger.open.bytes >= MAX_BYTES_WAITING
            or self._room.is_shut
            or len(self._schedule) >= MOST_READY
        )

    def why(self) -> str:
        """Why nothing is taken in, for people."""
        if len(self._schedule) >= MOST_READY:
            return f"{MOST_READY:,} mailboxes have mail to handle, and are in memory until they have"
        return self._room.why() or "the node is behind with its commits"

    @property
    def waiting(self) -> int:
        """Senders that wait."""
        return len(self._queue)
