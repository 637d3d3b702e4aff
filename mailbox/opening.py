"""Opening a store on disk: look first, then lock, then touch.

The order matters. What stands at the path is judged before anything is written there; the lock is
taken before LMDB sees the file, since LMDB itself would let two nodes write; and the incarnation is raised
durably before the store is handed out, so that no message number is given twice (G3).
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from . import meta, preflight
from .disk import MAP_SIZE, DiskStore, make_data_file
from .errors import NotAStore
from .lock import StoreLock, take_lock
from .preflight import Place


def open_disk(
    path: str | os.PathLike[str],
    *,
    entropy: Callable[[int], bytes],
    now_ns: Callable[[], int],
    node: str = "",
    map_size: int = MAP_SIZE,
    unsafe_filesystem: bool = False,
) -> DiskStore:
    """Open the store in a directory for its one running node, or make it there.

    Args:
        path: the store's directory; made, with what is missing above it, if there is nothing.
        entropy: random bytes, for the uuid of a new store.
        now_ns: the wall clock.
        node: the node's name, fixed at first use.
        map_size: address space to reserve; see `MAP_SIZE`.
        unsafe_filesystem: open it on a network file system too.

    Raises:
        StoreError: one of its kinds; nothing was changed.
        BadName: the node's name cannot be one.
    """
    where = Path(path).absolute()
    place = preflight.look_at(where)
    preflight.check_file_system(where, unsafe=unsafe_filesystem)
    if place is Place.MISSING:
        preflight.make_directory(where)
    lock = take_lock(where, now_ns())
    try:
        return _open_locked(where, lock, entropy, now_ns(), node, map_size)
    except BaseException:
        lock.release()
        raise


def view_disk(path: str | os.PathLike[str]) -> DiskStore:
    """Open the store in a directory to look at it, beside its running node or without one.

    It takes no lock, changes nothing, and follows the commits of the node. A node's own process
    looks at the store it has.

    Raises:
        StoreError: one of its kinds.
    """
    where = Path(path).absolute()
    if preflight.look_at(where) is not Place.STORE:
        raise NotAStore(f"there is no store in {where}: name the directory that a node was started with")
    preflight.check_head(where)
    return DiskStore(where, lock=None, map_size=0)


def _open_locked(
    path: Path, lock: StoreLock, entropy: Callable[[int], bytes], now_ns: int, node: str, map_size: int
) -> DiskStore:
    created = preflight.look_at(path) is not Place.STORE  # asked again, now under the lock
    if created:
        _make(path, meta.birth(entropy(16), now_ns))
    preflight.settle_names(path)
    preflight.check_head(path)
    store = DiskStore(path, lock=lock, map_size=map_size)
    try:
        store.begin_incarnation(node, now_ns, created=created)
    except BaseException:
        store.close(clean=False)
        raise
    return store


def _make(path: Path, records: dict[bytes, bytes]) -> None:
    """Make a store beside its place and move it there whole, so that no crash leaves half of one."""
    new = path / preflight.NURSERY
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(0o700)
        make_data_file(new, records)
        (new / preflight.DATA).rename(path / preflight.DATA)
        shutil.rmtree(new)
    except OSError as error:
        raise preflight.system_error(error, path) from error
