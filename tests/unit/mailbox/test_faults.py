"""A full disk pauses and loses nothing, a broken one ends the work (G17); the art is to tell them apart."""

import errno
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from callboard.mailbox import faults
from callboard.mailbox.disk import DiskStore
from callboard.mailbox.errors import StoreDamaged, StoreError, StoreFailed, StoreFull, StoreUnavailable
from callboard.mailbox.meta import FORMAT_KEY
from callboard.mailbox.opening import view_disk
from callboard.mailbox.store import Table, Writes

from .disks import Broken, batch, contents, failure, opened, run

# A full disk.


def fill(store: DiskStore, size: int = 3000) -> tuple[dict[bytes, bytes | None], Writes]:
    """Commit until the disk is full; what was committed, and the batch that was not."""
    done: dict[bytes, bytes | None] = {}
    for seed in range(1000):
        writes = batch(seed, size=size)
        try:
            store.commit(writes)
        except StoreFull:
            return done, writes
        done.update(writes[Table.MAIL])
    raise AssertionError("the disk was never full")


def test_a_full_disk_loses_nothing_and_the_same_commit_passes_when_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    store = opened(small_disk / "store")
    expected, writes = fill(store)
    for _ in range(3):
        with pytest.raises(StoreFull, match="Nothing was lost"):
            store.commit(writes)
    assert contents(store) == expected
    ballast.unlink()
    store.commit(writes)
    assert contents(store).keys() == expected.keys() | writes[Table.MAIL].keys()
    store.close()
    opened(small_disk / "store").close()


def test_mail_can_be_taken_out_of_a_store_on_a_full_disk(small_disk: Path) -> None:
    store = opened(small_disk / "store")
    fill(store, size=200)
    keys = list(contents(store))
    (small_disk / "log").write_bytes(bytes(min(1 << 12, os.statvfs(small_disk).f_bavail * 4096)))
    for at in range(0, len(keys), 10):
        store.commit({Table.MAIL: dict.fromkeys(keys[at : at + 10])})
    assert not contents(store)
    store.commit(batch(1))
    store.close()


def test_a_limit_on_file_sizes_is_a_full_disk(path: Path) -> None:
    code = """
import os, resource, sys
from callboard.mailbox.errors import StoreFull
from callboard.mailbox.opening import open_disk
from callboard.mailbox.store import Table, Writes
store = open_disk(sys.argv[1], entropy=os.urandom, now_ns=lambda: 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
writes = {Table.MAIL: {b"%08d" % i: bytes(3000) for i in range(1000)}}
try:
    store.commit(writes)
except StoreFull as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.commit(writes)
print(len(store.scan(Table.MAIL, limit=10_000)))
store.close()
"""
    first, second = run(code, path).splitlines()
    assert "no room for" in first
    assert second == "1000"


FULL = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG]
DOUBTFUL = [errno.EIO, faults.SHORT_WRITE]


@pytest.mark.parametrize("code", FULL)
def test_a_code_that_says_full_is_believed(
    store: DiskStore, break_disk: Callable[..., None], code: int
) -> None:
    break_disk(failure("mdb_txn_commit", code))
    with pytest.raises(StoreFull, match="make room"):
        store.commit(batch(1))
    store.commit(batch(1))


