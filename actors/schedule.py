"""Schedule: who is next.

The runtime asks this one object and nobody else, so that a test can draw the order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .cell import Cell

MOST_FAVOURS = 4
"""Visits in a row that full mailboxes may have before all others that are ready have theirs."""


class Schedule(Protocol):
    """The ready cells, and which of them has the next turn."""

    @property
    def quantum(self) -> int:
        """Turns a cell may have before it goes to the back."""
        ...

    def add(self, cell: Cell) -> None:
        """A cell has mail and may run."""
        ...

    def next(self) -> Cell | None:
        """Take the cell that has the next turn, or None if nobody is ready."""
        ...

    def __len__(self) -> int: ...


class Fair:
    """First come, first served; a cell with much mail gives way after a quantum.

    Whoever has a quantum of mail waiting comes before the others, since mail that is handled before its
    batch is sealed never touches the disk. That is a few times in a row at most; then come all others that
    are ready, so that a flood delays each of them by as many turns, however many they are.
    """

    def __init__(self, quantum: int = 256) -> None:
        self.quantum = quantum
        self._ready: deque[Cell] = deque()
        self._full: deque[Cell] = deque()
        self._favours = 0
        self._others = 0
        """Those that come before the next favour."""

    def add(self, cell: Cell) -> None:
        """Put a cell at the back."""
        (self._full if len(cell.mail) >= self.quantum else self._ready).append(cell)

    def next(self) -> Cell | None:
        """Take the cell at the front."""
        if self._full and (self._favours < MOST_FAVOURS or not self._ready):
            self._favours += 1
            self._others = len(self._ready)
            return self._full.popleft()
        self._others -= 1
        if self._others <= 0:
            self._favours = 0
        return self._ready.popleft() if self._ready else None

    def __len__(self) -> int:
        return len(self._ready) + len(self._full)
