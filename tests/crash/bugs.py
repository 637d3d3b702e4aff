"""Seeded bugs, put into the runtime of a child process only, that the kill loop must find.

Each breaks one promise in a window of time that a real bug might leave open just as well. The child says
when the window is open and rests there for a moment, so that a kill can find it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from callboard.actors.ledger import Ledger
from callboard.mailbox.disk import DiskStore
from callboard.mailbox.reading import read_counters
from callboard.mailbox.records import COUNTERS_KEY, Box, pack, unpack
from callboard.mailbox.store import Table, Writes

BUGS = ("early-ack", "early-removal", "state-outside")
REST_S = 0.2
Rest = Callable[[], None]
_commit = DiskStore.commit


def install(bug: str, tell: Callable[[], None]) -> None:
    """Break the runtime of this process."""
    rng = random.Random(bug)

    def rest() -> None:
        if rng.random() < 0.05:
            tell()
            time.sleep(REST_S)

    broken = {
        "early-ack": commit_late,
        "early-removal": remove_mail_first,
        "state-outside": commit_states_first,
    }[bug]

    def commit(store: DiskStore, writes: Writes) -> None:
        broken(store, writes, rest)

    stores: Any = DiskStore
    stores.commit = commit
    if bug == "early-ack":
        ledgers: Any = Ledger
        ledgers.wait_durable = return_at_once


async def return_at_once(_: Ledger, __: int) -> None:
    """Acknowledge before it is durable (against G1)."""


def commit_late(store: DiskStore, writes: Writes, rest: Rest) -> None:
    """Commit as it should be, later than anybody believes."""
    rest()
    _commit(store, writes)


def remove_mail_first(store: DiskStore, writes: Writes, rest: Rest) -> None:
    """Take messages out of their mailboxes before what their turns did is written (against G2)."""
    removed: dict[bytes, bytes | None] = {}
    counters = read_counters(store)
    for key, value in writes.get(Table.BOXES, {}).items():
        before = store.get(Table.BOXES, key)
        if value is not None and before is not None:
            box, new = unpack(Box, before), unpack(Box, value)
            handled = min(new.head, box.tail) - box.head
            if handled:
                counters.handled += handled
                box.head += handled
                removed[key] = pack(box)
    if removed:
        gone: dict[bytes, bytes | None] = {
            key: value for key, value in writes.get(Table.MAIL, {}).items() if value is None
        }
        _commit(store, {Table.META: {COUNTERS_KEY: pack(counters)}, Table.BOXES: removed, Table.MAIL: gone})
        rest()
    _commit(store, writes)


def commit_states_first(store: DiskStore, writes: Writes, rest: Rest) -> None:
    """Write states in a transaction of their own (against G2)."""
    if states := writes.get(Table.STATES):
        _commit(store, {Table.STATES: states})
        rest()
    _commit(store, writes)
