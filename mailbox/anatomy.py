"""The anatomy of a store on disk: how large its tables are, how many pages are free, who reads.

These are questions to LMDB itself, for `DiskStore.ask`; only `disk` names LMDB, so its things have
the shapes given here.
"""

import os
from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from .store import Table

FAR_BEHIND: Final = 10_000
"""Commits by which a reader may be behind; pages that were freed since cannot be used again."""


class _Environment(Protocol):
    """What we use of an environment of LMDB."""

    def info(self) -> dict[str, int]: ...
    def stat(self) -> dict[str, int]: ...
    def readers(self) -> str: ...


class _Transaction(Protocol):
    """What we use of a transaction of LMDB."""

    def stat(self, db: Any) -> dict[str, int]: ...


class TableSize(msgspec.Struct, frozen=True):
    """How large one table is."""

    name: str
    entries: int
    bytes: int
    """Of all its pages."""
    depth: int


class Reader(msgspec.Struct, frozen=True):
    """A process that reads the store."""

    pid: int
    commit: int | None
    """The commit that it looks at now, whose pages cannot be used again; None between two looks."""


class Anatomy(msgspec.Struct, frozen=True):
    """How a store's data file is made up, at one commit."""

    tables: tuple[TableSize, ...]
    """Those that there are; a store may be older than a table."""
    page: int
    """Bytes of a page."""
    pages: int
    """Pages of the file, up to the last that was ever used."""
    free: int
    """Pages of these that can be used again."""
    limit: int
    """Bytes that the map can grow to."""
    commit: int
    """Number of the newest commit."""
    readers: tuple[Reader, ...]
    slots: int
    """How many readers there can be."""

    @property
    def records(self) -> int:
        """Records in all tables."""
        return sum(table.entries for table in self.tables)


def dissect(environment: _Environment, transaction: _Transaction, tables: Sequence[object]) -> Anatomy:
    """See `Anatomy`."""
    info, main = environment.info(), environment.stat()
    sizes = [
        TableSize(table.name, stat["entries"], _pages(stat) * stat["psize"], stat["depth"])
        for table, handle in zip(Table, tables, strict=True)
        if handle is not None
        for stat in (transaction.stat(handle),)
    ]
    pages, page = info["last_pgno"] + 1, main["psize"]
    used = 2 + _pages(main) + sum(size.bytes for size in sizes) // page
    return Anatomy(
        tables=tuple(sizes),
        page=page,
        pages=pages,
        free=max(0, pages - used),  # the few pages of the list of free ones count as free, too
        limit=info["map_size"],
        commit=info["last_txnid"],
        readers=tuple(_readers(environment.readers())),
        slots=info["max_readers"],
    )


def used_and_limit(
    environment: _Environment, transaction: _Transaction, tables: Sequence[object]
) -> tuple[int, int]:
    """Bytes of pages that hold data, and bytes that the map can grow to."""
    stats = [transaction.stat(handle) for handle in tables if handle is not None]
    return sum(_pages(stat) * stat["psize"] for stat in stats), environment.info()["map_size"]


def _pages(stat: dict[str, int]) -> int:
    return stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]


def _readers(text: str) -> list[Reader]:
    """The readers in LMDB's own words: a line each of pid, thread and commit, after a line of titles."""
    rows = [line.split() for line in text.splitlines()]
    found = [row for row in rows if len(row) == 3 and row[0].isdigit()]
    return [
        Reader(int(pid), int(commit) if commit.isdigit() else None)
        for pid, _, commit in found
        if int(pid) != os.getpid()
    ]
