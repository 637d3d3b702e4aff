"""A type that is paused: all its actors take mail and begin no turn, and go on when it is resumed."""

from __future__ import annotations

import attrs
import pytest
import trio

from callboard import Actor, AskTimeout, Child, Supervisor, handler, open_node
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import find_mailbox
from callboard.mailbox.soundness import find_damage

pytestmark = pytest.mark.virtual


class Clerk(Actor, type_name="pausing.Clerk"):
    heard: list[int] = attrs.field(factory=list[int])

    @handler
    async def note(self, number: int) -> None:
        self.heard.append(number)

    @handler
    async def show(self) -> list[int]:
        return self.heard

    @handler
    async def ponder(self, seconds: int) -> None:
        await trio.sleep(seconds)
        self.heard.append(seconds)


class Heir(Actor, type_name="pausing.Heir"):
    @handler
    async def echo(self, number: int) -> int:
        return number


async def test_a_type_is_paused_with_all_its_actors_and_those_spawned_later() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        ann, heir = await node.spawn(Clerk(), name="ann"), await node.spawn(Heir(), name="heir")
        await node.pause_type(Clerk, "the tax office is closed")
        late = await node.spawn(Clerk(), name="late")
        for ref in ann, late:
            await ref.tell(Clerk.note(1))
        assert await heir.ask(Heir.echo(1)) == 1
        await node.wait_idle()
        assert node.statistics().queued == 2
        view = find_mailbox(node.store, "late")
        assert view is not None
        assert (view.condition, view.type_paused, view.paused) == ("paused", "the tax office is closed", "")
        assert find_damage(node.store) == []
    async with open_node(store.reopen()) as node:
        await node.wait_idle()
        assert node.statistics().queued == 2
        await node.resume_type(Clerk)
        for name in "ann", "late":
            assert await node.ref(Clerk, name).ask(Clerk.show(), timeout=5) == [1]
        view = find_mailbox(node.store, "late")
        assert view is not None
        assert view.condition == "running"
        assert find_damage(node.store) == []


async def test_a_type_that_goes_on_wakes_mailboxes_that_rested_meanwhile() -> None:
    async with open_node(MemoryStore(), idle=1) as node:
        ann = await node.spawn(Clerk(), name="ann")
        await node.pause_type("pausing.Clerk", "later")
        await ann.tell(Clerk.note(1))
        await trio.sleep(60)
        assert node.statistics().active == 0
        await node.resume_type(Clerk)
        assert await node.ref(Clerk, "ann").ask(Clerk.show(), timeout=5) == [1]


async def test_a_supervised_actor_of_a_paused_type_is_started_and_takes_no_mail() -> None:
    async with open_node(MemoryStore()) as node:
        await node.pause_type(Clerk, "not yet")
        await node.start(Supervisor("top", [Child(Clerk(), name="ann")]))
        await node.ref(Clerk, "ann").tell(Clerk.note(1))
        await node.wait_idle()
        assert node.statistics().queued == 1
        await node.resume_type(Clerk)
        assert await node.ref(Clerk, "ann").ask(Clerk.show(), timeout=5) == [1]


async def test_a_turn_in_hand_goes_on_to_its_end_when_its_type_is_paused() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Clerk(), name="ann")
        await ann.tell(Clerk.ponder(5))
        await ann.tell(Clerk.note(2))
        await trio.sleep(1)
        await node.pause_type(Clerk, "not now")
        await trio.sleep(60)
        assert (node.statistics().handled, node.statistics().queued) == (1, 1)
        with pytest.raises(AskTimeout, match="it is paused"):
            await ann.ask(Clerk.note(3), timeout=1)
        assert find_damage(node.store) == []
        await node.resume_type(Clerk)
        assert await node.ref(Clerk, "ann").ask(Clerk.show(), timeout=5) == [5, 2, 3]


async def test_a_mailbox_that_is_paused_itself_stays_so_when_its_type_goes_on() -> None:
    async with open_node(MemoryStore()) as node:
        ann = await node.spawn(Clerk(), name="ann")
        await node.pause(ann, "by hand")
        await node.pause_type(Clerk, "all of them")
        await ann.tell(Clerk.note(1))
        await node.resume_type(Clerk)
        await node.resume_type(Clerk)
        await node.wait_idle()
        assert node.statistics().queued == 1
        await node.pause_type(Clerk, "all of them")
        await node.resume(ann)
        await node.wait_idle()
        assert node.statistics().queued == 1
        await node.resume_type(Clerk)
        assert await node.ref(Clerk, "ann").ask(Clerk.show(), timeout=5) == [1]


async def test_pausing_a_type_needs_a_type_and_a_reason() -> None:
    async with open_node(MemoryStore()) as node:
        with pytest.raises(TypeError, match="no type of actors"):
            await node.pause_type(5, "x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(ValueError, match="says why"):
            await node.pause_type(Clerk, " ")
