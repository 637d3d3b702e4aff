"""Guarding: what a supervisor does with the actors under it: start, stop, and hear of their ends.

A guarded actor is started before mail comes, is never passivated, and does nothing while it is *held*:
from its failure until its supervisor has decided, and while it is stopped. Its mail waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import trio

from ..mailbox.errors import Undecodable
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


class _Starting:
    """A start that is under way."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.over = trio.Event()


class Guarding:
    """The guarded actors of one node."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._starts: dict[str, _Starting] = {}
        self._resting: dict[str, trio.Event] = {}
        self.on_close: Callable[[], None] | None = None
        """Hears that the node is gone, and that nothing ordered is answered any more."""

    def close(self) -> None:
        """The node is gone."""
        if self.on_close is not None:
            self.on_close()

    # Starting.

    def start(self, actor: Actor, name: str, guardian: Guardian) -> None:
        """Let an actor live at a name, unless one does, and run `started` before its first turn."""
        try:
            cell = self._take(actor, name, guardian)
        except Exception as error:
            guardian.start_failed(name, Failed(type(error).__qualname__, storable(error)))
            return
        self.hold(cell, STARTING)
        self._runtime.workers.wake()
        starting = self._starts[name] = _Starting()
        self._runtime.start_soon(self._start, cell, guardian, starting)

    def _take(self, actor: Actor, name: str, guardian: Guardian) -> Cell:
        """The cell of an actor that lives from now on, and under this guardian.

        Raises:
            NameTaken: it is under another, or somebody else lives there.
            CallboardError: it can live nowhere.
        """
        runtime = self._runtime
        seed = runtime.seeds.prepare(actor, name)
        cell = runtime.cells.get_for_life(name)
        if not _is_free_for(cell, guardian):
            raise NameTaken(f"{name!r} is under another supervisor already")
        runtime.seeds.sow(seed, None)
        cell.restarts += cell.guardian is guardian
        cell.guardian = guardian
        return cell

    def is_free(self, name: str) -> bool:
        """Whether an actor lives at a name that is under no supervisor."""
        cell = self._find(name)
        return cell is not None and bool(cell.type) and cell.guardian is None

    async def _start(self, cell: Cell, guardian: Guardian, starting: _Starting) -> None:
        failure: Exit | None = None
        woken = False
        try:
            with starting.scope:
                await self._rest(cell)
                if cell.kind is None or cell.kind.has_started:
                    # What `started` does to the world rests on a life that is on disk.
                    await self._runtime.ledger.wait_durable(cell.lsn)
                await self._wake(cell)
                woken = True
        except (Exception, SystemExit) as error:
            failure = Failed(type(error).__qualname__, storable(error))
        finally:
            del self._starts[cell.name]
            starting.over.set()
        if not woken:
            cell.actor = None
        if starting.scope.cancel_called:
            return  # whoever stops it tells
        if failure is not None:
            cell.held = FAILED
            guardian.start_failed(cell.name, failure)
            return
        self.release(cell)
        guardian.started(cell.name)

    async def _wake(self, cell: Cell) -> None:
        """Build the object, and run `started` as a turn does."""
        runtime = self._runtime
        if cell.paused or cell.type in runtime.cells.paused_types:
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
        if kind.encode(actor) != cell.state:
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
        cell = self._find(name)
        if cell is None:
            guardian.stopped(name, killed=False)
            return
        self.hold(cell, why)
        starting = self._starts.get(name)
        if starting is not None:
            starting.scope.cancel()
        if cell.worker is not None:
            cell.worker.interrupt(why, patience_s)
        self._runtime.start_soon(self._stop, cell, patience_s, starting, guardian)

    async def _stop(
        self, cell: Cell, patience_s: float | None, starting: _Starting | None, guardian: Guardian
    ) -> None:
        worker = cell.worker
        with trio.move_on_after(float("inf") if patience_s is None else patience_s) as patience:
            await trio.lowlevel.checkpoint()  # with no patience at all, nobody is asked
            await self._be_gone(cell, starting)
            await self._say_goodbye(cell)
        killed = patience.cancelled_caught or (worker is not None and worker.is_hopeless())
        # Killed or not, it is waited for: two runs of one actor never go side by side.
        await self._be_gone(cell, starting)
        cell.actor = None
        guardian.stopped(cell.name, killed=killed)

    async def _be_gone(self, cell: Cell, starting: _Starting | None) -> None:
        """Return when neither a turn nor a start of a held cell is in hand."""
        await self._rest(cell)
        if starting is not None:
            await starting.over.wait()

    async def _say_goodbye(self, cell: Cell) -> None:
        actor, cell.actor = cell.actor, None
        if actor is not None and cell.kind is not None and cell.kind.has_stopped:
            await run_stopped(cell.name, actor, float("inf"))

    def keep_down(self, name: str, why: str, guardian: Guardian) -> None:
        """Guard an actor no longer, and let it do nothing until somebody starts it again."""
        cell = self._find(name)
        if cell is not None and _is_free_for(cell, guardian):
            cell.guardian = None
            self.hold(cell, why)

    def let_go(self, name: str, guardian: Guardian | None = None, exit: Exit | None = None) -> None:
        """Guard an actor no longer: its life ends with an exit, or it goes on as any spawned one."""
        runtime = self._runtime
        cell = self._find(name)
        if cell is None or not _is_free_for(cell, guardian):
            return
        cell.guardian, cell.held = None, ""
        if exit is not None and cell.type:
            runtime.cells.end_life(cell)
            runtime.watches.ended(name, exit)
        runtime.cells.consider(cell)
        runtime.workers.wake()

    def _find(self, name: str) -> Cell | None:
        """The cell of a mailbox; None if there is none, or its record is damaged."""
        try:
            return self._runtime.cells.find(name)
        except Undecodable:
            return None


def _is_free_for(cell: Cell, guardian: Guardian | None) -> bool:
    return cell.guardian is None or cell.guardian is guardian
