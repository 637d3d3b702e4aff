"""Caution after a crash: the mailbox that was in hand does not run ahead, no further than it has to (G8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from callboard import Actor, Node, handler
from callboard.actors.ledger import MAX_TURNS_AHEAD
from callboard.actors.world import Habits
from callboard.cluster.opening import real_world, run_runtime
from callboard.mailbox.errors import StoreError
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import list_dead, read_counters, show_mailbox

pytestmark = pytest.mark.virtual

DEADLY = 500
"""The message in whose turn the process is killed."""
deaths: list[Callable[[], None]] = []
"""How the process is killed there, while it is."""


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    deaths.clear()


class Counter(Actor, type_name="caution.Counter"):
    last: int = 0

    @handler
    async def count(self, number: int) -> None:
        assert number == self.last + 1
        if number == DEADLY:
            for die in deaths:
                die()
        self.last = number


class Maker(Actor, type_name="caution.Maker"):
    @handler
    async def make(self, last: int, counts: int) -> None:
        made = self.turn.spawn(Counter(last))
        for number in range(last + 1, last + 1 + counts):
            await made.tell(Counter.count(number))


async def prepare(counts: int, makes: int, *, made_counts: int = 1) -> MemoryStore:
    """A store in which a counter and a maker have mail, all of it durable and none of it begun.

    The last actor that is made is told the deadly number first.
    """
    store = MemoryStore()
    async with run_runtime(store, real_world(None, None, None), Habits(at_rest=True), 0) as runtime:
        node = Node(runtime)
        counter = await node.spawn(Counter(), name="counter")
        maker = await node.spawn(Maker(), name="maker")
        await node.tell_all([(counter, Counter.count(number)) for number in range(1, counts + 1)])
        lasts = [DEADLY - makes + number for number in range(makes)]
        await node.tell_all([(maker, Maker.make(last, made_counts)) for last in lasts])
    return store.reopen()


async def live(store: MemoryStore, *, deadly: bool) -> tuple[MemoryStore, int]:
    """One life, until it is killed if it is deadly, or else has handled everything.

    Returns:
        the store of the next, and its commits.
    """
    died = False

    def die() -> None:
        nonlocal died
        died = True
        store.crash()
        raise RuntimeError("killed")

    deaths[:] = [die] if deadly else []
    commits = 0
    try:
        async with run_runtime(store, real_world(None, None, None), Habits(), 0) as runtime:
            before = runtime.ledger.durable
            await Node(runtime).wait_idle()
            commits = runtime.ledger.durable - before
    except StoreError:
        assert died
    assert died == deadly
    return store.reopen(), commits


async def test_a_mailbox_runs_ahead_again_beyond_what_the_crash_took_back() -> None:
    many = 3 * MAX_TURNS_AHEAD
    store, _ = await live(await prepare(many, 0), deadly=True)
    store, commits = await live(store, deadly=False)
    detail = show_mailbox(store, "counter")
    assert detail is not None
    assert detail.state == {"last": many}
    assert commits < MAX_TURNS_AHEAD + 100


async def test_actors_made_after_a_crash_in_a_new_one_run_ahead_again() -> None:
    many = 3 * MAX_TURNS_AHEAD
    store, _ = await live(await prepare(DEADLY - 1, 1, made_counts=many), deadly=True)
    store, commits = await live(store, deadly=False)
    assert read_counters(store).queued == 0
    assert commits < MAX_TURNS_AHEAD + 100


@pytest.mark.parametrize(("counts", "makes"), [(DEADLY, 0), (0, 1), (0, 400), (DEADLY - 1, 400)])
async def test_a_poison_that_ran_ahead_is_named_by_the_second_crash(counts: int, makes: int) -> None:
    store = await prepare(counts, makes)
    for _ in range(5):
        assert list_dead(store) == []
        store, _ = await live(store, deadly=True)
    store, _ = await live(store, deadly=False)
    (letter,) = list_dead(store)
    assert letter.reason == "crashed"
