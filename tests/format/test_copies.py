"""Backups and compactions: whole under their final name or not there, whatever happens meanwhile."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from callboard import open_node
from callboard.console.command import main
from callboard.console.examining import examine
from callboard.console.progress import Progress
from callboard.mailbox import copying
from callboard.mailbox.errors import CopyRefused, StoreDamaged, StoreFull
from callboard.mailbox.opening import open_disk, view_disk
from callboard.mailbox.records import Link, pack
from callboard.mailbox.store import Table

from .cast import TYPES, Ann
from .damaging import make_store

COMMAND = [sys.executable, "-P", "-m", "callboard"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], prog_name="callboard")


def noise(text: str) -> bytes:
    """A record that says nothing."""
    return pack(Link("noise", 1, 1, 1, 1, text))


def fill(path: Path, megabytes: int) -> None:
    """A store with unread rows of noise, half of them free pages at the end."""
    store = open_disk(path, entropy=bytes, now_ns=lambda: 0)
    numbers = random.Random(1)
    for round_ in range(megabytes):
        rows = {numbers.randbytes(16): noise(numbers.randbytes(1980).hex()) for _ in range(250)}
        store.commit({Table.LINKS: dict(rows)})
        if round_ % 2:
            store.commit({Table.LINKS: dict.fromkeys(rows)})
    store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_store(tmp_path / "store")
    return tmp_path / "store"


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("options", [[], ["--exact"]])
def test_a_backup_is_a_store_that_a_node_opens(path: Path, tmp_path: Path, options: list[str]) -> None:
    target = tmp_path / "copy"
    result = call("store", "backup", target, "--store", path, *options)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "checked" in result.stderr
    assert names(target) == ["data.mdb"]
    assert (target.stat().st_mode & 0o777, (target / "data.mdb").stat().st_mode & 0o777) == (0o700, 0o600)
    assert names(tmp_path) == ["copy", "store"]
    original, copy = view_disk(path), view_disk(target)
    assert [original.scan(table) for table in Table] == [copy.scan(table) for table in Table]
    original.close()
    copy.close()

    async def run() -> None:
        async with open_node(target, types=TYPES) as node:
            ann = node.ref(Ann, "ann/1")
            assert await ann.ask(Ann.add(1)) == 2

    trio.run(run)


async def test_a_backup_beside_a_running_node_is_of_one_commit(path: Path, tmp_path: Path) -> None:
    async with open_node(path, types=TYPES) as node, trio.open_nursery() as nursery:
        ann = node.ref(Ann, "ann/1")

        async def work() -> None:
            while True:
                await ann.tell(Ann.add(1))

        nursery.start_soon(work)
        for number, options in enumerate(([], ["--exact"], [])):
            target = tmp_path / f"copy{number}"
            done = await trio.run_process(
                [*COMMAND, "store", "backup", str(target), "--store", str(path), *options],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert list(examine(target, Progress())) == []
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("kind", ["directory", "file", "link"])
def test_a_target_that_exists_is_refused_and_left_alone(path: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "copy"
    if kind == "link":
        target.symlink_to("nowhere")
    elif kind == "file":
        target.touch()
    else:
        target.mkdir()
    result = call("store", "backup", tmp_path / "copy", "--store", path)
    assert result.exit_code == 6
    assert "exists already" in result.stderr
    assert names(tmp_path) == ["copy", "store"]


def test_a_backup_into_a_folder_that_is_not_there_is_refused(path: Path, tmp_path: Path) -> None:
    assert call("store", "backup", tmp_path / "none/copy", "--store", path).exit_code == 4


def test_two_backups_to_one_target_do_not_meet(path: Path, tmp_path: Path) -> None:
    part = tmp_path / ".copy.part"
    part.mkdir()
    fd = os.open(part, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    result = call("store", "backup", tmp_path / "copy", "--store", path)
    assert result.exit_code == 6
    assert "under way" in result.stderr
    os.close(fd)
    (part / "data.mdb").write_text("left by a killed backup")
    assert call("store", "backup", tmp_path / "copy", "--store", path).exit_code == 0
    assert names(tmp_path) == ["copy", "store"]


def test_a_copy_to_a_full_disk_leaves_nothing(path: Path, tmp_path: Path) -> None:
    script = 'ulimit -f 40; exec "$@"'
    copy = [*COMMAND, "store", "backup", str(tmp_path / "copy"), "--store", str(path)]
    result = subprocess.run(
        ["bash", "-c", script, "-", *copy], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 4
    assert "no room for the copy" in result.stderr
    assert names(tmp_path) == ["store"]
    assert list(examine(path, Progress())) == []


def test_a_copy_on_a_full_file_system_leaves_nothing(path: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.xfail("no right to mount here")
    try:
        store = view_disk(path)
        with pytest.raises(StoreFull, match="no room"):
            copying.back_up(store, disk / "copy", lambda _: None)
        store.close()
        assert names(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_copy_that_does_not_pass_gets_no_name(path: Path, tmp_path: Path) -> None:
    def check(copy: Path) -> None:
        assert (copy / "data.mdb").exists()
        raise StoreDamaged("it is damaged")

    store = view_disk(path)
    with pytest.raises(StoreDamaged):
        copying.back_up(store, tmp_path / "copy", check)
    with pytest.raises(KeyboardInterrupt):
        copying.back_up(store, tmp_path / "copy", interrupt)
    store.close()
    assert names(tmp_path) == ["store"]


def interrupt(_: Path) -> None:
    raise KeyboardInterrupt


def test_a_target_that_appears_meanwhile_is_not_overwritten(path: Path, tmp_path: Path) -> None:
    store = view_disk(path)
    with pytest.raises(CopyRefused):
        copying.back_up(store, tmp_path / "copy", lambda _: (tmp_path / "copy").mkdir())
    store.close()
    assert names(tmp_path / "copy") == []


def test_damaged_records_are_copied_as_they_are_and_told(path: Path, tmp_path: Path) -> None:
    store = open_disk(path, entropy=bytes, now_ns=lambda: 0)
    ((at, value),) = store.scan(Table.STATES, limit=1)
    store.commit({Table.STATES: {at: value[:-1] + b"\xff"}})
    store.close()
    result = call("store", "backup", tmp_path / "copy", "--store", path, "--json")
    assert result.exit_code == 1
    assert "the backup is complete, and so is its damage" in result.stderr
    assert json.loads(result.stdout)["damaged"] == 2  # the state, and that its mailbox has none now
    assert names(tmp_path) == ["copy", "store"]
    result = call("store", "compact", "--store", path)
    assert result.exit_code == 5
    assert "not compacted" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("verb", ["backup", "compact"])
def test_a_copy_that_is_killed_leaves_no_half_file(tmp_path: Path, verb: str, how: signal.Signals) -> None:
    path, target = tmp_path / "store", tmp_path / "copy"
    fill(path, 20)
    before = (path / "data.mdb").read_bytes()
    command = [*COMMAND, "store", verb, *([str(target)] if verb == "backup" else []), "--store", str(path)]
    finished = 0
    for delay_ms in range(150, 700, 50):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay_ms / 1000)
        process.send_signal(how)
        process.wait(timeout=30)
        place = target if verb == "backup" else path
        if place.exists():
            assert list(examine(place, Progress())) == []
            finished += (place / "data.mdb").stat().st_size < len(before)
        if verb == "backup":
            shutil.rmtree(target, ignore_errors=True)
        elif finished:
            (path / "data.mdb").write_bytes(before)
            (path / "lock.mdb").unlink(missing_ok=True)
    assert call(*command[4:]).exit_code == 0
    assert not (tmp_path / ".copy.part").exists()
    assert not (path / ".new").exists()


def test_a_compaction_gives_free_pages_back_and_keeps_every_record(tmp_path: Path) -> None:
    path = tmp_path / "store"
    fill(path, 4)
    store = view_disk(path)
    before = [store.scan(table, limit=10_000) for table in Table]
    store.close()
    size = (path / "data.mdb").stat().st_size
    result = call("store", "compact", "--store", path, "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert (told["before"], told["after"]) == (size, (path / "data.mdb").stat().st_size)
    assert told["after"] < size
    store = open_disk(path, entropy=bytes, now_ns=lambda: 0)
    assert [store.scan(table, limit=10_000) for table in Table][1:] == before[1:]
    assert store.identity.incarnation == 2
    store.close()
    assert names(path) == ["LOCK", "ballast", "data.mdb", "lock.mdb"]


def test_a_compaction_on_a_full_disk_leaves_the_store_as_it_is_and_works_when_there_is_room(
    tmp_path: Path,
) -> None:
    (disk := tmp_path / "disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.xfail("no right to mount here")
    try:
        fill(disk / "store", 4)
        other = disk / "somebody's"
        with other.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        before = names(disk / "store"), (disk / "store/data.mdb").read_bytes()
        result = call("store", "compact", "--store", disk / "store")
        assert result.exit_code == 4
        assert "no room" in result.stderr
        assert (names(disk / "store"), (disk / "store/data.mdb").read_bytes()) == before
        other.unlink()
        assert call("store", "compact", "--store", disk / "store").exit_code == 0
        assert (disk / "store/data.mdb").stat().st_size < len(before[1])
        assert list(examine(disk / "store", Progress())) == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_whoever_looks_at_a_store_while_it_is_compacted_sees_the_old_one(tmp_path: Path) -> None:
    """LMDB's table of readers knows the number of the newest commit, which is another in the copy."""
    path = tmp_path / "store"
    fill(path, 4)
    looker = subprocess.Popen(
        [sys.executable, "-P", "-c", LOOK, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert looker.stdout is not None
    count = looker.stdout.readline()
    assert call("store", "compact", "--store", path).exit_code == 0
    store = open_disk(path, entropy=bytes, now_ns=lambda: 0)
    assert len(store.scan(Table.LINKS, limit=10_000)) == int(count)
    for number in range(3):
        at = b"%016d" % number
        store.commit({Table.LINKS: {at: noise("x")}})
        assert store.get(Table.LINKS, at) == noise("x")
    store.close()
    answer, _ = looker.communicate("again\n")
    assert answer == count
    assert list(examine(path, Progress())) == []


LOOK = """
import sys
from pathlib import Path
from callboard.mailbox.opening import view_disk
from callboard.mailbox.store import Table
store = view_disk(Path(sys.argv[1]))
print(len(store.scan(Table.LINKS, limit=10_000)), flush=True)
sys.stdin.readline()
print(len(store.scan(Table.LINKS, limit=10_000)), flush=True)
"""


async def test_the_store_of_a_running_node_is_not_compacted(path: Path) -> None:
    async with open_node(path, types=TYPES):
        result = call("store", "compact", "--store", path)
    assert result.exit_code == 4
    assert "is in use" in result.stderr
    assert call("store", "compact", "--store", path.with_name("none")).exit_code == 4
