"""Rehearsals: one handler in a unit test, without a node.

    async def test_an_order_asks_for_its_money() -> None:
        order = Order(ActorRef("payments"))
        with turn(order, name="order-1") as t:
            await order.place(995)
        assert t.requests == [Requested("payments", Payments.charge(995), then=Order.paid)]
        assert t.timers == [Timed("order-1", Order.expire(), delay=timedelta(days=7), key="expire")]

The turn is the runtime's own, with a node's inside around it that nobody starts: what it
refuses it refuses in the same words. Only, what a node would do with its effects when
the turn is over is written down instead.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from ..actors.actor import Actor, actor_type
from ..actors.current import TURN
from ..actors.declared import ActorType
from ..actors.durations import Seconds
from ..actors.errors import Failure
from ..actors.mail import Mail, from_envelope
from ..actors.message import Message
from ..actors.ref import ActorRef
from ..actors.runtime import Runtime
from ..actors.schedule import Fair
from ..actors.turn import Turn
from ..actors.types import Types
from ..actors.world import Habits, World
from ..mailbox.envelope import Codec, Envelope
from ..mailbox.memory import MemoryStore
from ..mailbox.names import check_name
from ..mailbox.writer import Writer
from ..supervision.failing import decide
from .acts import Act, Cancelled, Requested, Sent, Spawned, Timed

A = TypeVar("A", bound=Actor)
B = TypeVar("B", bound=Actor)
R = TypeVar("R")
K = TypeVar("K")

NOON: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
"""The time in a rehearsal if none is given."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Rehearsal(Turn, eq=False):
    """A turn that writes down what it was asked to do, in order."""

    acts: list[Act] = []  # noqa: RUF012 - a Struct gives each its own
    """All that was asked for, in order."""

    @property
    def sent(self) -> list[Sent]:
        """Messages to be delivered with the turn's commit."""
        return self._of(Sent)

    @property
    def timers(self) -> list[Timed]:
        """Messages for later; those that were cancelled or replaced since are still here."""
        return self._of(Timed)

    @property
    def cancelled(self) -> list[Cancelled]:
        """Timers to be discarded."""
        return self._of(Cancelled)

    @property
    def requests(self) -> list[Requested]:
        """Questions whose answers come as mail."""
        return self._of(Requested)

    @property
    def spawned(self) -> list[Spawned]:
        """Actors to be made, unless they live already."""
        return self._of(Spawned)

    @property
    def stopped(self) -> bool:
        """Whether the actor's life ends with this turn."""
        return self.stopping

    def _of(self, kind: type[K]) -> list[K]:
        return [act for act in self.acts if isinstance(act, kind)]

    # The turn's verbs: each is checked as ever, then written down.

    def stage(self, ref: ActorRef[Any], message: Message[Any, Any]) -> None:
        super().stage(ref, message)
        self.acts.append(Sent(ref.name, message, None))

    def send(
        self,
        ref: ActorRef[Any],
        message: Message[Any, Any],
        *,
        delay: Seconds = 0,
        key: str | None = None,
        id: str | None = None,
    ) -> None:
        if not delay and key is None and id is None and not ref.node:
            self.stage(ref, message)
            return
        before = len(self.effects)
        super().send(ref, message, delay=delay, key=key, id=id)
        if len(self.effects) == before:
            return  # an id it has sent already
        if delay or key is not None:
            self.acts.append(Timed(ref.name, message, delay, key, id))
        else:
            self.acts.append(Sent(ref.name, message, id))

    def cancel(self, key: str, *, to: ActorRef[Any] | None = None) -> None:
        super().cancel(key, to=to)
        self.acts.append(Cancelled(key, self.cell.name if to is None else to.name))

    def request(
        self,
        ref: ActorRef[B],
        message: Message[B, R],
        *,
        then: Callable[[R], Message[Any, Any]] | None = None,
        failed: Callable[[Failure], Message[Any, Any]] | None = None,
        timeout: Seconds | None = None,
    ) -> None:
        super().request(ref, message, then=then, failed=failed, timeout=timeout)
        self.acts.append(Requested(ref.name, message, then, failed, timeout))

    def spawn(self, actor: A, *, name: str | None = None) -> ActorRef[A]:
        ref = super().spawn(actor, name=name)
        self.acts.append(Spawned(ref.name, _as_stored(actor)))
        return ref


