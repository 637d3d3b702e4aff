"""Processes whose disk breaks: a failed sync ends them, a slow one slows, a full one pauses (G17)."""

import errno
import time
from pathlib import Path

import pytest
import trio

from callboard import open_node

from .breaking import made_shim, running
from .jars import Jar

pytestmark = pytest.mark.slow
BEFORE = 20


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_shim(tmp_path_factory.mktemp("shim"))


def heard_in(store: Path) -> int:
    """What the next life knows."""

    async def main() -> int:
        async with open_node(store, types=[Jar]) as node:
            await node.wait_idle()
            return await node.ref(Jar, "jar").ask(Jar.show())

    return trio.run(main)


@pytest.mark.parametrize("call", ["fdatasync", "pwrite", "meta"])
def test_a_disk_that_fails_ends_the_process_and_nothing_after_it_is_acknowledged(
    tmp_path: Path, shim: Path, call: str
) -> None:
    with running(tmp_path / "store", shim=shim) as child:
        child.until(BEFORE)
        child.break_disk(call, errno.EIO)
        code, said = child.ended()
    assert code == 1
    assert "the store failed, so the node ends; nothing more is acknowledged" in said
    assert "End this process" in said or "end this process" in said
    child.mend_disk()
    assert child.acked <= heard_in(tmp_path / "store") <= child.acked + 1, "what was under way, and no more"


def test_a_failed_sync_is_not_believed_to_have_recovered(tmp_path: Path, shim: Path) -> None:
    """The kernel may have dropped the pages; the next sync says that all is well."""
    with running(tmp_path / "store", shim=shim) as child:
        child.until(BEFORE)
        child.break_disk("fdatasync", errno.EIO)
        while child.next():
            pass
        child.mend_disk()
        code, _ = child.ended()
    assert code == 1
    assert child.acked <= heard_in(tmp_path / "store") <= child.acked + 1


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_quota_of_the_file_system_pauses_and_goes_on_by_itself(
    tmp_path: Path, shim: Path, code: int
) -> None:
    with running(tmp_path / "store", shim=shim) as child:
        child.until(BEFORE)
        child.break_disk("pwrite", code)
        assert child.process.stderr
        said = ""
        while "the disk is full" not in said:
            said = child.process.stderr.readline()
            assert said
        time.sleep(0.6)
        assert child.process.poll() is None
        child.mend_disk()
        assert "there is room on the disk again" in child.process.stderr.readline()
        while child.acked < BEFORE + 200:
            assert child.next()
    assert heard_in(tmp_path / "store") >= BEFORE + 200


def test_a_slow_disk_only_slows(tmp_path: Path, shim: Path) -> None:
    with running(tmp_path / "store", shim=shim) as child:
        child.until(BEFORE)
        child.break_disk("fdatasync", 0, wait_us=50_000)
        child.until(child.acked + 2)
        begun, first = time.monotonic(), child.acked
        child.until(first + 20)
        assert time.monotonic() - begun > 20 * 0.05
        child.mend_disk()
        while child.acked < first + 200:
            assert child.next()
