"""Load: what a turn may do, and how much, since all of it is one commit, which holds up all others.

How much is looked at every few verbs while the handler runs, so that a loop which sends without end fails
early, at its own line, and takes a bounded amount of memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import NotInTurn, Overloaded, TurnOver

if TYPE_CHECKING:
    from .turn import Turn

MOST_EFFECTS = 100_000
"""Messages, timers, requests, children and the like."""
MOST_BYTES = 64 * 1024 * 1024
"""Bytes of the plain messages among them."""
STEP = 256
"""Effects after which they are looked at again."""


def look(turn: Turn) -> None:
    """Refuse what a turn cannot do before or after its handler, or no more of.

    Raises:
        TurnOver, NotInTurn, Overloaded
    """
    if turn.over:
        raise TurnOver(
            f"the turn of {turn.mail.show()} at {turn.cell.name!r} is over, and with it all it could do: "
            "wait for a task inside the handler that started it, or send from outside a turn"
        )
    if turn.starting:
        raise NotInTurn(
            f"started() of {turn.cell.name!r} handles no message, so it can send nothing: "
            "it prepares transient fields only; send from a handler"
        )
    effects = turn.effects
    turn.bytes += sum(effect[1].size for effect in effects[turn.looked :] if not callable(effect))
    turn.looked = len(effects)
    if turn.looked >= MOST_EFFECTS or turn.bytes > MOST_BYTES:
        raise Overloaded(
            f"{turn.mail.show()} at {turn.cell.name!r} does {turn.looked:,} things in one turn, with "
            f"{turn.bytes:,} bytes of messages, and all of it would be one commit: {MOST_EFFECTS:,} and "
            f"{MOST_BYTES:,} bytes are the most. Do it in parts: have the actor tell itself to go on"
        )
    turn.look_at = min(turn.looked + STEP, MOST_EFFECTS)


def look_soon(turn: Turn | None) -> None:
    """A message with a large body was made: look at the very next verb."""
    if turn is not None:
        turn.look_at = 0
