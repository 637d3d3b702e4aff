"""One store has one running node, and who comes second is told who was first (G15)."""

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from callboard.mailbox.errors import StoreInUse, StoreUnavailable
from callboard.mailbox.lock import Holder, boot_id, describe, read_holder, take_lock
from callboard.mailbox.opening import open_disk
from callboard.mailbox.preflight import LOCK

NOON = 1_700_000_000_000_000_000

HOLD = """
import sys
from pathlib import Path
from callboard.mailbox.lock import take_lock
lock = take_lock(Path(sys.argv[1]), 1_700_000_000_000_000_000)
print("locked", flush=True)
sys.stdin.read()
"""


def holding(path: Path) -> "subprocess.Popen[str]":
    """A process that holds the lock until its input ends."""
    command = [sys.executable, "-P", "-c", HOLD, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "locked\n"
    return process


def test_a_second_opener_is_told_who_holds_the_store(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        with pytest.raises(StoreInUse) as caught:
            take_lock(tmp_path, NOON)
        text = str(caught.value)
        assert f"in use by process {process.pid} (" in text
        assert "-P -c" in text
        assert "since 2023-11-14 22:13:20 UTC" in text
        assert f"callboard ls --store {tmp_path}" in text
        process.kill()
        process.wait()
        take_lock(tmp_path, NOON).release()


def test_a_second_node_in_one_process_is_told_so(tmp_path: Path) -> None:
    lock = take_lock(tmp_path, NOON)
    with pytest.raises(StoreInUse, match="in use by this very process"):
        take_lock(tmp_path, NOON)
    lock.release()
    take_lock(tmp_path, NOON).release()


def test_a_symbolic_link_leads_to_the_same_lock(tmp_path: Path) -> None:
    store, link = tmp_path / "store", tmp_path / "link"
    link.symlink_to(store)
    node = open_disk(store, entropy=random.Random(1).randbytes, now_ns=lambda: 0)
    with pytest.raises(StoreInUse):
        open_disk(link, entropy=random.Random(1).randbytes, now_ns=lambda: 0)
    node.close()
    open_disk(link, entropy=random.Random(1).randbytes, now_ns=lambda: 0).close()


def test_a_lost_lock_file_lets_nobody_in(tmp_path: Path) -> None:
    lock = take_lock(tmp_path, NOON)
    assert lock.still_held()
    (tmp_path / LOCK).unlink()
    assert not lock.still_held()
    with pytest.raises(StoreInUse, match="a process that left no note"):
        take_lock(tmp_path, NOON)
    assert not lock.still_held()  # another file of that name is not ours
    lock.release()
    assert not lock.still_held()


def test_a_store_that_was_moved_is_still_held(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    lock = take_lock(tmp_path / "a", NOON)
    (tmp_path / "a").rename(tmp_path / "b")
    with pytest.raises(StoreInUse):
        take_lock(tmp_path / "b", NOON)
    lock.release()


def test_a_dead_holders_note_keeps_nobody_out(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        process.kill()
        process.wait()
    assert read_holder(tmp_path).pid == process.pid
    lock = take_lock(tmp_path, NOON)
    assert read_holder(tmp_path).pid == os.getpid()
    lock.release()


def test_the_note_is_for_the_owner_only_and_can_be_read_by_people(tmp_path: Path) -> None:
    lock = take_lock(tmp_path, NOON)
    assert (tmp_path / LOCK).stat().st_mode & 0o777 == 0o600
    note = json.loads((tmp_path / LOCK).read_text())
    assert note["pid"] == os.getpid()
    assert note["since"] == NOON
    assert note["boot"] == boot_id()
    lock.release()


def test_a_long_note_leaves_no_rest_under_a_shorter_one(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("x" * 10_000)
    take_lock(tmp_path, NOON).release()
    assert json.loads((tmp_path / LOCK).read_text())


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff\xfe"])
def test_a_note_that_cannot_be_read_is_no_note(tmp_path: Path, note: bytes) -> None:
    (tmp_path / LOCK).write_bytes(note)
    assert read_holder(tmp_path) == Holder()


def test_a_holder_of_another_boot_is_on_another_machine() -> None:
    assert "process 7 on far (x)" in describe(Holder(7, "another boot", "far", "x", NOON))
    assert "process 7 on another machine (unknown" in describe(Holder(7, "another boot", "", "", NOON))
    assert "process 7 (x)" in describe(Holder(7, boot_id(), "near", "x", NOON))
    own = Holder(os.getpid(), "another boot", "far", "x", NOON)
    assert f"process {os.getpid()} on far" in describe(own)


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / LOCK).symlink_to(tmp_path / "theirs")
    with pytest.raises(StoreUnavailable):
        take_lock(tmp_path, NOON)
    assert (tmp_path / "theirs").read_text() == "precious"


def test_a_system_that_locks_no_directories_still_locks_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    real = fcntl.flock

    def flock(fd: int, operation: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{fd}"):  # noqa: PTH112
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    lock = take_lock(tmp_path, NOON)
    with pytest.raises(StoreInUse):
        take_lock(tmp_path, NOON)
    lock.release()


def test_no_descriptor_is_left_by_a_lock_that_failed_or_was_released(tmp_path: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    before = count()
    lock = take_lock(tmp_path, NOON)
    held = count()
    with pytest.raises(StoreInUse):
        take_lock(tmp_path, NOON)
    assert count() == held
    lock.release()
    lock.release()
    assert count() == before
