"""Large bodies that turns send, beside what happens to turn, tasks, disk and node meanwhile."""

from __future__ import annotations

from typing import Any, cast

import attrs
import pytest
import trio
import trio.testing

from callboard import Actor, ActorRef, Retry, handler, open_node
from callboard.actors import intake
from callboard.actors.bodies import PIECE
from callboard.mailbox.bodies import CHUNK
from callboard.mailbox.maps import LOOSE
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import list_dead

from .test_large_bodies import Shelf, bodies, reader, sound
from .test_large_bodies_on_their_way import PIECES, before_visits, fill

pytestmark = pytest.mark.virtual
NURSERY: list[trio.Nursery] = []


class Stray(Actor, type_name="large.of.Stray"):
    """Leaves a task behind that sends."""

    @handler
    async def leave_a_task(self, to: ActorRef[Shelf], wait: float) -> None:
        NURSERY[0].start_soon(to.tell, Shelf.put(PIECES))
        await trio.sleep(wait)

    @handler(retry=Retry(attempts=1))
    async def leave_a_task_and_fail(self, to: ActorRef[Shelf], wait: float) -> None:
        NURSERY[0].start_soon(to.tell, Shelf.put(PIECES))
        await trio.sleep(wait)
        raise ValueError("no")


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("_again", range(6))  # the order of tasks is drawn
async def test_a_task_that_outlives_its_turn_while_it_sends_leaves_nothing_behind(
    _again: int, fails: bool
) -> None:
    store = MemoryStore()
    async with open_node(store, types=[Shelf, Stray]) as node, trio.open_nursery() as nursery:
        NURSERY[:] = [nursery]
        shelf = await reader(node)
        await node.pause(shelf)
        stray = await node.spawn(Stray(), name="stray")
        await node.wait_idle()
        verb = Stray.leave_a_task_and_fail if fails else Stray.leave_a_task
        await stray.tell(verb(shelf, 1))
        store.hold()
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(2):
            store.release(hold=True)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(2)
        await trio.testing.wait_all_tasks_blocked()
        store.release()
        await trio.testing.wait_all_tasks_blocked()
        await node.wait_idle()
        loose = LOOSE.read(store)
        assert loose == {}
        sound(store)
    copy = store.copy().reopen()
    async with open_node(copy, types=[Shelf, Stray]) as node:
        await node.resume(node.ref(Shelf, "shelf"))
        await node.wait_idle()
        heard = await node.ref(Shelf, "shelf").ask(Shelf.show())
        assert heard == ([] if fails else [len(PIECES)])


async def test_a_turn_whose_own_body_makes_room_tight_is_not_tried_for_ever() -> None:
    store, size, lsns = MemoryStore(), len(PIECES), list[int]()
    async with open_node(store, types=[Shelf], quota=4 * size) as node:
        runtime = node._runtime
        shelf, other, third = [await reader(node, name) for name in ("shelf", "other", "third")]
        for ref in (other, third):
            await node.pause(ref)
        for _ in range(2):
            await other.tell(Shelf.put("x" * int(1.45 * size)))  # 72 % of the quota

        def stop_at_last() -> None:
            if runtime.ledger.lsn > 300 and not lsns:
                lsns.append(runtime.ledger.lsn)
                runtime.cells.by_name["shelf"].paused = "it would go on for ever"
                runtime.cells.block(runtime.cells.by_name["shelf"])

        before_visits(node, stop_at_last)
        await shelf.tell(Shelf.pass_on(third, int(0.95 * size), 1))  # with it, 96 %
        await node.wait_idle()
        assert not lsns, "300 commits for one turn, and no end"


class New(Actor, type_name="large.of.Deployed"):
    @handler
    async def fresh(self) -> None:
        pass


async def test_the_line_outside_moves_when_mailboxes_leave_the_schedule_without_a_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Old(Actor, type_name="large.of.Deployed"):
        @handler
        async def gone(self) -> None:
            pass

    store = MemoryStore()
    async with open_node(store, types=[Old]) as node:
        for i in range(5):
            ref = await node.spawn(Old(), name=f"a{i}")
            await node.pause(ref)
            await ref.tell(Old.gone())
        await node.wait_idle()
        for i in range(5):
            node._runtime.cells.by_name[f"a{i}"].paused = ""
            node._runtime.ledger.touch(node._runtime.cells.by_name[f"a{i}"])
        node._runtime.workers.closing = True
    store = store.reopen()
    monkeypatch.setattr(intake, "MOST_READY", 3)
    async with open_node(store, types=[New, Shelf]) as node:
        cells = node._runtime.cells
        there: ActorRef[Any] = node.ref(cast(Any, New), "a0")
        # what a caller sees that comes while all of them are due
        for i in range(5):
            cells.find(f"a{i}")
        with trio.fail_after(30):
            await there.tell(New.fresh())


@pytest.mark.parametrize("count", [10, 40])
async def test_mailboxes_that_wait_for_each_others_bodies_are_not_visited_in_vain(count: int) -> None:
    store = MemoryStore()
    async with open_node(store, types=[Shelf]) as node:
        refs = await fill(node, [f"s{i}" for i in range(count)])
        visits = 0

        def see() -> None:
            nonlocal visits
            visits += 1

        before_visits(node, see)
        async with trio.open_nursery() as nursery:
            for ref in refs:
                nursery.start_soon(node.resume, ref)
        await node.wait_idle()
        assert visits / count < 30


