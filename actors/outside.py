"""Outside: what callers that are not in a turn can do.

Their effects go into the open batch at once, protected from KeyboardInterrupt so that a
Ctrl-C cannot leave a half of them there, and the call returns when that batch is on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import trio

from ..mailbox.envelope import MAX_BODY, Flag
from ..mailbox.records import Mark, Outcome
from .addresses import split
from .answers import raise_outcome
from .cell import condition
from .current import turn_in_hand
from .durations import Seconds, limited
from .errors import AskInTurn, AskTimeout, InTurn, NodeClosed, NoSuchActor, Overloaded
from .mail import Cause, size_of
from .message import Message
from .ref import ActorRef
from .seeds import Seed
from .sending import check_message, check_size
from .spool import Spool

if TYPE_CHECKING:
    from .actor import Actor
    from .asks import Ask
    from .runtime import Runtime
    from .sending import Effect

A = TypeVar("A", bound="Actor")
R = TypeVar("R")

MAX_AT_ONCE = 10_000
MAX_BYTES_AT_ONCE = 64 * 1024 * 1024


class Outside:
    """The verbs of a node for callers outside a turn; keeps the `Post` contract."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._marks = runtime.marks
        self._asks = runtime.asks
        self.spool = Spool(runtime)
        """The way of large bodies to the disk."""

    @property
    def name(self) -> str:
        """The node's own name."""
        return self._runtime.name

    def forget(self) -> None:
        """The node is closed for good: let go of all of it.

        Refs in messages hold on to this object, and messages, which are too many for the garbage collector
        to look through, may lie in mailboxes: without this, a closed node would never leave memory.
        """
        ended = cast(Any, _Ended())
        self._runtime = self._ledger = self._marks = self._asks = self.spool = ended

    @trio.lowlevel.enable_ki_protection
    async def tell(
        self,
        ref: ActorRef[Any],
        message: Message[Any, Any],
        *,
        delay: Seconds = 0,
        key: str | None = None,
        id: str | None = None,
    ) -> None:
        """Send a message; durable when this returns (G1)."""
        size = self._size([message])
        await self._runtime.intake.admit(size)
        act = partial(self._tell_now, ref, message, delay, key, id)
        plain = not delay and key is None and id is None
        await self._ledger.wait_durable(await self.spool.send(size, [(ref, message)], act, early=plain))

    def _size(self, messages: Sequence[Message[Any, Any]]) -> int:
        """Bytes of some bodies: a cheap upper bound, unless that would turn them away.

        Raises:
            TypeError: one is no message.
            MessageTooLarge: the body of one is above the limit.
        """
        for message in messages:
            if type(message) is not Message:
                check_message(message)
        bound = sum(map(size_of, messages))
        if bound <= min(MAX_BODY, self._runtime.intake.most):
            return bound
        sizes = [len(message.body()) for message in messages]
        for message, size in zip(messages, sizes, strict=True):
            check_size(message, size)
        return sum(sizes)

    @trio.lowlevel.enable_ki_protection
    def _tell_now(
        self,
        ref: ActorRef[Any],
        message: Message[Any, Any],
        delay: Seconds,
        key: str | None,
        id: str | None,
    ) -> int:
        cause = Cause("", self._runtime.now_ns(), 0, 0, "")
        away = self._runtime.away
        if ref.node and away.is_away(ref):
            away.staged_tell(ref, message, cause, delay=delay, key=key, id=id)()
        else:
            target = self._runtime.sending.target(ref, message)
            if not delay and key is None and id is None:
                self._runtime.sending.deliver_to(target, self._runtime.sending.make_mail(message, cause))
            else:
                self._runtime.sending.staged_tell(ref.name, message, cause, delay=delay, key=key, id=id)()
        self._runtime.workers.wake()
        return self._ledger.lsn

    def refuse_in_turn(self, verb: str, instead: str) -> None:
        """Refuse what would happen although the turn that did it fails.

        Raises:
            InTurn: a turn of this node is running.
        """
        turn = turn_in_hand()
        if turn is not None and turn.post is self:
            raise InTurn(f"node.{verb}() inside a turn would not be part of it: {instead}")

    @trio.lowlevel.enable_ki_protection
    async def tell_all(self, pairs: Iterable[tuple[ActorRef[Any], Message[Any, Any]]]) -> None:
        """Send many messages in one commit, all or none (G1).

        Args:
            pairs: at most 10,000 of (ref, message), at most 64 MiB together.

        Raises:
            Overloaded: more than that at once.
            TypeError: a message belongs to another actor's class; nothing was sent.
            MessageTooLarge: a body is above the limit; nothing was sent.
        """
        self.refuse_in_turn(
            "tell_all", "await ref.tell(message) for each; they leave together, with the turn"
        )
        sends = list(pairs)
        size = self._size([message for _, message in sends])
        if len(sends) > MAX_AT_ONCE or size > MAX_BYTES_AT_ONCE:
            raise Overloaded(
                f"{len(sends)} messages of {size} bytes are too much for one commit: "
                f"{MAX_AT_ONCE} messages and {MAX_BYTES_AT_ONCE} bytes are the most; send them in parts"
            )
        await self._runtime.intake.admit(size)
        if sends:
            act = partial(self._tell_all_now, sends)
            await self._ledger.wait_durable(await self.spool.send(size, sends, act))

    @trio.lowlevel.enable_ki_protection
    def _tell_all_now(self, sends: list[tuple[ActorRef[Any], Message[Any, Any]]]) -> int:
        cause = Cause("", self._runtime.now_ns(), 0, 0, "")
        sending = self._runtime.sending
        away = self._runtime.away
        effects: list[Effect] = [
            partial(away.put, ref.node, away.message(ref, message, cause))
            if ref.node and away.is_away(ref)
            else sending.staged(ref, message, cause)
            for ref, message in sends
        ]
        sending.apply(effects)
        self._runtime.workers.wake()
        return self._ledger.lsn

    @trio.lowlevel.enable_ki_protection
    async def ask(
        self,
        ref: ActorRef[Any],
        message: Message[Any, R],
        *,
        timeout: Seconds | None = None,
        id: str | None = None,
    ) -> R:
        """Send a message and wait for its reply (G12)."""
        turn = turn_in_hand()
        if turn is not None and turn.post is self:
            turn.check_open()
            raise AskInTurn(
                f"await ref.ask({message!r}) inside a turn would wait for ever, since the question leaves "
                "only when the turn ends. Use self.turn.request(ref, message, then=..., failed=...), whose "
                "answer arrives as a message"
            )
        limit = limited(timeout)
        asked: tuple[Ask | None, Mark | None, int] | None = None
        with limit():
            size = self._size([message])
            await self._runtime.intake.admit(size)
            act = partial(self._ask_now, ref, message, id)
            asked = await self.spool.send(size, [(ref, message)], act, early=id is None)
        if asked is None:
            raise AskTimeout(f"{message!r} was not taken in within {timeout} s: {self._runtime.intake.why()}")
        ask, mark, number = asked
        if mark is not None:
            await self._ledger.wait_durable(self._ledger.lsn - self._ledger.open.empty)
            return self._outcome(mark, message)
        assert ask is not None
        asks, away = self._asks, self._runtime.away  # the node may be closed meanwhile
        try:
            with limit():
                await ask.answered.wait()
        finally:
            asks.forget(number, ask)
            away.forget(number)
        if not ask.answered.is_set():
            raise AskTimeout(self._why_late(ref, message, timeout))
        if ask.error is not None:
            raise ask.error
        return ask.value  # type: ignore[no-any-return]

    @trio.lowlevel.enable_ki_protection
    def _ask_now(
        self, ref: ActorRef[Any], message: Message[Any, Any], id: str | None
    ) -> tuple[Ask | None, Mark | None, int]:
        away = self._runtime.away
        if away.is_away(ref):
            ask, number = self._runtime.afar.ask(ref, message, id)
            return ask, None, number
        cell = self._runtime.cells.find(ref.name)
        if cell is None or not cell.type:
            raise NoSuchActor(
                f"no actor lives at {ref.name!r}, so nobody can answer {message!r}: spawn it first"
            )
        self._runtime.sending.target(ref, message)
        if id is not None:
            mark = self._marks.find(cell, id, message)
            if mark is not None:
                if mark.outcome != Outcome.PENDING:
                    return None, mark, 0
                return self._asks.wait_for(mark.number), None, mark.number
        cause = Cause("", self._runtime.now_ns(), 0, 0, "")
        mail = self._runtime.sending.make_mail(message, cause, Flag.ASKED)
        if id is not None:
            self._marks.set(cell, id, message, mail)
        ask = self._asks.wait_for(mail.number)
        self._runtime.sending.deliver_to(cell, mail)
        self._runtime.schedule.hasten(cell)
        self._runtime.workers.wake()
        return ask, None, mail.number

    def _outcome(self, mark: Mark, message: Message[Any, R]) -> R:
        if mark.outcome != Outcome.REPLIED:
            raise_outcome(mark, message)
        reply: R = message.spec.reply.decode(mark.body, self)
        return reply

    def _why_late(self, ref: ActorRef[Any], message: Message[Any, Any], timeout: Seconds | None) -> str:
        away = self._runtime.away
        if away.is_away(ref):
            state = away.why_late(ref.node)
        elif (cell := self._runtime.cells.find(ref.name)) is None:
            state = "it is gone"
        else:
            paused = self._runtime.cells.paused_types.get(cell.type, "")
            state = f"{cell.waiting} messages wait there and it is {condition(cell, paused)}"
        return (
            f"'{ref}' did not answer {message!r} within {timeout} s: {state}. "
            "The outcome is unknown, since the message is stored and will run; "
            "ask again with the same id= to be safe"
        )

    @trio.lowlevel.enable_ki_protection
    async def spawn(self, actor: A, *, name: str | None = None, fresh: bool = False) -> ActorRef[A]:
        """Get or create an actor; it is durable when this returns."""
        self.refuse_in_turn("spawn", "use self.turn.spawn(actor, name=...)")
        self._runtime.intake.check_open()
        if isinstance(name, str) and "@" in name:
            ref: ActorRef[Any] = ActorRef(*split(name), self)
            if self._runtime.away.is_away(ref):
                await self._runtime.afar.spawn(ref, actor, fresh=fresh)
                return ref
            name = ref.name
        seed = self._runtime.seeds.prepare(actor, name, fresh=fresh)
        await self._runtime.intake.admit(len(seed.state))
        await self._ledger.wait_durable(self._spawn_now(seed))
        return ActorRef(seed.name, "", self)

    @trio.lowlevel.enable_ki_protection
    def _spawn_now(self, seed: Seed) -> int:
        self._runtime.seeds.sow(seed, None)
        self._runtime.workers.wake()
        return self._ledger.lsn


class _Ended:
    """Stands where a closed node's parts were."""

    def __getattr__(self, name: str) -> NoReturn:
        raise NodeClosed("the node was closed: send through a node that is open")
