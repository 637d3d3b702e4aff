"""Batch: what one commit writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import trio

    from ..mailbox.store import Writes
    from .cell import Cell

FEW = 100
"""Unhandled messages of a batch that are cheap to write."""


class Release(Protocol):
    """Something that may leave the node once its batch is on disk."""

    def __call__(self) -> None: ...


class Batch:
    """What one commit writes."""

    __slots__ = ("bytes", "cells", "lsn", "on_disk", "releases", "turns", "writes")

    def __init__(self, lsn: int) -> None:
        self.lsn = lsn
        self.cells: list[Cell] = []
        self.writes: Writes = {}
        self.releases: list[Release] = []
        self.on_disk: trio.Event | None = None
        self.turns = 0
        self.bytes = 0

    def writes_few(self) -> bool:
        """Whether few messages wait that a commit now would have to write."""
        waiting = 0
        for cell in self.cells:
            waiting += min(len(cell.fresh), cell.tail - cell.head)
            if waiting >= FEW:
                return False
        return True

    @property
    def empty(self) -> bool:
        """Whether a commit would write nothing and release nobody."""
        return not (self.cells or self.writes or self.releases) and self.on_disk is None
