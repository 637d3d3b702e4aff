"""The short way of a turn does what the long one does, though it makes no bytes of states."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, strategies as st

from callboard import Actor, ActorRef, Message, Retry, handler, open_node
from callboard.mailbox.memory import MemoryStore

pytestmark = pytest.mark.virtual

LARGE = "x" * 5000
"""More than what is kept as values."""


class Ledger(Actor, type_name="short.Ledger"):
    """Its state is immutable, so its turns take the short way."""

    total: int = 0
    note: str = ""
    friend: ActorRef[Ledger] | None = None
    share: float = 0.0

    @handler
    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total

    @handler
    async def write(self, note: str) -> None:
        self.note = note

    @handler
    async def meet(self, friend: ActorRef[Ledger]) -> None:
        self.friend = friend

    @handler
    async def divide(self, share: float) -> None:
        self.share = share

    @handler(retry=Retry(attempts=2, wait=0.1, jitter=0))
    async def spoil(self, times: int) -> None:
        self.total = -1
        if self.turn.attempt <= times:
            raise ValueError("spoilt")
        self.total = 1000

    @handler(retry=Retry(attempts=1))
    async def forget_the_type(self) -> None:
        self.total = "many"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]

    @handler(retry=Retry(attempts=1))
    async def answer_wrongly(self) -> int:
        self.total = -1
        return "many"  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    @handler
    async def read(self) -> tuple[int, str, float]:
        return self.total, self.note, self.share


async def test_a_turn_that_fails_begins_again_from_what_the_last_one_left_in_the_same_batch() -> None:
    async with open_node(MemoryStore()) as node:
        it = await node.spawn(Ledger(), name="it")
        await node.tell_all(
            [(it, Ledger.add(5)), (it, Ledger.add(7)), (it, Ledger.spoil(9)), (it, Ledger.add(1))]
        )
        await trio.sleep(5)
        assert await it.ask(Ledger.read()) == (13, "", 0.0)


@pytest.mark.parametrize("message", [Ledger.forget_the_type(), Ledger.answer_wrongly()], ids=repr)
async def test_what_is_not_as_declared_fails_the_turn_though_nobody_asked(
    message: Message[Ledger, Any],
) -> None:
    async with open_node(MemoryStore()) as node:
        it = await node.spawn(Ledger(), name="it")
        await node.tell_all([(it, Ledger.add(5)), (it, message), (it, Ledger.add(1))])
        assert await it.ask(Ledger.read()) == (6, "", 0.0)
        assert [letter.error for letter in node.dead.letters()] == ["NotStorable"]


async def test_a_state_is_on_disk_with_the_batch_of_the_turn_that_changed_it() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        it = await node.spawn(Ledger(), name="it")
        other = await node.spawn(Ledger(), name="other")
        await node.tell_all(
            [(it, Ledger.add(5)), (it, Ledger.write(LARGE)), (it, Ledger.add(1)), (it, Ledger.meet(other))]
        )
    async with open_node(store.reopen()) as node:
        assert await node.ref(Ledger, "it").ask(Ledger.read()) == (6, LARGE, 0.0)


async def test_a_zero_that_changes_its_sign_is_a_change() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        it = await node.spawn(Ledger(), name="it")
        await it.tell(Ledger.divide(-0.0))
    async with open_node(store.reopen()) as node:
        _, _, share = await node.ref(Ledger, "it").ask(Ledger.read())
        assert math.copysign(1, share) == -1


class Bounded(Actor, type_name="short.Bounded"):
    """What sizes are told of cheaply."""

    number: int = 0
    text: str = ""
    data: bytes = b""
    part: float | None = None
    flag: bool = False
    word: str | None = None
    friend: ActorRef[Ledger] = attrs.field(factory=lambda: ActorRef[Ledger]("a"))


@given(
    st.tuples(
        st.integers(-(2**63), 2**64 - 1),
        st.text(),
        st.binary(),
        st.none() | st.floats(),
        st.booleans(),
        st.none() | st.text(),
        st.builds(ActorRef[Ledger], st.text(max_size=300), st.text(max_size=300)),
    )
)
def test_no_state_is_larger_than_is_told_of_it(values: tuple[object, ...]) -> None:
    shape = Bounded.__callboard__.state
    assert shape.most is not None
    assert not shape.small
    assert len(shape.encode(values)) <= shape.most(values)
