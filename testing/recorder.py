"""Recorder: listens to one life of a node, writes down what happens, and holds it against the promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..actors.world import Habits
from ..mailbox.envelope import Extra, Flag
from . import invariants
from .errors import InvariantBroken, Kill
from .history import Change, History, Known, Lifetime, Sent, Taken

if TYPE_CHECKING:
    from ..actors.cell import Cell
    from ..actors.mail import Mail
    from ..actors.turn import Turn
    from ..mailbox.memory import MemoryStore
    from .trace import Trace
    from .traffic import Traffic


KEPT_NS = int(Habits().keep_ids_s * 1e9)
"""How long an `id=` is kept in a simulation, nanoseconds."""


class Watched(Protocol):
    """The node that a recorder listens to."""

    index: int
    name: str
    store: MemoryStore
    history: History
    order: invariants.Order
    trace: Trace
    traffic: Traffic

    def now_ns(self) -> int:
        """Its wall clock."""
        ...

    def reached(self, point: str) -> None:
        """A point at which it may be told to crash."""
        ...

    def raise_for(self, name: str) -> None:
        """Raise what an actor was told to raise."""
        ...

    def taken_in(self, mail: Mail, sent: Sent) -> None:
        """A message from outside was taken in."""
        ...

    def broken(self, error: InvariantBroken) -> None:
        """A promise was not kept."""
        ...

    def committed(self) -> None:
        """A commit is on disk."""
        ...


class Recorder:
    """A `Probe` of one life; the next life gets another."""

    def __init__(self, node: Watched) -> None:
        self.over = False
        """The node was killed: nothing may happen in this life any more."""
        self._node = node
        self._history = node.history
        self._trace = node.trace
        self.sealed_lsn = 0
        """The last batch that went to the store."""
        self._lsn = 1
        self._durable = 0

    def _hold(self, name: str, wrong: str) -> None:
        if wrong:
            self._node.broken(InvariantBroken(name, wrong))

    def _note(self, what: str, *about: object) -> None:
        if self.over:
            self._hold("one owner", f"{what} happened in a node that was killed: {about}")
        self._trace.note(self._node.index, what, *about)

    def _change(self, change: Change, *, ended: Sent | None = None, born: Sent | None = None) -> None:
        self._history.change(self._lsn, change, ended=ended, born=born)

    # Arrivals.

    def _meet(self, cell: Cell, mail: Mail, status: str, due: int = 0) -> None:
        """Remember a message that was never seen before; its number must be new."""
        number, known = mail.number, self._history.sent
        if number in known:
            self._hold("numbers", f"number {number} was given to {known[number]}, and again for {cell.name}")
        marked = str(mail.note(Extra.MARK)) if mail.flags & Flag.MARKED else ""
        cause = mail.cause
        about = mail.handler, mail.message, due, mail.flags, cause.number, marked
        sent = Sent(number, cause.sender, cell.name, *about, home=str(mail.note(Extra.FROM) or ""))
        self._hold("once", invariants.id_once(self._history, sent, cell.box))
        self._hold("answers", invariants.answered_once(self._history, sent))
        known[number] = sent
        self._trace.name_message(number, mail.show)
        if not sent.sender and not sent.home:
            self._node.taken_in(mail, sent)
        self._change(_comes(sent, status, Taken(sent, cell.box, self._node.now_ns() + KEPT_NS)), born=sent)

    def delivered(self, cell: Cell, mail: Mail) -> None:
        """See `Probe.delivered`."""
        number = mail.number
        self._note("delivered", cell.name, number, mail.cause.sender or "outside")
        if self._history.now.status.get(number) in {"fired", "replayed"}:
            self._change(_becomes(number, "queued"))
        else:
            self._meet(cell, mail, "queued")

    def timer_set(self, cell: Cell, mail: Mail, due: int) -> None:
        """See `Probe.timer_set`."""
        self._note("timer.set", cell.name, mail.number, due)
        self._meet(cell, mail, "scheduled", due)
        if mail.flags & Flag.KEYED:
            self._history.timers[mail.note(Extra.TIMER)[1]] = mail.number

    def timer_cancelled(self, timer: int) -> None:
        """See `Probe.timer_cancelled`."""
        self._note("timer.cancelled", timer)
        number = self._history.timers.get(timer)
        if number is not None:
            self._change(_ends(number, "cancelled"))

    def timer_fired(self, to: str, mail: Mail, due: int) -> None:
        """See `Probe.timer_fired`."""
        self._note("timer.fired", to, mail.number)
        sent = self._history.sent.get(mail.number)
        if sent is not None:
            status = self._history.now.status.get(mail.number)
            self._hold("timers", invariants.fires(sent, status, due, self._node.now_ns()))
        self._change(_becomes(mail.number, "fired"))
        self._node.reached("timer.fired")

    def replayed(self, cell: Cell, mail: Mail) -> None:
        """See `Probe.replayed`."""
        number = mail.number
        self._note("replayed", cell.name, number)
        self._hold("once", invariants.was_dead(self._history, number))
        self._history.revive(self._lsn, number, cell.name, _becomes(number, "replayed"))

    def discarded(self, number: int) -> None:
        """See `Probe.discarded`."""
        self._note("discarded", number)
        self._hold("once", invariants.was_dead(self._history, number))
        self._change(_becomes(number, "dropped"))

    # Turns.

    def turn_begin(self, turn: Turn) -> None:
        """See `Probe.turn_begin`."""
        cell, number = turn.cell, turn.mail.number
        self._note("turn.begin", cell.name, number, turn.attempt)
        sent = self._history.sent.get(number)
        if sent is not None:
            self._hold("attempts", invariants.attempts(self._history, sent, cell.attempts))
        self._hold("states", self._state_of(cell))
        self._node.reached("turn.begin")

    def _state_of(self, cell: Cell) -> str:
        """What is wrong with the state that a turn begins with."""
        mailbox = cell.name, cell.box, cell.life
        if mailbox not in self._history.now.states:
            # The one it was spawned with, by the batch that wrote the cell last.
            spawned = _leaves(mailbox, cell.state)
            if cell.lsn > self._durable:
                self._history.change(cell.lsn, spawned)
            else:
                self._history.learn(spawned)
        return invariants.begins_where_it_ended(self._history, mailbox, cell.state) or invariants.untouched(
            cell
        )

    def turn_resumed(self, turn: Turn) -> None:
        """See `Probe.turn_resumed`."""
        cell = turn.cell
        self._note("turn.resumed", cell.name, turn.mail.number)
        sent = self._history.sent.get(turn.mail.number)
        wrong = invariants.resumed(self._history, sent, (cell.name, cell.box, cell.life))
        self._hold("watermark", wrong)
        self._node.reached("turn.resumed")

    def turn_end(self, turn: Turn) -> None:
        """See `Probe.turn_end`."""
        self._note("turn.end", turn.cell.name, turn.mail.number)
        self._node.reached("turn.end")
        self._node.raise_for(turn.cell.name)

    def _ends(self, cell: Cell, mail: Mail, how: str) -> None:
        """A message is done with."""
        number = mail.number
        self._note(how, cell.name, number)
        sent = self._history.sent.get(number)
        if sent is not None:
            self._hold("once", invariants.once(self._history, sent, how))
            self._change(_ends(number, how), ended=sent)

    def handled(self, cell: Cell, mail: Mail) -> None:
        """See `Probe.handled`."""
        self._ends(cell, mail, "handled")
        self._change(_leaves((cell.name, cell.box, cell.life), cell.state))

    def refused(self, cell: Cell, mail: Mail) -> None:
        """See `Probe.refused`."""
        self._ends(cell, mail, "refused")

    def died(self, cell: Cell, mail: Mail) -> None:
        """See `Probe.died`."""
        self._ends(cell, mail, "dead")

    def dropped(self, cell: Cell, mail: Mail) -> None:
        """See `Probe.dropped`."""
        self._ends(cell, mail, "dropped")

    def failed(self, cell: Cell, mail: Mail) -> None:
        """See `Probe.failed`."""
        self._note("failed", cell.name, mail.number, cell.attempts)
        self._change(_fails(mail.number, keeps=not cell.paused))

    def link(self, point: str) -> None:
        """See `Probe.link`."""
        if self.over:
            raise Kill  # what it had received before it was killed must lead nowhere
        self._note(point)
        self._node.reached(point)

    def arrived(self, store: bytes, number: int) -> None:
        """See `Probe.arrived`."""
        self._note("link.arrived", number)
        self._hold(*self._node.traffic.arrived(self._node.name, store, number, self._lsn))

    # Commits.

    def sealed(self, lsn: int) -> None:
        """See `Probe.sealed`."""
        self._note("commit.before_durable", lsn)
        self._hold("watermark", "" if lsn == self.sealed_lsn + 1 else f"batch {lsn} was sealed too soon")
        self.sealed_lsn, self._lsn = lsn, lsn + 1
        self._node.reached("commit.before_durable")

    def durable(self, lsn: int) -> None:
        """See `Probe.durable`."""
        self._note("commit.durable", lsn)
        self._hold("watermark", invariants.in_order(lsn, self._durable, self.sealed_lsn))
        self._durable = lsn
        ended, born = self._history.commit(lsn)
        self._hold("order", self._node.order.find(ended))
        self._hold("atomic", invariants.with_its_turn(self._history, born))
        self._hold("conservation", invariants.conservation(self._node.store))
        if self._node.name:
            self._node.traffic.commit(self._node.name, lsn)
            self._hold("handed over", self._node.traffic.look(self._node.name, self._node.store))
        self._node.committed()
        self._node.reached("commit.durable")


def _comes(sent: Sent, status: str, taken: Taken) -> Change:
    def change(known: Known) -> None:
        known.status[sent.number] = status
        if sent.id:
            known.ids[sent.to, sent.id] = taken
        if sent.is_answer:
            known.answers[sent.cause] = sent.number

    return change


def _becomes(number: int, status: str) -> Change:
    def change(known: Known) -> None:
        known.status[number] = status

    return change


def _ends(number: int, how: str) -> Change:
    def change(known: Known) -> None:
        known.status[number] = how
        known.attempts.pop(number, None)

    return change


def _fails(number: int, *, keeps: bool) -> Change:
    def change(known: Known) -> None:
        # A mailbox that pauses is resumed with its attempts counted from zero.
        known.attempts[number] = known.attempts.get(number, 0) + 1 if keeps else 0

    return change


def _leaves(mailbox: Lifetime, state: bytes) -> Change:
    def change(known: Known) -> None:
        known.states[mailbox] = state

    return change
