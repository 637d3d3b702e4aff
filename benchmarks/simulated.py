"""Simulated runs a second, beside what Hypothesis and `trio.run` take by themselves."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from sizes import Measured, Sizes, check
from trio.testing import MockClock

from callboard import Actor, ActorRef, handler
from callboard.testing import Plan, Simulation, faults, operation, ops, plans, run_simulation

OPS = 20
NAMES = ("ann", "bob", "eve")


class Purse(Actor, type_name="benchmark.Purse"):
    coins: int = 100

    @handler
    async def take(self, coins: int) -> None:
        self.coins += coins

    @handler
    async def give(self, to: ActorRef["Purse"], coins: int) -> None:
        self.coins -= coins
        await to.tell(Purse.take(coins))


@operation(source=st.sampled_from(NAMES), target=st.sampled_from(NAMES), coins=st.integers(1, 9))
async def give(sim: Simulation, source: str, target: str, coins: int) -> None:
    await sim.ref(Purse, source).tell(Purse.give(sim.ref(Purse, target), coins))


@operation(source=st.integers(0, 2), coins=st.integers(1, 9))
async def far_give(sim: Simulation, source: int, coins: int) -> None:
    target = (source + 1) % 3
    there = sim.ref(Purse, f"{NAMES[target]}@n{target}", node=source)
    await sim.ref(Purse, NAMES[source], node=source).tell(Purse.give(there, coins))


STEPS = (give, give, give, ops.wait, faults.crash, faults.crash_at)


def _plan_of(length: int) -> Plan:
    """A plan of the length that counts, one in seven of its steps a crash."""
    rest = [faults.crash() if n % 7 == 6 else give(NAMES[n % 3], NAMES[n // 3 % 3], 1) for n in range(length)]
    return Plan(rest)


async def _money(sim: Simulation) -> None:
    for name in NAMES:
        await sim.spawn(Purse(), name=name)
    await sim.run_plan()
    await sim.converge()
    check("coins", sum(purse.coins for purse in sim.states(Purse)), 100 * len(NAMES))


def _rate(run: Callable[[], object], times: int) -> Measured:
    run()
    began = time.perf_counter()
    for _ in range(times):
        run()
    return {"value": times / (time.perf_counter() - began)}


def _drawn(body: Callable[[Plan], object], times: int) -> Measured:
    """Examples a second of a property over plans that Hypothesis draws."""
    quietly = settings(
        max_examples=times,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    count = 0

    @quietly
    @given(plans(*STEPS, max_ops=OPS))
    def run(plan: Plan) -> None:
        nonlocal count
        count += 1
        body(plan)

    began = time.perf_counter()
    run()
    return {"value": count / (time.perf_counter() - began)}


def runs(sizes: Sizes, _folder: Path) -> Measured:
    """One plan of 20 operations, over and over."""
    plan = _plan_of(OPS)
    return _rate(lambda: run_simulation(_money, plan, types=[Purse]), sizes.simulations)


async def _far_money(sim: Simulation) -> None:
    for number, name in enumerate(NAMES):
        await sim.spawn(Purse(), name=name, node=number)
    await sim.run_plan()
    await sim.converge()
    check(
        "coins",
        sum(purse.coins for node in range(3) for purse in sim.states(Purse, node=node)),
        100 * len(NAMES),
    )


def cluster_runs(sizes: Sizes, _folder: Path) -> Measured:
    """The same on three linked nodes, so that every coin crosses a link."""
    steps: list[Any] = [faults.crash(node=n % 3) if n % 7 == 6 else far_give(n % 3, 1) for n in range(OPS)]
    plan = Plan(steps, nodes=3)
    return _rate(lambda: run_simulation(_far_money, plan, types=[Purse]), sizes.simulations // 4)


def property_runs(sizes: Sizes, _folder: Path) -> Measured:
    """Plans of up to 20 operations, drawn by Hypothesis."""
    return _drawn(lambda plan: run_simulation(_money, plan, types=[Purse]), sizes.simulations)


def hypothesis_alone(sizes: Sizes, _folder: Path) -> Measured:
    """The same plans, drawn and thrown away."""
    return _drawn(lambda _: None, sizes.simulations)


def trio_alone(sizes: Sizes, _folder: Path) -> Measured:
    """`trio.run` of nothing, on a virtual clock."""

    async def nothing() -> None:
        pass

    return _rate(lambda: trio.run(nothing, clock=MockClock(autojump_threshold=0)), sizes.simulations)
