"""Window: the part of a long mailbox that is in memory, and how the rest is read into it.

A backlog of ten million messages must not fill the memory, whether it lies in one mailbox or in thousands.
What is read from the disk is read when its turn comes, no more at a time than a visit or two can handle.
What was sent a moment ago stays in memory for its turn, up to `WINDOW` messages of a mailbox, as long as
all mailboxes together have no more than `BUDGET`; above that, they keep the first few, and the others are
read back from the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mailbox.envelope import open_envelope
from ..mailbox.errors import Undecodable
from ..mailbox.records import open_pair, open_segment, pair_key
from ..mailbox.store import Table
from .cell import WINDOW, Cell, Phase
from .mail import Mail, damaged, from_envelope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .ledger import Ledger

PAGE = 4
"""Segments read at a time: a hundred small messages, of which few are left over when a visit ends."""
BUDGET = 32 * 1024 * 1024
"""Bytes of mail, about, that all mailboxes together hold before they let go of what can wait."""
KEPT = 32
"""Messages that a mailbox keeps in memory even then."""
OVERHEAD = 400
"""Bytes that a message takes in memory beside its body, about."""


class Window:
    """Reads mail from the disk into cells."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.held = 0
        """Bytes of mail in memory, about, as of when each mailbox was last written."""

    def settle(self, cells: Iterable[Cell]) -> None:
        """Count what mailboxes hold whose batch is on disk; have them let go of it if all hold too much."""
        for cell in cells:
            self._count(cell)
        if self.held > BUDGET:
            for cell in cells:
                if len(cell.mail) > KEPT:
                    _shorten(cell)
                    self._count(cell)

    def leave(self, cell: Cell) -> None:
        """A mailbox has left memory."""
        self.held -= cell.weight
        cell.weight = 0

    def _count(self, cell: Cell) -> None:
        weight = _weight(cell)
        if weight != cell.weight and cell.phase is not Phase.GONE:
            self.held += weight - cell.weight
            cell.weight = weight

    def refill(self, cell: Cell) -> bool:
        """Read more of a mailbox into memory; False if what is next is not on disk yet."""
        # The last segment we know may have been filled up since.
        start = cell.segments[-1][0] if cell.segments else 0
        for first, end in cell.segments:
            if first <= cell.loaded < end:
                start = first
                break
        lower = pair_key(cell.box, start)
        while True:
            rows = self._ledger.store.scan(Table.MAIL, lower, pair_key(cell.box + 1, 0), limit=PAGE)
            for key, value in rows:
                self._take_segment(cell, open_pair(key)[1], value)
            if cell.mail or len(rows) < PAGE:
                break
            lower = rows[-1][0] + b"\0"
        if not cell.mail and not self.arriving(cell):
            # It is nowhere: neither on disk nor on its way there.
            lost = cell.tail - len(cell.fresh) - cell.loaded
            _append(cell, [damaged(None) for _ in range(min(lost, WINDOW))])
        return bool(cell.mail)

    def arriving(self, cell: Cell) -> int:
        """The batch that brings to disk what comes after the window; 0 if none does."""
        ledger = self._ledger
        if cell.loaded >= cell.tail - len(cell.fresh):
            return ledger.open.lsn
        return ledger.flight.lsn if ledger.flight is not None else 0

    def _take_segment(self, cell: Cell, first: int, value: bytes) -> None:
        raws = _open_or_damage(value)
        end = first + len(raws)
        if end <= cell.head:
            return
        # What fills it up may be on its way to the disk: until all that is done, it must not be deleted.
        whole = max(end, cell.last_end) if first == cell.last else end
        if cell.segments and cell.segments[-1][0] == first:
            cell.segments[-1] = (first, max(whole, cell.segments[-1][1]))
            cell.known = cell.segments[-1][1]
        elif whole > cell.known:
            # Its first messages may be done, where an earlier run of the node left off.
            cell.segments.append((first, whole))
            cell.known = whole
        if first > cell.loaded:
            # A segment is missing or was cut short: its messages are gone for good, and
            # each of them is said to be, as a dead letter, rather than passed over.
            _append(cell, [damaged(None) for _ in range(first - cell.loaded)])
        _append(cell, [_read(raw, value) for raw in raws[max(0, cell.loaded - first) :]])


def _weight(cell: Cell) -> int:
    """About how many bytes of mail a mailbox holds: as if all were as the larger of first and last."""
    mail = cell.mail
    return len(mail) * (OVERHEAD + max(mail[0].size, mail[-1].size)) if mail else 0


def _shorten(cell: Cell) -> None:
    """Let go of all but the first messages; the disk has them, or the batch that is open will bring them."""
    mail = cell.mail
    cell.loaded -= len(mail) - KEPT
    while len(mail) > KEPT:
        mail.pop()


def _append(cell: Cell, mails: list[Mail]) -> None:
    cell.mail.extend(mails)
    cell.loaded += len(mails)


def _open_or_damage(value: bytes) -> list[bytes | None]:
    try:
        return open_segment(value)
    except Undecodable:
        return [None]


def _read(raw: bytes | None, segment: bytes) -> Mail:
    if raw is None:
        return damaged(segment)  # nobody can say which of its bytes are right
    try:
        return from_envelope(open_envelope(raw))
    except Undecodable:
        return damaged(raw)