@pytest.mark.parametrize("code", DOUBTFUL)
def test_a_code_that_may_say_full_is_believed_if_the_file_system_is_full(
    store: DiskStore, break_disk: Callable[..., None], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(store.path)
    none_left = os.statvfs_result([*real[:4], 10, *real[5:]])

    def full(_path: object) -> os.statvfs_result:
        return none_left

    monkeypatch.setattr("os.statvfs", full)
    break_disk(failure("mdb_txn_commit", code))
    with pytest.raises(StoreFull):
        store.commit(batch(1))
    store.commit(batch(1))


def test_a_quota_is_found_out_by_asking_for_room(
    store: DiskStore, break_disk: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_fd: int, _at: int, _size: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("os.posix_fallocate", refuse)
    break_disk(failure("mdb_txn_commit", errno.EIO))
    with pytest.raises(StoreFull):
        store.commit(batch(1))


def test_no_memory_is_a_full_store(store: DiskStore, break_disk: Callable[..., None]) -> None:
    break_disk(failure("mdb_txn_commit", errno.ENOMEM, lmdb.MemoryError))
    with pytest.raises(StoreFull, match="no memory"):
        store.commit(batch(1))
    store.commit(batch(1))


# A broken disk.


@pytest.mark.parametrize("code", [*DOUBTFUL, errno.EROFS, faults.PANIC, -30782, 0])
def test_after_a_failure_that_is_no_full_disk_nothing_is_committed_any_more(
    store: DiskStore, break_disk: Callable[..., None], code: int
) -> None:
    break_disk(failure("mdb_txn_commit", code))
    for _ in range(2):  # the disk recovers, and we do not believe it
        with pytest.raises(StoreFailed, match=r"unknown until.*end this process"):
            store.commit(batch(1))
    assert store.get(Table.META, FORMAT_KEY)
    with pytest.raises(StoreFailed):
        store.tend()
    store.close()
    again = opened(store.path)
    assert not again.identity.clean
    again.close()


def test_a_full_disk_that_lmdb_does_not_survive_is_a_failure(
    store: DiskStore, break_disk: Callable[..., None]
) -> None:
    break_disk(
        failure("mdb_txn_commit", errno.ENOSPC), failure("mdb_txn_begin", faults.PANIC, lmdb.PanicError)
    )
    with pytest.raises(StoreFailed):
        store.commit(batch(1))


@pytest.mark.parametrize("code", sorted(faults.DAMAGE))
def test_damage_found_by_a_commit_ends_all_commits(
    store: DiskStore, break_disk: Callable[..., None], code: int
) -> None:
    break_disk(failure("mdb_put", code))
    for _ in range(2):
        with pytest.raises(StoreDamaged):
            store.commit(batch(1))


def test_a_batch_too_large_for_one_commit_is_refused(
    store: DiskStore, break_disk: Callable[..., None]
) -> None:
    break_disk(failure("mdb_put", faults.TXN_FULL, lmdb.TxnFullError))
    with pytest.raises(StoreError, match="smaller"):
        store.commit(batch(1))
    store.commit(batch(1))


# Limits of the system.


def test_no_file_left_to_open_says_so(path: Path) -> None:
    opened(path).close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len([*Path("/proc/self/fd").iterdir()])
    resource.setrlimit(resource.RLIMIT_NOFILE, (used - 1, hard))
    try:
        with pytest.raises(StoreUnavailable, match="ulimit -n"):
            opened(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (errno.EACCES, "refuses access"),
        (errno.ENOMEM, "smaller map_size"),
        (errno.ENAMETOOLONG, "cannot be opened"),
    ],
)
def test_an_opening_that_the_system_refuses_says_why(code: int, text: str) -> None:
    error = faults.open_error(failure("mdb_env_open", code), Path("/x"))
    assert type(error) is StoreUnavailable
    assert text in str(error)


def test_a_file_system_that_cannot_be_written_is_unavailable_and_can_be_looked_at(small_disk: Path) -> None:
    path = small_disk / "store"
    opened(path).close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreUnavailable, match="refuses access"):
        opened(path)
    with pytest.raises(StoreUnavailable, match="refuses access"):
        opened(small_disk / "another")
    view = view_disk(path)
    assert view.identity.incarnation == 1
    view.close()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)


def test_an_address_space_that_is_used_up_is_a_full_store(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_size: int) -> None:
        raise failure("mdb_env_set_mapsize", errno.ENOMEM, lmdb.MemoryError)

    broken = Broken(store._env, [failure("mdb_put", faults.MAP_FULL, lmdb.MapFullError)])
    monkeypatch.setattr(broken, "set_mapsize", refuse, raising=False)
    monkeypatch.setattr(store, "_env", broken)
    with pytest.raises(StoreFull, match=r"address space.*same commit will pass"):
        store.commit(batch(1))
    store.commit(batch(1))
