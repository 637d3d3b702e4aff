"""Links under everything that a network, a disk and a process can do: conservation, FIFO, once in effect."""

from __future__ import annotations

import pytest
import trio
from hypothesis import HealthCheck, settings

from callboard.testing import Plan, Simulation, faults, run_simulation, simulate
from callboard.testing.accidents import LINK_POINTS

from .branches import (
    OPTIONS,
    Branch,
    add,
    at,
    away,
    collect,
    follow,
    journeys,
    live,
    reckon,
    storms,
    transfer,
)

PATIENT = settings(deadline=None, report_multiple_bugs=False, suppress_health_check=[HealthCheck.too_slow])
EVERYTHING = [
    transfer(other=1, amount=1),
    collect(other=1, amount=2),
    add(other=1, amount=3),
    follow(other=1),
]
BOTH_WAYS = [*EVERYTHING, transfer(other=0, amount=4, node=1), collect(other=0, amount=5, node=1)]


@settings(PATIENT, max_examples=800)
@simulate(storms(2), **OPTIONS)
async def test_two_nodes_in_a_bad_network(sim: Simulation) -> None:
    await live(sim)


@settings(PATIENT, max_examples=800)
@simulate(journeys(2), **OPTIONS)
async def test_two_nodes_whatever_happens(sim: Simulation) -> None:
    await live(sim)


@settings(PATIENT, max_examples=500)
@simulate(journeys(3), **OPTIONS)
async def test_three_nodes_whatever_happens(sim: Simulation) -> None:
    await live(sim)


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("node", [0, 1])
@pytest.mark.parametrize("point", LINK_POINTS)
def test_a_crash_at_a_point_of_a_link_loses_and_doubles_nothing(point: str, node: int, nth: int) -> None:
    plan = Plan([faults.crash_at_link(point, nth=nth, node=node), *BOTH_WAYS], nodes=2)
    trace = run_simulation(live, plan, **OPTIONS)
    # What is there before the second or third time depends on how much a frame takes.
    crashes = [event for event in trace.events if event.what == f"CRASH at {point}"]
    assert crashes or nth > 1


def test_a_perfect_network_hands_everything_over_at_once() -> None:
    trace = run_simulation(live, Plan(BOTH_WAYS, nodes=2), **OPTIONS)
    assert [event.at < 1 for event in trace.events if event.what == "link.handed_over"].count(False) == 0


@simulate(nodes=2, **OPTIONS)
async def test_mail_waits_for_the_end_of_a_partition(sim: Simulation) -> None:
    await begin(sim)
    sim.partition(30)
    await at(sim, 0).tell(Branch.pay(away(sim, 0, 1), 5))
    await trio.sleep(29)
    assert sim.state(Branch, "b1", node=1).balance == 100
    await trio.sleep(30)
    assert sim.state(Branch, "b1", node=1).balance == 105
    await sim.converge()
    reckon(sim)


@simulate(nodes=2, **OPTIONS)
async def test_a_partition_in_which_only_acknowledgements_are_lost_doubles_nothing(sim: Simulation) -> None:
    await begin(sim)
    sim.partition(12, node=1, other=0, both=False)
    for _ in range(20):
        await at(sim, 0).tell(Branch.pay(away(sim, 0, 1), 1))
    await trio.sleep(11)
    assert sim.state(Branch, "b1", node=1).balance == 120
    await sim.converge()
    assert sim.state(Branch, "b1", node=1).balance == 120
    reckon(sim)


@pytest.mark.parametrize("late", [0.0, 1.0, 30.0, 300.0])
def test_frames_that_come_twice_at_any_age_are_taken_once(late: float) -> None:
    async def test(sim: Simulation) -> None:
        await begin(sim)
        for node in 0, 1:
            sim.duplicate(100, late=late, node=node, other=1 - node)
        for number in range(30):
            for node in 0, 1:
                await at(sim, node).tell(Branch.pay(away(sim, node, 1 - node), 1))
            if number % 10 == 9:
                sim.cut(node=number % 2, heard=number == 9)
            await trio.sleep(0.5)
        await trio.sleep(late)
        await sim.converge()
        reckon(sim)

    run_simulation(test, nodes=2, **OPTIONS)


@simulate(nodes=2, **OPTIONS)
async def test_a_link_with_an_old_copy_of_a_store_stops_and_doubles_nothing(sim: Simulation) -> None:
    await begin(sim)
    old = sim.copy_store(node=0)
    for _ in range(3):
        await at(sim, 0).tell(Branch.pay(away(sim, 0, 1), 1))
    await trio.sleep(1)
    assert sim.state(Branch, "b1", node=1).balance == 103
    await sim.put_store_back(old, node=0)
    await at(sim, 0).tell(Branch.pay(away(sim, 0, 1), 1))
    await trio.sleep(60)
    assert sim.state(Branch, "b1", node=1).balance == 103
    life = sim.nodes[0].life
    assert life is not None
    assert life.node.links is not None
    [status] = life.node.links.status()
    assert not status.connected
    assert "old copy" in status.trouble


@simulate(nodes=2, **OPTIONS)
async def test_a_taker_with_an_old_copy_of_its_store_stops_the_link(sim: Simulation) -> None:
    await begin(sim)
    old = sim.copy_store(node=1)
    for _ in range(3):
        await at(sim, 0).tell(Branch.pay(away(sim, 0, 1), 1))
    await trio.sleep(1)
    await sim.put_store_back(old, node=1)
    await at(sim, 0).tell(Branch.pay(away(sim, 0, 1), 1))
    await trio.sleep(60)
    assert sim.state(Branch, "b1", node=1).balance == 100
    life = sim.nodes[0].life
    assert life is not None
    assert life.node.links is not None
    assert "old copy" in life.node.links.status()[0].trouble


@simulate(nodes=3, **OPTIONS)
async def test_a_frozen_node_and_a_jumping_clock_hold_up_nobody_else(sim: Simulation) -> None:
    await begin(sim)
    sim.freeze(30, node=0)
    sim.clock_jump(-3600, node=1)
    await at(sim, 1).tell(Branch.pay(away(sim, 1, 2), 5))
    await at(sim, 2).tell(Branch.pay(away(sim, 2, 0), 5))
    await trio.sleep(20)
    assert [sim.state(Branch, f"b{node}", node=node).balance for node in range(3)] == [100, 95, 100]
    await sim.converge()
    reckon(sim)


@pytest.mark.hunt
@settings(PATIENT, max_examples=100_000)
@simulate(journeys(3), **OPTIONS)
async def test_a_hundred_thousand_schedules_of_three_nodes(sim: Simulation) -> None:
    await live(sim)


async def begin(sim: Simulation) -> None:
    for node in range(sim.count):
        await sim.spawn(Branch(), name=f"b{node}", node=node)
    await trio.sleep(1)  # all are linked
