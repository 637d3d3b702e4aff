"""The reads of one LMDB transaction: walks along a tree, whose finds are copied out."""

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import Any, Protocol

from .store import Table, after_prefix


class _Cursor(Protocol):
    """What we use of a cursor of LMDB; it is named only in `disk`."""

    def first(self) -> bool: ...
    def last(self) -> bool: ...
    def set_range(self, key: bytes, /) -> bool: ...
    def key(self) -> bytes: ...
    def __iter__(self) -> Iterator[tuple[bytes, bytes]]: ...


class _Transaction(Protocol):
    """What we use of a transaction of LMDB."""

    def get(self, key: bytes, default: None = None, db: Any = None) -> bytes | None: ...
    def cursor(self, db: Any = None) -> _Cursor: ...


class DiskSnapshot:
    """A `Snapshot` that lasts as long as its transaction."""

    def __init__(self, transaction: _Transaction, tables: Sequence[object]) -> None:
        """Read in a transaction; `tables` are LMDB's handles in the order of `Table`."""
        self._transaction = transaction
        self._tables = tables

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See `Snapshot.get`."""
        return self._transaction.get(key, None, self._tables[table])

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        """See `Snapshot.scan`."""
        cursor = self._transaction.cursor(self._tables[table])
        if not _place(cursor, start):
            return []
        pairs = iter(cursor) if stop is None else takewhile(lambda pair: pair[0] < stop, cursor)
        return list(islice(pairs, limit))

    def last(self, table: Table) -> bytes | None:
        """See `Snapshot.last`."""
        cursor = self._transaction.cursor(self._tables[table])
        return cursor.key() if cursor.last() else None

    def prefixes(self, table: Table, width: int, start: bytes = b"", limit: int = 1000) -> list[bytes]:
        """See `Snapshot.prefixes`."""
        cursor = self._transaction.cursor(self._tables[table])
        found: list[bytes] = []
        at: bytes | None = start
        while at is not None and len(found) < limit and _place(cursor, at):
            found.append(cursor.key()[:width])
            at = after_prefix(found[-1], width)
        return found


def _place(cursor: _Cursor, start: bytes) -> bool:
    """Move to the first key at or after `start`; LMDB knows no empty key."""
    return cursor.set_range(start) if start else cursor.first()
