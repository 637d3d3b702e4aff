"""What is closed leaves memory, although the garbage collector does not look through messages."""

from __future__ import annotations

import gc
import weakref

import trio
from trio.testing import MockClock

from callboard import Actor, ActorRef, handler, open_node
from callboard.mailbox.memory import MemoryStore
from callboard.testing import Simulation, run_simulation


class Friend(Actor, type_name="leaving.Friend"):
    @handler
    async def meet(self, other: ActorRef[Friend]) -> None:
        await other.tell(Friend.meet(self.turn.ref))
        await trio.sleep(1)


async def meet(friend: ActorRef[Friend]) -> None:
    for _ in range(3):
        await friend.tell(Friend.meet(friend))


def test_a_closed_node_with_mail_that_holds_refs_leaves_memory() -> None:
    async def main() -> weakref.ref[object]:
        async with open_node(MemoryStore(), drain=0) as node:
            await meet(await node.spawn(Friend(), name="friend"))
            return weakref.ref(node._runtime)

    runtime = trio.run(main, clock=MockClock(autojump_threshold=0))
    gc.collect()
    assert runtime() is None


def test_a_simulation_leaves_memory_after_crashes_too() -> None:
    kept: list[weakref.ref[object]] = []

    async def test(sim: Simulation) -> None:
        friend = await sim.spawn(Friend(), name="friend")
        await meet(friend)
        kept.append(weakref.ref(sim))
        for _ in range(2):
            assert sim.nodes[0].life is not None
            kept.append(weakref.ref(sim.nodes[0].life.runtime))
            await sim.crash()
            await meet(friend)

    run_simulation(test, types=[Friend])
    gc.collect()
    assert [ref() for ref in kept] == [None, None, None]
