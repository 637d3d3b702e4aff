"""Looking at a store: what tools show of mailboxes, mail, dead letters and timers.

Everything here works on a running node's store, on one that a tool opened with `view_disk`, and on one in
memory; nothing needs the classes of the actors. Each function reads one snapshot, so what it
returns belongs together. A record that cannot be read is returned with its `problem` and hides no other.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import msgspec

from .errors import Undecodable
from .glance import (
    list_supervisors as list_supervisors,
    read_counters as read_counters,
    read_declared as read_declared,
)
from .letter import Letter, decode, open_letter
from .maps import PAUSED
from .records import (
    Box,
    Dead,
    Link,
    Timer,
    TimerKind,
    key,
    name_key,
    open_key,
    open_pair,
    pair_key,
    unpack,
    unseal,
)
from .segments import open_segment
from .store import Snapshot, Store, Table
from .views import DeadView, MailboxDetail, MailboxView, TimerView

MOST_TIMERS: Final = 10_000
"""Timers looked through for those of one mailbox."""

_KINDS: Final = {
    TimerKind.MESSAGE: "message",
    TimerKind.REQUEST: "request times out",
    TimerKind.PARK: "mail of a mailbox without an actor dies",
    TimerKind.MARK: "id expires",
}


def list_mailboxes(store: Store, *, after: int = 0, limit: int = 100) -> list[MailboxView]:
    """Mailboxes by number, from the one after `after`: pass the last one's `box` for the next page."""
    with store.snapshot() as reads:
        rows = reads.scan(Table.BOXES, key(after + 1), None, limit)
        paused = _paused_types(reads)
        return [_view(reads, open_key(at), value, paused) for at, value in rows]


def find_mailbox(store: Store, name: str) -> MailboxView | None:
    """The mailbox of a name, or None if there is none."""
    with store.snapshot() as reads:
        return _find(reads, name)


def show_mailbox(store: Store, name: str) -> MailboxDetail | None:
    """The mailbox of a name with its actor's state, or None if there is none."""
    with store.snapshot() as reads:
        view = _find(reads, name)
        if view is None:
            return None
        state, problem = _state(reads, view.box)
        timers = sum(_is_for(name, value) for _, value in reads.scan(Table.TIMERS, limit=MOST_TIMERS))
        return MailboxDetail(view, state, problem, timers)


def peek(store: Store, name: str, *, limit: int = 10) -> list[Letter]:
    """The next messages of a mailbox, the one at the head first; nothing is taken."""
    with store.snapshot() as reads:
        at = reads.get(Table.NAMES, name_key(name))
        value = None if at is None else reads.get(Table.BOXES, at)
        if at is None or value is None:
            return []
        return _letters(reads, open_key(at), _head(value), limit)


def list_dead(store: Store, *, after: int = 0, limit: int = 100) -> list[DeadView]:
    """Dead letters in the order of death, from the one after `after`."""
    rows = store.scan(Table.DEAD, key(after + 1), None, limit)
    return [dead_view(open_key(at), value) for at, value in rows]


def show_dead(store: Store, number: int) -> DeadView | None:
    """One dead letter, or None if there is none of that number."""
    value = store.get(Table.DEAD, key(number))
    return None if value is None else dead_view(number, value)


def list_timers(store: Store, *, limit: int = 100) -> list[TimerView]:
    """What is due, the first first."""
    return [_timer(at, value) for at, value in store.scan(Table.TIMERS, limit=limit)]


def list_links(store: Store) -> list[Link]:
    """How far the mail of each other store has been taken in; damaged records are left out."""
    found: list[Link] = []
    for at, value in store.scan(Table.LINKS, limit=1 << 30):
        with suppress(Undecodable):
            if not at.startswith(b"@"):
                found.append(unpack(Link, value))
    return found


def _find(reads: Snapshot, name: str) -> MailboxView | None:
    at = reads.get(Table.NAMES, name_key(name))
    if at is None:
        return None
    box = open_key(at)
    value = reads.get(Table.BOXES, at)
    if value is None:
        return MailboxView(box, name=name, problem="its record is missing")
    view = _view(reads, box, value, _paused_types(reads))
    if not view.problem and view.name != name:
        return MailboxView(box, name=name, problem=f"its name leads to the mailbox of {view.name!r}")
    return view


def _state(reads: Snapshot, box: int) -> tuple[Any, str]:
    value = reads.get(Table.STATES, key(box))
    try:
        return (None if value is None else decode(unseal(value))), ""
    except Undecodable as error:
        return None, str(error)


