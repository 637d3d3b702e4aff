"""Loose bodies: those in BODIES that no message has, not yet or not any more, as one record of META.

A large body comes and goes in pieces, with several commits; whatever a crash leaves of it is named here,
and is removed by the next life. The record costs nothing while there is none.
"""

from collections.abc import Mapping

import msgspec

from .errors import Undecodable
from .meta import LOOSE_KEY
from .records import seal, unseal
from .store import Snapshot, Table

_decode = msgspec.msgpack.Decoder(dict[int, int]).decode


def pack_loose(bodies: Mapping[int, int]) -> bytes | None:
    """The record, of how many chunks each may have; None, which deletes it, if there is none."""
    return seal(msgspec.msgpack.encode(dict(bodies))) if bodies else None


def read_loose(reads: Snapshot) -> dict[int, int]:
    """How many chunks each loose body may have, by its number.

    Raises:
        Undecodable: the record cannot be read.
    """
    value = reads.get(Table.META, LOOSE_KEY)
    if value is None:
        return {}
    try:
        return _decode(unseal(value))
    except msgspec.MsgspecError as error:
        raise Undecodable(f"the record of loose bodies has the wrong shape: {error}") from error
