"""What LMDB does to those who use it carelessly, and what the store on disk does about it."""

import errno
import os
import random
import resource
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
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
    StoreForked,
    StoreFull,
    StoreInUse,
    StoreTooNew,
    StoreUnavailable,
)
from callboard.mailbox.meta import FORMAT_KEY, NODE_KEY
from callboard.mailbox.opening import open_disk, view_disk
from callboard.mailbox.records import pack_number
from callboard.mailbox.store import Table, Writes


def opened(path: Path, *, map_size: int = 64 << 30, node: str = "") -> DiskStore:
    return open_disk(path, entropy=random.Random(1).randbytes, now_ns=lambda: 0, map_size=map_size, node=node)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> Iterator[DiskStore]:
    made = opened(path)
    yield made
    made.close()


def batch(seed: int, size: int = 3000, count: int = 50) -> Writes:
    numbers = random.Random(seed)
    return {Table.MAIL: {numbers.randbytes(16): numbers.randbytes(size) for _ in range(count)}}


def contents(store: DiskStore) -> dict[bytes, bytes]:
    return dict(store.scan(Table.MAIL, limit=100_000))


def failure(what: str, code: int, kind: type[lmdb.Error] = lmdb.Error) -> lmdb.Error:
    """An error as LMDB raises it."""
    error = kind(what)
    error.code = code  # type: ignore[misc]  # pyright: ignore
    return error


class Broken:
    """An environment of LMDB whose transactions end as told."""

    def __init__(self, env: lmdb.Environment, errors: list[Exception]) -> None:
        self.env = env
        self.errors = errors

    def begin(self, *args: object, **kwargs: object) -> object:
        if self.errors:
            raise self.errors.pop(0)
        return self.env.begin(*args, **kwargs)  # type: ignore[call-overload]  # pyright: ignore

    def __getattr__(self, name: str) -> object:
        return getattr(self.env, name)


@pytest.fixture
def break_disk(store: DiskStore) -> Iterator[Callable[..., None]]:
    """Let the next write transactions of `store` end with these errors."""
    env = store._env

    def errors(*given: Exception) -> None:
        store._env = Broken(env, list(given))  # type: ignore[assignment]  # pyright: ignore

    yield errors
    store._env = env


# Modes and flags.


def test_only_the_owner_may_see_a_store(store: DiskStore) -> None:
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (store.path, *store.path.iterdir())}
    assert modes == {"store": 0o700, "data.mdb": 0o600, "lock.mdb": 0o600, "LOCK": 0o600}


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


