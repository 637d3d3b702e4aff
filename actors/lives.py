"""Lives: how mailboxes are woken at the start, and how actors rest and end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from ..mailbox.envelope import Flag
from ..mailbox.errors import Undecodable
from ..mailbox.records import open_key
from ..mailbox.store import Table
from .cell import Cell, Phase
from .errors import NoSuchActor
from .pace import HEARD

if TYPE_CHECKING:
    from .actor import Actor
    from .exits import Exit
    from .runtime import Runtime

log = logging.getLogger("callboard.actor")

WOKEN_AT_ONCE = 200
"""Mailboxes with old mail that are made active in one go."""
WOKEN_AT_FIRST = 10
"""The same of the very first, whose turns need not wait until a cold disk has found all the others."""
READY_ENOUGH = 500
"""No more are woken while this many are ready, so that memory stays bounded."""
ACTIVE_ENOUGH = 20_000
BURIED_AT_ONCE = 500
"""Messages that become dead letters in one go, so that a flood of them leaves room for turns."""
STOPPED_WITHIN_S = 5.0
"""How long `stopped` may take, seconds."""


class Lives:
    """Waking and resting."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.waking = 1
        """How many walks are under way that make mailboxes active in which mail from before waits."""
        self._leaving: set[trio.Event] = set()
        """Actors whose life has ended and whose `stopped` is running."""

    # Old mail.

    @trio.lowlevel.enable_ki_protection
    async def wake_backlog(self) -> None:
        """Make the mailboxes active in which mail from before waits, some at a time."""
        runtime = self._runtime
        start, some = b"", WOKEN_AT_FIRST
        while True:
            prefixes = runtime.store.prefixes(Table.MAIL, 8, start, some)
            if not prefixes:
                self.waking -= 1
                runtime.workers.wake()
                return
            for prefix in prefixes:
                self._wake(open_key(prefix))
            runtime.workers.wake()
            start, some = (open_key(prefixes[-1]) + 1).to_bytes(8, "big"), WOKEN_AT_ONCE
            await self._until_wanted()

    def wake_again(self) -> None:
        """Walk once more: mailboxes that rest with their mail may go on now."""
        self.waking += 1
        self._runtime.start_soon(self.wake_backlog)

    def _wake(self, box: int) -> None:
        try:
            self._runtime.cells.load(box)
        except Undecodable as error:
            # One damaged record keeps one mailbox shut, and no other (G14).
            log.error("mailbox number %d cannot be opened: %s", box, error)  # noqa: TRY400 - the text says it all

    async def _until_wanted(self) -> None:
        runtime = self._runtime
        for _ in range(HEARD + 1):  # the worker may be giving way, and trio may have put us before it
            await trio.lowlevel.checkpoint()
        # The schedule tells nobody when it is short again, and need not: this is a start-up matter.
        while len(runtime.schedule) > READY_ENOUGH:  # noqa: ASYNC110
            await trio.sleep(0.005)
        if len(runtime.cells.by_name) > ACTIVE_ENOUGH:
            for cell in list(runtime.cells.by_name.values()):
                self.let_rest(cell)

    def existing(self, name: str) -> Cell:
        """The cell of a mailbox that exists.

        Raises:
            NoSuchActor: it does not.
        """
        cell = self._runtime.cells.find(name)
        if cell is None:
            raise NoSuchActor(f"there is no mailbox {name!r}")
        return cell

    def unpark(self, name: str, life: int) -> None:
        """Bury the mail of a mailbox whose actor ended `park` ago, oldest first, and forget it."""
        runtime = self._runtime
        try:
            cell = runtime.cells.find(name)
        except Undecodable:
            return  # its mail waits for somebody to look at the store
        if cell is None or cell.type or cell.life != life or cell.park_at > runtime.now_ns():
            return
        buried = 0
        while cell.head < cell.tail:
            if not cell.mail and not runtime.cells.window.refill(cell):
                # What is next is on its way to the disk: look again when it is there.
                runtime.cells.park_again(cell)
                return
            if buried == BURIED_AT_ONCE:
                runtime.cells.park_again(cell)
                return
            buried += 1
            mail = cell.mail[0]
            if mail.raw is None and mail.flags & Flag.KEYED and runtime.timers.is_void(cell, mail):
                runtime.endings.dropped(cell, mail)
            else:
                runtime.endings.died(cell, mail, "unclaimed", None, "no actor lives here")
        runtime.cells.forget(cell)

    # Resting.

    def let_rest(self, cell: Cell) -> None:
        """Passivate a cell if it is idle, after its actor's `stopped`."""
        runtime = self._runtime
        if cell.guardian is not None:
            return  # a declared actor stays awake
        if cell.actor is not None and cell.kind is not None and cell.kind.has_stopped:
            if cell.phase is Phase.IDLE and cell.head == cell.tail:
                cell.phase = Phase.RUNNING
                runtime.start_soon(self._stop_and_rest, cell)
        else:
            runtime.cells.passivate(cell)

    async def _stop_and_rest(self, cell: Cell) -> None:
        actor, cell.actor = cell.actor, None
        if actor is not None:
            await run_stopped(cell.name, actor)
        self._runtime.turn_ended(cell)
        self._runtime.cells.passivate(cell)

    def end(self, cell: Cell, exit: Exit) -> None:
        """End the life of an actor with the open batch, and tell those who watch it."""
        runtime = self._runtime
        self._say_goodbye(cell)
        runtime.cells.end_life(cell)
        runtime.watches.ended(cell.name, exit)
        if cell.guardian is not None:
            runtime.guarding.finished(cell, exit)

    def _say_goodbye(self, cell: Cell) -> None:
        """Run `stopped` of an actor whose life ends with this turn."""
        actor, cell.actor = cell.actor, None
        if actor is not None and cell.kind is not None and cell.kind.has_stopped:
            self._runtime.start_soon(self._leave, cell.name, actor)

    async def _leave(self, name: str, actor: Actor) -> None:
        gone = trio.Event()
        self._leaving.add(gone)
        try:
            await run_stopped(name, actor)
        finally:
            self._leaving.discard(gone)
            gone.set()

    async def rest_all(self) -> None:
        """Run `stopped` of all actors that are awake, side by side; at the node's end."""
        async with trio.open_nursery() as nursery:
            for cell in list(self._runtime.cells.by_name.values()):
                actor, cell.actor = cell.actor, None
                if actor is not None and cell.kind is not None and cell.kind.has_stopped:
                    nursery.start_soon(run_stopped, cell.name, actor)
            for gone in list(self._leaving):
                nursery.start_soon(gone.wait)


async def run_stopped(name: str, actor: Actor, within_s: float = STOPPED_WITHIN_S) -> None:
    """Run an actor's `stopped` hook; whatever it raises is logged, since there is nothing to undo."""
    try:
        with trio.move_on_after(within_s) as scope:
            await actor.stopped()
        if scope.cancelled_caught:
            log.warning("stopped() of %s took longer than %s s and was cut short", name, within_s)
    except (Exception, SystemExit):
        log.exception("stopped() of %s failed", name)
