"""Bodies: what is too large for an envelope is written beside it, read when its turn comes, and removed.

Memory holds a large body from its sending until its batch is sealed; from then on it is on disk alone, so
a mailbox full of them takes no more memory than any other. All of it happens with the open batch: a
body comes with the batch that first writes its envelope, and goes with the one that writes it no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..mailbox.bodies import Body, apart, body_of, chunk_key, chunks_of, cut, read_in_pieces, whole
from ..mailbox.envelope import INLINE, Envelope, Flag, encode_fields, open_envelope
from ..mailbox.errors import Undecodable
from ..mailbox.maps import LOOSE
from ..mailbox.store import Table

if TYPE_CHECKING:
    from .ledger import Ledger
    from .mail import Mail


PIECE = 256
"""Chunks that one batch brings, or takes away, of a body that has more and can wait: 1,020 KiB."""


class Bodies:
    """The large bodies of one node."""

    def __init__(self, ledger: Ledger) -> None:
        self.inline = INLINE
        """A body up to this size lies in its envelope."""
        self.used = ledger.store.last(Table.BODIES) is not None
        """Whether there can be any; while there are none, nobody looks for them."""
        self.laid: dict[int, Body] = {}
        """Bodies that are on disk before their messages, by the id of the message in memory; see `spool`."""
        self._ledger = ledger
        self._loose = LOOSE.read(ledger.store)
        """Bodies that no message has, not yet or not any more, and their chunks: what META says of them."""
        self._doomed = deque((number, 0) for number in self._loose)
        """What is removed a piece at a time, and from which chunk on."""
        self._sweeping = False

    def stow(self, mail: Mail) -> bytes:
        """A message's envelope as it goes to disk, with its body beside it if that is large."""
        raw = mail.encode()
        if mail.flags & Flag.CHUNKED:
            mail.message = None
            return raw
        if len(raw) <= self.inline:
            return raw
        envelope = mail.envelope or open_envelope(raw)
        if len(envelope.body) <= self.inline:
            return raw
        mail.envelope, mail.message = self._lay(envelope), None
        mail.flags |= Flag.CHUNKED
        return mail.encode()

    def stow_bytes(self, raw: bytes) -> bytes:
        """The same for an envelope in bytes; those that cannot be read stay as they are."""
        if len(raw) <= self.inline:
            return raw
        try:
            envelope = open_envelope(raw)
        except Undecodable:
            return raw
        if envelope.flags & Flag.CHUNKED or len(envelope.body) <= self.inline:
            return raw
        return encode_fields(self._lay(envelope))

    def _lay(self, envelope: Envelope) -> Envelope:
        body, chunks = cut(self._ledger.next_number(), envelope.body)
        self._ledger.write_all(Table.BODIES, chunks)
        self.used = True
        return apart(envelope, body)

    def read(self, envelope: Envelope) -> bytes:
        """An envelope's body, wherever it lies.

        Raises:
            Undecodable: it is missing or damaged.
        """
        body = body_of(envelope)
        return envelope.body if body is None else whole(self.steps(body))

    def steps(self, body: Body) -> Iterator[bytes | None]:
        """A body, read a piece at a step; see `read_in_pieces`."""
        ledger = self._ledger

        def read(first: int, end: int) -> list[bytes]:
            keys = [chunk_key(body.number, index) for index in range(first, end)]
            if any(keys[-1] in writes.get(Table.BODIES, ()) for writes in ledger.undurable_writes()):
                return [chunk for key in keys if (chunk := ledger.read(Table.BODIES, key))]
            return chunks_of(ledger.store, body, first, end)

        return read_in_pieces(body, read)

    def drop(self, envelope: Envelope | None) -> None:
        """Remove the body of a message that is done with, if it lies apart."""
        try:
            body = None if envelope is None else body_of(envelope)
        except Undecodable:
            return  # nobody knows where it lies: `callboard store check` finds what no message has
        if body is not None and body.chunks <= PIECE:
            self._ledger.write_all(Table.BODIES, dict.fromkeys(body.keys()))
        elif body is not None and body.number not in self._loose:
            self.loosen(body)
            self.forsake(body.number)

    # Bodies that no message has.

    def loosen(self, body: Body) -> None:
        """Note with the open batch that no message has a body."""
        self._loose[body.number] = body.chunks
        self.used = True
        self._note()

    def keep(self, number: int) -> None:
        """A message has it now, with the open batch."""
        del self._loose[number]
        self._note()

    def forsake(self, number: int) -> None:
        """No message will have it: remove it, with this batch and some more."""
        self._doomed.append((number, 0))
        self.sweep()

    def sweep(self) -> None:
        """Remove a piece of what is doomed with the open batch, and go on when that is on disk."""
        if self._sweeping or not self._doomed:
            return
        number, start = self._doomed.popleft()
        end = min(start + PIECE, self._loose[number])
        keys = [chunk_key(number, index) for index in range(start, end)]
        self._ledger.write_all(Table.BODIES, dict.fromkeys(keys))
        if end < self._loose[number]:
            self._doomed.appendleft((number, end))
        else:
            self.keep(number)
        if self._doomed:
            self._sweeping = True
            self._ledger.release(self._sweep_on)

    def _sweep_on(self) -> None:
        self._sweeping = False
        self.sweep()

    def _note(self) -> None:
        self._ledger.write(Table.META, LOOSE.key, LOOSE.pack(self._loose))

    def attach(self, mail: Mail, body: Body) -> None:
        """Give a message the body that was on disk before it."""
        mail.envelope = apart(mail.envelope_with(b""), body)
        mail.flags |= Flag.CHUNKED

    def drop_of(self, raw: bytes) -> None:
        """The same for an envelope in bytes."""
        if self.used:
            try:
                self.drop(open_envelope(raw))
            except Undecodable:
                return
