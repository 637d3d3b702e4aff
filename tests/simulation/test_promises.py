"""The promises, under everything that clients can do and everything that can go wrong.

Each property lets the lab hold its invariants (`callboard.testing.invariants`) at every commit and after
every crash, and in the end holds what became of every message against its program (`reckoning`).
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings, strategies as st

from callboard.testing import Plan, Simulation, faults, ops, plans, simulate

from .reckoning import reckon
from .workload import (
    OPTIONS,
    VERBS,
    come_to_an_end,
    later,
    live,
    tell,
    tell_all,
    tell_once,
    worlds,
)
from .worlds import NAMES, Pawn, act, begin, world

PATIENT = settings(deadline=None, report_multiple_bugs=False, suppress_health_check=[HealthCheck.too_slow])
"""Plans are large, and a machine may have other things to do than to draw them."""
CODE_GONE = faults.upgrade([])
CODE_BACK = faults.upgrade([Pawn])


@PATIENT
@simulate(worlds(), **OPTIONS)
async def test_every_promise_holds_whatever_happens(sim: Simulation) -> None:
    await live(sim)


@PATIENT
@simulate(worlds(), **{**OPTIONS, "speculation": False})
async def test_every_promise_holds_if_every_turn_waits_for_the_disk(sim: Simulation) -> None:
    await live(sim)


@PATIENT
@simulate(worlds(), **{**OPTIONS, "quota": 1000})
async def test_every_promise_holds_where_the_store_is_at_its_quota_all_the_time(sim: Simulation) -> None:
    await live(sim)


@PATIENT
@simulate(worlds(), **{**OPTIONS, "park": 3.0})
async def test_every_promise_holds_where_mailboxes_without_an_actor_are_forgotten(sim: Simulation) -> None:
    await live(sim, forgets=True)


def upgrades() -> st.SearchStrategy[Plan]:
    """Plans in which the code of the actors goes and comes."""
    return plans(
        tell, tell_all, later, tell_once, CODE_GONE, CODE_BACK, ops.wait, ops.settle, *faults.ALL, max_ops=12
    )


@PATIENT
@simulate(upgrades(), **OPTIONS)
async def test_mail_of_code_that_is_gone_waits_in_order_and_goes_on_when_it_is_back(sim: Simulation) -> None:
    begin(sim)
    for name in NAMES:
        await sim.spawn(Pawn(), name=name)
    await sim.run_plan()
    await sim.converge()
    await sim.restart(types=[Pawn])
    await come_to_an_end(sim)
    reckon(world())


@PATIENT
@simulate(plans(*VERBS, faults.corrupt_record, *faults.ALL, max_ops=12), **OPTIONS)
async def test_whatever_is_damaged_the_node_runs_and_others_are_served(sim: Simulation) -> None:
    begin(sim)
    for name in NAMES[:2]:
        await sim.spawn(Pawn(), name=name)
    await sim.run_plan()
    await sim.converge()
    ref = await sim.spawn(Pawn(), name="another")
    token = world().root(())
    assert await ref.ask(act(token, ()), timeout=60) == token