def run(code: str, *arguments: object, env: dict[str, str] | None = None) -> str:
    """What a Python process of its own prints."""
    command = [sys.executable, "-P", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
        with pytest.raises(StoreUnavailable):
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
        with pytest.raises(NotAStore, match="another program.*directory of its own"):
            attempt(path)
    assert (path / "data.mdb").read_bytes() == before


def test_a_newer_format_is_refused_and_left_as_it_is(path: Path) -> None:
    store = opened(path)
    store.commit({Table.META: {FORMAT_KEY: pack_number(2)}})
    store.close()
    before = (path / "data.mdb").read_bytes()
    for attempt in (opened, view_disk):
        with pytest.raises(StoreTooNew, match="format 2.*up to format 1.*upgrade callboard"):
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
from callboard.mailbox.store import Table
store = open_disk(sys.argv[1], entropy=os.urandom, now_ns=lambda: 0, map_size=1 << 20)
print("open", flush=True)
for line in sys.stdin:
    n = int(line)
    store.commit({Table.MAIL: {b"%08d" % i: os.urandom(3000) for i in range(n)}})
    print("done", flush=True)
store.close()
"""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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


def test_an_address_space_that_is_used_up_is_a_full_store(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_size: int) -> None:
        raise failure("mdb_env_set_mapsize", errno.ENOMEM, lmdb.MemoryError)

    broken = Broken(store._env, [failure("mdb_put", faults.MAP_FULL, lmdb.MapFullError)])
    monkeypatch.setattr(broken, "set_mapsize", refuse, raising=False)
    monkeypatch.setattr(store, "_env", broken)
    with pytest.raises(StoreFull, match="address space.*same commit will pass"):
        store.commit(batch(1))
    store.commit(batch(1))


# A full disk.


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


def test_a_full_disk_loses_nothing_and_the_same_commit_passes_when_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    store = opened(small_disk / "store")
    expected: dict[bytes, bytes] = {}
    for seed in range(1000):
        writes = batch(seed)
        try:
            store.commit(writes)
        except StoreFull as error:
            assert "Nothing was lost" in str(error)
            break
        expected.update({key: value for key, value in writes[Table.MAIL].items() if value is not None})
    else:
        pytest.fail("4 MiB were never full")
    for _ in range(3):
        with pytest.raises(StoreFull):
            store.commit(writes)
    assert contents(store) == expected
    ballast.unlink()
    store.commit(writes)
    assert contents(store).keys() == expected.keys() | writes[Table.MAIL].keys()
    store.close()
    opened(small_disk / "store").close()


def test_mail_can_be_taken_out_of_a_store_on_a_full_disk(small_disk: Path) -> None:
    store = opened(small_disk / "store")
    with pytest.raises(StoreFull):
        for seed in range(1000):
            store.commit(batch(seed, size=200, count=100))
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
from callboard.mailbox.store import Table
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
    monkeypatch.setattr("os.statvfs", lambda _path: none_left)
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
        with pytest.raises(StoreFailed, match="unknown until.*end this process"):
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
    break_disk(failure("mdb_txn_commit", errno.ENOSPC), failure("mdb_txn_begin", faults.PANIC, lmdb.PanicError))
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


def test_a_batch_too_large_for_one_commit_is_refused(store: DiskStore, break_disk: Callable[..., None]) -> None:
    break_disk(failure("mdb_put", faults.TXN_FULL, lmdb.TxnFullError))
    with pytest.raises(StoreError, match="smaller"):
        store.commit(batch(1))
    store.commit(batch(1))


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


def test_a_snapshot_that_outlives_the_growing_of_the_map_says_so(path: Path) -> None:
    store = opened(path, map_size=1 << 20)
    with pytest.raises(StoreError, match="Try again"), store.snapshot() as reads:
        store.commit(batch(1, size=50_000, count=100))
        reads.get(Table.MAIL, b"a")
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
        for _ in range(1100):
            crowd.enter_context(store.snapshot())
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


@pytest.mark.parametrize("name", ["data.mdb", "LOCK"])
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


# Forks.


def in_child(body: Callable[[], object]) -> str:
    """What a forked child's function returns, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            answer = repr(body())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.get(Table.META, FORMAT_KEY),
        lambda store: store.scan(Table.META),
        lambda store: store.commit({Table.MAIL: {b"a": b"1"}}),
        lambda store: store.usage(),
        lambda store: store.tend(),
        lambda store: store.snapshot().__enter__(),
    ],
)
def test_a_forked_child_is_refused_and_its_parent_goes_on(
    store: DiskStore, call: Callable[[DiskStore], object]
) -> None:
    assert in_child(lambda: call(store)).startswith(f"{StoreForked.__name__}: the store {store.path} was opened")
    store.commit({Table.MAIL: {b"b": b"1"}})
    assert contents(store) == {b"b": b"1"}


def test_a_forked_child_that_closes_the_store_closes_nothing(store: DiskStore) -> None:
    assert in_child(store.close) == "None"
    store.commit(batch(1))
    assert in_child(lambda: opened(store.path)).startswith("StoreInUse")


def test_a_forked_child_does_not_keep_its_parents_lock(path: Path) -> None:
    code = """
import os, sys
from callboard.mailbox.opening import open_disk
store = open_disk(sys.argv[1], entropy=os.urandom, now_ns=lambda: 0)
reading, writing = os.pipe()
if not os.fork():
    os.close(writing)
    os.read(reading, 1)  # until the test is over
    os._exit(0)
print(writing, flush=True)
sys.stdin.read()
os._exit(1)
"""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout
        assert process.stdout.readline()
        process.kill()
        process.wait()
        opened(path).close()


def test_a_store_that_was_closed_before_a_fork_may_be_opened_in_the_child(path: Path) -> None:
    opened(path).close()
    assert in_child(lambda: opened(path).identity.incarnation) == "2"


# Limits of the system.


def test_no_file_left_to_open_says_so(path: Path) -> None:
    opened(path).close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used - 1, hard))
    try:
        with pytest.raises(StoreUnavailable, match="ulimit -n"):
            opened(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("code", "text"),
    [(errno.EACCES, "refuses access"), (errno.ENOMEM, "smaller map_size"), (errno.ENAMETOOLONG, "cannot be opened")],
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
