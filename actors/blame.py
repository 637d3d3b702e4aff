"""Blame: which message brought the process down, and what is done about it (G8).

Before code of a user's runs, two words of a mapped file say for which message; afterwards they say nobody.
So the next life finds who was in hand when the process was killed. That message is a suspect: it runs
alone, so that nobody else can be the cause, and dies when it has killed the process three times in a row so.
Most of this is about not blaming the innocent; `docs/decisions/0011-crash-blame.md` weighs it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec
import trio

from ..mailbox.errors import StoreFull, Undecodable
from ..mailbox.meta import SUSPECTS_KEY
from ..mailbox.store import Table
from ..mailbox.suspects import Suspect, head_of, number_at_head, pack_suspects, read_suspects
from .cell import Cell, Phase
from .ledger import MAX_TURNS_AHEAD

if TYPE_CHECKING:
    from ..mailbox.inhand import Left
    from .runtime import Runtime

log = logging.getLogger("callboard.node")

MOST_CRASHES = 3
"""Crashes in a row of a message that ran alone, after which it is a dead letter."""
PATIENCE_S = 10.0
"""How long a suspect waits for suspended turns, and others for a suspect that suspends, seconds."""
HOLD_S = 5.0
"""How long a node that starts waits for the supervisor of a suspect's actor, seconds."""


class _Case(msgspec.Struct, eq=False):
    """A suspect that is still at the head of its mailbox."""

    suspect: Suspect
    cell: Cell
    head: int
    """Its sequence: when the mailbox is beyond it, the case is closed."""
    tried: tuple[int, int] = (0, 0)
    """Failed attempts and starts when its turn began."""


