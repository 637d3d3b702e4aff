"""Suspects: messages in whose turn the process was killed, as one record of META (G8).

It is read once when a node starts, and written when a suspect is found or cleared; so it costs nothing while
there is none. A suspect counts only as long as it is at the head of its mailbox.
"""

from collections.abc import Mapping

import msgspec

from .envelope import open_envelope
from .errors import Undecodable
from .meta import SUSPECTS_KEY
from .records import Box, key, seal, unpack, unseal
from .segments import open_segment
from .store import Snapshot, Table

_decode = msgspec.msgpack.Decoder(dict[int, tuple[int, int]]).decode


class Suspect(msgspec.Struct, frozen=True):
    """A message in whose turn the process was killed."""

    number: int
    crashes: int = 0
    """How often in a row it then brought the process down while it ran alone."""


def pack_suspects(suspects: Mapping[int, Suspect]) -> bytes | None:
    """The record, by mailbox; None, which deletes it, if there is none."""
    rows = {box: (each.number, each.crashes) for box, each in suspects.items()}
    return seal(msgspec.msgpack.encode(rows)) if rows else None


def read_suspects(reads: Snapshot) -> dict[int, Suspect]:
    """The suspects by the number of their mailbox, whether they are still there or not.

    Raises:
        Undecodable: the record cannot be read.
    """
    value = reads.get(Table.META, SUSPECTS_KEY)
    if value is None:
        return {}
    try:
        return {box: Suspect(*row) for box, row in _decode(unseal(value)).items()}
    except msgspec.MsgspecError as error:
        raise Undecodable(f"the record of suspects has the wrong shape: {error}") from error


def number_at_head(reads: Snapshot, box: int) -> int | None:
    """The number of the message at the head of a mailbox; None if there is no such box, 0 if no message."""
    value = reads.get(Table.BOXES, key(box))
    if value is None:
        return None
    try:
        head = unpack(Box, value).head
        for at, segment in reads.scan(Table.MAIL, key(box), key(box + 1)):
            first = int.from_bytes(at[8:], "big")
            raws = open_segment(segment)
            if first <= head < first + len(raws):
                raw = raws[head - first]
                return 0 if raw is None else open_envelope(raw).number
    except Undecodable:
        return 0
    return 0
