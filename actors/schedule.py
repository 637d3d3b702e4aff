"""Schedule: who is next.

The runtime asks this one object and nobody else, so that a test can draw the order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .cell import Cell


class Schedule(Protocol):
    """The ready cells, and which of them has the next turn."""

    quantum: int
    """Turns a cell may have before it goes to the back."""

    def add(self, cell: Cell) -> None:
        """A cell has mail and may run."""
        ...

    def next(self) -> Cell | None:
        """Take the cell that has the next turn, or None if nobody is ready."""
        ...

    def __len__(self) -> int: ...


class Fair:
    """First come, first served; a cell with much mail gives way after a quantum."""

    def __init__(self, quantum: int = 256) -> None:
        self.quantum = quantum
        self._ready: deque[Cell] = deque()

    def add(self, cell: Cell) -> None:
        """Put a cell at the back."""
        self._ready.append(cell)

    def next(self) -> Cell | None:
        """Take the cell at the front."""
        return self._ready.popleft() if self._ready else None

    def __len__(self) -> int:
        return len(self._ready)