class Twice(Actor, type_name="large.of.Twice"):
    @handler
    async def again(self, to: ActorRef[Shelf]) -> None:
        await to.tell(Shelf.put("i" * 100_000), id="x")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(to.tell, Shelf.put(PIECES))
            await trio.lowlevel.checkpoint()
            await to.tell(Shelf.put("i" * 100_000), id="x")


async def test_an_id_given_twice_while_another_task_sends_leaves_nothing_behind() -> None:
    store = MemoryStore()
    async with open_node(store, types=[Shelf, Twice]) as node:
        shelf = await reader(node)
        twice = await node.spawn(Twice(), name="twice")
        await twice.tell(Twice.again(shelf))
        await node.wait_idle()
        assert sorted(await shelf.ask(Shelf.show())) == [100_000, len(PIECES)]
        await node.wait_idle()
        assert bodies(store) == {}
        assert LOOSE.read(store) == {}


class Slow(Actor, type_name="large.of.Slow"):
    @handler(timeout=3, retry=Retry(attempts=2))
    async def go(self, to: ActorRef[Shelf]) -> None:
        await to.tell(Shelf.put(PIECES))
        await to.tell(Shelf.put(PIECES))


@pytest.mark.parametrize("wait", [2.0, 40.0])
@pytest.mark.parametrize("room", [1, 3, 4, 6])
@pytest.mark.parametrize("what", ["nothing", "pause", "stop"])
async def test_a_disk_that_is_full_while_a_turn_sends_loses_nothing_and_keeps_nothing(
    room: int, wait: float, what: str
) -> None:
    store = MemoryStore()
    async with open_node(store, types=[Shelf, Slow]) as node:
        shelf = await reader(node)
        slow = await node.spawn(Slow(), name="slow")
        await node.wait_idle()
        store._limit = store.usage().used + room * PIECE * CHUNK
        async with trio.open_nursery() as nursery:
            nursery.start_soon(slow.tell, Slow.go(shelf))
            await trio.sleep(wait / 2)
            if what == "pause":
                nursery.start_soon(node.pause, slow)
            elif what == "stop":
                nursery.start_soon(node.stop, slow)
            await trio.sleep(wait / 2)
            store._limit = 64 << 30
        await trio.sleep(100)
        if what == "pause":
            await node.resume(slow)
        await node.wait_idle()
        heard = await shelf.ask(Shelf.show())
        await node.wait_idle()
        assert bodies(store) == {}
        assert LOOSE.read(store) == {}
        if not list_dead(store):
            assert what == "stop" or heard == [len(PIECES)] * 2
        else:
            assert heard == []
        sound(store)


@pytest.mark.parametrize("after", range(8))
async def test_a_node_that_closes_while_a_turn_sends_goes_on_in_its_next_life(after: int) -> None:
    store = MemoryStore()
    async with open_node(store, types=[Shelf, Slow]) as node:
        shelf = await reader(node)
        slow = await node.spawn(Slow(), name="slow")
        await node.wait_idle()
        await slow.tell(Slow.go(shelf))
        for _ in range(after):
            await trio.lowlevel.checkpoint()
    store = store.reopen()
    async with open_node(store, types=[Shelf, Slow]) as node:
        await node.wait_idle()
        assert await node.ref(Shelf, "shelf").ask(Shelf.show()) == [len(PIECES)] * 2
        await node.wait_idle()
        assert bodies(store) == {}
        assert LOOSE.read(store) == {}
        sound(store)


class Keyed(Actor, type_name="large.of.Keyed"):
    """Reminds itself of a large text."""

    heard: list[int] = attrs.field(factory=list[int])

    @handler
    async def put(self, text: str) -> None:
        self.heard.append(len(text))

    @handler
    async def remind(self) -> None:
        self.turn.after(1, Keyed.put(PIECES), key="k")

    @handler
    async def forget(self, other: ActorRef[Shelf]) -> None:
        self.turn.cancel("k")

    @handler
    async def show(self) -> list[int]:
        return self.heard


@pytest.mark.parametrize("at", [2, 3, 5, 7, 9])
async def test_a_timer_that_is_void_while_its_body_is_read_leaves_nothing_behind(at: int) -> None:
    store = MemoryStore()
    async with open_node(store, types=[Shelf, Keyed]) as node:
        keyed = await node.spawn(Keyed(), name="keyed")
        [shelf] = await fill(node, ["shelf"])
        await keyed.ask(Keyed.remind())
        runtime, n = node._runtime, 0
        fetching = runtime.workers._visits.beginnings.fetching

        def cancel_it() -> None:
            nonlocal n
            n += fetching._cell is not None
            if n == at:
                n += 1
                runtime.timers.cancel("keyed", "keyed", "k")

        before_visits(node, cancel_it)
        await trio.sleep(2)
        await node.wait_idle()
        await keyed.ask(Keyed.show())
        await node.resume(shelf)
        await node.wait_idle()
        assert await shelf.ask(Shelf.show()) == [len(PIECES)]
        await node.wait_idle()
        assert bodies(store) == {}
        assert LOOSE.read(store) == {}
        assert fetching._envelope is None
        sound(store)
