"""Mail: one message in a mailbox, in memory.

What was sent a moment ago is held as the live `Message`, and is encoded only if it
reaches the disk; what was read from the disk is held as its envelope, and is decoded
only when its turn begins. All messages of one turn share one `Cause`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..mailbox.envelope import INLINE, Codec, Envelope, Extra, encode_fields
from .message import Message


# Structs because msgspec makes one in 80 ns, where a class of our own takes 400.
class Cause(msgspec.Struct, eq=False, gc=False):
    """Where messages come from: the turn, or the call from outside, that sent them."""

    sender: str
    """Address of the actor; empty from outside."""
    sent_at: int
    number: int
    """Of the message in whose turn they were sent; 0 from outside."""
    root: int
    """Of the message that began the chain; 0 if they begin one themselves."""
    trace: str


class Mail(msgspec.Struct, eq=False, gc=False):
    """One message in a mailbox."""

    number: int
    message: Message[Any, Any] | None
    """The live message; None if it was read from the disk."""
    cause: Cause
    flags: int = 0
    extra: dict[int, Any] | None = None
    envelope: Envelope | None = None
    """What was read from the disk."""
    raw: bytes | None = None
    """The bytes as they lay on disk, where they are damaged."""
    lsn: int = 0
    """The batch that holds it."""
    size: int = 0
    """Bytes of its body, or an upper bound of them."""

    def encode(self) -> bytes:
        """The envelope, as it goes to disk."""
        if self.envelope is not None:
            return encode_fields(self.envelope)
        assert self.message is not None
        return encode_fields(self._fields(self.message, self.message.body()))

    def envelope_with(self, body: bytes) -> Envelope:
        """The envelope of a live message, with something else in the place of its body."""
        assert self.message is not None
        return Envelope(*self._fields(self.message, body))

    def _fields(self, message: Message[Any, Any], body: bytes) -> tuple[Any, ...]:
        """Those of `Envelope`, in order."""
        spec, cause = message.spec, self.cause
        return (
            self.number,
            b"",
            spec.type_name,
            spec.name,
            spec.version,
            Codec.MSGPACK,
            body,
            cause.sender,
            cause.sent_at,
            cause.number,
            cause.root or self.number,
            cause.trace,
            0,
            self.flags,
            self.extra or {},
        )

    @property
    def handler(self) -> str:
        """Declared name of the handler it is for."""
        if self.message is not None:
            return self.message.spec.name
        return self.envelope.handler if self.envelope is not None else "?"

    @property
    def type(self) -> str:
        """Declared name of the actor type it is for."""
        if self.message is not None:
            return self.message.spec.type_name
        return self.envelope.type if self.envelope is not None else ""

    @property
    def version(self) -> int:
        """Version of the handler's parameters."""
        if self.message is not None:
            return self.message.spec.version
        return self.envelope.version if self.envelope is not None else 0

    @property
    def root(self) -> int:
        """Number of the message that began the chain."""
        return self.cause.root or self.number

    @property
    def base_attempts(self) -> int:
        """Attempts already spent before it came to this mailbox."""
        return self.envelope.attempts if self.envelope is not None else 0

    def note(self, key: int) -> Any:
        """A value of the extension area, or None."""
        return None if self.extra is None else self.extra.get(key)

    @property
    def request(self) -> int:
        """Number of the request it asks; 0 if none."""
        return int(self.note(Extra.REQUEST) or 0)

    def show(self) -> str:
        """The message as people see it, without its parameters if they are not at hand, or large."""
        if self.message is not None and self.size <= INLINE:
            return repr(self.message)
        return f"{self.handler}(…)"


def size_of(message: Message[Any, Any]) -> int:
    """An upper bound of a message's body in bytes; exact where a bound is not cheap."""
    return message.size or len(message.body())


def from_envelope(envelope: Envelope) -> Mail:
    """Mail that was read from the disk."""
    cause = Cause(envelope.sender, envelope.sent_at, envelope.cause, envelope.root, envelope.trace)
    extra = dict(envelope.extra) or None
    return Mail(envelope.number, None, cause, envelope.flags, extra, envelope, None, 0, len(envelope.body))


def damaged(raw: bytes | None) -> Mail:
    """Mail whose bytes cannot be read; it becomes a dead letter when its turn comes."""
    mail = Mail(0, None, Cause("", 0, 0, 0, ""))
    mail.raw = raw or b""
    return mail