def _is_for(name: str, value: bytes) -> bool:
    """Whether a timer is a message for a mailbox."""
    try:
        timer = unpack(Timer, value)
    except Undecodable:
        return False
    return timer.kind == TimerKind.MESSAGE and timer.to == name


def _head(value: bytes) -> int:
    """Where a mailbox's mail begins; from the start, if its record cannot be read."""
    try:
        return unpack(Box, value).head
    except Undecodable:
        return 0


def _paused_types(reads: Snapshot) -> dict[str, str]:
    """Why types are paused; where that cannot be read, which no node survives, mailboxes still can."""
    with suppress(Undecodable):
        return PAUSED.read(reads)
    return {}


def _view(reads: Snapshot, box: int, value: bytes, paused_types: dict[str, str]) -> MailboxView:
    try:
        record = unpack(Box, value)
    except Undecodable as error:
        return MailboxView(box, problem=str(error))
    mail = record.tail - record.head
    oldest = next(iter(_letters(reads, box, record.head, 1)), None) if mail else None
    type_paused = paused_types.get(record.type, "")
    return MailboxView(
        box=box,
        name=record.name,
        type=record.type,
        condition="paused" if type_paused else _condition(record),
        mail=mail,
        oldest=oldest.sent_at if oldest and not oldest.problem else None,
        attempts=record.attempts,
        retry_at=record.retry_at,
        error=record.error,
        failed_at=record.failed_at,
        paused=record.paused,
        type_paused=type_paused,
        starts=record.starts,
        park_at=record.park_at,
        life=record.life,
        handled=record.handled,
    )


def _condition(record: Box) -> str:
    if record.paused:
        return "paused"
    if record.name.startswith("@"):
        return "outbox"
    if not record.type:
        return "no actor"
    return "retrying" if record.attempts or record.starts else "running"


def _letters(reads: Snapshot, box: int, head: int, limit: int) -> list[Letter]:
    """Messages from `head` on; where one is missing or damaged, a letter says so."""
    letters: list[Letter] = []
    expected = head
    for sequence, data in _raw_mail(reads, box, limit):
        if sequence < head:
            continue
        if sequence > expected:
            letters.append(Letter(sequence=expected, problem=f"{sequence - expected} messages are missing"))
        if isinstance(data, bytes):
            letters.append(open_letter(data, sequence=sequence))
        else:
            letters.append(Letter(sequence=sequence, problem=data.reason))
        expected = sequence + 1
        if len(letters) >= limit:
            break
    return letters[:limit]


class _Damage(msgspec.Struct, frozen=True):
    reason: str


def _raw_mail(reads: Snapshot, box: int, page: int) -> Iterator[tuple[int, bytes | _Damage]]:
    """What lies in a mailbox's segments, with sequences."""
    start, stop = pair_key(box, 0), pair_key(box + 1, 0)
    while rows := reads.scan(Table.MAIL, start, stop, min(page, 100)):
        for at, value in rows:
            first = open_pair(at)[1]
            try:
                raws = open_segment(value)
            except Undecodable as error:
                yield first, _Damage(str(error))
                continue
            for offset, raw in enumerate(raws):
                yield (
                    first + offset,
                    raw if raw is not None else _Damage("its checksum does not match its bytes"),
                )
        start = rows[-1][0] + b"\0"


def dead_view(number: int, value: bytes) -> DeadView:
    """A dead letter's record as people see it."""
    try:
        record = unpack(Dead, value)
    except Undecodable as error:
        return DeadView(number, problem=str(error))
    return DeadView(
        number=number,
        box=record.box,
        type=record.type,
        reason=record.reason,
        error=record.error,
        text=record.text,
        traceback=record.traceback,
        attempts=record.attempts,
        failed_at=record.failed_at,
        died_at=record.died_at,
        life=record.life,
        restarts=record.restarts,
        replays=record.replays,
        letter=open_letter(record.envelope),
    )


def _timer(at: bytes, value: bytes) -> TimerView:
    due, number = open_pair(at)
    try:
        record = unpack(Timer, value)
    except Undecodable as error:
        return TimerView(due, number, problem=str(error))
    kind = _KINDS.get(record.kind, f"kind {record.kind}, of a newer release")
    letter = open_letter(record.envelope) if record.kind == TimerKind.MESSAGE else None
    return TimerView(due, number, kind, record.to, record.setter, record.key, letter)
