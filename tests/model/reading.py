"""Reading: what a store holds in the end, table by table, without the runtime's help."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from callboard.mailbox.envelope import Envelope, open_envelope
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.records import (
    COUNTERS_KEY,
    Box,
    Counters,
    Dead,
    Timer,
    TimerKind,
    open_key,
    open_pair,
    open_segment,
    unpack,
    unseal,
)
from callboard.mailbox.store import Table


@attrs.frozen
class Ended:
    """A store after the last node was closed."""

    logs: dict[str, list[str]]
    """What each pawn logged, its earlier lives first."""
    dead: list[tuple[str, str, int]]
    """Dead letters: mailbox, token, attempts."""
    queued: list[str]
    scheduled: list[str]
    counters: Counters
    archived: int
    """Messages that archives handled."""
    leftovers: dict[str, int]
    """Rows of tables that should be empty when nothing waits."""


def read(store: MemoryStore) -> Ended:
    """Read everything."""
    boxes = {open_key(key): unpack(Box, value) for key, value in store.scan(Table.BOXES)}
    states: dict[int, dict[str, Any]] = {
        open_key(key): msgspec.msgpack.decode(unseal(value)) for key, value in store.scan(Table.STATES)
    }
    before: dict[str, list[str]] = {}
    for number, box in boxes.items():
        if box.name == "archive":
            before = states[number]["logs"]
    pawns = {box.name: states[number]["log"] for number, box in boxes.items() if box.type == "model.Pawn"}
    letters = [unpack(Dead, value) for _, value in store.scan(Table.DEAD)]
    timers = [unpack(Timer, value) for _, value in store.scan(Table.TIMERS)]
    counters = store.get(Table.META, COUNTERS_KEY)
    assert counters is not None
    return Ended(
        logs={name: before.get(name, []) + pawns.get(name, []) for name in before.keys() | pawns.keys()},
        dead=[(letter.box, _token(open_envelope(letter.envelope)), letter.attempts) for letter in letters],
        queued=_queued(store, boxes),
        scheduled=[_token(open_envelope(t.envelope)) for t in timers if t.kind == TimerKind.MESSAGE],
        counters=unpack(Counters, counters),
        archived=sum(box.handled for box in boxes.values() if box.name == "archive"),
        leftovers={
            table.name: rows
            for table in (Table.MAIL, Table.KEYED, Table.REQUESTS)
            if (rows := len(store.scan(table)))
        },
    )


def _queued(store: MemoryStore, boxes: dict[int, Box]) -> list[str]:
    found: dict[tuple[int, int], str] = {}
    for row, value in store.scan(Table.MAIL):
        box, first = open_pair(row)
        for sequence, raw in enumerate(open_segment(value), first):
            if raw is not None and sequence >= boxes[box].head:
                found[box, sequence] = _token(open_envelope(raw))
    expected = {(number, at) for number, box in boxes.items() for at in range(box.head, box.tail)}
    assert found.keys() == expected, "mailboxes say that they hold what they do not"
    return list(found.values())


def _token(envelope: Envelope) -> str:
    body = msgspec.msgpack.decode(envelope.body)
    return str(body.get("token", "archive"))
