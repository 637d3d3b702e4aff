"""Soundness: whether what lies in a store belongs together, as it was left by a kill.

Every commit leaves a store in which all of this holds, so a kill at any moment must, too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, TypeVar

import attrs

from callboard.mailbox.envelope import Envelope, Extra, open_envelope
from callboard.mailbox.reading import read_counters
from callboard.mailbox.records import (
    Box,
    Dead,
    Keyed,
    Mark,
    Request,
    Timer,
    TimerKind,
    name_key,
    open_key,
    open_pair,
    open_segment,
    timer_key,
    unpack,
    unseal,
)
from callboard.mailbox.store import Snapshot, Store, Table

ALL = 1 << 30
R = TypeVar("R", Box, Dead, Keyed, Mark, Request, Timer)


@attrs.frozen
class Contents:
    """Everything in a store, unpacked; a record that cannot be read raises `Undecodable`."""

    names: dict[bytes, bytes]
    boxes: dict[int, Box]
    segments: dict[int, list[tuple[int, list[bytes | None]]]]
    """For each mailbox, its segments in order: first sequence, envelopes."""
    states: dict[int, bytes]
    timers: dict[tuple[int, int], Timer]
    keyed: dict[bytes, Keyed]
    requests: dict[tuple[int, int], Request]
    dead: int


def read_contents(reads: Snapshot) -> Contents:
    """Read it all."""

    def table(at: Table, kind: type[R]) -> dict[bytes, R]:
        return {key: unpack(kind, value) for key, value in reads.scan(at, limit=ALL)}

    segments: defaultdict[int, list[tuple[int, list[bytes | None]]]] = defaultdict(list)
    for key, value in reads.scan(Table.MAIL, limit=ALL):
        box, first = open_pair(key)
        segments[box].append((first, open_segment(value)))
    table(Table.MARKS, Mark)
    return Contents(
        names=dict(reads.scan(Table.NAMES, limit=ALL)),
        boxes={open_key(key): box for key, box in table(Table.BOXES, Box).items()},
        segments=segments,
        states={open_key(key): unseal(value) for key, value in reads.scan(Table.STATES, limit=ALL)},
        timers={open_pair(key): timer for key, timer in table(Table.TIMERS, Timer).items()},
        keyed=table(Table.KEYED, Keyed),
        requests={open_pair(key): request for key, request in table(Table.REQUESTS, Request).items()},
        dead=len(table(Table.DEAD, Dead)),
    )


def find_damage(store: Store) -> list[str]:
    """Everything that does not belong together."""
    with store.snapshot() as reads:
        contents = read_contents(reads)
    return [
        *conservation(store, contents),
        *mailboxes(contents),
        *mail(contents),
        *timers(contents),
        *requests(contents),
        *numbers(contents),
    ]


def conservation(store: Store, contents: Contents) -> Iterator[str]:
    """Nothing lost: accepted = handled + queued + scheduled + dead + discarded (G4)."""
    counters = read_counters(store)
    found = {
        "queued": sum(box.tail - box.head for box in contents.boxes.values()),
        "scheduled": sum(timer.kind == TimerKind.MESSAGE for timer in contents.timers.values()),
        "died": contents.dead,
        "actors": sum(bool(box.type) for box in contents.boxes.values()),
    }
    for what, number in found.items():
        if getattr(counters, what) != number:
            yield f"the counters say {getattr(counters, what)} {what}, and {number} are there: {counters}"
    whole = counters.handled + found["queued"] + found["scheduled"] + found["died"] + counters.discarded
    if counters.accepted != whole:
        yield f"{counters.accepted} were accepted and {whole} are accounted for: {counters}"


def mailboxes(contents: Contents) -> Iterator[str]:
    """Each name leads to its mailbox, and each actor has a state."""
    for number, box in contents.boxes.items():
        if contents.names.get(name_key(box.name)) != number.to_bytes(8, "big"):
            yield f"mailbox {number} is called {box.name!r} and cannot be found by that name"
        if bool(box.type) != (number in contents.states):
            yield f"mailbox {box.name!r} has the type {box.type!r}, and a state: {number in contents.states}"
    if len(contents.names) != len(contents.boxes):
        yield f"there are {len(contents.names)} names and {len(contents.boxes)} mailboxes"
    if left := contents.states.keys() - contents.boxes.keys():
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
            key = timer_key(timer.setter, timer.to, timer.key)
            if key in armed:
                yield f"two timers have the key {timer.key!r} of {timer.setter!r}"
            armed[key] = at
    waiting = {timer_of(envelope) for envelope in queued(contents)}
    for key, holder in contents.keyed.items():
        at = (holder.due, holder.number)
        if not holder.fired and armed.pop(key, None) != at:
            yield f"the timer {at} holds a key and is not armed"
        if holder.fired and holder.number not in waiting:
            yield f"the timer {at} has fired and waits nowhere"
    if armed:
        yield f"timers are armed and do not hold their key: {list(armed.values())}"


def requests(contents: Contents) -> Iterator[str]:
    """A request with a limit has its timer; a timer for one has its request."""
    limits = {at: timer.number for at, timer in contents.timers.items() if timer.kind == TimerKind.REQUEST}
    for (_, number), request in contents.requests.items():
        if request.due and limits.pop((request.due, request.timer), None) != number:
            yield f"the request {number} has lost its time-out"
    if limits:
        yield f"time-outs without a request: {limits}"


def timer_of(envelope: Envelope) -> int:
    """The number of the keyed timer that a message was; 0 if it was none."""
    due_and_number: Any = envelope.extra.get(Extra.TIMER, (0, 0))
    return int(due_and_number[1])


def numbers(contents: Contents) -> Iterator[str]:
    """No two messages have one number."""
    counted = Counter(envelope.number for envelope in queued(contents))
    for timer in contents.timers.values():
        if timer.kind == TimerKind.MESSAGE:
            counted[open_envelope(timer.envelope).number] += 1
    if twice := [number for number, times in counted.items() if times > 1]:
        yield f"numbers given twice: {twice}"


def queued(contents: Contents) -> Iterator[Envelope]:
    """The messages that wait in mailboxes."""
    for number, segments in contents.segments.items():
        head = contents.boxes[number].head if number in contents.boxes else 0
        for first, envelopes in segments:
            for sequence, raw in enumerate(envelopes, first):
                if raw is not None and sequence >= head:
                    yield open_envelope(raw)
