"""Reading: what a test may look at in a simulation; a part of `Simulation`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..actors.actor import Actor, actor_type
from ..actors.handler import Factory
from ..actors.message import Message
from ..mailbox.records import Box, unpack, unseal
from ..mailbox.soundness import ALL
from ..mailbox.store import Table

if TYPE_CHECKING:
    from .history import Sent
    from .nodes import SimulatedNode
    from .trace import Trace

A = TypeVar("A", bound=Actor)


class Reading:
    """The part of a simulation that shows."""

    trace: Trace
    nodes: list[SimulatedNode]

    def states(self, kind: type[A], *, node: int = 0) -> list[A]:
        """The actors of a class, or of classes derived from it, as they are on disk.

        They are copies: changing one changes nothing. Transient fields are made anew.
        """
        return list(self.named_states(kind, node=node).values())

    def named_states(self, kind: type[A], *, node: int = 0) -> dict[str, A]:
        """The same by name, in the order in which they were spawned."""
        target = self.nodes[node % len(self.nodes)]
        kinds = {each: actor_type(each) for each in _with_derived(kind)}
        by_name = {declared.name: declared for declared in kinds.values()}
        found: dict[str, A] = {}
        for key, value in target.store.scan(Table.BOXES, limit=ALL):
            box = unpack(Box, value)
            declared = by_name.get(box.type)
            state = target.store.get(Table.STATES, key)
            if declared is not None and state is not None:
                actor: Any = declared.build(declared.state.decode(unseal(state), target.clients.post))
                found[box.name] = actor
        return found

    def state(self, kind: type[A], name: str, *, node: int = 0) -> A:
        """One actor as it is on disk.

        Raises:
            LookupError: no actor of this class lives at the name.
        """
        found = self.named_states(kind, node=node)
        if name not in found:
            raise LookupError(
                f"no {kind.__name__} lives at {name!r}; there are {', '.join(sorted(found)) or 'none'}"
            )
        return found[name]

    def sent(self, what: Any = None, *, to: str | None = None, status: str | None = None) -> list[Sent]:
        """The messages that were sent and are on disk, or were; in the order in which they were sent.

        Args:
            what: only this message, or messages of this handler, such as `Account.deposit`.
            to: only those to this name.
            status: only those that are `scheduled`, `queued`, `handled`, `refused`, `dead` or `dropped` now.
        """
        return [
            sent
            for node in self.nodes
            for number, sent in sorted(node.history.sent.items())
            if (is_now := node.history.durable.status.get(number)) is not None
            and (status is None or is_now == status)
            and (to is None or sent.to == to)
            and fits(sent, what)
        ]

    @property
    def trace_hash(self) -> str:
        """A digest of everything that happened so far; equal for equal runs."""
        return self.trace.hash()


def fits(sent: Sent, what: Any) -> bool:
    """Whether a message is the one, or of the handler, that is asked for."""
    if what is None:
        return True
    if isinstance(what, Message):
        return sent.message == what
    if isinstance(what, Factory):
        spec = what.spec
        return sent.handler == spec.name and (sent.message is None or sent.message.spec is spec)
    raise TypeError(f"ask for a message, Account.deposit(5), or a handler, Account.deposit; got {what!r:.80}")


def _with_derived(kind: type[A]) -> list[type[A]]:
    return [kind, *(each for derived in kind.__subclasses__() for each in _with_derived(derived))]
