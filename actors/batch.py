"""Batch: what one commit writes, and who waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import trio

    from ..mailbox.records import Counters
    from ..mailbox.store import Writes
    from .cell import Cell

FEW = 100
"""Unhandled messages of a batch that are cheap to write."""


class Release(Protocol):
    """Something that may leave the node once its batch is on disk."""

    def __call__(self) -> None: ...


class Batch:
    """What one commit writes."""

    __slots__ = (
        "accepted",
        "bytes",
        "cells",
        "handled",
        "lsn",
        "on_disk",
        "releases",
        "told",
        "turns",
        "writes",
    )

    def __init__(self, lsn: int) -> None:
        self.lsn = lsn
        self.cells: list[Cell] = []
        self.writes: Writes = {}
        self.releases: list[Release] = []
        """What leaves when it is on disk."""
        self.told: list[Release] = []
        """The same of those who have only brought something: what is handled meanwhile is never written."""
        self.on_disk: trio.Event | None = None
        self.turns = 0
        self.bytes = 0
        self.accepted = self.handled = 0
        """Messages that no `Counters` have yet: a field of a struct takes four times as long to set."""

    def writes_few(self) -> bool:
        """Whether few messages wait that a commit now would have to write."""
        waiting = 0
        for cell in self.cells:
            waiting += min(len(cell.fresh), cell.tail - cell.head)
            if waiting >= FEW:
                return False
        return True

    def counted(self, counters: Counters) -> Counters:
        """The counters, with what was counted here."""
        counters.accepted += self.accepted
        counters.handled += self.handled
        self.accepted = self.handled = 0
        return counters

    @property
    def empty(self) -> bool:
        """Whether a commit would write nothing and release nobody."""
        return not (self.cells or self.writes or self.releases or self.told) and self.on_disk is None

    def join(self, later: Batch) -> None:
        """Become one with the batch after it, sealed already, so that both are on disk or neither."""
        self.lsn = later.lsn
        self.turns += later.turns
        self.bytes += later.bytes
        self.releases += later.releases
        self.told += later.told
        for table, changes in later.writes.items():
            self.writes.setdefault(table, {}).update(changes)
        if self.on_disk is None:
            self.on_disk = later.on_disk
        elif later.on_disk is not None:
            later.on_disk.set()  # who waits for it looks again, and waits for this one
