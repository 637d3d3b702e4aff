"""Segments: the values of MAIL, each with many messages of one mailbox in order.

A segment is deleted whole when its last message is done; until then the mailbox's head says where in it
we are. So no work on the disk is done for each message. New mail joins the last segment while that
has room, so that a backlog lies in full pages. Every message has a length and a checksum of its own: a
damaged one does not take the others along.
"""

import struct
from collections.abc import Iterable
from struct import Struct
from typing import Final
from zlib import crc32

from .errors import Undecodable

SEGMENT_BYTES: Final = 4000
"""A segment takes envelopes up to this size, so that it fills one page and not two."""

_frame = Struct(">II")


def has_room(segment: bytes, envelope: bytes) -> bool:
    """Whether an envelope may join a segment."""
    return len(segment) + _frame.size + len(envelope) <= SEGMENT_BYTES


def pack_segments(
    first: int, envelopes: Iterable[bytes], last: tuple[int, bytes] | None = None
) -> list[tuple[int, int, bytes]]:
    """Envelopes in order as segments: (first sequence, sequence after the last, value).

    Args:
        first: sequence of the first envelope.
        envelopes: what the segments will hold.
        last: a segment to fill up first, as (its first sequence, its value); its messages end where
            `first` begins.
    """
    segments: list[tuple[int, int, bytes]] = []
    parts: list[bytes] = []
    size, start, sequence = 0, first, first
    if last is not None:
        start, parts, size = last[0], [last[1]], len(last[1])
    for envelope in envelopes:
        if parts and size + _frame.size + len(envelope) > SEGMENT_BYTES:
            segments.append((start, sequence, b"".join(parts)))
            parts, size, start = [], 0, sequence
        parts += (_frame.pack(len(envelope), crc32(envelope)), envelope)
        size += _frame.size + len(envelope)
        sequence += 1
    if parts:
        segments.append((start, sequence, b"".join(parts)))
    return segments


def open_segment(value: bytes) -> list[bytes | None]:
    """The envelopes of a segment; None where a checksum is wrong.

    Raises:
        Undecodable: the lengths do not add up, so that nothing after can be trusted.
    """
    envelopes: list[bytes | None] = []
    at = 0
    while at < len(value):
        try:
            length, crc = _frame.unpack_from(value, at)
        except struct.error as error:
            raise Undecodable("a mail segment ends in the middle of a length") from error
        at += _frame.size
        data = value[at : at + length]
        if len(data) != length:
            raise Undecodable("a mail segment ends in the middle of a message")
        envelopes.append(data if crc32(data) == crc else None)
        at += length
    return envelopes
