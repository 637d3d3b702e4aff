"""Programs that are sent signals, kill themselves, or fork; each is run as a process of its own.

Run as `python -P -c BOOT root name store ...`; a program says on stdout where it is, line by line.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import trio

from callboard import Actor, Node, StoreForked, StoreInUse, handler, open_node, run
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import read_counters

BOOT = "import sys; sys.path.append(sys.argv[1]); from tests.crash import orders; orders.main()"


class Sleeper(Actor, type_name="crash.Sleeper"):
    done: int = 0

    @handler
    async def sleep(self, seconds: float) -> int:
        """Say that it began, sleep, and count."""
        say("asleep")
        await trio.sleep(seconds)
        self.done += 1
        return self.done

    @handler
    async def count(self) -> int:
        self.done += 1
        return self.done

    @handler
    async def press_ctrl_c(self) -> None:
        signal.raise_signal(signal.SIGINT)


class Bomb(Actor, type_name="crash.Bomb"):
    """Ends its own process as long as there is a fuse."""

    survived: int = 0

    @handler
    async def explode(self, fuse: str, how: str) -> int:
        burn(Path(fuse), how)
        self.survived += 1
        return self.survived


def burn(fuse: Path, how: str) -> None:
    """End this process, if there is a fuse to burn."""
    if fuse.exists():
        fuse.unlink()
        if how == "exit":
            os._exit(9)
        ctypes.string_at(0)


def say(text: str) -> None:
    """Say something on stdout, at once."""
    os.write(1, f"{text}\n".encode())


def sleepy(store: str, seconds: str) -> None:
    """Under `run`: one handler sleeps so long, and another message waits behind it."""

    async def program(node: Node) -> None:
        sleeper = await node.spawn(Sleeper(), name="sleeper")
        await node.tell_all([(sleeper, Sleeper.sleep(float(seconds))), (sleeper, Sleeper.count())])
        await trio.sleep_forever()

    run(program, store=store, drain=60)


def pressed_inside(store: str) -> None:
    """Ctrl-C ends one handler's turn while another's waits for the commit that both are in."""

    async def program() -> None:
        async with open_node(store, drain=0.2) as node:
            sleeper = await node.spawn(Sleeper(), name="sleeper")
            other = await node.spawn(Sleeper(), name="other")
            await node.tell_all([(sleeper, Sleeper.sleep(0.01)), (other, Sleeper.press_ctrl_c())])
            await trio.sleep_forever()

    trio.run(program)


def held_up() -> None:
    """A turn waits for a disk that does not answer."""

    async def program() -> None:
        store = MemoryStore()
        async with open_node(store, drain=60) as node:
            sleeper = await node.spawn(Sleeper(), name="sleeper")
            store.hold()
            await sleeper.tell(Sleeper.sleep(0.01))

    trio.run(program)


def explosive(store: str, fuse: str, how: str) -> None:
    """A message that ends the process, and mail for somebody else; in the next run, what became of it."""

    async def program() -> None:
        async with open_node(store) as node:
            bomb = await node.spawn(Bomb(), name="bomb")
            sleeper = await node.spawn(Sleeper(), name="sleeper")
            if node.store.identity.incarnation == 1:
                await node.pause(bomb)
                await bomb.tell(Bomb.explode(fuse, how))
                await node.tell_all([(sleeper, Sleeper.count())] * 100)
            await node.resume(bomb)
            await node.wait_idle()
            say(f"{await sleeper.ask(Sleeper.count())} {read_counters(node.store).queued}")

    trio.run(program)


def forking(store: str) -> None:
    """Fork while a node is open: the child is refused, the parent goes on."""

    async def program() -> None:
        async with open_node(store) as node:
            sleeper = await node.spawn(Sleeper(), name="sleeper")
            fork_and_wait(node)
            say(str(await sleeper.ask(Sleeper.count())))

    trio.run(program)


def fork_and_wait(node: Node) -> None:
    """Let a child try to read the store, and say what it is told."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        read_counters(node.store)
    except StoreForked as error:
        say(f"{type(error).__name__}: {error}")
    os._exit(0)


def second(store: str) -> None:
    """Open a store, or say who has it."""

    async def program() -> None:
        try:
            async with open_node(store):
                say("opened")
                await trio.sleep_forever()
        except StoreInUse as error:
            say(str(error))

    trio.run(program)


PROGRAMS: dict[str, Callable[..., None]] = {
    "sleepy": sleepy,
    "pressed_inside": pressed_inside,
    "held_up": held_up,
    "explosive": explosive,
    "forking": forking,
    "second": second,
}


def main() -> None:
    """Run the program that the arguments name."""
    _, _, name, *arguments = sys.argv
    PROGRAMS[name](*arguments)
