"""Fetching: a large body is read before its turn, a piece at each visit to its mailbox.

Reading 16 MiB at once would hold up the loop, and so the neighbours. Only one body is fetched at a time, so
that a thousand mailboxes which all begin with such messages do not have all of them in memory: the
others stand aside, and one of them is called when it has been read, or is not waited for any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..mailbox.bodies import body_of
from ..mailbox.errors import Undecodable
from .bodies import PIECE
from .cell import Cell, Phase

if TYPE_CHECKING:
    from ..mailbox.envelope import Envelope
    from .bodies import Bodies
    from .schedule import Schedule


class Fetching:
    """The body on its way from the disk, and whose turn it is for."""

    def __init__(self, bodies: Bodies, schedule: Schedule) -> None:
        self._bodies = bodies
        self._schedule = schedule
        self._aside = deque[Cell]()
        """Those who come later: visited in vain for each piece, they would cost their number squared."""
        self._cell: Cell | None = None
        self._envelope: Envelope | None = None
        self._steps: Iterator[bytes | None] = iter(())

    def body(self, cell: Cell, envelope: Envelope) -> bytes | None:
        """The body of the message at the head of a cell that is visited; None to be visited again.

        Raises:
            Undecodable: it is missing or damaged.
        """
        body = body_of(envelope)
        if body is None or body.chunks <= PIECE:
            return self._bodies.read(envelope)
        if envelope is not self._envelope:
            if self._is_awaited():
                cell.phase = Phase.WAITING
                self._aside.append(cell)
                return None
            self._cell, self._envelope, self._steps = cell, envelope, self._bodies.steps(body)
        try:
            data = next(self._steps)
        except Undecodable:
            self._forget()
            raise
        if data is not None:
            self._forget()
        return data

    def _forget(self) -> None:
        self._cell = self._envelope = None
        self._steps = iter(())
        self.call_next()

    def call_next(self) -> bool:
        """Have the next one visited, unless the one before is still to be; whether somebody was."""
        while self._aside and not self._is_awaited():
            cell = self._aside.popleft()
            if cell.phase is Phase.WAITING:
                cell.phase = Phase.READY
                self._schedule.add(cell)
                return True
        return False

    def _is_awaited(self) -> bool:
        """Whether another cell, which will be visited, begins with the message whose body is on its way."""
        cell = self._cell
        if cell is None or cell.phase is not Phase.READY or not cell.mail:
            return False
        return cell.mail[0].envelope is self._envelope
