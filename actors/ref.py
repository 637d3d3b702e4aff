"""Refs: what others hold of an actor.

A ref is an address. It can be a field or a parameter, it is equal to any other ref of
the same address, and it finds its way by the node it was made by or, inside a turn, by
the node that runs the turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .current import turn_in_hand
from .durations import Seconds
from .errors import NotBound

if TYPE_CHECKING:
    from .actor import Actor
    from .message import Message

A_co = TypeVar("A_co", bound="Actor", covariant=True)
R = TypeVar("R")


class Post(Protocol):
    """Takes a message somewhere: what a ref needs of its node."""

    @property
    def name(self) -> str:
        """The node's own name; empty if it has none."""
        ...

    async def tell(
        self,
        ref: ActorRef[Any],
        message: Message[Any, Any],
        *,
        delay: Seconds,
        key: str | None,
        id: str | None,
    ) -> None:
        """Send a message."""
        ...

    async def ask(
        self,
        ref: ActorRef[Any],
        message: Message[Any, R],
        *,
        timeout: Seconds | None,
        id: str | None,
    ) -> R:
        """Send a message and wait for its reply."""
        ...


class ActorRef(Generic[A_co]):
    """The address of an actor, typed by its class.

    Refs are equal and hash by address. Get one from `node.spawn`, `node.ref`,
    `self.turn.spawn`, `self.turn.ref` or `self.turn.sender`.
    """

    __slots__ = ("_post", "name", "node")

    name: str
    """The actor's name on its node."""
    node: str
    """The node's name; empty for the node at hand."""

    def __init__(self, name: str, node: str = "", post: Post | None = None) -> None:
        self.name = name
        self.node = node
        self._post = post

    async def tell(
        self,
        message: Message[A_co, Any],
        *,
        delay: Seconds = 0,
        key: str | None = None,
        id: str | None = None,
    ) -> None:
        """Send a message; it is durable when this returns outside a turn (G1).

        Inside a turn the send is part of the turn: it happens with the turn's commit and
        this returns at once, or, if the body is large (above 1,020 KiB), when that is on disk.

        Args:
            message: made by a handler of the actor's class, as `Account.deposit(30)`.
            delay: seconds (or a timedelta) until it takes its place in the mailbox (G11).
            key: name of the timer this sets; it replaces the one that the same sender set for this
                actor under the same key. A turn can cancel it too (`self.turn.cancel`). All callers
                outside a turn are one sender.
            id: at most 64 bytes; a second tell with this id and content does nothing (G12).

        Raises:
            TypeError: the message belongs to another actor's class.
            MessageTooLarge: its body is above the limit.
            Overloaded: it is above the store's quota, or more than one turn may send (G13).
            IdReused: the id was used with other content. On another node that is found out later, and the
                message becomes a dead letter there.
            NoSuchActor: the ref is to another node, and this one has no link to it.
            NodeClosed: the node was closed.
        """
        turn = turn_in_hand()
        post = self._post
        if turn is not None and (post is None or post is turn.post):
            if key is None and id is None and not delay and not self.node:
                turn.stage(self, message)
            else:
                turn.send(self, message, delay=delay, key=key, id=id)
            if not turn.look_at:
                await turn.post.spool.lay_ahead(turn)
        else:
            if turn is not None:
                # Another node's actor is outside of this turn: it hears nothing that could be taken back.
                await turn.settled()
            await _bound(self, post).tell(self, message, delay=delay, key=key, id=id)

    async def ask(
        self,
        message: Message[A_co, R],
        *,
        timeout: Seconds | None = None,
        id: str | None = None,
    ) -> R:
        """Send a message from outside and wait for its reply (G12).

        Args:
            message: made by a handler of the actor's class.
            timeout: seconds (or a timedelta) to wait; None waits as long as the caller's scope.
            id: at most 64 bytes; makes a retry safe, since mark and reply are kept for a day.

        Raises:
            Refusal: the actor refused; its own type.
            AskFailed: the message failed for good.
            AskTimeout: no reply in time; the outcome is unknown.
            NoSuchActor: no actor lives at this address, or there is no link to its node.
            TypeError: the message belongs to another actor's class.
            MessageTooLarge: its body is above the limit.
            Overloaded: it is above the store's quota.
            IdReused: the id was used with other content.
            AskInTurn: called inside a turn; use `self.turn.request`.
            NodeClosed: the node was closed.
        """
        turn = turn_in_hand()
        post = self._post
        if turn is not None:
            post = post or turn.post
            if post is not turn.post:
                await turn.settled()
        return await _bound(self, post).ask(self, message, timeout=timeout, id=id)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ActorRef):
            return NotImplemented
        return self.name == other.name and self.node == other.node

    def __hash__(self) -> int:
        return hash((self.name, self.node))

    def __repr__(self) -> str:
        return f"<ref {self}>"

    def __str__(self) -> str:
        return f"{self.name}@{self.node}" if self.node else self.name


def _bound(ref: ActorRef[Any], post: Post | None) -> Post:
    if post is None:
        raise NotBound(
            f"{ref!r} belongs to no node, and no turn is running that could lend its own: "
            "get the ref from node.ref(...) or node.spawn(...)"
        )
    return post
