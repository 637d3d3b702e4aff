"""Cells: the active mailboxes of this node, and how a mailbox becomes active or idle.

A mailbox is found by its name. It becomes active when something is sent to it, read of
it, or left over from before; it is passivated when it has been idle for a while and
everything of it is on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mailbox.errors import Undecodable
from ..mailbox.maps import PAUSED
from ..mailbox.records import (
    Box,
    Timer,
    TimerKind,
    name_key,
    open_key,
    pair_key,
    unpack,
    unseal,
)
from ..mailbox.store import Table
from .alarm import CROWD
from .cell import Cell, Phase
from .window import Window

if TYPE_CHECKING:
    from .actor import ActorType
    from .runtime import Runtime


class Cells:
    """Active mailboxes by name."""

    def __init__(self, runtime: Runtime, park_s: float | None) -> None:
        self.by_name: dict[str, Cell] = {}
        self.window = Window(runtime.ledger)
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._schedule = runtime.schedule
        self._types = runtime.types
        self._clock = runtime.clock
        self._park_s = park_s
        self.paused_types = PAUSED.read(runtime.store)
        """Why types of actors are paused, by declared name."""

    # Finding.

    def get(self, name: str) -> Cell:
        """The active cell of a mailbox, which is made if there was none."""
        cell = self.by_name.get(name) or self.find(name)
        if cell is None:
            cell = self._make(name)
            self.park(cell)
        return cell

    def get_for_life(self, name: str) -> Cell:
        """The same for an actor about to live there: a mailbox made for it need not be parked."""
        return self.by_name.get(name) or self.find(name) or self._make(name)

    def find(self, name: str) -> Cell | None:
        """The cell of a mailbox that exists, active or not."""
        cell = self.by_name.get(name)
        if cell is not None:
            return cell
        key = self._ledger.read(Table.NAMES, name_key(name))
        cell = None if key is None else self.load(open_key(key))
        if cell is not None and cell.name != name:
            raise Undecodable(f"the store says that {name!r} is {cell.name!r}: it is damaged there")
        return cell

    def load(self, box: int) -> Cell | None:
        """Make the mailbox of a number active.

        Raises:
            Undecodable: its record is damaged.
        """
        value = self._ledger.read(Table.BOXES, box.to_bytes(8, "big"))
        if value is None:
            return None
        record = unpack(Box, value)
        known = self.by_name.get(record.name)
        if known is not None:
            return known
        cell = Cell(box, record)
        cell.used_at = self._clock()
        cell.careful = self._runtime.blame.careful_until(box, cell.head)
        self._add(cell)
        if cell.name.startswith("@"):
            self._runtime.away.adopt(cell)
            return cell
        if self._runtime.declared and cell.name in self._runtime.declared:
            cell.held = f"its supervisor {self._runtime.declared[cell.name]!r} has not been started"
        if cell.type:
            cell.kind = self._types.find(cell.type)
            state = self._ledger.read(Table.STATES, cell.key())
            cell.state = self._open_state(cell, state)
        self.consider(cell)
        return cell

    def _open_state(self, cell: Cell, value: bytes | None) -> bytes:
        try:
            return b"" if value is None else unseal(value)
        except Undecodable as error:
            cell.paused = cell.paused or f"its state cannot be read: {error}"
            return b""

    def _make(self, name: str) -> Cell:
        counters = self._ledger.counters
        box, counters.next_box = counters.next_box, counters.next_box + 1
        record = Box(name, 0, 0, "", 0, "", 0, 0, "", 0, 0, 0)
        cell = Cell(box, record)
        cell.careful = self._runtime.blame.careful_until(box, cell.head)
        cell.used_at = self._clock()
        self._ledger.write(Table.NAMES, name_key(name), cell.key())
        self._ledger.touch(cell)
        self._add(cell)
        cell.phase = Phase.BLOCKED
        return cell

    def _add(self, cell: Cell) -> None:
        if not self.by_name or len(self.by_name) == CROWD:
            self._runtime.wake_alarm()  # from now on there is somebody who may rest, or many who should
        self.by_name[cell.name] = cell

    # Living and dying.

    def give_life(self, cell: Cell, kind: ActorType, state: bytes) -> None:
        """An actor lives in this mailbox from now on."""
        cell.kind, cell.type = kind, kind.name
        cell.life += 1
        self._ledger.counters.actors += 1
        cell.state, cell.state_touched = state, True
        cell.actor = None
        cell.lsn = self._ledger.lsn
        cell.park_at = 0
        cell.paused = ""
        cell.clear_failure()
        self._ledger.touch(cell)
        self.consider(cell)

    def end_life(self, cell: Cell) -> None:
        """The actor of this mailbox is no more; its mail waits for `park`."""
        cell.kind, cell.type = None, ""
        cell.phase = Phase.BLOCKED
        self._ledger.counters.actors -= 1
        cell.state, cell.state_touched = b"", True
        cell.actor = None
        cell.lsn = self._ledger.lsn
        self._ledger.touch(cell)
        self.park(cell)

    def park(self, cell: Cell) -> None:
        """Let the mail of a mailbox without an actor wait, and note when it dies."""
        if self._park_s is not None:
            cell.park_at = self._ledger.now_ns() + int(self._park_s * 1e9)
            self.park_again(cell)

    def park_again(self, cell: Cell) -> None:
        """Have its time looked at when it has come."""
        ledger = self._ledger
        timer = Timer(TimerKind.PARK, cell.name, "", "", b"", cell.life, b"")
        self._runtime.timers.arm(cell.park_at, ledger.next_number(), timer)
        ledger.touch(cell)

    def forget(self, cell: Cell) -> None:
        """Remove a mailbox that has neither actor nor mail."""
        ledger = self._ledger
        cell.phase = Phase.GONE
        del self.by_name[cell.name]
        self.window.leave(cell)
        ledger.write(Table.NAMES, name_key(cell.name), None)
        # The cell may stand in the open batch already; sealing skips it because it is
        # gone, so all that it still has on disk is deleted here.
        ledger.write(Table.BOXES, cell.key(), None)
        ledger.write(Table.STATES, cell.key(), None)
        for first, _ in cell.segments:
            ledger.write(Table.MAIL, pair_key(cell.box, first), None)

    # Readiness.

    def consider(self, cell: Cell) -> None:
        """Put an idle or blocked cell in the phase its condition asks for."""
        if cell.phase not in (Phase.IDLE, Phase.BLOCKED, Phase.BACKING_OFF):
            return
        if cell.kind is None or cell.paused or cell.held or cell.type in self.paused_types:
            cell.phase = Phase.BLOCKED
        elif cell.tail == cell.head:
            cell.phase = Phase.IDLE
        elif cell.retry_at > self._ledger.now_ns():
            cell.phase = Phase.BACKING_OFF
            self._runtime.alarm.retry_later(cell)
        else:
            cell.phase = Phase.READY
            self._schedule.add(cell)

    def block(self, cell: Cell) -> None:
        """Let no turn begin; one that is suspended goes on to its end."""
        if cell.phase is not Phase.RUNNING or cell.worker is None:
            cell.phase = Phase.BLOCKED

    def passivate(self, cell: Cell) -> bool:
        """Drop an idle cell from memory, in one synchronous decision; False if it is in use."""
        ledger = self._ledger
        settled = cell.phase in (Phase.IDLE, Phase.BLOCKED)
        if (
            not settled
            or cell.guardian
            or cell.held
            or cell.worker
            or cell.fresh
            or cell.touched > ledger.durable
        ):
            return False
        if cell.phase is Phase.IDLE and cell.tail != cell.head:
            return False
        cell.phase = Phase.GONE
        cell.actor = None
        del self.by_name[cell.name]
        self.window.leave(cell)
        return True
