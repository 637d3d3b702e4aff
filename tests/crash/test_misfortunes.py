"""What people and machines do to a store under its running node, with real processes and file systems."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest
import trio

from callboard import Node, StoreUnavailable, open_node
from callboard.mailbox.datafile import read_head
from callboard.mailbox.errors import StoreDamaged, StoreFailed

from .breaking import running
from .jars import Jar

pytestmark = pytest.mark.slow
COPIES = 3
PAGE = 4096
COMMAND = [sys.executable, "-P", "-m", "callboard"]


def told(store: Path, *arguments: str) -> tuple[int, str]:
    """The exit code of a command in a process of its own, and all that it said."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--store", str(store)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def waiting_in(said: str) -> int:
    """How many messages wait in the store, by what `ls` said."""
    found = re.search(r"([\d,]+) messages? waiting", said)
    assert found, said
    return int(found[1].replace(",", ""))


async def heard_in(store: Path) -> int:
    """What a jar has heard, once all its mail is handled."""
    async with open_node(store, types=[Jar]) as node:
        await node.resume(node.ref(Jar, "jar"))
        await node.wait_idle()
        return await node.ref(Jar, "jar").ask(Jar.show())


# Files.


@pytest.mark.parametrize("name", ["data.mdb", "lock.mdb", "LOCK"])
@pytest.mark.parametrize("replaced", [True, False])
async def test_a_node_ends_when_one_of_its_files_is_renamed_or_replaced_and_what_it_did_is_in_the_old_one(
    tmp_path: Path, name: str, replaced: bool
) -> None:
    store = tmp_path / "store"
    with pytest.raises(StoreFailed, match="somebody removed or replaced"), trio.fail_after(10):  # noqa: PT012
        async with open_node(store, types=[Jar], idle=0.05) as node:
            jar = await node.spawn(Jar(), name="jar")
            (store / name).rename(tmp_path / "old")
            if replaced:
                shutil.copyfile(tmp_path / "old", store / name)
            await jar.tell(Jar.put(1))
            await trio.sleep_forever()
    if name == "data.mdb" and not replaced:
        with pytest.raises(StoreDamaged, match="has lost its data file"):
            await heard_in(store)
    (tmp_path / "old").rename(store / name)
    assert await heard_in(store) == 1


def test_a_copy_made_with_cp_under_a_node_that_does_not_commit_has_all_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    (copy := tmp_path / "copy").mkdir(mode=0o700)
    with running(tmp_path / "store", size=500, paused=True) as child:
        child.until(200)
        child.process.send_signal(signal.SIGSTOP)
        subprocess.run(["cp", tmp_path / "store/data.mdb", copy], check=True)
    code, said = told(copy, "store", "check")
    assert code == 0, said
    assert trio.run(heard_in, copy) >= 200


def test_copies_made_with_cp_under_a_node_that_commits_are_torn_and_each_is_found(
    tmp_path: Path,
) -> None:
    """It was too weak: copies were torn by chance, and most were not."""
    with running(tmp_path / "store", size=500, paused=True) as child:
        for number in range(COPIES):
            child.until(child.acked + 50)
            (copy := tmp_path / f"copy{number}").mkdir(mode=0o700)
            copy_under_commits(tmp_path / "store/data.mdb", copy / "data.mdb")
            code, said = told(copy, "store", "check")
            assert code == 1, said


def copy_under_commits(source: Path, target: Path) -> None:
    """Copy as `cp` does that was held up behind the head until its pages are used again."""
    with source.open("rb", buffering=0) as read, target.open("wb") as write:
        write.write(read.read(2 * PAGE))
        commit = last_commit(source)
        while last_commit(source) < commit + 10:
            time.sleep(0.001)
        shutil.copyfileobj(read, write)


def last_commit(file: Path) -> int:
    with file.open("rb") as data:
        return read_head(data.fileno(), file.stat().st_size).transaction


# Readers.

READER = """
import sys
import time
from callboard.mailbox.opening import view_disk
with view_disk(sys.argv[1]).snapshot():
    print("looking", flush=True)
    sys.stdin.read()
"""


