"""Hunting: how long Hypothesis takes to find a mutant, and to what it shrinks the plan that shows it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import attrs
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st

from callboard.testing import InvariantBroken, NotConverged, Plan, run_simulation

from .mutants import Mutant
from .workload import OPTIONS, live, worlds


@attrs.frozen
class Property:
    """What a mutant is searched with."""

    plans: Callable[[], st.SearchStrategy[Plan]] = worlds
    live: Callable[..., Awaitable[None]] = live
    options: dict[str, Any] = OPTIONS


GENERAL = Property()
"""All that clients of one node can do, and all that can go wrong."""


@attrs.define
class Hunt:
    """One search for one mutant."""

    mutant: Mutant
    searched_with: Property = GENERAL
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
            run_simulation(self.searched_with.live, plan, **self.searched_with.options)
        except (InvariantBroken, NotConverged) as error:
            if not self.found:
                self.seconds = time.perf_counter() - began
            self.plan = plan
            self.broken = error.name if isinstance(error, InvariantBroken) else "convergence"
            raise


def hunt(mutant: Mutant, examples: int, *, start: int = 0, searched_with: Property = GENERAL) -> Hunt:
    """Look for a mutant with one property; `start` seeds the search."""
    found = Hunt(mutant, searched_with)
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
    @given(searched_with.plans())
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
