"""The contract that any store keeps.

A store is a handful of ordered tables of bytes and one verb that changes them,
`commit`, which applies a whole batch or nothing of it. A batch is plain data, so a
commit that failed for want of room can be tried again as it stands.

Two implementations keep it: `disk.DiskStore` on LMDB and `memory.MemoryStore`, which
can crash; `tests/contract/` holds both to this text.
"""

from contextlib import AbstractContextManager
from enum import IntEnum
from typing import Final, Protocol

import msgspec

from .identity import Identity
from .inhand import InHand


class Table(IntEnum):
    """The tables of a store; `records` says what lies in each, `docs/format.md` byte by byte."""

    META = 0
    NAMES = 1
    BOXES = 2
    MAIL = 3
    STATES = 4
    TIMERS = 5
    KEYED = 6
    REQUESTS = 7
    MARKS = 8
    DEAD = 9
    WATCHES = 10
    CHILDREN = 11
    LINKS = 12
    BODIES = 13


MAX_KEY: Final = 511
"""Bytes of the longest key there can be; those of `records` have at most 25."""

Writes = dict[Table, dict[bytes, bytes | None]]
"""One batch: for each table, key to new value, `None` for a deletion."""


class Usage(msgspec.Struct, frozen=True):
    """How much room a store takes, in bytes."""

    used: int
    """Bytes of pages that hold data."""
    file: int
    """Bytes of the data file; it never shrinks by itself."""
    limit: int
    """Bytes the map can grow to."""


class Snapshot(Protocol):
    """The reads of a store. Each call on a `Store` sees the newest commit; those in a `snapshot` see one."""

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The committed value of a key, or None."""
        ...

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        """Committed pairs with start <= key < stop, in key order, at most `limit`."""
        ...

    def last(self, table: Table) -> bytes | None:
        """The greatest committed key of a table, or None if it is empty."""
        ...

    def prefixes(self, table: Table, width: int, start: bytes = b"", limit: int = 1000) -> list[bytes]:
        """The distinct first `width` bytes of keys >= start, in order, at most `limit`.

        Costs one step for each prefix, not for each key.
        """
        ...


class Store(Snapshot, Protocol):
    """Ordered tables of bytes with one atomic, durable way to change them.

    All calls are synchronous and short; none may be made from two threads at once,
    except that `commit` may run in another thread beside reads. After `close` every
    call but `close` raises `StoreError`.
    """

    @property
    def identity(self) -> Identity:
        """Who this store is: uuid, incarnation, node name."""
        ...

    @property
    def in_hand(self) -> InHand:
        """The slot that names the message being stepped, for the next life to find (G8)."""
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Several reads of one commit. Keep it short: while it lasts, the file cannot reuse pages."""
        ...

    def commit(self, writes: Writes) -> None:
        """Apply a batch whole or not at all; it is durable when this returns.

        Raises:
            StoreFull: no room; the store is as before.
            StoreFailed: the outcome is unknown; nothing may be acknowledged any more.
            StoreForked: this is a forked child.
            ValueError: a key to put is empty or longer than `MAX_KEY`; the store is as before.
        """
        ...

    def tend(self) -> None:
        """What is due about once a minute: free the slots of dead readers, see that the files are still ours.

        Raises:
            StoreFailed: somebody removed or replaced a file under us.
        """
        ...

    def is_scarce(self) -> bool:
        """Whether what is left of a full disk is kept for batches that make the store smaller."""
        ...

    def usage(self) -> Usage:
        """How much room the store takes."""
        ...

    def close(self, *, clean: bool = True) -> None:
        """Release everything; `clean` is noted for the next opening. Idempotent."""
        ...


def after_prefix(prefix: bytes, width: int) -> bytes | None:
    """The least key beyond all with this prefix of at most `width` bytes; None if there is none."""
    if len(prefix) < width:
        return prefix + b"\0"
    number = int.from_bytes(prefix, "big") + 1
    return number.to_bytes(width, "big") if number < 1 << (8 * width) else None
