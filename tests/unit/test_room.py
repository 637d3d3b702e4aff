"""A store with little room or none: only what makes it smaller takes effect, nothing is lost (G13, G17)."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import attrs
import pytest
import trio

from callboard import Actor, ActorRef, Node, NodeClosed, Retry, handler, open_node
from callboard.mailbox.errors import StoreFailed, StoreFull
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import list_dead
from callboard.mailbox.records import name_key
from callboard.mailbox.store import Table, Writes

pytestmark = pytest.mark.virtual

ATTEMPTS: list[tuple[str, int]] = []
"""What was begun, with its attempt; undone turns too."""
QUOTA = 80_000
BRINK = QUOTA // 8 * 7


class Tank(Actor, type_name="room.Tank"):
    log: list[int] = attrs.field(factory=list[int])
    kept: str = ""

    @handler
    async def take(self, number: int, pad: str) -> None:
        """Takes a message out; a tenth of it stays."""
        ATTEMPTS.append((f"take {number}", self.turn.attempt))
        self.log = [*self.log, number]

    @handler
    async def keep(self, pad: str) -> None:
        ATTEMPTS.append(("keep", self.turn.attempt))
        self.kept += 3 * pad

    @handler
    async def pass_on(self, to: ActorRef[Tank], number: int, pad: str) -> None:
        ATTEMPTS.append((f"pass {number}", self.turn.attempt))
        await to.tell(Tank.take(number, pad + pad))

    @handler
    async def spawn_one(self) -> None:
        ATTEMPTS.append(("spawn", self.turn.attempt))
        self.turn.spawn(Tank(), name="child")

    @handler
    async def nap(self, seconds: float, pad: str) -> None:
        await trio.sleep(seconds)
        self.log = [*self.log, len(pad)]

    @handler
    async def nap_and_keep(self, seconds: float, pad: str) -> None:
        await trio.sleep(seconds)
        await self.keep(pad)
        self.log = [*self.log, len(pad)]

    @handler
    async def say(self, length: int) -> str:
        return "y" * length

    @handler
    async def later(self, delay: float) -> None:
        self.turn.after(delay, Tank.take(0, "x" * 500))

    @handler(retry=Retry(attempts=1))
    async def fail(self, pad: str) -> None:
        raise ValueError

    @handler
    async def show(self) -> list[int]:
        return self.log


@asynccontextmanager
async def scene(store: MemoryStore, **options: Any) -> AsyncGenerator[Node]:
    ATTEMPTS.clear()
    async with open_node(store, types=[Tank], drain=1, **options) as node:
        try:
            yield node
        finally:
            store._limit = 64 << 30
            store.fill(full=False)


async def loaded(node: Node, name: str = "full", count: int = 75) -> ActorRef[Tank]:
    """A paused actor whose mail fills the quota above its last mark."""
    ref = await node.spawn(Tank(), name=name)
    await node.pause(ref)
    await node.tell_all([(ref, Tank.take(number, "x" * 1000)) for number in range(count)])
    assert node.statistics().store.used > BRINK
    return ref


async def log_of(node: Node, name: str) -> list[int]:
    return await node.ref(Tank, name).ask(Tank.show())


async def in_mail(node: Node, message: Any, name: str = "other") -> ActorRef[Tank]:
    """An actor with one message in a paused mailbox, put there before the store was full."""
    ref = await node.spawn(Tank(), name=name)
    await node.pause(ref)
    await ref.tell(message)
    return ref


@pytest.mark.parametrize("verb", ["keep", "pass_on", "spawn_one"])
async def test_under_the_reserve_a_turn_that_makes_the_store_larger_waits_and_goes_on_by_itself(
    verb: str,
) -> None:
    async with scene(MemoryStore(), quota=QUOTA) as node:
        sink = await node.spawn(Tank(), name="sink")
        message = {
            "keep": Tank.keep("x" * 1000),
            "pass_on": Tank.pass_on(sink, 1, "x" * 1000),
            "spawn_one": Tank.spawn_one(),
        }[verb]
        other = await in_mail(node, message)
        full = await loaded(node)
        await node.resume(other)
        await trio.sleep(10)
        assert len(ATTEMPTS) == 1
        assert node.statistics().turns_waiting == 1
        assert "1 mailboxes wait" in node.statistics().full
        await node.resume(full)
        await node.wait_idle()
        assert [attempt for what, attempt in ATTEMPTS if not what.startswith("take")] == [1, 1]
        assert await log_of(node, "full") == list(range(75))
        assert node.statistics().turns_waiting == 0
        assert node.statistics().full == ""


async def test_a_full_store_drains_when_handlers_only_take_out_while_others_wait_in_order() -> None:
    async with scene(MemoryStore(), quota=QUOTA) as node:
        sink = await node.spawn(Tank(), name="sink")
        other = await node.spawn(Tank(), name="other")
        await node.pause(other)
        for number in range(3):
            await other.tell(Tank.pass_on(sink, number, "y" * 100))
        await loaded(node)
        await node.resume(other)
        await node.resume(node.ref(Tank, "full"))
        await node.wait_idle()
        assert await log_of(node, "sink") == [0, 1, 2]
        assert node.statistics().queued == 0


async def test_mail_goes_through_several_actors_above_the_mark_where_senders_outside_wait() -> None:
    """What is inside may use the first half of the reserve, or no chain of actors would get its mail out."""
    async with scene(MemoryStore(), quota=QUOTA) as node:
        sink = await node.spawn(Tank(), name="sink")
        await node.pause(sink)
        other = await in_mail(node, Tank.pass_on(sink, 1, "x" * 1000))
        full = await node.spawn(Tank(), name="full")
        await node.pause(full)
        await node.tell_all([(full, Tank.take(number, "x" * 1000)) for number in range(57)])
        assert QUOTA // 4 * 3 < node.statistics().store.used < BRINK
        with trio.move_on_after(1):
            await sink.tell(Tank.take(2, ""))
        await node.resume(other)
        await trio.sleep(1)
        assert ATTEMPTS == [("pass 1", 1)]
        assert node.statistics().turns_waiting == 0


async def test_a_turn_that_had_suspended_before_the_store_was_full_waits_as_well() -> None:
    """Found by reading: it was judged as one that ends while there is room."""
    async with scene(MemoryStore(), quota=QUOTA) as node:
        other = await node.spawn(Tank(), name="other")
        await other.tell(Tank.nap_and_keep(5, "x" * 1000))
        await trio.sleep(1)
        full = await loaded(node)
        await trio.sleep(60)
        assert node.statistics().turns_waiting == 1
        await node.resume(full)
        await node.wait_idle()
        assert await log_of(node, "other") == [1000]


async def test_a_reply_that_is_kept_makes_the_store_larger_too() -> None:
    async with scene(MemoryStore(), quota=QUOTA) as node, trio.open_nursery() as nursery:
        other = await node.spawn(Tank(), name="other")
        await node.pause(other)
        nursery.start_soon(partial(other.ask, Tank.say(1000), id="once"))
        await trio.sleep(1)
        full = await loaded(node)
        await node.resume(other)
        await trio.sleep(10)
        assert node.statistics().turns_waiting == 1
        await node.resume(full)


@pytest.mark.parametrize(("boxes", "each"), [(100, 1), (1, 100)])
async def test_what_runs_ahead_of_the_disk_is_about_a_sixteenth_of_the_quota(boxes: int, each: int) -> None:
    store = MemoryStore()
    async with scene(store, quota=4_000_000) as node:
        sink = await node.spawn(Tank(), name="sink")
        await node.pause(sink)
        others = [await node.spawn(Tank(), name=f"other/{number}") for number in range(boxes)]
        await node.pause_type(Tank)
        await node.tell_all([(other, Tank.pass_on(sink, 1, "x" * 5000)) for other in others * each])
        store.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.resume_type, Tank)
            await trio.sleep(10)
            ledger = node._runtime.ledger
            ahead = ledger.open.bytes + (ledger.flight.bytes if ledger.flight else 0)
            store.release()
        await node.wait_idle()
        assert len(ATTEMPTS) == 100
        assert 4_000_000 / 16 <= ahead < 4_000_000 / 16 + 50_000


async def test_dropping_dead_letters_makes_room() -> None:
    async with scene(MemoryStore(), quota=QUOTA) as node:
        other = await in_mail(node, Tank.keep("x" * 1000))
        failing = await node.spawn(Tank(), name="failing")
        await node.pause(failing)
        await node.tell_all([(failing, Tank.fail("x" * 1000)) for _ in range(75)])
        await node.resume(failing)
        await node.resume(other)
        await trio.sleep(10)
        assert node.statistics().died == 75
        assert "dead drop" in node.statistics().full
        assert [what for what, _ in ATTEMPTS] == ["keep"]
        await node.dead.drop(box="failing", dry_run=False, most=None)
        await node.wait_idle()
        assert node.statistics().full == ""
        assert [what for what, _ in ATTEMPTS] == ["keep", "keep"]


async def test_a_node_opened_on_a_store_above_its_quota_drains_it(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    async with scene(store) as node:
        await loaded(node)
        await in_mail(node, Tank.keep("x" * 1000))
    async with scene(store.reopen(), quota=QUOTA) as node:
        assert "full: the store holds" in caplog.text
        await node.resume(node.ref(Tank, "other"))
        await trio.sleep(1)
        assert node.statistics().turns_waiting == 1
        await node.resume(node.ref(Tank, "full"))
        await node.wait_idle()
        assert node.statistics().queued == 0


# The disk itself.


async def test_turns_that_take_out_make_room_for_the_batch_that_found_none() -> None:
    """Found by reasoning: the batch that waited for room stood in the way of those that would make some."""
    store = MemoryStore()
    async with scene(store) as node, trio.open_nursery() as nursery:
        full = await loaded(node, count=100)
        store._limit = store.usage().used + 500
        nursery.start_soon(full.tell, Tank.take(100, "x" * 5000))
        await trio.sleep(1)
        assert node.statistics().full.startswith("full: the disk")
        nursery.start_soon(node.resume, full)
        await trio.sleep(5)
        assert node.statistics().full == ""
        assert await log_of(node, "full") == list(range(101))


async def test_while_the_disk_is_full_turns_take_out_and_none_brings_in() -> None:
    store = MemoryStore()
    async with scene(store) as node, trio.open_nursery() as nursery:
        other = await in_mail(node, Tank.keep("x" * 1000))
        full = await loaded(node, count=100)
        store.fill()
        nursery.start_soon(node.tell_all, [(full, Tank.take(100, ""))])
        await trio.sleep(1)
        nursery.start_soon(node.resume, other)
        nursery.start_soon(node.resume, full)
        await trio.sleep(60)
        assert node.statistics().turns_waiting == 1
        assert store.last(Table.MAIL) is not None
        assert node.statistics().queued == 1
        assert not store.scan(Table.MAIL)[1:], "all but the one that waits was taken out"
        store.fill(full=False)
        await node.wait_idle()
        assert await log_of(node, "full") == list(range(101))
        assert node.statistics().queued == 0


async def test_an_actor_spawned_while_the_disk_is_full_is_there_once_there_is_room() -> None:
    store = MemoryStore()
    async with scene(store) as node, trio.open_nursery() as nursery:
        store.fill()
        nursery.start_soon(partial(node.spawn, Tank(), name="child"))
        await trio.sleep(10)
        assert not store.get(Table.NAMES, name_key("child"))
        store.fill(full=False)
        await trio.sleep(1)
        assert await log_of(node, "child") == []


async def test_a_message_that_dies_while_the_disk_is_full_is_a_dead_letter_once_there_is_room() -> None:
    store = MemoryStore()
    async with scene(store) as node, trio.open_nursery() as nursery:
        other = await in_mail(node, Tank.fail("x" * 1000))
        store.fill()
        nursery.start_soon(node.resume, other)
        await trio.sleep(10)
        assert node.statistics().full.startswith("full: the disk")
        store.fill(full=False)
        await trio.sleep(1)
        (letter,) = list_dead(store)
        assert (letter.box, letter.error) == ("other", "ValueError")


class Shut(MemoryStore):
    """On a disk that while it is full has no room to take anything out either."""

    shut = False

    def commit(self, writes: Writes) -> None:
        if self.shut:
            raise StoreFull("shut")
        super().commit(writes)


async def test_at_most_a_thousand_turns_run_ahead_of_a_full_disk_however_long_it_is_full() -> None:
    """It was too weak: all that was taken out passed, so that nothing ran ahead."""
    store = Shut()
    async with scene(store) as node, trio.open_nursery() as nursery:
        full = await loaded(node, count=5000)
        store.shut = True
        nursery.start_soon(full.tell, Tank.take(5000, "x" * 60_000))
        nursery.start_soon(node.resume, full)
        for _ in range(100):
            await trio.sleep(1)
            assert node.statistics().turns_ahead <= 1000
        assert node.statistics().turns_ahead == 1000
        assert len(node._runtime.ledger._flight_writes.get(Table.MAIL, {})) <= 1000
        store.shut = False
        await node.wait_idle()
        assert await log_of(node, "full") == list(range(5001))


async def test_timers_that_are_due_wait_for_the_disk_and_fire_in_order() -> None:
    store = MemoryStore()
    async with scene(store) as node, trio.open_nursery() as nursery:
        ref = await node.spawn(Tank(), name="timed")
        for _ in range(300):
            await ref.tell(Tank.later(5))
        shut = await in_mail(node, Tank.take(0, ""))
        store.fill()
        nursery.start_soon(shut.tell, Tank.take(1, "x"))
        await trio.sleep(100)
        assert node._runtime.ledger.open.empty, "nothing piles up behind the batch that waits"
        assert len(store.scan(Table.TIMERS)) == 300
        store.fill(full=False)
        await trio.sleep(1)
        await node.wait_idle()
        assert await log_of(node, "timed") == [0] * 300


async def test_the_log_says_once_that_the_disk_is_full_and_once_that_it_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    async with scene(store) as node, trio.open_nursery() as nursery:
        shut = await in_mail(node, Tank.take(0, ""))
        store.fill()
        nursery.start_soon(shut.tell, Tank.take(1, "x"))
        await trio.sleep(60)
        store.fill(full=False)
        await trio.sleep(1)
        said = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
        assert [text for text in said if "the disk is full, so nothing" in text] == said[:1]
        assert said[-1] == "there is room on the disk again: the node goes on"
        assert len(said) == 2


@pytest.mark.parametrize("drain", [0, 1, 10])
async def test_a_node_that_closes_on_a_full_disk_ends_its_turns_and_says_what_is_not_written(
    drain: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Found by attacking: it waited for ever for a turn that waited for the disk."""
    store = MemoryStore(limit=5000)

    async def tell(ref: ActorRef[Tank]) -> None:
        with suppress(NodeClosed, StoreFull):
            await ref.tell(Tank.nap(0.5, "x" * 6000))

    async with trio.open_nursery() as callers:
        async with open_node(store, types=[Tank], drain=drain) as node:
            ref = await node.spawn(Tank(), name="one")
            await ref.tell(Tank.take(1, ""))
            callers.start_soon(tell, ref)
            await trio.sleep(5)
        assert trio.current_time() < 5 + 2 * drain + 2
    assert "what callers outside sent since is not stored" in caplog.text
    store._limit = 64 << 30
    async with scene(store.reopen()) as node:
        assert await log_of(node, "one") == [1]


async def test_whoever_waits_for_a_batch_that_was_joined_hears_that_the_node_died() -> None:
    """Found by the lab: a call made while the disk was full waited for ever when the disk then broke."""
    store = MemoryStore()
    heard: list[str] = []

    async def call(act: Any) -> None:
        with pytest.raises(StoreFailed):
            await act()
        heard.append("failed")

    async with trio.open_nursery() as callers:
        with pytest.raises(StoreFailed):  # noqa: PT012
            async with open_node(store, types=[Tank]) as node:
                shut = await in_mail(node, Tank.take(0, ""))
                store.fill()
                callers.start_soon(call, lambda: shut.tell(Tank.take(1, "x")))
                await trio.sleep(0.1)
                callers.start_soon(call, lambda: node.pause(shut))
                await trio.sleep(1)
                store.fail_next(StoreFailed("fsync failed"))
                await trio.sleep(1)
        await trio.sleep(1)
        assert heard == ["failed", "failed"]
        callers.cancel_scope.cancel()
