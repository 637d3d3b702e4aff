"""Letter: one message as people see it, read without the class of any actor."""

from typing import Any

import msgspec

from .bodies import body_of
from .envelope import Codec, Envelope, Extra, open_envelope
from .errors import Undecodable


class Letter(msgspec.Struct, frozen=True):
    """One message, as people see it. With a `problem` the other fields hold what could still be read."""

    number: int = 0
    """See `identity.show_number`."""
    type: str = ""
    handler: str = ""
    version: int = 0
    body: Any = None
    """The parameters by name, decoded as far as msgpack goes; None if they lie apart."""
    apart: int = 0
    """Bytes of a body that is too large to lie in its envelope, which is not read to show the message."""
    sender: str = ""
    sent_at: int = 0
    cause: int = 0
    root: int = 0
    trace: str = ""
    attempts: int = 0
    flags: int = 0
    id: str = ""
    """The sender's `id=`."""
    sequence: int = 0
    """Its place in its mailbox, where it has one."""
    problem: str = ""
    """Why it cannot be read; empty if it can."""


def decode(data: bytes) -> Any:
    """Any msgpack value as Python's own types.

    Raises:
        Undecodable: it is none.
    """
    try:
        return msgspec.msgpack.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Undecodable(f"not msgpack: {error}") from error


def open_letter(data: bytes, *, sequence: int = 0) -> Letter:
    """A message as people see it; what cannot be read is said in `problem`."""
    try:
        envelope = open_envelope(data)
    except Undecodable as error:
        return Letter(sequence=sequence, problem=str(error))
    body, apart, problem = _body(envelope)
    mark = envelope.extra.get(Extra.MARK, "")
    return Letter(
        number=envelope.number,
        type=envelope.type,
        handler=envelope.handler,
        version=envelope.version,
        body=body,
        apart=apart,
        sender=envelope.sender,
        sent_at=envelope.sent_at,
        cause=envelope.cause,
        root=envelope.root,
        trace=envelope.trace,
        attempts=envelope.attempts,
        flags=envelope.flags,
        id=mark if isinstance(mark, str) else "",
        sequence=sequence,
        problem=problem,
    )


def _body(envelope: Envelope) -> tuple[Any, int, str]:
    """The body, the bytes of one that lies apart, and what is wrong with it."""
    if envelope.codec != Codec.MSGPACK:
        return envelope.body, 0, f"its body is in codec {envelope.codec}, which this release does not read"
    try:
        apart = body_of(envelope)
        return (decode(envelope.body), 0, "") if apart is None else (None, apart.length, "")
    except Undecodable as error:
        return envelope.body, 0, f"its body is {error}"
