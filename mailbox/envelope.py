"""Envelope format 1: one message at rest or in flight.

An envelope is a msgpack array in the order of the fields below. A newer writer may
append fields and may use new numbers in `extra`; an older reader skips both. It must
refuse a flag it does not know, since a flag changes what the message means.
"""

from typing import Final

import msgspec

from .errors import Undecodable

INLINE: Final = 64 * 1024
"""A body up to this size, in bytes, lies in its envelope; a larger one lies apart, see `bodies`."""
MAX_BODY: Final = 16 * 1024 * 1024
"""The largest body that may be sent, in bytes."""


class Flag:
    """What is special about a message. Unknown flags are refused."""

    ASKED: Final = 1
    """Somebody outside a turn waits for the reply."""
    REQUESTED: Final = 2
    """A request of a turn: the reply goes to the mailbox `sender` under number `Extra.REQUEST`."""
    KEYED: Final = 4
    """A keyed timer's message: void if its key was cancelled or set again."""
    MARKED: Final = 8
    """Sent with an id: its outcome is kept under `Extra.MARK`."""
    REPLY: Final = 16
    """An outcome of a request, on its way to a `then` or `failed` handler."""
    REPLAYED: Final = 32
    """Taken back from the dead letters: dedup marks do not apply."""
    CHUNKED: Final = 64
    """The body lies in chunks of its own; see `bodies`."""


KNOWN_FLAGS: Final = (
    Flag.ASKED | Flag.REQUESTED | Flag.KEYED | Flag.MARKED | Flag.REPLY | Flag.REPLAYED | Flag.CHUNKED
)


class Extra:
    """Keys of the skippable extension area."""

    REQUEST: Final = 1
    """int: the number of the request this message asks or settles."""
    MARK: Final = 2
    """str: the sender's `id=`."""
    TIMER: Final = 3
    """list[int]: due (ns) and number of the keyed timer that this message was."""
    TIMER_KEY: Final = 4
    """str: that timer's key."""
    REPLAYS: Final = 5
    """int: how often it was taken back from the dead letters."""
    TO: Final = 6
    """str: in an outbox, the address at the other node; empty for a caller outside a turn."""
    FROM: Final = 7
    """str: the node whose link brought it."""
    ORIGIN: Final = 8
    """int: the number it had at that node, in the store `origin`."""


class Codec:
    """How a body is written."""

    MSGPACK: Final = 1
    """A msgpack map from parameter name to value."""


class Envelope(msgspec.Struct, array_like=True, gc=False):
    """One message with everything that travels with it."""

    number: int
    """The message's number in this store, which gives it one when it is sent or when a link brings it."""
    origin: bytes
    """The uuid of the store a link brought it from; empty if it was made here."""
    type: str
    """Declared name of the actor type it is for."""
    handler: str
    """Declared name of the handler."""
    version: int
    """Version of the handler's parameters."""
    codec: int
    """How `body` is written; see `Codec`."""
    body: bytes
    """The parameters, as a map by name; with `Flag.CHUNKED` where they lie, as `bodies.Body`."""
    sender: str
    """Address of the actor whose turn sent it; empty if it came from outside."""
    sent_at: int
    """Wall clock at sending, nanoseconds since the epoch."""
    cause: int
    """Number of the message in whose turn it was sent; 0 if none."""
    root: int
    """Number of the message that began the chain; its own number if it did."""
    trace: str
    """W3C traceparent, or empty."""
    attempts: int
    """Attempts already spent elsewhere (before a move or a replay)."""
    flags: int
    """See `Flag`."""
    extra: dict[int, object]
    """Skippable extensions by number; see `Extra`."""


_decode = msgspec.msgpack.Decoder(Envelope).decode
encode_fields = msgspec.msgpack.Encoder().encode
"""Encode an envelope given as a tuple or an `Envelope`."""


def open_envelope(data: bytes) -> Envelope:
    """Read an envelope.

    Raises:
        Undecodable: not an envelope, or one with flags this release does not know.
    """
    try:
        envelope = _decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise Undecodable(f"not an envelope: {error}") from error
    if envelope.flags & ~KNOWN_FLAGS:
        raise Undecodable(
            f"message {envelope.number} carries flags {envelope.flags:#x}, which a newer release wrote: "
            "upgrade callboard to handle it"
        )
    return envelope
