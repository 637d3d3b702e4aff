"""Copies of a store: a backup beside a running node, and a compaction of a stopped one.

LMDB copies one commit while its node goes on, but neither syncs the copy nor checks it, and a copy
that was broken off opens like a whole one and kills its reader later. So a copy is
written beside its place, synced, checked, and only then moved there by one rename: under
its final name there is a whole copy or nothing, whatever ends the process.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec

from . import faults, preflight
from .disk import DiskStore
from .errors import CopyRefused, StoreError, StoreFull, StoreUnavailable

Check = Callable[[Path], None]
"""Looks at a finished copy before it gets its name; raises StoreError if it will not do."""

_PART: Final = ".part"


class _Environment(Protocol):
    """What we use of an environment of LMDB."""

    def copyfd(self, fd: int, compact: bool) -> None: ...  # noqa: FBT001 - the binding's


class Copied(msgspec.Struct, frozen=True):
    """What became of a copy, in bytes of the data files."""

    source: int
    copy: int


def back_up(store: DiskStore, target: Path, check: Check, *, compact: bool = True) -> Copied:
    """Copy a store into a new directory, which a node can open as it is.

    Args:
        store: it may be one opened to look at, with its node running beside.
        target: a path where nothing is yet.
        check: looks at the copy before it gets its name.
        compact: leave free pages out.

    Raises:
        CopyRefused: there is something at the target, or another backup is under way there.
        StoreFull, StoreUnavailable: the copy cannot be written.
        StoreDamaged: the store cannot be copied, or the copy did not pass.
    """
    place = target.absolute()
    refuse_existing(place)
    with _workshop(place) as workshop:
        copied = _copy(store, workshop, compact=compact)
        check(workshop)
        _move(workshop, place)
    return copied


def compact_in_place(store: DiskStore, check: Check) -> Copied:
    """Put a copy without free pages in the place of a store's data file.

    The caller holds the store's lock and has opened it only to look; afterwards that view is of no use. The
    old file stays until the copy has passed.

    Raises:
        StoreError: as for `back_up`; the store is as before.
    """
    workshop = store.path / preflight.NURSERY
    try:
        shutil.rmtree(workshop, ignore_errors=True)
        workshop.mkdir(0o700)
        copied = _copy(store, workshop, compact=True)
        check(workshop)
        if copied.copy < copied.source:
            _swap(workshop, store.path)
    except OSError as error:
        raise preflight.system_error(error, workshop) from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return copied


def refuse_existing(target: Path) -> None:
    """Refuse a target where something is.

    Raises:
        CopyRefused: there is.
        StoreUnavailable: the directory it would lie in is not there.
    """
    if target.exists() or target.is_symlink():
        raise CopyRefused(f"{target} exists already, and a backup overwrites nothing: name a new directory")
    if not target.parent.is_dir():
        raise StoreUnavailable(f"there is no directory {target.parent} to put the backup into: make it first")


@contextmanager
def _workshop(target: Path) -> Generator[Path]:
    """A directory of ours beside the target, gone at the end; one that a killed backup left is cleared."""
    path = target.with_name(f".{target.name}{_PART}")
    try:
        path.mkdir(0o700, exist_ok=True)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise preflight.system_error(error, path) from error
    try:
        _lock(fd, target)
        for left in path.iterdir():
            left.unlink()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
    except OSError as error:
        raise _unwritable(error, path, 0) from error
    finally:
        os.close(fd)


def _lock(fd: int, target: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CopyRefused(f"another backup to {target} is under way: wait for it, or name another") from None
    except OSError as error:
        if error.errno not in {errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.ENOLCK}:
            raise  # a file system without locks for directories: then nobody is shut out


def _copy(store: DiskStore, workshop: Path, *, compact: bool) -> Copied:
    source = (store.path / preflight.DATA).stat().st_size
    fd = os.open(workshop / preflight.DATA, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        store.ask(lambda environment, _txn, _tables: _write(environment, fd, workshop, source, compact))
        os.fsync(fd)
        return Copied(source, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _write(environment: _Environment, fd: int, workshop: Path, size: int, compact: bool) -> None:  # noqa: FBT001
    try:
        environment.copyfd(fd, compact)
    except Exception as error:
        raise _unwritable(error, workshop, size) from error


def _unwritable(error: Exception, workshop: Path, size: int) -> StoreError:
    code = faults.code_of(error)
    left = size - _size(workshop)
    if code in faults.NO_ROOM or (code in faults.PERHAPS_NO_ROOM and not faults.has_room(workshop, left)):
        return StoreFull(
            f"no room for the copy in {workshop.parent} ({error}): of up to {size} bytes {_size(workshop)} "
            "were written. The copy was removed and the store is as before: make room, or use another disk"
        )
    if code in faults.DAMAGE:
        return faults.damaged(workshop, str(error))
    return StoreUnavailable(f"the copy in {workshop.parent} cannot be written ({error}). It was removed")


def _size(workshop: Path) -> int:
    with suppress(OSError):
        return (workshop / preflight.DATA).stat().st_size
    return 0


def _move(workshop: Path, target: Path) -> None:
    """Give a finished copy its name, durably."""
    (workshop / preflight.LMDB_LOCK).unlink(missing_ok=True)
    preflight.sync_directory(workshop)
    refuse_existing(target)
    workshop.rename(target)
    preflight.sync_directory(target.parent)


def _swap(workshop: Path, path: Path) -> None:
    """Put a finished copy in the place of the data file, and make LMDB forget what it noted of the old one.

    Its table of readers also holds the number of the newest commit, which is another in the copy; whoever
    has the old files open goes on looking at them.
    """
    lock = path / preflight.LMDB_LOCK
    lock.unlink(missing_ok=True)
    (workshop / preflight.DATA).rename(path / preflight.DATA)
    lock.unlink(missing_ok=True)
    preflight.sync_directory(path)