class Blame:
    """The suspects of one node."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._slot = runtime.store.in_hand
        self._careful: dict[int, int] = {}
        self._new = range(0)
        self._alarmed_until = 0
        """Turns handled, up to which whatever mailbox comes into memory is careful."""
        self.lone: Cell | None = None
        """The suspect that runs: no other turn is stepped."""
        self._found: dict[int, Suspect] = {}
        self._cases: dict[int, _Case] = {}
        self._round = 0
        self._waits_until = self._holds_until = 0.0

    @property
    def words(self) -> memoryview:
        """Where to write who is in hand: `inhand.BOX`, then `inhand.NUMBER`; 0 in the latter afterwards."""
        return self._slot.words

    # At the start.

    def look(self) -> None:
        """Find whom the last crash names, and write it down before any turn begins."""
        store = self._runtime.store
        left = self._slot.left()
        # First forget, then count: a crash between the two blames nobody, and none is counted twice.
        self._slot.begin()
        try:
            known = read_suspects(store)
        except Undecodable as error:
            log.error("nobody is suspected any more: %s", error)  # noqa: TRY400 - the text says it all
            known = {}
        found = {box: each for box, each in known.items() if number_at_head(store, box) == each.number}
        if left is not None:
            self._accuse(left, found)
            if left.number:
                self._slot.note_careful()
        if found != known:
            try:
                store.commit({Table.META: {SUSPECTS_KEY: pack_suspects(found)}})
            except StoreFull as error:
                log.warning("the store is full, so who brought the process down is not noted: %s", error)
        self._found = found
        for box in found:
            self._beware(box)

    def _accuse(self, left: Left, found: dict[int, Suspect]) -> None:
        for box, each in found.items():
            if left.lone == each.number:
                again = left.number == left.lone and left.sudden
                found[box] = msgspec.structs.replace(each, crashes=each.crashes + 1 if again else 0)
        if not left.number or any(each.number == left.number for each in found.values()):
            return
        store, boxes = self._runtime.store, self._runtime.ledger.counters.next_box
        if number_at_head(store, left.box) == left.number:
            found[left.box] = Suspect(left.number)
            return
        if left.careful:  # the one before it, too: perhaps in another mailbox, and so by turns for ever
            self._alarmed_until = self._runtime.ledger.counters.handled + MAX_TURNS_AHEAD
        if left.box < boxes:
            self._beware(left.box)
        else:  # a mailbox that was as new comes about again, under nearly the same number
            self._new = range(boxes, left.box + MAX_TURNS_AHEAD)

    def _beware(self, box: int) -> None:
        head = head_of(self._runtime.store, box)
        if head is not None:
            self._careful[box] = head + MAX_TURNS_AHEAD

    def careful_until(self, box: int, head: int) -> int:
        """The sequence up to which a mailbox's turns do not run ahead: a crash names one that is on disk.

        What brought the process down was no further than this beyond what was on disk.
        """
        if self._alarmed_until and self._runtime.ledger.counters.handled < self._alarmed_until:
            return head + MAX_TURNS_AHEAD
        return self._careful.get(box, MAX_TURNS_AHEAD if box in self._new else 0)

    def arrest(self) -> None:
        """Wake the mailboxes of the suspects; those that have crashed too often die."""
        runtime = self._runtime
        for box, suspect in self._found.items():
            try:
                cell = runtime.cells.load(box)
            except Undecodable:
                continue  # a mailbox that cannot be opened runs nothing
            if cell is None:
                continue
            self._cases[box] = _Case(suspect, cell, cell.head)
            if suspect.crashes >= MOST_CRASHES:
                self._condemn(cell, suspect)
        if not self._cases:
            return
        self._holds_until = runtime.clock() + HOLD_S
        runtime.start_soon(self._wake_after, HOLD_S)
        for case in self._cases.values():
            log.warning(
                "the process was killed in a turn of %s: the message runs alone now (%d of %d crashes so)",
                case.cell.name,
                case.suspect.crashes,
                MOST_CRASHES,
            )

    def _condemn(self, cell: Cell, suspect: Suspect) -> None:
        if not cell.mail and not self._runtime.cells.window.refill(cell):
            return
        text = f"the process was killed {suspect.crashes} times in a row while this message ran alone"
        log.error("%s gave up on %s: %s", cell.name, cell.mail[0].show(), text)
        self._runtime.endings.died(cell, cell.mail[0], "crashed", None, text)
        self._clear(cell.box)

    # Who is next.

    @property
    def suspected(self) -> bool:
        """Whether anybody was suspected when this life began."""
        return bool(self._found)

    def next(self) -> Cell | None:
        """Take the cell that has the next turn: a suspect first, and nobody beside it."""
        if self.lone is not None:
            return None
        if self._cases:
            now, hold = self._runtime.clock(), False
            for box in list(self._cases):
                cell = self._cell(box)
                if cell is None:
                    continue
                if cell.phase is Phase.READY:
                    return self._choose(cell, now)
                hold = hold or cell.phase is Phase.WAITING or (bool(cell.held) and now < self._holds_until)
            if hold:
                return None
        return self._runtime.schedule.next()

    def _cell(self, box: int) -> Cell | None:
        """The mailbox of a suspect; None, and the case is closed, if its message is gone."""
        case = self._cases[box]
        if case.cell.phase is Phase.GONE:
            cell = self._runtime.cells.load(box)
            if cell is None:
                self._clear(box)
                return None
            case.cell = cell
        if case.cell.head != case.head:
            self._clear(box)
            return None
        return case.cell

    def _choose(self, cell: Cell, now: float) -> Cell | None:
        runtime = self._runtime
        crowd = bool(runtime.workers.suspended)
        if crowd:
            if not self._waits_until:
                self._waits_until = now + PATIENCE_S
                runtime.start_soon(self._wake_after, PATIENCE_S)
            if now < self._waits_until:
                return None
        self._waits_until = 0.0
        self.lone = cell
        case = self._cases[cell.box]
        case.tried = (cell.attempts, cell.starts)
        self._round += 1
        if not crowd:
            self._slot.begin_alone(case.suspect.number)
            self._slot.watch()
        runtime.start_soon(self._release, self._round)
        return cell

    async def _release(self, round_: int) -> None:
        """Let the others go on beside a suspect that has lived for long; it is not alone then."""
        await trio.sleep(PATIENCE_S)
        if self._round == round_ and self.lone is not None:
            self._leave()

    async def _wake_after(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self._runtime.workers.wake()

    # While it runs.

    def stepping(self, cell: Cell) -> None:
        """A suspended handler is about to go on."""
        if self.lone is cell:
            self._slot.watch()

    def stepped(self, cell: Cell) -> None:
        """It has suspended, or ended."""
        if self.lone is cell:
            self._slot.rest()

    def over(self, cell: Cell) -> None:
        """A cell's turn is over: one that was completed, in whatever way, clears its message."""
        case = self._cases.get(cell.box)
        if case is not None and (case.head, *case.tried) != (cell.head, cell.attempts, cell.starts):
            self._clear(cell.box)
        if self.lone is cell:
            self._leave()

    def _clear(self, box: int) -> None:
        """Nobody suspects this message any more, with the open batch."""
        del self._cases[box]
        self._found = {each: case.suspect for each, case in self._cases.items()}
        self._runtime.ledger.write(Table.META, SUSPECTS_KEY, pack_suspects(self._found))

    def _leave(self) -> None:
        self.lone = None
        self._slot.end_alone()
        self._runtime.workers.wake()
