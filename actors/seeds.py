"""Seeds: actors about to live. `spawn` is get-or-create: existing state wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..mailbox.names import check_name
from .addresses import SPAWN, split
from .declared import check_state
from .errors import NameTaken, NotStorable
from .ref import ActorRef

if TYPE_CHECKING:
    from .actor import Actor, ActorType
    from .cell import Cell
    from .mail import Cause, Mail
    from .runtime import Runtime
    from .turn import Turn

A = TypeVar("A", bound="Actor")
_encode = msgspec.msgpack.Encoder().encode


class Seed(msgspec.Struct, frozen=True):
    """An actor about to live."""

    name: str
    kind: ActorType
    state: bytes
    fresh: bool


class Seeds:
    """Checks and does the spawning of actors."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def stage(self, turn: Turn, actor: A, name: str | None) -> ActorRef[A]:
        """What `turn.spawn` does: check everything now, and spawn with the turn's commit.

        Raises:
            BadName, NameTaken, NotStorable
            MessageTooLarge: with such a state no turn could end.
            NoSuchActor: there is no link to that node.
        """
        runtime = self._runtime
        ref: ActorRef[A] = ActorRef(*split(name or ""), runtime.post)
        if runtime.away.is_away(ref):
            mail = self.parcel(ref, actor, turn.cause)
            turn.effects.append(lambda: runtime.away.put(ref.node, mail))
            return ref
        seed = self.prepare(actor, name if name is None else ref.name)
        turn.effects.append(lambda: self.sow(seed, turn.cell))
        return ActorRef(seed.name, "", runtime.post)

    def prepare(self, actor: Actor, name: str | None, *, fresh: bool = False) -> Seed:
        """Check a spawn without doing it.

        Raises:
            BadName, NameTaken, NotStorable
        """
        kind = self._kind_of(actor)
        state = kind.encode(actor)
        check_state(state, f"this {kind.name}")
        if name is None:
            name = f"{kind.name}/{self._runtime.ledger.next_number():x}"
        seed = Seed(check_name(name), kind, state, fresh)
        self._check_taken(seed, self._runtime.cells.find(name))
        return seed

    def parcel(
        self, ref: ActorRef[Any], actor: Actor, cause: Cause, *, flags: int = 0, fresh: bool = False
    ) -> Mail:
        """A spawn for another node, which has to know the type.

        Raises:
            BadName, NotStorable, MessageTooLarge
        """
        kind: ActorType | None = getattr(type(actor), "__callboard__", None)
        if kind is None:
            raise NotStorable(f"{actor!r} is not an actor")
        away = self._runtime.away
        with away.abroad():
            state = kind.encode(actor)
        check_state(state, f"this {kind.name}")
        body = _encode((fresh, state))
        return away.parcel(check_name(ref.name), SPAWN, body, cause, type=kind.name, flags=flags)

    def prepare_bytes(self, type: str, name: str, state: bytes, *, fresh: bool) -> Seed:
        """Check a spawn that another node asks for.

        Raises:
            NameTaken, NotStorable
            Undecodable: the state is not what the type has here.
        """
        kind = self._runtime.types.find(type)
        if kind is None:
            why = self._runtime.types.why_not(type)
            raise NotStorable(f"node {self._runtime.name!r} has no type {type!r}: {why}")
        kind.state.decode(state, self._runtime.post)
        seed = Seed(name, kind, state, fresh)
        self._check_taken(seed, self._runtime.cells.find(name))
        return seed

    def _kind_of(self, actor: object) -> ActorType:
        """The type of an actor object.

        Raises:
            NotStorable: it is not an actor.
        """
        kind: ActorType | None = getattr(type(actor), "__callboard__", None)
        if kind is None:
            raise NotStorable(
                f"{actor!r} is not an actor: spawn an object of a class derived from callboard.Actor"
            )
        if self._runtime.types.find(kind.name) is None:
            raise NotStorable(
                f"{kind.name} is not among this node's types, so it could not be woken again: "
                f"{self._runtime.types.why_not(kind.name)}"
            )
        return kind

    def _check_taken(self, seed: Seed, cell: Cell | None) -> None:
        if cell is None or not cell.type:
            return
        if cell.type != seed.kind.name:
            raise NameTaken(
                f"{seed.name!r} is already a {cell.type}, so a {seed.kind.name} cannot live there: "
                "choose another name"
            )
        if seed.fresh:
            raise NameTaken(f"{seed.name!r} lives already, and fresh=True asked for a new actor")

    def sow(self, seed: Seed, spawner: Cell | None) -> None:
        """Let an actor live, with the open batch, unless one lives there."""
        cell = self._runtime.cells.get_for_life(seed.name)
        if not cell.type:
            self._runtime.cells.give_life(cell, seed.kind, seed.state)
        elif spawner is None:
            self._check_taken(seed, cell)
