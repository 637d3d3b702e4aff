"""Journal: what a sender notes before and after each of its calls.

A line is written with one `write` to a file opened to append, so what is in it survives the
process that wrote it, as `kill -9` leaves the page cache alone. A last line that was cut short
counts as not written: then the call was not made yet, or its end not yet believed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec


class Span(msgspec.Struct, frozen=True, array_like=True):
    """Numbered messages of one stream to one receiver, sent in order."""

    to: str
    stream: str
    first: int
    last: int

    def messages(self) -> Iterator[Key]:
        """Each message by its own key."""
        return ((self.to, self.stream, number) for number in range(self.first, self.last + 1))


Key = tuple[str, str, int]
"""Receiver, stream, number: one message."""


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """A run begins: which number each stream is at, and which call with an id is still open."""

    next: dict[str, int]
    pending: Tried | None = None


class Tried(msgspec.Struct, frozen=True, tag="tried"):
    """A call is about to be made."""

    how: str
    """tell, all, ask, doomed, delayed, keyed; and id, askid, which are tried until they succeed."""
    spans: list[Span]


class Acked(msgspec.Struct, frozen=True, tag="acked"):
    """The call returned."""

    reply: int | None = None


class Odd(msgspec.Struct, frozen=True, tag="odd"):
    """Something the sender saw that must never be."""

    text: str


Line = Begun | Tried | Acked | Odd
_decode = msgspec.json.Decoder(Line).decode
_encode = msgspec.json.Encoder().encode


def append(path: Path, text: bytes) -> None:
    """Add a line to a file, with one write."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, text + b"\n")
    finally:
        os.close(file)


class Journal:
    """One sender's notes of one run."""

    def __init__(self, place: Path, sender: str, run: int) -> None:
        """Go on where the last run's notes end."""
        self.next, self.pending = _where_it_ended(_latest(place, sender))
        self._path = place / f"{sender}.{run:04}.log"
        self._write(Begun(dict(self.next), self.pending))

    def take(self, to: str, stream: str, count: int = 1) -> Span:
        """The next numbers of a stream."""
        name = f"{to} {stream}"
        first = self.next.get(name, 1)
        self.next[name] = first + count
        return Span(to, stream, first, first + count - 1)

    def tried(self, how: str, spans: Iterable[Span]) -> None:
        """Note a call that is about to be made."""
        self._write(Tried(how, list(spans)))

    def acked(self, reply: int | None = None) -> None:
        """Note that the call returned."""
        self._write(Acked(reply))

    def odd(self, text: str) -> None:
        """Note something that must never be."""
        self._write(Odd(text))

    def _write(self, line: Line) -> None:
        append(self._path, _encode(line))


def read_notes(path: Path) -> list[Line]:
    """All whole lines of a file."""
    whole = path.read_bytes().split(b"\n")[:-1]
    return [_decode(line) for line in whole]


def read_all(place: Path) -> dict[str, list[Line]]:
    """The notes of each sender, from its first run to its last."""
    notes: dict[str, list[Line]] = {}
    for path in sorted(place.glob("*.log")):
        notes.setdefault(path.name.partition(".")[0], []).extend(read_notes(path))
    return notes


def _latest(place: Path, sender: str) -> list[Line]:
    for path in sorted(place.glob(f"{sender}.*.log"), reverse=True):
        if notes := read_notes(path):
            return notes
    return [Begun({})]


def _where_it_ended(notes: list[Line]) -> tuple[dict[str, int], Tried | None]:
    begun = notes[0]
    assert isinstance(begun, Begun)
    numbers, pending = dict(begun.next), begun.pending
    for line in notes[1:]:
        if isinstance(line, Tried):
            pending = line if line.how in RETRIED else None
            for span in line.spans:
                name = f"{span.to} {span.stream}"
                numbers[name] = max(numbers.get(name, 1), span.last + 1)
        elif isinstance(line, Acked):
            pending = None
    return numbers, pending


RETRIED = {"id", "askid"}
"""Calls that are made again after a crash until they succeed."""
