"""Orders: what an operator tells a mailbox, from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio.lowlevel

from .errors import NoSuchActor
from .texts import storable

if TYPE_CHECKING:
    from .ref import ActorRef
    from .runtime import Runtime


class Orders:
    """Pauses, resumes and stops actors of a node; each is durable when it returns."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger

    def _here(self, ref: ActorRef[Any]) -> str:
        """The name of an actor of this node.

        Raises:
            NoSuchActor: it is on another.
        """
        if self._runtime.away.is_away(ref):
            raise NoSuchActor(f"{ref} is on another node: a mailbox is paused and resumed on its own")
        return ref.name

    @trio.lowlevel.enable_ki_protection
    async def pause(self, ref: ActorRef[Any], reason: str) -> None:
        """Let a mailbox begin no turn; durable when this returns."""
        self._runtime.post.refuse_in_turn("pause", "do it from outside")
        runtime = self._runtime
        runtime.intake.check_open()
        text = storable(reason) if type(reason) is str else ""
        if not text.strip():
            raise ValueError(f"pause(reason=...) takes a text that says why; got {reason!r:.80}")
        runtime.endings.pause(runtime.lives.existing(self._here(ref)), text)
        runtime.workers.wake()
        await self._ledger.wait_durable(self._ledger.lsn)

    @trio.lowlevel.enable_ki_protection
    async def stop(self, ref: ActorRef[Any]) -> None:
        """Put a stop behind the mail of an actor; durable when this returns."""
        self._runtime.post.refuse_in_turn("stop", "a turn ends its own actor's life by self.turn.stop()")
        runtime = self._runtime
        runtime.intake.check_open()
        if runtime.away.is_away(ref):
            await self._ledger.wait_durable(runtime.afar.stop(ref))
            return
        cell = runtime.lives.existing(ref.name)
        if cell.type:
            runtime.watches.stop(cell, "")
            runtime.workers.wake()
            await self._ledger.wait_durable(self._ledger.lsn)

    @trio.lowlevel.enable_ki_protection
    async def resume(self, ref: ActorRef[Any]) -> None:
        """Let a paused mailbox go on, its attempts counted from zero; durable when this returns."""
        self._runtime.post.refuse_in_turn("resume", "do it from outside")
        runtime = self._runtime
        runtime.intake.check_open()
        cell = runtime.lives.existing(self._here(ref))
        cell.paused = ""
        cell.clear_failure()
        self._ledger.touch(cell)
        runtime.cells.consider(cell)
        runtime.workers.wake()
        await self._ledger.wait_durable(self._ledger.lsn)
