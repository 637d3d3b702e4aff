"""What can be said of a path before LMDB is let near it.

Every refusal says what is there, why that will not do, and what to do; nothing is
changed before all of them are passed, so a mistyped path costs nothing.
"""

import errno
import logging
import os
from enum import Enum
from pathlib import Path
from typing import Final

from .datafile import BadHead, ForeignHead, check_data_file
from .errors import NotAStore, StoreDamaged, StoreError, StoreFull, StoreUnavailable
from .faults import NO_ROOM, REFUSED, unavailable

DATA: Final = "data.mdb"
LMDB_LOCK: Final = "lock.mdb"
LOCK: Final = "LOCK"
BALLAST: Final = "ballast"
"""Room kept to drain a full disk; see `ballast`."""
NURSERY: Final = ".new"
"""Where a store is made, so that a data file at its place is always whole."""

_UNFINISHED: Final = {LOCK, NURSERY, BALLAST}
_SYSTEM: Final = {"lost+found"}
"""What the root of an empty volume holds."""

_log: Final = logging.getLogger("callboard.store")


class Place(Enum):
    """What a path holds, if a store can be there."""

    MISSING = 1
    EMPTY = 2
    STORE = 3


def look_at(path: Path) -> Place:
    """What a path holds.

    Raises:
        NotAStore: something that is no store.
        StoreDamaged: a store without its data file.
        StoreUnavailable: the system does not let us look.
    """
    try:
        names = {entry.name for entry in path.iterdir()}
    except FileNotFoundError:
        return Place.MISSING
    except NotADirectoryError:
        raise NotAStore(
            f"{path} is a file, and a store is a directory: name a directory, or a path where nothing is yet"
        ) from None
    except OSError as error:
        raise system_error(error, path) from error
    return _judge(path, names - _SYSTEM)


def _judge(path: Path, names: set[str]) -> Place:
    if DATA in names:
        if LOCK not in names:  # not opened by us before: leave no file of ours in a stranger's directory
            check_head(path)
        return Place.STORE
    if LMDB_LOCK in names and LOCK in names:
        raise StoreDamaged(
            f"the store {path} has lost its data file: {DATA} is gone and {LMDB_LOCK} is still there. "
            f"Restore {DATA} from a copy, or remove the directory to begin with an empty store"
        )
    if names - _UNFINISHED:
        raise NotAStore(
            f"{path} holds other files ({_some(names)}) and no store: a store needs a directory of its own, "
            "empty or not yet made"
        )
    return Place.EMPTY


