"""Victim: the demo's bank at work in a process of its own, which is killed and never outlives us."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from ..mailbox.errors import CallboardError
from .books import Books, read_books

STUCK_S: Final = 30.0
"""Seconds without any progress after which it is given up."""
POLL_S: Final = 0.02


class DemoFailed(CallboardError):
    """The bank failed by itself, or stands still."""


class Victim:
    """A process that runs the bank from a number of transfers on; leaving its block kills it."""

    def __init__(self, path: Path, first: int) -> None:
        self._path = path
        self._talk = tempfile.TemporaryFile("w+", errors="backslashreplace")  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(  # noqa: S603 - this very Python, and a module of ours
            [sys.executable, "-P", "-m", f"{__package__}.demo_bank", str(path), str(first)],
            stdin=subprocess.DEVNULL,
            stdout=self._talk,
            stderr=self._talk,
            start_new_session=True,  # so that a Ctrl-C at the terminal is heard by us alone, who end it
        )

    def __enter__(self) -> Victim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._talk.close()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: it cannot be caught, and nothing is cleaned up."""
        self._process.kill()
        self._process.wait()

    def wait_booked(self, mark: int | None) -> bool:
        """Wait until so many bookings are done, or until it has ended; whether it still lives.

        Raises:
            DemoFailed: it ended with an error, or nothing happens any more.
        """
        books: Books | None = None
        since = time.monotonic()
        while (code := self._process.poll()) is None:
            seen = read_books(self._path)
            if mark is not None and seen.entries >= mark:
                return True
            if seen != books:
                books, since = seen, time.monotonic()
            elif time.monotonic() > since + STUCK_S:
                raise DemoFailed(f"the bank has done nothing for {STUCK_S:g} s; it said: {self._said()}")
            time.sleep(POLL_S)
        if code:
            raise DemoFailed(f"the bank ended by itself with exit code {code}; it said: {self._said()}")
        return False

    def _said(self) -> str:
        self._talk.seek(0)
        return self._talk.read().strip().rpartition("\n")[2]
