"""Checking a store whole: its pages, every record by its checksum and its decoder, and all of them together.

The pages come first and are walked in the file itself: LMDB maps the file and trusts it, and a page
that is not what it should be can end the process. What is found is said together with
what a node will make of it, since most damage costs one message or one actor and not the store.
"""

import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from .bodies import CHUNK, CHUNK_KEY, body_of, read_body
from .datafile import READABLE, read_head
from .disk import DiskStore, examine_pages
from .envelope import open_envelope
from .errors import Undecodable
from .letter import decode
from .maps import MAPS
from .meta import CLEAN_KEY, FORMAT_KEY, MADE_KEY, NODE_KEY, OPENED_KEY, UUID_KEY
from .records import (
    COUNTERS_KEY,
    INCARNATION_KEY,
    Box,
    Children,
    Counters,
    Dead,
    Far,
    Keyed,
    Link,
    Mark,
    Request,
    Timer,
    TimerKind,
    Watch,
    key,
    open_key,
    open_pair,
    unpack,
    unpack_number,
    unseal,
)
from .segments import open_segment
from .soundness import ALL, Contents, contradictions, read_contents
from .store import Snapshot, Store, Table

PAGE: Final = 500
"""Records read at a time."""
_LOOKS: Final = 5
_META: Final[dict[bytes, Callable[[bytes], object]]] = {
    **dict.fromkeys((FORMAT_KEY, INCARNATION_KEY, CLEAN_KEY, MADE_KEY, OPENED_KEY), unpack_number),
    **dict.fromkeys((UUID_KEY, NODE_KEY), unseal),
    **{at: each.open for at, each in MAPS.items()},
    COUNTERS_KEY: partial(unpack, Counters),
}


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be."""

    place: str
    """pages, whole, or the name of a table."""
    text: str
    effect: str
    """What a node makes of it."""


_DIES: Final = 'it becomes a dead letter ("undecodable") when its turn comes; all other mail is handled'
_NO_START: Final = "no node starts on this store: restore a backup"
_LOST_PAGES: Final = "nothing of the store can be relied on: keep a copy for examination and restore a backup"
_UNEXPLAINED: Final = "a node runs on it; what the numbers are about may be lost or told twice"

_EFFECTS: Final = {
    Table.META: _NO_START,
    Table.NAMES: "the mailbox of that name stays shut, and mail for it becomes dead letters; the others run",
    Table.BOXES: "that mailbox stays shut, and mail for it becomes dead letters; the others run",
    Table.MAIL: _DIES,
    Table.STATES: "that actor is paused and keeps its mail; the others run",
    Table.TIMERS: 'it becomes a dead letter ("undecodable") when it is due; the other timers fire',
    Table.KEYED: "that timer's message is handled even if it was cancelled or replaced",
    Table.REQUESTS: "the answer to that request is dropped, with a warning in the log",
    Table.MARKS: "that id counts as new: a retry with it runs again",
    Table.DEAD: "of that dead letter only the bytes are left: callboard dead show",
    Table.WATCHES: "who watches there does not hear of that end",
    Table.CHILDREN: "callboard tree leaves that supervisor out until the next start",
    Table.BODIES: f"the message whose body it is a part of cannot be read: {_DIES}",
}
_OTHER_EFFECT: Final = "what that record held is not used"


def check_pages(path: Path) -> list[Finding] | None:
    """Whether the pages of a store's data file form sound trees; they are read without LMDB.

    Whoever walks through the file beside a running node can meet pages of two commits; so what is
    found counts only if no commit came between. If one always does, the answer is None:
    then `check_pinned` can tell.

    Raises:
        BadHead, OSError: the file cannot be read; see `preflight.check_head`.
    """
    file = path / "data.mdb"
    if not READABLE:
        return []
    for _ in range(_LOOKS):
        before = _commit(file)
        found = _examine(file)
        if not found or before == _commit(file):
            return found
    return None


def check_pinned(store: DiskStore) -> list[Finding]:
    """The same beside a node that commits all the time, whose pages stay as they are while we look."""
    return store.ask(lambda _env, _txn, _tables: _examine(store.path / "data.mdb"))


def _commit(file: Path) -> int:
    with file.open("rb", buffering=0) as opened:
        return read_head(opened.fileno(), file.stat().st_size).transaction


def _examine(file: Path) -> list[Finding]:
    try:
        found = examine_pages(file)
    except OSError:
        raise
    except Exception as error:  # a verifier may also stumble over what it looks at
        found = [f"they cannot be walked through ({type(error).__name__}: {error})"]
    return [Finding("pages", each, _LOST_PAGES) for each in found]


def check_records(store: Store, told: Callable[[int], None] = lambda _: None) -> Iterator[Finding]:
    """Every record that fails its checksum or its decoder.

    Args:
        store: any open store; its node may go on committing.
        told: hears how many records were read.
    """
    done = 0
    for table in Table:
        start = b""
        while rows := store.scan(table, start, None, PAGE):
            for at, value in rows:
                yield from _check(store, table, at, value)
            done += len(rows)
            told(done)
            start = rows[-1][0] + b"\0"


def check_whole(store: Store) -> list[Finding]:
    """What can be read and does not belong together, counters included; it takes memory for a whole store."""
    try:
        with store.snapshot() as reads:
            contents = read_contents(reads)
            found = [*contradictions(contents), *_marks(contents, reads)]
    except (struct.error, ValueError, TypeError, LookupError) as error:
        found = [f"its records cannot be compared with each other ({type(error).__name__}: {error})"]
    return [Finding("whole", each, _UNEXPLAINED) for each in found]


def _marks(contents: Contents, reads: Snapshot) -> Iterator[str]:
    """Each mark has the timer that ends it; nothing else tells that the key of one is not what it was."""
    ending = {timer.mark for timer in contents.timers.values() if timer.kind == TimerKind.MARK}
    marks = dict(reads.scan(Table.MARKS, limit=ALL))
    yield from (
        f"no timer ends the mark {at.hex()}: a retry with its id may run again"
        for at in marks
        if at not in ending
    )


def _check(store: Store, table: Table, at: bytes, value: bytes) -> Iterator[Finding]:
    try:
        if len(at) != _WIDTHS.get(table, len(at)):
            raise Undecodable(f"a key of {len(at)} bytes")
        if table is Table.MAIL:
            yield from _check_mail(store, at, value)
        elif table is Table.TIMERS:
            timer = unpack(Timer, value)
            if timer.kind == TimerKind.MESSAGE:
                _check_envelope(store, timer.envelope, lambda reads: reads.get(table, at) == value)
        elif table is Table.DEAD:
            _check_dead(store, at, value)
        elif table is Table.META:
            _check_meta(at, value)
        elif table is Table.LINKS:
            _check_link(at, value)
        else:
            _DECODERS.get(table, unseal)(value)
    except Undecodable as error:
        yield Finding(table.name, f"{_title(table, at)}: {error}", _EFFECTS.get(table, _OTHER_EFFECT))


def _check_link(at: bytes, value: bytes) -> None:
    if at.startswith(b"@") and len(at) != STORE_BYTES:
        unpack(Far, value)
    else:
        unpack(Link, value)


def _title(table: Table, at: bytes) -> str:
    if table is Table.META:
        return f"the record {at.decode('ascii', 'replace')!r}"
    if table is Table.DEAD:
        return f"dead letter {open_key(at)}"
    if table in {Table.BOXES, Table.STATES}:
        return f"{'mailbox' if table is Table.BOXES else 'the state of mailbox'} {open_key(at)}"
    if table is Table.MAIL and len(at) == 16:
        return "mailbox {}, from message {} on".format(*open_pair(at))
    return f"the record {at.hex()}"


def _check_mail(store: Store, at: bytes, value: bytes) -> Iterator[Finding]:
    box, first = open_pair(at)
    for sequence, raw in enumerate(open_segment(value), first):
        try:
            if raw is None:
                raise Undecodable("its checksum does not match its bytes")
            _check_envelope(store, raw, partial(_waits, box=box, sequence=sequence))
        except Undecodable as error:
            effect = _DIES if _waits(store, box, sequence) else "none: it has been handled"
            yield Finding("MAIL", f"message {sequence} of mailbox {box}: {error}", effect)


def _waits(reads: Snapshot, box: int, sequence: int) -> bool:
    """Whether a message has not been handled yet."""
    value = reads.get(Table.BOXES, key(box))
    try:
        return value is None or sequence >= unpack(Box, value).head
    except Undecodable:
        return True


def _check_meta(at: bytes, value: bytes) -> None:
    if at in _META:
        _META[at](value)


def _check_name(value: bytes) -> None:
    if len(value) != 8:
        raise Undecodable(f"a mailbox's number of {len(value)} bytes")


def _check_state(value: bytes) -> None:
    if not isinstance(decode(unseal(value)), dict):
        raise Undecodable("a state that is no map")


def _check_envelope(store: Store, raw: bytes, waits: Callable[[Snapshot], bool]) -> None:
    """Whether an envelope can be read, and its body, if it lies apart and the message still waits."""
    body = body_of(open_envelope(raw))
    if body is not None:
        with store.snapshot() as reads:  # beside a node that may handle it at any moment
            if waits(reads):
                read_body(reads, body)


def _check_dead(store: Store, at: bytes, value: bytes) -> None:
    """Whether a dead letter can be read; what died because it cannot be is no news."""
    letter = unpack(Dead, value)
    if letter.reason != "undecodable":
        _check_envelope(store, letter.envelope, lambda reads: reads.get(Table.DEAD, at) == value)


def _check_chunk(value: bytes) -> None:
    if not 1 <= len(value) <= CHUNK:
        raise Undecodable(f"a chunk of {len(value)} bytes")


_WIDTHS: Final = {
    Table.NAMES: 16,
    Table.BOXES: 8,
    Table.MAIL: 16,
    Table.STATES: 8,
    Table.TIMERS: 16,
    Table.KEYED: 16,
    Table.REQUESTS: 16,
    Table.MARKS: 24,
    Table.DEAD: 8,
    Table.WATCHES: 25,
    Table.CHILDREN: 16,
    Table.BODIES: CHUNK_KEY,
}
STORE_BYTES: Final = 16
"""Of the uuid of a store that sends, which is its key in LINKS."""
_DECODERS: Final[dict[Table, Callable[[bytes], object]]] = {
    Table.NAMES: _check_name,
    Table.BOXES: lambda value: unpack(Box, value),
    Table.STATES: _check_state,
    Table.KEYED: lambda value: unpack(Keyed, value),
    Table.REQUESTS: lambda value: unpack(Request, value),
    Table.MARKS: lambda value: unpack(Mark, value),
    Table.WATCHES: lambda value: unpack(Watch, value),
    Table.CHILDREN: lambda value: unpack(Children, value),
    Table.BODIES: _check_chunk,
}
