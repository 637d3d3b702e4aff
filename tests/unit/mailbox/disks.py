"""Stores on disk for tests, disks that fail when told, and processes of their own."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import lmdb

from callboard.mailbox.disk import DiskStore
from callboard.mailbox.opening import open_disk
from callboard.mailbox.store import Table, Writes


def opened(path: Path, *, map_size: int = 64 << 30, node: str = "") -> DiskStore:
    return open_disk(path, entropy=random.Random(1).randbytes, now_ns=lambda: 0, map_size=map_size, node=node)


def batch(seed: int, size: int = 3000, count: int = 50) -> Writes:
    numbers = random.Random(seed)
    return {Table.MAIL: {numbers.randbytes(16): numbers.randbytes(size) for _ in range(count)}}


def contents(store: DiskStore) -> dict[bytes, bytes]:
    return dict(store.scan(Table.MAIL, limit=100_000))


def failure(what: str, code: int, kind: type[lmdb.Error] = lmdb.Error) -> lmdb.Error:
    """An error as LMDB raises it."""
    error = kind(what)
    error.code = code  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    return error


class Broken:
    """An environment of LMDB whose transactions end as told."""

    def __init__(self, env: lmdb.Environment, errors: list[Exception]) -> None:
        self.env = env
        self.errors = errors

    def begin(self, *args: object, **kwargs: object) -> object:
        if self.errors:
            raise self.errors.pop(0)
        begin: Any = self.env.begin
        return begin(*args, **kwargs)

    def __getattr__(self, name: str) -> object:
        return getattr(self.env, name)


def run(code: str, *arguments: object, env: dict[str, str] | None = None) -> str:
    """What a Python process of its own prints."""
    command = [sys.executable, "-P", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
