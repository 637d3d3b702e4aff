"""The lock of a store: one store has one running node (G15).

The lock is held twice: on the file LOCK, which also says who holds it, and on the directory
itself, so that removing LOCK does not let a second node in. Both are `flock` locks: the
kernel drops them when the holder dies, however it dies, and two openings within one
process exclude each other too, also through a symbolic link. The note in LOCK is only for people:
after a crash it names a process that is gone, and nobody reads it unless the lock is held.
"""

import errno
import fcntl
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from .boot import boot_id as boot_id
from .errors import StoreError, StoreInUse
from .faults import open_error
from .preflight import LOCK, is_still, system_error

_MOST_COMMAND: Final = 200
_NO_SUCH_LOCK: Final = {errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.ENOLCK}


class Holder(msgspec.Struct, frozen=True):
    """Who holds a store, as noted in its LOCK."""

    pid: int = 0
    boot: str = ""
    """Which boot of the machine the pid belongs to; empty where the system does not say."""
    host: str = ""
    command: str = ""
    since: int = 0
    """Nanoseconds since the epoch."""


class StoreLock:
    """A store's lock, held from `take_lock` to `release`."""

    def __init__(self, path: Path, fds: list[int]) -> None:
        """Keep what `take_lock` opened."""
        self._path = path
        self._fds = fds

    def still_held(self) -> bool:
        """Whether LOCK is still the file we locked."""
        return bool(self._fds) and is_still(self._path / LOCK, os.fstat(self._fds[0]))

    def release(self) -> None:
        """Let others in. The file stays: removing it could remove the lock of a next holder.

        In a forked child this closes the child's copies, and the parent goes on holding the lock.
        """
        while self._fds:
            os.close(self._fds.pop())


def take_lock(path: Path, now_ns: int) -> StoreLock:
    """Take the lock of the store in a directory, and note who holds it.

    Raises:
        StoreInUse: somebody else holds it; the text says who.
        StoreUnavailable: the system refuses.
    """
    lock = StoreLock(path, fds := [])
    try:
        fds.append(os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        fcntl.flock(fds[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        fds.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
        _lock_directory(fds[1])
        _note(fds[0], now_ns)
    except BlockingIOError:
        holder = read_holder(path)
        lock.release()
        raise in_use(path, holder) from None
    except OSError as error:
        lock.release()
        raise system_error(error, path) from error
    return lock


def _lock_directory(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_SUCH_LOCK:  # NFS locks no directories
            raise


def _note(fd: int, now_ns: int) -> None:
    holder = Holder(
        pid=os.getpid(),
        boot=boot_id(),
        host=platform.node(),
        command=shlex.join(sys.orig_argv)[:_MOST_COMMAND],
        since=now_ns,
    )
    data = msgspec.json.format(msgspec.json.encode(holder))
    os.ftruncate(fd, 0)
    os.pwrite(fd, data, 0)


def read_holder(path: Path) -> Holder:
    """Who the note in LOCK names; empty if there is none that can be read."""
    try:
        return msgspec.json.decode((path / LOCK).read_bytes(), type=Holder)
    except (OSError, ValueError, msgspec.MsgspecError):
        return Holder()


def in_use(path: Path, holder: Holder) -> StoreInUse:
    """The error of a store that somebody else holds."""
    return StoreInUse(
        f"the store {path} is in use by {describe(holder)}, and one store has one running node. Stop that "
        f"process first, or look at the store beside it: callboard ls --store {shlex.quote(str(path))}"
    )


def refused_opening(error: Exception, path: Path) -> StoreError:
    """The error of an opening that the system or LMDB refused; LMDB opens a file once in a process."""
    if "already open in this process" in str(error):
        return in_use(path, read_holder(path))
    return open_error(error, path)


def describe(holder: Holder) -> str:
    """A holder in words."""
    if not holder.pid:
        return "a process that left no note in its LOCK"
    since = datetime.fromtimestamp(holder.since / 1e9, UTC)
    where = "" if holder.boot == boot_id() else f" on {holder.host or 'another machine'}"
    who = "this very process" if holder.pid == os.getpid() and not where else f"process {holder.pid}{where}"
    return f"{who} ({holder.command or 'unknown command'}), since {since:%Y-%m-%d %H:%M:%S} UTC"
