"""Marks: `id=` makes a retry safe (G12).

The mark of an id is written with the message it came with, in the scope of the receiving
mailbox, and the outcome is added by the turn that ends the message. A second message
with the same id and content is not delivered: it gets the first one's outcome.
"""

from __future__ import annotations

import logging
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from ..mailbox.envelope import Extra, Flag
from ..mailbox.errors import Undecodable
from ..mailbox.records import Mark, Outcome, Timer, TimerKind, mark_key, unpack
from ..mailbox.store import Table
from .errors import IdReused

if TYPE_CHECKING:
    from .cell import Cell
    from .mail import Mail
    from .message import Message
    from .runtime import Runtime

log = logging.getLogger("callboard.node")

MAX_ID = 64
MAX_OUTCOME = 64 * 1024
_encode = msgspec.msgpack.Encoder().encode
_encode_sorted = msgspec.msgpack.Encoder(order="deterministic").encode


class Marks:
    """The ids that were used."""

    def __init__(self, runtime: Runtime, keep_s: float) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._keep_ns = int(keep_s * 1e9)

    def find(self, cell: Cell | None, id: str, message: Message[Any, Any]) -> Mark | None:
        """The mark of an id at a mailbox, if there is one and the id was used with this very message.

        Raises:
            IdReused: it was used with another.
            ValueError: it is not 1 to 64 bytes of text.
        """
        check_id(id)
        if cell is None:
            return None
        mark = self._read(mark_key(cell.box, id))
        if mark is None or mark.expires_at <= self._ledger.now_ns():
            return None
        check_same(id, cell.name, mark.digest == _digest(message), message)
        return mark

    def find_mail(self, cell: Cell, id: str, mail: Mail) -> Mark | None:
        """The same for a message that a link brings, whose class may be unknown here."""
        check_id(id)
        mark = self._read(mark_key(cell.box, id))
        if mark is None or mark.expires_at <= self._ledger.now_ns():
            return None
        check_same(id, cell.name, mark.digest == _digest_of(mail), mail.show())
        return mark

    def set_mail(self, cell: Cell, id: str, mail: Mail) -> None:
        """Write the mark of a message that a link brings, with the open batch."""
        self._write(cell, id, _digest_of(mail), mail.number)

    def set(self, cell: Cell, id: str, message: Message[Any, Any], mail: Mail) -> None:
        """Write the mark of a message with the open batch."""
        self._write(cell, id, _digest(message), mail.number)
        mail.flags |= Flag.MARKED
        mail.extra = {**(mail.extra or {}), Extra.MARK: id}

    def _write(self, cell: Cell, id: str, digest: bytes, number: int) -> None:
        ledger = self._ledger
        expires_at = ledger.now_ns() + self._keep_ns
        key = mark_key(cell.box, id)
        ledger.write_record(Table.MARKS, key, Mark(digest, number, expires_at, Outcome.PENDING, b""))
        timer = Timer(TimerKind.MARK, cell.name, "", "", b"", 0, key)
        self._runtime.timers.arm(expires_at, ledger.next_number(), timer)

    def settle(self, cell: Cell, mail: Mail, outcome: int, body: bytes) -> None:
        """Keep how a marked message ended, with the turn that ended it."""
        key = mark_key(cell.box, str(mail.note(Extra.MARK)))
        mark = self._read(key)
        if mark is None or mark.number != mail.number:
            return
        too_large = len(body) > MAX_OUTCOME
        mark.outcome = Outcome.TOO_LARGE if too_large else outcome
        mark.body = b"" if too_large else body
        self._ledger.write_record(Table.MARKS, key, mark)

    def expire(self, key: bytes) -> None:
        """Forget a mark whose time is over."""
        mark = self._read(key)
        if mark is None or mark.expires_at <= self._ledger.now_ns():
            self._ledger.write(Table.MARKS, key, None)

    def _read(self, key: bytes) -> Mark | None:
        """A mark; None too if its bytes are damaged, for then its id is as good as new."""
        value = self._ledger.read(Table.MARKS, key)
        try:
            return None if value is None else unpack(Mark, value)
        except Undecodable as error:
            log.warning("the mark of an id cannot be read, so a retry with it would run again: %s", error)
            return None


def check_id(id: object) -> None:
    """Refuse what cannot be an `id=`."""
    if not isinstance(id, str) or not is_text(id) or not 1 <= len(id.encode()) <= MAX_ID:
        raise ValueError(f"an id is a str of 1 to {MAX_ID} bytes of UTF-8; got {id!r:.80}")


def is_text(text: str) -> bool:
    """Whether UTF-8 can carry it: a lone surrogate cannot be written down."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_same(id: str, name: str, same: bool, message: Message[Any, Any] | str) -> None:  # noqa: FBT001
    """Refuse an `id=` that names another message already."""
    if not same:
        raise IdReused(
            f"id={id!r} was used at {name!r} with another message than {message}: "
            "an id names one message; take a new id for a new message"
        )


def _digest(message: Message[Any, Any]) -> bytes:
    return _digest_parts(message.spec.name, message.spec.version, message.body())


def _digest_of(mail: Mail) -> bytes:
    assert mail.envelope is not None
    return _digest_parts(mail.handler, mail.version, mail.envelope.body)


def _digest_parts(handler: str, version: int, body: bytes) -> bytes:
    digest = blake2b(_encode((handler, version)), digest_size=16)
    digest.update(_in_order(body))
    return digest.digest()


def _in_order(body: bytes) -> bytes:
    """A body with its maps sorted: equal messages may have been made in another order."""
    try:
        return _encode_sorted(msgspec.msgpack.decode(body))
    except (msgspec.MsgspecError, TypeError, ValueError):
        return body
