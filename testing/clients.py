"""Clients: callers outside the node, as a simulation sees them.

A ref from a simulation belongs to no single life of its node: it finds the one that runs now, and when
that is killed under a call, the caller hears `Crashed`, as it would over a connection.
"""

from __future__ import annotations

import weakref
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from ..actors.actor import Actor
from ..actors.durations import Seconds
from ..actors.errors import AskFailed, NodeClosed, Refusal
from ..actors.ref import ActorRef
from ..mailbox.errors import StoreError
from . import invariants
from .errors import Crashed, InvariantBroken, Kill

if TYPE_CHECKING:
    from ..actors.errands import Errand
    from ..actors.mail import Mail
    from ..actors.message import Message
    from ..actors.office import Office
    from ..cluster.node import Node
    from .history import Sent
    from .nodes import SimulatedNode

A = TypeVar("A", bound=Actor)
R = TypeVar("R")


@attrs.define(eq=False)
class Call:
    """One message that a client sends."""

    message: Message[Any, Any]
    sent: Sent | None = None
    """What was taken in for it; None if it has not been, or was known by its `id=`."""


class Clients:
    """Everybody who calls one node from outside; keeps the `Post` contract for them."""

    def __init__(self, node: SimulatedNode) -> None:
        self._node = node
        self.post = _Post(self)
        self._calls: defaultdict[int, deque[Call]] = defaultdict(deque)
        self.acked: list[Sent] = []
        """Messages of which a client heard that they are stored, or handled."""

    @property
    def name(self) -> str:
        """The node's own name; empty while it has none."""
        return self._node.store.identity.node

    def taken_in(self, mail: Mail, sent: Sent) -> None:
        """A message from outside was taken in; find whose it is."""
        waiting = self._calls.get(id(mail.message))
        if waiting:
            waiting.popleft().sent = sent

    async def tell(
        self,
        ref: ActorRef[Any],
        message: Message[Any, Any],
        *,
        delay: Seconds = 0,
        key: str | None = None,
        id: str | None = None,
    ) -> None:
        """Send a message to the life that runs now."""
        with self._calling("tell", [message], ref, mark=id) as node:
            await node.ref(Actor, str(ref)).tell(message, delay=delay, key=key, id=id)

    async def ask(
        self,
        ref: ActorRef[Any],
        message: Message[Any, R],
        *,
        timeout: Seconds | None = None,
        id: str | None = None,
    ) -> R:
        """Ask the life that runs now."""
        with self._calling("ask", [message], ref, answered=True, mark=id) as node:
            reply: R = await node.ref(Actor, str(ref)).ask(message, timeout=timeout, id=id)
        return reply

    async def tell_all(self, pairs: Iterable[tuple[ActorRef[Any], Message[Any, Any]]]) -> None:
        """Send many messages in one commit."""
        sends = list(pairs)
        with self._calling("tell_all", [message for _, message in sends]) as node:
            await node.tell_all(sends)

    async def spawn(self, actor: A, *, name: str | None, fresh: bool = False) -> ActorRef[A]:
        """Get or create an actor; the ref goes on through crashes."""
        with self._calling("spawn", []) as node:
            ref = await node.spawn(actor, name=name, fresh=fresh)
        return self.ref(str(ref))

    def ref(self, name: str) -> ActorRef[Any]:
        """A ref for callers outside; the name may be `name@node`."""
        short, _, node = name.partition("@")
        return ActorRef(short, "" if node == self.name else node, self.post)

    async def pause(self, name: str) -> None:
        """Pause a mailbox."""
        with self._calling("pause", []) as node:
            await node.pause(node.ref(Actor, name))

    async def resume(self, name: str) -> None:
        """Resume a mailbox; its attempts begin at zero."""
        with self._calling("resume", []) as node:
            self._node.history.reset.add(name)
            await node.resume(node.ref(Actor, name))

    async def errand(self, do: Callable[[Office], Awaitable[Errand]]) -> Errand:
        """Have the life that runs now replay, redirect or drop dead letters: `lambda dead: dead.replay()`."""
        with self._calling("errand", []) as node:
            return await do(node.dead)

    @contextmanager
    def calling(self, verb: str, *, runs: bool = True) -> Generator[None]:
        """Do something with the running life that sends no message.

        Raises:
            Crashed: it was killed meanwhile, or what is asked does not run.
        """
        if not runs:
            raise Crashed(f"{self._node.title} runs no tree now, so this {verb} did nothing")
        with self._calling(verb, []):
            yield

    @contextmanager
    def _calling(
        self,
        verb: str,
        messages: list[Message[Any, Any]],
        ref: ActorRef[Any] | None = None,
        *,
        answered: bool = False,
        mark: str | None = None,
    ) -> Generator[Node]:
        """Call the running life; what it acknowledges must be on disk by then.

        Raises:
            Crashed: it was killed meanwhile, or no life runs.
        """
        node, life = self._node, self._node.life
        known = (ref.name, mark) if ref and mark and not ref.node else None
        if life is None or life.recorder.over:
            raise Crashed(f"{node.title} is down, so this {verb} did nothing")
        calls = [Call(message) for message in messages]
        for call in calls:
            self._calls[id(call.message)].append(call)
        node.trace.note(node.index, f"client {verb}", *(repr(each) for each in messages), str(ref or ""))
        try:
            yield life.node
        except (Kill, StoreError, NodeClosed) as error:
            if not life.ending:
                raise
            raise Crashed(f"{node.title} ended during this {verb}: the outcome is unknown") from error
        except (Refusal, AskFailed):
            self._check_heard(calls, answered=answered, mark=known)
            raise
        finally:
            self._forget(calls)
        self._check_heard(calls, answered=answered, mark=known)
        self._heard(verb, calls)

    def _forget(self, calls: list[Call]) -> None:
        for call in calls:
            waiting = self._calls[id(call.message)]
            if call in waiting:
                waiting.remove(call)
            if not waiting:
                del self._calls[id(call.message)]

    def _check_heard(self, calls: list[Call], *, answered: bool, mark: tuple[str, str] | None) -> None:
        """What a client hears, be it a refusal, is on disk; also what an earlier call of that id sent."""
        history = self._node.history
        for call in calls:
            if call.sent is None and mark in history.now.ids:
                call.sent = history.now.ids[mark].sent
            wrong = invariants.acknowledged(history, call.sent, answered=answered)
            if wrong:
                self._node.broken(InvariantBroken("watermark", wrong))

    def _heard(self, verb: str, calls: list[Call]) -> None:
        node = self._node
        for call in calls:
            if call.sent is not None:
                self.acked.append(call.sent)
                node.trace.note(node.index, f"client {verb} returned", call.sent.number)


class _Post:
    """What refs hold of a node's clients: weakly, since messages that hold refs are kept in its story."""

    def __init__(self, clients: Clients) -> None:
        self._clients = weakref.ref(clients)

    @property
    def name(self) -> str:
        """The node's own name."""
        return self._open.name

    @property
    def _open(self) -> Clients:
        clients = self._clients()
        if clients is None:
            raise Crashed("the simulation that this ref belongs to is over")
        return clients

    async def tell(
        self,
        ref: ActorRef[Any],
        message: Message[Any, Any],
        *,
        delay: Seconds = 0,
        key: str | None = None,
        id: str | None = None,
    ) -> None:
        """See `Clients.tell`."""
        await self._open.tell(ref, message, delay=delay, key=key, id=id)

    async def ask(
        self,
        ref: ActorRef[Any],
        message: Message[Any, R],
        *,
        timeout: Seconds | None = None,
        id: str | None = None,
    ) -> R:
        """See `Clients.ask`."""
        return await self._open.ask(ref, message, timeout=timeout, id=id)
