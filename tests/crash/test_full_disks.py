"""Real disks that are full under a node: it takes nothing in, drains, and goes on by itself (G17)."""

import signal
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from callboard import ActorRef, Node, open_node
from callboard.console.command import main
from callboard.mailbox.errors import StoreFull
from callboard.mailbox.soundness import find_damage

from .breaking import fill, running, small_disk
from .jars import Jar

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*lies in memory")]
KIB = 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as made:
        yield made


@asynccontextmanager
async def opened(store: Path) -> AsyncGenerator[tuple[Node, ActorRef[Jar]]]:
    async with open_node(store, types=[Jar], drain=0.5) as node:
        yield node, await node.spawn(Jar(), name="jar")
        assert not find_damage(node.store)


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(15):
        while not condition():  # noqa: ASYNC110 - a disk tells nobody that it has room
            await trio.sleep(0.02)


def is_full(node: Node) -> bool:
    return node.statistics().full.startswith("full: the disk")


async def tell_until_full(node: Node, jar: ActorRef[Jar], nursery: trio.Nursery, size: int) -> list[int]:
    """Send until the disk is full; what was acknowledged, now and later."""
    acked = list[int]()

    async def send(start: int) -> None:
        numbers = range(start, start + count)
        await node.tell_all([(jar, Jar.put(number, "x" * size)) for number in numbers])
        acked.extend(numbers)

    count = 200_000 // (size + 100)
    for start in range(1, 100_000, count):
        nursery.start_soon(send, start)
        await until(lambda: len(acked) >= start or is_full(node))  # noqa: B023
        if is_full(node):
            break
    return acked


@pytest.mark.parametrize("size", [100, 3 * KIB])
async def test_a_full_disk_is_drained_and_what_was_acknowledged_is_handled_in_order(
    disk: Path, size: int
) -> None:
    async with opened(disk / "store") as (node, jar), trio.open_nursery() as nursery:
        await node.pause(jar)
        acked = await tell_until_full(node, jar, nursery, size)
        fill(disk)
        waiting = len(acked)
        nursery.start_soon(node.resume, jar)
        await until(lambda: node.statistics().handled >= waiting)
        assert node.statistics().queued <= 2000
        (disk / "somebody's").unlink()
        await until(lambda: not is_full(node))
        await node.wait_idle()
        assert await jar.ask(Jar.show()) == len(acked) == max(acked)


async def test_a_node_goes_on_by_itself_when_there_is_room_and_takes_its_ballast_back(disk: Path) -> None:
    async with opened(disk / "store") as (node, jar), trio.open_nursery() as nursery:
        ballast = disk / "store" / "ballast"
        size = ballast.stat().st_size
        await node.pause(jar)
        await node.tell_all([(jar, Jar.put(number, "x" * 1000)) for number in range(1, 501)])
        other = fill(disk)
        nursery.start_soon(jar.tell, Jar.put(501, "x" * 60 * KIB))
        await until(lambda: is_full(node))
        nursery.start_soon(jar.tell, Jar.put(502))
        await until(lambda: node.statistics().senders_waiting == 1)
        nursery.start_soon(node.resume, jar)
        await until(lambda: not ballast.exists())
        other.unlink()
        await until(lambda: not is_full(node))
        await node.wait_idle()
        assert await jar.ask(Jar.show()) == 502
        assert ballast.stat().st_size == size


async def test_a_store_is_opened_closed_and_drained_on_a_disk_that_is_full(disk: Path) -> None:
    async with opened(disk / "store") as (node, jar):
        await node.pause(jar)
        await node.tell_all([(jar, Jar.put(number, "x" * 1000)) for number in range(1, 501)])
    other = fill(disk)
    async with opened(disk / "store") as (node, jar):
        await node.resume(jar)
        await node.wait_idle()
        assert node.statistics().queued == 0
    other.unlink()
    async with opened(disk / "store") as (node, jar):
        assert await jar.ask(Jar.show()) == 500
        assert node.store.identity.clean


async def test_a_new_store_on_a_full_disk_says_that_it_is_full_and_leaves_nothing(disk: Path) -> None:
    other = fill(disk)
    with pytest.raises(StoreFull, match="make room"):
        async with opened(disk / "store"):
            pass
    other.unlink()
    async with opened(disk / "store") as (_, jar):
        await jar.tell(Jar.put(1))


def heard_in(store: Path) -> int:
    """What a jar has heard, once all its mail is handled."""

    async def main() -> int:
        async with opened(store) as (node, jar):
            await node.resume(jar)
            await node.wait_idle()
            return await jar.ask(Jar.show())

    return trio.run(main)


def test_a_process_killed_on_a_full_disk_has_kept_all_it_acknowledged(disk: Path) -> None:
    with running(disk / "store", size=2000, paused=True) as child:
        child.until(500)
        other = fill(disk)
        time.sleep(1)
        assert child.process.poll() is None
        child.process.kill()
        child.ended()
    other.unlink()
    assert heard_in(disk / "store") >= child.acked >= 500


def test_a_limit_on_file_sizes_pauses_a_node_and_kills_nobody(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with running(store, size=2000, paused=True, file_size=1 << 20) as child:
        said = child.process.stderr
        assert said
        assert "made a new store" in said.readline()
        assert "the disk is full" in said.readline()
        assert child.process.poll() is None
        child.process.kill()
        _, _ = child.ended()
    assert 0 < child.acked <= heard_in(store)


LOOKS = (["ls", "--json"], ["show", "jar"], ["why", "jar"], ["doctor", "--quick"])


def said(store: Path, *look: str) -> str:
    return CliRunner().invoke(main, [*look, "--store", str(store)]).output


def test_every_look_beside_a_node_that_is_full_says_so_and_what_to_do(disk: Path) -> None:
    store = disk / "store"
    with running(store, size=2000, paused=True, quota=1_000_000) as child:
        while "its quota of 1000000: nothing is taken in" not in said(store, "show", "jar"):
            assert child.process.poll() is None
        for look in LOOKS:
            assert "open the node with a larger quota=" in said(store, *look), look
        child.process.send_signal(signal.SIGSTOP)
        assert "the running node" not in (found := said(store, "ls"))  # it cannot say so now
        assert "paused by hand" in found
        child.process.kill()
        child.ended()
    with running(disk / "other", size=60_000, paused=True) as child:
        store = disk / "other"
        child.until(1)
        other = fill(disk)
        while "the running node is full: the disk" not in said(store, "ls"):
            assert child.process.poll() is None
        for look in LOOKS:
            assert "make room" in said(store, *look).partition("running node is full: the disk")[2], look
    other.unlink()
    assert "running node is" not in "".join(said(store, *look) for look in LOOKS)
