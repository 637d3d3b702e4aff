"""Turn: one message handled by one actor, and what `self.turn` offers while it lasts.

The verbs stage their effects and return at once. The effects happen when the turn's
batch takes them in, all together, after the handler has returned; a turn that fails or
is interrupted leaves nothing behind.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..mailbox.identity import COUNT_BITS
from .addresses import split
from .callback import resolve_callback
from .durations import Seconds
from .load import STEP, look
from .mail import Cause, Mail
from .marks import check_same
from .ref import ActorRef
from .sending import check_key, name_of
from .turnlog import log_of
from .watching import Terminated

if TYPE_CHECKING:
    from .actor import Actor
    from .cell import Cell
    from .errors import Failure
    from .message import Message
    from .outside import Outside
    from .runtime import Runtime
    from .sending import Effect

A = TypeVar("A", bound="Actor")
B = TypeVar("B", bound="Actor")
R = TypeVar("R")


class Turn(msgspec.Struct, eq=False):
    """What an actor can do and know while it handles one message; found as `self.turn`."""

    _runtime: Runtime
    cell: Cell
    mail: Mail
    post: Outside
    """The node that runs this turn."""
    effects: list[Effect] = []
    """What the turn will do once its handler has returned."""
    look_at: int = STEP
    """When there are so many effects, it is looked at whether that is too much (`load`); 0: one is large."""
    looked: int = 0
    bytes: int = 0
    laid: tuple[int, ...] = ()  # bodies on disk whose messages it will send; see `spool`
    claimed: dict[tuple[str, str], Message[Any, Any]] | None = None
    """Ids this turn has given, by receiver and id."""
    special: bool = False  # it has given an id, or is the last of its actor: its end takes the long way
    over: bool = False
    starting: bool = False
    stopping: bool = False
    _cause: Cause | None = None
    _random: random.Random | None = None
    _log: logging.LoggerAdapter[logging.Logger] | None = None

    # What a handler may know.

    @property
    def ref(self) -> ActorRef[Any]:
        """The actor's own ref."""
        return ActorRef(self.cell.name, "", self._runtime.post)

    @property
    def sender(self) -> ActorRef[Any] | None:
        """The actor whose turn sent the message; None if it came from outside."""
        sender = self.mail.cause.sender
        cell = self._runtime.cells.by_name.get(sender)
        if cell is not None:
            if cell.ref is None:
                cell.ref = ActorRef(sender, "", self.post)
            return cell.ref
        name, node = split(sender)
        return ActorRef(name, node, self.post) if name else None

    @property
    def sent_at(self) -> datetime:
        """When the message was sent, by the node's wall clock (UTC)."""
        return datetime.fromtimestamp(self.mail.cause.sent_at / 1e9, UTC)

    @property
    def attempt(self) -> int:
        """Which attempt at this message this is, from 1."""
        return self.mail.base_attempts + self.cell.attempts + 1

    def now(self) -> datetime:
        """The node's wall clock (UTC): the time to use in a handler, since tests replace it."""
        return datetime.fromtimestamp(self._runtime.now_ns() / 1e9, UTC)

    @property
    def random(self) -> random.Random:
        """Randomness seeded by the message's id: every attempt draws the same."""
        if self._random is None:
            self._random = random.Random(f"{self._runtime.uuid.hex()}/{self.mail.number}")
        return self._random

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry `actor`, `actor_type`, `handler`, `msg_id` and `attempt`."""
        if self._log is None:
            self._log = log_of(self)
        return self._log

    async def effect_key(self) -> str:
        """A key for one effect outside the store, the same in every attempt (G3, G6).

        It returns when the message and the state under it are durable, so what the
        caller does next has a durable cause. Pass it on as an idempotency key.
        """
        self.check_open()
        await self.settled()
        number = self.mail.number
        return f"{self._runtime.uuid.hex()}-{number >> COUNT_BITS}-{number & ((1 << COUNT_BITS) - 1)}"

    # What a handler may do.

    def after(self, delay: Seconds, message: Message[Any, Any], *, key: str | None = None) -> None:
        """Send a message to this actor itself, later (G11).

        Args:
            delay: seconds, or a timedelta.
            message: made by a handler of its own class.
            key: replaces the timer this actor set for itself under the same key.
        """
        self.send(self.ref, message, delay=delay, key=key)

    def cancel(self, key: str, *, to: ActorRef[Any] | None = None) -> None:
        """Discard the timer of a key, even if it has fired, until its turn begins (G11).

        Args:
            key: as given when the timer was set.
            to: whom the timer was for; this actor itself if not given.
        """
        self.check_open()
        check_key(key)
        setter, runtime = self.cell.name, self._runtime
        receiver = setter if to is None else str(to) if runtime.away.is_away(to) else name_of(to)
        self.effects.append(lambda: runtime.timers.cancel(setter, receiver, key))

    def request(
        self,
        ref: ActorRef[B],
        message: Message[B, R],
        *,
        then: Callable[[R], Message[Any, Any]] | None = None,
        failed: Callable[[Failure], Message[Any, Any]] | None = None,
        timeout: Seconds | None = None,
    ) -> None:
        """Ask another actor; the answer arrives here as ordinary mail (G12).

        Exactly one of a reply, a refusal, a failure or a time-out arrives, also if
        either side crashes.

        Args:
            ref: whom to ask.
            message: the question.
            then: a handler of this actor's own class, or a `functools.partial` over one,
                that takes the reply.
            failed: one that takes a `Failure`.
            timeout: seconds, or a timedelta; None waits for ever.

        Raises:
            TypeError: `then` or `failed` is not such a handler.
        """
        self.check_open()
        self._runtime.requests.stage(self, ref, message, then, failed, timeout)

    def spawn(self, actor: A, *, name: str | None = None) -> ActorRef[A]:
        """Get or create an actor with this turn's commit.

        Args:
            actor: the new actor; if one of its type lives at the name, that one's state wins.
            name: its address, `name` or `name@node`; a free one is made up if not given. What another node
                cannot spawn becomes a dead letter there.

        Raises:
            NameTaken: an actor of another type lives there.
            BadName: the name cannot be an address.
            NoSuchActor: this node has no link to that node.
        """
        self.check_open()
        return self._runtime.seeds.stage(self, actor, name)

    def stop(self) -> None:
        """End this actor's life with this turn's commit: its state goes, its mail waits `park`."""
        self.check_open()
        self.special = self.stopping = True

    def watch(self, ref: ActorRef[Any], *, then: Callable[[Terminated], Message[Any, Any]]) -> None:
        """Hear of the end of another actor's life, exactly once, also if either side restarts.

        Restarts, passivation and the end of the node end no life.

        Args:
            ref: whom; if no actor lives there, the answer comes at once.
            then: a handler of this actor's own class, or a `functools.partial` over one, that takes
                a `Terminated`. A later watch of the same actor replaces this one.

        Raises:
            TypeError: `then` is not such a handler.
        """
        self.check_open()
        assert self.cell.kind is not None
        callback = resolve_callback(self.cell.kind, then, "then", Terminated)
        target = self._address(ref)
        self.effects.append(lambda: self._runtime.watches.begin(self, target, callback))

    def stop_with(self, ref: ActorRef[Any]) -> None:
        """End this actor's life, too, when another one's ends, however it does; at once if it has."""
        self.check_open()
        target = self._address(ref)
        self.effects.append(lambda: self._runtime.watches.begin(self, target, None))

    def unwatch(self, ref: ActorRef[Any]) -> None:
        """Take back `watch` and `stop_with`; what is in the mailbox already still comes."""
        self.check_open()
        target = self._address(ref)
        self.effects.append(lambda: self._runtime.watches.end(self, target))

    def _address(self, ref: ActorRef[Any]) -> str:
        """Whom a ref means, as it is written down."""
        if self._runtime.away.is_away(ref):
            return str(ref)
        self._runtime.cells.find(ref.name)  # a damaged record is found here, where a turn may fail
        return ref.name

    def stage(self, ref: ActorRef[Any], message: Message[Any, Any]) -> None:
        """Stage a message to an actor of this node; what a bare `await ref.tell(message)` does in a turn."""
        if self.over or self.starting or len(self.effects) >= self.look_at:
            self.check_open()
        self.effects.append(self._runtime.sending.staged(ref, message, self._cause or self._come_from()))

    def send(
        self,
        ref: ActorRef[Any],
        message: Message[Any, Any],
        *,
        delay: Seconds = 0,
        key: str | None = None,
        id: str | None = None,
    ) -> None:
        """Stage a message that waits, replaces another, has an id, or goes to another node."""
        self.check_open()
        runtime, away = self._runtime, self._runtime.away
        if ref.node and away.is_away(ref):
            self.effects.append(away.staged_tell(ref, message, self.cause, delay=delay, key=key, id=id))
            return
        if not delay and key is None and id is None:
            self.stage(ref, message)
            return
        runtime.sending.target(ref, message)
        staged = runtime.sending.staged_tell(ref.name, message, self.cause, delay=delay, key=key, id=id)
        if id is not None:
            self.special, self.claimed, self.look_at = True, self.claimed or {}, 1  # not 0: none is laid
            claimed = self.claimed.setdefault((ref.name, id), message)
            if claimed is not message:
                check_same(id, ref.name, claimed == message, message)
                return
        self.effects.append(staged)

    # For the runtime.

    @property
    def cause(self) -> Cause:
        """What the messages of this turn say of where they come from."""
        return self._cause or self._come_from()

    def _come_from(self) -> Cause:
        mail, now_ns = self.mail, self._runtime.now_ns  # a method by its look would be looked for as one
        number, before = mail.number, mail.cause
        self._cause = cause = Cause(self.cell.name, now_ns(), number, before.root or number, before.trace)
        return cause

    def __repr__(self) -> str:
        return f"<turn of {self.mail.show()} at {self.cell.name!r}{', over' if self.over else ''}>"

    async def settled(self) -> None:
        """Return when the message in hand, and the state under it, are on disk."""
        await self._runtime.wait_settled(self.cell, self.mail)

    def check_open(self) -> None:
        """Refuse what a turn cannot do before or after its handler, or no more of.

        Raises:
            TurnOver, NotInTurn, Overloaded
        """
        if self.over or self.starting or len(self.effects) >= self.look_at:
            look(self)
