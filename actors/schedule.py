"""Schedule: who is next.

The runtime asks this one object and nobody else, so that a test can draw the order.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from ..mailbox.envelope import Flag

if TYPE_CHECKING:
    from .cell import Cell

FAVOUR = 1024
"""Turns, and messages sent by them, that full mailboxes may have before as many of the others."""
HASTE = 256
"""The same for urgent mailboxes, before as many of all others."""
ASKED = Flag.ASKED


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

    def hasten(self, cell: Cell) -> None:
        """Somebody outside waits for the answer to mail that a ready cell has now."""
        ...

    @property
    def urgent(self) -> bool:
        """Whether such a cell is ready."""
        ...

    def next(self) -> Cell | None:
        """Take the cell that has the next turn, or None if nobody is ready.

        It may be ready no more: that is seen when it is visited.
        """
        ...

    def __len__(self) -> int: ...


class Fair:
    """First come, first served; a cell with much mail gives way after a quantum.

    Whoever has a quantum of mail waiting comes before the others, and until it is empty, since mail that is
    handled before its batch is sealed never touches the disk. What full mailboxes are ahead, the others have
    before the next favour; what a turn sends counts like two turns, so that a receiver catches up with its
    senders.

    Before all of them come the *urgent* ones: with little mail, of which somebody outside waits for an
    answer, so that a flood does not show in the answers of its neighbours. What these are ahead, all others
    have before the next haste; so a flood of questions takes at most half of the turns.
    """

    def __init__(self, quantum: int = 256) -> None:
        self.quantum = quantum
        # Each cell stands in one of them, once. Ordered, since a plain dict is slow to give its first key.
        self._ready = OrderedDict["Cell", None]()
        self._full = OrderedDict["Cell", None]()
        self._urgent = OrderedDict["Cell", None]()
        self._last = self._ready
        """Where the last cell came from."""
        self.spent = 0
        self._drained: Cell | None = None
        """A mailbox that was full at its last visit, and stays so until it is empty."""
        self._ahead = 0
        """By how much full mailboxes are ahead of the others."""
        self._favours = True
        self._ahead_in_haste = 0
        """By how much urgent mailboxes are ahead of all others."""
        self._hastens = True

    def add(self, cell: Cell) -> None:
        """Put a cell at the back."""
        mail = cell.mail
        if len(mail) >= self.quantum or (cell is self._drained and mail):
            self._full[cell] = None
        elif mail and mail[0].flags & ASKED:
            self._urgent[cell] = None
        else:
            self._ready[cell] = None

    def filled(self, cell: Cell) -> None:
        """Put it among the full ones."""
        if cell in self._ready:
            del self._ready[cell]
            self._full[cell] = None

    def hasten(self, cell: Cell) -> None:
        """Put it among the urgent ones, unless it is a flood itself."""
        if cell in self._ready:
            del self._ready[cell]
            self._urgent[cell] = None

    @property
    def urgent(self) -> bool:
        """Whether one of them is ready, and has its turn before all others."""
        return bool(self._urgent) and (self._hastens or not (self._ready or self._full))

    def next(self) -> Cell | None:
        """Take the cell at the front."""
        if self._urgent or self._full or self._ahead or self._ahead_in_haste or self._last is not self._ready:
            return self._weigh()
        if self._ready:
            return self._ready.popitem(last=False)[0]
        self._give_back()
        return None

    def _give_back(self) -> None:
        """Give back the memory of many that were ready: a dict that was emptied one by one keeps it."""
        for cells in (self._ready, self._full, self._urgent):
            cells.clear()
        self._drained = None

    def _weigh(self) -> Cell | None:
        """Say who is next where not all are alike; what was spent while they were counts for nothing."""
        self._account()
        if self.urgent:
            self._last = self._urgent
        elif self._full and (self._favours or not self._ready):
            self._last = self._full
        elif self._ready:
            self._last = self._ready
        else:
            self._give_back()
            return None
        cell = self._last.popitem(last=False)[0]
        self._drained = cell if self._last is self._full else None
        return cell

    def _account(self) -> None:
        """Add what the last cell did to who is ahead of whom."""
        spent, self.spent = self.spent, 0
        if self._last is self._urgent:
            self._ahead_in_haste += spent
            self._hastens = self._ahead_in_haste < HASTE
            return
        self._ahead += spent if self._last is self._full else -spent
        if self._ahead >= FAVOUR:
            self._ahead, self._favours = FAVOUR, False
        elif self._ahead <= 0:
            self._ahead, self._favours = 0, True
        if self._ahead_in_haste:
            self._ahead_in_haste = max(self._ahead_in_haste - spent, 0)
            self._hastens = self._hastens or not self._ahead_in_haste

    def __len__(self) -> int:
        return len(self._ready) + len(self._full) + len(self._urgent)
