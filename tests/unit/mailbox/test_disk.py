"""What LMDB does to those who use it carelessly, and what the store on disk does about it."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections import deque
from contextlib import ExitStack
from pathlib import Path

import lmdb
import pytest

from callboard.mailbox import faults
from callboard.mailbox.disk import DiskStore
from callboard.mailbox.errors import (
    NotAStore,
    StoreDamaged,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreInUse,
    StoreTooNew,
    StoreUnavailable,
)
from callboard.mailbox.meta import FORMAT_KEY, NODE_KEY
from callboard.mailbox.opening import view_disk
from callboard.mailbox.records import pack_number
from callboard.mailbox.store import Snapshot, Table

from .disks import batch, contents, failure, opened, run

# Modes and flags.


def test_only_the_owner_may_see_a_store(store: DiskStore) -> None:
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (store.path, *store.path.iterdir())}
    assert modes == {"store": 0o700, "data.mdb": 0o600, "lock.mdb": 0o600, "LOCK": 0o600, "ballast": 0o600}


def test_every_commit_is_synced(store: DiskStore) -> None:
    flags = store._env.flags()
    assert flags["sync"]
    assert flags["metasync"]
    assert not flags["writemap"]


def test_an_environment_variable_does_not_choose_the_format(path: Path) -> None:
    code = (
        "import os, sys\nfrom callboard.mailbox.opening import open_disk\n"
        "open_disk(sys.argv[1], entropy=os.urandom, now_ns=lambda: 0).close()"
    )
    run(code, path, env={**os.environ, "LMDB_DEFAULT_LIB_VERSION": "1"})
    store = opened(path)
    assert store._env.lib_version()[0] == 0
    store.close()


# Making a store.


def test_missing_parents_are_made(tmp_path: Path) -> None:
    opened(tmp_path / "a" / "b" / "c").close()
    assert (tmp_path / "a" / "b" / "c" / "data.mdb").exists()


def test_an_empty_directory_becomes_a_store_also_at_the_root_of_a_volume(path: Path) -> None:
    (path / "lost+found").mkdir(parents=True)
    store = opened(path)
    assert store.identity.created
    store.close()


def test_a_store_whose_making_was_interrupted_is_made_again(path: Path) -> None:
    opened(path).close()
    (path / ".new").mkdir()
    (path / "data.mdb").rename(path / ".new" / "data.mdb")
    (path / "lock.mdb").unlink()
    store = opened(path)
    assert store.identity.created
    assert store.identity.incarnation == 1
    assert not (path / ".new").exists()
    store.close()


@pytest.mark.parametrize("call", ["mkdir", "make_data_file", "rename", "rmtree", "sync_directory"])
def test_a_failure_at_any_step_of_the_making_leaves_no_half_store(
    path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    places = {
        "mkdir": "pathlib.Path.mkdir",
        "make_data_file": "callboard.mailbox.opening.make_data_file",
        "rename": "pathlib.Path.rename",
        "rmtree": "callboard.mailbox.opening.shutil.rmtree",
        "sync_directory": "callboard.mailbox.preflight.sync_directory",
    }
    path.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(places[call], fail)
        with pytest.raises(StoreFull):
            opened(path)
    store = opened(path)
    assert store.identity.incarnation == 1
    store.close()


# Whose store it is.


def test_a_database_of_another_program_is_left_as_it_is(path: Path) -> None:
    with lmdb.open(str(path), max_dbs=4, lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(b"theirs", b"1", db=env.open_db(b"theirs", txn=txn))
    before = (path / "data.mdb").read_bytes()
    for attempt in (opened, view_disk):
        with pytest.raises(NotAStore, match=r"another program.*directory of its own"):
            attempt(path)
    assert (path / "data.mdb").read_bytes() == before


def test_a_newer_format_is_refused_and_left_as_it_is(path: Path) -> None:
    store = opened(path)
    store.commit({Table.META: {FORMAT_KEY: pack_number(2)}})
    store.close()
    before = (path / "data.mdb").read_bytes()
    for attempt in (opened, view_disk):
        with pytest.raises(StoreTooNew, match=r"format 2.*up to format 1.*upgrade callboard"):
            attempt(path)
    assert (path / "data.mdb").read_bytes() == before


@pytest.mark.parametrize("key", [FORMAT_KEY, b"uuid", NODE_KEY, b"incarnation", b"clean"])
@pytest.mark.parametrize("value", [b"", b"xxxxgarbage"])
def test_a_store_that_does_not_know_who_it_is_counts_as_damaged(path: Path, key: bytes, value: bytes) -> None:
    store = opened(path, node="a")
    store.commit({Table.META: {key: value}})
    store.close(clean=False)
    with pytest.raises(StoreDamaged, match="restore it from a copy"):
        opened(path)


# Damage that LMDB notices.


def test_pages_that_contradict_each_other_are_damage(path: Path) -> None:
    store = opened(path)
    store.commit(batch(1))
    store.close()
    data = bytearray((path / "data.mdb").read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 + 10 : page * 4096 + 12] = b"\x99\x99"  # the page's kind
    (path / "data.mdb").write_bytes(data)
    with pytest.raises(StoreDamaged, match="restore"):
        opened(path)


# A map that is too small.


def test_a_map_that_is_used_up_grows_and_the_batch_is_applied_once(path: Path) -> None:
    store = opened(path, map_size=1 << 20)
    expected: dict[bytes, bytes] = {}
    for seed in range(40):
        writes = batch(seed)
        store.commit(writes)
        expected.update({key: value for key, value in writes[Table.MAIL].items() if value is not None})
    assert contents(store) == expected
    assert store.usage().limit > 1 << 20
    store.close()


def test_a_batch_larger_than_the_map_grows_it_as_often_as_it_takes(path: Path) -> None:
    store = opened(path, map_size=1 << 20)
    store.commit(batch(1, size=50_000, count=100))
    assert len(contents(store)) == 100
    store.close()


def test_a_store_larger_than_the_map_it_is_opened_with_opens(path: Path) -> None:
    store = opened(path)
    store.commit(batch(1, count=1000))
    store.close()
    store = opened(path, map_size=1 << 20)
    store.commit(batch(2, count=1000))
    assert len(contents(store)) == 2000
    store.close()


def test_reads_go_on_while_another_thread_makes_the_map_grow(path: Path) -> None:
    store = opened(path, map_size=1 << 20)
    store.commit({Table.BOXES: {b"k": b"v" * 100}})
    done = threading.Event()

    def write() -> None:
        for seed in range(60):
            store.commit(batch(seed))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while not done.is_set():
        assert store.get(Table.BOXES, b"k") == b"v" * 100
        assert store.scan(Table.BOXES) == [(b"k", b"v" * 100)]
        reads += 1
    writer.join()
    assert reads
    assert store.usage().limit > 1 << 20
    store.close()


def test_a_view_follows_a_node_that_makes_the_map_grow(path: Path) -> None:
    code = """
