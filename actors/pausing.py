"""Pausing: all actors of a type, those that rest and those to come too, take mail and begin no turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ..mailbox.maps import PAUSED
from ..mailbox.store import Table
from .actor import Actor, actor_type
from .texts import storable

if TYPE_CHECKING:
    from .runtime import Runtime


class Pausing:
    """Pauses and resumes types of actors, from outside."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @trio.lowlevel.enable_ki_protection
    async def pause(self, kind: type[Actor] | str, reason: str) -> None:
        """Let no actor of a type begin a turn; durable when this returns.

        Raises:
            InTurn: inside a turn.
            TypeError: it is neither an actor's class nor a name.
            ValueError: the reason is empty.
        """
        runtime = self._begin("pause_type")
        name = declared_name(kind)
        text = storable(reason) if type(reason) is str else ""
        if not text.strip():
            raise ValueError(f"pause_type(reason=...) takes a text that says why; got {reason!r:.80}")
        runtime.cells.paused_types[name] = text
        for cell in runtime.cells.by_name.values():
            if cell.type == name:
                runtime.cells.block(cell)
        await self._write()

    @trio.lowlevel.enable_ki_protection
    async def resume(self, kind: type[Actor] | str) -> None:
        """Let the actors of a type go on, unless one is paused itself; durable when this returns.

        Raises:
            InTurn: inside a turn.
            TypeError: it is neither an actor's class nor a name.
        """
        runtime = self._begin("resume_type")
        name = declared_name(kind)
        if runtime.cells.paused_types.pop(name, None) is not None:
            for cell in list(runtime.cells.by_name.values()):
                if cell.type == name:
                    runtime.cells.consider(cell)
            runtime.lives.wake_again()
        await self._write()

    def _begin(self, verb: str) -> Runtime:
        self._runtime.post.refuse_in_turn(verb, "do it from outside")
        self._runtime.intake.check_open()
        return self._runtime

    async def _write(self) -> None:
        runtime = self._runtime
        runtime.ledger.write(Table.META, PAUSED.key, PAUSED.pack(runtime.cells.paused_types))
        runtime.workers.wake()
        await runtime.ledger.wait_durable(runtime.ledger.lsn)


def declared_name(kind: object) -> str:
    """The declared name of an actor type, given as its class or as that very name.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(kind, str):
        return kind
    if isinstance(kind, type) and issubclass(kind, Actor):
        return actor_type(kind).name
    raise TypeError(f"{kind!r:.80} is no type of actors: give the class, or its declared name")
