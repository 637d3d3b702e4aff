"""What lies in each table: keys, and values as records with a checksum.

This file mirrors `docs/format.md`; a change here is a change of the format.

Keys are big-endian numbers or 16-byte digests, so that byte order is the order we
want and no name of a user's becomes a key. Every value is a CRC-32 of its payload
and the payload, a msgpack array that may grow at its end. Mail is the exception: see `segments`.
"""

from struct import Struct
from typing import Final, TypeVar
from zlib import crc32

import msgspec

from .errors import Undecodable
from .keys import (
    away_watch_key as away_watch_key,
    far_key as far_key,
    key as key,
    mark_key as mark_key,
    name_key as name_key,
    open_key as open_key,
    open_pair as open_pair,
    pair_key as pair_key,
    timer_key as timer_key,
    watch_key as watch_key,
)
from .links import Far as Far, Link as Link
from .segments import (
    SEGMENT_BYTES as SEGMENT_BYTES,
    open_segment as open_segment,
    pack_segments as pack_segments,
)

FORMAT: Final = 1
"""Version of the on-disk format."""

_crc = Struct(">I")


class Box(msgspec.Struct, array_like=True, gc=False):
    """BOXES: one mailbox and the actor behind it."""

    name: str
    head: int
    """Sequence of the oldest message not yet handled."""
    tail: int
    """Sequence the next message will get."""
    type: str
    """Declared name of the actor's type; empty while no actor lives here."""
    life: int
    """How many actors have lived here."""
    paused: str
    """Why the mailbox is paused; empty if it is not."""
    attempts: int
    """Failed attempts at the message at the head."""
    retry_at: int
    """When the next attempt is due, ns; 0 if at once."""
    error: str
    """Text of the last failure at the head."""
    failed_at: int
    """When the first of those attempts failed, ns."""
    park_at: int
    """When the mail of a mailbox without an actor dies, ns; 0 for never."""
    handled: int
    """Messages handled since the mailbox was made."""
    last: int = -1
    """First sequence of the last segment, which new mail may join; -1 if there is none."""
    starts: int = 0
    """Failed attempts at waking the actor."""


class Timer(msgspec.Struct, array_like=True, gc=False):
    """TIMERS: something to do when a time has come."""

    kind: int
    """See `TimerKind`."""
    to: str
    """Address of the receiver."""
    setter: str
    """Address of the actor that set it; empty from outside."""
    key: str
    """The timer's key; empty if it has none."""
    envelope: bytes
    """The message to deliver; empty for other kinds."""
    number: int
    """Number of the request that timed out, for that kind."""
    mark: bytes
    """Key of the mark that expires, for that kind."""


class TimerKind:
    """What a timer does when it is due."""

    MESSAGE: Final = 0
    REQUEST: Final = 1
    PARK: Final = 2
    MARK: Final = 3


class Keyed(msgspec.Struct, array_like=True, gc=False):
    """KEYED: the one timer that holds a key now, armed or fired but not yet handled."""

    due: int
    number: int
    fired: bool


class Callback(msgspec.Struct, array_like=True, gc=False):
    """In a Request: a handler of the asker's own class with one parameter left open for the answer."""

    handler: str
    version: int
    parameter: str
    """The parameter that takes the answer."""
    body: bytes
    """The others that were given, as a map by name."""


class Request(msgspec.Struct, array_like=True, gc=False):
    """REQUESTS: a question a turn asked, until it is settled."""

    to: str
    text: str
    """The question as people see it."""
    then: Callback | None
    """Who takes the reply."""
    failed: Callback | None
    """Who hears why there is none."""
    due: int
    """When it times out, ns; 0 for never."""
    timer: int
    """Number of that timer."""
    cause: int
    root: int
    trace: str


class Watch(msgspec.Struct, array_like=True, gc=False):
    """WATCHES: an actor that shall hear when another one's life ends."""

    target: str
    watcher: str
    life: int
    """Of the watcher: a later actor at its name has not asked."""
    then: Callback | None
    """Who hears; None if the watcher shall stop, too."""
    cause: int
    root: int
    trace: str


