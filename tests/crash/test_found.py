"""What the kill loop found, made small."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from callboard import open_node
from callboard.mailbox.disk import DiskStore
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.opening import view_disk
from callboard.mailbox.soundness import find_damage
from callboard.mailbox.store import Table, Writes
from callboard.mailbox.writer import Writer

from .orders import Sleeper

pytestmark = pytest.mark.slow


class SlowDisk:
    """Commits in a thread that take a while."""

    seconds = 0.0


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    disk = SlowDisk()
    commit = DiskStore.commit

    def slow_commit(store: DiskStore, writes: Writes) -> None:
        time.sleep(disk.seconds)
        commit(store, writes)

    monkeypatch.setattr(DiskStore, "commit", slow_commit)
    monkeypatch.setitem(Writer.__init__.__kwdefaults__ or {}, "mode", "thread")
    yield disk
    disk.seconds = 0


async def test_a_segment_is_not_deleted_while_a_message_that_fills_it_up_is_on_its_way(
    tmp_path: Path, slow_disk: SlowDisk
) -> None:
    """What was read from the disk was all done, and what joined it meanwhile went with it."""
    async with open_node(tmp_path / "store") as node:
        sleeper = await node.spawn(Sleeper(), name="sleeper")
        await node.pause(sleeper)
        await node.tell_all([(sleeper, Sleeper.count())] * 2)
    async with open_node(tmp_path / "store") as node, trio.open_nursery() as nursery:
        sleeper = node.ref(Sleeper, "sleeper")
        await trio.sleep(0.05)
        slow_disk.seconds = 0.2
        nursery.start_soon(sleeper.tell, Sleeper.count())
        await trio.sleep(0.05)
        nursery.start_soon(node.resume, sleeper)
        await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    slow_disk.seconds = 0
    view = view_disk(tmp_path / "store")
    assert find_damage(view) == []
    view.close()
    async with open_node(tmp_path / "store") as node:
        assert await node.ref(Sleeper, "sleeper").ask(Sleeper.count()) == 4


class Interrupting(MemoryStore):
    """A store in memory in which somebody presses Ctrl-C while the key of a timer is looked up."""

    armed = False

    def get(self, table: Table, key: bytes) -> bytes | None:
        if self.armed and table is Table.KEYED:
            self.armed = False
            signal.raise_signal(signal.SIGINT)
        return super().get(table, key)


def test_ctrl_c_in_the_middle_of_a_timer_loses_nothing() -> None:
    """Its record was gone, its message not there yet, and a commit followed."""
    store = Interrupting()

    async def set_a_timer() -> None:
        async with open_node(store) as node:
            sleeper = await node.spawn(Sleeper(), name="sleeper")
            await sleeper.tell(Sleeper.count(), delay=0.02, key="soon")
            store.armed = True
            await trio.sleep(30)

    async def look_after_it() -> int:
        async with open_node(store.reopen()) as node:
            await trio.sleep(0.05)
            await node.wait_idle()
            return await node.ref(Sleeper, "sleeper").ask(Sleeper.count())

    with pytest.raises(KeyboardInterrupt):
        trio.run(set_a_timer)
    assert trio.run(look_after_it) == 2
