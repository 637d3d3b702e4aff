"""A handler that blocks is named, and delays others only while it blocks; a node without work sleeps."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from callboard import Actor, Message, handler, open_node

pytestmark = pytest.mark.slow

BLOCK_S = 0.8


class Blocker(Actor):
    """Does what one should not, and what one may."""

    @handler
    async def block(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - that is the mistake

    @handler
    async def block_later(self, seconds: float) -> None:
        await trio.sleep(0.4)  # so long that the watchdog sleeps, too
        time.sleep(seconds)  # noqa: ASYNC251

    @handler
    async def in_a_thread(self, seconds: float) -> None:
        await trio.to_thread.run_sync(time.sleep, seconds)

    @handler
    async def wait(self, seconds: float) -> None:
        await trio.sleep(seconds)

    @handler
    async def in_pieces(self, pieces: int) -> None:
        for _ in range(pieces):
            time.sleep(0.02)  # noqa: ASYNC251
            await trio.lowlevel.checkpoint()


class Bystander(Actor):
    """Somebody else on the same node."""

    @handler
    async def answer(self) -> float:
        return time.monotonic()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == "callboard.slow"]


@pytest.mark.parametrize("way", [Blocker.block, Blocker.block_later])
async def test_who_blocks_is_told_once_with_its_line_and_once_more_when_it_goes_on(
    way: Callable[[float], Message[Blocker, None]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_node(tmp_path / "store", types=[Blocker]) as node:
        blocker = await node.spawn(Blocker(), name="blocker")
        await blocker.ask(way(BLOCK_S), timeout=30)
        await trio.sleep(0.2)  # for another look
    begun, ended = told(caplog)
    name = "block" if way is Blocker.block else "block_later"
    assert begun.startswith(f"blocker holds up all actors of this node: Blocker.{name} has run for 0.")
    assert f"{Path(__file__).name}:" in begun
    assert f" in {name}." in begun
    assert ended.startswith(f"blocker goes on: Blocker.{name} took ")
    assert all(each.levelno == logging.WARNING for each in caplog.records if each.name == "callboard.slow")


async def test_who_waits_or_works_in_pieces_or_in_a_thread_is_not_blamed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_node(tmp_path / "store", types=[Blocker], slow=0.3) as node:
        blocker = await node.spawn(Blocker(), name="blocker")
        for fine in (Blocker.in_a_thread(0.7), Blocker.wait(0.7), Blocker.in_pieces(35)):
            await blocker.ask(fine, timeout=30)
    assert told(caplog) == []


async def test_one_that_always_blocks_does_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_node(tmp_path / "store", types=[Blocker], slow=0.02) as node:
        blocker = await node.spawn(Blocker(), name="blocker")
        for _ in range(4):
            await blocker.ask(Blocker.block(0.1), timeout=30)
            await trio.sleep(0.05)
        await blocker.ask(Blocker.block_later(0.1), timeout=30)
        await trio.sleep(0.05)
    begun = [each for each in told(caplog) if "holds up" in each]
    assert [each.partition(" has run")[0].rpartition(" ")[2] for each in begun] == [
        "Blocker.block",
        "Blocker.block_later",
    ]


async def test_slow_none_tells_nothing_and_starts_no_thread(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_node(tmp_path / "store", types=[Blocker], slow=None) as node:
        blocker = await node.spawn(Blocker(), name="blocker")
        await blocker.ask(Blocker.block(0.3), timeout=30)
    assert told(caplog) == []


async def test_a_handler_that_blocks_delays_others_only_for_as_long_as_it_blocks(tmp_path: Path) -> None:
    async with open_node(tmp_path / "store", types=[Blocker, Bystander], slow=None) as node:
        blocker = await node.spawn(Blocker(), name="blocker")
        bystander = await node.spawn(Bystander(), name="bystander")
        answers: list[float] = []

        async def ask_on() -> None:
            while True:
                answers.append(await bystander.ask(Bystander.answer(), timeout=30))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_on)
            await trio.sleep(0.1)
            begun = time.monotonic()
            await blocker.ask(Blocker.block(BLOCK_S), timeout=30)
            ended = time.monotonic()
            await trio.sleep(0.1)
            nursery.cancel_scope.cancel()
    pauses = sorted(after - before for before, after in pairwise(answers))
    assert pauses[-1] >= BLOCK_S, "it did not block"
    assert pauses[-1] < BLOCK_S + 0.3
    assert pauses[-2] < BLOCK_S / 2, "it was held up once more, when the block was over"
    assert any(answer > ended - 0.05 for answer in answers)
    assert ended - begun < BLOCK_S + 0.3


def test_a_process_whose_nodes_have_nothing_to_do_hardly_wakes_up(tmp_path: Path) -> None:
    """Two nodes with links, a tree, a timer far away and a watchdog each: measured, one or two a second."""
    program = [sys.executable, "-P", str(Path(__file__).with_name("idling.py")), str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    wakes, share = map(float, done.stdout.split())
    assert wakes < 10
    assert share < 0.01
