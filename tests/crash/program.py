"""The program that is killed: a node on a real store, and senders around it.

It is told what to do by a `Job` and tells what it does in single letters on stdout: `o` it opens
the store, `r` it runs, `.` a call was acknowledged, `p` a seeded bug pauses where a kill hurts, `d` done.
"""

from __future__ import annotations

import math
import os
import random
import time
from pathlib import Path
from typing import Any

import msgspec
import trio

from callboard import Node, open_node
from callboard.mailbox.disk import DiskStore
from callboard.mailbox.reading import read_counters
from callboard.mailbox.store import Writes
from callboard.mailbox.writer import Writer
from callboard.testing.journal import Journal

from . import bugs
from .cast import EFFECTS, Listener, Shown
from .senders import Roster, Sender, start_soon

PARK_S = 0.15
FLOOD = 4500
"""Messages of a flood: more than the runtime keeps of one mailbox in memory."""
PATIENCE_S = 3.0
"""How long nothing may happen before the last run gives up."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of the program is to do."""

    place: str
    """Directory of the store and of the journals."""
    run: int
    seed: int = 0
    senders: int = 10
    speculation: bool = True
    writer: str = "adaptive"
    """Where commits run: inline, thread or adaptive."""
    lag: float = 0.0
    """Seconds that a commit may take longer than it does, before or after it is on disk."""
    bug: str = ""
    seconds: float | None = None
    """When to end by itself, with a clean close; never, unless given."""
    hoard: bool = False
    """Send big messages as well."""
    drain: bool = False
    """Send nothing new; let all mail be handled, and write down what everybody heard."""


class Final(msgspec.Struct):
    """What the last run found."""

    shown: dict[str, Shown]
    left: int = 0
    """Messages that were still waiting when patience ended."""


def tell_harness(letter: str) -> None:
    """Say something on stdout, at once."""
    os.write(1, letter.encode())


def run(text: str) -> None:
    """Do a `Job`, given as JSON; returns only from a drain."""
    job = msgspec.json.decode(text, type=Job)
    rng = random.Random(f"{job.seed}/{job.run}")
    _arrange_commits(job, rng)
    if job.bug:
        bugs.install(job.bug, lambda: tell_harness("p"))
    run_node(job)


def run_node(job: Job) -> None:
    """Run a node, in the runtime as it is."""
    place = Path(job.place)
    os.environ[EFFECTS] = str(place / "effects")
    trio.run(_main, job, place)


async def _main(job: Job, place: Path) -> None:
    tell_harness("o")
    async with open_node(place / "store", speculation=job.speculation, idle=0.05, park=PARK_S) as node:
        roster = Roster(node)
        if read_counters(node.store).actors < len(roster.listeners):
            await roster.spawn()
        senders = [_sender(job, place, number, roster) for number in range(job.senders)]
        tell_harness("r")
        with trio.move_on_after(math.inf if job.seconds is None else job.seconds):
            async with trio.open_nursery() as nursery:
                start_soon(nursery, roster.spawn)  # again, while old mail is being woken and new mail comes
                for sender in senders:
                    start_soon(nursery, sender.catch_up if job.drain else sender.send)
        if not job.drain:
            return
        final = Final({}, await _drain(node))
        for ref in roster.listeners:
            final.shown[ref.name] = msgspec.json.decode(await ref.ask(Listener.show()), type=Shown)
    (place / "final").write_bytes(msgspec.json.encode(final))
    tell_harness("d")


def _sender(job: Job, place: Path, number: int, roster: Roster) -> Sender:
    name = f"s{number}"
    rng = random.Random(f"{job.seed}/{job.run}/{name}")
    journal = Journal(place, name)
    flood = FLOOD if job.speculation else FLOOD // 30
    return Sender(name, roster, journal, rng, flood=flood, hoard=job.hoard, on_ack=lambda: tell_harness("."))


async def _drain(node: Node) -> int:
    """Wait until nothing is queued or scheduled; how much still is when nothing happens any more."""
    before, since = read_counters(node.store), trio.current_time()
    while trio.current_time() < since + PATIENCE_S:
        await node.wait_idle()
        counters = read_counters(node.store)
        if not counters.queued + counters.scheduled:
            return 0
        if counters != before:
            before, since = counters, trio.current_time()
        await trio.sleep(0.005)
    return before.queued + before.scheduled


def _arrange_commits(job: Job, rng: random.Random) -> None:
    """Commit where, and as slowly as, the job says."""
    writers: Any = Writer
    writers.__init__.__kwdefaults__["mode"] = job.writer
    if not job.lag:
        return
    commit = DiskStore.commit

    def slow_commit(store: DiskStore, writes: Writes) -> None:
        time.sleep(rng.uniform(0, job.lag) * rng.randrange(2))
        commit(store, writes)
        time.sleep(rng.uniform(0, job.lag) * rng.randrange(2))

    stores: Any = DiskStore
    stores.commit = slow_commit
