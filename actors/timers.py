"""Timers: messages that take their place in a mailbox when their time has come (G11).

A timer is a record on disk, ordered by when it is due; memory holds only the time of the
soonest. Firing deletes the record and delivers the message in one batch. A timer with a
key has a second record, which says which timer holds the key now: it stays until the
message's turn is over, so a cancelled or replaced timer is void even after it has fired.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ..mailbox.envelope import Extra, Flag, open_envelope
from ..mailbox.errors import Undecodable
from ..mailbox.records import (
    Keyed,
    Timer,
    TimerKind,
    open_pair,
    pack,
    pair_key,
    timer_key,
    unpack,
)
from ..mailbox.store import Table
from .mail import Mail, from_envelope

if TYPE_CHECKING:
    from .cell import Cell
    from .runtime import Runtime

NEVER = 1 << 63
PASS = 500
"""Timers fired in one go, so that a flood of them leaves room for turns."""


class Timers:
    """The timers of one node."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._probe = runtime.probe
        self.soonest = NEVER
        """No timer on disk is due before this, ns."""

    # Setting and cancelling, with the open batch.

    def set(self, cell: Cell, mail: Mail, due: int, key: str | None) -> None:
        """Arm a timer for a message; an earlier one under the same key is discarded."""
        self.set_for(cell.name, mail, due, key)
        if self._probe is not None:
            self._probe.timer_set(cell, mail, due)

    def set_for(self, to: str, mail: Mail, due: int, key: str | None) -> None:
        """The same for an address, which may be on another node."""
        ledger = self._ledger
        number = ledger.next_number()
        setter = mail.cause.sender
        if key is not None:
            self.cancel(setter, to, key)
            mail.flags |= Flag.KEYED
            mail.extra = {**(mail.extra or {}), Extra.TIMER: [due, number], Extra.TIMER_KEY: key}
            holder = Keyed(due, number, fired=False)
            ledger.write_record(Table.KEYED, timer_key(setter, to, key), holder)
        record = Timer(
            TimerKind.MESSAGE, to, setter, key or "", ledger.bodies.stow_bytes(mail.encode()), 0, b""
        )
        self.arm(due, number, record)
        ledger.open.bytes += max(mail.size, len(record.envelope))
        ledger.counters.accepted += 1
        ledger.counters.scheduled += 1

    def arm(self, due: int, number: int, record: Timer) -> None:
        """Write a timer record with the open batch."""
        self._ledger.write(Table.TIMERS, pair_key(due, number), pack(record))
        self.note(due)

    def note(self, due: int) -> None:
        """Remember that something is due then."""
        if due < self.soonest:
            self.soonest = due
            self._runtime.wake_alarm()

    def cancel(self, setter: str, receiver: str, key: str) -> None:
        """Discard the timer that holds a key, armed or fired; nothing if there is none."""
        ledger = self._ledger
        record_key = timer_key(setter, receiver, key)
        value = ledger.read(Table.KEYED, record_key)
        if value is None:
            return
        ledger.write(Table.KEYED, record_key, None)
        try:
            holder = unpack(Keyed, value)
        except Undecodable:
            return  # the timer that held it finds that it holds nothing any more
        if not holder.fired:
            self._drop_body(pair_key(holder.due, holder.number))
            ledger.write(Table.TIMERS, pair_key(holder.due, holder.number), None)
            ledger.counters.discarded += 1
            ledger.counters.scheduled -= 1
            if self._probe is not None:
                self._probe.timer_cancelled(holder.number)

    def _drop_body(self, key: bytes) -> None:
        """Remove the large body of an armed timer's message, if it has one."""
        bodies = self._ledger.bodies
        value = self._ledger.read(Table.TIMERS, key) if bodies.used else None
        if value is not None:
            with suppress(Undecodable):
                bodies.drop_of(unpack(Timer, value).envelope)

    # Keyed messages that have fired.

    def is_void(self, cell: Cell, mail: Mail) -> bool:
        """Whether a keyed timer's message was cancelled or replaced after it fired."""
        return self.is_void_key(self._key_of(cell, mail), mail.note(Extra.TIMER)[1])

    def is_void_key(self, record_key: bytes, number: int) -> bool:
        """Whether a key is not held by the timer of this number any more."""
        value = self._ledger.read(Table.KEYED, record_key)
        try:
            return value is None or unpack(Keyed, value).number != number
        except Undecodable:
            return False  # in doubt nothing is thrown away

    def settle(self, cell: Cell, mail: Mail) -> None:
        """A keyed timer's message is done with; free its key unless it was set anew."""
        if not self.is_void(cell, mail):
            self._ledger.write(Table.KEYED, self._key_of(cell, mail), None)

    def _key_of(self, cell: Cell, mail: Mail) -> bytes:
        return timer_key(mail.cause.sender, cell.name, str(mail.note(Extra.TIMER_KEY)))

    # Firing.

    def look(self) -> None:
        """Find the soonest timer on disk; at the node's start."""
        rows = self._ledger.store.scan(Table.TIMERS, limit=1)
        self.soonest = open_pair(rows[0][0])[0] if rows else NEVER

    def fire(self) -> bool:
        """Fire what is due and on disk, in due order; True if there may be more."""
        ledger = self._ledger
        # One that is on its way to the disk is not passed by those that are due after it.
        stop = pair_key(min(ledger.now_ns() + 1, self._soonest_on_the_way()), 0)
        rows = ledger.store.scan(Table.TIMERS, b"", stop, limit=PASS + 1)
        fired = 0
        for key, value in rows[:PASS]:
            if not ledger.is_deleted(Table.TIMERS, key):
                ledger.write(Table.TIMERS, key, None)
                self._fire_one(key, value)
                fired += 1
        if len(rows) > PASS:
            # If all of these have fired, their batch must reach the disk before more is seen.
            return fired > 0
        self._look_beyond(stop)
        return False

    def _look_beyond(self, stop: bytes) -> None:
        """Find the soonest timer that is not due; those on their way to disk note themselves."""
        rows = self._ledger.store.scan(Table.TIMERS, stop, limit=1)
        soonest = open_pair(rows[0][0])[0] if rows else NEVER
        self.soonest = min(soonest, self._soonest_on_the_way())

    def _soonest_on_the_way(self) -> int:
        """When the soonest timer that is not on disk yet is due."""
        on_the_way = (
            open_pair(key)[0]
            for writes in self._ledger.undurable_writes()
            for key, value in writes.get(Table.TIMERS, {}).items()
            if value is not None
        )
        return min(on_the_way, default=NEVER)

    def _fire_one(self, key: bytes, value: bytes) -> None:
        runtime = self._runtime
        try:
            timer = unpack(Timer, value)
        except Undecodable as error:
            # It may have held a message, which then is counted as scheduled for ever.
            self._ledger.counters.accepted += 1
            runtime.sending.bury_bytes(value, "timer", str(error))
            return
        if timer.kind == TimerKind.MESSAGE:
            self._fire_message(timer, *open_pair(key))
        elif timer.kind == TimerKind.REQUEST:
            runtime.requests.time_out(timer.to, timer.number)
        elif timer.kind == TimerKind.PARK:
            runtime.unpark(timer.to, timer.number)
        elif timer.kind == TimerKind.MARK:
            runtime.marks.expire(timer.mark)

    def _fire_message(self, timer: Timer, due: int, number: int) -> None:
        runtime, ledger = self._runtime, self._ledger
        ledger.counters.scheduled -= 1
        try:
            mail = from_envelope(open_envelope(timer.envelope))
        except Undecodable as error:
            runtime.sending.bury_bytes(timer.envelope, timer.to, str(error))
            return
        if timer.key:
            record_key = timer_key(timer.setter, timer.to, timer.key)
            if self.is_void_key(record_key, number):
                ledger.bodies.drop(mail.envelope)
                ledger.counters.discarded += 1
                return
            if "@" in timer.to:
                # What has left for another node cannot be taken back: its key is free.
                ledger.write(Table.KEYED, record_key, None)
                self._leave(timer.to, mail)
                return
            ledger.write_record(Table.KEYED, record_key, Keyed(due, number, fired=True))
        if "@" in timer.to:
            self._leave(timer.to, mail)
            return
        if self._probe is not None:
            self._probe.timer_fired(timer.to, mail, due)
        try:
            runtime.sending.deliver(timer.to, mail)
        except Undecodable as error:
            runtime.sending.bury_bytes(timer.envelope, timer.to, str(error))

    def _leave(self, to: str, mail: Mail) -> None:
        """Put a message for another node into its outbox; it was counted when its timer was set."""
        self._ledger.counters.accepted -= 1
        self._runtime.away.put(to.partition("@")[2], mail)
