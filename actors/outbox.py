"""Outboxes: mailboxes whose mail another node handles.

The outbox for node b is a mailbox of this store called "@b". A message to an actor there is put at its tail
with the turn that sends it; it leaves when a link has handed it over and b has said that it is on b's disk.
So the sequence numbers of the mailbox are those of the link, and all that mailboxes have is had for
nothing: order, room on the disk instead of in memory, and the books (G4, G16).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from ..mailbox.bodies import together
from ..mailbox.envelope import Flag, encode_fields, open_envelope
from ..mailbox.errors import Undecodable
from ..mailbox.records import open_pair, open_segment, pair_key
from ..mailbox.store import Table
from .burying import bury
from .cell import Cell, Phase
from .mail import Mail, from_envelope

if TYPE_CHECKING:
    from .ledger import Ledger

PAGE = 64
"""Segments read at a time."""


class Outbox:
    """The mail for one other node."""

    def __init__(self, ledger: Ledger, cell: Cell) -> None:
        self.node = cell.name[1:]
        self.cell = cell
        self.on_news: Callable[[], None] | None = None
        """Called when more is on disk; a link sets it."""
        self._ledger = ledger
        self._announced = 0
        self._damaged: dict[int, bytes] = {}
        """What could not be read, by sequence: it becomes a dead letter when the others have passed it."""
        self._large: dict[int, Mail] = {}
        """What has a large body, by sequence, as far as that is known: it is removed with its message."""
        self._old = cell.tail if ledger.bodies.used else 0
        """Before this sequence nobody knew what is large when this life began."""
        self._looked = cell.head
        """Before this one it was looked at."""
        self._read_at = (0, 0)
        """First sequence of the segment read last, and the sequence after what was taken of it."""
        self.stored = cell.tail
        """Sequence after the last message that is on disk: only these may leave (G6)."""
        cell.phase = Phase.AWAY
        self._learn_segments()

    def _learn_segments(self) -> None:
        """All of it counts as being in memory, though none of it is: it is read as it leaves."""
        cell = self.cell
        start, end = pair_key(cell.box, 0), pair_key(cell.box + 1, 0)
        firsts: list[int] = []
        while keys := self._ledger.store.prefixes(Table.MAIL, len(start), start):
            firsts += [open_pair(key)[1] for key in keys if key < end]
            if keys[-1] >= end:
                break
            start = keys[-1] + b"\0"
        ends = [*firsts[1:], cell.tail]
        cell.segments.extend(zip(firsts, ends, strict=True) if firsts else ())
        cell.known = cell.loaded = cell.tail

    @property
    def head(self) -> int:
        """Sequence of the first message that was not handed over."""
        return self.cell.head

    def put(self, mail: Mail) -> None:
        """Put a message at the tail, with the open batch."""
        cell, ledger = self.cell, self._ledger
        batch = ledger.open
        mail.lsn = batch.lsn
        batch.bytes += mail.size
        if mail.size > ledger.bodies.inline or mail.flags & Flag.CHUNKED:
            self._large[cell.tail] = mail
        cell.tail += 1
        cell.loaded = cell.tail
        cell.fresh.append(mail)
        ledger.touch(cell)
        ledger.counters.accepted += 1
        if self._announced != batch.lsn:
            self._announced = batch.lsn
            ledger.release(self._arrived)

    def _arrived(self) -> None:
        """A batch that holds mail of this outbox is on disk; the open one may hold more."""
        self.stored = self.cell.tail - len(self.cell.fresh)
        if self.on_news is not None:
            self.on_news()

    def read(self, sequence: int, most: int) -> list[bytes]:
        """Envelopes that are on disk, from a sequence on, at least one if there is one.

        One that is damaged is empty: its sequence has to be taken all the same.

        Args:
            sequence: of the first; not below `head`.
            most: bytes after which no further one is added.
        """
        found: list[bytes] = []
        size = 0
        for at, raw in enumerate(self._walk(sequence, self.stored), sequence):
            whole = self._whole(at, raw) if at < self._old or at in self._large else raw
            found.append(whole)
            size += len(whole)
            if size >= most:
                break
        return found

    def _walk(self, sequence: int, end: int) -> Iterator[bytes]:
        box = self.cell.box
        lower = pair_key(box, self._read_at[0] if self._read_at[1] == sequence else 0)
        at = sequence
        while at < end:
            rows = self._ledger.store.scan(Table.MAIL, lower, pair_key(box + 1, 0), limit=PAGE)
            for key, value in rows:
                first = open_pair(key)[1]
                for raw in self._segment(first, value, at, end):
                    at += 1
                    self._read_at = (first, at)
                    yield raw
            if len(rows) < PAGE:
                break
            lower = rows[-1][0] + b"\0"
        for lost in range(at, end):
            self._damaged[lost] = b""
            yield b""

    def _segment(self, first: int, value: bytes, at: int, end: int) -> Iterator[bytes]:
        """What a segment holds from `at` to `end`; what is missing before it is lost."""
        for lost in range(at, min(first, end)):
            self._damaged[lost] = b""
            yield b""
        at = max(at, first)
        try:
            raws = open_segment(value)[at - first : end - first] if end > first else []
        except Undecodable:
            raws = [None]  # of those behind it, what comes next will say that they are missing
        for sequence, raw in enumerate(raws, at):
            if raw is None:
                self._damaged[sequence] = value
            yield raw or b""

    def _whole(self, sequence: int, raw: bytes) -> bytes:
        """An envelope with its body in it, as it leaves; empty if that cannot be read."""
        mail = self._note(sequence, raw)
        if mail is None or mail.envelope is None:
            return raw
        try:
            return encode_fields(together(mail.envelope, self._ledger.bodies.read(mail.envelope)))
        except Undecodable:
            self._damaged[sequence] = raw
            del self._large[sequence]  # the dead letter keeps what is left of its body
            return b""

    def _note(self, sequence: int, raw: bytes) -> Mail | None:
        """What is known of a message with a large body; None if it has none."""
        if sequence < self._old and sequence not in self._large:
            with suppress(Undecodable):
                envelope = open_envelope(raw)
                if envelope.flags & Flag.CHUNKED:
                    self._large[sequence] = from_envelope(envelope)
        return self._large.get(sequence)

    def _drop_bodies(self, sequence: int) -> None:
        """Remove the large bodies of all before a sequence."""
        end = min(sequence, self._old)
        for at, raw in enumerate(self._walk(self._looked, end), self._looked) if self._looked < end else ():
            self._note(at, raw)
        self._looked = max(self._looked, sequence)
        for at in [at for at in self._large if at < sequence]:
            self._ledger.bodies.drop(self._large.pop(at).envelope)

    def number_at(self, sequence: int) -> int:
        """The number of a message that still lies here, on disk; 0 if it does not, or cannot be read."""
        if not self.head <= sequence < self.stored:
            return 0
        raw = next(self._walk(sequence, sequence + 1))
        try:
            return open_envelope(raw).number
        except Undecodable:
            return 0

    def handed_over(self, sequence: int) -> None:
        """All before a sequence is on the other node's disk: let it go, with the open batch."""
        cell, ledger = self.cell, self._ledger
        count = sequence - cell.head
        if count <= 0:
            return
        if self._large or self._looked < self._old:
            self._drop_bodies(sequence)
        cell.head = sequence
        ledger.touch(cell)
        for lost in [lost for lost in self._damaged if lost < sequence]:
            count -= 1
            bury(ledger, self._damaged.pop(lost), cell.name, "", "undecodable", text="its bytes are damaged")
        cell.handled += count
        ledger.counters.sent += count