import os, sys
from callboard.mailbox.opening import open_disk
from callboard.mailbox.store import Snapshot, Table
store = open_disk(sys.argv[1], entropy=os.urandom, now_ns=lambda: 0, map_size=1 << 20)
print("open", flush=True)
for line in sys.stdin:
    n = int(line)
    store.commit({Table.MAIL: {b"%08d" % i: os.urandom(3000) for i in range(n)}})
    print("done", flush=True)
store.close()
"""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    with process, process.stdin, process.stdout:
        assert process.stdout.readline() == "open\n"
        view = view_disk(path)
        for count in (1, 1000, 3000):
            process.stdin.write(f"{count}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"
            assert len(view.scan(Table.MAIL, limit=10_000)) == count
            with view.snapshot() as reads:
                assert reads.get(Table.MAIL, b"00000000")
        view.close()
        process.stdin.close()


# Reads.


def failing_once(store: DiskStore, error: Exception) -> None:
    begin, errors = store._begin, [error]

    def fail(*args: object) -> "lmdb.Transaction[bytes]":
        if errors:
            raise errors.pop()
        return begin(*args)

    store._begin = fail


@pytest.mark.parametrize("code", [0, errno.EINVAL, faults.MAP_RESIZED, faults.READERS_FULL])
def test_a_read_that_a_growing_map_or_a_crowd_ended_is_tried_again(store: DiskStore, code: int) -> None:
    store.commit({Table.MAIL: {b"a": b"1"}})
    failing_once(store, failure("mdb_txn_begin", code))
    assert store.get(Table.MAIL, b"a") == b"1"
    failing_once(store, failure("mdb_txn_begin", code))
    assert store.scan(Table.MAIL) == [(b"a", b"1")]


@pytest.mark.parametrize("error", [lmdb.MapResizedError, lmdb.ReadersFullError])
def test_a_snapshot_that_cannot_begin_is_tried_again(store: DiskStore, error: type[lmdb.Error]) -> None:
    failing_once(store, error("mdb_txn_begin"))
    with store.snapshot() as reads:
        assert reads.scan(Table.MAIL) == []


def grow_and_read(store: DiskStore, reads: Snapshot) -> None:
    store.commit(batch(1, size=50_000, count=100))
    reads.get(Table.MAIL, b"a")


def test_a_snapshot_that_outlives_the_growing_of_the_map_says_so(path: Path) -> None:
    store = opened(path, map_size=1 << 20)
    with pytest.raises(StoreError, match="Try again"), store.snapshot() as reads:
        grow_and_read(store, reads)
    store.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (faults.CORRUPTED, StoreDamaged),
        (faults.PAGE_NOT_FOUND, StoreDamaged),
        (faults.READERS_FULL, StoreUnavailable),
        (-30782, StoreError),
    ],
)
def test_a_read_that_fails_says_what_to_do(code: int, kind: type[StoreError]) -> None:
    assert type(faults.read_error(failure("mdb_get", code), Path("/x"))) is kind


def test_a_full_reader_table_is_told_and_frees_its_slots_again(store: DiskStore) -> None:
    with ExitStack() as crowd, pytest.raises(StoreUnavailable, match="reader slot"):
        deque(map(crowd.enter_context, (store.snapshot() for _ in range(1100))))
    assert store.get(Table.META, FORMAT_KEY)


# Views.


def test_a_view_changes_nothing_and_takes_no_lock(path: Path) -> None:
    store = opened(path, node="a")
    store.commit({Table.MAIL: {b"a": b"1"}})
    store.close(clean=False)
    (path / "LOCK").unlink()
    before = (path / "data.mdb").read_bytes()
    view = view_disk(path)
    assert view.identity.node == "a"
    assert view.identity.incarnation == 1
    assert not view.identity.clean
    assert view.scan(Table.MAIL) == [(b"a", b"1")]
    view.tend()
    with pytest.raises(StoreError, match="only its node writes"):
        view.commit({})
    view.close()
    with pytest.raises(StoreError, match="closed"):
        view.tend()
    assert (path / "data.mdb").read_bytes() == before
    assert not (path / "LOCK").exists()


def test_a_view_needs_a_store(path: Path) -> None:
    for _ in range(2):
        with pytest.raises(NotAStore, match="no store in"):
            view_disk(path)
        path.mkdir(exist_ok=True)


def test_a_view_beside_the_node_in_one_process_is_refused(store: DiskStore) -> None:
    with pytest.raises(StoreInUse, match="this very process"):
        view_disk(store.path)


# Tending.


def test_tending_frees_the_slots_of_readers_that_were_killed(store: DiskStore) -> None:
    code = """
