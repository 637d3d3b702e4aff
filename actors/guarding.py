"""Guarding: what a supervisor does with the actors under it: start, stop, and hear of their ends.

A guarded actor is started before mail comes, is never passivated, and does nothing while it is *held*:
from its failure until its supervisor has decided, and while it is stopped. Its mail waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import trio

from ..mailbox.errors import CallboardError
from .current import TURN
from .errors import NameTaken
from .exits import Exit, Failed, Finished
from .lives import run_stopped
from .mail import Cause, Mail
from .texts import storable
from .turn import Turn
from .waking import wake

if TYPE_CHECKING:
    from .actor import Actor
    from .cell import Cell
    from .runtime import Runtime

STARTING = "it is being started"
FAILED = "it has failed, and waits for its supervisor"
BEGINNING = Cause("", 0, 0, 0, "")


class Guardian(Protocol):
    """Hears what becomes of the actors under it; called on the loop, in the middle of things."""

    def started(self, name: str) -> None:
        """A start that was ordered is done."""
        ...

    def start_failed(self, name: str, exit: Exit) -> None:
        """A start that was ordered has failed."""
        ...

    def exited(self, name: str, exit: Exit) -> None:
        """A running actor ended by itself; it is held."""
        ...

    def stopped(self, name: str, *, killed: bool) -> None:
        """A stop that was ordered is done."""
        ...


class Guarding:
    """The guarded actors of one node."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._starts: dict[str, trio.CancelScope] = {}
        self._resting: dict[str, trio.Event] = {}

    # Starting.

    def start(self, actor: Actor, name: str, guardian: Guardian) -> None:
        """Let an actor live at a name, unless one does, and run `started` before its first turn."""
        runtime = self._runtime
        try:
            seed = runtime.seeds.prepare(actor, name)
            runtime.seeds.sow(seed, None)
        except CallboardError as error:
            guardian.start_failed(name, Failed(type(error).__qualname__, storable(error)))
            return
        cell = runtime.cells.get_for_life(name)
        if cell.guardian is not None and cell.guardian is not guardian:
            taken = NameTaken(f"{name!r} is under another supervisor already")
            guardian.start_failed(name, Failed("NameTaken", str(taken)))
            return
        cell.guardian = guardian
        self.hold(cell, STARTING)
        runtime.workers.wake()
        runtime.start_soon(self._start, cell, guardian)

    async def _start(self, cell: Cell, guardian: Guardian) -> None:
        scope = self._starts[cell.name] = trio.CancelScope()
        failure: Exit | None = None
        try:
            with scope:
                await self._rest(cell)
                await self._runtime.ledger.wait_durable(cell.lsn)
                await self._wake(cell)
        except (Exception, SystemExit) as error:
            failure = Failed(type(error).__qualname__, storable(error))
        finally:
            del self._starts[cell.name]
        if scope.cancelled_caught or cell.held != STARTING:
            cell.actor = None
            return  # it is being stopped, and whoever does that tells
        if failure is not None:
            cell.actor = None
            cell.held = FAILED
            guardian.start_failed(cell.name, failure)
            return
        self.release(cell)
        guardian.started(cell.name)

    async def _wake(self, cell: Cell) -> None:
        """Build the object, and run `started` as a turn does."""
        runtime = self._runtime
        if cell.paused:
            return  # it waits for a person, and wakes when there is something to do
        kind = cell.kind
        if kind is None:
            raise LookupError(runtime.types.why_not(cell.type))
        actor = wake(cell, runtime)
        if not kind.has_started:
            return
        turn = Turn(runtime, cell, Mail(0, None, BEGINNING), runtime.post)
        turn.starting = True
        token = TURN.set(turn)
        try:
            await actor.started()
        finally:
            TURN.reset(token)
            turn.over = True
        if kind.state.encode(kind.state.check(kind.read(actor))) != cell.state:
            raise TypeError(f"started() of {kind.name} changed declared fields; change state in a handler")

    # Holding.

    def hold(self, cell: Cell, why: str) -> None:
        """Let no turn begin at a cell; its mail waits."""
        cell.held = why
        self._runtime.cells.block(cell)

    def release(self, cell: Cell) -> None:
        """Let turns begin again."""
        cell.held = ""
        self._runtime.cells.consider(cell)
        self._runtime.workers.wake()

    async def _rest(self, cell: Cell) -> None:
        """Return when no turn of a held cell is in hand."""
        while cell.worker is not None:
            await self._resting.setdefault(cell.name, trio.Event()).wait()

    def turn_ended(self, cell: Cell) -> None:
        """A turn of a held cell is over."""
        event = self._resting.pop(cell.name, None)
        if event is not None:
            event.set()

    # Ending.

    def failed(self, cell: Cell, error: BaseException) -> None:
        """A message of a guarded actor died, or it cannot be woken: hold it, and tell its guardian."""
        self._exit(cell, Failed(type(error).__qualname__, storable(error)))

    def finished(self, cell: Cell, exit: Exit | None = None) -> None:
        """A guarded actor's life has ended with the open batch."""
        self._exit(cell, exit or Finished())

    def _exit(self, cell: Cell, exit: Exit) -> None:
        guardian = cell.guardian
        if guardian is not None:
            self.hold(cell, FAILED)
            guardian.exited(cell.name, exit)

    # Stopping.

    def stop(self, name: str, patience_s: float | None, why: str, guardian: Guardian) -> None:
        """Stop an actor: cancel its turn at no cost to the message (G18), run `stopped`, and hold it."""
        cell = self._runtime.cells.find(name)
        if cell is None:
            guardian.stopped(name, killed=False)
            return
        self.hold(cell, why)
        self._runtime.start_soon(self._stop, cell, patience_s, why, guardian)

    async def _stop(self, cell: Cell, patience_s: float | None, why: str, guardian: Guardian) -> None:
        starting = self._starts.get(cell.name)
        if starting is not None:
            starting.cancel()
        worker = cell.worker
        killed = False
        if worker is not None:
            worker.interrupt(why, patience_s)
            with trio.move_on_after(float("inf") if patience_s is None else patience_s):
                await self._rest(cell)
            killed = cell.worker is not None
            await self._rest(cell)
        actor, cell.actor = cell.actor, None
        if actor is not None and cell.kind is not None and cell.kind.has_stopped and not killed:
            await run_stopped(cell.name, actor)
        guardian.stopped(cell.name, killed=killed)

    def let_go(self, name: str, exit: Exit | None = None) -> None:
        """Guard an actor no longer: its life ends with an exit, or it goes on as any spawned one."""
        runtime = self._runtime
        cell = runtime.cells.find(name)
        if cell is None:
            return
        cell.guardian, cell.held = None, ""
        if exit is not None and cell.type:
            runtime.cells.end_life(cell)
            runtime.watches.ended(name, exit)
        runtime.cells.consider(cell)
        runtime.workers.wake()