@contextmanager
def turn(
    actor: Actor,
    *,
    name: str = "",
    sender: ActorRef[Any] | str | None = None,
    sent_at: datetime | None = None,
    attempt: int = 1,
    now: datetime | None = None,
) -> Generator[Rehearsal]:
    """Let an actor have a turn in a unit test: `self.turn` works in the block, and nothing is sent.

    Every verb of the turn checks its arguments as ever and is written down. When the block
    is left the turn is over: the actor's state is checked as at the end of any turn. If the block
    raises, the turn has failed and has done nothing: all that was written down is struck out (what
    is caught inside the block is not seen). The actor itself is left as the handler left it, where a
    node would build it again.

    Refs to other actors need no node: `ActorRef("payments")`. A ref that was made by a real node is
    outside of this turn, so telling it something does tell it.

    Args:
        actor: whose turn it is; await its handlers in the block.
        name: its address; by default the name of its type.
        sender: who sent the message in hand; None if it came from outside.
        sent_at: when; by default now.
        attempt: which attempt at the message this is, from 1.
        now: the wall clock, which stands still; by default noon on the first of January 2030, UTC.

    Yields:
        The turn, with `sent`, `timers`, `cancelled`, `requests`, `spawned` and `stopped`.

    Raises:
        TypeError: `actor` is no actor.
        BadName: `name` or `sender` cannot be an address.
        ValueError: `attempt` is below 1, or a time has no zone.
        NotStorable: a field holds what its annotation does not allow, before the turn or after it.
    """
    moment = _nanoseconds(now or NOON, "now=")
    kind = _kind_of(actor)
    sent_ns = moment if sent_at is None else _nanoseconds(sent_at, "sent_at=")
    runtime = _inside(kind, moment)
    mail = _mail(runtime.ledger.next_number(), kind, sender, sent_ns, attempt)
    rehearsal = _begin(runtime, actor, kind, name or kind.name, mail)
    token = TURN.set(rehearsal)
    try:
        yield rehearsal
        if not rehearsal.stopping:
            kind.state.check(kind.read(actor))
    except BaseException:
        rehearsal.acts.clear()
        rehearsal.stopping = False
        raise
    finally:
        rehearsal.over = True
        TURN.reset(token)


def _as_stored(actor: A) -> A:
    """The actor as it would live: what is done to the object afterwards is no part of it."""
    kind = actor_type(type(actor))
    stored = kind.build(kind.state.decode(kind.state.encode(kind.read(actor)), None))
    assert isinstance(stored, type(actor))
    return stored


def _kind_of(actor: object) -> ActorType:
    if not isinstance(actor, Actor):
        example = actor.__name__ if isinstance(actor, type) else "Account"
        raise TypeError(f"turn() takes an actor object, as turn({example}(...)); got {actor!r:.80}")
    return actor_type(type(actor))


def _nanoseconds(moment: datetime, what: str) -> int:
    if moment.tzinfo is None:
        raise ValueError(f"{what} is a datetime with a zone, such as tzinfo=datetime.UTC; got {moment!r}")
    return (moment - _EPOCH) // _MICROSECOND * 1000


class _Cast(Types):
    """The actor classes of a rehearsal: whatever there is may be spawned, since nothing is woken again."""

    def __init__(self, kind: ActorType) -> None:
        super().__init__([kind.cls])
        self._kind = kind

    def find(self, name: str) -> ActorType | None:
        return self._kind


def _inside(kind: ActorType, now_ns: int) -> Runtime:
    """A node's inside that nobody starts."""
    store = MemoryStore()
    world = World(
        now_ns=lambda: now_ns,
        clock=lambda: 0.0,
        tick=lambda: 0.0,
        random=random.Random(0),
        schedule=Fair(),
        types=_Cast(kind),
        decide=decide,
        longest_nap_s=float("inf"),
    )
    return Runtime(store, Writer(store, clock=lambda: 0.0), world, Habits())


def _begin(runtime: Runtime, actor: Actor, kind: ActorType, name: str, mail: Mail) -> Rehearsal:
    cell = runtime.cells.get_for_life(check_name(name))
    runtime.cells.give_life(cell, kind, kind.state.encode(kind.state.check(kind.read(actor))))
    cell.lsn = 0  # it has been on disk for long, so effect_key() has nothing to wait for
    cell.actor = actor
    return Rehearsal(runtime, cell, mail, runtime.post)


def _mail(
    number: int, kind: ActorType, sender: ActorRef[Any] | str | None, sent_at: int, attempt: int
) -> Mail:
    if attempt < 1:
        raise ValueError(f"attempt= counts from 1; got {attempt!r}")
    name = sender.name if isinstance(sender, ActorRef) else sender
    return from_envelope(
        Envelope(
            number=number,
            origin=b"",
            type=kind.name,
            handler="rehearsal",
            version=1,
            codec=Codec.MSGPACK,
            body=b"",
            sender="" if name is None else check_name(name),
            sent_at=sent_at,
            cause=0,
            root=0,
            trace="",
            attempts=attempt - 1,
            flags=0,
            extra={},
        )
    )
