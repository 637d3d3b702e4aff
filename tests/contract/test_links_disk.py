"""Links whose disks are full, broken or damaged: mail waits, comes once, and goes on by itself."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from callboard import Actor, ActorRef, Node, handler, open_node
from callboard.mailbox.errors import StoreFailed
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.soundness import find_damage
from callboard.mailbox.store import Table

PATIENCE_S = 5
KIB = 1024


class Pad(Actor):
    log: list[int] = attrs.field(factory=list[int])

    @handler
    async def add(self, n: int, text: str = "") -> None:
        self.log = [*self.log, n]

    @handler
    async def show(self) -> list[int]:
        return self.log


def new(name: str, **options: Any) -> MemoryStore:
    return MemoryStore(node=name, entropy=name.encode().__mul__, **options)


@asynccontextmanager
async def opened(tmp_path: Path, store: MemoryStore, **options: Any) -> AsyncGenerator[Node]:
    listed = {name: f"unix:{tmp_path}/{name}" for name in "ab"}
    name = store.identity.node
    async with open_node(store, name=name, peers=listed, types=[Pad], drain=0, **options) as node:
        yield node
        await node.wait_idle()
        assert not find_damage(store)


def waiting(a: Node) -> int:
    assert a.links is not None
    return a.links.status()[0].waiting


async def gone(a: Node) -> None:
    """Wait until nothing waits at node a any more."""
    with trio.fail_after(PATIENCE_S):
        while waiting(a):  # noqa: ASYNC110 - another node has to act
            await trio.sleep(0.005)


async def send(a: Node, start: int, end: int, size: int = 0) -> None:
    far = a.ref(Pad, "p@b")
    await a.tell_all([(far, Pad.add(n, "x" * size)) for n in range(start, end)])


async def show(pad: ActorRef[Pad]) -> list[int]:
    return await pad.ask(Pad.show(), timeout=PATIENCE_S)


async def test_mail_for_a_node_whose_disk_is_full_waits_and_comes_once_there_is_room(tmp_path: Path) -> None:
    store = new("b")
    async with opened(tmp_path, new("a")) as a, opened(tmp_path, store) as b:
        pad = await b.spawn(Pad(), name="p")
        await send(a, 0, 10)
        await gone(a)
        store.fill()
        await send(a, 10, 200, 2 * KIB)
        await trio.sleep(0.1)
        assert waiting(a) == 190
        store.fill(full=False)
        await gone(a)
        assert await show(pad) == list(range(200))


async def test_a_link_that_breaks_while_the_disk_is_full_doubles_nothing(tmp_path: Path) -> None:
    store = new("b")
    async with opened(tmp_path, new("a")) as a, opened(tmp_path, store) as b:
        pad = await b.spawn(Pad(), name="p")
        await send(a, 0, 1)
        await gone(a)
        store.fill()
        await send(a, 1, 100, 2 * KIB)
        await trio.sleep(0.05)
        assert b.links is not None
        for _ in range(3):
            visit = b.links.door.inside.get("a")
            if visit is not None:
                await visit.wire.aclose()
            await trio.sleep(0.05)
        store.fill(full=False)
        await gone(a)
        assert await show(pad) == list(range(100))


async def test_a_store_that_reaches_its_limit_goes_on_when_it_is_raised(tmp_path: Path) -> None:
    store = new("b", limit=100 * KIB)
    async with opened(tmp_path, new("a")) as a, opened(tmp_path, store) as b:
        pad = await b.spawn(Pad(), name="p")
        await b.pause(pad)
        await send(a, 0, 100, 4 * KIB)
        await trio.sleep(0.1)
        assert waiting(a) > 50
        store._limit = 1 << 30
        await gone(a)
        await b.resume(pad)
        assert await show(pad) == list(range(100))


@pytest.mark.parametrize("quota", [3 * KIB, 100 * KIB])
async def test_a_quota_lets_mail_wait_at_the_sender_however_small_it_is(tmp_path: Path, quota: int) -> None:
    """A frame above the quota could never be taken in, and was sent again for ever."""
    async with opened(tmp_path, new("a")) as a, opened(tmp_path, new("b"), quota=quota) as b:
        pad = await b.spawn(Pad(), name="p")
        await b.pause(pad)
        await send(a, 0, 100, 4 * KIB)
        await trio.sleep(0.1)
        assert waiting(a) > 50
        await b.resume(pad)
        await gone(a)
        assert await show(pad) == list(range(100))


async def test_a_sender_whose_disk_is_full_hands_over_what_it_has_and_takes_more_later(
    tmp_path: Path,
) -> None:
    store = new("a")
    async with opened(tmp_path, store) as a, trio.open_nursery() as nursery:
        await send(a, 0, 50)
        store.fill()
        nursery.start_soon(send, a, 50, 100)
        async with opened(tmp_path, new("b")) as b:
            pad = await b.spawn(Pad(), name="p")
            with trio.fail_after(PATIENCE_S):
                while len(await show(pad)) < 50:  # noqa: ASYNC110
                    await trio.sleep(0.005)
            assert await show(pad) == list(range(50))
            store.fill(full=False)
            with trio.fail_after(PATIENCE_S):
                while len(await show(pad)) < 100:  # noqa: ASYNC110
                    await trio.sleep(0.005)
            await gone(a)
            assert await show(pad) == list(range(100))


@pytest.mark.parametrize("applied", [False, True])
async def test_a_receiver_whose_disk_breaks_ends_and_its_mail_stays_at_the_sender(
    tmp_path: Path, applied: bool
) -> None:
    store = new("b")
    async with opened(tmp_path, new("a")) as a:
        with pytest.raises(StoreFailed, match="fsync"):  # noqa: PT012
            async with opened(tmp_path, store) as b:
                await b.spawn(Pad(), name="p")
                await send(a, 0, 10)
                await gone(a)
                store.fail_next(StoreFailed("fsync failed"), applied=applied)
                await send(a, 10, 20)
                await trio.sleep(PATIENCE_S)
        assert waiting(a) == 10
        async with opened(tmp_path, store.reopen()) as b:
            assert a.links is not None
            a.links.dial_again("b")
            await gone(a)
            assert await show(b.ref(Pad, "p")) == list(range(20))


async def test_a_sender_whose_disk_breaks_sends_only_what_was_on_it(tmp_path: Path) -> None:
    store = new("a")
    async with opened(tmp_path, new("b")) as b:
        pad = await b.spawn(Pad(), name="p")
        with pytest.raises(StoreFailed, match="fsync"):  # noqa: PT012
            async with opened(tmp_path, store) as a:
                await send(a, 0, 10)
                await gone(a)
                await a.wait_idle()
                store.fail_next(StoreFailed("fsync failed"))
                await send(a, 10, 20)
        assert await show(pad) == list(range(10))
        async with opened(tmp_path, store.reopen()) as a:
            await send(a, 20, 30)
            await gone(a)
            assert await show(pad) == [*range(10), *range(20, 30)]


@pytest.mark.parametrize("at", [-1, 8])
async def test_what_is_damaged_in_an_outbox_is_a_dead_letter_and_the_rest_arrives_in_order(
    tmp_path: Path, at: int
) -> None:
    store = new("a")
    async with opened(tmp_path, store) as a:
        for start in range(0, 60, 20):
            await send(a, start, start + 20, 4 * KIB)
        await a.wait_idle()
        keys = [key for key, _ in store.scan(Table.MAIL)]
        assert len(keys) > 3
        store.damage(Table.MAIL, keys[1], at)
        async with opened(tmp_path, new("b")) as b:
            pad = await b.spawn(Pad(), name="p")
            assert a.links is not None
            a.links.dial_again("b")
            await gone(a)
            await a.wait_idle()
            came = await show(pad)
            dead = a.dead.letters()
            assert came == sorted(set(came))
            assert dead
            assert {letter.reason for letter in dead} == {"undecodable"}
            assert len(came) + len(dead) == 60
            await send(a, 60, 61)
            await gone(a)
            assert (await show(pad)) == [*came, 60]
            assert not b.dead.letters()
