"""Mail: one message in a mailbox, in memory.

What was sent a moment ago is held as the live `Message`, and is encoded only if it
reaches the disk; what was read from the disk is held as its envelope, and is decoded
only when its turn begins. All messages of one turn share one `Cause`.
"""

from __future__ import annotations

from typing import Any

from ..mailbox.envelope import Codec, Envelope, Extra, encode_fields
from .message import Message


class Cause:
    """Where messages come from: the turn, or the call from outside, that sent them."""

    __slots__ = ("number", "root", "sender", "sent_at", "trace")

    def __init__(self, sender: str, sent_at: int, number: int, root: int, trace: str) -> None:
        self.sender = sender
        self.sent_at = sent_at
        self.number = number
        self.root = root
        self.trace = trace


class Mail:
    """One message in a mailbox."""

    __slots__ = ("cause", "envelope", "extra", "flags", "lsn", "message", "number", "raw")

    def __init__(
        self,
        number: int,
        message: Message[Any, Any] | None,
        cause: Cause,
        flags: int = 0,
        extra: dict[int, Any] | None = None,
    ) -> None:
        self.number = number
        self.message = message
        self.cause = cause
        self.flags = flags
        self.extra = extra
        self.envelope: Envelope | None = None
        self.raw: bytes | None = None
        """The bytes as they lay on disk, where they are damaged."""
        self.lsn = 0
        """The batch that holds it."""

    def encode(self) -> bytes:
        """The envelope, as it goes to disk."""
        if self.envelope is not None:
            return encode_fields(self.envelope)
        message, cause = self.message, self.cause
        assert message is not None
        spec = message.spec
        return encode_fields(
            (
                self.number,
                b"",
                spec.type_name,
                spec.name,
                spec.version,
                Codec.MSGPACK,
                message.body(),
                cause.sender,
                cause.sent_at,
                cause.number,
                cause.root or self.number,
                cause.trace,
                0,
                self.flags,
                self.extra or {},
            )
        )

    def to_envelope(self) -> Envelope:
        """The envelope as a value."""
        if self.envelope is None:
            message = self.message
            assert message is not None
            spec, cause = message.spec, self.cause
            self.envelope = Envelope(
                number=self.number,
                origin=b"",
                type=spec.type_name,
                handler=spec.name,
                version=spec.version,
                codec=Codec.MSGPACK,
                body=message.body(),
                sender=cause.sender,
                sent_at=cause.sent_at,
                cause=cause.number,
                root=cause.root or self.number,
                trace=cause.trace,
                attempts=0,
                flags=self.flags,
                extra=dict(self.extra or {}),
            )
        return self.envelope

    @property
    def handler(self) -> str:
        """Declared name of the handler it is for."""
        if self.message is not None:
            return self.message.spec.name
        return self.envelope.handler if self.envelope is not None else "?"

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
        """The message as people see it."""
        if self.message is not None:
            return repr(self.message)
        return f"{self.handler}(…)"


def size_of(message: Message[Any, Any]) -> int:
    """An upper bound of a message's body in bytes; exact where a bound is not cheap."""
    held = message.held
    if isinstance(held, bytes):
        return len(held)
    size = 16
    for value in held:
        if value is None or isinstance(value, int | float):
            size += 24
        elif isinstance(value, str):
            size += 24 + 4 * len(value)
        else:
            return len(message.body())
    return size


def from_envelope(envelope: Envelope) -> Mail:
    """Mail that was read from the disk."""
    cause = Cause(envelope.sender, envelope.sent_at, envelope.cause, envelope.root, envelope.trace)
    mail = Mail(envelope.number, None, cause, envelope.flags, dict(envelope.extra) or None)
    mail.envelope = envelope
    return mail


def damaged(raw: bytes | None) -> Mail:
    """Mail whose bytes cannot be read; it becomes a dead letter when its turn comes."""
    mail = Mail(0, None, Cause("", 0, 0, 0, ""))
    mail.raw = raw or b""
    return mail
