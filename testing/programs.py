"""Programs: what a kill loop starts, once for each run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import attrs

from ..cluster.node import Node
from .kills import ProgramFailed
from .stable import Job, Stable

Words = list[str] | list[Path] | list[str | Path] | tuple[str | Path, ...]
"""A command, the program first."""
Given = Words | str | Callable[[Node], Awaitable[object]] | Callable[[], object]
"""A program as users give it: a command, or an importable function or its name."""


@attrs.frozen
class Run:
    """One run that is to be started."""

    number: int
    """From 1."""
    last: bool
    """Whether it is the healthy one that handles all mail."""
    out: Path
    """The file for its stdout."""
    err: Path
    """The file for its stderr."""


class Process(Protocol):
    """A run that was started, and leads a process group of its own."""

    @property
    def pid(self) -> int:
        """The process; also the number of its group."""
        ...

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it, and it is reaped; None while it runs."""
        ...


@runtime_checkable
class Program(Protocol):
    """Something that can be started again and again."""

    def start(self, run: Run) -> Process:
        """Start a run.

        Raises:
            ProgramFailed: there is nothing to start.
        """
        ...

    def close(self) -> None:
        """Leave nothing behind; a later `start` begins anew."""
        ...


class Command:
    """A command, started as a process of its own."""

    def __init__(self, words: Words, last: Words | None, cwd: Path | None) -> None:
        """Take a command, and the one for the last run if that is another."""
        self._words = _checked(words)
        self._last = self._words if last is None else _checked(last)
        self._cwd = cwd

    def start(self, run: Run) -> Process:
        """See `Program.start`."""
        words = self._last if run.last else self._words
        self._find(words[0])
        with run.out.open("wb") as out, run.err.open("wb") as err:
            return subprocess.Popen(  # noqa: S603 - to run what the caller names is what it is for
                # env(1) adds to what the child inherits: a print must come out before a kill, not after.
                ["/usr/bin/env", "PYTHONUNBUFFERED=1", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self._cwd,
                start_new_session=True,
            )

    def close(self) -> None:
        """See `Program.close`."""

    def _find(self, word: str) -> None:
        """Refuse what is no program, in words that env would not find."""
        where = self._cwd or Path()
        if not where.is_dir():
            raise ProgramFailed(f"the program cannot be started in {where}: there is no such directory")
        found = os.access(where / word, os.X_OK) if "/" in word else shutil.which(word) is not None
        if not found:
            raise ProgramFailed(
                f"there is no program {word!r} that could be run: give its path, or begin the command "
                "with the program that runs it, such as sys.executable"
            )


class Importable:
    """A function that can be imported, forked from a process that has imported it."""

    def __init__(self, target: str, store: Path, cwd: Path | None, arguments: Sequence[str] = ()) -> None:
        """Take the name of a function, as `module:function`."""
        module, colon, function = target.partition(":")
        if not (colon and module and function):
            raise ValueError(
                f"give a command as a list of words, or a function as 'module:function'; got {target!r}"
            )
        self._target = target
        self._store = store
        self._cwd = cwd
        self._arguments = list(arguments)
        self._stable: Stable | None = None

    def start(self, run: Run) -> Process:
        """See `Program.start`."""
        return self.start_with(run, self._arguments)

    def start_with(self, run: Run, arguments: Sequence[str]) -> Process:
        """Start a run with arguments of its own."""
        if self._stable is None:
            # Last on the path: a folder of a user's must not hide the standard library.
            path = [*sys.path, str(self._cwd)] if self._cwd else sys.path
            err = run.err.with_name("stable.err")
            self._stable = Stable(self._target, store=self._store, path=path, cwd=self._cwd, err=err)
        return self._stable.start(Job(list(arguments), str(run.out.absolute()), str(run.err.absolute())))

    def close(self) -> None:
        """See `Program.close`."""
        if self._stable is not None:
            self._stable.close()
            self._stable = None


def program_of(given: Given | Program, *, store: Path, last: Words | None, cwd: Path | None) -> Program:
    """The program that a user means.

    Raises:
        TypeError, ValueError: it is none; the text says what would be.
    """
    if not (isinstance(given, str | Program) or callable(given)):
        return Command(given, last, cwd)
    if last is not None:
        raise TypeError("last= is another command for the last run, so the program must be a command too")
    if isinstance(given, Program):
        return given
    return Importable(given if isinstance(given, str) else _name_of(given), store, cwd)


def _name_of(function: object) -> str:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not callable(function) or not isinstance(module, str) or not isinstance(name, str):
        raise TypeError(
            f"a program is a list of words, a function or 'module:function'; got {function!r:.80}"
        )
    if module == "__main__" or "<" in name:
        raise ValueError(
            f"{name} in {module} cannot be imported by another process: put it at the top of a module "
            "that can be"
        )
    return f"{module}:{name}"


def _checked(words: Words) -> list[str]:
    """The words of a command as text."""
    if not isinstance(words, list | tuple) or not words:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a command is a list of words, the program first; got {words!r:.80}")
    return [str(word) for word in words]
