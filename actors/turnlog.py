"""The log of a turn: a handler's own words, with what they are about."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .turn import Turn


def log_of(turn: Turn) -> logging.LoggerAdapter[logging.Logger]:
    """A logger whose records say which turn of which actor they come from."""
    facts = {
        "actor": turn.cell.name,
        "actor_type": turn.cell.type,
        "handler": turn.mail.handler,
        "msg_id": turn.mail.number,
        "attempt": turn.attempt,
    }
    return logging.LoggerAdapter(logging.getLogger("callboard.actor"), facts)
