"""Journal: what a client of actors notes before and after each of its calls.

A line is written with one `write` to a file opened to append, so what is in it survives the
process that wrote it, as `kill -9` leaves the page cache alone (a power loss does not). A last line that
was cut short counts as not written: then the call was not made yet, or its end not yet believed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

Key = tuple[str, str, int]
"""Receiver, stream, number: one message."""


class Span(msgspec.Struct, frozen=True, array_like=True):
    """Numbered messages of one stream to one receiver, sent in order."""

    to: str
    stream: str
    first: int
    last: int

    def messages(self) -> Iterator[Key]:
        """Each message by its own key."""
        return ((self.to, self.stream, number) for number in range(self.first, self.last + 1))


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """A run begins: which number each stream is at, and which call is still to be made again."""

    next: dict[str, int]
    pending: Tried | None = None


class Tried(msgspec.Struct, frozen=True, tag="tried"):
    """A call is about to be made."""

    how: str
    """The verb, for the reader."""
    spans: list[Span]
    again: bool = False
    """Whether it has an `id=` and is made again after a crash until it succeeds."""


class Acked(msgspec.Struct, frozen=True, tag="acked"):
    """The call returned."""

    reply: int | None = None


class Odd(msgspec.Struct, frozen=True, tag="odd"):
    """Something the client saw that must never be."""

    text: str


Line = Begun | Tried | Acked | Odd
Notes = dict[str, list[Line]]
"""The notes of each client, from its first run to its last."""

_decode = msgspec.json.Decoder(Line).decode
_encode = msgspec.json.Encoder().encode


class Journal:
    """The notes of one client, which makes one call after the other; tasks have a journal each.

    ```python
    journal = Journal("notes", "till")
    with journal.call("ledger") as number:
        await ledger.tell(Ledger.note("till", number))
    ```

    Each message gets the next number of its stream, also after a kill. What the actors then
    heard is compared with the notes by `reckon`.

    Attributes:
        sender: the client's name.
        next: the next number of each stream, by receiver and stream.
        pending: a call with `again` whose outcome the last run did not learn; make it again.
    """

    def __init__(self, directory: str | Path, sender: str) -> None:
        """Go on where the last run's notes end.

        Args:
            directory: where the notes of all clients lie; made if it is not there.
            sender: the client's name: letters, digits, `-` and `_`.

        Raises:
            ValueError: the name has other characters.
        """
        if not re.fullmatch(r"[\w-]+", sender):
            raise ValueError(f"a client's name has letters, digits, - and _ only; got {sender!r}")
        place = Path(directory)
        place.mkdir(parents=True, exist_ok=True)
        before = _files(place, sender)
        self.sender = sender
        self.next, self.pending = _where_it_ended(before)
        self._calling = False
        run = int(before[-1].name.split(".")[1]) + 1 if before else 1
        self._path = place / f"{sender}.{run:06}.log"
        self._write(Begun(dict(self.next), self.pending))

    @contextmanager
    def call(self, to: str, how: str = "tell") -> Generator[int]:
        """Note a call of one message around the block that makes it.

        Left by an exception, the block's outcome is unknown, as after a kill.

        Args:
            to: name of the receiver.
            how: the verb, for the reader.

        Yields:
            the message's number in the stream from this client to that receiver, from 1.

        Raises:
            RuntimeError: another call is under way; give each task a journal of its own.
        """
        if self._calling:
            raise RuntimeError("a journal is for one call after the other: give each task one of its own")
        span = self.take(to)
        self.tried(how, [span])
        self._calling = True
        try:
            yield span.first
            self.acked()
        finally:
            self._calling = False

    def take(self, to: str, stream: str | None = None, count: int = 1) -> Span:
        """The next numbers of a stream, which is called like the client unless it has several."""
        stream = stream or self.sender
        name = _counted(to, stream)
        first = self.next.get(name, 1)
        self.next[name] = first + count
        return Span(to, stream, first, first + count - 1)

    def tried(self, how: str, spans: Iterable[Span], *, again: bool = False) -> None:
        """Note a call that is about to be made; `again`: with an `id=`, until it succeeds."""
        self._write(Tried(how, list(spans), again))

    def acked(self, reply: int | None = None) -> None:
        """Note that the call returned."""
        self._write(Acked(reply))

    def odd(self, text: str) -> None:
        """Note something that must never be."""
        self._write(Odd(text))

    def _write(self, line: Line) -> None:
        append(self._path, _encode(line))


def append(path: Path, text: bytes) -> None:
    """Add a line to a file, with one write."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, text + b"\n")
    finally:
        os.close(file)


def read_notes(directory: str | Path) -> Notes:
    """The notes of all clients whose journals lie in a directory."""
    notes: Notes = {}
    for path in _files(Path(directory), "*"):
        notes.setdefault(path.name.partition(".")[0], []).extend(_lines(path))
    return notes


def _files(place: Path, sender: str) -> list[Path]:
    return sorted(place.glob(f"{sender}.*.log"))


def _lines(path: Path) -> list[Line]:
    """All whole lines of a file."""
    return [_decode(line) for line in path.read_bytes().split(b"\n")[:-1]]


def _counted(to: str, stream: str) -> str:
    return f"{to} {stream}"


def _where_it_ended(files: list[Path]) -> tuple[dict[str, int], Tried | None]:
    """The next numbers, and the call to be made again; the last run that noted anything knows."""
    nothing: list[Line] = [Begun({})]
    notes = next((lines for path in reversed(files) if (lines := _lines(path))), nothing)
    begun = notes[0]
    assert isinstance(begun, Begun)
    numbers, pending = dict(begun.next), begun.pending
    for line in notes[1:]:
        if isinstance(line, Tried):
            pending = line if line.again else None
            for span in line.spans:
                name = _counted(span.to, span.stream)
                numbers[name] = max(numbers.get(name, 1), span.last + 1)
        elif isinstance(line, Acked):
            pending = None
    return numbers, pending