async def test_a_reader_that_does_not_end_is_told_and_once_it_is_killed_the_file_grows_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("callboard.mailbox.laggards.FAR_BEHIND", 100)

    async def work(node: Node, first: int, last: int) -> int:
        """Tell a jar so many numbers; bytes of the file then."""
        for number in range(first, last):
            await node.ref(Jar, "jar").ask(Jar.put(number, "x" * 1000))
        return (tmp_path / "s/data.mdb").stat().st_size

    async with open_node(tmp_path / "s", types=[Jar], idle=0.05) as node:
        await node.spawn(Jar(), name="jar")
        before = await work(node, 1, 100)
        command = [sys.executable, "-P", "-c", READER, str(tmp_path / "s")]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE) as reader:  # noqa: ASYNC220 - it is short
            assert reader.stdout is not None
            assert reader.stdout.readline() == b"looking\n"
            grown = await work(node, 100, 400)
            while "goes on looking" not in caplog.text:  # noqa: ASYNC110 - a log tells nobody
                await trio.sleep(0.01)
            assert told(tmp_path / "s", "doctor", "--quick")[0] == 0
            reader.kill()
        assert grown > before + 300_000
        await trio.sleep(0.2)
        assert await work(node, 400, 700) < grown + 100_000
    assert caplog.text.count(f"process {reader.pid} goes on looking") == 1


# File systems.


@contextmanager
def mounted(place: Path, *options: str) -> Generator[Path]:
    """A file system at a place; the test is expected to fail where we may not mount."""
    place.mkdir()
    done = subprocess.run(["mount", *options, str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.xfail(f"cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The image of a disk with a file system of its own."""
    file = tmp_path / "image"
    with file.open("wb") as made:
        made.truncate(16 << 20)
    if shutil.which("mkfs.ext4") is None:
        pytest.xfail("no mkfs.ext4 here")
    subprocess.run(["mkfs.ext4", "-q", file], check=True)
    return file


def test_a_file_system_that_becomes_read_only_ends_the_node_and_keeps_what_was_acknowledged(
    tmp_path: Path, image: Path
) -> None:
    with mounted(tmp_path / "disk", "-o", "loop", str(image)) as disk:
        store = disk / "store"
        with running(store, size=500, paused=True) as child:
            child.until(100)
            # As after an error of the disk: a polite remount is refused while files are open.
            subprocess.run(["mount", "-o", "remount,abort", disk], check=True)
            code, said = child.ended()
        assert code == 1, said
        assert "the disk under" in said
        assert "failed during a commit" in said
        code, said = told(store, "ls")
        assert code == 0, said
        assert child.acked <= waiting_in(said) <= child.acked + 1, said
        with pytest.raises(StoreUnavailable, match="file system that can be written"):
            trio.run(heard_in, store)
    with mounted(tmp_path / "again", "-o", "loop", str(image)) as disk:
        assert trio.run(heard_in, disk / "store") >= child.acked >= 100


async def test_a_store_on_an_overlay_is_warned_of_and_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts = [tmp_path / name for name in ("lower", "upper", "work")]
    for part in parts:
        part.mkdir()
    options = ",".join(f"{part.name}dir={part}" for part in parts)
    with mounted(tmp_path / "merged", "-t", "overlay", "overlay", "-o", options) as merged:
        for count in 1, 2:
            async with open_node(merged / "store", types=[Jar]) as node:
                jar = await node.spawn(Jar(), name="jar") if count == 1 else node.ref(Jar, "jar")
                await jar.tell(Jar.put(count))
        assert await heard_in(merged / "store") == 2
        assert "overlay is often thrown away" in told(merged / "store", "doctor")[1]
    assert "lies on overlay: use a volume on a local disk" in caplog.text


async def test_a_node_is_not_started_on_a_network_file_system_and_leaves_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def everywhere(*_: object) -> str:
        return "nfs4"

    monkeypatch.setattr("callboard.mailbox.preflight.file_system", everywhere)
    with pytest.raises(StoreUnavailable, match=r"network file system .nfs4.*Use a local disk"):
        await heard_in(tmp_path / "new/store")
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - for a look
