"""Children that come and go while supervisors start and stop, and nodes close: what was answered is so."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import trio

from callboard import Actor, Child, ChildRefused, Dynamic, Retry, RunningTree, Supervisor, handler, open_node
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.records import Children, name_key, unpack
from callboard.mailbox.store import Table

pytestmark = pytest.mark.virtual


class Extra(Actor, type_name="between.Extra"):
    starts_in: float = 0.0
    stops_in: float = 0.0

    async def started(self) -> None:
        await trio.sleep(self.starts_in)

    async def stopped(self) -> None:
        await trio.sleep(self.stops_in)

    @handler
    async def leave(self) -> None:
        self.turn.stop()

    @handler(retry=Retry(attempts=1))
    async def fall(self) -> None:
        raise ValueError("it falls")


def names(tree: RunningTree) -> list[str]:
    return [child.name for child in tree.which_children("pool")]


def written(store: MemoryStore) -> list[str]:
    found = store.get(Table.CHILDREN, name_key("pool"))
    return [] if found is None else unpack(Children, found).names


async def test_what_a_closing_node_answers_is_so_in_the_next_life() -> None:
    spec = Supervisor("top", [Dynamic("pool", Extra), Child(Extra(stops_in=3.0), name="slow")])
    store = MemoryStore()
    async with trio.open_nursery() as callers, open_node(store) as node:
        tree = await node.start(spec)
        await tree.start_child("pool", "old")
        callers.start_soon(lambda: tree.start_child("pool", "first", starts_in=0.5))
        await trio.sleep(0.1)
        callers.start_soon(lambda: tree.start_child("pool", "second"))
        callers.start_soon(lambda: tree.terminate_child("old"))
        await trio.sleep(0.1)
    async with open_node(store.reopen()) as node:
        tree = await node.start(spec)
        assert (names(tree), tree.orphans) == (["first", "second"], [])


async def test_a_child_that_was_refused_is_not_there_when_its_supervisor_runs_again() -> None:
    spec = Supervisor("top", [Child(Extra(), name="first"), Dynamic("pool", Extra)], strategy="rest_for_one")
    store = MemoryStore()
    async with open_node(store) as node:
        tree = await node.start(spec)
        async with trio.open_nursery() as nursery:

            async def ask_for_one() -> None:
                with pytest.raises(ChildRefused, match="it is stopping"):
                    await tree.start_child("pool", "extra", starts_in=2.0)

            nursery.start_soon(ask_for_one)
            await trio.sleep(0.5)
            await node.ref(Extra, "first").tell(Extra.fall())
            await trio.sleep(20)
        assert (names(tree), written(store)) == ([], [])
        await tree.start_child("pool", "extra")
        assert names(tree) == ["extra"]


async def test_who_has_ended_is_no_orphan_when_its_supervisor_ends_with_it() -> None:
    pool = Dynamic("pool", Extra, restart="transient", significant=True, auto_shutdown="any_significant")
    store = MemoryStore()
    async with open_node(store) as node:
        tree = await node.start(Supervisor("top", [pool]))
        await tree.start_child("pool", "one")
        await tree.start_child("pool", "other")
        await node.ref(Extra, "one").tell(Extra.leave())
        await trio.sleep(5)
        assert (names(tree), written(store), tree.orphans) == (["other"], ["other"], [])


async def test_who_has_ended_is_no_orphan_after_a_crash_before_the_list_was_written() -> None:
    spec = Supervisor("top", [Dynamic("pool", Extra, restart="temporary")])
    images: list[MemoryStore] = []

    class Noted(MemoryStore):
        def commit(self, writes: Any) -> None:
            super().commit(writes)
            images.append(self.copy())

    store = Noted()
    async with open_node(store) as node:
        tree = await node.start(spec)
        await tree.start_child("pool", "one")
        images.clear()
        await node.ref(Extra, "one").tell(Extra.leave())
        await trio.sleep(1)
    left = [image.reopen() for image in images]
    assert any(written(image) == ["one"] for image in left)
    for image in left:
        async with open_node(image) as node:
            assert (await node.start(spec)).orphans == []


async def test_a_child_cannot_have_the_name_of_a_supervisor() -> None:
    async with open_node(MemoryStore()) as node:
        tree = await node.start(Supervisor("top", [Supervisor("sub", [Dynamic("pool", Extra)])]))
        for name in ("top", "sub", "pool"):
            with pytest.raises(ChildRefused, match="another"):
                await tree.start_child("pool", name)
        assert names(tree) == []


@pytest.mark.parametrize("_time", range(3))  # who comes first is drawn by trio
async def test_a_child_stands_once_in_the_list_however_early_it_was_asked_for(_time: int) -> None:
    children: list[Child | Dynamic | Supervisor] = [
        Child(Extra(), name="first"),
        Dynamic("pool", Extra),
        Supervisor("late", [Child(Extra(), name="last")]),
    ]
    store = MemoryStore()
    async with open_node(store) as node:
        tree = await node.start(Supervisor("top", children, strategy="rest_for_one", backoff=None))
        await tree.start_child("pool", "old")
        await node.ref(Extra, "first").tell(Extra.fall())
        with trio.move_on_after(0.5):
            async with trio.open_nursery() as nursery:
                for number in range(400):
                    nursery.start_soon(start_if_it_can, tree, f"extra {number}")
                    await trio.lowlevel.checkpoint()
                    assert len(set(written(store))) == len(written(store))
        await trio.sleep(1)
        assert sorted(written(store)) == sorted(names(tree))


async def start_if_it_can(tree: RunningTree, name: str) -> None:
    with suppress(ChildRefused, LookupError):
        await tree.start_child("pool", name)
