"""A bank in a process of its own, and one in a thread, for the tests of what talks to a running node."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import trio

from callboard import Actor, Node, Refusal, Retry, handler, open_node


class Broke(Refusal):
    """There is no money."""


class Account(Actor, type_name="bank.Account"):
    """What the program below calls so too: the two processes share no code, only declared names."""

    balance: int = 0

    @handler
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @handler
    async def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise Broke(f"there are {self.balance}")
        self.balance -= amount
        return self.balance

    @handler
    async def muse(self, seconds: float) -> str:
        await trio.sleep(seconds)
        return "done"

    @handler
    async def hold(self, gate: str) -> str:
        """Make a file, and go on when somebody has removed it."""
        file = trio.Path(gate)
        await file.touch()
        while await file.exists():  # noqa: ASYNC110 - a file tells nobody
            await trio.sleep(0.01)
        return "done"

    @handler(retry=Retry(attempts=1))
    async def break_(self) -> None:
        raise ValueError("broken on purpose")

    @handler
    async def weigh(self, data: str) -> int:
        return len(data)

    @handler
    async def swell(self, size: int) -> bytes:
        return bytes(size)


PROGRAM = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from bank import Account
from callboard import Node
import trio

async def main(node: Node) -> None:
    await node.spawn(Account(100), name="ann")
    print("running", flush=True)
    await trio.sleep_forever()
"""


@contextmanager
def running(store: Path, program: Path) -> Generator[subprocess.Popen[str]]:
    """A node in a process of its own."""
    program.write_text(PROGRAM)
    command = [sys.executable, "-P", "-m", "callboard", "run", str(program), "--store", str(store)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ}
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


@contextmanager
def open_bank(store: Path) -> Generator[Callable[[], Node]]:
    """A node in a thread of this process; what is yielded gives it, for a look."""
    opened: list[Node] = []
    ready = threading.Event()
    ends: list[Callable[[], None]] = []

    async def keep() -> None:
        async with open_node(store, types=[Account], drain=0.1) as node:
            await node.spawn(Account(100), name="ann")
            done = trio.Event()
            token = trio.lowlevel.current_trio_token()
            opened.append(node)
            ends.append(lambda: token.run_sync_soon(done.set))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=trio.run, args=[keep])
    thread.start()
    try:
        assert ready.wait(20)
        yield lambda: opened[0]
    finally:
        if thread.is_alive():
            ends[0]()
        thread.join(20)
        assert not thread.is_alive()
