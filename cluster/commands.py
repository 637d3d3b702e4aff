"""Commands: what is said over a node's control socket, as values and as bytes.

A frame is four bytes of length, the largest first, and one msgpack map with its kind under `part`. The
client says hello first; the node answers with its own, and from then on each command has one answer. Nothing
in it names code: a message's class is found by what the store says of its actor.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

VERSION: Final = 1
"""Of what is said here; raised when an old node or client would misunderstand."""
MOST: Final = 32 * 1024 * 1024
"""Bytes of a frame, read into memory whole."""
MOST_OF_HELLO: Final = 1024
"""Bytes of the first frame, from whom nothing is known yet."""


class BadFrame(Exception):
    """Bytes that are no frame: whoever sent them is left."""


class Part(msgspec.Struct, frozen=True, tag_field="part", tag=str.lower):
    """What can stand in a frame."""


class Hello(Part, frozen=True):
    """The first frame, both ways."""

    version: int
    node: str = ""
    """Name of the node that answers."""


class Written(msgspec.Struct, frozen=True, tag="written"):
    """Parameters as bytes, by a sender that has the class itself."""

    body: bytes
    version: int


class Typed(msgspec.Struct, frozen=True, tag="typed"):
    """Parameters as a person typed them; the node reads them by the handler's annotations."""

    object: str = "{}"
    """A JSON object, as text."""
    words: dict[str, str] = {}
    """Values as they stand in a command line."""


class Send(Part, frozen=True):
    """Put a message into a mailbox."""

    name: str
    """Of the actor, or name@node."""
    handler: str
    parameters: Written | Typed
    type: str = ""
    """Declared name of the class the message is for; needed where no actor lives."""
    id: str | None = None
    delay: float = 0.0
    key: str | None = None


class Ask(Part, frozen=True):
    """Put a message into a mailbox and wait for its reply."""

    name: str
    handler: str
    parameters: Written | Typed
    type: str = ""
    id: str | None = None
    timeout: float | None = None


class Letters(Part, frozen=True):
    """Replay, redirect or drop dead letters; see `Office`."""

    verb: Literal["replay", "redirect", "drop"]
    numbers: tuple[int, ...] | None = None
    box: str | None = None
    of_type: str | None = None
    error: str | None = None
    reason: str | None = None
    to: str = ""
    most: int | None = 1000
    dry_run: bool = True


class Pause(Part, frozen=True):
    """Let a mailbox, or all actors of a type, begin no turn."""

    reason: str
    name: str = ""
    of_type: str = ""


class Resume(Part, frozen=True):
    """Let a mailbox, or all actors of a type, go on."""

    name: str = ""
    of_type: str = ""


class Stop(Part, frozen=True):
    """End an actor's life when its mail up to now is handled."""

    name: str


class End(Part, frozen=True):
    """End the node in good order; the connection ends when its last commit is on disk."""


class Links(Part, frozen=True):
    """Say what is known of the other nodes."""


class Room(Part, frozen=True):
    """Say whether the node has room for more."""


class Accept(Part, frozen=True):
    """Let a link go on that was stopped since one of the stores is an old copy."""

    node: str


class Redirect(Part, frozen=True):
    """Send what waits for a node that is not listed any more to another."""

    gone: str
    to: str


class Linked(Part, frozen=True):
    """What is known of the other nodes; see `LinkStatus`."""

    links: tuple[dict[str, str | int | bool], ...]


class Space(Part, frozen=True):
    """How much room a node has."""

    full: str
    """What there is no room for, and what to do about it; empty if there is enough."""


class Done(Part, frozen=True):
    """It is done, and on disk."""


class Replied(Part, frozen=True):
    """The reply to an ask, as msgpack."""

    body: bytes


class Went(Part, frozen=True):
    """What became of the dead letters; see `Errand`."""

    done: tuple[int, ...]
    kept: tuple[tuple[int, str], ...]
    more: bool


class Failed(Part, frozen=True):
    """It was not done, or it is not known whether it was; `failures` makes an exception of it again."""

    error: str
    """Name of the exception's class."""
    text: str
    refused: bool = False
    """The actor refused: `error` is one of the user's own classes."""
    failure: tuple[str, str, str, str, int] | None = None


Command = Send | Ask | Letters | Pause | Resume | Stop | End | Links | Room | Accept | Redirect
Answer = Done | Replied | Went | Linked | Space | Failed

_encode = msgspec.msgpack.Encoder().encode
READ_HELLO: Final[msgspec.msgpack.Decoder[Hello]] = msgspec.msgpack.Decoder(Hello)
READ_COMMAND: Final[msgspec.msgpack.Decoder[Command]] = msgspec.msgpack.Decoder(Command)
READ_ANSWER: Final[msgspec.msgpack.Decoder[Answer]] = msgspec.msgpack.Decoder(Answer)
READ_WELCOME: Final[msgspec.msgpack.Decoder[Hello | Failed]] = msgspec.msgpack.Decoder(Hello | Failed)


def frame(part: Part) -> bytes:
    """The bytes of a frame.

    Raises:
        ValueError: they would be too many.
    """
    body = _encode(part)
    if len(body) > MOST:
        raise ValueError(f"{len(body)} bytes are too many for one frame: {MOST} are the most")
    return len(body).to_bytes(4, "big") + body


def frame_size(head: bytes, most: int = MOST) -> int:
    """How many bytes follow the four of a frame's head.

    Raises:
        BadFrame: none, or more than allowed; nothing is allocated for them.
    """
    size = int.from_bytes(head, "big")
    if not 1 <= size <= most:
        raise BadFrame(f"a frame of {size} bytes; {most} are the most")
    return size


def read(body: bytes, decoder: msgspec.msgpack.Decoder[Any]) -> Any:
    """What a frame says.

    Raises:
        BadFrame: it is none of what may stand here.
    """
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadFrame(f"a frame that cannot be read: {error}") from error
