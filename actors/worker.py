"""Worker: one task that runs turns, and the turn it may have to stay with."""

from __future__ import annotations

from contextvars import Context
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

from .stepping import LeakCheck, Stepper

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .cell import Cell
    from .handler import HandlerSpec
    from .turn import Turn

ABANDON_AFTER_S = 1.0
"""How long a cancelled handler may go on ignoring it, seconds."""
ABANDON_AFTER_STEPS = 10_000
"""The same in steps, since a handler that never rests lets no virtual time pass."""


class HandlerTimeout(TimeoutError):
    """A handler took longer than its `timeout=`."""


class Leak(RuntimeError):
    """A handler left a cancel scope or a nursery open."""


class Suspended(NamedTuple):
    """A turn whose handler waits for something."""

    cell: Cell
    turn: Turn
    spec: HandlerSpec
    coroutine: Coroutine[Any, Any, Any]
    context: Context
    trap: Any


class Worker:
    """One task that runs turns."""

    __slots__ = ("abandon_at", "check", "hand", "ignored", "leaked", "reason", "scope", "stepper")

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.check = LeakCheck()
        self.stepper = Stepper(self.check)
        self.hand: Suspended | None = None
        """The turn it stays with."""
        self.reason = ""
        """Why its turn was interrupted; empty if it was not, or ran out of time."""
        self.abandon_at = float("inf")
        self.ignored = 0
        """Steps its handler took after it was cancelled."""
        self.leaked = False
        """A handler left something open on this task: it must not run another turn."""

    def interrupt(self, reason: str, patience_s: float | None = ABANDON_AFTER_S) -> None:
        """Cancel the turn in hand, at no cost to its message (G18); abandon it when patience is over."""
        self.reason = reason
        if patience_s is not None:
            self.abandon_at = min(self.abandon_at, trio.current_time() + patience_s)
        self.scope.cancel()

    def set_timeout(self, seconds: float) -> None:
        """Cancel the turn in hand after a time, and abandon it if it will not have it."""
        self.scope.deadline = trio.current_time() + seconds
        self.abandon_at = self.scope.deadline + ABANDON_AFTER_S

    def is_hopeless(self) -> bool:
        """Whether its handler has ignored its cancellation for too long."""
        if not self.was_cancelled():
            return False
        self.ignored += 1
        return self.ignored > ABANDON_AFTER_STEPS or trio.current_time() >= self.abandon_at

    def was_cancelled(self) -> bool:
        """Whether its scope, or one around the whole node, was cancelled."""
        return self.scope.cancel_called or trio.current_effective_deadline() == float("-inf")
