"""Frames: what a link says after the hello, on one wire.

    frame   1 kind | 8 epoch | 8 sequence | rest
    mail    sequence of the first; rest: 4+n bytes for each envelope
    taken   sequence that is expected next, all before it being on disk; rest: 1 whether to go back there
    ping    sequence the sender will send next; asks for a `taken`
    bye     a verdict in place of the sequence; rest: UTF-8 text for people

Integers are big-endian and unsigned. Every frame carries the epoch of the connection it belongs to, so that
one that is late, from a connection before, is known as such. `docs/protocol.md` argues each case.
"""

import struct
from enum import IntEnum
from typing import Final

import attrs

from .errors import BadFrame

_HEAD: Final = struct.Struct(">BQQ")
_LENGTH: Final = struct.Struct(">I")
MOST_FRAME: Final = 32 * 1024 * 1024
"""Bytes of the longest frame; longer than the largest envelope there can be."""
MOST_TEXT: Final = 300


class Kind(IntEnum):
    """What a frame is."""

    MAIL = 1
    TAKEN = 2
    PING = 3
    BYE = 4


@attrs.frozen
class Frame:
    """One frame, opened."""

    kind: Kind
    epoch: int
    sequence: int
    mail: tuple[bytes, ...] = ()
    """Envelopes; of `MAIL` only."""
    again: bool = False
    """Something was missing: send again from `sequence` on; of `TAKEN` only."""
    text: str = ""
    """Of `BYE` only."""

    def encode(self) -> bytes:
        """The frame as it is sent."""
        head = _HEAD.pack(self.kind, self.epoch, self.sequence)
        if self.kind is Kind.MAIL:
            return head + b"".join(part for raw in self.mail for part in (_LENGTH.pack(len(raw)), raw))
        if self.kind is Kind.TAKEN:
            return head + bytes([self.again])
        return head + self.text.encode()[:MOST_TEXT] if self.kind is Kind.BYE else head


def open_frame(data: bytes) -> Frame:
    """Read a frame.

    Raises:
        BadFrame: it is none.
    """
    if len(data) < _HEAD.size:
        raise BadFrame(f"a frame of {len(data)} bytes is too short")
    kind, epoch, sequence = _HEAD.unpack_from(data)
    rest = len(data) - _HEAD.size
    if kind == Kind.MAIL:
        return Frame(Kind.MAIL, epoch, sequence, _open_mail(data))
    if kind == Kind.TAKEN and rest == 1 and data[-1] <= 1:
        return Frame(Kind.TAKEN, epoch, sequence, again=bool(data[-1]))
    if kind == Kind.PING and not rest:
        return Frame(Kind.PING, epoch, sequence)
    if kind == Kind.BYE and rest <= MOST_TEXT:
        text = data[_HEAD.size :].decode(errors="replace")
        return Frame(Kind.BYE, epoch, sequence, text="".join(c if c.isprintable() else "?" for c in text))
    raise BadFrame(f"a frame of kind {kind} with {rest} bytes means nothing here")


def _open_mail(data: bytes) -> tuple[bytes, ...]:
    found: list[bytes] = []
    at = _HEAD.size
    while at < len(data):
        end = at + _LENGTH.size
        if end > len(data):
            raise BadFrame("a frame of mail ends in the middle of a length")
        size = int.from_bytes(data[at:end])
        at = end + size
        if at > len(data):
            raise BadFrame(f"a frame of mail announces {size} bytes and has {len(data) - end}")
        found.append(data[end:at])
    if not found:
        raise BadFrame("a frame of mail holds none")
    return tuple(found)
