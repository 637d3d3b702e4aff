"""Invariants: the promises of the runtime as checks, always on in every simulation.

Each is a function over what is known; it changes nothing, and returns what is wrong as a text, or nothing.

| name | what it holds | promise |
|---|---|---|
| conservation | accepted = handled + sent + queued + scheduled + dead + discarded, at every commit | G4 |
| order | messages of one sender to one receiver end in the order in which they were sent | G5 |
| once | no message's turn ends twice; none that nobody sent; an `id=` is taken in once | G3, G12 |
| atomic | what a turn sends is on disk only if the turn is | G2 |
| answers | a question is answered once | G12 |
| watermark | batches reach the disk in order; nothing is acknowledged or resumed above it | G1, G6 |
| attempts | a failed attempt is counted, on disk, before the next | G7 |
| numbers | a number that was given, even if a crash took it back, is never given again | G3 |
| timers | a timer fires once, and not before it is due | G11 |
| soundness | what lies in the store belongs together, after every crash and at the end | G2, G4 |
| states | a turn begins with the state that the last one left; so does a life of the node | G2 |
| one owner | a node that was killed does nothing any more | G15 |
| nothing lost | what is known to be on disk is there after a crash, and nothing else is | G1, G4 |
| convergence | when faults are over, all mail is handled within the time it may take | G9 |
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..mailbox.reading import read_counters
from ..mailbox.records import Box, unpack
from ..mailbox.soundness import ALL
from ..mailbox.store import Table
from .errors import SimulationError
from .history import ENDED

if TYPE_CHECKING:
    from ..actors.cell import Cell
    from ..mailbox.store import Store
    from .history import History, Lifetime, Sent


def check_plain(invariant: Callable[..., object]) -> None:
    """Refuse an invariant that would have to be awaited.

    Raises:
        SimulationError: it would.
    """
    if inspect.iscoroutinefunction(invariant):
        raise SimulationError(
            f"{invariant.__qualname__} cannot be async: it is checked within a commit, where nobody can wait"
        )


def conservation(store: Store) -> str:
    """Nothing is lost: what came in is somewhere."""
    counters = read_counters(store)
    queued = 0
    for _, value in store.scan(Table.BOXES, limit=ALL):
        box = unpack(Box, value)
        queued += box.tail - box.head
    gone = counters.handled + counters.sent + counters.discarded
    there = gone + queued + counters.scheduled + counters.died
    if counters.accepted == there:
        return ""
    return (
        f"{counters.accepted} messages were accepted, and {there} are accounted for: {counters.handled} "
        f"handled, {counters.sent} sent, {queued} queued, {counters.scheduled} scheduled, "
        f"{counters.died} dead, {counters.discarded} discarded"
    )


class Order:
    """Messages of one sender to one receiver end in the order of their numbers, but for timers.

    What was taken back from the dead letters stands behind all that had come until then.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, str], Sent] = {}

    def find(self, ended: Iterable[Sent]) -> str:
        """What overtook what, among turns that became durable."""
        for sent in ended:
            if sent.due:
                continue
            pair = sent.pair
            before = self._last.get(pair)
            if before is not None and before.place > sent.place:
                return f"{before} was done before {sent}, which was sent first"
            self._last[pair] = sent
        return ""


def once(history: History, sent: Sent, ending: str) -> str:
    """No message's turn ends twice."""
    status = history.now.status.get(sent.number)
    if status in ENDED:
        return f"{sent} is {ending}, and was {status} before"
    if status != "queued":
        return f"{sent} is {ending}, and was never in a mailbox"
    return ""


def was_dead(history: History, number: int) -> str:
    """Only a dead letter is taken back, or thrown away."""
    status = history.now.status.get(number, "dead")
    if status in {"dead", "fired"} or number in history.excused:
        return ""  # a timer's message that found its mailbox damaged has died unheard
    return f"{history.sent.get(number, number)} is taken from the dead letters, and was {status}"


def id_once(history: History, sent: Sent, box: int) -> str:
    """An `id=` that is remembered brings no second message."""
    taken = history.now.ids.get((sent.to, sent.id))
    if not sent.id or taken is None or taken.box != box or history.latest_ns >= taken.until:
        return ""
    return f"{sent} was taken in with the id {sent.id!r}, as {taken.sent} was before it"


