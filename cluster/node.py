"""Node: one process's actors over one store, as its user holds it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..actors.actor import Actor
from ..actors.cell import Phase
from ..actors.ref import ActorRef
from ..actors.watching import Terminated
from ..mailbox.glance import oldest_died_at
from ..mailbox.names import check_name

if TYPE_CHECKING:
    from ..actors.message import Message
    from ..actors.office import Office
    from ..actors.runtime import Runtime
    from ..mailbox.store import Store, Usage
    from ..mailbox.writer import WriterStatistics
    from ..supervision.running import RunningTree
    from ..supervision.specs import Supervisor
    from .links import Links

A = TypeVar("A", bound=Actor)


class NodeStatistics(msgspec.Struct, frozen=True):
    """What a node is doing, at one moment. May show turns that a crash takes back (G19)."""

    accepted: int
    """Messages taken in since the store was made."""
    handled: int
    sent: int
    """Messages that other nodes have taken over."""
    died: int
    """Messages that are dead letters now."""
    discarded: int
    """Timers that were cancelled or replaced, and dead letters that were dropped."""
    queued: int
    """In mailboxes and outboxes; accepted = handled + sent + queued + scheduled + died + discarded (G4)."""
    scheduled: int
    """Messages that wait as timers."""
    oldest_dead: int
    """When the oldest dead letter died, nanoseconds since the epoch; 0 if there is none on disk."""
    actors: int
    """Actors that live in the store."""
    active: int
    """Mailboxes in memory."""
    ready: int
    """Mailboxes whose turn is about to come."""
    suspended: int
    """Turns whose handler waits for something."""
    durable_lsn: int
    """The last batch that is on disk."""
    turns_ahead: int
    """Turns that are not on disk yet."""
    senders_waiting: int
    """Callers outside that wait for room."""
    turns_waiting: int
    """Mailboxes whose next turn would make the store larger, while there is no room for that."""
    full: str
    """Why there is no room, and what to do about it; empty if there is."""
    store: Usage
    writer: WriterStatistics


class Node:
    """A running node. Made by `open_node`; it needs no lock and no global state."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.links: Links | None = None
        """What joins it to other nodes; None if it was given no peers."""

    @cached_property
    def dead(self) -> Office:
        """The dead letters: look through them, replay, redirect or drop them."""
        from ..actors.office import Office  # as are trees, it is loaded where it is used

        return Office(self._runtime)

    @property
    def name(self) -> str:
        """The node's name; empty if it was given none."""
        return self._runtime.name

    @property
    def store(self) -> Store:
        """The store under the node, to be read only."""
        return self._runtime.store

    async def spawn(self, actor: A, *, name: str | None = None, fresh: bool = False) -> ActorRef[A]:
        """Get or create an actor; it is durable when this returns.

        Args:
            actor: its state, if no actor lives at the name yet; else that one's state wins.
            name: 1 to 255 bytes of UTF-8 without control characters; made up if not given. `name@node`
                spawns on another node, which has to know the type; it is durable there when this returns.
            fresh: refuse an actor that lives already.

        Raises:
            NameTaken: an actor of another type lives there, or `fresh` and one lives.
            BadName: the name cannot be an address.
            NotStorable: a field has a value its annotation does not allow.
            NoSuchActor: this node has no link to that node.
            InTurn: inside a turn; use `self.turn.spawn`.
        """
        return await self._runtime.post.spawn(actor, name=name, fresh=fresh)

    def ref(self, kind: type[A], name: str) -> ActorRef[A]:
        """The ref of a name, whether or not an actor lives there. Never creates one.

        Args:
            kind: the actor's class, for the type checker.
            name: its address, `name` or `name@node`.

        Raises:
            BadName: the name cannot be an address.
        """
        short, _, node = name.partition("@")
        return ActorRef(check_name(short), "" if node == self.name else node, self._runtime.post)

    async def tell_all(self, pairs: Iterable[tuple[ActorRef[Any], Message[Any, Any]]]) -> None:
        """Send many messages in one commit, all or none; durable when this returns (G1).

        Args:
            pairs: at most 10,000 of (ref, message), at most 64 MiB together.

        Raises:
            Overloaded: more than that, or than the store's quota.
            TypeError: a message belongs to another actor's class; nothing was sent.
            MessageTooLarge: a body is above the limit; nothing was sent.
            NoSuchActor: a ref is to a node that this one has no link to; nothing was sent.
            InTurn: inside a turn; use `ref.tell` for each.
        """
        await self._runtime.post.tell_all(pairs)

    async def wait_idle(self) -> None:
        """Return when no mailbox can have a turn now and everything is on disk.

        Mail that waits for a retry, a time, an actor or a person does not count.
        """
        await self._runtime.wait_idle()

    async def pause(self, ref: ActorRef[Any], reason: str = "paused by hand") -> None:
        """Let a mailbox take mail but begin no turn, until `resume`; durable when this returns.

        Args:
            ref: of an actor of this node.
            reason: what `callboard ls` and `callboard why` say.

        Raises:
            NoSuchActor: there is no mailbox of this name, or it is on another node.
            ValueError: the reason is empty.
            InTurn: inside a turn.
        """
        await self._runtime.orders.pause(ref, reason)

    async def resume(self, ref: ActorRef[Any]) -> None:
        """Let a paused mailbox go on, its attempts counted from zero; durable when this returns.

        Args:
            ref: of an actor of this node; one that is not paused goes on, too.

        Raises:
            NoSuchActor: there is no mailbox of this name, or it is on another node.
            InTurn: inside a turn.
        """
        await self._runtime.orders.resume(ref)

    async def pause_type(self, kind: type[Actor] | str, reason: str = "paused by hand") -> None:
        """Let all actors of a type, those yet to be spawned among them, take mail but begin no turn.

        It is durable when this returns, and holds until `resume_type`. Turns in hand go on to their end.

        Args:
            kind: the class itself, or its declared name; classes derived from it are types of their own.
            reason: what `callboard ls` and `callboard why` say.
        """
        await self._runtime.pausing.pause(kind, reason)

    async def resume_type(self, kind: type[Actor] | str) -> None:
        """Let the actors of a type go on, unless one is paused itself; durable when this returns."""
        await self._runtime.pausing.resume(kind)

    async def start(self, tree: Supervisor) -> RunningTree:
        """Start a supervision tree; returns when all its children run.

        Its actors are started in order, are never passivated, and are restarted as declared. Their mail waits
        while they are down. When the topmost supervisor gives up, the node closes and `open_node` raises.

        Args:
            tree: the topmost supervisor.

        Raises:
            TreeGaveUp: a child could not be started; those before it were stopped again.
            RuntimeError: a tree runs already.
        """
        runtime = self._runtime
        runtime.intake.check_open()
        if runtime.end_tree is not None:
            raise RuntimeError("a tree runs on this node already: put both under one supervisor")
        from ..supervision.running import RunningTree  # a node without a tree need not load all that it takes

        running = RunningTree(runtime, tree, runtime.give_up)
        runtime.end_tree = running.shut_down
        try:
            await running.start()
        except BaseException:  # cancelled, too: then what was started was stopped again
            runtime.end_tree = None
            raise
        return running

    async def watch(self, ref: ActorRef[Any]) -> Terminated:
        """Return when an actor's life has ended and that is on disk; at once if nobody lives there.

        Restarts, passivation and the end of this node end no life.

        Raises:
            NodeClosed: the node was closed meanwhile.
        """
        self._runtime.intake.check_open()
        if self._runtime.away.is_away(ref):
            return await self._runtime.afar.watch(ref)
        return await self._runtime.watches.wait(ref.name)

    async def stop(self, ref: ActorRef[Any]) -> None:
        """End an actor's life when its mail up to now is handled; durable when this returns.

        Its state goes; mail that comes later waits `park`. To another node it leaves as mail does, and
        nobody hears if no actor lives there.

        Raises:
            NoSuchActor: there is no mailbox of this name, or no link to its node.
            InTurn: inside a turn; an actor ends its own life by `self.turn.stop`.
        """
        await self._runtime.orders.stop(ref)

    def statistics(self) -> NodeStatistics:
        """What the node is doing now."""
        runtime = self._runtime
        runtime.intake.check_open()
        counters, ledger = runtime.ledger.counters, runtime.ledger
        return NodeStatistics(
            accepted=counters.accepted,
            handled=counters.handled,
            sent=counters.sent,
            died=counters.died,
            discarded=counters.discarded,
            queued=counters.queued,
            scheduled=counters.scheduled,
            oldest_dead=oldest_died_at(runtime.store),
            actors=counters.actors,
            active=len(runtime.cells.by_name),
            ready=sum(cell.phase is Phase.READY for cell in runtime.cells.by_name.values()),
            suspended=len(runtime.workers.suspended),
            durable_lsn=ledger.durable,
            turns_ahead=ledger.turns_ahead,
            senders_waiting=runtime.intake.waiting,
            turns_waiting=len(runtime.room.waiting),
            full=runtime.room.why(),
            store=runtime.store.usage(),
            writer=runtime.writer.statistics(),
        )

    def __repr__(self) -> str:
        return f"<node {self.name or '(unnamed)'}>"
