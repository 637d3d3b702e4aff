"""Visits: the turns that a mailbox gets in a row. Every message passes here.

How a message travels from actor to actor, and what each step costs (µs on a machine where a bare
coroutine costs 0.2; `benchmarks/run.py` has what comes of it):

- 0.5  `Sink.take(...)` checks the values by a function compiled for just these types (`checking`).
- 0.7  `await ref.tell(message)` finds the turn, the mailbox and that its actor has the handler, and stages
       a `Mail`. Nothing is encoded.
- 0.5  When the sender's handler has returned, its mail is appended to the receivers' cells (`Cells.deliver`).
- 0.5  A visit takes the message from the head of the cell, and sees that nothing stands against its turn.
- 0.5  The handler is stepped once, in a context of its own. Nearly all return without a trap for trio.
- 0.3  The declared fields are read and checked. They are kept as they are: bytes are made of what is left
       when the batch is sealed, so a state that a thousand turns changed is encoded once.
- 0.3  The head moves, and the books are kept.
- The rest is the handler's own, and a share of the commit: mail that was handled before it is never written.

So there are two ways. The *short* one is for what nearly all messages are: told, live, for an actor that
is awake and well. All others take the *long* one, `Beginnings.begin` and `Verdicts.returned`, which say
what is wrong; the short way gives up before it has changed anything. Both run in simulations.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from ..mailbox.envelope import Flag
from ..mailbox.inhand import BOX, NUMBER
from .beginnings import Beginnings
from .cell import Cell, Phase
from .checking import SMALL
from .pace import SLICE_S
from .stepping import first_step
from .turn import Turn
from .verdicts import Verdicts
from .worker import Suspended, Worker

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .handler import HandlerSpec
    from .mail import Mail
    from .runtime import Runtime

SLICE_TURNS = 500
"""The same in turns: what bounds a slice where time stands still, as it does in tests."""
RUNNING = Phase.RUNNING
SPECIAL = ~Flag.ASKED
"""Mail with one of these flags begins the long way."""


class Visits:
    """Gives cells their turns, a slice of time after the other."""

    def __init__(self, runtime: Runtime, verdicts: Verdicts) -> None:
        self.beginnings = Beginnings(runtime)
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._cells = runtime.cells
        self._schedule = runtime.schedule
        self._blame = runtime.blame
        self._words = runtime.blame.words
        self._probe = runtime.probe
        self._post = runtime.post
        self._apply = runtime.sending.apply
        self._counters = runtime.ledger.counters
        self.verdicts = verdicts
        self.tight = False
        """There is little room: what a turn adds has to be weighed."""
        self._clock, self._tick = runtime.clock, runtime.tick
        self._ahead = runtime.speculation
        self._roundtrip = runtime.roundtrip
        self._reread = runtime.endings.reread
        self._now = self._ends_at = 0.0
        self._left = 0

    def begin_slice(self) -> None:
        """Other tasks had their chance."""
        self._now = self._clock()
        self._ends_at = self._tick() + SLICE_S
        self._left = SLICE_TURNS

    @property
    def slice_over(self) -> bool:
        """Whether other tasks should have theirs."""
        return self._left <= 0 or self._tick() >= self._ends_at

    @property
    def held_s(self) -> float:
        """How long the slice has lasted."""
        return self._tick() - self._ends_at + SLICE_S

    # One function, since a call costs a fiftieth of a turn.
    def visit(self, worker: Worker, cell: Cell, room: int) -> Suspended | None:  # noqa: C901, PLR0912
        """Give a cell its turns: up to a quantum, to the end of the slice, or until one suspends.

        Args:
            worker: that leads.
            cell: that is next.
            room: turns that may begin before the disk catches up.
        """
        if cell.phase is not Phase.READY:
            return None
        cell.phase = RUNNING
        cell.used_at = self._now
        turns = begun = 1 if self._blame.lone is cell else min(self._schedule.quantum, room, self._left)
        mails, beginnings = cell.mail, self.beginnings
        while turns > 0:
            mail = mails[0] if mails else None if cell.loaded == cell.tail else beginnings.head(cell)
            if mail is None:
                break
            turns -= 1
            found = self._begin(cell, mail) or beginnings.begin(cell, mail)
            if found is None:
                if cell.phase is RUNNING:
                    continue
                break
            turn, spec, coroutine = found
            context = copy_context()
            try:
                trap = context.run(first_step, turn, coroutine)
            except StopIteration as stop:
                if worker.check.leaked() or not self._end(turn, cell, mail, spec, stop.value):
                    self.verdicts.returned(worker, turn, spec, stop.value)
            except BaseException as error:
                worker.leaked = worker.check.leaked()
                self.verdicts.raised(turn, spec, error)
            else:
                self._words[NUMBER] = 0
                self._blame.stepped(cell)
                return Suspended(cell, turn, spec, coroutine, context, trap)
            if cell.phase is not RUNNING or worker.leaked:
                break
            # What a turn sends is work for others, and counts as if it had been done here.
            turns -= len(turn.effects)
            # At every turn, since one may have blocked for longer than a slice.
            if self._tick() >= self._ends_at:
                break
        self._left -= begun - turns
        self._schedule.spent += begun - turns
        if cell.phase is RUNNING:
            cell.phase = Phase.IDLE
            if cell.tail != cell.head:
                self._cells.consider(cell)
        return None

    def _begin(self, cell: Cell, mail: Mail) -> tuple[Turn, HandlerSpec, Coroutine[Any, Any, Any]] | None:
        """The short way to a turn; None where something is to be looked at, and nothing was done."""
        message, actor, kind = mail.message, cell.actor, cell.kind
        if message is None or actor is None or kind is None or mail.flags & SPECIAL:
            return None
        if cell.attempts or cell.starts or cell.careful or not (self._ahead and kind.speculation):
            return None
        spec, held = message.spec, message.held
        if kind.handlers.get(spec.name) is not spec or spec.suspends or held.__class__ is not tuple:
            return None
        if self._roundtrip:
            held = spec.shape.decode(message.body(), self._post)
        turn = Turn(self._runtime, cell, mail, self._post)
        if self._probe is not None:
            self._probe.turn_begin(turn)
        words = self._words
        words[BOX] = cell.box
        words[NUMBER] = mail.number  # from here on code of the user's runs
        return turn, spec, spec.function(actor, *held)

    def _end(self, turn: Turn, cell: Cell, mail: Mail, spec: HandlerSpec, result: Any) -> bool:
        """The short way to commit a turn that nobody hears of; False where it has to be the long one.

        It does what `Endings.weigh` and `Endings.handled` do.
        """
        if mail.flags or turn.claimed is not None or turn.stopping or cell.error or self.tight:
            return False
        kind, actor = cell.kind, cell.actor
        assert kind is not None
        assert actor is not None
        if not kind.keeps_values:
            return False
        reply = spec.reply
        try:
            if result is not None or not reply.nothing:
                reply.check(result)
            values = kind.read_checked(actor)
        except Exception:
            return False  # the long way says what is wrong
        shape = kind.state
        if not shape.small and (shape.most is None or shape.most(values) > SMALL):
            return False
        self._words[NUMBER] = 0
        probe = self._probe
        if probe is not None:
            try:
                probe.turn_end(turn)
            except Exception as error:
                self.verdicts.failed(turn, spec, error)
                return True
        turn.over = True
        cell.newer = values
        if self._roundtrip:
            self._reread(cell)
        batch = self._ledger.open
        cell.lsn = batch.lsn
        if turn.effects:
            self._apply(turn.effects)
        cell.mail.popleft()
        cell.head += 1
        cell.handled += 1
        self._counters.handled += 1
        batch.turns += 1
        if cell.touched != batch.lsn:
            self._ledger.touch(cell)
        if probe is not None:
            probe.handled(cell, mail)
        return True
