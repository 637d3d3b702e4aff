"""Laggards: processes that go on looking at one old commit of a store, and make its file grow.

No page that such a commit needs is used again, nor any that was freed since. A tool that hangs in the middle
of a look costs nobody anything but that room, which is why it is told and not ended.
"""

import logging
from pathlib import Path
from typing import Final

from .anatomy import FAR_BEHIND, Anatomy

_log: Final = logging.getLogger("callboard.store")


class Laggards:
    """Those of one store; each is told once."""

    def __init__(self, path: Path) -> None:
        """Nobody was told yet."""
        self._path = path
        self._told: set[int] = set()

    def look(self, anatomy: Anatomy) -> None:
        """Tell of those that have become too slow."""
        behind = {
            reader.pid: anatomy.commit - reader.commit
            for reader in anatomy.readers
            if reader.commit is not None and anatomy.commit - reader.commit > FAR_BEHIND
        }
        for pid in sorted(behind.keys() - self._told):
            _log.warning(
                "process %d goes on looking at a commit of %s that is %d commits old: the file grows until "
                "it stops, and does not shrink by itself; end that process",
                pid,
                self._path,
                behind[pid],
            )
        self._told = set(behind)
