"""Very many children of one template: what their supervisor writes down does not grow with their square."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from callboard import Actor, ChildRefused, Dynamic, Supervisor, handler, open_node
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.records import Children, name_key, pack, unpack
from callboard.mailbox.store import Table
from callboard.supervision.roll import Roll

pytestmark = pytest.mark.virtual


class Extra(Actor, type_name="many.Extra"):
    parts: int = 0

    @handler
    async def play(self) -> None:
        self.parts += 1


CALL_ALL = "_call_all"
POOL = Supervisor("top", [Dynamic("pool", Extra)])


async def hire(tree: Any, names: list[str]) -> None:
    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(tree.start_child, "pool", name)


@contextmanager
def held(store: MemoryStore) -> Generator[None]:
    """Nothing is synced; it is let go whatever happens, or a test that fails would wait for ever."""
    store.hold()
    try:
        yield
    finally:
        store.release()


def remembered(store: MemoryStore) -> Children:
    found = store.get(Table.CHILDREN, name_key("pool"))
    assert found is not None
    return unpack(Children, found)


async def test_who_comes_is_added_to_the_list_and_no_list_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    anew = 0

    def counted(roll: Roll) -> None:
        nonlocal anew
        anew += 1
        call_all(roll)

    call_all: Any = getattr(Roll, CALL_ALL)
    monkeypatch.setattr(Roll, CALL_ALL, counted)
    names = [f"extra {number}" for number in range(60)]
    store = MemoryStore()
    async with open_node(store) as node:
        tree = await node.start(POOL)
        for name in names[:30]:
            await tree.start_child("pool", name)
        await hire(tree, names[30:])
        assert sorted(remembered(store).names) == sorted(names)
        assert remembered(store).types == ["many.Extra"] * 60
    assert anew <= 2  # one of each supervisor


async def test_while_a_list_is_on_its_way_to_the_disk_all_others_wait_for_one_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists: list[list[str]] = []

    def counted(record: Any) -> bytes:
        if record.supervisor == "pool":
            lists.append(list(record.names))
        return pack(record)

    monkeypatch.setattr("callboard.supervision.register.pack", counted)
    names = [f"extra {number}" for number in range(40)]
    store = MemoryStore()
    async with open_node(store) as node:
        tree = await node.start(POOL)
        lists.clear()
        with held(store):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(hire, tree, names)
                await wait_all_tasks_blocked()
                assert len(lists) <= 2
                store.release()
        assert sorted(lists[-1]) == sorted(names)
        assert len(lists) <= 4


async def test_who_is_cancelled_while_the_list_is_on_its_way_leaves_nobody_waiting() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        tree = await node.start(POOL)
        with held(store):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(tree.start_child, "pool", "first")
                    await wait_all_tasks_blocked()
                    scope.cancel()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tree.start_child, "pool", "second")
                await wait_all_tasks_blocked()
                store.release()
        assert remembered(store).names == ["first", "second"]


async def test_a_child_that_was_refused_is_not_written_down() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        tree = await node.start(POOL)
        await tree.start_child("pool", "first")
        with pytest.raises(ChildRefused):
            await tree.start_child("pool", "first")
        assert remembered(store).names == ["first"]
        await tree.terminate_child("first")
        assert remembered(store).names == []
