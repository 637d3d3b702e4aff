"""What a failure inside LMDB means, told from its code.

The five outcomes a caller can act on are the errors of the store; about thirty codes and
errno values lead to them. A full disk is the hard one: depending on where the write was cut
off it arrives as ENOSPC, EDQUOT, EFBIG, or as the EIO that LMDB makes of a short write, and
that EIO looks like the EIO of a dying disk. So we ask the file system which of them it was.
"""

import contextlib
import errno
import os
import resource
from pathlib import Path
from typing import Final

from .errors import StoreDamaged, StoreError, StoreFailed, StoreForked, StoreFull, StoreUnavailable
from .store import MAX_KEY, Writes

PAGE_NOT_FOUND: Final = -30797
CORRUPTED: Final = -30796
PANIC: Final = -30795
VERSION_MISMATCH: Final = -30794
INVALID: Final = -30793
MAP_FULL: Final = -30792
READERS_FULL: Final = -30790
TXN_FULL: Final = -30788
MAP_RESIZED: Final = -30785
BAD_VALUE_SIZE: Final = -30781
SHORT_WRITE: Final = -30772

DAMAGE: Final = {PAGE_NOT_FOUND, CORRUPTED, VERSION_MISMATCH, INVALID}
NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Codes that say a disk, a quota or a limit is full."""
PERHAPS_NO_ROOM: Final = {errno.EIO, SHORT_WRITE}
"""Codes that say the same or that the disk failed."""
REFUSED: Final = {errno.EACCES, errno.EPERM, errno.EROFS}

SLACK: Final = 1 << 20
"""Free bytes a commit must find beyond its own; a file system with less counts as full."""


def code_of(error: Exception) -> int:
    """LMDB's code or the system's; 0 for what LMDB's binding found out by itself."""
    code = error.errno if isinstance(error, OSError) else getattr(error, "code", None)
    return code or 0


def commit_error(error: Exception, path: Path, writes: Writes) -> StoreError | ValueError:
    """The error of a commit that LMDB ended so."""
    code, text, size = code_of(error), str(error), batch_size(writes)
    if code == BAD_VALUE_SIZE:
        return ValueError(f"a key of the batch is empty or longer than {MAX_KEY} bytes ({text})")
    if code in NO_ROOM or (code in PERHAPS_NO_ROOM and not has_room(path, size)):
        return StoreFull(
            f"no room for {size} bytes in {path} ({text}). Nothing was lost and the store is as before: "
            "make room on its file system, and the same commit will pass"
        )
    if code == errno.ENOMEM:
        return StoreFull(
            f"no memory for a commit of {size} bytes to {path} ({text}). Nothing was lost: "
            "free some memory, and the same commit will pass"
        )
    if code == TXN_FULL:
        return StoreError(f"a batch of {size} bytes is too large for one commit: write it in smaller ones")
    if code in DAMAGE:
        return damaged(path, text)
    return failed(path, text)


def batch_size(writes: Writes) -> int:
    """About how many bytes a batch writes."""
    return sum(len(key) + len(value or b"") for changes in writes.values() for key, value in changes.items())


def failed(path: Path, text: str) -> StoreFailed:
    """The disk broke off a commit: only the next opening will tell where."""
    return StoreFailed(
        f"the disk under {path} failed during a commit ({text}). Whether it was written is unknown until the "
        "store is opened again: end this process, look at the system's log for the disk, and start anew"
    )


def kept_for_draining(path: Path, size: int) -> StoreFull:
    """The ballast is thrown, and a batch makes the store larger."""
    return StoreFull(
        f"no room for {size} bytes in {path}: what is left of its file system is kept to take mail out. "
        "Nothing was lost: make room on its file system, and the same commit will pass"
    )


def replaced(path: Path) -> StoreFailed:
    """The files are not those we opened."""
    return StoreFailed(
        f"somebody removed or replaced files of the store {path} while it was open: what is written now may "
        "be lost. End this process, find out who did it, and start anew"
    )


def forked(path: Path) -> StoreForked:
    """A child uses its parent's store."""
    return StoreForked(
        f"the store {path} was opened before this process was forked, and it belongs to the parent. Fork "
        "before you open it, or start children by spawn (multiprocessing.set_start_method)"
    )


def only_to_look(path: Path) -> StoreError:
    """A view is asked to write."""
    return StoreError(f"the store {path} was opened to look at it: only its node writes to it")


def cannot_grow(path: Path, limit: int, text: str) -> StoreFull:
    """The map has no more room in this process."""
    return StoreFull(
        f"the store {path} cannot grow beyond {limit} bytes of address space ({text}). Nothing was lost: "
        "lift the limit on virtual memory (ulimit -v), and the same commit will pass"
    )


def read_error(error: Exception, path: Path) -> StoreError:
    """The error of a read that LMDB ended so."""
    code, text = code_of(error), str(error)
    if code in DAMAGE:
        return damaged(path, text)
    if code == READERS_FULL:
        return StoreUnavailable(
            f"every reader slot of {path} is taken ({text}). End some of the tools that look at this "
            "store and try again"
        )
    return StoreError(f"a read of {path} failed ({text}). Try again; if it fails again, open the store anew")


def open_error(error: Exception, path: Path) -> StoreError:
    """The error of an opening that LMDB or the system ended so."""
    code, text = code_of(error), str(error)
    if code in DAMAGE:
        return damaged(path, text)
    if code in REFUSED:
        return unavailable(path, text)
    if code == errno.ENOMEM:
        return StoreUnavailable(
            f"no address space for the map of {path} ({text}). Lift the limit on virtual memory "
            "(ulimit -v) or open the store with a smaller map_size"
        )
    return StoreUnavailable(f"the store {path} cannot be opened ({text})")


def damaged(path: Path, text: str) -> StoreDamaged:
    """The store's pages contradict each other."""
    return StoreDamaged(
        f"the store {path} is damaged: its pages are not what was written ({text}). Nothing was changed: "
        "keep a copy for examination and restore the store from a backup"
    )


def unavailable(path: Path, text: str) -> StoreUnavailable:
    """The system does not let us."""
    return StoreUnavailable(
        f"the system refuses access to {path} ({text}). The store's directory and files must belong to the "
        f"user of this process (uid {os.geteuid()}) and lie on a file system that can be written"
    )


def has_room(path: Path, size: int) -> bool:
    """Whether the file system, the quota and the limits would take `size` more bytes of data file."""
    need = 4 * size + SLACK  # a commit also copies the pages above each record
    with contextlib.suppress(OSError):
        if free_bytes(path) < need:
            return False
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit != resource.RLIM_INFINITY and _file_size(path) + need > limit:
            return False
    return _takes(path, need)


def free_bytes(path: Path) -> int:
    """Bytes that the file system has for us."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _file_size(path: Path) -> int:
    return (path / "data.mdb").stat().st_size


def _takes(path: Path, need: int) -> bool:
    """Whether a file of that size can be made: quotas show only so. No answer counts as yes."""
    try:
        probe = os.open(path, os.O_TMPFILE | os.O_RDWR, 0o600)
    except (OSError, AttributeError):  # an old file system, or not Linux
        return True
    try:
        os.posix_fallocate(probe, 0, need)
    except OSError as error:
        return error.errno not in NO_ROOM
    finally:
        os.close(probe)
    return True
