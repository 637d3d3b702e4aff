"""Which turn is running: a context variable, so that it follows tasks and threads.

A task in a handler's own nursery and a call in `trio.to_thread` copy the context of the
turn that started them, and so belong to it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .turn import Turn

TURN: ContextVar[Turn | None] = ContextVar("callboard_turn", default=None)

turn_in_hand: Callable[[], Turn | None] = TURN.get
"""The turn that is running here. It is bound once: to look up `TURN.get` takes as long as to call it."""
take_in_hand: Callable[[Turn], object] = TURN.set
"""Have it be this one from now on, in the context at hand."""