import os, signal, sys
from callboard.mailbox.opening import view_disk
view = view_disk(sys.argv[1])
with view.snapshot():
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-P", "-c", code, str(store.path)], check=False)
    assert killed.returncode == -9
    assert "\n" in store._env.readers()
    store.tend()
    assert store._env.readers().count("\n") <= 2  # the heading and ourselves


def test_tending_tells_once_of_a_reader_that_does_not_end(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("callboard.mailbox.laggards.FAR_BEHIND", 20)
    code = """
import sys
from callboard.mailbox.opening import view_disk
with view_disk(sys.argv[1]).snapshot():
    print("looking", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-P", "-c", code, str(store.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"looking\n"
        for number in range(21):
            if number == 20:
                store.tend()
                assert not caplog.records
            store.commit(batch(number, count=1))
        store.tend()
        store.tend()
    (told,) = [record.getMessage() for record in caplog.records]
    assert f"process {reader.pid} goes on looking at a commit" in told
    assert "21 commits old" in told
    store.tend()
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", ["data.mdb", "lock.mdb", "LOCK"])
@pytest.mark.parametrize("replaced", [True, False])
def test_tending_notices_that_a_file_was_taken_away(path: Path, name: str, replaced: bool) -> None:
    store = opened(path)
    store.tend()
    (path / name).rename(path / "old")
    if replaced:
        shutil.copy(path / "old", path / name)
    with pytest.raises(StoreFailed, match="removed or replaced"):
        store.tend()
    with pytest.raises(StoreFailed):
        store.commit(batch(1))
    store.close()