def answered_once(history: History, sent: Sent) -> str:
    """A question gets one answer: a reply, a refusal, a failure or a time-out."""
    if not sent.is_answer or not sent.cause or sent.cause not in history.now.answers:
        return ""
    return f"the question {history.sent.get(sent.cause, sent.cause)} is answered by {sent}, and was before"


def with_its_turn(history: History, born: Iterable[Sent]) -> str:
    """What a turn sends is on disk only if the turn has ended there."""
    status = history.durable.status
    for sent in born:
        cause = sent.cause
        if sent.sender and not sent.is_answer and cause in history.sent and status.get(cause) not in ENDED:
            return f"{sent} is on disk, and the turn of {history.sent[cause]}, which sent it, is not"
    return ""


def in_order(lsn: int, last: int, sealed: int) -> str:
    """Batches reach the disk one after the other; those sealed while the disk was full, together."""
    return "" if last < lsn == sealed else f"batch {lsn} is on disk, and the one before was {last}"


def acknowledged(history: History, sent: Sent | None, *, answered: bool) -> str:
    """What a client heard is on disk."""
    if sent is None:
        return ""
    status = history.durable.status.get(sent.number)
    if status is None:
        return f"{sent} was acknowledged before it was on disk"
    if answered and status not in ENDED:
        return f"{sent} was answered, and its turn is not on disk"
    return ""


def resumed(history: History, sent: Sent | None, mailbox: Lifetime) -> str:
    """A handler that had suspended goes on only when its message and the state under it are on disk."""
    if sent is not None and sent.number not in history.durable.status:
        return f"the handler of {sent} went on before the message was on disk"
    if history.now.states.get(mailbox) != history.durable.states.get(mailbox):
        return f"a handler of {mailbox[0]} went on before the state under it was on disk"
    return ""


def attempts(history: History, sent: Sent, counted: int) -> str:
    """The attempts that were made are the attempts that are counted."""
    made = history.now.attempts.get(sent.number, 0)
    if sent.to in history.reset and counted <= made:
        return ""
    if counted != made:
        return f"{sent} failed {made} times, and {counted} attempts are counted"
    stored = history.durable.attempts.get(sent.number, 0)
    if stored != made:
        return f"{sent} begins attempt {made + 1}, and on disk {stored} are counted"
    return ""


def fires(sent: Sent, status: str | None, due: int, now: int) -> str:
    """A timer fires once, and not early."""
    if due > now:
        return f"the timer of {sent} fired {(due - now) / 1e9:g} s early"
    if status != "scheduled":
        return f"the timer of {sent} fired, and its message was {status} before"
    return ""


def begins_where_it_ended(history: History, mailbox: Lifetime, state: bytes) -> str:
    """A turn begins with the state that the last turn of the same life left."""
    left = history.now.states.get(mailbox)
    if left is None or left == state:
        return ""
    return f"a turn of {mailbox[0]} begins with the state {state!r:.60}, and the last one left {left!r:.60}"


def untouched(cell: Cell) -> str:
    """The actor in memory is as its last turn left it: a turn that was undone left no traces."""
    kind, actor = cell.kind, cell.actor
    if kind is None or actor is None:
        return ""
    values = kind.read(actor)
    if kind.state.encode(values) == cell.state or list(values) == list(kind.state.decode(cell.state, None)):
        return ""
    return f"{cell.name} begins a turn with {values!r:.80}, which no turn that counts has left"


def states_left(history: History, found: dict[Lifetime, bytes]) -> str:
    """The state of every actor on disk is the one that its last turn there left."""
    for mailbox, state in found.items():
        left = history.durable.states.get(mailbox)
        if left is not None and left != state:
            return f"the state of {mailbox[0]} is {state!r:.60} on disk, and its last turn left {left!r:.60}"
    return ""


def nothing_lost(history: History, there: dict[str, set[int]]) -> str:
    """What lies in the store, by status, is exactly what is known to lie there."""
    excused = history.excused
    for what, found in there.items():
        known = history.waiting(what)
        for number in sorted(known - found - excused):
            return f"{history.sent[number]} was {what}, and is not in the store"
        for number in sorted(found - known - excused):
            status = history.durable.status.get(number, "never on disk")
            return f"{history.sent.get(number, number)} is {what} in the store, and was {status}"
    return ""
