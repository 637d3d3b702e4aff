"""Wall clocks that are set by a day, forward and back: nothing is lost, doubled or early by the clock."""

from __future__ import annotations

import attrs
import trio
from hypothesis import settings, strategies as st

from callboard import Actor, ActorRef, handler
from callboard.testing import Simulation, faults, operation, plans, simulate

DAY = 86400.0
NODES = st.integers(0, 1)


class Dial(Actor, type_name="clocks.Dial"):
    heard: list[int] = attrs.field(factory=list[int])

    @handler
    async def hear(self, number: int) -> int:
        self.heard = [*self.heard, number]
        return len(self.heard)

    @handler
    async def remind(self, number: int, hours: float) -> None:
        self.turn.after(hours * 3600, Dial.hear(number))

    @handler
    async def pass_on(self, to: ActorRef[Dial], number: int) -> None:
        await to.tell(Dial.hear(number))


@operation(node=NODES, hours=st.sampled_from([0.1, 5.0, 30.0]))
async def remind(sim: Simulation, node: int, hours: float) -> None:
    await sim.ref(Dial, f"dial{node}", node=node).tell(Dial.remind(1, hours))


@operation(node=NODES)
async def hear_once(sim: Simulation, node: int) -> None:
    await sim.ref(Dial, f"dial{node}", node=node).ask(Dial.hear(2), id="once")


@operation(node=NODES)
async def pass_on(sim: Simulation, node: int) -> None:
    there = sim.ref(Dial, f"dial{1 - node}@n{1 - node}", node=node)
    await sim.ref(Dial, f"dial{node}", node=node).tell(Dial.pass_on(there, 3))


@operation(node=NODES)
async def park(sim: Simulation, node: int) -> None:
    await sim.ref(Dial, "nobody", node=node).tell(Dial.hear(4))


JUMP = faults.clock_jump.drawn(seconds=st.sampled_from([DAY, -DAY]))


@settings(deadline=None)
@simulate(
    plans(remind, hear_once, pass_on, park, JUMP, faults.crash, nodes=2, network=False, max_ops=10),
    nodes=2,
    types=[Dial],
)
async def test_every_promise_holds_while_clocks_are_set_by_a_day(sim: Simulation) -> None:
    for node in range(2):
        await sim.spawn(Dial(), name=f"dial{node}", node=node)
    await sim.run_plan()
    await sim.converge()


async def set_by(sim: Simulation, jump: float) -> tuple[list[int], int]:
    """What a dial heard, and how much parked mail died, within an hour of a clock's being set."""
    dial = await sim.spawn(Dial(), name="dial")
    await dial.tell(Dial.remind(1, 12))
    await sim.ref(Dial, "nobody").tell(Dial.hear(1))
    assert await dial.ask(Dial.hear(7)) == 1
    sim.clock_jump(jump)
    await trio.sleep(3590)
    return sim.state(Dial, "dial").heard, len(sim.sent(Dial.hear, to="nobody", status="dead"))


@simulate(types=[Dial])
async def test_timers_and_parked_mail_are_due_at_once_when_the_clock_is_set_forward(sim: Simulation) -> None:
    assert await set_by(sim, DAY) == ([7, 1], 1)


@simulate(types=[Dial])
async def test_timers_and_parked_mail_wait_for_a_clock_that_was_set_back(sim: Simulation) -> None:
    assert await set_by(sim, -DAY) == ([7], 0)
    await trio.sleep(DAY - 60)
    assert (sim.state(Dial, "dial").heard, len(sim.sent(Dial.hear, status="dead"))) == ([7], 0)
    await trio.sleep(120)
    assert (sim.state(Dial, "dial").heard, len(sim.sent(Dial.hear, status="dead"))) == ([7], 1)
    await trio.sleep(12 * 3600)
    assert sim.state(Dial, "dial").heard == [7, 1]


@simulate(types=[Dial])
async def test_an_id_is_kept_when_the_clock_is_set_back_and_forward_again(sim: Simulation) -> None:
    dial = await sim.spawn(Dial(), name="dial")
    for jump in 0.0, -DAY, DAY:
        sim.clock_jump(jump)
        await trio.sleep(60)
        assert await dial.ask(Dial.hear(7), id="once") == 1


@simulate(nodes=2, types=[Dial])
async def test_a_link_carries_mail_at_once_whatever_the_clocks_say(sim: Simulation) -> None:
    for node in range(2):
        await sim.spawn(Dial(), name=f"dial{node}", node=node)
    for number, (node, jump) in enumerate([(0, DAY), (1, DAY), (1, -DAY), (0, -DAY), (1, -DAY)]):
        sim.clock_jump(jump, node=node)
        there = sim.ref(Dial, "dial1@n1", node=0)
        await sim.ref(Dial, "dial0", node=0).tell(Dial.pass_on(there, number))
        await trio.sleep(30)
        assert sim.state(Dial, "dial1", node=1).heard == list(range(number + 1))
