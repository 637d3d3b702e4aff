"""Prefixing: the output of several processes on one terminal, a line at a time, each with its node's name.

A line is written in one go when it is complete, so lines of different nodes never mix. What a process said
last without ending the line is shown when it ends.
"""

from __future__ import annotations

from collections import deque
from typing import Final, TextIO

import trio

LONGEST: Final = 64 * 1024
"""Bytes after which a line is broken: a process that ends none must not fill our memory."""
COLOURS: Final = (36, 33, 32, 35, 34, 31)
"""Of prefixes, by turns: cyan, yellow, green, magenta, blue, red."""


class Prefixed:
    """One stream of one node."""

    def __init__(self, prefix: str, onto: TextIO, *, colour: int | None = None, keep: int = 0) -> None:
        """Show lines on a stream of ours.

        Args:
            prefix: what each begins with.
            onto: where they go.
            colour: of the prefix; None for none.
            keep: how many of the last lines to remember.
        """
        self.last: deque[str] = deque(maxlen=keep)
        self._prefix = prefix if colour is None else f"\x1b[{colour}m{prefix}\x1b[0m"
        self._onto = onto

    async def show(self, stream: trio.abc.ReceiveStream) -> None:
        """Show all that comes, to its end."""
        rest = b""
        while chunk := await stream.receive_some(LONGEST):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) >= LONGEST:
                lines, rest = [*lines, rest], b""
            self._put(lines)
        if rest:
            self._put([rest])

    def _put(self, lines: list[bytes]) -> None:
        texts = [line.removesuffix(b"\r").decode(errors="backslashreplace") for line in lines]
        self.last.extend(texts)
        self._onto.write("".join(f"{self._prefix}{text}\n" for text in texts))
        self._onto.flush()


def prefixes(names: list[str]) -> dict[str, str]:
    """What the lines of each node begin with, all of one width."""
    width = max(map(len, names))
    return {name: f"{name:{width}} | " for name in names}


def colour_of(number: int, onto: TextIO) -> int | None:
    """The colour of a node's prefix; None where it would not be seen."""
    return COLOURS[number % len(COLOURS)] if onto.isatty() else None
