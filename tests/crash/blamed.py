"""A program with a message that ends its process, or stands in it until an operator does (G8).

Run as `python -P -c BOOT root store how fuse`: the first run sends everything, and each later one goes on.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import trio
import trio.lowlevel

from callboard import Actor, ActorRef, Node, handler, open_node
from callboard.actors.world import Habits
from callboard.cluster.opening import open_store, real_world, run_runtime
from callboard.mailbox import inhand

from .memory_limit import GROUP, use_up

BOOT = "import sys; sys.path.append(sys.argv[1]); from tests.crash import blamed; blamed.main()"
GRACE_S = 0.2
"""A step as long as this is a slow one in these programs, seconds."""
OTHERS = [f"other {number}" for number in range(5)]


class Other(Actor, type_name="blamed.Other"):
    done: int = 0

    @handler
    async def count(self) -> None:
        self.done += 1
        await trio.lowlevel.checkpoint()


class Poison(Actor, type_name="blamed.Poison"):
    done: int = 0

    @handler
    async def take(self, how: str, fuse: str) -> None:
        """End the process, or stand in it, as long as the fuse is there."""
        if exists(fuse):
            if how == "wait":
                say("in hand")
                await trio.sleep(60)
            end_or_stand(how)
        self.done += 1

    @handler
    async def take_later(self, how: str, fuse: str) -> None:
        """The same after the handler has suspended."""
        await trio.sleep(0.01)
        if exists(fuse):
            end_or_stand(how)
        self.done += 1

    @handler
    async def count(self) -> None:
        self.done += 1


class Spark(Actor, type_name="blamed.Spark"):
    @handler
    async def pass_on(self, to: ActorRef[Poison], how: str, fuse: str) -> None:
        await to.tell(Poison.take(how, fuse))


def end_or_stand(how: str) -> None:
    """End this process as a bug does, or block it as an innocent handler does."""
    if how == "exit":
        os._exit(9)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "memory":
        use_up(Path(os.environ[GROUP]))
        os._exit(3)  # nobody killed it
    say("in hand")
    if how == "sleep":
        time.sleep(60)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass


def exists(path: str) -> bool:
    """Whether a file is there."""
    return Path(path).exists()


def say(text: str) -> None:
    """Say something on stdout, at once."""
    os.write(1, f"{text}\n".encode())


async def send(node: Node, how: str, fuse: str) -> None:
    """Everything there is; the poison stands in the middle."""
    poison = await node.spawn(Poison(), name="poison")
    spark = await node.spawn(Spark(), name="spark")
    others = [await node.spawn(Other(), name=name) for name in OTHERS]
    how, _, kind = how.partition("/")
    message = Poison.take_later(how, fuse) if kind == "later" else Poison.take(how, fuse)
    if kind == "sent":
        await spark.tell(Spark.pass_on(poison, how, fuse))
    else:
        await poison.tell(message)
        await poison.tell(Poison.count())
    await node.tell_all([(other, Other.count()) for other in others])


async def program(store: str, how: str, fuse: str) -> None:
    """One run of the node, until nothing is left to do."""
    if not exists(store):
        opened = open_store(store, "", time.time_ns)
        world, habits = real_world(None, None, None), Habits(at_rest=True)
        async with run_runtime(opened, world, habits, 0) as runtime:
            await send(Node(runtime), how, fuse)  # all of it is on disk before a turn begins
    async with open_node(store) as node:
        await node.wait_idle()


def main() -> None:
    """Run it."""
    inhand.GRACE_S = GRACE_S
    store, how, fuse = sys.argv[2:]
    trio.run(program, store, how, fuse)
