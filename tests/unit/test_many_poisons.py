"""Several poisons: however they lie, a few restarts find them all, and the node runs (G8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import trio

from callboard import Actor, Node, Refusal, handler
from callboard.actors.world import Habits
from callboard.cluster.opening import real_world, run_runtime
from callboard.mailbox.errors import StoreError
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import list_dead, read_counters

pytestmark = pytest.mark.virtual

MOST_LIVES = 20
deaths: list[Callable[[], None]] = []
"""How the process is killed, while there is one."""
begun: list[str] = []


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    begun.clear()
    yield
    deaths.clear()


class Taster(Actor, type_name="poisons.Taster"):
    tasted: int = 0

    @handler
    async def taste(self, what: str) -> None:
        if what == "poison":
            for die in deaths:
                die()
                raise RuntimeError("killed")
        if what == "bitter":
            raise Refusal("no")
        self.tasted += 1

    @handler
    async def chew(self) -> None:
        begun.append("chew")
        await trio.sleep(1)


class Cautious(Taster, type_name="poisons.Cautious", speculation=False):
    pass


async def prepare(dishes: dict[str, list[str]]) -> MemoryStore:
    """A store in which tasters have mail, all of it durable and none of it begun."""
    store = MemoryStore()
    async with run_runtime(store, real_world(None, None, None), Habits(at_rest=True), 0) as runtime:
        node = Node(runtime)
        for name, dish in dishes.items():
            taster = await node.spawn(Taster(), name=name)
            await node.tell_all([(taster, Taster.taste(what)) for what in dish])
    return store.reopen()


async def lives_until_it_runs(store: MemoryStore) -> tuple[MemoryStore, int]:
    """Start again and again until a life handles everything: the store it leaves, and how many there were."""
    for life in range(1, MOST_LIVES + 1):
        deaths[:] = [store.crash]
        died = False
        try:
            async with run_runtime(store, real_world(None, None, None), Habits(), 0) as runtime:
                await Node(runtime).wait_idle()
        except StoreError:
            died = True
        store = store.reopen()
        if not died:
            return store, life
    pytest.fail(f"it was killed at each of {MOST_LIVES} starts")


POISONED = ["good"] * 6 + ["poison"] + ["good"] * 6
DISHES: dict[str, dict[str, list[str]]] = {
    "one": {"ann": POISONED},
    "behind one another": {"ann": ["good", "poison", "poison", "good"]},
    "with one between": {"ann": ["good", "poison", "good", "poison", "poison", "good"]},
    "behind one that is refused": {"ann": ["bitter", "poison", "good"]},
    "in two mailboxes": {"ann": POISONED, "bob": ["good"] * 3 + POISONED},
    "far back in two mailboxes": {"ann": ["good"] * 100 + POISONED, "bob": ["good"] * 300 + POISONED},
    "in three mailboxes": {"ann": POISONED, "bob": ["good", *POISONED], "eve": ["good"] * 9 + POISONED},
}


@pytest.mark.parametrize("dishes", DISHES.values(), ids=DISHES.keys())
async def test_poisons_are_found_wherever_they_lie_and_all_else_is_handled(
    dishes: dict[str, list[str]],
) -> None:
    store, _ = await lives_until_it_runs(await prepare(dishes))
    meals = [what for dish in dishes.values() for what in dish]
    letters = list_dead(store)
    assert [letter.reason for letter in letters] == ["crashed"] * meals.count("poison")
    counters = read_counters(store)
    assert (counters.queued, counters.died) == (0, len(letters))


@pytest.mark.parametrize("first", ["bitter", "good"])
async def test_who_may_not_run_ahead_waits_for_the_end_before_it_whichever_that_was(first: str) -> None:
    store = MemoryStore()
    async with run_runtime(store, real_world(None, None, None), Habits(), 0) as runtime:
        node = Node(runtime)
        taster = await node.spawn(Cautious(), name="ann")
        await node.pause(taster)
        await node.tell_all([(taster, Taster.taste(first)), (taster, Taster.chew())])
        store.hold()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(node.resume, taster)
                await trio.sleep(1)
                assert (node.statistics().queued, begun) == (1, [])
                store.release()
            await node.wait_idle()
        finally:
            store.release()
    assert begun == ["chew"]
