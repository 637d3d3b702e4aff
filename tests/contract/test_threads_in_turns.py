"""What a handler computes in a thread is part of its turn; who ends it waits for the thread (G2, G18)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import attrs
import pytest
import trio

from callboard import Actor, ActorRef, AskFailed, Child, Node, Retry, Supervisor, handler, open_node
from callboard.mailbox.memory import MemoryStore

ONCE = Retry(attempts=1)


class Gate:
    """Where the threads of these tests stand still."""

    def __init__(self) -> None:
        self.shut()

    def shut(self) -> None:
        """Begin anew."""
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.passed = 0

    def cross(self) -> int:
        """Come in, wait, and leave; what a long computation looks like from outside."""
        self.entered.release()
        assert self.open.wait(30)
        self.passed += 1
        return 42

    async def wait_entered(self) -> None:
        """Return when a thread stands here."""
        assert await trio.to_thread.run_sync(partial(self.entered.acquire, timeout=30))


GATE = Gate()


@pytest.fixture(autouse=True)
def gate() -> Iterator[None]:
    """Shut again, and open at the end whatever happens."""
    GATE.shut()
    yield
    GATE.open.set()


class Shelf(Actor, type_name="threads.Shelf"):
    items: list[str] = attrs.field(factory=list[str])

    @handler
    async def put(self, item: str) -> list[str]:
        self.items.append(item)
        return self.items


class Thinker(Actor, type_name="threads.Thinker"):
    shelf: ActorRef[Shelf]
    thought: int = 0

    @handler(retry=ONCE)
    async def think(self, *, fail: bool = False) -> int:
        self.thought += 1
        await self.shelf.tell(Shelf.put("before"))
        self.thought = await trio.to_thread.run_sync(self.compute)
        await self.shelf.tell(Shelf.put("after"))
        if fail:
            raise ValueError("all for nothing")
        return self.thought

    def compute(self) -> int:
        """Run in the thread, and send from there."""
        trio.from_thread.run(self.shelf.tell, Shelf.put(f"from the thread, attempt {self.turn.attempt}"))
        return GATE.cross()

    @handler(timeout=0.05, retry=ONCE)
    async def hurry(self) -> None:
        self.thought = await trio.to_thread.run_sync(GATE.cross)

    @handler
    async def last(self) -> int:
        return self.thought


async def cast(node: Node) -> tuple[ActorRef[Thinker], ActorRef[Shelf]]:
    shelf = await node.spawn(Shelf(), name="shelf")
    return await node.spawn(Thinker(shelf), name="thinker"), shelf


async def test_state_and_mail_around_and_in_a_thread_are_one_turn() -> None:
    async with open_node(MemoryStore()) as node:
        thinker, shelf = await cast(node)
        await thinker.tell(Thinker.think())
        await GATE.wait_entered()
        assert await shelf.ask(Shelf.put("meanwhile")) == ["meanwhile"]
        GATE.open.set()
        assert await thinker.ask(Thinker.last()) == 42
        assert await shelf.ask(Shelf.put("later")) == [
            "meanwhile",
            "before",
            "from the thread, attempt 1",
            "after",
            "later",
        ]


async def test_a_turn_that_fails_after_its_thread_leaves_nothing_behind() -> None:
    GATE.open.set()
    async with open_node(MemoryStore()) as node:
        thinker, shelf = await cast(node)
        with pytest.raises(AskFailed, match="all for nothing"):
            await thinker.ask(Thinker.think(fail=True))
        assert GATE.passed == 1
        assert await thinker.ask(Thinker.last()) == 0
        assert await shelf.ask(Shelf.put("later")) == ["later"]


async def test_while_a_thread_computes_other_actors_go_on_and_its_own_mail_waits() -> None:
    async with open_node(MemoryStore()) as node:
        thinker, shelf = await cast(node)
        await thinker.tell(Thinker.think())
        await thinker.tell(Thinker.last())
        await GATE.wait_entered()
        for number in range(10):
            await shelf.ask(Shelf.put(f"{number}"))
        assert node.statistics().queued == 2
        GATE.open.set()


async def test_a_stop_waits_for_the_thread_and_undoes_the_turn_at_no_cost() -> None:
    async with open_node(MemoryStore()) as node:
        shelf = await node.spawn(Shelf(), name="shelf")
        tree = await node.start(Supervisor("top", [Child(Thinker(shelf), name="thinker", patience=0.05)]))
        thinker = node.ref(Thinker, "thinker")
        await thinker.tell(Thinker.think())
        await GATE.wait_entered()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tree.terminate_child, "thinker")
            await trio.sleep(0.2)
            assert nursery.child_tasks, "it was said to be stopped while its thread ran"
            GATE.open.set()
        assert GATE.passed == 1
        assert (node.statistics().handled, node.statistics().queued, node.statistics().died) == (0, 1, 0)
        await tree.restart_child("thinker")
        assert await thinker.ask(Thinker.last()) == 42
        assert await shelf.ask(Shelf.put("later")) == [
            "before",
            "from the thread, attempt 1",
            "after",
            "later",
        ]


async def test_a_node_that_closes_waits_for_the_thread_and_undoes_the_turn_at_no_cost() -> None:
    store = MemoryStore()
    async with trio.open_nursery() as nursery:
        async with open_node(store, drain=0.05) as node:
            thinker, _ = await cast(node)
            await thinker.tell(Thinker.think())
            await GATE.wait_entered()
            nursery.start_soon(open_after, 0.3)
        assert GATE.passed == 1
    async with open_node(store.reopen()) as node:
        assert await node.ref(Thinker, "thinker").ask(Thinker.last()) == 42
        assert (await node.ref(Shelf, "shelf").ask(Shelf.put("later")))[1] == "from the thread, attempt 1"
    assert GATE.passed == 2


async def open_after(seconds: float) -> None:
    await trio.sleep(seconds)
    GATE.open.set()


async def test_a_timeout_waits_for_the_thread_and_costs_an_attempt_whatever_it_found() -> None:
    async with open_node(MemoryStore()) as node, trio.open_nursery() as nursery:
        thinker, _ = await cast(node)
        nursery.start_soon(open_after, 0.2)
        with pytest.raises(AskFailed, match="longer than its timeout"):
            await thinker.ask(Thinker.hurry())
        assert GATE.passed == 1
        assert await thinker.ask(Thinker.last()) == 0
