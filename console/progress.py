"""Progress: one line on stderr that is written over, and nothing where no person watches."""

import sys
import time
from typing import Final

from .terminal import say

_BETWEEN_S: Final = 0.1
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """What a long command is doing, for a person at a terminal."""

    def __init__(self) -> None:
        """Begin; nothing is shown before the first step."""
        self._watched = sys.stderr.isatty()
        self._next = 0.0
        self._what = ""
        self._total = 0

    def step(self, what: str, total: int = 0) -> None:
        """Something begins; `total` is how many pieces it has, if that is known."""
        self._what, self._total, self._next = what, total, 0.0
        self._show(what)

    def count(self, done: int) -> None:
        """So many pieces are done."""
        if self._watched and time.monotonic() >= self._next:
            self._next = time.monotonic() + _BETWEEN_S
            share = f" ({min(100, 100 * done // self._total)} %)" if self._total else ""
            self._show(f"{self._what}: {done:,}{share}")

    def end(self) -> None:
        """Take the line away."""
        self._show("")

    def talk(self, text: str) -> None:
        """Say something that stays."""
        self.end()
        say(text)

    def _show(self, text: str) -> None:
        if self._watched:
            sys.stderr.write(f"{_CLEAR}{text}")
            sys.stderr.flush()
