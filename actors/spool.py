"""Spool: a large body is on disk, a piece at a time, before its message comes.

Whoever sends while a commit of 16 MiB is under way waits for it. So what callers outside a turn send, who can
wait, is written in many small commits first; the last of them brings the message, and until then nobody
sees the body. A handler that tells one is suspended meanwhile; its turn's commit brings the message. If the
caller leaves, the turn fails or the node dies, what was written is removed: META names it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from ..mailbox.bodies import CHUNK, Body, cut_in_pieces
from ..mailbox.store import Table
from .bodies import PIECE
from .intake import Place
from .mail import size_of

if TYPE_CHECKING:
    from .message import Message
    from .ref import ActorRef
    from .runtime import Runtime
    from .turn import Turn

T = TypeVar("T")
Pairs = Sequence[tuple["ActorRef[Any]", "Message[Any, Any]"]]
AT_ONCE = PIECE * CHUNK
"""Bytes of a body that are written with its message."""


class Spool:
    """The large bodies that are on their way in."""

    def __init__(self, runtime: Runtime) -> None:
        self.lines: dict[str, deque[Place]] = {}
        """For each mailbox to which a large body is on its way, those who send to it, in order (G1)."""
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._here = ("", runtime.name)

    async def send(self, size: int, pairs: Pairs, act: Callable[[], T], *, early: bool = True) -> T:
        """Send when the bodies of large messages are on disk, in the order of the calls.

        Args:
            size: bytes of all bodies together, at most.
            pairs: what is sent, and to whom.
            act: puts the messages into mailboxes, with the open batch.
            early: whether bodies may go before their messages.
        """
        if size <= AT_ONCE and not self.lines:
            return act()
        names, place = {str(ref) for ref, _ in pairs}, Place()
        for name in names:
            self.lines.setdefault(name, deque()).append(place)
        laid: dict[int, int] = {}
        bodies = self._ledger.bodies
        try:
            while any(self.lines[name][0] is not place for name in names):
                place.called = trio.Event()
                await place.called.wait()
            for ref, message in pairs if early else ():
                if ref.node in self._here and id(message) not in laid:
                    await self._lay(message, laid)
            self._runtime.intake.check_open()
            return act()
        finally:
            self._leave(names, place)
            for key, number in laid.items():
                if bodies.laid.pop(key, None) is None:
                    bodies.keep(number)  # a message took it
                else:
                    bodies.forsake(number)

    def _leave(self, names: set[str], place: Place) -> None:
        for name in names:
            line = self.lines[name]
            line.remove(place)
            if line:
                line[0].called.set()
            else:
                del self.lines[name]

    async def _lay(self, message: Message[Any, Any], laid: dict[int, int]) -> None:
        """Have a large body lie there when its message comes, with the last piece."""
        if size_of(message) > AT_ONCE and len(body := message.body()) > AT_ONCE:
            place = await self._write(body)
            self._ledger.bodies.laid[id(message)], laid[id(message)] = place, place.number

    async def lay_ahead(self, turn: Turn) -> None:
        """Have the large body of the message that a turn has staged last on disk before the turn goes on."""
        effect = turn.effects[-1]
        if callable(effect) or self._runtime.room.tight:
            return  # timers, and mail for other nodes; with little room, the turn is weighed first
        bodies, mail = self._ledger.bodies, effect[1]
        if mail.message is None or mail.size <= AT_ONCE:
            return
        place = await self._write(mail.message.body())
        if turn.over:  # a task of the handler has outlived it: the message went as it is, or never
            bodies.forsake(place.number)
            return
        bodies.attach(mail, place)
        turn.laid += (place.number,)

        def keep() -> None:
            turn.laid = tuple(number for number in turn.laid if number != place.number)
            bodies.keep(place.number)

        turn.effects.append(keep)

    def clear_away(self, turn: Turn) -> None:
        """Remove what lies there for a turn that has taken no effect."""
        for number in turn.laid:
            self._ledger.bodies.forsake(number)

    async def _write(self, body: bytes) -> Body:
        """Write a body with this batch and further ones, the last of which is open when this returns."""
        ledger, bodies = self._ledger, self._ledger.bodies
        place = Body(ledger.next_number(), len(body), 0)
        bodies.loosen(place)  # with the first piece
        try:
            left = place.chunks
            for piece in cut_in_pieces(place, body, PIECE):
                ledger.write_all(Table.BODIES, piece)
                ledger.open.bytes += PIECE * CHUNK
                left -= len(piece)
                if left:
                    self._runtime.workers.wake()
                    await ledger.wait_durable(ledger.lsn)
        except BaseException:
            bodies.forsake(place.number)
            raise
        return place
