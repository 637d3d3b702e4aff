"""A store on disk, disks that are small and disks that break."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callboard.mailbox.disk import DiskStore

from .disks import Broken, opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> Iterator[DiskStore]:
    made = opened(path)
    yield made
    made.close()


@pytest.fixture
def break_disk(store: DiskStore) -> Iterator[Callable[..., None]]:
    """Let the next write transactions of `store` end with these errors."""
    env = store._env

    def errors(*given: Exception) -> None:
        store._env = Broken(env, list(given))  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]

    yield errors
    store._env = env


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, mounted for the test; None where we may not mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.xfail("no right to mount here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
