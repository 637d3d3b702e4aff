"""Suspects: messages in whose turn the process was killed, as one record of META (G8).

It is read once when a node starts, and written when a suspect is found or cleared; so it costs nothing while
there is none. A suspect counts only as long as it is at the head of its mailbox.
"""

from collections.abc import Mapping

import msgspec

from .envelope import open_envelope
from .errors import Undecodable
from .maps import SUSPECTS
from .records import Box, key, unpack
from .segments import open_segment
from .store import Snapshot, Table


class Suspect(msgspec.Struct, frozen=True):
    """A message in whose turn the process was killed."""

    number: int
    crashes: int = 0
    """How often in a row it then brought the process down while it ran alone."""


def pack_suspects(suspects: Mapping[int, Suspect]) -> bytes | None:
    """The record, by mailbox; None, which deletes it, if there is none."""
    return SUSPECTS.pack({box: (each.number, each.crashes) for box, each in suspects.items()})


def read_suspects(reads: Snapshot) -> dict[int, Suspect]:
    """The suspects by the number of their mailbox, whether they are still there or not.

    Raises:
        Undecodable: the record cannot be read.
    """
    return {box: Suspect(*row) for box, row in SUSPECTS.read(reads).items()}


def head_of(reads: Snapshot, box: int) -> int | None:
    """The sequence at the head of a mailbox; None if there is no such box, or it cannot be read."""
    value = reads.get(Table.BOXES, key(box))
    try:
        return None if value is None else unpack(Box, value).head
    except Undecodable:
        return None


def number_at_head(reads: Snapshot, box: int) -> int:
    """The number of the message at the head of a mailbox; 0 if there is no such box or message."""
    head = head_of(reads, box)
    if head is None:
        return 0
    try:
        for at, segment in reads.scan(Table.MAIL, key(box), key(box + 1)):
            first = int.from_bytes(at[8:], "big")
            raws = open_segment(segment)
            if first <= head < first + len(raws):
                raw = raws[head - first]
                return 0 if raw is None else open_envelope(raw).number
    except Undecodable:
        return 0
    return 0
