"""The hello: what two nodes say before anything else, and before anything is decoded or allocated by length.

Both ways begin with a prefix that no version may change: magic, the lowest and the highest version the
sender speaks, and how many bytes follow. What follows is laid out as the *lowest* of these versions says,
so that whoever shares a version with the sender can read it. Integers are big-endian and unsigned.

    prefix     4 magic "CBRD" | 2 lowest | 2 highest | 2 length of the rest
    hello  1   8 epoch | 8 incarnation | 16 store | 8 head | 8 tail | 4 flags
               | 1+n cluster | 1+n from | 1+n to
    answer 1   2 verdict | 2 version | 8 epoch | 8 next sequence | 8 last number | 4 window
               | 16 store | 8 incarnation | 4 flags | 1+n cluster | 1+n node | 2+n reason

In version 1 nothing may follow. Names are those of `check_name`, or empty; nothing here is ever imported.
"""

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NoReturn

import attrs

from ..mailbox.errors import BadName
from ..mailbox.names import MAX_NAME, check_name
from .errors import BadHello, NewerProtocol

MAGIC: Final = b"CBRD"
MOST_HELLO: Final = 1024
"""Bytes a hello or an answer may have, in any version."""
MOST_REASON: Final = 300

Versions = tuple[int, int]
OUR_VERSIONS: Final[Versions] = (1, 1)
"""The lowest and the highest version this release speaks."""

_PREFIX: Final = struct.Struct(">4sHHH")
_HELLO: Final = struct.Struct(">QQ16sQQI")
_ANSWER: Final = struct.Struct(">HHQQQI16sQI")


class Verdict(IntEnum):
    """What a listener makes of a hello."""

    WELCOME = 0
    NOT_CALLBOARD = 1
    """What came is no hello."""
    NO_COMMON_VERSION = 2
    OTHER_CLUSTER = 3
    NOT_ME = 4
    """Another node was meant."""
    NOT_LISTED = 5
    """The listener has no peer of that name."""
    WRONG_CERTIFICATE = 6
    """The certificate is another node's."""
    NAME_IN_USE = 7
    """Another store of that name is linked now."""
    REWOUND = 8
    """The dialler's store is older than what it has already sent: a backup, perhaps."""
    BUSY = 9


def _name(value: str) -> str:
    return check_name(value) if value else ""


def _reason(text: str) -> str:
    """As much of a text as there is room for, without what would steer a terminal."""
    clean = "".join(each if each.isprintable() else "?" for each in text)
    return clean.encode()[:MOST_REASON].decode(errors="ignore")


def _unsigned(bits: int) -> Callable[[Any, "attrs.Attribute[int]", int], None]:
    def check(_: object, field: "attrs.Attribute[int]", value: int) -> None:
        if not 0 <= value < 2**bits:
            raise ValueError(f"{field.name} is a number of {bits} bits, not {value}")

    return check


def _sixteen(_: object, field: "attrs.Attribute[bytes]", value: bytes) -> None:
    if len(value) != 16:
        raise ValueError(f"{field.name} has 16 bytes, not {len(value)}")


def _in_order(_: object, field: "attrs.Attribute[Versions]", value: Versions) -> None:
    lowest, highest = value
    if not 1 <= lowest <= highest < 2**16:
        raise ValueError(f"{field.name} are the lowest and the highest, from 1; got {value}")


@attrs.frozen(kw_only=True)
class Hello:
    """What a dialler says of itself."""

    versions: Versions = attrs.field(default=OUR_VERSIONS, validator=_in_order)
    epoch: int = attrs.field(validator=_unsigned(64))
    """Of the link: which of its connections this is."""
    incarnation: int = attrs.field(validator=_unsigned(64))
    """How often the store was opened."""
    store: bytes = attrs.field(validator=_sixteen)
    """The uuid of the store."""
    head: int = attrs.field(validator=_unsigned(64))
    """The first sequence in its outbox."""
    tail: int = attrs.field(validator=_unsigned(64))
    """The sequence after the last one in its outbox."""
    flags: int = attrs.field(default=0, validator=_unsigned(32))
    cluster: str = attrs.field(converter=_name)
    node: str = attrs.field(converter=_name)
    """Who speaks."""
    to: str = attrs.field(converter=_name)
    """Who is meant."""

    def encode(self) -> bytes:
        """The hello as it is sent, in one frame."""
        fixed = _HELLO.pack(self.epoch, self.incarnation, self.store, self.head, self.tail, self.flags)
        return _sealed(self.versions, fixed + _short(self.cluster) + _short(self.node) + _short(self.to))


