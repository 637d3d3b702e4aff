"""Pauses: which types of actors are paused, and why, as one record of META.

It is read once when a node starts, and written when somebody pauses or resumes a type; so it costs nothing
while nobody does.
"""

from collections.abc import Mapping

import msgspec

from .errors import Undecodable
from .meta import PAUSED_KEY
from .records import seal, unseal
from .store import Snapshot, Table

_decode = msgspec.msgpack.Decoder(dict[str, str]).decode


def pack_paused(types: Mapping[str, str]) -> bytes | None:
    """The record; None, which deletes it, if no type is paused."""
    return seal(msgspec.msgpack.encode(dict(types))) if types else None


def read_paused(reads: Snapshot) -> dict[str, str]:
    """Why each paused type is paused, by declared name.

    Raises:
        Undecodable: the record cannot be read.
    """
    value = reads.get(Table.META, PAUSED_KEY)
    if value is None:
        return {}
    try:
        return _decode(unseal(value))
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Undecodable(f"the record of paused types has the wrong shape: {error}") from error
