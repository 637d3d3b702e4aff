"""Runtime: the parts of one node's inside, and how a message finds its mailbox.

Everything volatile of a node hangs on this one object, so that a crash (or a test's idea
of one) throws all of it away at once.

How a message travels. A handler's `tell` makes a `Mail` and stages it on the turn. When
the handler has returned, its turn is weighed, and its effects go into the open batch:
the message stands in the receiver's mailbox in memory, and the leading worker may handle
it at once. When nobody is ready, or a few commits' time has passed, the batch is sealed:
messages still waiting become segments, states that changed become records, and the
writer puts all of it on disk in one transaction. Then the watermark rises, and what
waited for it leaves: replies, acknowledgements, suspended handlers.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio
import trio.lowlevel

from ..mailbox.errors import StoreError, StoreFull
from ..mailbox.glance import read_counters, read_declared
from ..mailbox.store import Store
from .afar import Afar
from .alarm import Alarm
from .arrivals import Arrivals
from .asks import Asks
from .away import Away
from .blame import Blame
from .cell import Cell, Phase
from .cells import Cells
from .endings import Endings
from .errors import NodeClosed
from .guarding import Guarding
from .intake import Intake
from .ledger import Ledger
from .lives import Lives
from .mail import Mail
from .marks import Marks
from .orders import Orders
from .outside import Outside
from .pausing import Pausing
from .requests import Requests
from .room import Room
from .seeds import Seeds
from .sending import Sending
from .timers import Timers
from .watching import Watches
from .workers import Workers

if TYPE_CHECKING:
    from ..mailbox.writer import Writer
    from .batch import Batch
    from .retry import Decision, Retry
    from .types import Types
    from .world import Habits, World

log = logging.getLogger("callboard.node")


class Runtime:
    """One node's inside."""

    def __init__(self, store: Store, writer: Writer, world: World, habits: Habits) -> None:
        self.store = store
        self.writer = writer
        self.name = store.identity.node
        self.uuid = store.identity.uuid
        self.now_ns = world.now_ns
        self.clock = world.clock
        self.tick = world.tick
        self.schedule = world.schedule
        self.probe = world.probe
        self.longest_nap_s = world.longest_nap_s
        self.random = world.random
        self.speculation = habits.speculation
        self.roundtrip = habits.roundtrip
        self.failure: BaseException | None = None
        self.declared = read_declared(self.store)
        """Actors that a supervisor had when the node last ran, until their tree is started again."""
        self.end_tree: Callable[[], Awaitable[None]] | None = None
        """Stops the declared actors in good order, if there are any."""
        self.gave_up = ""
        """Why the supervision tree gave up; empty if it did not."""
        self.block = trio.CancelScope()
        """Around the user's own block."""
        self.settled = False
        """Everything was committed when the node closed."""
        self._world = world
        self._at_rest = habits.at_rest
        self._nursery: trio.Nursery | None = None
        self._idle = trio.Event()
        self._furnish(habits)

    def _furnish(self, habits: Habits) -> None:
        """Make the parts, those first that others hold on to."""
        self.room = Room(self, habits.quota)
        self.ledger = Ledger(
            self.store,
            self.writer,
            read_counters(self.store),
            now_ns=self.now_ns,
            clock=self.tick,
            on_durable=self._on_durable,
            on_trouble=self._on_trouble,
            probe=self.probe,
            most_bytes=self.room.ahead,
        )
        self.blame = Blame(self)
        self.alarm = Alarm(self, habits.idle_s)
        self.cells = Cells(self, habits.park_s)
        self.away = Away(self, habits.peers)
        self.sending = Sending(self)
        self.asks = Asks(self.ledger)
        self.timers = Timers(self)
        self.requests = Requests(self)
        self.marks = Marks(self, habits.keep_ids_s)
        self.endings = Endings(self)
        self.intake = Intake(self.ledger, self.room, self.schedule)
        self.lives = Lives(self)
        self.watches = Watches(self)
        self.arrivals = Arrivals(self)
        self.guarding = Guarding(self)
        self.seeds = Seeds(self)
        self.post = Outside(self)
        self.afar = Afar(self)
        self.orders = Orders(self)
        self.pausing = Pausing(self)
        self.workers: Workers

    @property
    def types(self) -> Types:
        """The actor classes there are."""
        return self._world.types

    # Running.

    @trio.lowlevel.enable_ki_protection  # trio itself has none in start_soon
    async def run(self, nursery: trio.Nursery) -> None:
        """Start the tasks of the node in a nursery."""
        self._nursery = nursery
        if not self._at_rest:
            self.blame.look()
        self.workers = Workers(self, nursery)
        self.room.look()
        self.timers.look()
        self.blame.arrest()
        self.workers.closing = self._at_rest
        self.workers.start()
        if not self._at_rest:
            self.ledger.bodies.sweep()
            nursery.start_soon(self.alarm.run, name="callboard alarm")
            nursery.start_soon(self.lives.wake_backlog, name="callboard backlog")
        await trio.lowlevel.checkpoint()

    def start_soon(self, function: Callable[..., Any], *args: object) -> None:
        """Run a task in the node's nursery."""
        assert self._nursery is not None
        self._nursery.start_soon(function, *args)

    @property
    def nursery(self) -> trio.Nursery:
        """Where the node's tasks run; those that are left are cancelled when it has closed."""
        assert self._nursery is not None
        return self._nursery

    def _on_durable(self, batch: Batch) -> None:
        self.cells.window.settle(batch.cells)
        self.room.on_durable()
        self.intake.reconsider()
        if self.alarm.waits_for_disk:
            self.alarm.waits_for_disk = False
            self.alarm.wake()
        self.workers.on_durable()

    def _on_trouble(self, error: BaseException) -> None:
        """A commit failed: wait for room if the disk is full, end the node if it is broken."""
        if isinstance(error, StoreFull):
            self.room.full(error)
            return
        log.critical("the store failed, so the node ends; nothing more is acknowledged: %s", error)
        self.die(error)

    def die(self, error: BaseException) -> None:
        """End at once: nothing is committed or acknowledged any more, and whoever waits hears `error`."""
        self.failure = error
        self.workers.closing = self.workers.finished = True
        self.abandon()
        assert self._nursery is not None
        self._nursery.cancel_scope.cancel()

    def give_up(self, why: str) -> None:
        """The supervision tree gave up: leave the user's block, and close in good order."""
        log.critical("the supervision tree gave up, so the node closes")
        self.gave_up = why
        self.block.cancel()

    def tend_store(self) -> None:
        """Let the store look after itself; a store that is not what it was ends the node."""
        try:
            self.store.tend()
        except StoreError as error:
            self._on_trouble(error)

    # Decisions.

    def decide(self, policy: Retry, attempts: int, error: BaseException, now: int) -> Decision:
        """What to do about a failure."""
        return self._world.decide(policy, attempts, error, now, self._world.random.random())

    def retry_later(self, cell: Cell) -> None:
        """Give a cell another attempt when it is due."""
        self.alarm.retry_later(cell)

    def wake_alarm(self) -> None:
        """A timer is due sooner than was known."""
        self.alarm.wake()

    def no_code(self, cell: Cell, mail: Mail) -> None:
        """The message at the head has no handler in this code: it waits, in order (G14)."""
        cell.phase = Phase.BLOCKED
        log.warning(
            "%s waits: %s has no handler named %r; it goes on after a deploy that has one",
            cell.name,
            cell.type,
            mail.handler,
        )

    def turn_ended(self, cell: Cell) -> None:
        """A suspended turn is over; the mailbox goes on."""
        if cell.phase is Phase.RUNNING:
            cell.phase = Phase.IDLE
            cell.used_at = self.clock()
            self.cells.consider(cell)
        if cell.held:
            self.guarding.turn_ended(cell)

    def unpark(self, name: str, life: int) -> None:
        """The mail of a mailbox without an actor has waited long enough."""
        self.lives.unpark(name, life)

    # Waiting.

    async def wait_settled(self, cell: Cell, mail: Mail) -> None:
        """Return when a message in hand, and the state under it, are on disk (G6)."""
        await self.ledger.wait_durable(max(cell.lsn, mail.lsn, cell.attempts_lsn))

    async def wait_idle(self) -> None:
        """Return when no turn can begin now and everything is on disk."""
        while self.busy:
            self.intake.check_open()
            if self._idle.is_set():
                self._idle = trio.Event()
            self.workers.wake()
            await self._idle.wait()

    def note_idle(self) -> None:
        """The leader has nothing to do; tell those who wait for that."""
        if not self._idle.is_set() and not self.busy:
            self._idle.set()

    @property
    def busy(self) -> bool:
        """Whether a turn can begin, goes on, or is not on disk."""
        ledger = self.ledger
        return bool(
            len(self.schedule)
            or self.workers.suspended
            or self.workers.waiting
            or self.lives.waking
            or ledger.flight
            or not ledger.open.empty
            or self.timers.soonest <= self.now_ns()
        )

    @trio.lowlevel.enable_ki_protection
    def abandon(self) -> None:
        """Wake whoever still waits: nothing is committed any more."""
        closed = NodeClosed("the node was closed before the answer came")
        self.intake.close("the node was closed: send through a node that is open")
        self._idle.set()
        self.asks.close(self.failure or closed)
        self.watches.close()
        self.guarding.close()
        self.ledger.abandon(self.failure or closed)

    def end(self) -> None:
        """Let the writer go; after this nothing runs."""
        self.abandon()
        self.writer.close()
        self.post.forget()
