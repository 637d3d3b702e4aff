"""Sessions: what both ends of a connection decide, as pure state machines.

Mail goes one way over a connection, from the node that dialled; what has been taken comes back. It is
go-back-n with a window in bytes: the sender runs ahead until the window is full, the receiver takes only
what comes next in order, and when something is missing the sender goes back to it. Time is passed in. Nothing
here waits, reads or writes; `link` and `door` do that.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

import attrs

from .errors import BadFrame

PING_AFTER_S = 5.0
"""An idle connection says something this often."""
SILENT_S = 15.0
"""After so much silence the other side is given up, and dialled again. No mail is dropped for it."""
RESEND_S = 2.0
"""What was not taken for so long is sent again."""
GO_BACK_S = 0.1
"""Not more often than this: one gap is reported by every frame behind it."""


class Due(Enum):
    """What a sender has to do when time has passed."""

    NOTHING = "nothing"
    PING = "ping"
    GIVE_UP = "give up"


@attrs.define
class Sender:
    """The end that dialled."""

    epoch: int
    head: int
    """The first sequence that was not taken over."""
    window: int
    """Bytes that may be under way."""
    now: float
    next: int = attrs.field(init=False)
    """The sequence that is sent next."""
    furthest: int = attrs.field(init=False)
    """The sequence after the last that was ever sent over this connection."""
    under_way: int = 0
    """Bytes of what was sent and not taken over."""
    _sizes: deque[tuple[int, int]] = attrs.field(factory=deque[tuple[int, int]])
    """Sequence after, and bytes, of what is under way, frame by frame."""
    _heard_at: float = attrs.field(init=False)
    _said_at: float = attrs.field(init=False)
    _moved_at: float = attrs.field(init=False)
    _went_back_at: float = float("-inf")

    def __attrs_post_init__(self) -> None:
        self.next = self.furthest = self.head
        self._heard_at = self._said_at = self._moved_at = self.now

    @property
    def room(self) -> int:
        """Bytes that may be sent now; a message larger than the window goes alone."""
        return self.window - self.under_way if self.under_way else self.window

    def sent(self, count: int, size: int, now: float) -> None:
        """So many messages of so many bytes were sent."""
        if not self.under_way:
            self._moved_at = now
        self.next += count
        self.furthest = max(self.furthest, self.next)
        self.under_way += size
        self._sizes.append((self.next, size))
        self._said_at = now

    def said(self, now: float) -> None:
        """Something else was sent."""
        self._said_at = now

    def taken(self, epoch: int, sequence: int, *, again: bool, now: float) -> bool:
        """The other side has all before a sequence on its disk; whether that is news.

        Raises:
            BadFrame: it speaks of what was never sent.
        """
        if epoch != self.epoch:
            return False
        if sequence > self.furthest:
            raise BadFrame(f"the other side has taken {sequence}, and only {self.furthest} was sent")
        self._heard_at = now
        moved = sequence > self.head
        if moved:
            self.head = sequence
            self._moved_at = now
            self.next = max(self.next, sequence)
            while self._sizes and self._sizes[0][0] <= sequence:
                self.under_way -= self._sizes.popleft()[1]
        if again and sequence == self.head and now - self._went_back_at >= GO_BACK_S:
            self.go_back(now)
        return moved

    def go_back(self, now: float) -> None:
        """Send again from the first that was not taken over."""
        self._went_back_at = self._moved_at = now
        self.next = self.head
        self._sizes.clear()
        self.under_way = 0

    def due(self, now: float) -> Due:
        """What time asks for."""
        # Compared as `wakes_at` reckons, or rounding could let a sender wake for nothing, for ever.
        if now >= self._heard_at + SILENT_S:
            return Due.GIVE_UP
        if self.under_way and now >= self._moved_at + RESEND_S:
            self.go_back(now)
        if now >= self._said_at + PING_AFTER_S:
            return Due.PING
        return Due.NOTHING

    def wakes_at(self) -> float:
        """When `due` should be asked next."""
        at = min(self._said_at + PING_AFTER_S, self._heard_at + SILENT_S)
        return min(at, self._moved_at + RESEND_S) if self.under_way else at


@attrs.define
class Receiver:
    """The end that was dialled."""

    epoch: int
    next: int
    """The sequence that is taken next, of what may not be on disk yet."""
    stored: int
    """The same, of what is on disk: this is what the other side is told."""

    def mail(self, epoch: int, first: int, count: int) -> int:
        """How many messages at the head of a frame to leave out; `count` for all, -1 if some are missing."""
        if epoch != self.epoch or first + count <= self.next:
            return count
        return self.next - first if first <= self.next else -1

    def took(self, count: int) -> None:
        """So many messages were taken in with the open batch."""
        self.next += count

    def on_disk(self, sequence: int) -> None:
        """All before a sequence is on disk."""
        self.stored = max(self.stored, sequence)
