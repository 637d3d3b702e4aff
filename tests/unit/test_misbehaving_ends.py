"""Handlers that will not end, or are ended from outside (G18)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import attrs
import pytest
import trio

from callboard import Actor, ActorRef, AskFailed, Message, NodeClosed, Retry, handler, open_node
from callboard.mailbox.errors import StoreFailed, StoreFull
from callboard.mailbox.memory import MemoryStore

pytestmark = pytest.mark.virtual

THRICE = Retry(attempts=3, wait=1, jitter=0)
ATTEMPTS: list[int] = []


class Stubborn(Actor, type_name="misbehaving.Stubborn"):
    count: int = 0
    attempts: list[int] = attrs.field(factory=list[int])

    @handler
    async def add(self, amount: int) -> int:
        self.count += amount
        return self.count

    @handler
    async def nap(self, seconds: float) -> int:
        ATTEMPTS.append(self.turn.attempt)
        self.count += 1
        await trio.sleep(seconds)
        self.count += 1
        return self.count

    @handler(timeout=5, retry=THRICE)
    async def limited(self, seconds: float) -> None:
        ATTEMPTS.append(self.turn.attempt)
        self.count += 100
        await trio.sleep(seconds)

    @handler(timeout=5, retry=THRICE)
    async def swallow(self) -> None:
        ATTEMPTS.append(self.turn.attempt)
        try:
            await trio.sleep(100)
        except trio.Cancelled:
            self.count += 100

    @handler(timeout=5, retry=THRICE)
    async def spin(self) -> None:
        ATTEMPTS.append(self.turn.attempt)
        while True:
            with suppress(trio.Cancelled):
                await trio.sleep(100)

    @handler
    async def spin_and_kick(self) -> None:
        try:
            while True:
                with suppress(trio.Cancelled):
                    await trio.sleep(1000)
        finally:
            raise ValueError("and a last word")

    @handler
    async def shielded(self, seconds: float) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)
        self.count += 1


@pytest.fixture(autouse=True)
def fresh_attempts() -> None:
    ATTEMPTS.clear()


@pytest.mark.parametrize("message", [Stubborn.limited(6), Stubborn.swallow(), Stubborn.spin()], ids=repr)
async def test_a_timeout_costs_an_attempt_whatever_the_handler_does(message: Message[Stubborn, Any]) -> None:
    async with open_node(MemoryStore()) as node:
        actor = await node.spawn(Stubborn(), name="actor")
        with pytest.raises(AskFailed) as caught:
            await actor.ask(message)
        assert caught.value.failure.error == "HandlerTimeout"
        assert ATTEMPTS == [1, 2, 3]
        assert await actor.ask(Stubborn.add(1)) == 1


async def test_a_handler_within_its_timeout_is_left_alone() -> None:
    async with open_node(MemoryStore()) as node:
        actor = await node.spawn(Stubborn(), name="actor")
        await actor.ask(Stubborn.limited(4))
        assert await actor.ask(Stubborn.add(0)) == 100


async def test_a_closing_node_lets_a_turn_finish_and_costs_the_next_nothing() -> None:
    store = MemoryStore()
    async with open_node(store, drain=10) as node:
        actor = await node.spawn(Stubborn(), name="actor")
        await actor.tell(Stubborn.nap(5))
        await actor.tell(Stubborn.nap(50))
        await trio.sleep(1)
    assert trio.current_time() < 6
    async with open_node(store.reopen()) as node:
        assert await node.ref(Stubborn, "actor").ask(Stubborn.add(0)) == 4
    assert ATTEMPTS == [1, 1]


async def test_a_turn_cut_short_by_the_end_of_the_node_costs_no_attempt() -> None:
    store = MemoryStore()
    for _ in range(3):
        async with open_node(store, drain=1) as node:
            actor = await node.spawn(Stubborn(), name="actor")
            if not ATTEMPTS:
                await actor.tell(Stubborn.nap(50))
            await trio.sleep(1)
        store = store.reopen()
    assert ATTEMPTS == [1, 1, 1]
    async with open_node(store) as node:
        assert await node.ref(Stubborn, "actor").ask(Stubborn.add(0)) == 2


@pytest.mark.parametrize("message", [Stubborn.spin_and_kick(), Stubborn.spin()], ids=repr)
async def test_a_handler_that_ignores_the_end_is_abandoned_and_runs_again_later(
    message: Message[Stubborn, Any],
) -> None:
    store = MemoryStore()
    async with open_node(store, drain=1) as node:
        actor = await node.spawn(Stubborn(), name="actor")
        await actor.tell(message)
        await trio.sleep(1)
    assert trio.current_time() < 10
    assert store.reopen().identity.clean


async def test_a_turn_whose_shield_outlasts_the_drain_never_commits() -> None:
    store = MemoryStore()
    async with open_node(store, drain=1) as node:
        actor = await node.spawn(Stubborn(), name="actor")
        await actor.tell(Stubborn.shielded(60))
        await trio.sleep(1)
    assert trio.current_time() >= 60
    async with open_node(store.reopen(), drain=1000) as node:
        assert node.statistics().handled == 0


async def test_a_body_cancelled_in_the_middle_of_a_turn_undoes_it_at_no_cost() -> None:
    store = MemoryStore()
    with trio.move_on_after(10) as scope:
        async with open_node(store) as node:
            actor = await node.spawn(Stubborn(), name="actor")
            await actor.tell(Stubborn.nap(50))
            await trio.sleep_forever()
    assert scope.cancelled_caught
    async with open_node(store.reopen()) as node:
        assert await node.ref(Stubborn, "actor").ask(Stubborn.add(0)) == 2
    assert ATTEMPTS == [1, 1]


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3), KeyboardInterrupt()], ids=repr)
async def test_what_the_body_raises_arrives_bare(error: BaseException) -> None:
    store = MemoryStore()

    async def leave() -> None:
        async with open_node(store) as node:
            actor = await node.spawn(Stubborn(), name="actor")
            await actor.tell(Stubborn.nap(1))
            raise error

    with pytest.raises(type(error)) as caught:
        await leave()
    assert caught.value is error
    async with open_node(store.reopen()) as node:
        assert await node.ref(Stubborn, "actor").ask(Stubborn.add(0)) == 2


async def test_a_group_the_body_raises_arrives_as_it_is() -> None:
    group = ExceptionGroup("mine", [ValueError("one")])
    with pytest.raises(ExceptionGroup) as caught:
        async with open_node(MemoryStore()):
            raise group
    assert caught.value is group


async def test_a_caller_outside_hears_that_the_node_was_closed() -> None:
    heard: list[str] = []

    async def ask() -> None:
        try:
            await actor.ask(Stubborn.nap(1000))
        except NodeClosed as error:
            heard.append(str(error))

    async with trio.open_nursery() as nursery, open_node(MemoryStore(), drain=1) as node:
        actor = await node.spawn(Stubborn(), name="actor")
        nursery.start_soon(ask)
        await trio.sleep(1)
    assert len(heard) == 1


async def test_a_broken_disk_ends_the_node_even_if_a_handler_waits_for_it() -> None:
    store = MemoryStore()

    async def live() -> None:
        async with open_node(store) as node:
            actor = await node.spawn(Stubborn(), name="actor")
            store.fail_next(StoreFailed("broken"))
            await actor.tell(Stubborn.nap(1))

    with pytest.raises(StoreFailed):
        await live()


async def test_a_disk_that_breaks_at_the_very_end_is_told() -> None:
    store = MemoryStore()

    async def live() -> None:
        async with open_node(store, drain=1000) as node:
            actor = await node.spawn(Stubborn(), name="actor")
            await actor.tell(Stubborn.nap(10))
            await trio.sleep(1)
            store.fail_next(StoreFailed("broken"))

    with pytest.raises(StoreFailed):
        await live()


async def test_a_disk_that_is_full_for_a_while_at_the_very_end_loses_nothing() -> None:
    store = MemoryStore()
    async with open_node(store, drain=1000) as node:
        actor = await node.spawn(Stubborn(), name="actor")
        await actor.tell(Stubborn.nap(10))
        await trio.sleep(1)
        for _ in range(3):
            store.fail_next(StoreFull("full"))
    async with open_node(store.reopen()) as node:
        assert await node.ref(Stubborn, "actor").ask(Stubborn.add(0)) == 2


async def test_an_asker_hears_of_a_disk_that_broke_under_its_answer() -> None:
    store = MemoryStore()
    heard: list[BaseException] = []

    async def ask(ref: ActorRef[Stubborn]) -> None:
        with pytest.raises(StoreFailed) as caught:
            await ref.ask(Stubborn.add(1))
        heard.append(caught.value)

    async def live(nursery: trio.Nursery) -> None:
        async with open_node(store) as node:
            stubborn = await node.spawn(Stubborn(), name="stubborn")
            store.fail_next(StoreFailed("broken"))
            nursery.start_soon(ask, stubborn)
            await trio.sleep(10)

    async with trio.open_nursery() as nursery:
        with pytest.raises(StoreFailed):
            await live(nursery)
    assert heard


async def test_a_node_can_be_closed_while_the_disk_is_full_and_a_turn_waits_for_it() -> None:
    store = MemoryStore()
    with trio.fail_after(60):
        async with open_node(store, drain=0.5) as node:
            stubborn = await node.spawn(Stubborn(), name="stubborn")
            store.fill()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tell_quietly, stubborn)
                await trio.sleep(1)
                nursery.cancel_scope.cancel()
    async with open_node(store.reopen()) as node:
        assert await node.ref(Stubborn, "stubborn").ask(Stubborn.add(1)) == 1


async def tell_quietly(ref: ActorRef[Stubborn]) -> None:
    with suppress(NodeClosed):
        await ref.tell(Stubborn.nap(0.1))