@attrs.frozen(kw_only=True)
class Answer:
    """What the listener says to a hello."""

    versions: Versions = attrs.field(default=OUR_VERSIONS, validator=_in_order)
    verdict: Verdict = attrs.field(converter=Verdict)
    version: int = attrs.field(default=0, validator=_unsigned(16))
    """The one that was chosen; 0 if none was."""
    epoch: int = attrs.field(default=0, validator=_unsigned(64))
    """The dialler's, echoed."""
    next_sequence: int = attrs.field(default=0, validator=_unsigned(64))
    """What the listener expects next."""
    last_number: int = attrs.field(default=0, validator=_unsigned(64))
    """The number of the last message it took."""
    window: int = attrs.field(default=0, validator=_unsigned(32))
    """Bytes that may be under way."""
    store: bytes = attrs.field(default=bytes(16), validator=_sixteen)
    incarnation: int = attrs.field(default=0, validator=_unsigned(64))
    flags: int = attrs.field(default=0, validator=_unsigned(32))
    cluster: str = attrs.field(default="", converter=_name)
    node: str = attrs.field(default="", converter=_name)
    reason: str = attrs.field(default="", converter=_reason)
    """Why not, for people; cut to what there is room for."""

    def encode(self) -> bytes:
        """The answer as it is sent, in one frame."""
        fixed = _ANSWER.pack(
            self.verdict,
            self.version,
            self.epoch,
            self.next_sequence,
            self.last_number,
            self.window,
            self.store,
            self.incarnation,
            self.flags,
        )
        reason = self.reason.encode()
        names = _short(self.cluster) + _short(self.node)
        return _sealed(self.versions, fixed + names + len(reason).to_bytes(2) + reason)


def choose_version(ours: Versions, theirs: Versions) -> int:
    """The highest version both speak; 0 if there is none."""
    highest = min(ours[1], theirs[1])
    return highest if highest >= max(ours[0], theirs[0]) else 0


def open_hello(data: bytes) -> Hello:
    """Read what a dialler sent.

    Raises:
        BadHello: it is no hello, or none as version 1 lays it out.
        NewerProtocol: all versions of the dialler are newer; only the prefix was read.
    """
    versions, rest = _unsealed(data, "hello")
    epoch, incarnation, store, head, tail, flags = rest.fixed(_HELLO)
    cluster, node, to = rest.name(), rest.name(), rest.name()
    rest.end()
    return Hello(
        versions=versions,
        epoch=epoch,
        incarnation=incarnation,
        store=store,
        head=head,
        tail=tail,
        flags=flags,
        cluster=cluster,
        node=node,
        to=to,
    )


def open_answer(data: bytes) -> Answer:
    """Read what a listener answered.

    Raises:
        BadHello: it is no answer, or none as version 1 lays it out.
        NewerProtocol: all versions of the listener are newer; only the prefix was read.
    """
    versions, rest = _unsealed(data, "answer")
    verdict, version, epoch, next_sequence, last_number, window, store, incarnation, flags = rest.fixed(
        _ANSWER
    )
    if verdict not in Verdict.__members__.values():
        rest.bad(f"its verdict is {verdict}, which means nothing")
    cluster, node, reason = rest.name(), rest.name(), rest.text(2, MOST_REASON)
    rest.end()
    return Answer(
        versions=versions,
        verdict=Verdict(verdict),
        version=version,
        epoch=epoch,
        next_sequence=next_sequence,
        last_number=last_number,
        window=window,
        store=store,
        incarnation=incarnation,
        flags=flags,
        cluster=cluster,
        node=node,
        reason=reason,
    )


class _Rest:
    """What follows the prefix, read from the front."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._what = what

    def bad(self, why: str) -> NoReturn:
        raise BadHello(f"the {self._what} cannot be read: {why}. Is it a node of callboard at the other end?")

    def take(self, size: int) -> bytes:
        if len(self._data) < size:
            self.bad("it ends too early")
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def fixed(self, layout: struct.Struct) -> tuple[Any, ...]:
        return layout.unpack(self.take(layout.size))

    def text(self, head: int, most: int) -> str:
        size = int.from_bytes(self.take(head))
        if size > most:
            self.bad(f"a text in it has {size} bytes, and {most} is the most")
        try:
            return self.take(size).decode()
        except UnicodeDecodeError:
            self.bad("a text in it is not UTF-8")

    def name(self) -> str:
        try:
            return _name(self.text(1, MAX_NAME))
        except BadName as error:
            self.bad(str(error))

    def end(self) -> None:
        if self._data:
            self.bad(f"{len(self._data)} bytes too many follow it")


def _short(name: str) -> bytes:
    data = name.encode()
    return len(data).to_bytes(1) + data


def _sealed(versions: Versions, rest: bytes) -> bytes:
    return _PREFIX.pack(MAGIC, *versions, len(rest)) + rest


def _unsealed(data: bytes, what: str) -> tuple[Versions, _Rest]:
    """The range of versions, and what follows the prefix, if it is laid out as we know it."""
    rest = _Rest(data, what)
    if data[: len(MAGIC)] != MAGIC:
        rest.bad("it does not begin as one")
    if len(data) > MOST_HELLO:
        rest.bad(f"it has {len(data)} bytes, and {MOST_HELLO} is the most")
    _, lowest, highest, size = rest.fixed(_PREFIX)
    if not 1 <= lowest <= highest:
        rest.bad(f"versions {lowest} to {highest} are no range")
    if lowest > OUR_VERSIONS[1]:
        raise NewerProtocol(lowest, highest)
    if len(data) != _PREFIX.size + size:
        rest.bad(f"it announces {size} bytes and has {len(data) - _PREFIX.size}")
    return (lowest, highest), rest
