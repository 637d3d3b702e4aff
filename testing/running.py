"""Running simulated tests: one run, or as many as Hypothesis asks for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, cast

import trio
from hypothesis import Phase, given, settings, strategies as st
from trio.testing import MockClock

from .errors import NotDeterministic, SimulationError
from .plan import Plan
from .simulation import Simulation
from .trace import Trace, first_difference

Test = Callable[..., Awaitable[None]]
PHASES = tuple(phase for phase in Phase if phase is not Phase.explain)
"""To explain a failure Hypothesis traces every line of the runtime, and ours is the better explanation."""
REPEATED = 50
"""Every so many examples one is run twice, to see whether it repeats."""


def run_simulation(test: Test, plan: Plan | None = None, *args: Any, **options: Any) -> Trace:
    """Run an async test in a simulation, on a virtual clock; returns its trace.

    Args:
        test: takes a `Simulation`, and then `args`.
        plan: what `sim.run_plan()` does.
        args: handed to the test.
        options: as of `Simulation`.

    Raises:
        InvariantBroken, NotConverged, or whatever the test raises; with a report in its notes.
    """
    plan = plan or Plan()
    options.setdefault("nodes", plan.nodes)
    sim = Simulation(plan=plan, **options)

    async def main() -> None:
        async with sim:
            await test(sim, *args)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    return sim.trace


def simulate(
    plans: st.SearchStrategy[Plan] | None = None, /, **options: Any
) -> Callable[[Test], Callable[[], None]]:
    """Make an async test of a simulation one that any test runner can call.

        @simulate(plans(pay, faults.crash, faults.disk_full))
        async def test_money_is_conserved(sim: Simulation) -> None:
            ...                         # spawn actors
            await sim.run_plan()        # phase 1: the plan, with its faults; promises hold all the time
            await sim.converge()        # phase 2: faults are over; all mail must be handled
            check.exactly_once(sim)

    With a strategy of plans the test runs once for each plan that Hypothesis draws; `@settings` and
    `@example(Plan(...))` go above or below. Without one it runs once. Now and then a run is made twice, and
    must go the same way.

    Args:
        plans: draws plans; see `callboard.testing.plans`.
        options: as of `Simulation`.
    """
    if not isinstance(cast(object, plans), st.SearchStrategy | None):
        raise SimulationError("write @simulate() with parentheses, and give it plans(...) or nothing")

    def decorate(test: Test) -> Callable[[], None]:
        _check_test(test)
        runs = 0

        def run_plan(plan: Plan) -> None:
            nonlocal runs
            runs += 1
            _run_repeatably(test, plan, options, twice=runs % REPEATED == 1)

        if plans is None:
            return cast(Callable[[], None], _named(lambda: run_plan(Plan()), test, ()))
        parameter = inspect.Parameter("plan", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        decorated: Any = given(plan=plans)(_named(run_plan, test, (parameter,)))
        if not hasattr(test, "_hypothesis_internal_settings_applied"):
            # As settings(...) would set them, but not so that @settings above would be a second one.
            ours = settings(deadline=None, report_multiple_bugs=False, phases=PHASES)
            decorated._hypothesis_internal_use_settings = ours  # noqa: SLF001
        return cast(Callable[[], None], decorated)

    return decorate


def _named(run: Callable[..., None], test: Test, parameters: tuple[inspect.Parameter, ...]) -> Any:
    """A function with a test's name and settings, and a signature of its own."""

    @functools.wraps(test)
    def named(*args: Any, **kwargs: Any) -> None:
        run(*args, **kwargs)

    function: Any = named
    del function.__wrapped__
    function.__signature__ = inspect.Signature(parameters)
    return function


def _check_test(test: Test) -> None:
    if not inspect.iscoroutinefunction(test):
        raise SimulationError("a simulated test is an async function that takes the simulation: async def")
    if len(inspect.signature(test).parameters) != 1:
        raise SimulationError(f"{test.__name__} must take one parameter, the simulation")


def _run_repeatably(test: Test, plan: Plan, options: dict[str, Any], *, twice: bool) -> None:
    """Run a test once, or twice to compare.

    Raises:
        NotDeterministic: the second run went another way.
    """
    first = run_simulation(test, plan, **options)
    if not twice:
        return
    second = run_simulation(test, plan, **options)
    if first.hash() != second.hash():
        raise NotDeterministic(
            f"two runs of one plan differ: {first_difference(first, second)}. Something in the test or in a "
            "handler depends on what a simulation does not control: datetime.now(), a global variable, the "
            "order of a set, an object's id"
        )
