"""Bar: how far the work is, drawn on stderr; whole lines where stderr is no terminal."""

import os
import sys
from types import TracebackType
from typing import Self, TextIO

WIDTH = 40
CLEAR = "\r\x1b[K"
GREEN, RED, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"


class Bar:
    """A progress bar; use it as a context, so that the cursor's line is left clean."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colour = self._live and not os.environ.get("NO_COLOR")
        self._tenth = 0

    def show(self, done: int, total: int) -> None:
        """Draw it anew; without a terminal, only at each further tenth."""
        share = done / total if total else 0.0
        text = f"[{'#' * int(share * WIDTH):-<{WIDTH}}] {share:4.0%} {done:,} of {total:,} files"
        if self._live:
            self._write(CLEAR + self._painted(text, GREEN))
        elif int(share * 10) > self._tenth:
            self._tenth = int(share * 10)
            self._write(text + "\n")

    def say(self, text: str, *, bad: bool = False) -> None:
        """Print a line above the bar."""
        start = CLEAR if self._live else ""
        self._write(start + (self._painted(text, RED) if bad else text) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._write(CLEAR)

    def _painted(self, text: str, colour: str) -> str:
        return f"{colour}{text}{PLAIN}" if self._colour else text

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
