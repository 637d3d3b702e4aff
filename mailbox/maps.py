"""Maps: small ones, each kept as one record of META that is absent while the map is empty.

A map is read once when a node starts, and written whole when it has changed; so it costs nothing while
nobody has a use for it.
"""

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

from .errors import Undecodable
from .meta import LOOSE_KEY, PAUSED_KEY, SUSPECTS_KEY
from .records import seal, unseal
from .store import Snapshot, Table

K = TypeVar("K")
V = TypeVar("V")


class SmallMap(Generic[K, V]):
    """What one record of META holds."""

    def __init__(self, key: bytes, shape: type[dict[K, V]], of: str) -> None:
        """Say where it lies, what it holds, and what people call that."""
        self.key = key
        self._of = of
        self._decode = msgspec.msgpack.Decoder(shape).decode

    def pack(self, entries: Mapping[K, V]) -> bytes | None:
        """The record; None, which deletes it, if there are no entries."""
        return seal(msgspec.msgpack.encode(dict(entries))) if entries else None

    def open(self, value: bytes) -> dict[K, V]:
        """The entries in a record.

        Raises:
            Undecodable: it cannot be read.
        """
        try:
            return self._decode(unseal(value))
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise Undecodable(f"the record of {self._of} has the wrong shape: {error}") from error

    def read(self, reads: Snapshot) -> dict[K, V]:
        """The entries in a store.

        Raises:
            Undecodable: the record cannot be read.
        """
        value = reads.get(Table.META, self.key)
        return {} if value is None else self.open(value)


PAUSED: Final = SmallMap(PAUSED_KEY, dict[str, str], "paused types")
"""Why each paused type of actors is paused, by declared name."""
LOOSE: Final = SmallMap(LOOSE_KEY, dict[int, int], "loose bodies")
"""How many chunks each large body may have that no message has, not yet or not any more, by its number.

A large body comes and goes in pieces, with several commits; whatever a crash leaves of it is named here,
and is removed by the next life.
"""
SUSPECTS: Final = SmallMap(SUSPECTS_KEY, dict[int, tuple[int, int]], "suspects")
"""By mailbox, the message in whose turn the process was killed, and how often; see `suspects`."""
MAPS: Final[dict[bytes, SmallMap[Any, Any]]] = {each.key: each for each in (PAUSED, LOOSE, SUSPECTS)}
