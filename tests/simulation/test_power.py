"""The failure lab finds bugs: every mutant of the runtime, with one general property, in a few steps.

`./hunt tests/simulation/test_power.py -s` prints the table of docs/power.md.
"""

from __future__ import annotations

import pytest

from callboard.testing import Plan, run_simulation

from .hunting import Hunt, hunt, table
from .mutants import MUTANTS, Mutant
from .workload import OPTIONS, live, tell

MOST_OPS = 6
SOON = 2000
"""Examples within which the suite finds every mutant."""
LONG = 20_000
STARTS = {
    "acknowledged before the sync": 5,
    "reply before commit": 2,
    "refusal before commit": 5,
    "effect key leaks before commit": 1,
    "gate of G6 missing": 1,
    "zombie task after a crash": 5,
    "timer early": 5,
    "cancelled timer runs": 3,
    "state outside the batch": 3,
    "sent before the turn's end": 2,
    "batch half applied": 4,
    "refused turn leaves traces": 1,
    "mail lost at passivation": 3,
    "answer of a request lost": 1,
}
"""Seeds with which the suite need not search for long; the hunt takes another for each mutant."""


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_every_mutant_is_found_and_shrunk_to_a_few_steps(mutant: Mutant) -> None:
    found = hunt(mutant, SOON, start=STARTS.get(mutant.name, 0))
    assert found.plan is not None, f"not found in {found.runs} runs"
    assert len(found.plan.ops) <= MOST_OPS


def test_a_mutant_is_gone_when_its_block_ends() -> None:
    plan = Plan([tell("a", (("fail", 2),))])
    before = run_simulation(live, plan, **OPTIONS).hash()
    for mutant in MUTANTS:
        with mutant.at_work():
            pass
    assert run_simulation(live, plan, **OPTIONS).hash() == before


@pytest.mark.hunt
def test_the_table_of_mutants() -> None:
    hunts: list[Hunt] = []
    for number, mutant in enumerate(MUTANTS, 1):
        hunts.append(hunt(mutant, LONG, start=100 + number))
        print(table(hunts[-1:]).splitlines()[-1], flush=True)
    assert all(each.found for each in hunts)
