"""Schedule: who is next.

The runtime asks this one object and nobody else, so that a test can draw the order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .cell import Cell

FAVOUR = 1024
"""Turns, and messages sent by them, that full mailboxes may have before as many of the others."""


class Schedule(Protocol):
    """The ready cells, and which of them has the next turn."""

    spent: int
    """Turns since the last call of `next`, and messages that they sent; the runtime counts."""

    @property
    def quantum(self) -> int:
        """Turns a cell may have before it goes to the back."""
        ...

    def add(self, cell: Cell) -> None:
        """A cell has mail and may run."""
        ...

    def filled(self, cell: Cell) -> None:
        """A ready cell has a quantum of mail now."""
        ...

    def next(self) -> Cell | None:
        """Take the cell that has the next turn, or None if nobody is ready.

        It may be ready no more: that is seen when it is visited.
        """
        ...

    def __len__(self) -> int: ...


class Fair:
    """First come, first served; a cell with much mail gives way after a quantum.

    Whoever has a quantum of mail waiting comes before the others, since mail that is handled before its
    batch is sealed never touches the disk. What full mailboxes are ahead, the others have before the next
    favour; what a turn sends counts like turns, so that many senders do not all run before their receiver.
    """

    def __init__(self, quantum: int = 256) -> None:
        self.quantum = quantum
        self._ready: deque[Cell] = deque()
        self._full: deque[Cell] = deque()
        self.spent = 0
        self._ahead = 0
        """By how much full mailboxes are ahead of the others."""
        self._favours = True
        self._full_was_next = False

    def add(self, cell: Cell) -> None:
        """Put a cell at the back."""
        (self._full if len(cell.mail) >= self.quantum else self._ready).append(cell)

    def filled(self, cell: Cell) -> None:
        """Put it among the full ones, too; where it stands already it is passed over."""
        self._full.append(cell)

    def next(self) -> Cell | None:
        """Take the cell at the front."""
        if self._full or self._ahead or self._full_was_next:
            self._weigh()
            if self._full_was_next:
                return self._full.popleft()
        return self._ready.popleft() if self._ready else None

    def _weigh(self) -> None:
        """Say whether a full mailbox is next; what was spent while none was counts for nothing."""
        ahead = self._ahead + (self.spent if self._full_was_next else -self.spent)
        self._ahead = min(max(ahead, 0), FAVOUR)
        self.spent = 0
        if self._ahead >= FAVOUR:
            self._favours = False
        elif not self._ahead:
            self._favours = True
        self._full_was_next = bool(self._full) and (self._favours or not self._ready)

    def __len__(self) -> int:
        return len(self._ready) + len(self._full)
