"""One body of claims about what a disk does to a store: to LMDB, and to the memory that plays it.

The failure lab rests on these verbs of the store in memory: `crash`, `hold`, `release`, `fill`, `fail_next`,
`damage`, `reopen`. Here each is held against what a real disk does.
"""

import errno
import itertools
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import lmdb
import pytest

from callboard.mailbox.disk import DiskStore
from callboard.mailbox.errors import StoreError, StoreFailed, StoreFull, Undecodable
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.opening import open_disk
from callboard.mailbox.records import seal, unseal
from callboard.mailbox.store import Store, Table, Writes

from ..unit.mailbox.disks import Broken, failure

TEN: list[Writes] = [{Table.MAIL: {bytes([number]): bytes([number])}} for number in range(10)]
CHILD = """
import os, signal, sys
from callboard.mailbox.opening import open_disk
from callboard.mailbox.store import Table
store = open_disk(sys.argv[1], entropy=os.urandom, now_ns=lambda: 1)
for number in range(int(sys.argv[2])):
    store.commit({Table.MAIL: {bytes([number]): bytes([number])}})
os.kill(os.getpid(), signal.SIGKILL)
"""


class Bench(Protocol):
    """A store whose disk does what it is told."""

    @property
    def store(self) -> Store:
        """The store as it is open now."""
        ...

    def fill(self, *, full: bool) -> None:
        """Let the disk be full for the next commit, or let there be room again."""
        ...

    def break_off(self) -> None:
        """Let the next commit fail in a way that nobody can tell what was written."""
        ...

    def damage(self, table: Table, key: bytes) -> None:
        """Flip the last byte of a value."""
        ...

    def die_after(self, commits: Sequence[Writes]) -> None:
        """End as `kill -9` would, some commits later."""
        ...

    def reopen(self) -> None:
        """Open it again, after it has ended somehow."""
        ...


class DiskBench:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.store: DiskStore = self._open()
        self._env = self.store._env

    def _open(self) -> DiskStore:
        return open_disk(self.path, entropy=random.Random(1).randbytes, now_ns=lambda: 1)

    def _end_next(self, errors: list[Exception]) -> None:
        broken = Broken(self._env, errors) if errors else self._env
        self.store._env = broken  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]

    def fill(self, *, full: bool) -> None:
        none_left = failure(os.strerror(errno.ENOSPC), errno.ENOSPC, lmdb.DiskError)
        self._end_next([none_left] if full else [])

    def break_off(self) -> None:
        self._end_next([failure(os.strerror(errno.EIO), errno.EIO, lmdb.DiskError)])

    def damage(self, table: Table, key: bytes) -> None:
        value = bytearray(self.store.get(table, key) or b"")
        value[-1] ^= 0xFF
        self.store.commit({table: {key: bytes(value)}})

    def die_after(self, commits: Sequence[Writes]) -> None:
        self.store.close(clean=False)
        command = [sys.executable, "-P", "-c", CHILD, str(self.path), str(len(commits))]
        ended = subprocess.run(command, check=False, timeout=60)
        assert ended.returncode == -signal.SIGKILL

    def reopen(self) -> None:
        self.store._env = self._env
        self.store.close(clean=False)
        self.store = self._open()
        self._env = self.store._env


class MemoryBench:
    def __init__(self, _: Path) -> None:
        self.store: MemoryStore = MemoryStore()

    def fill(self, *, full: bool) -> None:
        self.store.fill(full=full)

    def break_off(self) -> None:
        self.store.fail_next(StoreFailed("the disk broke off"))

    def damage(self, table: Table, key: bytes) -> None:
        self.store.damage(table, key)

    def die_after(self, commits: Sequence[Writes]) -> None:
        self.store.crash()
        self.store = self.store.reopen()
        for writes in commits:
            self.store.commit(writes)
        self.store.hold()  # what is not synced when it dies never was
        self.store.commit({Table.MAIL: {b"\xff": b"lost"}})
        self.store.crash()

    def reopen(self) -> None:
        self.store.close(clean=False)
        self.store = self.store.reopen()


BENCHES: list[Callable[[Path], Bench]] = [DiskBench, MemoryBench]


@pytest.fixture(params=BENCHES, ids=["disk", "memory"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    made: Bench = request.param(tmp_path / "store")
    return made


def test_a_full_disk_takes_nothing_and_the_same_batch_passes_when_there_is_room(bench: Bench) -> None:
    bench.store.commit(TEN[0])
    for _ in range(3):
        bench.fill(full=True)
        with pytest.raises(StoreFull):
            bench.store.commit(TEN[1])
        assert bench.store.scan(Table.MAIL) == [(b"\0", b"\0")]
    bench.fill(full=False)
    bench.store.commit(TEN[1])
    assert bench.store.scan(Table.MAIL) == [(b"\0", b"\0"), (b"\1", b"\1")]
    bench.store.close()


def test_after_a_commit_broke_off_nothing_is_committed_until_the_next_opening(bench: Bench) -> None:
    bench.store.commit(TEN[0])
    bench.break_off()
    for _ in range(2):
        with pytest.raises(StoreFailed):
            bench.store.commit(TEN[1])
    bench.reopen()
    assert bench.store.scan(Table.MAIL)[0] == (b"\0", b"\0")
    bench.store.commit(TEN[2])
    assert bench.store.get(Table.MAIL, b"\2") == b"\2"
    bench.store.close()


def test_a_damaged_record_is_found_by_its_checksum_and_its_neighbours_are_whole(bench: Bench) -> None:
    bench.store.commit({Table.STATES: {b"a": seal(b"one"), b"b": seal(b"two")}})
    bench.damage(Table.STATES, b"a")
    with pytest.raises(Undecodable):
        unseal(bench.store.get(Table.STATES, b"a") or b"")
    assert unseal(bench.store.get(Table.STATES, b"b") or b"") == b"two"
    bench.store.close()


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 10])
def test_a_kill_leaves_all_that_was_committed_and_nothing_else(bench: Bench, count: int) -> None:
    bench.die_after(TEN[:count])
    bench.reopen()
    expected = list(itertools.chain.from_iterable(writes[Table.MAIL].items() for writes in TEN[:count]))
    assert bench.store.scan(Table.MAIL) == expected
    assert not bench.store.identity.clean
    assert bench.store.identity.incarnation == 3
    bench.store.close()


def test_an_ended_store_refuses_to_be_used(bench: Bench) -> None:
    bench.store.close(clean=False)
    with pytest.raises(StoreError):
        bench.store.commit(TEN[0])
