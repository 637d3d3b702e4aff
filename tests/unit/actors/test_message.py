"""A message is a frozen value: comparable, printable, and nobody's but its own."""

import timeit
from typing import Any

import pytest
from hypothesis import given, strategies as st

from callboard.actors.actor import Actor
from callboard.actors.errors import NotStorable
from callboard.actors.handler import handler
from callboard.actors.message import Message
from callboard.actors.ref import ActorRef


class Till(Actor, type_name="test_message.Till"):
    total: int = 0

    @handler
    async def deposit(self, amount: int) -> int:
        self.total += amount
        return self.total

    @handler
    async def note(self, text: str, *, at: float = 0.0, to: ActorRef[Any] | None = None) -> None: ...

    @handler
    async def all_of(self, amounts: list[int], tags: set[str] | None = None) -> None: ...

    @handler
    async def close(self) -> None: ...


amounts = st.integers(-(2**63), 2**64 - 1)


def test_a_message_prints_as_its_call() -> None:
    assert repr(Till.deposit(30)) == "deposit(30)"
    assert repr(Till.note("a", at=1.5)) == "note('a', 1.5, None)"
    assert repr(Till.all_of([1, 2])) == "all_of([1, 2], None)"
    assert repr(Till.close()) == "close()"


@given(amounts, amounts)
def test_messages_are_equal_and_hash_by_handler_and_values(one: int, other: int) -> None:
    assert (Till.deposit(one) == Till.deposit(other)) == (one == other)
    assert (Till.all_of([one]) == Till.all_of([other])) == (one == other)
    assert hash(Till.deposit(one)) == hash(Till.deposit(amount=one))
    assert Till.deposit(one) != one


def test_a_message_of_unhashable_values_does_not_hash() -> None:
    with pytest.raises(TypeError):
        hash(Till.all_of([1]))


def test_a_message_is_frozen() -> None:
    message = Till.deposit(1)
    with pytest.raises(AttributeError):
        message.held = (2,)  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_later_changes_by_the_sender_do_not_reach_a_message() -> None:
    mine = [1, 2]
    message = Till.all_of(mine)
    mine.append(3)
    message.values[0].append(4)
    assert message.values == ([1, 2], None)
    assert message == Till.all_of([1, 2])


@given(st.lists(amounts), st.none() | st.sets(st.text()))
def test_a_body_is_what_the_receiver_reads(numbers: list[int], tags: set[str] | None) -> None:
    message = Till.all_of(numbers, tags)
    assert message.spec.shape.decode(message.body(), None) == message.values == (numbers, tags)


def test_a_live_message_holds_its_values_and_another_its_bytes() -> None:
    assert Till.deposit(3).held == (3,)
    assert isinstance(Till.all_of([3]).held, bytes)


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, r"^Till\.deposit\(amount: int\): missing a required argument: 'amount'"),
        ((1, 2), {}, r"^Till\.deposit\(amount: int\): too many positional arguments"),
        ((1,), {"amount": 2}, "multiple values for argument 'amount'"),
        ((1,), {"sum": 2}, "unexpected keyword argument 'sum'"),
    ],
)
def test_a_call_that_does_not_fit_fails_at_the_sender(args: Any, kwargs: Any, text: str) -> None:
    make: Any = Till.deposit
    with pytest.raises(TypeError, match=text):
        make(*args, **kwargs)


def test_parameters_go_by_position_by_keyword_and_by_default() -> None:
    ref: ActorRef[Any] = ActorRef("ann")
    assert Till.note("a", at=2).values == ("a", 2.0, None)
    assert Till.note(text="a", to=ref).values == ("a", 0.0, ref)
    make: Any = Till.note
    with pytest.raises(TypeError, match="too many positional"):
        make("a", 1.0)


def test_an_inexact_value_fails_at_the_sender_with_its_place() -> None:
    make: Any = Till.deposit
    with pytest.raises(NotStorable, match=r"^Till\.deposit\(amount=\.\.\.\): expected int, got str '5'"):
        make("5")


@given(st.builds(Till.note, at=st.floats()))
def test_hypothesis_builds_messages_from_the_signature(message: Message[Till, None]) -> None:
    assert type(message.values[0]) is str


@given(st.builds(Till.all_of, st.lists(st.integers(0, 9))))
def test_hypothesis_fills_in_what_it_is_given(message: Message[Till, None]) -> None:
    assert len(message.values) == 2


def test_making_a_message_is_cheap() -> None:
    make = Till.deposit
    make(1)
    best = min(timeit.repeat(lambda: make(30), number=10_000, repeat=20)) / 10_000
    assert best < 5e-6, f"{best * 1e9:.0f} ns"  # 0.3 µs alone, and a busy machine is no failure
