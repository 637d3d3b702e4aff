"""Supervision trees at work: OTP's behaviour over mailboxes that survive, on virtual time."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio

from callboard import (
    Actor,
    Backoff,
    Child,
    ChildRefused,
    Dynamic,
    Node,
    Retry,
    RunningTree,
    Supervisor,
    TreeGaveUp,
    handler,
    open_node,
)
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.soundness import find_damage
from callboard.supervision.state import Status

pytestmark = pytest.mark.virtual

LOG: list[str] = []
BROKEN: set[str] = set()
"""Names of actors whose `started` raises."""
SLOW: set[str] = set()
"""Those whose `started` takes for ever."""


@pytest.fixture(autouse=True)
def clean() -> None:
    LOG.clear()
    BROKEN.clear()
    SLOW.clear()


class Worker(Actor, type_name="trees.Worker"):
    label: str
    done: list[str] = attrs.field(factory=list[str])

    async def started(self) -> None:
        if self.label in BROKEN:
            raise OSError(f"{self.label} cannot start")
        if self.label in SLOW:
            await trio.sleep_forever()
        LOG.append(f"+{self.label}")

    async def stopped(self) -> None:
        LOG.append(f"-{self.label}")

    @handler(retry=Retry(attempts=1))
    async def work(self, what: str) -> None:
        if what == "poison":
            raise ValueError("poison")
        if what.startswith("nap"):
            await trio.sleep(float(what[3:]))
        self.done.append(what)

    @handler(retry=Retry(attempts=3, wait=0.1, jitter=0))
    async def stumble(self, what: str) -> None:
        if self.turn.attempt < 3:
            raise ValueError("not yet")
        self.done.append(what)

    @handler
    async def finish(self) -> None:
        self.turn.stop()

    @handler
    async def show(self) -> list[str]:
        return self.done


def workers(*labels: str, **options: Any) -> list[Child]:
    return [Child(Worker(label), name=label, **options) for label in labels]


async def settle(node: Node, seconds: float = 10.0) -> None:
    await trio.sleep(seconds)
    await node.wait_idle()


async def test_children_start_in_order_and_stop_in_reverse() -> None:
    async with open_node(MemoryStore()) as node:
        await node.start(Supervisor("top", [*workers("a", "b"), Supervisor("sub", workers("c", "d"))]))
        assert LOG == ["+a", "+b", "+c", "+d"]
    assert LOG == ["+a", "+b", "+c", "+d", "-d", "-c", "-b", "-a"]


async def test_a_poisoned_worker_is_restarted_and_goes_on_with_its_mail() -> None:
    async with open_node(MemoryStore()) as node:
        await node.start(Supervisor("top", workers("a", "b")))
        a = node.ref(Worker, "a")
        for what in ("one", "poison", "two"):
            await a.tell(Worker.work(what))
        await settle(node)
        assert await a.ask(Worker.show()) == ["one", "two"]
        assert LOG == ["+a", "+b", "+a"]
        assert node.statistics().died == 1


async def test_a_retried_message_is_no_restart() -> None:
    async with open_node(MemoryStore()) as node:
        tree = await node.start(Supervisor("top", workers("a"), intensity=0))
        a = node.ref(Worker, "a")
        await a.tell(Worker.stumble("at last"))
        await settle(node)
        assert await a.ask(Worker.show()) == ["at last"]
        assert tree.which_children("top")[0].status is Status.RUNNING


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("one_for_one", ["+b"]),
        ("one_for_all", ["-c", "-a", "+a", "+b", "+c"]),
        ("rest_for_one", ["-c", "+b", "+c"]),
    ],
)
async def test_the_strategy_says_who_is_restarted_with_it(strategy: Any, expected: list[str]) -> None:
    async with open_node(MemoryStore()) as node:
        await node.start(Supervisor("top", workers("a", "b", "c"), strategy=strategy))
        for name in "abc":
            await node.ref(Worker, name).tell(Worker.work("before"))
        await node.wait_idle()
        LOG.clear()
        await node.ref(Worker, "b").tell(Worker.work("poison"))
        for name in "abc":
            await node.ref(Worker, name).tell(Worker.work("after"))
        await settle(node)
        assert expected == LOG
        for name in "abc":
            assert await node.ref(Worker, name).ask(Worker.show()) == ["before", "after"]


async def test_too_many_deaths_end_the_node_with_the_whole_story_and_no_mail_is_lost() -> None:
    store = MemoryStore()

    async def live() -> None:
        async with open_node(store) as node:
            await node.start(Supervisor("top", workers("a"), intensity=2, period=60))
            for number in range(5):
                await node.ref(Worker, "a").tell(Worker.work("poison"))
                await node.ref(Worker, "a").tell(Worker.work(f"good {number}"))
            await trio.sleep(1000)
            raise AssertionError("the block should have been left")

    with pytest.raises(TreeGaveUp) as caught:
        await live()
    assert "supervisor 'top' gave up" in str(caught.value)
    assert "ValueError: poison" in str(caught.value)
    async with open_node(store.reopen()) as node:
        assert node.statistics().died == 3
        assert node.statistics().queued == 5
        await node.start(Supervisor("top", workers("a"), intensity=9))
        await settle(node)
        assert await node.ref(Worker, "a").ask(Worker.show()) == [f"good {number}" for number in range(5)]


async def test_a_child_that_does_not_start_ends_the_start_and_those_before_it() -> None:
    BROKEN.add("b")
    async with open_node(MemoryStore()) as node:
        with pytest.raises(TreeGaveUp, match="OSError: b cannot start"):
            await node.start(Supervisor("top", workers("a", "b", "c")))
        assert LOG == ["+a", "-a"]
        BROKEN.clear()
        await node.start(Supervisor("top", workers("a", "b", "c")))
        assert LOG[2:] == ["+a", "+b", "+c"]


async def test_a_stop_in_the_middle_of_a_turn_costs_no_attempt() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        tree = await node.start(Supervisor("top", workers("a")))
        await node.ref(Worker, "a").tell(Worker.work("nap60"))
        await trio.sleep(1)
        await tree.terminate_child("a")
        assert node.statistics().queued == 1
        assert node.statistics().died == 0
        await node.ref(Worker, "a").tell(Worker.work("later"))
        await settle(node, 100)
        assert node.statistics().queued == 2
        await tree.restart_child("a")
        await settle(node, 100)
        assert await node.ref(Worker, "a").ask(Worker.show()) == ["nap60", "later"]


async def test_back_off_grows_and_none_restarts_at_once() -> None:
    for backoff, waited in ((Backoff(first=1, longest=30, jitter=0), True), (None, False)):
        LOG.clear()
        async with open_node(MemoryStore()) as node:
            await node.start(Supervisor("top", workers("a"), backoff=backoff))
            await node.ref(Worker, "a").tell(Worker.work("poison"))
            await trio.sleep(0.5)
            assert LOG.count("+a") == (1 if waited else 2)
            await trio.sleep(1)
            assert LOG.count("+a") == 2


async def test_transient_and_temporary_children() -> None:
    async with open_node(MemoryStore()) as node:
        tree = await node.start(
            Supervisor("top", [*workers("t", restart="transient"), *workers("x", restart="temporary")])
        )
        await node.ref(Worker, "t").tell(Worker.finish())
        await node.ref(Worker, "x").tell(Worker.work("poison"))
        await settle(node)
        assert [(child.name, child.status) for child in tree.which_children("top")] == [("t", Status.DOWN)]
        assert node.statistics().actors == 0


async def test_a_permanent_child_that_finishes_begins_a_new_life() -> None:
    async with open_node(MemoryStore()) as node:
        await node.start(Supervisor("top", workers("a")))
        a = node.ref(Worker, "a")
        await a.tell(Worker.work("old"))
        await a.tell(Worker.finish())
        await a.tell(Worker.work("new"))
        await settle(node)
        assert await a.ask(Worker.show()) == ["new"]


async def test_children_of_a_template_come_and_go_and_survive_the_node() -> None:
    store = MemoryStore()
    spec = Supervisor("top", [Dynamic("pool", Worker)])
    async with open_node(store) as node:
        tree = await node.start(spec)
        await tree.start_child("pool", "p1", "p1")
        await tree.start_child("pool", "p2", label="p2")
        with pytest.raises(ChildRefused, match="p1"):
            await tree.start_child("pool", "p1", "p1")
        with pytest.raises(TypeError, match="do not fit its template"):
            await tree.start_child("pool", "p3")
        await node.ref(Worker, "p1").tell(Worker.work("kept"))
        assert tree.count_children("pool").active == 2
        await tree.terminate_child("p2")
        assert tree.count_children("pool").active == 1
    store = store.reopen()
    async with open_node(store) as node:
        tree = await node.start(spec)
        assert [child.name for child in tree.which_children("pool")] == ["p1"]
        assert await node.ref(Worker, "p1").ask(Worker.show()) == ["kept"]
    assert find_damage(store.reopen()) == []


async def test_after_a_redeploy_removed_children_are_orphans_and_lose_nothing() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        await node.start(Supervisor("top", workers("a", "b")))
        await node.pause(node.ref(Worker, "b"))
        await node.ref(Worker, "b").tell(Worker.work("waiting"))
    async with open_node(store.reopen()) as node:
        tree = await node.start(Supervisor("top", workers("a", "c")))
        assert tree.orphans == ["b"]
        await node.resume(node.ref(Worker, "b"))
        assert await node.ref(Worker, "b").ask(Worker.show()) == ["waiting"]


async def test_before_its_tree_is_started_a_declared_actor_does_nothing() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        await node.start(Supervisor("top", workers("a")))
    async with open_node(store.reopen()) as node:
        a = node.ref(Worker, "a")
        await a.tell(Worker.work("early"))
        await settle(node)
        assert node.statistics().queued == 1
        await node.start(Supervisor("top", workers("a")))
        assert await a.ask(Worker.show()) == ["early"]


async def test_a_nested_supervisor_that_gives_up_is_restarted_by_its_own() -> None:
    async with open_node(MemoryStore()) as node:
        tree: RunningTree = await node.start(
            Supervisor("top", [*workers("a"), Supervisor("sub", workers("b", "c"), intensity=0)])
        )
        await node.ref(Worker, "b").tell(Worker.work("poison"))
        await node.ref(Worker, "b").tell(Worker.work("after"))
        await settle(node)
        assert await node.ref(Worker, "b").ask(Worker.show()) == ["after"]
        assert LOG == ["+a", "+b", "+c", "-c", "+b", "+c"]
        assert tree.count_children("sub").active == 2


async def test_the_tree_survives_idle_times_without_passivation() -> None:
    async with open_node(MemoryStore(), idle=1) as node:
        await node.start(Supervisor("top", workers("a")))
        await trio.sleep(600)
        assert LOG == ["+a"]
        assert node.statistics().active == 1


async def test_a_second_tree_is_refused() -> None:
    async with open_node(MemoryStore()) as node:
        await node.start(Supervisor("top", workers("a")))
        with pytest.raises(RuntimeError, match="a tree runs"):
            await node.start(Supervisor("other", workers("b")))


async def test_a_node_can_be_closed_while_a_supervisor_below_is_still_starting() -> None:
    """Found by the lab: the stop of a supervisor in the middle of its start was never answered."""

    async def begin(node: Node) -> None:
        await node.start(Supervisor("top", [Supervisor("sub", workers("slow"))]))

    SLOW.add("slow")
    with trio.fail_after(60):
        async with open_node(MemoryStore()) as node, trio.open_nursery() as nursery:
            nursery.start_soon(begin, node)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
    assert LOG == []
