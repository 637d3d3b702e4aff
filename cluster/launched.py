"""Launched: one node of a cluster on this machine, as its launcher holds it: a process, again and again."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs
import msgspec
import trio

from .orders import Order, Report
from .prefixing import Prefixed

log: Final = logging.getLogger("callboard.cluster")

BACKOFF_S: Final = (0.1, 5.0)
"""Between a crash and the next start: from, doubling with each crash in a row, to."""
SETTLED_S: Final = 2.0
"""A process that has lived so long has come up: its crash is the first in a row."""
LAST_LINES: Final = 20
"""Of stderr, for the error that says why a node has died."""
OUTPUT_S: Final = 0.5
"""How long the output is read after a process has ended: what it started may hold the pipes open."""
NO_CRASH: Final = {0, 70, 128 + signal.SIGINT, 128 + signal.SIGTERM}
"""Exit codes of a program that has come to its end, given up, or stopped as it was told."""


@attrs.frozen
class Plan:
    """What a node is started with, each time."""

    words: list[str]
    peers: dict[str, str]
    restart: bool
    out: Prefixed
    err: Prefixed
    news: Callable[[], None]
    """Called whenever something about the node has changed."""


class LaunchedNode:
    """One node of a launched cluster: it has a process of its own, and after a crash perhaps another.

    Attributes:
        name: the node's name.
        address: where the others reach it.
        store: the directory of its store.
        restarts: how often it was started again after a crash.
        code: how it ended, if it has ended for good: an exit code, or minus the signal; else None.
    """

    def __init__(self, name: str, address: str, store: Path, plan: Plan) -> None:
        """Prepare; `run` starts it."""
        self.name = name
        self.address = address
        self.store = store
        self.restarts = 0
        self.code: int | None = None
        self.report: Report | None = None
        """What its process said last; None if it has not said anything yet."""
        self._plan = plan
        self._process: trio.Process | None = None
        self._was_linked = False
        """Whether it ever was: what fails at its very start is a mistake, and no crash to go on after."""
        self._stopping = False
        self._hurry = trio.Event()
        self._ended = trio.Event()

    @property
    def pid(self) -> int | None:
        """The process; None while there is none."""
        return None if self._process is None else self._process.pid

    @property
    def linked(self) -> bool:
        """Whether it runs and has a link to every other node, as far as it has said."""
        return self._process is not None and self.report is not None and not self.report.missing

    @property
    def done(self) -> bool:
        """Whether its `main` has returned and its mail is handled, or it has ended for good."""
        return self.code is not None or (self.report is not None and self.report.done)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to its process, if there is one: to freeze it, for instance."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End its process at once, with all that it has started; it counts as a crash."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # the latter if all of them are dead
                os.killpg(self._process.pid, signal.SIGKILL)

    def stop_soon(self) -> None:
        """Let the turns in hand finish, and end it for good; once is enough."""
        if not self._stopping:
            self._stopping = True
            self._hurry.set()
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)  # one that is frozen hears nothing

    async def stop(self) -> int:
        """The same, and return how it ended."""
        self.stop_soon()
        return await self.wait()

    async def wait(self) -> int:
        """Return how it ended, when it has ended for good: an exit code, or minus the signal."""
        await self._ended.wait()
        assert self.code is not None
        return self.code

    def last_words(self) -> str:
        """The end of its stderr."""
        return "\n".join(self._plan.err.last)

    # For the launcher.

    async def run(self) -> None:
        """Keep its process going until it has ended for good, which `stop` brings about and no scope does."""
        code = -signal.SIGKILL  # of what is left if this fails, as where its output cannot be written
        with trio.CancelScope(shield=True):
            try:
                code = await self._run_again_and_again()
            finally:
                self._stopping = True
                self.code = code
                self._ended.set()
                self._plan.news()

    async def _run_again_and_again(self) -> int:
        pause = BACKOFF_S[0]
        while not self._stopping:
            began = trio.current_time()
            code = await self._run_once()
            if self._stopping or not self._may_restart or code in NO_CRASH:
                return code
            if trio.current_time() - began >= SETTLED_S:
                pause = BACKOFF_S[0]
            log.warning("node %r %s; it is started again in %g s", self.name, ended_how(code), pause)
            with trio.move_on_after(pause):
                await self._hurry.wait()
            pause = min(2 * pause, BACKOFF_S[1])
            self.restarts += not self._stopping
        return 128 + signal.SIGTERM  # it was told to stop while it was down

    @property
    def _may_restart(self) -> bool:
        return self._plan.restart and self._was_linked

    async def _run_once(self) -> int:
        leash_end, leash = os.pipe()
        report, report_end = os.pipe()
        try:
            order = Order(self.name, str(self.store), self._plan.peers, leash_end, report_end)
            process = await self._start(order)
        except BaseException:
            os.close(report)
            os.close(leash)
            raise
        finally:
            os.close(leash_end)
            os.close(report_end)
        try:
            return await self._attend(process, report)
        finally:
            os.close(leash)
            self._process = self.report = None
            self._plan.news()

    async def _start(self, order: Order) -> trio.Process:
        return await trio.lowlevel.open_process(
            self._plan.words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=order.environment(),
            pass_fds=(order.leash, order.report),
            start_new_session=True,  # so that a Ctrl-C at the terminal is heard by the launcher alone
        )

    async def _attend(self, process: trio.Process, report: int) -> int:
        self._process = process
        if self._stopping:
            self.send(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with process.stdout, process.stderr, trio.open_nursery() as nursery:
                nursery.start_soon(self._plan.out.show, process.stdout)
                nursery.start_soon(self._plan.err.show, process.stderr)
                nursery.start_soon(self._hear, report)
                code = await process.wait()
                nursery.cancel_scope.deadline = trio.current_time() + OUTPUT_S
        finally:
            if process.returncode is None:
                self.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()
        return code

    async def _hear(self, report: int) -> None:
        async with trio.lowlevel.FdStream(report) as stream:
            rest = b""
            while chunk := await stream.receive_some():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self.report = msgspec.json.decode(line, type=Report)
                self._was_linked = self._was_linked or self.linked
                self._plan.news()

    def __repr__(self) -> str:
        return f"<launched node {self.name}, {'no process' if self.pid is None else f'process {self.pid}'}>"


def ended_how(code: int) -> str:
    """How a process ended, in words."""
    return f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"


def words_for(program: str | Path | list[str], folder: Path) -> list[str]:
    """The command that runs a program: a file and perhaps its function, `module:function`, or a command.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(program, list):
        return program
    file, colon, function = str(program).rpartition(":")
    script = Path(file if colon and not Path(program).is_file() else program)
    if script.suffix == ".py":
        if not script.is_file():
            raise ValueError(
                f"there is no program {script}: name a Python file, such as shop.py or shop.py:main"
            )
        return [sys.executable, "-P", "-m", "callboard", "run", str(program)]
    parts = file.split(".")
    if not (function.isidentifier() and all(part.isidentifier() for part in parts)):
        raise ValueError(
            f"{str(program)!r} is no program: give a Python file, such as shop.py or shop.py:main, "
            "a function as 'module:function', or a command as a list of words"
        )
    paths = [*sys.path, str(folder)]  # last: a user's folder must not hide the standard library
    code = (
        f"import sys; sys.path[:] = {paths!r}; "
        f"from callboard.cluster.running import run_named; run_named({file!r}, {function!r})"
    )
    return [sys.executable, "-P", "-c", code]
