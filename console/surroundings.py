"""What `doctor` finds around a store: the machine, the disk, the files, and who holds them."""

import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Final

from ..cluster.doorbell import SOCKET
from ..mailbox.inhand import FILE as IN_HAND
from ..mailbox.lock import describe
from ..mailbox.preflight import BALLAST, DATA, LMDB_LOCK, LOCK, file_system as kind_of_file_system
from . import symptoms
from .holders import holder_of, mapped_elsewhere
from .room import full_node
from .symptoms import Symptom, fail, ok

LIBRARIES: Final = ("callboard", "trio", "lmdb", "msgspec")
TRIES: Final = 40
"""How many syncs are measured, within a second."""
_PIECE: Final = b"\0" * 4096
_OURS: Final = {DATA, LMDB_LOCK, LOCK, IN_HAND, BALLAST, SOCKET, "lost+found"}


def surroundings(path: Path) -> Iterator[Symptom]:
    """What can be said without opening the store; there may be none."""
    yield symptoms.versions(sys.version_info[:2], _versions(), wide=sys.maxsize > 2**32)
    ground = _ground(path)
    yield symptoms.file_system(kind_of_file_system(ground))
    file = _size(path / DATA)
    with suppress(OSError):
        disk = os.statvfs(ground)
        yield symptoms.room(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, file)
    most, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield symptoms.limits(
        resource.getrlimit(resource.RLIMIT_NOFILE)[0], None if most == resource.RLIM_INFINITY else most, file
    )
    yield symptoms.syncs(measure_syncs(ground))
    if (path / DATA).exists():
        yield from _files(path)


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return {**found, platform.system(): platform.release()}


def _ground(path: Path) -> Path:
    """The directory, or the nearest above it that there is."""
    place = path.absolute()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    return place


def _size(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_size
    return 0


def measure_syncs(directory: Path, tries: int = TRIES) -> list[float]:
    """Milliseconds that it takes to write 4 KiB down for good, some times; none where nothing can be written.

    The file has no name, so nothing is left of it and nobody sees it.
    """
    times: list[float] = []
    try:
        fd = os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600)
    except (OSError, AttributeError):
        return times
    end = time.monotonic() + 1
    try:
        while len(times) < tries and time.monotonic() < end:
            begun = time.perf_counter()
            os.pwrite(fd, _PIECE, len(times) * len(_PIECE))
            os.fdatasync(fd)
            times.append((time.perf_counter() - begun) * 1000)
    except OSError:
        return []  # a full disk: another symptom tells
    finally:
        os.close(fd)
    return times


def _files(path: Path) -> Iterator[Symptom]:
    modes: dict[str, tuple[int, int]] = {}
    strangers: list[str] = []
    with suppress(OSError):
        modes["."] = _mode(path)
        for entry in sorted(path.iterdir()):
            if entry.name in _OURS:
                modes[entry.name] = _mode(entry)
            else:
                strangers.append(entry.name)
    modes.pop("lost+found", None)
    modes.pop(SOCKET, None)
    if modes:
        yield symptoms.access(modes, os.geteuid())
    left = symptoms.leftovers(strangers, has_lock=LOCK in modes, has_readers=LMDB_LOCK in modes)
    if left is not None:
        yield left
    yield _holder(path)
    if why := full_node(path):
        yield symptoms.full(why)


def _mode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mode & 0o777, found.st_uid


def _holder(path: Path) -> Symptom:
    holder = holder_of(path)
    if holder is None:
        return ok("node", "none runs on it")
    moved = mapped_elsewhere(path, holder.pid, (DATA, LMDB_LOCK))
    if moved:
        text = f"{describe(holder)} runs on other files than those that are here ({', '.join(moved)})"
        remedy = "stop it: what it writes now is lost. Then find out who removed or replaced them"
        return fail("node", f"{text}: they were removed or replaced", remedy)
    return ok("node", f"run by {describe(holder)}")
