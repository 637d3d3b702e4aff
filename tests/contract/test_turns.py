"""Turns over a store in memory: the promises of one node, each in a few lines."""

from __future__ import annotations

import functools
from datetime import timedelta

import attrs
import pytest
import trio

from callboard import (
    Actor,
    ActorRef,
    AskFailed,
    AskInTurn,
    AskTimeout,
    Failure,
    IdReused,
    MessageTooLarge,
    NameTaken,
    NodeClosed,
    NoSuchActor,
    NotStorable,
    Refusal,
    Retry,
    TurnOver,
    handler,
    open_node,
    transient,
)
from callboard.mailbox.memory import MemoryStore

pytestmark = pytest.mark.virtual


class Short(Refusal):
    """Not enough money."""


class Account(Actor):
    owner: str
    balance: int = 0
    seen: list[int] = attrs.field(factory=list[int])

    @handler
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        self.seen.append(amount)
        return self.balance

    @handler
    async def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            self.balance = -1
            raise Short(f"{self.owner} has {self.balance}")
        return await self.deposit(-amount)

    @handler
    async def slow(self, seconds: float) -> int:
        self.balance += 1
        await trio.sleep(seconds)
        self.balance += 1
        return self.balance

    @handler(retry=Retry(attempts=3, wait=1, jitter=0))
    async def explode(self, text: str) -> None:
        self.balance += 1000
        raise ValueError(text)

    @handler(retry=Retry(attempts=5, wait=1, jitter=0))
    async def third_time(self) -> int:
        if self.turn.attempt < 3:
            raise ValueError("not yet")
        self.balance += self.turn.attempt
        return self.balance

    @handler(retry=Retry(attempts=3, wait=1, jitter=0))
    async def pay(self, to: ActorRef[Account], amounts: list[int]) -> None:
        """Pay the amount of this attempt, and fail unless it is the last."""
        self.balance -= amounts[self.turn.attempt - 1]
        await to.tell(Account.deposit(amounts[self.turn.attempt - 1]))
        if self.turn.attempt < len(amounts):
            raise ValueError("not yet")

    @handler
    async def ask_other(self, other: ActorRef[Account]) -> None:
        self.turn.request(
            other,
            Account.withdraw(5),
            then=functools.partial(Account.got, tag=7),
            failed=Account.got_failure,
            timeout=10,
        )

    @handler
    async def got(self, left: int, tag: int) -> None:
        self.seen.append(1000 + left * 10 + tag)

    @handler
    async def got_failure(self, why: Failure) -> None:
        self.owner = f"{why.reason}:{why.error}"

    @handler
    async def remind(self, delay: float, key: str) -> None:
        self.turn.after(delay, Account.deposit(1), key=key)

    @handler
    async def forget(self, key: str) -> None:
        self.turn.cancel(key)

    @handler
    async def hire(self, name: str) -> ActorRef[Account]:
        ref = self.turn.spawn(Account(name, balance=5), name=name)
        await ref.tell(Account.deposit(1))
        return ref

    @handler
    async def quit(self) -> None:
        self.turn.stop()

    @handler
    async def ask_inside(self, other: ActorRef[Account]) -> None:
        await other.ask(Account.deposit(1))

    @handler
    async def wrong_state(self) -> None:
        self.balance = "lots"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]

    @handler
    async def read(self) -> tuple[int, list[int], str]:
        return self.balance, self.seen, self.owner


async def test_a_told_message_is_handled_and_an_ask_after_it_sees_it() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        await ann.tell(Account.deposit(30))
        assert await ann.ask(Account.deposit(12)) == 42


async def test_state_and_mail_survive_a_closed_node() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        ann = await node.spawn(Account("Ann", balance=1), name="ann")
        await ann.tell(Account.deposit(2))
    async with open_node(store.reopen()) as node:
        ann = await node.spawn(Account("Ann", balance=100), name="ann")
        assert await ann.ask(Account.deposit(0)) == 3


