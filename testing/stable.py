"""The stable: a process that has imported a program and forks a fresh one for each run.

So a run costs milliseconds instead of the half second that Python and the imports take. The stable reads
one job a line on stdin; on stdout it says the pid of each run, and then how it ended. What the run
itself prints goes to files.
"""

from __future__ import annotations

import importlib
import inspect
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, reduce
from pathlib import Path
from types import FrameType
from typing import Any, cast

import msgspec

from ..actors.errors import is_group
from ..cluster.running import run
from .kills import ProgramFailed, last_lines, shown

BOOT = (
    "import sys; target, store, *sys.path[:] = sys.argv[1:]; "
    "from callboard.testing import stable; stable.serve(target, store)"
)
"""What the stable runs, with the path of whoever starts it: what a test can import, the stable can."""
_END_WITHIN_S = 10.0


class Job(msgspec.Struct, frozen=True):
    """One run, as the stable is told of it."""

    arguments: list[str]
    out: str
    """The file for its stdout."""
    err: str


# The starter's side.


class Stable:
    """A stable, as whoever starts it sees it."""

    def __init__(self, target: str, *, store: Path, path: Sequence[str], cwd: Path | None, err: Path) -> None:
        """Start it, and wait until it has imported the program.

        Raises:
            ProgramFailed: it cannot be imported.
        """
        self.pid = 0
        """Of the run that is under way."""
        self._code: int | None = 0
        self._target = target
        self._err = err
        with err.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-P", "-c", BOOT, target, str(store.absolute()), *filter(None, path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=cwd,
                bufsize=0,
                start_new_session=True,
            )
        try:
            self._hear()
        except BaseException:
            self.close()
            raise

    def start(self, job: Job) -> Stable:
        """Start a run; the stable then stands for its process."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        self._code = None
        self.pid = int(self._hear())
        return self

    def poll(self) -> int | None:
        """How the run ended: its exit code, or minus the signal; None while it runs."""
        assert self._process.stdout is not None
        if self._code is None and select.select([self._process.stdout], [], [], 0)[0]:
            self._code = int(self._hear())
        return self._code

    def close(self) -> None:
        """End it, and the run if one is under way."""
        self._process.terminate()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(_END_WITHIN_S)

    def _hear(self) -> str:
        """One line from the stable."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode().strip()
        if not line:
            raise ProgramFailed(f"{self._target} cannot be run; {shown(last_lines(self._err))}")
        return line


# The stable's own side.


def serve(target: str, store: str) -> None:
    """Import the program, then fork for every line."""
    program = resolve(target, store)
    signal.signal(signal.SIGTERM, _leave)
    os.write(1, b"ready\n")
    for line in sys.stdin:
        job = msgspec.json.decode(line, type=Job)
        pid = 0
        try:
            pid = os.fork()
            if not pid:
                _live(program, job)
            _, status = os.waitpid(pid, 0)
        except SystemExit:
            if pid:
                _end(pid)
            raise
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def resolve(target: str, store: str) -> Callable[..., object]:
    """What a run calls: a plain function, or `run` with an async function that takes a node."""
    module, _, name = target.partition(":")
    found: Any = reduce(getattr, name.split("."), importlib.import_module(module))
    return partial(run, found, store=store) if inspect.iscoroutinefunction(found) else found


def is_interrupt(error: BaseException) -> bool:
    """Whether it is a Ctrl-C and nothing else; the nurseries that it came through have wrapped it."""
    if is_group(error):
        return all(is_interrupt(each) for each in error.exceptions)
    return isinstance(error, KeyboardInterrupt)


def _leave(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)


def _end(pid: int) -> None:
    """End a run, with all that it has started."""
    os.kill(pid, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):  # if it had no group yet, or leaves none
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _live(program: Callable[..., object], job: Job) -> None:
    """Be the run, and end as a script of its own would."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.write(1, f"{os.getpid()}\n".encode())
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, job.out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, job.err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        file = os.open(name, flags, 0o600)
        os.dup2(file, number)
        os.close(file)
    cast("Any", sys.stdout).reconfigure(line_buffering=True)  # a print must come out before a kill, not after
    code = 1
    try:
        code = _code_of(partial(program, *job.arguments))
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _code_of(program: Callable[[], object]) -> int:
    """The exit code of a script that does this."""
    try:
        program()
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
            return 1
        return end.code or 0
    except BaseException as error:
        if is_interrupt(error):
            return 128 + signal.SIGINT
        traceback.print_exc()
        return 1
    return 0
