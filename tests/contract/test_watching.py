"""Watching: exactly one Terminated, for the dead and the unknown at once, through restarts of either side."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
import pytest
import trio

from callboard import (
    Actor,
    ActorRef,
    Finished,
    Node,
    NodeClosed,
    Refusal,
    Stopped,
    Terminated,
    handler,
    open_node,
)
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.store import Table

pytestmark = pytest.mark.virtual


class Candle(Actor, type_name="watching.Candle"):
    lit: bool = True

    @handler
    async def blow_out(self) -> None:
        self.turn.stop()

    @handler
    async def flicker(self) -> None:
        raise Refusal("it only flickers")

    @handler
    async def burn(self) -> str:
        return "burning"


class Keeper(Actor, type_name="watching.Keeper"):
    heard: list[str] = attrs.field(factory=list[str])

    @handler
    async def watch(self, ref: ActorRef[Candle]) -> None:
        self.turn.watch(ref, then=partial(Keeper.note, mark="!"))

    @handler
    async def watch_in_vain(self, ref: ActorRef[Candle]) -> None:
        self.turn.watch(ref, then=partial(Keeper.note, mark="?"))
        raise Refusal("undone")

    @handler
    async def unwatch(self, ref: ActorRef[Candle]) -> None:
        self.turn.unwatch(ref)

    @handler
    async def stop_with(self, ref: ActorRef[Candle]) -> None:
        self.turn.stop_with(ref)

    @handler
    async def note(self, told: Terminated, mark: str) -> None:
        self.heard.append(f"{told.ref.name} {told.exit!r}{mark}")

    @handler
    async def show(self) -> list[str]:
        return self.heard


async def cast(node: Node) -> tuple[ActorRef[Candle], ActorRef[Keeper]]:
    return await node.spawn(Candle(), name="candle"), await node.spawn(Keeper(), name="keeper")


async def test_a_watcher_hears_once_of_the_end_of_a_life() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        candle, keeper = await cast(node)
        await keeper.ask(Keeper.watch(candle))
        await keeper.ask(Keeper.watch(candle))
        await candle.tell(Candle.blow_out())
        await node.wait_idle()
        assert await keeper.ask(Keeper.show()) == ["candle Finished()!"]
        await cast(node)  # another life, which nobody watches
        await candle.tell(Candle.blow_out())
        await node.wait_idle()
        assert await keeper.ask(Keeper.show()) == ["candle Finished()!"]
        assert not store.scan(Table.WATCHES)


async def test_a_watch_survives_the_node_and_hears_of_no_restart() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        candle, keeper = await cast(node)
        await keeper.ask(Keeper.watch(candle))
    store = store.reopen()
    async with open_node(store) as node:
        candle, keeper = node.ref(Candle, "candle"), node.ref(Keeper, "keeper")
        assert await keeper.ask(Keeper.show()) == []
        await candle.tell(Candle.blow_out())
        await node.wait_idle()
        assert await keeper.ask(Keeper.show()) == ["candle Finished()!"]


async def test_of_the_dead_and_the_unknown_a_watcher_hears_at_once() -> None:
    async with open_node(MemoryStore()) as node:
        candle, keeper = await cast(node)
        await candle.tell(Candle.blow_out())
        await node.wait_idle()
        for name in ("candle", "nobody"):
            await keeper.tell(Keeper.watch(node.ref(Candle, name)))
        await node.wait_idle()
        assert await keeper.ask(Keeper.show()) == ["candle None!", "nobody None!"]


async def test_a_watch_of_a_turn_that_is_undone_never_was() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        candle, keeper = await cast(node)
        with pytest.raises(Refusal):
            await keeper.ask(Keeper.watch_in_vain(candle))
        assert not store.scan(Table.WATCHES)


async def test_who_takes_the_watch_back_hears_nothing() -> None:
    async with open_node(MemoryStore()) as node:
        candle, keeper = await cast(node)
        await keeper.ask(Keeper.watch(candle))
        await keeper.ask(Keeper.unwatch(candle))
        await candle.tell(Candle.blow_out())
        await node.wait_idle()
        assert await keeper.ask(Keeper.show()) == []


async def test_who_wants_to_stop_with_another_does_and_is_heard_of_in_turn() -> None:
    async with open_node(MemoryStore()) as node:
        candle, keeper = await cast(node)
        other = await node.spawn(Keeper(), name="other")
        await keeper.ask(Keeper.stop_with(candle))
        await other.ask(Keeper.watch(ActorRef("keeper")))
        await candle.tell(Candle.blow_out())
        await node.wait_idle()
        assert await other.ask(Keeper.show()) == ["keeper Stopped(by=\"'candle', with which it stops\")!"]


async def test_a_watcher_of_an_earlier_life_is_told_nothing() -> None:
    async with open_node(MemoryStore()) as node:
        candle, keeper = await cast(node)
        await keeper.ask(Keeper.watch(candle))
        await node.stop(keeper)
        await node.wait_idle()
        _, keeper = await cast(node)
        await candle.tell(Candle.blow_out())
        await node.wait_idle()
        assert await keeper.ask(Keeper.show()) == []


async def test_outside_one_can_wait_for_an_end() -> None:
    heard: list[Any] = []

    async def wait(node: Node, ref: ActorRef[Candle]) -> None:
        heard.append((await node.watch(ref)).exit)

    async with open_node(MemoryStore()) as node, trio.open_nursery() as nursery:
        candle, _ = await cast(node)
        nursery.start_soon(wait, node, candle)
        nursery.start_soon(wait, node, node.ref(Candle, "nobody"))
        await trio.sleep(1)
        assert heard == [None]
        await candle.tell(Candle.blow_out())
    assert heard == [None, Finished()]


async def test_who_waits_outside_hears_that_the_node_was_closed() -> None:
    async def wait(node: Node, ref: ActorRef[Candle]) -> None:
        with pytest.raises(NodeClosed):
            await node.watch(ref)

    async with trio.open_nursery() as nursery, open_node(MemoryStore()) as node:
        candle, _ = await cast(node)
        nursery.start_soon(wait, node, candle)
        await trio.sleep(1)


async def test_an_actor_can_be_stopped_from_outside_after_the_mail_it_has() -> None:
    async with open_node(MemoryStore()) as node:
        candle, keeper = await cast(node)
        await keeper.ask(Keeper.watch(candle))
        await candle.tell(Candle.flicker())
        await node.stop(candle)
        await candle.tell(Candle.burn())
        await node.wait_idle()
        assert await keeper.ask(Keeper.show()) == [f"candle {Stopped('an operator')!r}!"]
        assert node.statistics().queued == 1  # what came after the stop waits, and will be dead mail
