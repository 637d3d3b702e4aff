"""Soundness: whether what lies in a store belongs together.

Every commit leaves a store in which all of this holds, so a kill at any moment leaves one, too. The checks
are pure functions over what one snapshot holds; nothing needs the classes of the actors. A
record that cannot be read is damage itself, and hides no other.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec

from .apart import count_chunks, names_of, unmatched
from .bodies import Body
from .envelope import Envelope, Extra, open_envelope
from .errors import Undecodable
from .maps import LOOSE
from .records import (
    COUNTERS_KEY,
    Box,
    Counters,
    Dead,
    Keyed,
    Mark,
    Request,
    Timer,
    TimerKind,
    key,
    name_key,
    open_key,
    open_pair,
    timer_key,
    unpack,
    unseal,
)
from .segments import open_segment
from .store import Snapshot, Store, Table

ALL: Final = 1 << 30
"""More rows than any table has."""
T = TypeVar("T")
Segment = tuple[int, list[bytes | None]]
"""First sequence, envelopes; None where a checksum is wrong."""


class Contents(msgspec.Struct, frozen=True):
    """Everything in a store at one commit, as far as it can be read."""

    counters: Counters | None
    """None if they cannot be read."""
    names: dict[bytes, bytes]
    boxes: dict[int, Box]
    segments: dict[int, list[Segment]]
    """For each mailbox, its segments in order."""
    states: set[int]
    timers: dict[tuple[int, int], Timer]
    keyed: dict[bytes, Keyed]
    requests: dict[tuple[int, int], Request]
    dead: int
    queued: list[Envelope]
    """The messages that wait in mailboxes."""
    scheduled: list[Envelope]
    """The messages that wait as timers."""
    chunks: dict[int, tuple[int, int]]
    """Of each large body, how many chunks there are, and bytes in them."""
    apart: list[Body]
    """The bodies that messages say they have, dead letters among them."""
    loose: dict[int, int]
    """The bodies that no message has, which are on their way in or out."""
    unreadable: list[str]
    """What could not be read, in words."""


def find_damage(store: Store) -> list[str]:
    """Everything in a store that does not belong together, a sentence each; empty if it is sound.

    It reads the whole store in one snapshot, so it may be called beside a running node.

    Args:
        store: any open store; see `opening.view_disk`.

    Raises:
        StoreError: the store cannot be read at all.
    """
    with store.snapshot() as reads:
        contents = read_contents(reads)
    return [*contents.unreadable, *contradictions(contents)]


def contradictions(contents: Contents) -> list[str]:
    """What can be read and does not belong together, a sentence each."""
    return [
        *conservation(contents),
        *mailboxes(contents),
        *mail(contents),
        *timers(contents),
        *requests(contents),
        *numbers(contents),
        *unmatched(contents.chunks, contents.apart, contents.loose),
    ]


class _Reader:
    """Reads one table after the other, and notes what cannot be read."""

    def __init__(self, reads: Snapshot) -> None:
        self.unreadable: list[str] = []
        self._reads = reads

    def table(self, table: Table, decode: Callable[[bytes], T]) -> dict[bytes, T]:
        """What a table holds, by key."""
        rows = self._reads.scan(table, limit=ALL)
        found = ((at, self.attempt(decode, value, f"{table.name} {at.hex()}")) for at, value in rows)
        return {at: value for at, value in found if value is not None}

    def attempt(self, decode: Callable[[bytes], T], value: bytes, where: str) -> T | None:
        """One value, or None if it cannot be read."""
        try:
            return decode(value)
        except Undecodable as error:
            self.unreadable.append(f"{where} cannot be read: {error}")
            return None

    def envelope(self, raw: bytes, where: str) -> list[Envelope]:
        """One envelope, or none."""
        envelope = self.attempt(open_envelope, raw, where)
        return [] if envelope is None else [envelope]


def read_contents(reads: Snapshot) -> Contents:
    """Read a whole store."""
    reader = _Reader(reads)
    raw_counters = reads.get(Table.META, COUNTERS_KEY)
    counters = (
        Counters()
        if raw_counters is None
        else reader.attempt(lambda v: unpack(Counters, v), raw_counters, "the record of counters")
    )
    segments: defaultdict[int, list[Segment]] = defaultdict(list)
    for at, envelopes in reader.table(Table.MAIL, open_segment).items():
        box, first = open_pair(at)
        segments[box].append((first, envelopes))
    boxes = {open_key(at): box for at, box in reader.table(Table.BOXES, lambda v: unpack(Box, v)).items()}
    timers = {
        open_pair(at): timer for at, timer in reader.table(Table.TIMERS, lambda v: unpack(Timer, v)).items()
    }
    reader.table(Table.MARKS, lambda v: unpack(Mark, v))
    queued, dead = _queued(reader, boxes, segments), reader.table(Table.DEAD, lambda v: unpack(Dead, v))
    scheduled = [
        envelope
        for timer in timers.values()
        if timer.kind == TimerKind.MESSAGE
        for envelope in reader.envelope(timer.envelope, f"a message scheduled for {timer.to!r}")
    ]
    return Contents(
        counters=counters,
        names=dict(reads.scan(Table.NAMES, limit=ALL)),
        boxes=boxes,
        segments=segments,
        states={open_key(at) for at in reader.table(Table.STATES, unseal)},
        timers=timers,
        keyed=reader.table(Table.KEYED, lambda v: unpack(Keyed, v)),
        requests={
            open_pair(at): request
            for at, request in reader.table(Table.REQUESTS, lambda v: unpack(Request, v)).items()
        },
        dead=len(dead),
        queued=queued,
        scheduled=scheduled,
        chunks=count_chunks(reads),
        loose=LOOSE.read(reads),
        apart=names_of([*queued, *scheduled, *_buried(dead.values())]),
        unreadable=reader.unreadable,
    )


def _queued(reader: _Reader, boxes: dict[int, Box], segments: dict[int, list[Segment]]) -> list[Envelope]:
    found: list[Envelope] = []
    for number, listed in segments.items():
        head = boxes[number].head if number in boxes else 0
        for first, envelopes in listed:
            for sequence, raw in enumerate(envelopes, first):
                if raw is not None and sequence >= head:
                    found += reader.envelope(raw, f"message {sequence} of mailbox {number}")
    return found


def _buried(letters: Iterable[Dead]) -> Iterator[Envelope]:
    """The messages of dead letters; what died because it cannot be read is no further damage."""
    for letter in letters:
        with suppress(Undecodable):
            yield open_envelope(letter.envelope)


def conservation(contents: Contents) -> Iterator[str]:
    """Nothing lost: accepted = handled + sent + queued + scheduled + dead + discarded (G4)."""
    counters = contents.counters
    if counters is None:
        return
    found = {
        "queued": sum(box.tail - box.head for box in contents.boxes.values()),
        "scheduled": sum(timer.kind == TimerKind.MESSAGE for timer in contents.timers.values()),
        "died": contents.dead,
        "actors": sum(bool(box.type) for box in contents.boxes.values()),
    }
    for what, number in found.items():
        if getattr(counters, what) != number:
            yield f"the counters say {getattr(counters, what)} {what}, and {number} are there: {counters}"
    gone = counters.handled + counters.sent + counters.discarded
    whole = gone + found["queued"] + found["scheduled"] + found["died"]
    if counters.accepted != whole:
        yield f"{counters.accepted} were accepted and {whole} are accounted for: {counters}"


def mailboxes(contents: Contents) -> Iterator[str]:
    """Each name leads to its mailbox, and each actor has a state."""
    for number, box in contents.boxes.items():
        if contents.names.get(name_key(box.name)) != key(number):
            yield f"mailbox {number} is called {box.name!r} and cannot be found by that name"
        if bool(box.type) != (number in contents.states):
            yield f"mailbox {box.name!r} has the type {box.type!r}, and a state: {number in contents.states}"
    if len(contents.names) != len(contents.boxes):
        yield f"there are {len(contents.names)} names and {len(contents.boxes)} mailboxes"
    if left := contents.states - contents.boxes.keys():
        yield f"there are states without a mailbox: {sorted(left)}"


def mail(contents: Contents) -> Iterator[str]:
    """The segments of a mailbox hold its mail from head to tail, and nothing else lies about."""
    for number, box in contents.boxes.items():
        at = box.head
        for first, envelopes in contents.segments.get(number, []):
            end = first + len(envelopes)
            if end <= box.head:
                yield f"{box.name!r} begins at {box.head} and still has a segment from {first} to {end}"
                continue
            if first > at or (first < at and at != box.head):
                yield f"{box.name!r} has a segment from {first}, and the one before ends at {at}"
            if None in envelopes:
                yield f"{box.name!r} has a damaged message in the segment at {first}"
            at = end
        if at != box.tail:
            yield f"{box.name!r} ends at {box.tail}, and its segments at {at}"
    if left := contents.segments.keys() - contents.boxes.keys():
        yield f"there is mail without a mailbox: {sorted(left)}"


def timers(contents: Contents) -> Iterator[str]:
    """A key belongs to one timer, which is armed, or has fired and waits in the mailbox."""
    armed: dict[bytes, tuple[int, int]] = {}
    for at, timer in contents.timers.items():
        if timer.kind == TimerKind.MESSAGE and timer.key:
            name = timer_key(timer.setter, timer.to, timer.key)
            if name in armed:
                yield f"two timers have the key {timer.key!r} of {timer.setter!r}"
            armed[name] = at
    waiting = {timer_of(envelope) for envelope in contents.queued}
    for name, holder in contents.keyed.items():
        at = (holder.due, holder.number)
        if not holder.fired and armed.pop(name, None) != at:
            yield f"the timer {at} holds a key and is not armed"
        if holder.fired and holder.number not in waiting:
            yield f"the timer {at} has fired and waits nowhere"
    if armed:
        yield f"timers are armed and do not hold their key: {list(armed.values())}"


def timer_of(envelope: Envelope) -> int:
    """The number of the keyed timer that a message was; 0 if it was none."""
    due_and_number: Any = envelope.extra.get(Extra.TIMER, (0, 0))
    return int(due_and_number[1])


def requests(contents: Contents) -> Iterator[str]:
    """A request with a limit has its timer; a timer for one has its request."""
    limits = {at: timer.number for at, timer in contents.timers.items() if timer.kind == TimerKind.REQUEST}
    for (_, number), request in contents.requests.items():
        if request.due and limits.pop((request.due, request.timer), None) != number:
            yield f"the request {number} has lost its time-out"
    if limits:
        yield f"time-outs without a request: {limits}"


def numbers(contents: Contents) -> Iterator[str]:
    """No two messages have one number."""
    counted = Counter(envelope.number for envelope in (*contents.queued, *contents.scheduled))
    if twice := [number for number, times in counted.items() if times > 1]:
        yield f"numbers given twice: {twice}"
