"""A rehearsal's turn is the runtime's own: the same verbs, checks and words, and what it did as values."""

import functools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import trio
from hypothesis import given, strategies as st

from callboard import (
    Actor,
    ActorRef,
    AskFailed,
    AskInTurn,
    BadName,
    CallboardError,
    Failure,
    NotInTurn,
    NotStorable,
    Refusal,
    Retry,
    TurnOver,
    handler,
    open_node,
)
from callboard.actors.current import TURN
from callboard.mailbox.memory import MemoryStore
from callboard.testing.acts import Act, Cancelled, Requested, Sent, Spawned, Timed
from callboard.testing.rehearsal import NOON, Rehearsal, turn


class TooDear(Refusal):
    pass


class Payments(Actor, type_name="rehearsed.Payments"):
    @handler
    async def charge(self, cents: int) -> str:
        return f"paid {cents}"


class Order(Actor, type_name="rehearsed.Order"):
    payments: ActorRef[Payments]
    status: str = "new"

    @handler
    async def place(self, cents: int) -> None:
        if cents > 1000:
            self.status = "too dear"
            raise TooDear(str(cents))
        self.turn.request(
            self.payments, Payments.charge(cents), then=Order.paid, failed=Order.declined, timeout=30
        )
        self.turn.after(timedelta(days=7), Order.expire(), key="expire")

    @handler
    async def paid(self, receipt: str) -> None:
        self.status = receipt
        self.turn.cancel("expire")

    @handler
    async def declined(self, why: Failure) -> None:
        self.status = why.reason

    @handler
    async def expire(self) -> None:
        self.turn.stop()


def order() -> Order:
    return Order(ActorRef("payments"))


PLACED: list[Act] = [
    Requested("payments", Payments.charge(995), then=Order.paid, failed=Order.declined, timeout=30),
    Timed("order-1", Order.expire(), delay=timedelta(days=7), key="expire"),
]


async def test_what_a_handler_asks_for_is_written_down_in_order() -> None:
    it = order()
    with turn(it, name="order-1") as t:
        await it.place(995)
        assert t.acts == PLACED
    assert t.acts == PLACED
    assert (t.requests, t.timers, t.sent, t.cancelled, t.spawned, t.stopped) == (
        [PLACED[0]],
        [PLACED[1]],
        [],
        [],
        [],
        False,
    )


async def test_an_answer_can_be_played() -> None:
    it = order()
    with turn(it) as asked:
        await it.place(1)
    assert asked.requests[0].then is not None
    answer = asked.requests[0].then("paid 1")
    assert answer == Order.paid("paid 1")
    with turn(it, name="order-1", sender=it.payments) as t:
        await it.paid("paid 1")
    assert (it.status, t.cancelled) == ("paid 1", [Cancelled("expire", "order-1")])


def test_a_rehearsal_may_stand_around_a_run_of_trio() -> None:
    it = order()
    with turn(it, name="order-1") as t:
        trio.run(it.place, 995)
    assert t.acts == PLACED


@given(cents=st.integers(0, 1000))
async def test_a_rehearsal_works_under_given(cents: int) -> None:
    it = order()
    with turn(it) as t:
        await it.place(cents)
    assert t.requests[0].message == Payments.charge(cents)


class Scout(Actor):
    """Does what the test says."""

    seen: int = 0

    @handler(retry=Retry(attempts=1))
    async def act(self, name: str) -> None:
        await ACTS[name](self)

    @handler
    async def note(self, text: str) -> None: ...


ACTS: dict[str, Callable[[Scout], Awaitable[None]]] = {}
"""Acts that a turn refuses."""


def refused(act: Callable[[Scout], Awaitable[None]]) -> None:
    ACTS[act.__name__] = act


