"""Ballast: bytes kept beside the data file, to be thrown when the disk is full.

LMDB never overwrites a page that the last commit needs, so it takes pages even to delete: on a disk without
a free block a commit that takes some ten messages out fails, and a full store could not be drained. So each
store keeps some MiB of its file system in a file, and throws it for a batch that makes the store smaller.
While it is out, a batch that makes the store larger is refused before LMDB sees it, or the room would go to
those who filled the disk.
"""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from .faults import batch_size, free_bytes, kept_for_draining
from .preflight import BALLAST
from .store import Snapshot, Table, Writes

MOST: Final = 16 << 20
"""Bytes of it on a roomy disk: the pages that a thousand turns touch, as many as run ahead of the disk."""
LEAST: Final = 64 << 10
"""With less it is not worth the file."""
SHARE: Final = 4
"""It takes at most this part of what is free."""
FORGIVEN: Final = 32
"""Bytes by which a record may grow that is written anew: a counter in it may get longer."""

_log: Final = logging.getLogger("callboard.store")


class Ballast:
    """The ballast of one store."""

    def __init__(self, directory: Path, *, keep: bool) -> None:
        """Find it, or take it from the file system if that has plenty; `keep` says that the store is ours."""
        self._file = directory / BALLAST
        self.size = 0
        """Bytes that it has, or had before it was thrown; 0 if there never was any."""
        self.thrown = False
        if keep:
            with suppress(OSError):
                self.size = self._file.stat().st_size
            if not self.size:
                self._make(min(MOST, free_bytes(directory) // SHARE) & -4096)

    def _make(self, size: int) -> None:
        if size >= LEAST and self._take(size):
            self.size = size

    def _take(self, size: int) -> bool:
        try:
            fd = os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(fd, 0, size)
        except (OSError, AttributeError) as error:  # no room, or a system without the call
            _log.debug("no ballast for %s: %s", self._file.parent, error)
            self._file.unlink(missing_ok=True)
            return False
        finally:
            os.close(fd)
        return True

    def throw_for(self, writes: Writes, store: Snapshot) -> bool:
        """Give its room to a batch that the disk had none for; False if it is out, or not for this batch."""
        if self.thrown or not self.size or growth(writes, store.get) > 0:
            return False
        self.thrown = True
        with suppress(OSError):
            self._file.unlink()
        _log.warning(
            "a full disk: %s gave its %d bytes, so that mail can be taken out", self._file, self.size
        )
        return True

    def is_out(self) -> bool:
        """Whether it is; it is taken back as soon as there is room for twice as much."""
        if self.thrown and free_bytes(self._file.parent) >= 2 * self.size and self._take(self.size):
            self.thrown = False
        return self.thrown

    def keep_for_draining(self, writes: Writes, store: Snapshot) -> None:
        """While it is out, let no batch through that makes the store larger.

        Raises:
            StoreFull: it is such a batch.
        """
        if self.is_out() and growth(writes, store.get) > 0:
            raise kept_for_draining(self._file.parent, batch_size(writes))


def growth(writes: Writes, get: Callable[[Table, bytes], bytes | None]) -> int:
    """Bytes by which a batch makes a store larger, but for what is forgiven; META does not count."""
    total = 0
    for table, changes in writes.items():
        if table is Table.META:
            continue
        for key, value in changes.items():
            before = get(table, key)
            if before is None:
                total += 0 if value is None else len(key) + len(value)
            elif value is None:
                total -= len(key) + len(before)
            else:
                more = len(value) - len(before)
                total += 0 if 0 < more <= FORGIVEN else more
    return total
