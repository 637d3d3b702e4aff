"""Checks see what is on disk: states, dead letters, and whose mail waits."""

from types import SimpleNamespace

import pytest
import trio

from callboard import Actor, Retry, handler, open_node
from callboard.cluster.opening import _virtual_now
from callboard.mailbox.memory import MemoryStore
from callboard.testing.kills import in_words
from callboard.testing.remains import Remains


class Clerk(Actor, type_name="remains.Clerk"):
    done: int = 0

    @handler(retry=Retry(attempts=1))
    async def work(self, times: int) -> None:
        self.done += 12 // times

    @handler
    async def remind(self, seconds: float) -> None:
        self.turn.after(seconds, Clerk.work(1))

    @handler
    async def dawdle(self) -> None:
        await trio.sleep_forever()


async def test_states_and_dead_letters_are_there_and_paused_mail_waits_for_nobody() -> None:
    store = MemoryStore()
    async with open_node(store) as node:
        ann = await node.spawn(Clerk(), name="ann")
        bob = await node.spawn(Clerk(), name="bob")
        await node.pause(bob)
        for to, times in ((ann, 3), (ann, 0), (bob, 1)):
            await to.tell(Clerk.work(times))
        await node.wait_idle()
        await node.pause(ann)
        await ann.tell(Clerk.work(1))
    remains = Remains(store.reopen())
    assert remains.state("ann") == {"done": 4}
    assert [letter.box for letter in remains.dead()] == ["ann"]
    assert remains.counters().queued == 2
    assert remains.unhandled() == {}
    assert remains.damage() == []
    assert [box.name for box in remains.mailboxes()] == ["ann", "bob"]
    with pytest.raises(LookupError, match="there is no actor 'eve'"):
        remains.state("eve")


async def test_mail_for_actors_that_could_have_handled_it_is_unhandled() -> None:
    async with open_node(MemoryStore(), drain=0) as node:
        ann = await node.spawn(Clerk(), name="ann")
        for _ in range(2):
            await ann.tell(Clerk.dawdle())
        assert Remains(node.store).unhandled() == {"ann": 2}


def test_mail_that_was_not_handled_is_told_by_name() -> None:
    text = in_words({f"m{number}": 2 for number in range(7)})
    assert text.startswith(
        "14 messages never handled, 2 of 'm0', 2 of 'm1', 2 of 'm2', 2 of 'm3', 2 of 'm4' and 2 more"
    )


@pytest.mark.virtual
async def test_a_store_is_at_rest_when_no_mail_and_no_timer_that_is_due_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("callboard.testing.remains.time", SimpleNamespace(time_ns=_virtual_now))
    store = MemoryStore()
    async with open_node(store, drain=0) as node:
        ann = await node.spawn(Clerk(), name="ann")
        await ann.tell(Clerk.remind(3600))
        await node.wait_idle()
    left = Remains(store.reopen())
    await trio.sleep(3599)
    assert left.is_at_rest()
    await trio.sleep(2)
    assert not left.is_at_rest()
    async with open_node(left.store, drain=0) as node:
        await trio.sleep(1)
        assert left.is_at_rest()
        assert left.state("ann") == {"done": 12}
        await node.ref(Clerk, "ann").tell(Clerk.dawdle())
        assert not left.is_at_rest()