class Children(msgspec.Struct, array_like=True, gc=False):
    """CHILDREN: whom a supervisor has, or had when the node closed."""

    supervisor: str
    parent: str
    """The supervisor above it; empty for the topmost."""
    about: str
    """Its strategy and its budget, for people."""
    names: list[str]
    types: list[str]
    """Of each child: the declared name of its actor's type, or empty for a supervisor."""


class Mark(msgspec.Struct, array_like=True, gc=False):
    """MARKS: an `id=` that was used, and how it ended."""

    digest: bytes
    """Of the content, to tell a retry from a reuse."""
    number: int
    """The message's number."""
    expires_at: int
    outcome: int
    """See `Outcome`; PENDING until its turn is over."""
    body: bytes
    """The reply, or the refusal or failure as msgpack."""


class Outcome:
    """How a message ended, as stored."""

    PENDING: Final = 0
    REPLIED: Final = 1
    REFUSED: Final = 2
    FAILED: Final = 3
    TOO_LARGE: Final = 4


class Dead(msgspec.Struct, array_like=True, gc=False):
    """DEAD: a message taken out of its mailbox with a reason, all its bytes kept."""

    box: str
    type: str
    envelope: bytes
    reason: str
    """failed, crashed, undecodable, misaddressed or unclaimed."""
    error: str
    """Qualified name of the exception's class."""
    text: str
    traceback: str
    attempts: int
    failed_at: int
    died_at: int
    life: int = 0
    """Of the actor that gave it up, or that lived there last."""
    restarts: int = 0
    """How often a supervisor had restarted that actor since the node was started."""
    replays: int = 0
    """How often the message had been taken back from the dead letters before."""


class Counters(msgspec.Struct, array_like=True, gc=False):
    """META counters: what became of every message (G4), and the next free numbers."""

    accepted: int = 0
    handled: int = 0
    died: int = 0
    discarded: int = 0
    next_box: int = 1
    next_dead: int = 1
    scheduled: int = 0
    """Messages that wait as timers now."""
    actors: int = 0
    """Actors that live now."""
    sent: int = 0
    """Messages that other nodes have taken over."""

    @property
    def queued(self) -> int:
        """Messages that wait in mailboxes now, outboxes among them."""
        return self.accepted - self.handled - self.sent - self.died - self.discarded - self.scheduled


COUNTERS_KEY: Final = b"counters"
"""META: the `Counters`."""
INCARNATION_KEY: Final = b"incarnation"
"""META: how often the store was opened to write, as `pack_number`; `meta` has the other keys."""

_encode = msgspec.msgpack.Encoder().encode
_decode_number = msgspec.msgpack.Decoder(int).decode
R = TypeVar("R", Box, Timer, Keyed, Request, Watch, Children, Mark, Dead, Link, Far, Counters)
_decoders = {
    kind: msgspec.msgpack.Decoder(kind)
    for kind in (Box, Timer, Keyed, Request, Watch, Children, Mark, Dead, Link, Far, Counters)
}


def seal(payload: bytes) -> bytes:
    """A payload behind its checksum."""
    return _crc.pack(crc32(payload)) + payload


def unseal(value: bytes) -> bytes:
    """The payload of a sealed value.

    Raises:
        Undecodable: the checksum is wrong.
    """
    payload = value[4:]
    if len(value) < 4 or _crc.unpack_from(value)[0] != crc32(payload):
        raise Undecodable("a record's checksum does not match its bytes: the store is damaged there")
    return payload


def pack_number(number: int) -> bytes:
    """A number alone in its record: the incarnation and other numbers of META."""
    return seal(_encode(number))


def unpack_number(value: bytes) -> int:
    """Read a number alone in its record.

    Raises:
        Undecodable: the checksum or the shape is wrong.
    """
    try:
        return _decode_number(unseal(value))
    except msgspec.MsgspecError as error:
        raise Undecodable(f"a number's record has the wrong shape: {error}") from error


def pack(record: msgspec.Struct) -> bytes:
    """A record as it lies in its table."""
    return seal(_encode(record))


def unpack(kind: type[R], value: bytes) -> R:
    """Read a record.

    Raises:
        Undecodable: the checksum or the shape is wrong.
    """
    try:
        return _decoders[kind].decode(unseal(value))  # type: ignore[return-value]  # pyright: ignore[reportReturnType]
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Undecodable(f"a {kind.__name__} record has the wrong shape: {error}") from error
