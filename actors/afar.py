"""Afar: what callers outside a turn do on other nodes.

Each verb puts a parcel into an outbox with the open batch. What has to be answered waits for the answer
in memory: a caller that is gone when it comes has lost nothing but the news.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio.lowlevel

from ..mailbox.envelope import Extra, Flag
from .addresses import STOP, WATCH
from .mail import Cause
from .marks import check_id
from .watching import UNTIL_ENDED, Terminated, terminated

if TYPE_CHECKING:
    from .actor import Actor
    from .asks import Ask
    from .mail import Mail
    from .message import Message
    from .ref import ActorRef
    from .runtime import Runtime


class Afar:
    """The verbs of callers outside for refs to other nodes."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._away = runtime.away

    def _cause(self) -> Cause:
        return Cause("", self._runtime.now_ns(), 0, 0, "")

    @trio.lowlevel.enable_ki_protection
    def ask(self, ref: ActorRef[Any], message: Message[Any, Any], id: str | None) -> tuple[Ask, int]:
        """Put a question into the outbox; what waits for its answer, and its number."""
        flags, extra = Flag.ASKED, None
        if id is not None:
            check_id(id)
            flags, extra = flags | Flag.MARKED, {Extra.MARK: id}
        mail = self._away.message(ref, message, self._cause(), flags, extra)
        asked = self._away.ask(ref, mail, message, id)
        self._runtime.workers.wake()
        return asked

    async def spawn(self, ref: ActorRef[Any], actor: Actor, *, fresh: bool) -> None:
        """Have the other node spawn an actor; durable there when this returns."""
        mail = self._runtime.seeds.parcel(ref, actor, self._cause(), flags=Flag.ASKED, fresh=fresh)
        await self._runtime.intake.admit(mail.size)
        await self._act(ref.node, mail)

    async def watch(self, ref: ActorRef[Any]) -> Terminated:
        """Return when word has come that a life on the other node has ended."""
        body = UNTIL_ENDED
        answer = await self._act(ref.node, self._away.parcel(ref.name, WATCH, body, self._cause()))
        told: Terminated = terminated().decode(answer, self._runtime.post)
        return told

    @trio.lowlevel.enable_ki_protection
    def stop(self, ref: ActorRef[Any]) -> int:
        """Put a stop behind what was sent to an actor; the batch that holds it."""
        self._away.put(ref.node, self._away.parcel(ref.name, STOP, b"", self._cause()))
        self._runtime.workers.wake()
        return self._runtime.ledger.lsn

    async def _act(self, node: str, mail: Mail) -> bytes:
        asks, away = self._runtime.asks, self._away
        ask, number = away.act(node, mail)
        self._runtime.workers.wake()
        try:
            await ask.answered.wait()
        finally:
            asks.forget(number, ask)
            away.forget(number)
        if ask.error is not None:
            raise ask.error
        return bytes(ask.value)
