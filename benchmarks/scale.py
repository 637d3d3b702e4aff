"""Scale: a million actors and ten million messages on disk, opened by a process that has just begun.

A filled store takes minutes to make, so it is made once and kept beside the measures' folders until the run
is over; what drains it drains a copy. It is filled through the front door: actors are spawned by turns, and
messages are sent by the turns of a node that has no code for their receivers, so that they wait.
"""

import functools
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import trio
from measures import Sink
from sizes import BLOCK, Measured, NotHere, Sizes, check

from callboard import Actor, ActorRef, Node, handler, open_node
from callboard.mailbox.reading import read_counters

DEEP, WIDE = "deep", "wide"
"""All messages in one mailbox, and no other actors; in many, beside all the actors there are."""
SETTLING_S = 1.0
"""Seconds of a drain that do not count: its mailboxes are being woken."""
WOKEN = 1000
"""Actors woken in one commit."""


class Sleeper(Actor):
    """Rests among very many."""

    woken: int = 0

    @handler
    async def wake(self) -> int:
        """Have a turn."""
        self.woken += 1
        return self.woken


class Settler(Actor):
    """Spawns very many actors, a block of them in one turn."""

    made: int = 0

    @handler
    async def settle(self, count: int) -> None:
        """Spawn some, and then some more in another turn."""
        for number in range(self.made, self.made + min(count, BLOCK)):
            self.turn.spawn(Sleeper(), name=f"sleeper/{number}")
        self.made += BLOCK
        if count > BLOCK:
            await self.turn.ref.tell(Settler.settle(count - BLOCK))


class Filler(Actor):
    """Sends to many mailboxes in turn, so that the mail of each is scattered over all commits."""

    boxes: int
    sent: int = 0

    @handler
    async def fill(self, count: int) -> None:
        """Send some, and then some more in another turn."""
        some = min(count, BLOCK)
        for number in range(self.sent, self.sent + some):
            await sinks[number % self.boxes].tell(Sink.take("ann", 1, "rent"))
        self.sent += some
        if count > some:
            await self.turn.ref.tell(Filler.fill(count - some))


sinks: list[ActorRef[Sink]] = []


def resident() -> dict[str, float]:
    """Bytes of this process: its own, and with the pages of the data file that it happens to have mapped.

    Raises:
        NotHere: the system does not say.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        raise NotHere("only Linux says how much memory a process has")
    fields = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
    return {name: int(fields[name].split()[0]) * 1024.0 for name in ("RssAnon", "VmRSS", "VmHWM")}


# Filling.


async def _fill(path: Path, actors: int, boxes: int, messages: int) -> None:
    async with open_node(path, idle=5) as node:
        if actors:
            settler = await node.spawn(Settler(), name="settler")
            await settler.tell(Settler.settle(actors))
        for number in range(boxes):
            await node.spawn(Sink(), name=f"sink/{number}")
        filler = await node.spawn(Filler(boxes), name="filler")
        await node.wait_idle()
    async with open_node(path, types=[Filler]) as node:
        sinks[:] = [node.ref(Sink, f"sink/{number}") for number in range(boxes)]
        filler = node.ref(Filler, "filler")
        await filler.tell(Filler.fill(messages))
        await node.wait_idle()
        check("filling", node.statistics().queued, messages)


def _fill_now(path: Path, actors: int, boxes: int, messages: int) -> None:
    trio.run(_fill, path, actors, boxes, messages)


def filled(sizes: Sizes, folder: Path, shape: str) -> Path:
    """A store with all the messages, made by a process of its own when it is first asked for."""
    path = folder.parent / f"filled-{shape}"
    if not path.exists():
        actors, boxes = (sizes.many_actors, sizes.many_boxes) if shape == WIDE else (0, 1)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            pool.submit(_fill_now, path, actors, boxes, sizes.many_messages).result()
    return path


# Measuring.


def _let_go(file: Path) -> None:
    """Have a file on disk and not in the system's memory, as after a start of the machine."""
    with file.open("rb+") as opened:
        os.fsync(opened)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _apart(shape: str) -> Callable[[Callable[[Sizes, Path], Awaitable[Measured]]], Callable[..., Measured]]:
    """Run a measure on a copy of a filled store."""

    def decorate(measure: Callable[[Sizes, Path], Awaitable[Measured]]) -> Callable[..., Measured]:
        @functools.wraps(measure)
        def measured(sizes: Sizes, folder: Path) -> Measured:
            path = shutil.copytree(filled(sizes, folder, shape), folder / "store")
            _let_go(path / "data.mdb")
            return trio.run(measure, sizes, path)

        return measured

    return decorate


