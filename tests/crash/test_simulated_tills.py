"""The proof that the simulation is honest: one program, killed in a simulation and for real, one reckoning.

The tills of the kill loop sell, and a ledger adds up. The simulated ones crash where a plan says, and the
real ones are killed by SIGKILL on LMDB; both keep the same journals, and are held against the same checks.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings

from callboard.testing import (
    Crashed,
    Journal,
    KillLoop,
    Plan,
    Simulation,
    faults,
    ops,
    plans,
    read_notes,
    reckon,
    run_simulation,
)

from .tills import TILLS, Ledger

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).parent / "tills.py"
SALES = 20


def wrong(notes: Path, sales: dict[str, list[int]]) -> list[str]:
    """What the reckoning says."""
    return reckon(read_notes(notes), {("ledger", till): numbers for till, numbers in sales.items()})


def test_tills_that_are_really_killed_lose_nothing(tmp_path: Path) -> None:
    program = [sys.executable, "-P", str(PROGRAM), str(tmp_path / "store"), str(tmp_path / "notes")]
    loop = KillLoop(
        [*program, "sell"],
        store=tmp_path / "store",
        seed=2,
        last=[*program, "close"],
        checks=[lambda remains: wrong(tmp_path / "notes", remains.state("ledger")["sales"])],
    )
    loop.run(kills=5)
    loop.check()


@given(plan=plans(ops.wait, *faults.ALL, max_ops=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_tills_that_are_killed_in_a_simulation_lose_nothing(
    tmp_path_factory: pytest.TempPathFactory, plan: Plan
) -> None:
    notes = tmp_path_factory.mktemp("notes")
    run_simulation(partial(trade, notes=notes), plan, types=[Ledger])


async def trade(sim: Simulation, notes: Path) -> None:
    """Let the tills sell while the plan goes on."""
    await sim.spawn(Ledger(), name="ledger")
    async with trio.open_nursery() as nursery:
        for till in TILLS:
            nursery.start_soon(sell, sim, till, notes)
        await sim.run_plan()
    await sim.converge()
    assert wrong(notes, sim.state(Ledger, "ledger").sales) == []


async def sell(sim: Simulation, till: str, notes: Path) -> None:
    """Sell one thing after the other; after a crash, go on with the next, as a till that was started anew."""
    journal = Journal(notes, till)
    for _ in range(SALES):
        try:
            with journal.call("ledger") as number:
                await sim.ref(Ledger, "ledger").tell(Ledger.sell(till, number))
        except Crashed:
            journal = Journal(notes, till)
        await trio.sleep(0.1)
