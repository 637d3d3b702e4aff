"""The gate: what may go on before the disk has it, and what may not (G6)."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio

from callboard import ActorRef, Message

from .gated import SEEN, Gated, gated, scene

pytestmark = pytest.mark.virtual


async def ask(ref: ActorRef[Gated], message: Message[Gated, Any]) -> None:
    """Ask, and note the answer when it comes."""
    SEEN.append(f"{await ref.ask(message)} answered")


async def test_nothing_leaves_and_nobody_goes_on_before_the_disk_has_it() -> None:
    kind = gated()
    async with scene(kind) as (node, store, nursery):
        ref = await node.spawn(kind(), name="gate")
        store.hold()
        nursery.start_soon(ask, ref, kind.note("note"))
        nursery.start_soon(ask, ref, kind.wait("wait"))
        await trio.sleep(10)
        assert sorted(SEEN) in (["note", "wait begins"], ["wait begins"])
        store.release()
        await trio.sleep(1)
        assert {"note answered", "wait goes on", "wait answered"} <= set(SEEN)


@pytest.mark.parametrize("verb", ["effect", "effect_in_a_child"])
async def test_an_effect_key_comes_when_its_message_is_durable(verb: str) -> None:
    kind = gated()
    async with scene(kind) as (node, store, nursery):
        ref = await node.spawn(kind(), name="gate")
        store.hold()
        nursery.start_soon(ref.tell, getattr(kind, verb)("effect"))
        await trio.sleep(10)
        assert SEEN == ["effect begins"] or verb == "effect_in_a_child"
        assert "effect has a key" not in SEEN
        store.release()
        await node.wait_idle()
        assert SEEN == ["effect begins", "effect has a key"]


@pytest.mark.parametrize("verb", ["wait", "effect"])
async def test_a_handler_that_has_suspended_once_does_not_begin_before_again(verb: str) -> None:
    kind = gated()
    async with scene(kind) as (node, store, nursery):
        ref = await node.spawn(kind(), name="gate")
        store.hold()
        nursery.start_soon(ref.tell, getattr(kind, verb)("first"))
        await trio.sleep(1)
        store.release()
        await node.wait_idle()
        SEEN.clear()
        store.hold()
        nursery.start_soon(ref.tell, getattr(kind, verb)("second"))
        await trio.sleep(1)
        assert SEEN == []
        store.release()
        await node.wait_idle()
        assert SEEN[0] == "second begins"


async def test_a_state_that_is_not_durable_holds_a_suspended_handler_too() -> None:
    """The message was on disk long ago; the turn before it is not."""
    kind = gated()
    async with scene(kind) as (node, store, nursery):
        ref = await node.spawn(kind(), name="gate")
        await node.pause(ref)
        await node.tell_all([(ref, kind.note("note")), (ref, kind.wait("wait"))])
        store.hold()
        nursery.start_soon(node.resume, ref)
        await trio.sleep(1)
        assert SEEN == ["note", "wait begins"]
        store.release()
        await node.wait_idle()
        assert SEEN[-1] == "wait goes on"


@pytest.mark.parametrize(("of_node", "of_class"), [(False, True), (True, False)])
async def test_without_speculation_no_turn_begins_before_the_disk_has_its_cause(
    of_node: bool, of_class: bool
) -> None:
    kind = gated(speculation=of_class)
    async with scene(kind, speculation=of_node) as (node, store, nursery):
        ref = await node.spawn(kind(), name="gate")
        store.hold()
        nursery.start_soon(ref.tell, kind.note("note"))
        await trio.sleep(1)
        assert SEEN == []
        store.release()
        await node.wait_idle()
        assert SEEN == ["note"]


async def test_at_most_a_thousand_turns_run_ahead() -> None:
    kind = gated()
    async with scene(kind) as (node, store, nursery):
        one = await node.spawn(kind(), name="one")
        two = await node.spawn(kind(), name="two")
        store.hold()
        nursery.start_soon(one.tell, kind.flood(two, 3000))
        await trio.sleep(1)
        assert 900 < node.statistics().turns_ahead <= 1000
        store.release()
        await node.wait_idle()
        assert len(SEEN) == 3000


async def test_the_answer_to_a_repeated_id_waits_for_the_disk_like_the_first() -> None:
    """Found by attacking: the second asker heard of an outcome that a crash took back."""
    kind = gated()
    async with scene(kind) as (node, store, nursery):
        ref = await node.spawn(kind(), name="gate")
        other = await node.spawn(kind(), name="other")
        store.hold()
        nursery.start_soon(other.tell, kind.note("in flight"))
        await trio.sleep(1)
        for _ in range(2):
            nursery.start_soon(partial(ref.ask, kind.note("again"), id="a"))
            await trio.sleep(1)
        asks = len(nursery.child_tasks)
        store.release()
        store.hold()
        await trio.sleep(1)
        assert asks == 3
        assert len(nursery.child_tasks) == 2, "the tell was released, the asks were not"
        store.release()
        await trio.sleep(1)
        assert SEEN.count("again") == 1
        assert not nursery.child_tasks
