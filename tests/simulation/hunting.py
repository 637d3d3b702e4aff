"""Hunting: how long Hypothesis takes to find a mutant, and to what it shrinks the plan that shows it."""

from __future__ import annotations

import time
from collections.abc import Iterable

import attrs
from hypothesis import HealthCheck, Phase, given, seed, settings

from callboard.testing import InvariantBroken, NotConverged, Plan, run_simulation

from .mutants import Mutant
from .workload import OPTIONS, live, worlds


@attrs.define
class Hunt:
    """One search for one mutant."""

    mutant: Mutant
    runs: int = 0
    """Simulations until it was found, or all of them."""
    seconds: float = 0.0
    """How long that took."""
    shrunk_after: float = 0.0
    """How long that and the shrinking took."""
    plan: Plan | None = None
    """The shrunk plan; None if it was not found."""
    broken: str = ""
    """The invariant that broke."""

    @property
    def found(self) -> bool:
        """Whether some plan showed it."""
        return self.plan is not None

    def attempt(self, plan: Plan, began: float) -> None:
        """Run one plan."""
        self.runs += not self.found
        try:
            run_simulation(live, plan, **OPTIONS)
        except (InvariantBroken, NotConverged) as error:
            if not self.found:
                self.seconds = time.perf_counter() - began
            self.plan = plan
            self.broken = error.name if isinstance(error, InvariantBroken) else "convergence"
            raise


def hunt(mutant: Mutant, examples: int, *, start: int = 0) -> Hunt:
    """Look for a mutant with the one general property; `start` seeds the search."""
    found = Hunt(mutant)
    began = time.perf_counter()

    @seed(start)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(worlds())
    def search(plan: Plan) -> None:
        found.attempt(plan, began)

    with mutant.at_work():
        try:
            search()
        except (InvariantBroken, NotConverged):
            found.shrunk_after = time.perf_counter() - began
    return found


def table(hunts: Iterable[Hunt]) -> str:
    """What was found, as a page shows it."""
    head = "| mutant | promise | what broke | runs | s | s, shrunk | shrunk plan |"
    return "\n".join([head, "|---|---|---|--:|--:|--:|---|", *map(_row, hunts)])


def _row(hunt: Hunt) -> str:
    if hunt.plan is None:
        return f"| {hunt.mutant.name} | {hunt.mutant.promise} | **not found** | {hunt.runs} | | | |"
    numbers = f"{hunt.runs} | {hunt.seconds:.1f} | {hunt.shrunk_after:.1f}"
    plan = repr(hunt.plan).removeprefix("Plan(").removesuffix(")")
    return f"| {hunt.mutant.name} | {hunt.mutant.promise} | {hunt.broken} | {numbers} | `{plan}` |"
