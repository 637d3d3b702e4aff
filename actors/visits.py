"""Visits: the turns that a mailbox gets in a row. Every message passes here.

How a message travels from actor to actor, and what each step costs (µs on a machine where a bare
coroutine costs 0.2; `benchmarks/run.py` has what comes of it):

- 0.5  `Sink.take(...)` checks the values by a function compiled for just these types (`checking`).
- 0.7  `await ref.tell(message)` finds the turn, the mailbox and that its actor has the handler, and stages
       a `Mail`. Nothing is encoded.
- 0.4  When the sender's handler has returned, its mail is appended to the receivers' cells (`Sending.apply`).
- 0.5  A visit takes the message from the head of the cell, and sees that nothing stands against its turn.
- 0.4  The handler is stepped once, in a context of its own, by a generator that awaits it (`Stepper`): a
       coroutine that returns to its awaiter raises nothing. Nearly all return without a trap for trio.
- 0.3  The declared fields are read and checked. They are kept as they are: bytes are made of what is left
       when the batch is sealed, so a state that a thousand turns changed is encoded once.
- 0.3  The head moves, and the books are kept.
- The rest is the handler's own, and a share of the commit: mail that was handled before it is never written.

`Visits.run` takes one mailbox after the other from the schedule, and gives the lead back when there is
something else to do. Where one message makes the next, each visit has one turn.

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
from .stepping import LEAKED, RETURNED
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
SLICE_WORTH = 128
"""As how many turns a visit counts that took a slice: floods do not wait for a thousand turns that block."""
SENT = 2
"""As how many turns a message counts that a turn sends: it is work for others, who have to catch up with it.

