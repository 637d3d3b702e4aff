"""Drawn plans reach every order: of actors that are ready, of clients, and of handlers that go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import permutations

import pytest
import trio
from hypothesis import HealthCheck, Phase, given, seed, settings

from callboard import Actor, handler
from callboard.testing import Plan, Simulation, ops, plans, run_simulation

NAMES = ("a", "b", "c", "d")
ALL_ORDERS = set(permutations(NAMES))
EXAMPLES = 4000

_order: list[str] = []


class Runner(Actor, type_name="lab.Runner"):
    """Says when its turn comes."""

    @handler
    async def run(self) -> None:
        _order.append(self.turn.ref.name)

    @handler
    async def write(self, name: str) -> None:
        _order.append(name)

    @handler
    async def run_late(self) -> None:
        await trio.sleep(1)
        _order.append(self.turn.ref.name)


async def actors(sim: Simulation) -> None:
    """Four actors get their mail in one commit."""
    refs = [await sim.spawn(Runner(), name=name) for name in NAMES]
    await sim.tell_all([(ref, Runner.run()) for ref in refs])
    await sim.converge()


async def clients(sim: Simulation) -> None:
    """Four clients send to one actor."""
    ref = await sim.spawn(Runner(), name="all")
    async with trio.open_nursery() as nursery:
        for name in NAMES:
            nursery.start_soon(ref.tell, Runner.write(name))
    await sim.converge()


async def handlers(sim: Simulation) -> None:
    """Four suspended handlers may go on at the same moment."""
    refs = [await sim.spawn(Runner(), name=name) for name in NAMES]
    await sim.tell_all([(ref, Runner.run_late()) for ref in refs])
    await sim.converge()


@pytest.mark.slow
@pytest.mark.parametrize("program", [actors, clients, handlers])
def test_every_order_of_four_is_seen(program: Callable[[Simulation], Awaitable[None]]) -> None:
    assert orders(program) == ALL_ORDERS


@pytest.mark.parametrize("program", [actors, clients, handlers])
def test_a_plan_without_choices_keeps_the_order_in_which_they_became_ready(
    program: Callable[[Simulation], Awaitable[None]],
) -> None:
    assert order(program, Plan()) == NAMES


class AllSeenError(Exception):
    """Nothing is left to look for."""


def orders(program: Callable[[Simulation], Awaitable[None]]) -> set[tuple[str, ...]]:
    """The orders that drawn plans reach."""
    seen: set[tuple[str, ...]] = set()

    @seed(1)  # with which it is soon over
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(plans(ops.settle))
    def look(plan: Plan) -> None:
        seen.add(order(program, plan))
        if seen == ALL_ORDERS:
            raise AllSeenError

    with suppress(AllSeenError):
        look()
    return seen


def order(program: Callable[[Simulation], Awaitable[None]], plan: Plan) -> tuple[str, ...]:
    """In which order they ran under a plan."""
    _order.clear()
    run_simulation(program, plan, types=[Runner])
    return tuple(_order)