def _some(names: set[str]) -> str:
    shown = ", ".join(ascii(name) for name in sorted(names)[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def check_head(path: Path) -> None:
    """Whether the data file of a store can be opened without harm.

    Raises:
        NotAStore: it is no data file of ours.
        StoreDamaged: it is not whole.
        StoreUnavailable: it cannot be read.
    """
    file = path / DATA
    try:
        check_data_file(file)
    except OSError as error:
        raise system_error(error, file) from error
    except ForeignHead as error:
        if (path / LOCK).exists():
            raise _damaged(path, error) from error
        raise NotAStore(
            f"{file} is not the data file of a store: {error}. Nothing was changed: give the store a "
            "directory of its own"
        ) from error
    except BadHead as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: BadHead) -> StoreDamaged:
    return StoreDamaged(
        f"the store {path} is damaged: of its {DATA} we found that {error}. Nothing was changed: keep a copy "
        "for examination and restore the store from a backup, or remove the directory to begin anew"
    )


def make_directory(path: Path) -> None:
    """Make the store's own directory, for its owner only, and what is missing above it.

    From above, each only when the name of the one over it is on disk. So whatever is cut short here, or was
    in an opening before this one, only the lowest name can still be lost, and `settle_names` sees to that.

    Raises:
        StoreUnavailable: the system refuses.
    """
    missing = [each for each in path.parents if not each.exists()]
    try:
        for each in reversed(missing):
            _settle_name(each.parent)
            each.mkdir(exist_ok=True)
        _settle_name(path.parent)
        path.mkdir(0o700)
    except FileExistsError:
        return
    except OSError as error:
        raise system_error(error, path) from error


def settle_names(path: Path) -> None:
    """Make the names of a store and of its files durable, at every opening.

    Whoever made them may have been killed before it could: then they are seen, and a power cut takes them.

    Raises:
        StoreUnavailable: the system refuses.
    """
    try:
        sync_directory(path)
        _settle_name(path)
    except OSError as error:
        raise system_error(error, path) from error


def _settle_name(path: Path) -> None:
    """Make a directory's own name durable, which is in the one above; that may belong to somebody else."""
    try:
        sync_directory(path.parent)
    except OSError as error:
        if error.errno not in {*REFUSED, errno.EINVAL}:
            raise


def sync_directory(path: Path) -> None:
    """Make names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def lmdb_files(path: Path) -> tuple[list[Path], list[os.stat_result]]:
    """The files that LMDB has open, and which they are: it goes on with them under any name."""
    found = [file for file in (path / DATA, path / LMDB_LOCK) if file.exists()]
    return found, [file.stat() for file in found]


def is_still(path: Path, opened: os.stat_result) -> bool:
    """Whether a name still leads to the file we opened."""
    try:
        return os.path.samestat(opened, path.stat())
    except OSError:
        return False


def system_error(error: OSError, path: Path) -> StoreError:
    """The error of a path that the system does not let us use."""
    text = os.strerror(error.errno or 0).lower()
    if error.errno in REFUSED:
        return unavailable(path, text)
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return StoreUnavailable(
            f"no file could be opened at {path} ({text}). Raise the limit on open files (ulimit -n)"
        )
    if error.errno in NO_ROOM:
        return StoreFull(f"there is no room at {path} ({text}): make room on its file system, and try again")
    return StoreUnavailable(f"{path} cannot be used ({text}): name another path, or repair this one")


REMOTE: Final = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "lustre",
    "gfs2",
    "ocfs2",
    "ncpfs",
}
"""File systems on which a map of one machine does not see the writes of another."""
REMOTE_FUSE: Final = {
    *("sshfs", "s3fs", "rclone", "gcsfuse", "goofys", "glusterfs", "juicefs", "davfs2", "cephfs", "mount_s3"),
}
MEMORY: Final = {"tmpfs", "ramfs"}
DOUBTFUL: Final = {"overlay", "aufs", "virtiofs", "vboxsf", "fuse", "fuseblk", "ecryptfs"}

MOUNTS: Final = Path("/proc/self/mounts")


def check_file_system(path: Path, *, unsafe: bool, mounts: Path = MOUNTS) -> None:
    """Refuse file systems that break a store, and warn of those that may. Only Linux tells.

    Raises:
        StoreUnavailable: the path lies on a network file system and `unsafe` is not set.
    """
    kind = file_system(path, mounts)
    family, _, driver = kind.partition(".")
    if family in REMOTE or driver in REMOTE_FUSE:
        if not unsafe:
            raise StoreUnavailable(
                f"{path} lies on a network file system ({kind}), where locks and memory maps do not hold and "
                "a store is lost sooner or later. Use a local disk; unsafe_filesystem=True overrules this"
            )
        _log.warning("%s lies on a network file system (%s): expect a damaged store", path, kind)
    elif family in MEMORY:
        _log.warning("%s lies in memory (%s): the store is lost at the next boot", path, kind)
    elif family in DOUBTFUL:
        _log.warning("%s lies on %s: use a volume on a local disk for a store that must last", path, kind)


def file_system(path: Path, mounts: Path = MOUNTS) -> str:
    """The type of the file system a path lies on or would lie on; empty where nothing tells."""
    try:
        lines = [line.split() for line in mounts.read_text("utf-8", "surrogateescape").splitlines()]
    except OSError:
        return ""
    real = path.resolve()
    best, kind = -1, ""
    for line in lines:
        point = _unescape(line[1]) if len(line) > 2 else ""
        if point and len(point) >= best and real.is_relative_to(point):
            best, kind = len(point), line[2]
    return kind


def _unescape(point: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, character)
    return point
