"""A limit to the memory of a process, beyond which the kernel kills it; a control group."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

PLACES = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)
"""Of the first version of control groups, and of the second."""
LIMIT = 256 << 20
STEP = 16 << 20
GROUP = "CALLBOARD_TEST_GROUP"
"""The variable that tells a child its group."""


@contextmanager
def limited() -> Generator[Path | None]:
    """A group whose processes may take `LIMIT` bytes together; None where none can be made."""
    for place, name in PLACES:
        group = place / f"callboard-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / name).write_text(str(LIMIT))
        except OSError:
            group.rmdir()
            continue
        try:
            yield group
        finally:
            group.rmdir()
        return
    yield None


def use_up(group: Path) -> None:
    """Enter a group, and take memory until the kernel kills this process; not much more than it may have."""
    entrance = os.open(group / "cgroup.procs", os.O_WRONLY)
    os.write(entrance, str(os.getpid()).encode())
    _ = [bytearray(b"x") * STEP for _ in range(2 * LIMIT // STEP)]