async def _open(path: Path) -> Measured:
    before, began = resident()["RssAnon"], time.perf_counter()
    async with open_node(path, drain=0.1) as node:
        opened, handled = time.perf_counter() - began, read_counters(node.store).handled
        while node.statistics().handled == handled:
            await trio.lowlevel.checkpoint()
        took, memory = time.perf_counter() - began, resident()
    return {
        "value": took,
        "opening": opened,
        "taken": memory["RssAnon"] - before,
        "resident": memory["VmRSS"],
    }


@_apart(WIDE)
async def open_wide(_sizes: Sizes, path: Path) -> Measured:
    """Seconds from opening a store of many actors and much mail to the end of its first turn."""
    return await _open(path)


@_apart(DEEP)
async def open_deep(_sizes: Sizes, path: Path) -> Measured:
    """The same with all the mail in one mailbox."""
    return await _open(path)


@_apart(WIDE)
async def resident_wide(_sizes: Sizes, path: Path) -> Measured:
    """Bytes that the process has when the first turn is over, mapped pages of the store too."""
    found = await _open(path)
    return {"value": found["resident"], "taken": found["taken"]}


async def _drain(sizes: Sizes, path: Path) -> Measured:
    async with open_node(path, drain=0.1) as node:
        await trio.sleep(min(SETTLING_S, sizes.drain_s / 10))
        before, began, most = node.statistics().handled, time.perf_counter(), 0.0
        while time.perf_counter() - began < sizes.drain_s and node.statistics().queued:
            await trio.sleep(sizes.drain_s / 20)
            most = max(most, resident()["RssAnon"])
        rate = (node.statistics().handled - before) / (time.perf_counter() - began)
    return {"value": rate, "own": most}


@_apart(WIDE)
async def drain_wide(sizes: Sizes, path: Path) -> Measured:
    """Messages a second that are handled of a backlog in many mailboxes."""
    return await _drain(sizes, path)


@_apart(DEEP)
async def drain_deep(sizes: Sizes, path: Path) -> Measured:
    """The same of a backlog in one mailbox."""
    return await _drain(sizes, path)


async def _wake(node: Node, numbers: list[int]) -> float:
    began = time.perf_counter()
    for first in range(0, len(numbers), WOKEN):
        some = numbers[first : first + WOKEN]
        await node.tell_all([(node.ref(Sleeper, f"sleeper/{number}"), Sleeper.wake()) for number in some])
    await node.wait_idle()
    return len(numbers) / (time.perf_counter() - began)


@_apart(WIDE)
async def wake(sizes: Sizes, path: Path) -> Measured:
    """Actors woken a second, drawn at random from among all; beside the same ones when they are awake."""
    # Nothing of the backlog is handled meanwhile: this node has no code for it.
    async with open_node(path, types=[Sleeper]) as node:
        numbers = random.Random(1).sample(range(sizes.many_actors), sizes.woken)
        before = resident()["RssAnon"]
        asleep = await _wake(node, numbers)
        own = resident()["RssAnon"] - before
        return {"value": asleep, "awake_rate": await _wake(node, numbers), "own": own}


def _command(path: Path, *words: str) -> float:
    began = time.perf_counter()
    line = [sys.executable, "-P", "-m", "callboard", *words, "--store", str(path)]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def ls(sizes: Sizes, folder: Path) -> Measured:
    """Seconds in which all mailboxes are listed; beside one that is looked at."""
    path = filled(sizes, folder, WIDE)
    name = f"sink/{sizes.many_boxes // 2}"
    return {
        "value": _command(path, "ls"),
        "sorted": _command(path, "ls", "--sort", "mail"),
        "peek": _command(path, "peek", name),
        "show": _command(path, "show", name),
    }
