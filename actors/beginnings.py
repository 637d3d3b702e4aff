"""Beginnings: what must hold before a turn begins.

The message must be readable and not void, its handler must exist, and the batches it
rests on must be on disk if the handler is known to suspend, if it failed before, or if
speculation is switched off (G6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ..mailbox.envelope import Extra, Flag
from ..mailbox.errors import Undecodable
from ..mailbox.inhand import BOX, NUMBER
from .cell import Cell, Phase
from .fetching import Fetching
from .turn import Turn
from .waking import wake, wake_and_handle
from .watching import STOP

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .actor import ActorType
    from .handler import HandlerSpec
    from .mail import Mail
    from .runtime import Runtime

    Begun = tuple[Turn, HandlerSpec, Coroutine[Any, Any, Any]]


class Beginnings:
    """Begins turns."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._window = runtime.cells.window
        self._ledger = runtime.ledger
        self._endings = runtime.endings
        self._probe = runtime.probe
        self._words = runtime.blame.words
        self.fetching = Fetching(runtime.ledger.bodies, runtime.schedule)
        self._lineages: dict[ActorType, frozenset[str]] = {}
        """Declared names of a type and of those it is derived from."""
        self.waiting: list[tuple[int, Cell]] = []
        """Cells that stand aside until a batch is on disk."""

    def on_durable(self) -> None:
        """Cells whose batch is on disk are ready."""
        if not self.waiting:
            return
        durable = self._ledger.durable
        waiting, self.waiting = self.waiting, []
        for lsn, cell in waiting:
            if lsn > durable:
                self.waiting.append((lsn, cell))
            elif cell.phase is Phase.WAITING:
                cell.phase = Phase.READY
                self._runtime.schedule.add(cell)

    def head(self, cell: Cell) -> Mail | None:
        """The message whose turn is next; None if there is none to be had now."""
        if cell.mail:
            return cell.mail[0]
        if cell.loaded == cell.tail:
            return None
        if self._window.refill(cell):
            return cell.mail[0]
        self.wait(cell, self._window.arriving(cell))
        return None

    def wait(self, cell: Cell, lsn: int) -> None:
        """Let a cell stand aside until a batch is on disk."""
        cell.phase = Phase.WAITING
        self.waiting.append((lsn, cell))

    def begin(self, cell: Cell, mail: Mail) -> Begun | None:
        """Prepare a turn; None if the message was disposed of, or has to wait."""
        runtime, endings = self._runtime, self._endings
        kind = cell.kind
        assert kind is not None
        if mail.raw is not None or (mail.flags & Flag.KEYED and runtime.timers.is_void(cell, mail)):
            endings.disposed(cell, mail)
            return None
        message = mail.message
        spec = kind.handlers.get(mail.handler if message is None else message.spec.name)
        if (message is None or message.spec is not spec) and self._is_misaddressed(kind, mail):
            text = f"it is for actors of type {mail.type!r}, and a {kind.name} lives here"
            endings.died(cell, mail, "misaddressed", None, text)
            return None
        if spec is None or (message is None and mail.version != spec.version):
            if mail.handler == STOP:
                endings.told_to_stop(cell, mail)
            else:
                runtime.no_code(cell, mail)
            return None
        if (
            spec.suspends
            or cell.attempts
            or cell.starts
            or cell.careful > cell.head
            or not (runtime.speculation and kind.speculation)
        ):
            need = max(cell.lsn, mail.lsn, cell.attempts_lsn)
            if need > self._ledger.durable:
                self.wait(cell, need)
                return None
        words = self._words
        words[BOX] = cell.box
        words[NUMBER] = mail.number  # from here on code of the user's runs
        if message is not None and message.spec is spec and spec.shape.live and not runtime.roundtrip:
            values = cast(tuple[Any, ...], message.held)
        elif (decoded := self._decode(cell, mail, spec)) is not None:
            values = decoded
        else:
            return None
        turn = Turn(runtime, cell, mail, runtime.post)
        if self._probe is not None:
            words[NUMBER] = 0
            self._probe.turn_begin(turn)
            words[NUMBER] = mail.number
        if cell.actor is None:
            return self._wake(turn, spec, values)
        return turn, spec, spec.function(cell.actor, *values)

    def _decode(self, cell: Cell, mail: Mail, spec: HandlerSpec) -> tuple[Any, ...] | None:
        """The parameters from their bytes; None if they cannot be read, and the message has died.

        Also if its body is large, and not all of it was read yet.
        """
        try:
            if mail.message is not None:
                return spec.shape.decode(mail.message.body(), self._runtime.post)
            assert mail.envelope is not None
            body = mail.envelope.body
            if mail.flags & Flag.CHUNKED:
                found = self.fetching.body(cell, mail.envelope)
                if found is None:
                    self._words[NUMBER] = 0
                    return None
                body = found
            node = None if spec.shape.native else mail.note(Extra.FROM)
            if node is None:  # or it came from nobody who could have pickled anything
                return spec.shape.decode(body, self._runtime.post)
            with self._runtime.away.reading_from(str(node)):
                return spec.shape.decode(body, self._runtime.post)
        except Undecodable as error:
            self._words[NUMBER] = 0
            self._endings.died(cell, mail, "undecodable", error)
            return None

    def _is_misaddressed(self, kind: ActorType, mail: Mail) -> bool:
        """Whether a message is for another class, sent before this actor came to live here.

        If no code here has that class, nobody can tell: the message waits (G14).
        """
        lineage = self._lineages.get(kind)
        if lineage is None:
            known = [base.__dict__.get("__callboard__") for base in kind.cls.__mro__]
            lineage = frozenset(base.name for base in known if base is not None)
            self._lineages[kind] = lineage
        return mail.type not in lineage and self._runtime.types.find(mail.type) is not None

    def _wake(self, turn: Turn, spec: HandlerSpec, values: Any) -> Begun | None:
        """Build the actor first, and have `started` run in the same turn."""
        cell = turn.cell
        try:
            actor = wake(cell, self._runtime)
        except Exception as error:
            self._words[NUMBER] = 0
            self._endings.failed_to_start(cell, error)
            return None
        if cell.kind is not None and cell.kind.has_started:
            return turn, spec, wake_and_handle(self._endings, turn, spec, values)
        if cell.starts:
            self._endings.started(cell)
        return turn, spec, spec.function(actor, *values)
