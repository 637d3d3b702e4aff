"""What a reviewer with fresh eyes broke once, each as the claim that holds now."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.lowlevel

from callboard import (
    Actor,
    ActorRef,
    MessageTooLarge,
    Node,
    NotStorable,
    Refusal,
    Retry,
    handler,
    open_node,
    run,
)
from callboard.actors.errors import InTurn
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import list_mailboxes

pytestmark = pytest.mark.virtual


class No(Refusal):
    """An answer."""


class Shop(Actor):
    sold: int = 0

    @handler
    async def sell(self, count: int) -> int:
        self.sold += count
        return self.sold

    @handler
    async def note(self, text: str) -> None:
        self.sold += 1

    @handler
    async def mark(self, prices: dict[str, int]) -> int:
        self.sold += 1
        return self.sold

    @handler
    async def refuse_in_a_nursery(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._refuse)

    async def _refuse(self) -> None:
        raise No("not for sale")

    @handler(retry=Retry(attempts=2, wait=0.05, jitter=0))
    async def leak(self) -> None:
        await trio.lowlevel.checkpoint()
        self.sold += 100
        nursery = await trio.open_nursery().__aenter__()
        nursery.start_soon(self._shielded)

    async def _shielded(self) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.6)

    @handler
    async def tell_and_fail(self, to: ActorRef[Shop]) -> None:
        await to.tell(Shop.sell(1))
        raise No("all of it undone")

    @handler
    async def remind(self, to: ActorRef[Shop]) -> None:
        await to.tell(Shop.sell(1), delay=5, key="k")

    @handler
    async def forget(self, to: ActorRef[Shop]) -> None:
        self.turn.cancel("k", to=to)


class Stall(Actor):
    sold: int = 0

    @handler
    async def sell(self, count: int) -> int:
        self.sold -= count
        return self.sold


async def test_a_handler_that_was_not_called_is_no_message_and_says_so() -> None:
    async with open_node(MemoryStore()) as node:
        shop: Any = await node.spawn(Shop(), name="shop")
        with pytest.raises(TypeError, match=r"call it, as Shop\.sell\(\.\.\.\)"):
            await shop.tell(Shop.sell)
        for nonsense in ("hello", None):
            with pytest.raises(TypeError, match="no message"):
                await shop.ask(nonsense)
        with pytest.raises(TypeError, match="no message"):
            await node.tell_all([(shop, 5)])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
        assert await shop.ask(Shop.sell(1)) == 1


async def test_many_sends_of_which_one_cannot_be_leave_nothing_behind() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        shop = await node.spawn(Shop(), name="shop")
        ghost = node.ref(Shop, "ghost")
        sends = [(ref, Shop.note("x" * 15_000)) for ref in [shop, ghost] for _ in range(700)]
        with pytest.raises(MessageTooLarge):
            await node.tell_all([*sends, (shop, Shop.note("é" * (8 << 20)))])
        assert await shop.ask(Shop.sell(1)) == 1
    assert [view.name for view in list_mailboxes(store.reopen())] == ["shop"]


async def test_a_turn_that_fails_leaves_no_mailbox_behind() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        shop = await node.spawn(Shop(), name="shop")
        with pytest.raises(No):
            await shop.ask(Shop.tell_and_fail(node.ref(Shop, "ghost")))
    assert [view.name for view in list_mailboxes(store.reopen())] == ["shop"]


async def test_a_mailbox_is_paused_with_a_reason_that_can_be_written() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        shop = await node.spawn(Shop(), name="shop")
        for nonsense in (5, "", " "):
            with pytest.raises(ValueError, match="reason"):
                await node.pause(shop, nonsense)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await node.pause(shop, "closed \ud800 today")
    async with open_node(store.reopen()) as node:
        await node.resume(node.ref(Shop, "shop"))
        assert await node.ref(Shop, "shop").ask(Shop.sell(2)) == 2


async def test_mail_for_another_class_is_a_dead_letter_and_never_runs() -> None:
    async with open_node(MemoryStore()) as node:
        await node.ref(Shop, "x").tell(Shop.sell(5))
        await node.ref(Shop, "x").tell(Shop.note("hello"))
        stall = await node.spawn(Stall(), name="x")
        assert await stall.ask(Stall.sell(0)) == 0
        assert node.statistics().died == 2


async def test_a_refusal_in_a_handlers_own_nursery_is_a_refusal() -> None:
    async with open_node(MemoryStore()) as node:
        shop = await node.spawn(Shop(), name="shop")
        with pytest.raises(No, match="not for sale"):
            await shop.ask(Shop.refuse_in_a_nursery())
        assert node.statistics().died == 0


async def test_the_next_attempt_is_never_beside_one_that_leaked() -> None:
    async with open_node(MemoryStore()) as node:
        shop = await node.spawn(Shop(), name="shop")
        await shop.tell(Shop.leak())
        await trio.sleep(5)
        assert await shop.ask(Shop.sell(1)) == 1
        assert node.statistics().died == 1


async def test_verbs_for_outside_are_refused_inside_a_turn() -> None:
    caught: list[BaseException] = []

    class Clerk(Actor):
        @handler
        async def work(self) -> None:
            for verb in (
                outer.spawn(Shop(), name="other"),
                outer.tell_all([(outer.ref(Shop, "shop"), Shop.sell(1))]),
                outer.pause(outer.ref(Shop, "shop")),
                outer.resume(outer.ref(Shop, "shop")),
            ):
                try:
                    await verb
                except InTurn as error:
                    caught.append(error)

    async with open_node(MemoryStore()) as node:
        outer: Node = node
        await node.spawn(Shop(), name="shop")
        await (await node.spawn(Clerk(), name="clerk")).ask(Clerk.work())
        assert len(caught) == 4
        assert node.statistics().actors == 2


async def test_an_actor_of_another_node_hears_only_what_is_durable() -> None:
    class Caller(Actor):
        @handler
        async def call(self) -> None:
            await far.tell(Shop.sell(1))

    store = MemoryStore()
    async with open_node(MemoryStore()) as other, open_node(store) as node:
        far = await other.spawn(Shop(), name="far")
        caller = await node.spawn(Caller(), name="caller")
        store.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller.tell, Caller.call())
            await trio.sleep(1)
            assert await far.ask(Shop.sell(0)) == 0
            store.release()
        await node.wait_idle()
        assert await far.ask(Shop.sell(0)) == 1


async def test_an_id_is_the_same_for_equal_messages() -> None:
    async with open_node(MemoryStore()) as node:
        shop = await node.spawn(Shop(), name="shop")
        assert await shop.ask(Shop.mark({"a": 1, "b": 2}), id="one") == 1
        assert await shop.ask(Shop.mark({"b": 2, "a": 1}), id="one") == 1


async def test_starts_that_fail_are_not_charged_to_the_message() -> None:
    starts = 0

    class Late(Actor):
        @handler(retry=Retry(attempts=2, wait=0.1, jitter=0))
        async def work(self) -> int:
            if self.turn.attempt == 1:
                raise ValueError("once")
            return self.turn.attempt

        async def started(self) -> None:
            nonlocal starts
            starts += 1
            if starts in (1, 2, 4, 5):
                raise OSError("not yet")

    async with open_node(MemoryStore()) as node:
        late = await node.spawn(Late(), name="late")
        assert await late.ask(Late.work()) == 2
        assert starts == 6


async def test_a_cancelled_timer_at_a_mailbox_without_an_actor_is_discarded() -> None:
    async with open_node(MemoryStore(), park=100) as node:
        shop = await node.spawn(Shop(), name="shop")
        nobody = node.ref(Shop, "nobody")
        await shop.tell(Shop.remind(nobody))
        await trio.sleep(10)
        await shop.tell(Shop.forget(nobody))
        await trio.sleep(200)
        statistics = node.statistics()
        assert (statistics.died, statistics.discarded, statistics.queued) == (0, 1, 0)


async def test_a_long_parked_backlog_dies_to_the_last_message() -> None:
    async with open_node(MemoryStore(), park=10) as node:
        nobody = node.ref(Shop, "nobody")
        await node.tell_all([(nobody, Shop.sell(number)) for number in range(1200)])
        await trio.sleep(20)
        assert node.statistics().died == 1200


async def test_a_class_that_the_node_does_not_know_cannot_be_spawned() -> None:
    async with open_node(MemoryStore(), types=[Shop]) as node:
        with pytest.raises(NotStorable, match="not among this node's types"):
            await node.spawn(Stall(), name="stall")


async def test_stopped_hooks_run_side_by_side() -> None:
    class Slow(Actor):
        @handler
        async def wake(self) -> None:
            pass

        async def stopped(self) -> None:
            await trio.sleep(3)

    async with open_node(MemoryStore()) as node:
        for name in "abcde":
            await (await node.spawn(Slow(), name=name)).ask(Slow.wake())
        began = trio.current_time()
    assert trio.current_time() - began < 4


def test_run_takes_an_async_function_and_says_so_before_it_makes_a_store(tmp_path: Any) -> None:
    def main(node: Node) -> None: ...

    with pytest.raises(TypeError, match="async"):
        run(main, store=tmp_path / "s")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert not (tmp_path / "s").exists()
