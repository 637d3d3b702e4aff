"""A node under a steady load of everything, for as long as it is let; it is started and killed by a test.

It says every second what it takes, as one line of JSON. All that it makes it also takes away again, so
neither its memory nor its store may grow.
"""

from __future__ import annotations

import json
import random
import sys
import time
from datetime import timedelta
from pathlib import Path

import trio

from callboard import Actor, ActorRef, Node, Retry, handler, open_node

NAMES = 5000
"""Actors that may be awake or asleep."""
BATCH = 100


class Failing(Exception):
    """What a dead letter died of."""


class Hand(Actor, type_name="soaking.Hand"):
    """Does one of everything now and then."""

    done: int = 0
    note: str = ""

    @handler
    async def work(self, number: int, other: ActorRef[Hand], text: str) -> None:
        self.done += 1
        self.note = text[:100]
        match number % 10:
            case 0:
                self.turn.after(number % 5, Hand.ring(number))
            case 1:
                self.turn.after(30, Hand.ring(number), key="late")
            case 2:
                self.turn.cancel("late")
            case 3:
                self.turn.request(other, Hand.count(), then=Hand.counted, timeout=5)
            case 4:
                child = self.turn.spawn(Hand())
                await child.tell(Hand.leave())
            case _:
                await other.tell(Hand.ring(number))

    @handler
    async def ring(self, number: int) -> None:
        self.done += 1

    @handler
    async def count(self) -> int:
        return self.done

    @handler
    async def counted(self, number: int) -> None:
        self.done += 1

    @handler
    async def leave(self) -> None:
        self.turn.stop()

    @handler(retry=Retry(attempts=2, wait=0.1))
    async def fail(self, text: str) -> None:
        raise Failing(text)


async def load(node: Node, until: float) -> None:
    """Send, as fast as the node takes it in but for a rest now and then."""
    names = [f"hand/{number}" for number in range(NAMES)]
    for first in range(0, NAMES, 500):
        async with trio.open_nursery() as nursery:
            for name in names[first : first + 500]:
                nursery.start_soon(make, node, name)
    number = 0
    while time.monotonic() < until:
        refs = [node.ref(Hand, name) for name in random.choices(names, k=BATCH + 1)]
        pairs = [
            (ref, Hand.work(number + at, refs[at + 1], "x" * random.randrange(400)))
            for at, ref in enumerate(refs[:-1])
        ]
        await node.tell_all([*pairs, (refs[0], Hand.fail("y" * 500))])
        await refs[0].ask(Hand.count(), id=f"{node.store.identity.incarnation}/{number}")
        number += BATCH
        await trio.sleep(0.01)


async def make(node: Node, name: str) -> None:
    await node.spawn(Hand(), name=name)


def taken(path: Path) -> dict[str, int]:
    """Bytes of this process's own memory, and of the store's file."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
    return {"memory": own * 1024, "file": (path / "data.mdb").stat().st_size}


async def tend(node: Node, path: Path, began: float) -> None:
    """Say how it goes, and drop the dead letters, as people do."""
    while True:
        await trio.sleep(1)
        await node.dead.drop(most=None, reason="*")
        now = node.statistics()
        said = {
            "at": time.monotonic() - began,
            **taken(path),
            "waiting": now.queued + now.scheduled,
            "handled": now.handled,
            "books": now.accepted
            - (now.handled + now.sent + now.queued + now.scheduled + now.died + now.discarded),
        }
        print(json.dumps(said), flush=True)


async def main(path: Path, seconds: float) -> None:
    began = time.monotonic()
    async with (
        open_node(path, idle=2, park=5, keep_ids=timedelta(seconds=5), drain=5) as node,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(tend, node, path, began)
        await load(node, began + seconds)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), float(sys.argv[2]))
