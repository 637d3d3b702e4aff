"""What is said of a path before LMDB is let near it: bad input is refused with its remedy, and left alone."""

import errno
import logging
import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import lmdb
import pytest
from hypothesis import given, strategies as st

from callboard.mailbox import datafile, preflight
from callboard.mailbox.datafile import BadHead, check_data_file, free_pages, read_head
from callboard.mailbox.errors import NotAStore, StoreDamaged, StoreUnavailable
from callboard.mailbox.opening import open_disk, view_disk
from callboard.mailbox.preflight import Place, check_file_system, file_system, look_at
from callboard.mailbox.store import Table

PAGE = 4096


def make(path: Path, records: int = 100) -> bytes:
    """A closed store, and the bytes of its data file."""
    store = open_disk(path, entropy=random.Random(1).randbytes, now_ns=lambda: 0)
    store.commit({Table.MAIL: {b"%08d" % n: bytes(1000) for n in range(records)}})
    store.close()
    return (path / "data.mdb").read_bytes()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make(tmp_path_factory.mktemp("good") / "store")


@pytest.fixture
def path(tmp_path: Path, good: bytes) -> Path:
    """A directory that was a store; tests write into its data file."""
    store = tmp_path / "store"
    store.mkdir()
    (store / "LOCK").touch()
    (store / "data.mdb").write_bytes(good)
    return store


def refused(path: Path, kind: type[Exception], match: str) -> None:
    """Opening it and looking at it fail, and change nothing."""
    place = path.parent if path.name == "store" else path
    before = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}
    attempts: list[Callable[[], object]] = [
        lambda: open_disk(path, entropy=random.Random(1).randbytes, now_ns=lambda: 0),
        lambda: view_disk(path),
    ]
    for attempt in attempts:
        with pytest.raises(kind, match=match) as caught:
            attempt()
        assert type(caught.value) is kind
    after = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}
    before.pop(path / "LOCK", None)
    after.pop(path / "LOCK", None)
    assert after == before


# Places.


def test_a_place_is_missing_empty_or_a_store(tmp_path: Path) -> None:
    assert look_at(tmp_path / "nothing") is Place.MISSING
    assert look_at(tmp_path) is Place.EMPTY
    make(tmp_path / "store")
    assert look_at(tmp_path / "store") is Place.STORE


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    refused(tmp_path / "file", NotAStore, "is a file.*name a directory")


def test_a_path_below_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    refused(tmp_path / "file" / "store", NotAStore, "is a file")


def test_a_directory_with_other_files_is_no_store(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("text")
    refused(
        tmp_path, NotAStore, r"other files \('0.txt', '1.txt', '2.txt' and 2 more\).*directory of its own"
    )
    assert not (tmp_path / "LOCK").exists()


def test_a_store_whose_data_file_is_gone_is_no_empty_store(path: Path) -> None:
    (path / "lock.mdb").touch()
    (path / "data.mdb").unlink()
    refused(path, StoreDamaged, "has lost its data file.*Restore data.mdb from a copy")


def test_a_directory_that_may_not_be_read_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)  # root may read everything
    with pytest.raises(StoreUnavailable, match=r"refuses access.*uid \d+"):
        look_at(tmp_path)


def test_a_directory_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"file name too long.*name another path"):
        open_disk(tmp_path / ("x" * 300), entropy=random.Random(1).randbytes, now_ns=lambda: 0)


def test_a_data_file_that_may_not_be_read_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(StoreUnavailable, match="refuses access"):
        preflight.check_head(path)


# Heads.


def test_an_empty_file_is_not_taken_for_a_new_store(path: Path) -> None:
    (path / "data.mdb").write_bytes(b"")
    refused(path, StoreDamaged, "0 bytes.*restore the store from a backup")


@pytest.mark.parametrize("size", [1, 100, 151, 152, PAGE, PAGE + 100, 2 * PAGE - 1, 2 * PAGE, 5 * PAGE])
def test_a_truncated_file_is_damaged(path: Path, good: bytes, size: int) -> None:
    assert len(good) > 5 * PAGE
    (path / "data.mdb").write_bytes(good[:size])
    refused(path, StoreDamaged, "we found that.*restore the store from a backup")


