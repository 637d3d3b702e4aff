"""The failure lab finds bugs of links: every mutant of them, with one property, in a few steps."""

from __future__ import annotations

from functools import partial

import pytest

from .branches import OPTIONS, journeys, live
from .hunting import Hunt, Property, hunt, table
from .link_mutants import LINK_MUTANTS
from .mutants import Mutant

MOST_OPS = 6
SOON = 2000
"""Examples within which the suite finds every mutant."""
LONG = 20_000
STARTS = {"the sender never goes back": 8, "a gap is taken as if nothing was missing": 3}
"""Seeds with which the suite need not search for long; the hunt takes another for each mutant."""
TWO_NODES = Property(partial(journeys, 2), live, OPTIONS)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", LINK_MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_every_mutant_of_links_is_found_and_shrunk_to_a_few_steps(mutant: Mutant) -> None:
    found = hunt(mutant, SOON, start=STARTS.get(mutant.name, 0), searched_with=TWO_NODES)
    assert found.plan is not None, f"not found in {found.runs} runs"
    assert len(found.plan.ops) <= MOST_OPS


@pytest.mark.hunt
def test_the_table_of_mutants_of_links() -> None:
    hunts: list[Hunt] = []
    for number, mutant in enumerate(LINK_MUTANTS, 1):
        hunts.append(hunt(mutant, LONG, start=200 + number, searched_with=TWO_NODES))
        print(table(hunts[-1:]).splitlines()[-1], flush=True)
    assert all(each.found for each in hunts)
