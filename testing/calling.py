"""Calling: what clients of a simulation do; a part of `Simulation`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from ..actors.actor import Actor
from ..actors.ref import ActorRef

if TYPE_CHECKING:
    from ..actors.message import Message
    from .clients import Clients
    from .nodes import SimulatedNode

A = TypeVar("A", bound=Actor)


class Calling:
    """The part of a simulation that sends messages."""

    nodes: list[SimulatedNode]
    _ids: int

    def _clients(self, node: int) -> Clients:
        return self.nodes[node % len(self.nodes)].clients

    async def spawn(
        self, actor: A, *, name: str | None = None, fresh: bool = False, node: int = 0
    ) -> ActorRef[A]:
        """Get or create an actor, as `node.spawn` does; the ref outlives crashes of its node.

        Raises:
            Crashed: the node was killed meanwhile, or is down.
        """
        return await self._clients(node).spawn(actor, name=name, fresh=fresh)

    def ref(self, kind: type[A], name: str, *, node: int = 0) -> ActorRef[A]:
        """The ref of a name, or of `name@node`; `node` is where the caller is.

        It outlives crashes of that node, and raises `Crashed` while it is down.
        """
        return self._clients(node).ref(name)

    async def tell_all(
        self, pairs: Iterable[tuple[ActorRef[Any], Message[Any, Any]]], *, node: int = 0
    ) -> None:
        """Send many messages in one commit, as `node.tell_all` does."""
        await self._clients(node).tell_all(pairs)

    async def pause(self, ref: ActorRef[Any], *, node: int = 0) -> None:
        """Pause a mailbox, as `node.pause` does."""
        await self._clients(node).pause(ref.name)

    async def resume(self, ref: ActorRef[Any], *, node: int = 0) -> None:
        """Resume a mailbox, as `node.resume` does."""
        await self._clients(node).resume(ref.name)

    def fresh_id(self) -> str:
        """A text not given before, the same in every run: for the `id=` of an operation that tries again."""
        self._ids += 1
        return f"id-{self._ids}"
