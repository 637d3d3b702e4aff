"""Workers: tasks that run turns, one of them leading.

The leader takes ready cells from the schedule and steps their turns by hand. When a
handler suspends, its worker hands the lead to a new one, stays with that turn to its end,
and is then retired. The leader gives way to trio's other tasks after a millisecond, and
has the open batch committed when nobody is ready, or when it has grown old.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio

from ..mailbox.errors import StoreError
from ..mailbox.inhand import BOX, NUMBER
from .errors import NodeClosed
from .pace import HEARD, rounds
from .stepping import LeakCheck, Stepper, next_step, pass_on
from .thrift import Thrifty
from .verdicts import Verdicts
from .visits import Visits
from .worker import Suspended, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .handler import HandlerSpec
    from .runtime import Runtime
    from .turn import Turn

log = logging.getLogger("callboard.node")


class Workers:
    """The workers of one node."""

    def __init__(self, runtime: Runtime, nursery: trio.Nursery) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._schedule = runtime.schedule
        self._blame = blame = runtime.blame
        self._suspects = blame.suspected
        self._words = blame.words
        self._verdicts = self._ample = Verdicts(runtime)
        self._thrifty = Thrifty(runtime)
        self._nursery = nursery
        self._parked: trio.lowlevel.Task | None = None
        self._visits = Visits(runtime, self._verdicts)
        self._tick = runtime.tick
        self.on_work: Callable[[], None] | None = None
        """Called when work begins, while somebody sleeps as long as there is none (`cluster/watchdog.py`)."""
        self.steps = 0
        """How many steps of handlers that had suspended were begun."""
        self.suspended: set[Worker] = set()
        self._alone = trio.Event()
        self._alone.set()
        self.closing = False
        """No further turn begins; those that are suspended go on."""
        self.finished = False
        """Nobody needs a leader any more."""

    def start(self) -> None:
        """Start a worker, which leads."""
        self._nursery.start_soon(self._work, name="callboard worker")

    def wake(self) -> None:
        """There may be something to do."""
        task, self._parked = self._parked, None
        if task is not None:
            trio.lowlevel.reschedule(task)
        if self.on_work is not None:  # also to one that only gives way
            self.on_work()

    def be_thrifty(self, tight: bool) -> None:  # noqa: FBT001
        """From the next turn on, let those that make the store larger stand aside, or let them be."""
        self._verdicts = self._visits.verdicts = self._thrifty if tight else self._ample
        self._visits.tight = tight

    def on_durable(self) -> None:
        """The watermark has risen: cells that waited for it are ready."""
        self._visits.beginnings.on_durable()
        self.wake()

    @property
    def at_work(self) -> bool:
        """Whether a worker leads, and has not found that there is nothing to do."""
        return self._parked is None

    @property
    def waiting(self) -> int:
        """Mailboxes whose next turn waits for the disk."""
        return len(self._visits.beginnings.waiting)

    async def wait_none_suspended(self) -> None:
        """Return when no turn is suspended."""
        while self.suspended:
            await self._alone.wait()

    # Leading.

    @trio.lowlevel.enable_ki_protection
    async def _work(self) -> None:
        worker: Worker | None = None
        try:
            worker = Worker()
            with worker.scope:
                worker.check = check = LeakCheck()
                worker.stepper = Stepper(check)
                await self._lead(worker)
        except RuntimeError as error:
            # Leaving our own scope closes whatever a handler left open inside it, and
            # trio says so; the turn has failed for it already.
            if worker is None or "stack corrupted" not in str(error):
                raise
        finally:
            if worker is not None:
                worker.stepper.retire()

    async def _lead(self, worker: Worker) -> None:
        ledger, schedule, visits = self._ledger, self._schedule, self._visits
        visits.begin_slice()
        while not self.finished:
            room = 0 if self.closing else ledger.room()
            suspended = visits.run(worker, room if room < visits.left else visits.left)  # noqa: FURB136
            if suspended is not None:
                self.start()
                await self._stay(worker, suspended, visits.held_s)
                return
            cell = visits.last
            if cell is None:
                if visits.beginnings.fetching.call_next() or ledger.commit():
                    await self._give_way(HEARD)
                else:
                    worker.stepper.let_go()
                    await self._park()
                    visits.begin_slice()
                continue
            if self._suspects and self._blame.lone is cell:
                self._blame.over(cell)
            if worker.leaked:
                self.start()
                await worker.check.repair()
                return
            over, committed = visits.slice_over, False
            visits.loaded = visits.loaded or over
            if over or (visits.loaded and ledger.open.releases and not schedule.urgent):
                # With nobody ready it is committed anyway, once others had their chance to say something.
                committed = len(schedule) > 0 and ledger.commit_if_old(self._tick(), early=not over)
            if over or committed:
                await self._give_way(HEARD if committed else rounds(visits.held_s))

    async def _give_way(self, times: int) -> None:
        """Let the others have the loop; two rounds will do, since who asks has the next turn."""
        for _ in range(min(times, HEARD)):
            await trio.lowlevel.checkpoint()
        self._visits.begin_slice()

    async def _park(self) -> None:
        self._visits.loaded = False
        self._runtime.intake.reconsider()  # mailboxes may have left the schedule without a commit
        self._runtime.note_idle()
        self._parked = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._parked = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    # Staying with a suspended turn.

    async def _stay(self, worker: Worker, suspended: Suspended, held_s: float) -> None:
        """Be the task of a suspended handler until its turn is over, then retire."""
        cell, spec = suspended.cell, suspended.spec
        spec.suspends = True
        cell.worker, worker.hand = worker, suspended
        self.suspended.add(worker)
        if self._alone.is_set():
            self._alone = trio.Event()
        if spec.timeout is not None:
            worker.set_timeout(spec.timeout)
        try:
            await self._step_to_its_end(worker, suspended, held_s)
        finally:
            _close(suspended.coroutine)
            # All of the turn is settled before anything is awaited: its next attempt may begin at once.
            cell.worker = None
            self._blame.over(cell)
            if suspended.turn.laid:
                self._runtime.post.spool.clear_away(suspended.turn)
            self.suspended.discard(worker)
            if not self.suspended:
                self._alone.set()
            self._runtime.turn_ended(cell)
            self.wake()
            if worker.check.leaked():
                await worker.check.repair()

    async def _step_to_its_end(self, worker: Worker, suspended: Suspended, held_s: float) -> None:
        """Pass traps and answers between trio and the handler until it returns or raises."""
        cell, turn, spec, coroutine, context, trap = suspended
        probe = self._runtime.probe
        blame, words = self._blame, self._words
        need = max(cell.lsn, turn.mail.lsn, cell.attempts_lsn)
        while True:
            answer, error = await pass_on(trap)
            for _ in range(1, rounds(held_s)):
                await trio.lowlevel.cancel_shielded_checkpoint()
            if need > self._ledger.durable:
                try:
                    with trio.CancelScope(shield=True):
                        await self._ledger.wait_durable(need)
                except (StoreError, NodeClosed):
                    # Nothing is committed any more, so it may not go on, and this turn never was.
                    return self._verdicts.interrupted(turn)
            if error is None and self._runtime.failure is not None:
                try:
                    await trio.lowlevel.checkpoint()
                except trio.Cancelled as cancelled:
                    # The node has died, so this is all that a handler about to go on may hear.
                    answer, error = None, cancelled
            if worker.is_hopeless():
                return self._abandon(worker, turn, spec)
            if probe is not None and (error is None or self._runtime.failure is None):
                probe.turn_resumed(turn)
            words[BOX] = cell.box
            words[NUMBER] = turn.mail.number
            blame.stepping(cell)
            self.steps += 1
            if self.on_work is not None:
                self.on_work()
            began = self._tick()
            try:
                trap = context.run(next_step, coroutine, answer, error)
            except StopIteration as stop:
                return self._verdicts.returned_late(worker, turn, spec, stop.value)
            except BaseException as raised:
                return self._verdicts.raised_late(worker, turn, spec, raised)
            words[NUMBER] = 0
            blame.stepped(cell)
            held_s = self._tick() - began

    def _abandon(self, worker: Worker, turn: Turn, spec: HandlerSpec) -> None:
        """Stop stepping a handler that swallows its cancellation."""
        log.error(
            "%s ignores its cancellation in %s; its turn is abandoned and undone",
            turn.cell.name,
            spec.name,
        )
        self._verdicts.cancelled(worker, turn, spec)


def _close(coroutine: Coroutine[Any, Any, Any]) -> None:
    """End a handler that nobody will step again, while its task can still leave its scopes."""
    try:
        coroutine.close()
    except BaseException as error:
        log.debug("an abandoned handler would not close: %s", error)
