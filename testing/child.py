"""Child: one run of a program, watched from outside."""

from __future__ import annotations

import codecs
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..mailbox.errors import StoreInUse
from ..mailbox.lock import Holder, read_holder, take_lock
from ..mailbox.preflight import Place, look_at
from .kills import ProgramFailed, last_lines, shown
from .moments import Moment, Stage
from .programs import Process, Run

POLL_S = 0.001
"""How often we look. What a run says comes by a file: a full pipe would hold it up."""
START_WITHIN_S = 30.0
"""Seconds in which a run has to open its store, and to say what is waited for."""
END_WITHIN_S = 20.0
"""Seconds in which a run has to end after a signal."""


class Child:
    """One run of a program.

    Attributes:
        run: which.
        said: what it has said on stdout.
        code: its exit code, or minus the signal; None while it runs.
        opened_at: when it began to open its store, by the monotonic clock; None if it has not.
        ended_at: when it had ended.
    """

    def __init__(self, process: Process, run: Run, store: Path, before: Holder) -> None:
        """Watch a process; `before` is who held the store before it was started."""
        self.run = run
        self.said = ""
        self.code: int | None = None
        self.opened_at: float | None = None
        self.ended_at: float | None = None
        self._process = process
        self._store = store
        self._before = before
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._heard = 0

    def wait_until(self, met: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so; False if the child ended first, or time ran out."""
        until = time.monotonic() + seconds
        while self.look() is None and not met() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, POLL_S))
        return met()

    def pause(self, seconds: float) -> None:
        """Let it live so long, if it does."""
        self.wait_until(lambda: False, seconds)

    def live_until(self, moment: Moment) -> None:
        """Let it live until a moment to kill, or until it ends.

        Raises:
            ProgramFailed: the moment does not come.
        """
        if moment.after is Stage.OPENED or moment.within is not None:
            self._wait_for(self.has_opened, f"opened the store {self._store}: does it open another")
        if isinstance(moment.after, str):
            self._wait_for_text(moment.after, moment)
        self.pause(moment.seconds)

    def _wait_for_text(self, text: str, moment: Moment) -> None:
        def said() -> bool:
            return self.said.count(text) >= moment.count

        if moment.within is not None:
            self.wait_until(said, moment.within)
        else:
            times = "" if moment.count == 1 else f" {moment.count} times"
            self._wait_for(said, f"said {text!r}{times}: does it flush its stdout")

    def _wait_for(self, met: Callable[[], bool], what: str) -> None:
        if not self.wait_until(met, START_WITHIN_S) and self.code is None:
            raise ProgramFailed(
                f"run {self.run.number} has lived for {START_WITHIN_S:g} s and has not {what}? "
                f"{self.stderr()}"
            )

    def has_opened(self) -> bool:
        """Whether it has begun to open its store: then the note in LOCK is another one."""
        return self.opened_at is not None

    def look(self) -> int | None:
        """See whether it has ended, what it has said, and whether it has the store."""
        if self.code is None:
            code = self._process.poll()  # first: what it says after this we hear the next time
            self._hear()
            if self.opened_at is None and read_holder(self._store) != self._before:
                self.opened_at = time.monotonic()
            if code is not None:
                self.ended_at = time.monotonic()
            self.code = code
        return self.code

    def _hear(self) -> None:
        with suppress(FileNotFoundError), self.run.out.open("rb") as file:
            file.seek(self._heard)
            data = file.read()
            self._heard += len(data)
            self.said += self._decode(data)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and to what it has started."""
        with suppress(ProcessLookupError, PermissionError):  # the latter where all in the group are dead
            os.killpg(self._process.pid, number)

    def wait_end(self) -> int:
        """Wait until it has ended; its code.

        Raises:
            ProgramFailed: it does not end.
        """
        if not self.wait_until(lambda: self.code is not None, END_WITHIN_S):
            raise ProgramFailed(
                f"run {self.run.number} does not end after {END_WITHIN_S:g} s; {self.stderr()}"
            )
        assert self.code is not None
        return self.code

    def end(self) -> None:
        """End it, whatever it does, with all that it has started."""
        self.send(signal.SIGKILL)
        self.wait_end()
        wait_free(self._store, END_WITHIN_S)

    def end_in_words(self) -> str:
        """How it ended, with the end of its stderr."""
        number = self.code or 0
        how = f"exit code {number}" if number >= 0 else f"by signal {-number}"
        opened = "" if self.has_opened() else f" and had not opened the store {self._store}"
        return f"ended with {how}{opened}; {self.stderr()}"

    def stderr(self) -> str:
        """The end of its stderr, as errors show it."""
        return shown(last_lines(self.run.err))


def wait_free(store: Path, seconds: float = 0.0) -> Holder:
    """Wait until no node has a store; the note that then lies in its LOCK.

    Raises:
        StoreInUse: somebody still has it.
        NotAStore: the path holds something else.
        StoreError: another of its kinds.
    """
    until = time.monotonic() + seconds
    while look_at(store) is not Place.MISSING:
        try:
            take_lock(store, time.time_ns()).release()
            break
        except StoreInUse:
            if time.monotonic() >= until:
                raise
        time.sleep(POLL_S)
    return read_holder(store)
