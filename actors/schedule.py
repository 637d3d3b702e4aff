"""Schedule: who is next.

The runtime asks this one object and nobody else, so that a test can draw the order.
"""

from __future__ import annotations

from collections import deque
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
        # Each cell has a place in one of these lines, its `line`, once.
        self._ready = deque["Cell"]()
        self._full = deque["Cell"]()
        self._urgent = deque["Cell"]()
        self._left = 0
        """Places among the ready ones whose cells went to another line; `Cell.left` says how many of whom."""
        self._last = self._ready
        """Where the last cell came from."""
        self._alike = True
        """Nobody comes before anybody: there are ready ones only, and nobody is ahead."""
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
        """Put a cell at the back; one that stands in line keeps its place, or moves up."""
        mail = cell.mail
        if len(mail) >= self.quantum or (cell is self._drained and mail):
            line = self._full
        elif mail and mail[0].flags & ASKED:
            line = self._urgent
        else:
            line = self._ready
        if cell.line is None:
            cell.line = line
            line.append(cell)
            if line is not self._ready:
                self._alike = False
        elif line is not self._ready:
            self._move(cell, line)

    def filled(self, cell: Cell) -> None:
        """Put it among the full ones."""
        self._move(cell, self._full)

    def hasten(self, cell: Cell) -> None:
        """Put it among the urgent ones, unless it is a flood itself."""
        self._move(cell, self._urgent)

    def _move(self, cell: Cell, line: deque[Cell]) -> None:
        """Have one of the ready ones stand in another line: its place is left, and passed over later."""
        if cell.line is self._ready:
            cell.left += 1
            self._left += 1
            self._alike = False
            cell.line = line
            line.append(cell)

    @property
    def urgent(self) -> bool:
        """Whether one of them is ready, and has its turn before all others."""
        return bool(self._urgent) and (self._hastens or len(self) == len(self._urgent))

    def next(self) -> Cell | None:
        """Take the cell at the front."""
        if not self._alike:
            return self._weigh()
        if not self._ready:
            return None
        cell = self._ready.popleft()
        cell.line = None
        return cell

    def _pass_over(self) -> None:
        """Have a place at the front of the ready ones that was not left, if there is one.

        A cell that was here before and is here again has left the earlier ones of its places.
        """
        ready = self._ready
        while ready and ready[0].left:
            ready.popleft().left -= 1
            self._left -= 1

    def _weigh(self) -> Cell | None:
        """Say who is next where not all are alike; what was spent while they were counts for nothing."""
        self._account()
        if self._left:
            self._pass_over()
        if self.urgent:
            self._last = self._urgent
        elif self._full and (self._favours or not self._ready):
            self._last = self._full
        elif self._ready:
            self._last = self._ready
        else:
            self._drained = None
            self._note_alike()
            return None
        cell = self._last.popleft()
        cell.line = None
        self._drained = cell if self._last is self._full else None
        self._note_alike()
        return cell

    def _note_alike(self) -> None:
        """See whether there is anything left to weigh."""
        others = self._urgent or self._full or self._left or self._ahead or self._ahead_in_haste
        self._alike = not others and self._last is self._ready

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
        return len(self._ready) - self._left + len(self._full) + len(self._urgent)