async def test_a_refusal_is_undone_and_raised_with_its_own_type() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        with pytest.raises(Short, match="Ann has"):
            await ann.ask(Account.withdraw(5))
        assert await ann.ask(Account.deposit(0)) == 0


async def test_a_failure_is_tried_again_and_its_traces_are_undone() -> None:
    async with open_node(MemoryStore(), seed=1) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        began = trio.current_time()
        assert await ann.ask(Account.third_time()) == 3
        assert 2.9 < trio.current_time() - began < 3.5


async def test_a_message_that_always_fails_is_a_dead_letter_and_the_next_goes_on() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        with pytest.raises(AskFailed) as caught:
            await ann.ask(Account.explode("boom"))
        assert caught.value.failure.error == "ValueError"
        assert caught.value.failure.attempts == 3
        assert await ann.ask(Account.deposit(1)) == 1
        assert node.statistics().died == 1


async def test_a_handler_that_suspends_keeps_its_mailbox_and_no_other() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        bob = await node.spawn(Account("Bob"), name="bob")
        await ann.tell(Account.slow(5))
        await ann.tell(Account.deposit(10))
        assert await bob.ask(Account.deposit(1)) == 1
        assert trio.current_time() < 1
        assert await ann.ask(Account.deposit(0)) == 12
        assert 5 <= trio.current_time() < 6


async def test_a_transfer_is_one_turn() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann", balance=100), name="ann")
        bob = await node.spawn(Account("Bob"), name="bob")
        await ann.tell(Account.pay(bob, [1, 2, 30]))
        for _ in range(2):
            await trio.sleep(0.9)
            assert await bob.ask(Account.read()) == (0, [], "Bob")
        await node.wait_idle()
        assert await ann.ask(Account.read()) == (70, [], "Ann")
        assert await bob.ask(Account.read()) == (30, [30], "Bob")


async def test_a_request_is_answered_by_a_message() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        bob = await node.spawn(Account("Bob", balance=20), name="bob")
        await ann.tell(Account.ask_other(bob))
        await node.wait_idle()
        assert (await ann.ask(Account.read()))[1] == [1157]


async def test_a_request_hears_a_refusal() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        bob = await node.spawn(Account("Bob", balance=2), name="bob")
        await ann.tell(Account.ask_other(bob))
        await node.wait_idle()
        assert (await ann.ask(Account.read()))[2] == "refused:Short"


async def test_a_request_to_nobody_times_out() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        await ann.tell(Account.ask_other(node.ref(Account, "nobody")))
        await trio.sleep(11)
        assert (await ann.ask(Account.read()))[2] == "timed_out:"


async def test_a_timer_fires_when_due_and_not_before() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        await ann.tell(Account.deposit(5), delay=timedelta(minutes=1))
        await trio.sleep(59)
        assert await ann.ask(Account.deposit(0)) == 0
        await trio.sleep(2)
        assert await ann.ask(Account.deposit(0)) == 5


async def test_a_keyed_timer_is_replaced_and_cancelled() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        await ann.tell(Account.remind(10, "a"))
        await ann.tell(Account.remind(20, "a"))
        await ann.tell(Account.remind(10, "b"))
        await ann.tell(Account.forget("b"))
        await trio.sleep(15)
        assert await ann.ask(Account.deposit(0)) == 0
        await trio.sleep(10)
        assert await ann.ask(Account.deposit(0)) == 1
        statistics = node.statistics()
        assert statistics.discarded == 2


async def test_a_timer_survives_the_node() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        await ann.tell(Account.deposit(5), delay=60)
    await trio.sleep(120)
    async with open_node(store.reopen()) as node:
        await trio.sleep(0.01)
        assert await node.ref(Account, "ann").ask(Account.deposit(0)) == 5


async def test_a_turn_spawns_and_its_child_has_the_mail() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        child = await ann.ask(Account.hire("child"))
        assert await child.ask(Account.deposit(0)) == 6