def test_a_file_may_lack_pages_that_are_free_and_no_other(path: Path, good: bytes) -> None:
    file = path / "data.mdb"
    with file.open("rb") as opened:
        free = set(free_pages(opened.fileno(), read_head(opened.fileno(), len(good))))
    pages = len(good) // PAGE
    outcomes: set[bool] = set()
    for end in range(pages - 1, 5, -1):
        file.write_bytes(good[: end * PAGE])
        whole = free.issuperset(range(end, pages))
        outcomes.add(whole)
        if whole:
            view = view_disk(path)
            assert len(view.scan(Table.MAIL)) == 100
            view.close()
        else:
            refused(path, StoreDamaged, "its end was cut off")
    assert False in outcomes


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("at", [10, 16, 20, 40])
def test_both_meta_pages_must_be_whole(path: Path, good: bytes, which: int, at: int) -> None:
    data = bytearray(good)
    data[which * PAGE + at : which * PAGE + at + 2] = b"\x77\x77"
    (path / "data.mdb").write_bytes(data)
    refused(path, StoreDamaged, "we found that")


def test_garbage_in_the_place_of_a_store_is_damage_and_elsewhere_it_is_foreign(path: Path) -> None:
    (path / "data.mdb").write_bytes(random.Random(1).randbytes(100_000))
    refused(path, StoreDamaged, "not one of LMDB")
    (path / "LOCK").unlink()
    refused(path, NotAStore, "not the data file of a store")
    assert not (path / "LOCK").exists()


def test_a_file_of_lmdb_1_is_told_from_ours(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), lib_version=1) as env, env.begin(write=True) as txn:
        txn.put(b"a", b"b")
    refused(tmp_path, NotAStore, r"format 3 of LMDB.*format 1 \(LMDB 0.9\)")


def test_a_copy_of_a_store_without_its_lock_files_is_a_store(tmp_path: Path, good: bytes) -> None:
    (tmp_path / "data.mdb").write_bytes(good)
    store = open_disk(tmp_path, entropy=random.Random(1).randbytes, now_ns=lambda: 0)
    assert not store.identity.created
    assert store.identity.incarnation == 2
    store.close()


# Short files that are whole.


@given(seed=st.integers(0, 2**32))
def test_a_file_that_ends_before_its_last_page_is_whole_if_that_page_is_free(seed: int) -> None:
    """LMDB does not write a page that was taken and freed within one commit, not even at the end."""
    numbers = random.Random(seed)
    folder = Path(tempfile.mkdtemp())
    try:
        with lmdb.open(str(folder), map_size=1 << 28, max_dbs=2, lib_version=0, sync=False) as env:
            tables = [env.open_db(name) for name in (b"a", b"b")]
            for _ in range(8):
                churn(env, tables, numbers)
                check_data_file(folder / "data.mdb")
    finally:
        shutil.rmtree(folder)


def churn(env: lmdb.Environment, tables: list["lmdb._Database"], numbers: random.Random) -> None:
    with env.begin(write=True) as txn:
        for table in tables:
            keys = [key for key, _ in txn.cursor(table)]
            for key in numbers.sample(keys, numbers.randint(0, len(keys))):
                txn.delete(key, b"", table)
            for _ in range(numbers.choice([0, 1, 10, 200])):
                size = numbers.choice([10, 100, 1000, 3000, 9000])
                txn.put(numbers.randbytes(8), numbers.randbytes(size), db=table)


def short_file(folder: Path) -> Path:
    """A whole data file that ends before its last page."""
    for seed in range(1000):
        numbers = random.Random(seed)
        path = folder / str(seed)
        path.mkdir()
        with lmdb.open(str(path), map_size=1 << 28, max_dbs=2, lib_version=0, sync=False) as env:
            tables = [env.open_db(name) for name in (b"a", b"b")]
            for _ in range(12):
                churn(env, tables, numbers)
                if (path / "data.mdb").stat().st_size < (env.info()["last_pgno"] + 1) * PAGE:
                    return path / "data.mdb"
    raise AssertionError("no seed makes one")


