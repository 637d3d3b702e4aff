"""Thrift: verdicts while there is no room, when a turn may only make the store smaller (G13).

Before a turn nobody knows what it will do, so it is judged when it has been weighed: what it takes out
against what it brings in. One that would make the store larger was never there: it is undone, costs its
message no attempt, and its mailbox waits. That happens once a mailbox each time the room gets scarce.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..mailbox.envelope import Extra, Flag
from .verdicts import Verdicts

if TYPE_CHECKING:
    from .handler import HandlerSpec
    from .runtime import Runtime
    from .turn import Turn

KEPT = Flag.REQUESTED | Flag.MARKED
"""Flags of messages whose reply is stored here."""
UNKNOWN = 1 << 60
"""What a timer, a new actor, a request, a watch or a parcel takes is not reckoned: they wait."""


class NoRoom(Exception):
    """A turn would make the store larger, and there is no room for that."""


class Thrifty(Verdicts):
    """Lets nothing take effect that makes the store larger."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._weigh = self._weigh_growth
        self._room = runtime.room

    def _weigh_growth(self, turn: Turn, spec: HandlerSpec, result: Any) -> tuple[bytes, Any, bytes]:
        weighed = self._endings.weigh(turn, spec, result)
        if not turn.laid and growth(turn, weighed[0], weighed[2]) > 0:  # else most of it is there already
            raise NoRoom
        return weighed

    def failed(self, turn: Turn, spec: HandlerSpec, error: BaseException) -> None:
        if isinstance(error, NoRoom):
            self.interrupted(turn)
            self._room.stand_aside(turn.cell)
        else:
            super().failed(turn, spec, error)


def growth(turn: Turn, state: bytes, reply: bytes) -> int:
    """Bytes by which a turn makes the store larger; negative if it makes it smaller."""
    cell, mail = turn.cell, turn.mail
    grown = (0 if turn.stopping else len(state)) - len(cell.state) - len(mail.encode())
    for effect in turn.effects:
        grown += UNKNOWN if callable(effect) else len(effect[1].encode())
    if mail.flags & KEPT or mail.note(Extra.FROM) is not None:
        grown += len(reply)
    return grown