async def test_spawn_is_get_or_create() -> None:
    class Other(Actor):
        pass

    async with open_node(MemoryStore()) as node:
        await node.spawn(Account("Ann", balance=1), name="ann")
        again = await node.spawn(Account("Ann", balance=9), name="ann")
        assert await again.ask(Account.deposit(0)) == 1
        with pytest.raises(NameTaken):
            await node.spawn(Other(), name="ann")
        with pytest.raises(NameTaken):
            await node.spawn(Account("Ann"), name="ann", fresh=True)


async def test_a_stopped_actor_is_gone_and_its_name_begins_a_new_life() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann", balance=9), name="ann")
        await ann.tell(Account.quit())
        await node.wait_idle()
        with pytest.raises(NoSuchActor):
            await ann.ask(Account.deposit(0))
        await ann.tell(Account.deposit(2))
        await node.spawn(Account("Ann"), name="ann")
        assert await ann.ask(Account.deposit(0)) == 2


async def test_mail_of_nobody_dies_after_park() -> None:
    async with open_node(MemoryStore(), park=100) as node:
        await node.ref(Account, "nobody").tell(Account.deposit(1))
        await trio.sleep(99)
        assert node.statistics().died == 0
        await trio.sleep(2)
        assert node.statistics().died == 1


async def test_an_ask_that_takes_too_long_says_that_the_outcome_is_unknown() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        with pytest.raises(AskTimeout, match="unknown"):
            await ann.ask(Account.slow(60), timeout=1)
        await trio.sleep(60)
        assert await ann.ask(Account.deposit(0)) == 2


async def test_an_id_is_handled_once_and_gets_the_first_reply() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        assert await ann.ask(Account.deposit(5), id="one") == 5
        assert await ann.ask(Account.deposit(5), id="one") == 5
        with pytest.raises(IdReused):
            await ann.ask(Account.deposit(6), id="one")
    async with open_node(store.reopen()) as node:
        ann = node.ref(Account, "ann")
        assert await ann.ask(Account.deposit(5), id="one") == 5
        assert await ann.ask(Account.deposit(0)) == 5


async def test_a_wrong_state_is_the_handlers_failure() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann", balance=3), name="ann")
        with pytest.raises(AskFailed, match="balance"):
            await ann.ask(Account.wrong_state())
        assert await ann.ask(Account.deposit(0)) == 3


async def test_asking_inside_a_turn_names_the_remedy() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        bob = await node.spawn(Account("Bob"), name="bob")
        with pytest.raises(AskFailed, match="request") as caught:
            await ann.ask(Account.ask_inside(bob))
        assert caught.value.failure.error == AskInTurn.__name__


async def test_bad_sends_fail_at_the_sender() -> None:
    class Other(Actor):
        @handler
        async def hello(self) -> None:
            pass

    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
        with pytest.raises(TypeError, match="Other"):
            await ann.tell(Other.hello())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(NotStorable):
            Account.deposit("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(MessageTooLarge, match="16777216 is the most: nothing was sent"):
            await ann.tell(Account.explode("x" * (16 << 20)))
        assert node.statistics().accepted == 0


async def test_a_closed_node_refuses() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Account("Ann"), name="ann")
    with pytest.raises(NodeClosed):
        await ann.tell(Account.deposit(1))


async def test_a_task_that_outlives_its_turn_can_send_nothing() -> None:
    errors: list[BaseException] = []

    async with trio.open_nursery() as nursery:

        class Leaky(Actor):
            nursery: trio.Nursery = transient(factory=lambda: nursery)

            @handler
            async def start(self) -> None:
                self.nursery.start_soon(self.later, self.turn.ref)

            async def later(self, ref: ActorRef[Leaky]) -> None:
                await trio.sleep(1)
                try:
                    await ref.tell(Leaky.start())
                except TurnOver as error:
                    errors.append(error)

        async with open_node(MemoryStore()) as node:
            leaky = await node.spawn(Leaky(), name="leaky")
            await leaky.ask(Leaky.start())
            await trio.sleep(2)
    assert len(errors) == 1
