"""Senders outside: they wait while the node is far behind or full, turns never do (G13)."""

from __future__ import annotations

import pytest
import trio

from callboard import AskTimeout, Overloaded
from callboard.actors.intake import Intake
from callboard.mailbox.errors import StoreFull

from .gated import SEEN, gated, scene

pytestmark = pytest.mark.virtual


async def test_senders_outside_wait_while_the_disk_is_full_and_go_on_in_order() -> None:
    kind = gated()
    async with scene(kind) as (node, store, nursery):
        ref = await node.spawn(kind(), name="gate")
        for _ in range(20):
            store.fail_next(StoreFull("full"))
        nursery.start_soon(ref.tell, kind.note("first"))
        await trio.sleep(0.1)
        for number in range(10):
            nursery.start_soon(ref.tell, kind.note(str(number)))
            await trio.sleep(0.1)
        assert node.statistics().senders_waiting == 10
        await trio.sleep(10)
        assert ["first", *map(str, range(10))] == SEEN


async def test_senders_wait_while_very_many_mailboxes_have_turns_due_since_all_of_them_are_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("callboard.actors.intake.MOST_READY", 5)
    kind, stood = gated(), list[str]()

    async def stand(intake: Intake) -> None:
        stood.append(intake.why())
        await stand_in_line(intake)

    stand_in_line = Intake._stand_in_line
    monkeypatch.setattr(Intake, "_stand_in_line", stand)
    async with scene(kind) as (node, _, _nursery):
        refs = [await node.spawn(kind(), name=f"gate {number}") for number in range(10)]
        await node.wait_idle()
        for many, waits in ((4, 0), (10, 1)):
            node._runtime.post._tell_all_now([(ref, kind.note("one of many")) for ref in refs[:many]])
            await refs[0].tell(kind.note("late"))  # nobody has had a turn yet
            assert len(stood) == waits
            await node.wait_idle()
            assert sorted(SEEN) == ["late"] + ["one of many"] * many
            SEEN.clear()
    assert stood == ["5 mailboxes have mail to handle, and are in memory until they have"]


async def test_whoever_comes_late_stands_behind_those_who_were_called() -> None:
    """Found by reading: one who came while the first in line woke up slipped in before it."""
    kind = gated()
    async with scene(kind) as (node, store, nursery):
        ref = await node.spawn(kind(), name="gate")
        store.fail_next(StoreFull("full"))
        nursery.start_soon(ref.tell, kind.note("first"))
        await trio.sleep(0.1)
        nursery.start_soon(ref.tell, kind.note("waits"))
        await trio.sleep(0.1)
        ledger = node._runtime.ledger
        ledger.try_again()
        assert ledger.stalled is None
        await ref.tell(kind.note("late"))
        await node.wait_idle()
        assert SEEN == ["first", "waits", "late"]


async def test_an_ask_that_is_not_taken_in_keeps_to_its_timeout() -> None:
    """Found by reading: the timeout began only when the question was in."""
    kind = gated()
    async with scene(kind) as (node, store, nursery):
        ref = await node.spawn(kind(), name="gate")
        for _ in range(20):
            store.fail_next(StoreFull("full"))
        nursery.start_soon(ref.tell, kind.note("first"))
        await trio.sleep(0.1)
        with pytest.raises(AskTimeout, match="not taken in"):
            await ref.ask(kind.note("second"), timeout=1)
        assert trio.current_time() < 2
        await trio.sleep(10)
        assert SEEN == ["first"]


async def test_senders_wait_at_the_quota_and_what_can_never_fit_is_refused() -> None:
    kind = gated()
    async with scene(kind, quota=40_000) as (node, _, nursery):
        ref = await node.spawn(kind(), name="gate")
        with pytest.raises(Overloaded):
            await node.tell_all([(ref, kind.note("x" * 20_000)) for _ in range(3)])
        await node.pause(ref)
        for number in range(8):
            nursery.start_soon(ref.tell, kind.note(str(number) * 10_000))
            await trio.sleep(0.1)
        assert node.statistics().senders_waiting > 0
        await trio.sleep(100)
        assert SEEN == []
        waiting = node.statistics().senders_waiting
        with trio.move_on_after(1):
            await ref.tell(kind.note("given up"))
        assert node.statistics().senders_waiting == waiting
        await node.resume(ref)
        await trio.sleep(1)
        assert [str(number) * 10_000 for number in range(8)] == SEEN


async def test_turns_never_wait_for_room() -> None:
    kind = gated()
    async with scene(kind, quota=20_000) as (node, _, _):
        one = await node.spawn(kind(), name="one")
        two = await node.spawn(kind(), name="two")
        await node.pause(two)
        await one.ask(kind.flood(two, 1000))
        assert node.statistics().store.used > 20_000
        await node.resume(two)
        await node.wait_idle()
        assert len(SEEN) == 1000


async def test_many_messages_at_once_are_measured_and_not_guessed() -> None:
    """Found by attacking: the cheap bound of four bytes a character turned away what fits."""
    kind = gated()
    async with scene(kind) as (node, _, _):
        ref = await node.spawn(kind(), name="gate")
        await node.pause(ref)
        await node.tell_all([(ref, kind.note("x" * 20_000)) for _ in range(1000)])
        assert node.statistics().accepted == 1000
