"""The reads of one LMDB transaction: walks along a tree, whose finds are copied out."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, takewhile
from typing import Any, Protocol, TypeVar

from .store import Snapshot, Table, after_prefix

T = TypeVar("T")


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

    def __init__(self, transaction: _Transaction, tables: Sequence[object | None]) -> None:
        """Read in a transaction; `tables` are LMDB's handles in the order of `Table`.

        A store that is older than a table has None there, and the table reads as empty.
        """
        self._transaction = transaction
        self._tables = tables

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See `Snapshot.get`."""
        handle = self._tables[table]
        return None if handle is None else self._transaction.get(key, None, handle)

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        """See `Snapshot.scan`."""
        cursor = self._cursor(table)
        if cursor is None or not _place(cursor, start):
            return []
        pairs = iter(cursor) if stop is None else takewhile(lambda pair: pair[0] < stop, cursor)
        return list(islice(pairs, limit))

    def last(self, table: Table) -> bytes | None:
        """See `Snapshot.last`."""
        cursor = self._cursor(table)
        return cursor.key() if cursor is not None and cursor.last() else None

    def prefixes(self, table: Table, width: int, start: bytes = b"", limit: int = 1000) -> list[bytes]:
        """See `Snapshot.prefixes`."""
        cursor = self._cursor(table)
        found: list[bytes] = []
        at: bytes | None = start
        while cursor is not None and at is not None and len(found) < limit and _place(cursor, at):
            found.append(cursor.key()[:width])
            at = after_prefix(found[-1], width)
        return found

    def _cursor(self, table: Table) -> _Cursor | None:
        handle = self._tables[table]
        return None if handle is None else self._transaction.cursor(handle)


class SingleReads:
    """The reads of a store outside a snapshot: each sees the newest commit."""

    def _read(self, read: Callable[[Snapshot], T]) -> T:
        """What is read in a transaction of its own."""
        raise NotImplementedError

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, limit: int = 1000
    ) -> list[tuple[bytes, bytes]]:
        """See `Store.scan`."""
        return self._read(lambda view: view.scan(table, start, stop, limit))

    def last(self, table: Table) -> bytes | None:
        """See `Store.last`."""
        return self._read(lambda view: view.last(table))

    def prefixes(self, table: Table, width: int, start: bytes = b"", limit: int = 1000) -> list[bytes]:
        """See `Store.prefixes`."""
        return self._read(lambda view: view.prefixes(table, width, start, limit))


def _place(cursor: _Cursor, start: bytes) -> bool:
    """Move to the first key at or after `start`; LMDB knows no empty key."""
    return cursor.set_range(start) if start else cursor.first()
