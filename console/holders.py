"""Holders: whether a node runs on a store, told without touching its lock. Only Linux tells for certain."""

import os
from pathlib import Path
from typing import Final

from ..mailbox.lock import Holder, boot_id, read_holder
from ..mailbox.preflight import LOCK

PROC: Final = Path("/proc")


def holder_of(path: Path, proc: Path = PROC) -> Holder | None:
    """Who runs the node of a store; None if nobody does, as far as this machine can tell."""
    note = read_holder(path)
    locked = _is_locked((path, path / LOCK), proc)
    if locked is None:
        locked = _is_alive(note)
    return note if locked else None


def _is_locked(files: tuple[Path, ...], proc: Path) -> bool | None:
    """Whether the system lists a lock on one of these; None where it lists none at all.

    A node locks its directory, too, so that a lost LOCK does not hide it.
    """
    inodes = {_inode(file) for file in files}
    try:
        lines = (proc / "locks").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    rows = [line.split() for line in lines]
    # The device is not compared: some file systems give files another number than their mount has.
    return any(row[1] == "FLOCK" and row[5].rpartition(":")[2] in inodes for row in rows if len(row) > 5)


def _is_alive(note: Holder) -> bool:
    if not note.pid or note.boot != boot_id():
        return False
    try:
        os.kill(note.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's process is one, too
    return True


def mapped_elsewhere(path: Path, pid: int, names: tuple[str, ...], proc: Path = PROC) -> list[str]:
    """Which files of a store are not those that its node has open: they were removed or replaced under it."""
    try:
        lines = (proc / str(pid) / "maps").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    fields = [line.split(maxsplit=5) for line in lines]
    inodes = {each[4] for each in fields if len(each) == 6}
    paths = {each[5] for each in fields if len(each) == 6}
    # Either will do: some file systems show another inode in a map, and a file that went shows another path.
    return [
        name
        for name in names
        if _inode(path / name) not in inodes and str(path.resolve() / name) not in paths
    ]


def _inode(file: Path) -> str:
    try:
        return str(file.stat().st_ino)
    except OSError:
        return ""