OTHER: ActorRef[Any] = ActorRef("other")
YEARS = datetime(1990, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 - what Hypothesis asks for


def plain() -> None: ...


any_of: Callable[[object], Any] = lambda value: value  # noqa: E731 - what a type checker would refuse


@refused
async def a_message_for_another_class(self: Scout) -> None:
    self.turn.after(1, Payments.charge(1))


@refused
async def no_message(self: Scout) -> None:
    await OTHER.tell(any_of(Scout.note))


@refused
async def a_negative_delay(self: Scout) -> None:
    await OTHER.tell(Scout.note("x"), delay=-1)


@refused
async def a_bad_key(self: Scout) -> None:
    await OTHER.tell(Scout.note("x"), key="")


@refused
async def a_bad_key_to_cancel(self: Scout) -> None:
    self.turn.cancel(any_of(7))


@refused
async def a_long_id(self: Scout) -> None:
    await OTHER.tell(Scout.note("x"), id="x" * 65)


@refused
async def an_id_twice(self: Scout) -> None:
    await OTHER.tell(Scout.note("x"), id="1")
    await OTHER.tell(Scout.note("x"), id="1")
    await OTHER.tell(Scout.note("y"), id="1")


@refused
async def a_large_message(self: Scout) -> None:
    await OTHER.tell(Scout.note("x" * (16 << 20)))


@refused
async def another_node(self: Scout) -> None:
    await ActorRef[Any]("other", "mars").tell(Scout.note("x"))


@refused
async def a_plain_function_as_callback(self: Scout) -> None:
    self.turn.request(OTHER, Payments.charge(1), then=any_of(plain))


@refused
async def a_callback_of_another_class(self: Scout) -> None:
    self.turn.request(OTHER, Payments.charge(1), then=any_of(Order.paid))


@refused
async def a_strange_patience(self: Scout) -> None:
    self.turn.request(OTHER, Payments.charge(1), timeout=any_of("1"))


@refused
async def a_bad_name(self: Scout) -> None:
    self.turn.spawn(Scout(), name="$scout")


@refused
async def its_own_name_for_another_type(self: Scout) -> None:
    self.turn.spawn(Payments(), name="scout")


@refused
async def no_actor(self: Scout) -> None:
    self.turn.spawn(any_of(3))


@refused
async def a_field_of_another_type(self: Scout) -> None:
    self.turn.spawn(Scout(any_of("much")))


@refused
async def an_ask(self: Scout) -> None:
    await OTHER.ask(Scout.note("x"))


@refused
async def a_state_of_another_type(self: Scout) -> None:
    self.seen = any_of("much")


@pytest.mark.virtual
@pytest.mark.parametrize("name", ACTS)
async def test_what_a_turn_refuses_a_rehearsal_refuses_in_the_same_words(name: str) -> None:
    async with open_node(MemoryStore(), types=[Scout, Payments, Order]) as node:
        scout = await node.spawn(Scout(), name="scout")
        with pytest.raises(AskFailed) as real:
            await scout.ask(Scout.act(name))
    it = Scout()
    with pytest.raises(Exception) as rehearsed, turn(it, name="scout") as t:
        await it.act(name)
    failure = real.value.failure
    assert (type(rehearsed.value).__name__, str(rehearsed.value)) == (failure.error, failure.text)
    assert t.acts == []


async def test_a_message_with_an_id_is_sent_once() -> None:
    it = Scout()
    with turn(it) as t:
        await OTHER.tell(Scout.note("x"), id="1")
        await OTHER.tell(Scout.note("x"), id="1")
        await OTHER.tell(Scout.note("x"))
        await OTHER.tell(Scout.note("x"), delay=timedelta(minutes=1), id="2")
    assert t.sent == [Sent("other", Scout.note("x"), id="1"), Sent("other", Scout.note("x"))]
    assert t.timers == [Timed("other", Scout.note("x"), delay=60, id="2")]


async def test_a_spawned_actor_is_as_it_was_when_it_was_spawned() -> None:
    with turn(Scout()) as t:
        child = Scout(seen=1)
        ref = t.spawn(child, name="child")
        child.seen = 2
        made_up = t.spawn(Scout())
    assert t.spawned == [Spawned("child", Scout(seen=1)), Spawned(made_up.name, Scout())]
    assert t.spawned != [Spawned("child", Scout(seen=2)), Spawned(made_up.name, Scout())]
    assert ref == ActorRef("child")


async def test_partials_as_callbacks_are_compared_by_what_they_hold() -> None:
    def requested(amount: int) -> Requested:
        return Requested("b", Payments.charge(1), then=functools.partial(Both.take, amount))

    it = Both()
    with turn(it) as t:
        t.request(OTHER, Payments.charge(1), then=functools.partial(Both.take, 3))
    assert t.requests == [Requested("other", Payments.charge(1), then=functools.partial(Both.take, 3))]
    assert requested(3) == requested(3) != requested(4)


class Both(Actor, type_name="rehearsed.Both"):
    @handler
    async def take(self, amount: int, receipt: str) -> None: ...


async def test_a_turn_that_raises_did_nothing() -> None:
    it = order()
    with pytest.raises(TooDear), turn(it) as t:  # noqa: PT012
        it.turn.stop()
        await it.place(1)
        await it.place(1001)
    assert (t.acts, t.stopped) == ([], False)


async def test_a_turn_that_stops_ends_the_life() -> None:
    it = order()
    with turn(it) as t:
        await it.expire()
        it.status = any_of(7)  # of no interest any more
    assert t.stopped


async def test_what_is_wrong_with_the_state_is_found_at_both_ends() -> None:
    broken = Scout(any_of("much"))
    with pytest.raises(NotStorable, match=r"Scout\.seen: expected int"), turn(broken):
        raise AssertionError("never begun")


async def test_a_turn_is_over_after_the_block_for_tasks_that_outlive_it() -> None:
    it = order()
    late: list[BaseException] = []

    async def outlive() -> None:
        await over.wait()
        try:
            it.turn.after(1, Order.expire())
        except CallboardError as error:
            late.append(error)

    over = trio.Event()
    async with trio.open_nursery() as nursery:
        with turn(it):
            nursery.start_soon(outlive)
        over.set()
    assert [type(error) for error in late] == [TurnOver]
    with pytest.raises(NotInTurn, match=r"with callboard\.testing\.turn\(actor\)"):
        await it.expire()


async def test_tasks_and_threads_of_the_block_are_in_the_turn() -> None:
    it = Scout()
    with turn(it) as t:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(OTHER.tell, Scout.note("x"))
        await trio.to_thread.run_sync(lambda: it.turn.cancel("k"))
    assert t.acts == [Sent("other", Scout.note("x")), Cancelled("k", "Scout")]


def test_rehearsals_nest() -> None:
    one, two = Scout(), Scout()
    with turn(one, name="one") as outer:
        with turn(two, name="two") as inner:
            assert two.turn is inner
        assert one.turn is outer
    assert TURN.get() is None


ZONES = st.just(UTC) | st.just(timezone(timedelta(hours=5)))


@given(
    now=st.datetimes(*YEARS, timezones=ZONES),
    sent_at=st.datetimes(*YEARS, timezones=ZONES),
    attempt=st.integers(1, 20),
)
def test_a_turn_knows_what_it_was_given(now: datetime, sent_at: datetime, attempt: int) -> None:
    with turn(Scout(), name="scout", sender="bob", now=now, sent_at=sent_at, attempt=attempt) as t:
        pass
    assert (t.ref, t.sender, t.attempt) == (ActorRef("scout"), ActorRef("bob"), attempt)
    assert (t.now(), t.sent_at) == (now, sent_at)


def test_a_turn_that_was_given_nothing_comes_from_outside_at_noon() -> None:
    with turn(Scout()) as t:
        pass
    assert (t.ref, t.sender, t.attempt) == (ActorRef("Scout"), None, 1)
    assert t.now() == t.sent_at == NOON


async def test_every_attempt_draws_and_pays_with_the_same_key(caplog: pytest.LogCaptureFixture) -> None:
    async def once(attempt: int) -> tuple[float, str]:
        with turn(Scout(), attempt=attempt) as t:
            t.log.warning("hello")
            return t.random.random(), await t.effect_key()

    assert await once(1) == await once(2)
    records: list[Any] = caplog.records
    assert [(record.actor, record.attempt) for record in records] == [("Scout", 1), ("Scout", 2)]


async def test_the_refs_of_a_turn_find_their_way_in_it() -> None:
    it = Scout()
    with turn(it, sender=ActorRef("bob")) as t:
        assert t.sender is not None
        await t.sender.tell(Scout.note("x"))
        await t.ref.tell(Scout.note("y"))
        with pytest.raises(AskInTurn, match=r"self\.turn\.request"):
            await t.sender.ask(Scout.note("x"))
    assert [sent.to for sent in t.sent] == ["bob", "Scout"]


@pytest.mark.parametrize(
    ("begin", "error", "says"),
    [
        (lambda: turn(any_of(Scout)), TypeError, r"takes an actor object, as turn\(Scout\(\.\.\.\)\)"),
        (lambda: turn(any_of(3)), TypeError, "takes an actor object"),
        (lambda: turn(Scout(), attempt=0), ValueError, "counts from 1; got 0"),
        (lambda: turn(Scout(), now=YEARS[1]), ValueError, "now= is a datetime with a zone"),
        (lambda: turn(Scout(), sent_at=YEARS[1]), ValueError, "sent_at= is a datetime with"),
        (lambda: turn(Scout(), name="a@b"), BadName, "@ is reserved"),
        (lambda: turn(Scout(), sender=""), BadName, "it is empty"),
    ],
)
def test_bad_input_is_refused_with_the_remedy(
    begin: Callable[[], Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says), begin():
        raise AssertionError("never begun")
    assert TURN.get() is None


def test_a_rehearsal_tells_itself_in_a_line() -> None:
    with turn(Scout(), name="scout") as t:
        assert isinstance(t, Rehearsal)
        assert repr(t) == "<turn of rehearsal(…) at 'scout'>"
