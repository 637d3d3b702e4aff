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
from .store import Snapshot, Table, Usage, Writes

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

    def __init__(self, directory: Path, usage: Callable[[], Usage], *, keep: bool) -> None:
        """Find it, or take it from the file system if that has plenty; `keep` says that the store is ours."""
        self._file, self._usage = directory / BALLAST, usage
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
        """Give its room to a batch that takes mail out and found no room; False if it is out, or not for it.

        Not sooner: what filled the disk may be somebody else, who would take this, too. And not for a batch
        that brings in more than an eighth of it: that waits for a person, or for turns that take as much out
        before it is tried again, since with nothing left no mail behind it could be taken out either.
        """
        drains = None in writes.get(Table.MAIL, {}).values()
        if self.thrown or not self.size or not drains or not self._fits(writes, store, self.size):
            return False
        self.thrown = True
        with suppress(OSError):
            self._file.unlink()
        _log.warning(
            "a full disk: %s gave its %d bytes, so that mail can be taken out", self._file, self.size
        )
        return True

    def _fits(self, writes: Writes, store: Snapshot, left: int) -> bool:
        """Whether a batch makes the store smaller, or larger by a small part of what is left above a half.

        Turns that take mail out come in one batch with what was sent before the disk was full.
        """
        return growth(writes, store.get) <= max(0, (left - self.size // 2) // 4)

    def _left(self) -> int:
        """Bytes that a commit finds while it is out; it is taken back when there is room for twice as much.

        Pages of the data file that became free count, since they do as well.
        """
        outside = free_bytes(self._file.parent)
        if outside >= 2 * self.size and self._take(self.size):
            self.thrown = False
        usage = self._usage()
        return outside + usage.file - usage.used

    def is_scarce(self) -> bool:
        """Whether it is out, and too little room is left to let everybody in again."""
        return self.thrown and self._left() < self.size + self.size // 2 and self.thrown

    def keep_for_draining(self, writes: Writes, store: Snapshot) -> None:
        """While it is out, let no batch through that makes the store much larger.

        Raises:
            StoreFull: it is such a batch.
        """
        if self.thrown and (left := self._left()) < self.size and not self._fits(writes, store, left):
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