With one, a receiver that is behind by a thousand messages stays so, and each of them is written to the disk.
"""
READY, RUNNING, IDLE = Phase.READY, Phase.RUNNING, Phase.IDLE
"""Names of this module, since to look for a member of an enum takes as long as a call."""
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
        self.verdicts = verdicts
        self.tight = False
        """There is little room: what a turn adds has to be weighed."""
        self._clock, self._tick = runtime.clock, runtime.tick
        self._ahead = runtime.speculation
        self._roundtrip = runtime.roundtrip
        self._rare = self._roundtrip or self._probe is not None or not self._ahead
        """Something is asked at every turn that production does not ask."""
        self._reread = runtime.endings.reread
        self._now = self._ends_at = 0.0
        self.left = 0
        """Turns that the slice may still have."""
        self._suspects = runtime.blame.suspected
        self._next = runtime.blame.next if self._suspects else runtime.schedule.next
        self.slice_over = False
        """Other tasks should have their chance."""
        self.loaded = False
        """A slice has ended with work left, since there was none: an answer does not wait for the next."""
        self.last: Cell | None = None
        """The mailbox that was visited last; None if nobody was next, or there was no room."""

    def begin_slice(self) -> None:
        """Other tasks had their chance."""
        self._now = self._clock()
        self._ends_at = self._tick() + SLICE_S
        self.left = SLICE_TURNS
        self.slice_over = False

    @property
    def held_s(self) -> float:
        """How long the slice has lasted."""
        return self._tick() - self._ends_at + SLICE_S

    # One function, since a call costs a hundredth of a turn; names are looked up before the first visit.
    def run(self, worker: Worker, room: int) -> Suspended | None:  # noqa: C901, PLR0912
        """Visit one mailbox after the other, until a handler suspends or the leader has something to do.

        Args:
            worker: that leads.
            room: turns that may begin before the disk has to catch up; no more than are `left`.
        """
        ledger, schedule, beginnings, stepper = self._ledger, self._schedule, self.beginnings, worker.stepper
        next_cell, begin, end, tick, batch = self._next, self._begin, self._end, self._tick, ledger.open
        words, workers, suspects = self._words, self._runtime.workers, self._suspects
        most = ledger.most_bytes - (ledger.flight.bytes if ledger.flight else 0)
        before, cell, over, stop = room, None, False, False
        while room > 0 and (cell := next_cell()) is not None:
            if cell.phase is not READY:
                continue
            cell.phase = RUNNING
            cell.used_at = self._now
            words[BOX] = cell.box
            mails = cell.mail
            turns = 1 if suspects and self._blame.lone is cell else schedule.quantum
            turns = begun = room if room < turns else turns  # noqa: FURB136 - min() is a call
            while turns > 0:
                mail = mails[0] if mails else None if cell.loaded == cell.tail else beginnings.head(cell)
                if mail is None:
                    break
                turns -= 1
                found = begin(cell, mail) or beginnings.begin(cell, mail)
                if found is None:
                    turns = self._not_begun(worker, cell, mail, turns)
                else:
                    (turn, spec, _), context = found, copy_context()
                    try:
                        trap = context.run(stepper.step, found)
                    except BaseException as error:
                        self._raised(worker, turn, spec, error)
                    else:
                        if trap is not RETURNED and trap is not LEAKED:
                            return self._suspended(Suspended(cell, *found, context, trap))
                        if trap is LEAKED or not end(turn, cell, mail, spec, stepper.result):
                            self.verdicts.returned(worker, turn, spec, stepper.result)
                    turns -= SENT * len(turn.effects)
                over = tick() >= self._ends_at  # at every turn, since one may have blocked for longer
                stop = over or worker.leaked or batch.bytes >= most
                if stop or cell.phase is not RUNNING:
                    break
            begun -= turns
            room -= begun
            schedule.spent += SLICE_WORTH if over and begun < SLICE_WORTH else begun
            if cell.phase is RUNNING:
                cell.phase = IDLE
                if cell.tail != cell.head:
                    self._cells.consider(cell)
            stop = stop or suspects or workers.closing
            if stop or (self.loaded and batch.releases and not schedule.urgent):
                break
        self.left -= before - room
        self.slice_over, self.last = over or self.left <= 0, cell
        return None

    def _not_begun(self, worker: Worker, cell: Cell, mail: Mail, turns: int) -> int:
        """A message was disposed of, waits, or had a piece of its body read; how many turns are left now."""
        worker.leaked = worker.check.leaked()  # what builds an actor is a user's code, too
        is_being_read = cell.phase is RUNNING and cell.mail and cell.mail[0] is mail
        return 0 if is_being_read else turns

    def _raised(self, worker: Worker, turn: Turn, spec: HandlerSpec, error: BaseException) -> None:
        """A handler raised; the stepper's generator went with it."""
        worker.stepper.renew()
        worker.leaked = worker.check.leaked()
        self.verdicts.raised(turn, spec, error)

    def _suspended(self, suspended: Suspended) -> Suspended:
        """A handler waits for something: nobody's code runs."""
        self._words[NUMBER] = 0
        self._blame.stepped(suspended.cell)
        return suspended

    def _begin(self, cell: Cell, mail: Mail) -> tuple[Turn, HandlerSpec, Coroutine[Any, Any, Any]] | None:
        """The short way to a turn; None where something is to be looked at, and nothing was done."""
        message, actor, kind = mail.message, cell.actor, cell.kind
        if message is None or actor is None or kind is None or mail.flags & SPECIAL:
            return None
        if cell.attempts or cell.starts or cell.careful > cell.head:
            return None
        spec = message.spec
        held: Any = message.held
        if spec.suspends or spec not in kind.ahead or held.__class__ is not tuple:
            return None
        turn = Turn(self._runtime, cell, mail, self._post)
        if self._rare:
            if not self._ahead:
                return None
            if self._roundtrip:
                held = spec.shape.decode(message.body(), self._post)
            if self._probe is not None:
                self._probe.turn_begin(turn)
        self._words[NUMBER] = mail.number  # from here on code of the user's runs; its box is there already
        values: tuple[Any, ...] = (actor,) + held  # noqa: RUF005 - a display with a star makes a list first
        return turn, spec, spec.function(*values)

    def _end(self, turn: Turn, cell: Cell, mail: Mail, spec: HandlerSpec, result: Any) -> bool:
        """The short way to commit a turn that nobody hears of; False where it has to be the long one.

        It does what `Endings.weigh` and `Endings.handled` do.
        """
        if mail.flags or turn.special or cell.error or self.tight:
            return False
        kind: Any = cell.kind  # there is one, and an actor, or it could not have had a turn
        reply = spec.reply
        try:
            if result is not None or not reply.nothing:
                reply.check(result)
            read = kind.read_checked  # found first: what is called as a method is looked for as one
            values = read(cell.actor)
        except Exception:
            return False  # the long way says what is wrong
        if not kind.small and (not kind.keeps_values or kind.state.most(values) > SMALL):
            return False
        self._words[NUMBER] = 0
        if self._rare and (error := self._object(turn)) is not None:
            self.verdicts.failed(turn, spec, error)
            return True
        turn.over = True
        cell.newer = values
        batch = self._ledger.open
        lsn = cell.lsn = batch.lsn
        if turn.effects:
            apply = self._apply
            apply(turn.effects)
        cell.mail.popleft()
        cell.head += 1
        cell.handled += 1
        batch.handled += 1
        batch.turns += 1
        if cell.touched != lsn:
            self._ledger.touch(cell)
        if self._rare:
            self._note_handled(cell, mail)
        return True

    def _note_handled(self, cell: Cell, mail: Mail) -> None:
        """Have whoever looks on see the end of a turn."""
        if self._roundtrip:
            self._reread(cell)
        if self._probe is not None:
            self._probe.handled(cell, mail)

    def _object(self, turn: Turn) -> Exception | None:
        """What whoever listens has against the end of a turn."""
        try:
            if self._probe is not None:
                self._probe.turn_end(turn)
        except Exception as error:
            return error
        return None
