"""Which turn is running: a context variable, so that it follows tasks and threads.

A task in a handler's own nursery and a call in `trio.to_thread` copy the context of the
turn that started them, and so belong to it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .turn import Turn

TURN: ContextVar[Turn | None] = ContextVar("callboard_turn", default=None)
