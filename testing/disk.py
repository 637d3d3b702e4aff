"""Disk: what a disk does to a simulated node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import trio

from ..mailbox.envelope import Extra, open_envelope
from ..mailbox.errors import Undecodable
from ..mailbox.records import Box, Dead, Timer, TimerKind, open_key, open_pair, open_segment, unpack, unseal
from ..mailbox.soundness import ALL
from ..mailbox.store import Table
from .errors import FailedSync, Kill

if TYPE_CHECKING:
    from .history import Lifetime
    from .nodes import SimulatedNode


class Disk:
    """The faults of one node's disk; each ends by itself, or when it is healed."""

    def __init__(self, node: SimulatedNode) -> None:
        self._node = node
        self._slow = 0
        """Counts the spells of slowness, so that an old one does not end a new one."""
        self._frozen = 0
        self._full = 0

    def heal(self) -> None:
        """Let it be a good disk."""
        self._slow += 1
        self._frozen += 1
        self._full += 1
        self._node.store.fill(full=False)
        self._node.store.fail_none()
        self._release()

    def lift_quota(self) -> None:
        """Let its store grow as it likes, in this life and in those after."""
        self._node.habits = msgspec.structs.replace(self._node.habits, quota=None)
        if self._node.life is not None:
            self._node.life.runtime.room.lift_quota()

    def reopened(self) -> None:
        """Another life has the store: it is as full as it was; what was slow is over."""
        self._slow += 1
        self._frozen += 1

    def _release(self, *, hold: bool = False) -> None:
        try:
            self._node.store.release(hold=hold)
        except Kill:
            return  # the node was to be killed when this commit is on disk, and now it is

    async def fill(self, seconds: float) -> None:
        """Let it be full for a time."""
        self._full = spell = self._full + 1
        self._node.store.fill()
        await trio.sleep(seconds)
        if self._full == spell:
            self._node.store.fill(full=False)

    async def slow_down(self, lag_s: float, seconds: float) -> None:
        """Let every commit take `lag_s` for a time."""
        self._slow = spell = self._slow + 1
        until = trio.current_time() + seconds
        self._node.store.hold()
        while self._slow == spell and trio.current_time() < until:
            await trio.sleep(lag_s)
            if self._slow == spell:
                self._release(hold=trio.current_time() < until)

    async def freeze(self, seconds: float) -> None:
        """Let no commit reach it for a time."""
        self._frozen = spell = self._frozen + 1
        self._node.store.hold()
        await trio.sleep(seconds)
        if self._frozen == spell:
            self._release()

    def fail_sync(self, *, wrote: bool) -> None:
        """Let the next commit fail, which ends the node (G17); `wrote`: it is there all the same."""
        self._node.store.fail_none()
        self._node.store.fail_next(FailedSync("the disk could not sync: injected", wrote), applied=wrote)

    def corrupt(self, which: int) -> str:
        """Damage one record; returns which, or nothing if there is none. Its messages are excused."""
        store = self._node.store
        if self._node.life is None or self._node.life.recorder.over:
            return ""
        rows = [
            (table, key, value)
            for table in (Table.MAIL, Table.STATES)
            for key, value in store.scan(table, limit=ALL)
        ]
        if not rows:
            return ""
        table, key, value = rows[which % len(rows)]
        if table is Table.MAIL:
            self._node.history.excused.update(_numbers(value))
        store.damage(table, key)
        self._node.damaged = True
        return f"{table.name.lower()} {open_key(key)}"

    def waiting(self) -> dict[str, set[int]]:
        """The numbers of the messages that are queued, scheduled and dead in the store."""
        store = self._node.store
        boxes = {open_key(key): unpack(Box, value) for key, value in store.scan(Table.BOXES, limit=ALL)}
        away = {number for number, box in boxes.items() if box.name.startswith("@")}
        queued: set[int] = set()
        for key, value in store.scan(Table.MAIL, limit=ALL):
            number, first = open_pair(key)
            if number in away:
                continue  # see `Traffic`
            head = boxes[number].head if number in boxes else 0
            queued.update(_numbers(value, max(0, head - first)))
        timers = [unpack(Timer, value) for _, value in store.scan(Table.TIMERS, limit=ALL)]
        scheduled = {
            open_envelope(timer.envelope).number
            for timer in timers
            if timer.kind == TimerKind.MESSAGE and "@" not in timer.to
        }
        return {"queued": queued, "scheduled": scheduled, "dead": self._dead()}

    def _dead(self) -> set[int]:
        """But for what came from another node and could not be delivered: that never was in a mailbox."""
        letters = [unpack(Dead, value) for _, value in self._node.store.scan(Table.DEAD, limit=ALL)]
        envelopes = [open_envelope(letter.envelope) for letter in letters]
        met = self._node.history.sent
        return {
            each.number
            for each in envelopes
            if Extra.TO not in each.extra and (each.number in met or Extra.FROM not in each.extra)
        }

    def states(self) -> dict[Lifetime, bytes]:
        """The states of the actors in the store, by mailbox and life."""
        store = self._node.store
        found: dict[Lifetime, bytes] = {}
        for key, value in store.scan(Table.BOXES, limit=ALL):
            box, state = unpack(Box, value), store.get(Table.STATES, key)
            if box.type and state is not None:
                found[box.name, open_key(key), box.life] = unseal(state)
        return found


def _numbers(segment: bytes, skip: int = 0) -> list[int]:
    """The numbers of the messages in a segment."""
    try:
        raws = open_segment(segment)[skip:]
    except Undecodable:
        return []
    return [open_envelope(raw).number for raw in raws if raw is not None]
