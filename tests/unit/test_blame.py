"""Crash blame on virtual time: who is a suspect, what running alone means, what clears it (G8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

from callboard import Actor, Message, Node, Retry, handler, open_node
from callboard.actors.blame import PATIENCE_S
from callboard.actors.world import Habits
from callboard.cluster.opening import real_world, run_runtime
from callboard.mailbox.errors import StoreError
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import list_dead
from callboard.mailbox.soundness import find_damage
from callboard.mailbox.suspects import Suspect, read_suspects

pytestmark = pytest.mark.virtual

seen: list[str] = []
"""What was begun and done, in order."""
death: list[Callable[[], None]] = []
"""What the poison does; nothing once it is mended."""


@pytest.fixture(autouse=True)
def clean() -> None:
    seen.clear()
    death.clear()


class Poison(Actor, type_name="blame.Poison"):
    count: int = 0

    @handler(retry=Retry(attempts=3, wait=5))
    async def take(self) -> int:
        seen.append("poison")
        for die in death:
            die()
        self.count += 1
        return self.count

    @handler
    async def wait(self, seconds: float) -> int:
        seen.append("waits")
        for die in death:
            die()
        await trio.sleep(seconds)
        seen.append("waited")
        return 0


class Other(Actor, type_name="blame.Other"):
    @handler
    async def work(self, seconds: float = 0) -> None:
        seen.append("other")
        await trio.sleep(seconds)
        seen.append("other done")


async def prepare(*messages: Message[Poison, Any]) -> MemoryStore:
    """A store in which the poison and another one have mail, all of it durable and none of it begun."""
    store = MemoryStore()
    world, habits = real_world(None, None, None), Habits(at_rest=True)
    async with run_runtime(store, world, habits, 0) as runtime:
        node = Node(runtime)
        other = await node.spawn(Other(), name="other")
        poison = await node.spawn(Poison(), name="poison")
        await other.tell(Other.work())
        for message in messages or (Poison.take(),):
            await poison.tell(message)
        await other.tell(Other.work())
    return store.reopen()


async def live(
    store: MemoryStore, *, deadly: bool = False, seconds: float = 100, killed: bool = False
) -> MemoryStore:
    """One life, until it is over by itself, by the poison, or by an operator; the store of the next one."""
    seen.clear()
    death[:] = [lambda: end(store)] if deadly else []
    try:
        async with open_node(store):
            await trio.sleep(seconds)
            if killed:
                store.crash()
    except StoreError:
        pass
    again = store.reopen()
    assert find_damage(again) == []
    return again


def end(store: MemoryStore) -> None:
    """Be killed here and now: nothing is committed any more."""
    store.crash()
    raise RuntimeError("killed")


def suspects(store: MemoryStore) -> list[Suspect]:
    return list(read_suspects(store).values())


async def test_a_suspect_runs_first_and_alone_and_its_completion_clears_it() -> None:
    store = await live(await prepare(Poison.wait(2)), deadly=True)
    assert "waits" in seen
    store = await live(store)
    assert seen == ["waits", "waited", *["other", "other done"] * 2]
    assert (suspects(store), list_dead(store)) == ([], [])


async def test_three_crashes_in_a_row_alone_make_a_dead_letter() -> None:
    store = await prepare()
    for crashes in ([], [0], [1], [2]):
        store = await live(store, deadly=True)
        assert [each.crashes for each in suspects(store)] == crashes
        assert crashes == [] or seen == ["poison"]
    store = await live(store, deadly=True)
    (letter,) = list_dead(store)
    assert (letter.reason, letter.attempts, letter.box) == ("crashed", 0, "poison")
    assert "3 times in a row" in letter.text
    assert seen.count("other done") == 2
    assert suspects(store) == []


async def test_a_crash_while_it_is_suspended_breaks_the_row() -> None:
    store = await prepare(Poison.wait(5))
    for _ in range(3):
        store = await live(store, deadly=True)
    assert [each.crashes for each in suspects(store)] == [1]
    death.clear()
    store = await live(store, seconds=1, killed=True)
    store = await live(store, deadly=True)
    assert [each.crashes for each in suspects(store)] == [0]


async def test_a_shutdown_in_its_turn_leaves_it_as_it_was() -> None:
    store = await live(await prepare(Poison.wait(5)), deadly=True)
    death.clear()
    for _ in range(5):
        async with open_node(store, drain=0):
            await trio.sleep(1)
        store = store.reopen()
        assert [each.crashes for each in suspects(store)] == [0]
    await live(store)
    assert seen.count("waited") == 1


async def test_a_node_at_rest_leaves_the_evidence_for_the_next_that_runs() -> None:
    store = await live(await prepare(), deadly=True)
    for _ in range(2):
        async with run_runtime(store, real_world(None, None, None), Habits(at_rest=True), 0) as runtime:
            await Node(runtime).tell_all([(Node(runtime).ref(Other, "other"), Other.work())])
        store = store.reopen()
        assert suspects(store) == []
    store = await live(store, deadly=True)
    assert (seen, [each.crashes for each in suspects(store)]) == (["poison"], [0])


async def test_a_failure_by_an_exception_clears_it_too() -> None:
    store = await live(await prepare(), deadly=True)
    seen.clear()
    death[:] = [fail]
    async with open_node(store) as node:
        await trio.sleep(1)
        assert suspects(store) == []
        death.clear()
        await trio.sleep(30)
        await node.wait_idle()
    assert seen.count("poison") == 2
    assert list_dead(store.reopen()) == []


async def test_others_wait_for_a_suspect_that_suspends_but_not_for_ever() -> None:
    store = await live(await prepare(Poison.wait(1000)), deadly=True)
    seen.clear()
    death.clear()
    async with open_node(store, drain=0):
        await trio.sleep(PATIENCE_S - 1)
        assert seen[-1] == "waits"
        await trio.sleep(2)
        assert seen == ["waits", *["other", "other done"] * 2]


async def test_a_paused_suspect_holds_nobody_and_runs_alone_later() -> None:
    store = await live(await prepare(Poison.wait(3)), deadly=True)
    world, habits = real_world(None, None, None), Habits(at_rest=True)
    async with run_runtime(store, world, habits, 0) as runtime:
        node = Node(runtime)
        await node.pause(node.ref(Poison, "poison"))
    store = store.reopen()
    seen.clear()
    death.clear()
    async with open_node(store) as node:
        await trio.sleep(1)
        assert seen == ["other", "other done"] * 2
        other = node.ref(Other, "other")
        await other.tell(Other.work(2))
        await trio.sleep(1)
        await node.resume(node.ref(Poison, "poison"))
        await other.tell(Other.work())
        await node.wait_idle()
    assert seen[4:] == ["other", "other done", "waits", "waited", "other", "other done"]
    assert suspects(store.reopen()) == []


def fail() -> None:
    raise LookupError("an ordinary failure")