def test_a_short_file_whose_free_list_cannot_be_read_is_damaged(tmp_path: Path) -> None:
    file = short_file(tmp_path)
    check_data_file(file)
    data = bytearray(file.read_bytes())
    with file.open("rb") as opened:
        root = read_head(opened.fileno(), len(data)).free_root
    for at, wrong in ((0, b"\x77"), (12, b"\xff\x0f"), (16, b"\xff\x0f")):
        broken = bytearray(data)
        broken[root * PAGE + at : root * PAGE + at + len(wrong)] = wrong
        file.write_bytes(broken)
        with pytest.raises(BadHead, match="cut off"):
            check_data_file(file)


@given(noise=st.lists(st.tuples(st.integers(0, 2 * PAGE + 400), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_noise_in_the_head_is_accepted_or_refused_and_never_crashes(
    noise: list[tuple[int, int]], good: bytes
) -> None:
    data = bytearray(good)
    for at, byte in noise:
        data[at] = byte
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with suppress(BadHead):
            check_data_file(Path(file.name))


def test_on_a_machine_of_32_bits_only_the_size_is_checked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datafile, "READABLE", False)
    (path / "data.mdb").write_bytes(b"garbage")
    check_data_file(path / "data.mdb")
    (path / "data.mdb").write_bytes(b"")
    with pytest.raises(BadHead):
        check_data_file(path / "data.mdb")


# File systems.

MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /dev/shm tmpfs rw 0 0
server:/home /home nfs4 rw 0 0
//server/share /mnt/two\\040words cifs rw 0 0
overlay /container overlay rw 0 0
host /home/vm 9p rw 0 0
me@host: /home/me/far fuse.sshfs rw 0 0
/dev/vdb /home/me/near ext4 rw 0 0
bucket /bucket fuse.s3fs rw 0 0
/dev/vdc /usb fuseblk rw 0 0
broken
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    (tmp_path / "mounts").write_text(MOUNTS, encoding="utf-8")
    return tmp_path / "mounts"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/store", "ext4"),
        ("/dev/shm", "tmpfs"),
        ("/dev/shmoo", "ext4"),
        ("/home/me/store", "nfs4"),
        ("/home/me/near/store", "ext4"),
        ("/mnt/two words/store", "cifs"),
        ("/home/me/far/x", "fuse.sshfs"),
    ],
)
def test_the_innermost_mount_says_the_file_system(mounts: Path, path: str, kind: str) -> None:
    assert file_system(Path(path), mounts) == kind


@pytest.mark.parametrize("path", ["/home/x", "/mnt/two words/x", "/home/vm/x", "/home/me/far/x", "/bucket/x"])
def test_a_network_file_system_is_refused_unless_overruled(
    mounts: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StoreUnavailable, match=r"network file system.*local disk; unsafe_filesystem=True"):
        check_file_system(Path(path), unsafe=False, mounts=mounts)
    assert not caplog.records
    check_file_system(Path(path), unsafe=True, mounts=mounts)
    assert "network file system" in caplog.text


@pytest.mark.parametrize(
    ("path", "text"),
    [("/dev/shm/x", "lost at the next boot"), ("/container/x", "overlay"), ("/usb/x", "fuseblk")],
)
def test_a_doubtful_file_system_is_warned_of(
    mounts: Path, path: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    check_file_system(Path(path), unsafe=False, mounts=mounts)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert text in caplog.text


def test_a_local_disk_is_not_warned_of_nor_one_we_cannot_tell(
    mounts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check_file_system(Path("/var/x"), unsafe=False, mounts=mounts)
    check_file_system(Path("/home/x"), unsafe=False, mounts=tmp_path / "none")
    assert not caplog.records


def test_this_machine_says_what_file_system_it_has() -> None:
    assert file_system(Path("/proc/self")) in {"proc", ""}
