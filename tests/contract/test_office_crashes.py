"""A crash in the middle of what the office does loses and doubles nothing; the lab knows of replays."""

from __future__ import annotations

from contextlib import suppress

import attrs
import pytest
from hypothesis import given, strategies as st

from callboard import Actor, Errand, Office, Retry, handler
from callboard.mailbox.soundness import find_damage
from callboard.testing import Crashed, Simulation, check, faults, operation, plans, simulate
from callboard.testing.history import Sent
from callboard.testing.invariants import Order, was_dead

pytestmark = pytest.mark.virtual


class Scribe(Actor, type_name="office.Scribe"):
    heard: list[int] = attrs.field(factory=list[int])

    broken = True
    """Whether something outside is broken; of the class, so no turn takes it back."""

    @handler(retry=Retry(attempts=1))
    async def write(self, number: int) -> None:
        if type(self).broken:
            raise ValueError(f"no ink for {number}")
        self.heard.append(number)


class Other(Actor, type_name="office.Other"):
    heard: list[int] = attrs.field(factory=list[int])

    @handler
    async def write(self, number: int) -> None:
        self.heard.append(number)


@pytest.fixture(autouse=True)
def broken() -> None:
    """The world is broken until a test mends it."""
    Scribe.broken = True


async def all_die(sim: Simulation, count: int) -> None:
    Scribe.broken = True
    ref = await sim.spawn(Scribe(), name="ann")
    for number in range(count):
        await ref.tell(Scribe.write(number))
    await sim.converge()
    assert sim.states(Scribe)[0].heard == []


async def replay(dead: Office) -> Errand:
    return await dead.replay(most=None)


@pytest.mark.parametrize("point", ["commit.before_durable", "commit.durable", "turn.begin", "turn.end"])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_crash_in_the_middle_of_a_replay_loses_and_doubles_nothing(point: str, nth: int) -> None:
    async with Simulation(types=[Scribe]) as sim:
        await all_die(sim, 250)
        Scribe.broken = False
        sim.crash_at(point, nth=nth)
        with pytest.raises(Crashed):
            await sim.nodes[0].clients.errand(replay)
        await sim.nodes[0].wait_up()
        await sim.nodes[0].clients.errand(replay)
        await sim.converge()
        assert sim.state(Scribe, "ann").heard == list(range(250))
        check.exactly_once(sim)
        check.fifo(sim)
        assert find_damage(sim.nodes[0].store) == []


@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_crash_in_the_middle_of_a_drop_leaves_whole_pages(nth: int) -> None:
    async with Simulation(types=[Scribe]) as sim:
        await all_die(sim, 250)
        sim.crash_at("commit.before_durable", nth=nth)
        with pytest.raises(Crashed):
            await sim.nodes[0].clients.errand(lambda dead: dead.drop(box="ann", most=None))
        await sim.nodes[0].wait_up()
        assert len(sim.sent(status="dropped")) == 100 * (nth - 1)
        assert len(sim.sent(status="dead")) == 250 - 100 * (nth - 1)
        assert find_damage(sim.nodes[0].store) == []


async def test_a_crash_in_the_middle_of_a_redirect_leaves_each_message_in_one_place() -> None:
    async with Simulation(types=[Scribe, Other]) as sim:
        await all_die(sim, 250)
        ref = await sim.spawn(Other(), name="other")
        sim.crash_at("commit.before_durable", nth=2)
        with suppress(Crashed):
            await sim.nodes[0].clients.errand(lambda dead: dead.redirect(ref, most=None))
        await sim.nodes[0].wait_up()
        await sim.nodes[0].clients.errand(lambda dead: dead.redirect(ref, most=None))
        await sim.converge()
        assert sim.state(Other, "other").heard == list(range(250))
        check.exactly_once(sim)


@operation(number=st.integers(0, 99), mend=st.booleans())
async def send(sim: Simulation, number: int, *, mend: bool) -> None:
    Scribe.broken = not mend
    await sim.ref(Scribe, "ann").tell(Scribe.write(number))


@operation()
async def try_again(sim: Simulation) -> None:
    with suppress(Crashed):
        await sim.nodes[0].clients.errand(replay)


@simulate(plans(send, try_again, faults.crash_at, faults.crash, faults.slow_disk), types=[Scribe])
async def test_whatever_is_replayed_and_whenever_it_crashes_all_promises_hold(sim: Simulation) -> None:
    Scribe.broken = True
    await sim.spawn(Scribe(), name="ann")
    await sim.run_plan()
    await sim.converge()
    Scribe.broken = False
    await sim.nodes[0].clients.errand(replay)
    await sim.converge()
    check.exactly_once(sim)
    check.fifo(sim)


# The lab itself.


@given(numbers=st.lists(st.integers(1, 99), unique=True, min_size=2))
def test_the_lab_knows_the_place_of_what_was_taken_back(numbers: list[int]) -> None:
    sents = [Sent(number, "", "ann", "write", None) for number in numbers]
    late = attrs.evolve(sents[0], number=1, behind=max(numbers), again=1)
    assert Order().find([*sorted(sents, key=lambda sent: sent.number), late]) == ""
    assert "was done before" in Order().find([late, *sents])


async def test_the_lab_notices_that_what_was_never_dead_is_taken_back() -> None:
    async with Simulation(types=[Scribe]) as sim:
        ref = await sim.spawn(Scribe(), name="ann")
        await sim.pause(ref)
        await ref.tell(Scribe.write(1))
        history = sim.nodes[0].history
        (number,) = history.sent
        assert was_dead(history, number).endswith("is taken from the dead letters, and was queued")
