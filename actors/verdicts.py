"""Verdicts: in which of its five ways a turn ended; `endings` writes what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..mailbox.inhand import NUMBER
from .errors import Refusal, is_group
from .retry import Retry
from .waking import WakeFailed
from .worker import HandlerTimeout, Leak, Worker

if TYPE_CHECKING:
    from .cell import Cell
    from .handler import HandlerSpec
    from .runtime import Runtime
    from .turn import Turn


class Verdicts:
    """Tells handled, refused, failed and interrupted turns apart."""

    def __init__(self, runtime: Runtime) -> None:
        self._endings = runtime.endings
        self._weigh = runtime.endings.weigh
        self._probe = runtime.probe
        self._words = runtime.blame.words

    def returned_late(self, worker: Worker, turn: Turn, spec: HandlerSpec, result: Any) -> None:
        """A handler that had suspended returned; perhaps in spite of a cancellation."""
        # A leaked scope that is cancelled must not pass for ours.
        if worker.was_cancelled() and not worker.check.leaked():
            self.cancelled(worker, turn, spec)
        else:
            self.returned(worker, turn, spec, result)

    def raised_late(self, worker: Worker, turn: Turn, spec: HandlerSpec, error: BaseException) -> None:
        """A handler that had suspended raised; perhaps because it was cancelled."""
        if worker.was_cancelled() and not worker.check.leaked() and not _is_interrupt(error):
            self.cancelled(worker, turn, spec)
        else:
            self.raised(turn, spec, error)

    def returned(self, worker: Worker, turn: Turn, spec: HandlerSpec, result: Any) -> None:
        """A handler returned."""
        words = self._words
        if worker.check.leaked():
            worker.leaked = True
            words[NUMBER] = 0
            self.failed(turn, spec, Leak("the handler left a cancel scope or a nursery open: use `with`"))
        else:
            try:
                if self._probe is not None:
                    words[NUMBER] = 0
                    self._probe.turn_end(turn)
                state, value, body = self._weigh(turn, spec, result)
            except Exception as error:
                words[NUMBER] = 0
                self.failed(turn, spec, error)
            else:
                words[NUMBER] = 0
                self._endings.handled(turn, state, value, body)

    def raised(self, turn: Turn, spec: HandlerSpec, error: BaseException) -> None:
        """A handler raised."""
        self._words[NUMBER] = 0
        if _is_interrupt(error):
            self.interrupted(turn)
            raise error
        refusal = _refusal_in(error)
        if refusal is not None:
            turn.over = True
            self._undo(turn.cell)
            self._endings.refused(turn.cell, turn.mail, refusal)
        elif isinstance(error, WakeFailed):
            turn.over = True
            turn.cell.actor = None
            self._endings.failed_to_start(turn.cell, error.__cause__ or error)
        else:
            self.failed(turn, spec, error)

    def cancelled(self, worker: Worker, turn: Turn, spec: HandlerSpec) -> None:
        """A turn whose scope was cancelled never commits; only `timeout=` costs an attempt."""
        self._words[NUMBER] = 0
        timed_out = not worker.reason and spec.timeout is not None and worker.scope.cancel_called
        if timed_out:
            late = HandlerTimeout(f"{spec.name} took longer than its timeout of {spec.timeout} s")
            self.failed(turn, spec, late)
        else:
            self.interrupted(turn)

    def interrupted(self, turn: Turn) -> None:
        """The turn never was: it is undone, and nothing is counted (G18)."""
        self._words[NUMBER] = 0
        turn.over = True
        turn.cell.actor = None

    def failed(self, turn: Turn, spec: HandlerSpec, error: BaseException) -> None:
        """A turn failed: it is undone, and its message stays in hand."""
        turn.over = True
        turn.cell.actor = None
        self._endings.failed(turn.cell, turn.mail, spec.retry or Retry(), error)

    def _undo(self, cell: Cell) -> None:
        """Throw the object away unless its declared state is just as it was."""
        kind, actor = cell.kind, cell.actor
        assert kind is not None
        assert actor is not None
        try:
            same = kind.encode(actor) == cell.state
        except Exception:
            same = False
        if not same:
            cell.actor = None


def _refusal_in(error: BaseException) -> Refusal | None:
    """A refusal, also one that came through the handler's own nursery and is all there is in its group."""
    while is_group(error) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, Refusal) else None


def _is_interrupt(error: BaseException) -> bool:
    if is_group(error):
        return error.subgroup(KeyboardInterrupt) is not None
    return isinstance(error, KeyboardInterrupt)
