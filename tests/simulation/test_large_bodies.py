"""The promises where bodies lie apart: limits are so low here that every message of the plans is large."""

from __future__ import annotations

import pytest

from callboard.actors.bodies import Bodies
from callboard.actors.endings import Endings
from callboard.actors.spool import Spool
from callboard.testing import Simulation, simulate

from .branches import OPTIONS as LINKED, journeys, live as cross
from .hunting import hunt
from .mutants import Change, Mutant
from .test_promises import PATIENT
from .workload import OPTIONS, live, worlds

SOON = 1000
"""Examples within which a mutant is found."""


@pytest.fixture(autouse=True)
def low(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies are large, and come and go in several commits."""
    monkeypatch.setattr("callboard.actors.bodies.INLINE", 12)
    monkeypatch.setattr("callboard.actors.sending.INLINE", 12)
    monkeypatch.setattr("callboard.mailbox.bodies.CHUNK", 7)
    monkeypatch.setattr("callboard.actors.bodies.PIECE", 2)
    monkeypatch.setattr("callboard.actors.spool.PIECE", 2)
    monkeypatch.setattr("callboard.actors.fetching.PIECE", 2)
    monkeypatch.setattr("callboard.mailbox.bodies.PAGE", 2)
    monkeypatch.setattr("callboard.actors.spool.AT_ONCE", 14)


@PATIENT
@simulate(worlds(), **OPTIONS)
async def test_every_promise_holds_for_large_bodies_whatever_happens(sim: Simulation) -> None:
    await live(sim)


@PATIENT
@simulate(worlds(), **{**OPTIONS, "park": 3.0})
async def test_and_where_mailboxes_without_an_actor_are_forgotten(sim: Simulation) -> None:
    await live(sim, forgets=True)


@PATIENT
@simulate(journeys(2), **LINKED)
async def test_and_between_nodes(sim: Simulation) -> None:
    await cross(sim)


MUTANTS = (
    Mutant(
        "a body stays when its message is handled",
        "G2",
        Change(Endings._count, (("if cell.mail[0].flags & Flag.CHUNKED:", "if False:"),)),
    ),
    Mutant(
        "what a crash leaves of a body is not written down",
        "G2",
        Change(Bodies.loosen, (("self._note()", "pass"),)),
    ),
    Mutant(
        "a body goes with the message that dies",
        "G4",
        Change(
            Endings._done, (("cell.head += 1", "cell.head += 1; self._ledger.bodies.drop(mail.envelope)"),)
        ),
    ),
    Mutant(
        "the body of a message that was sent is still marked as nobody's",
        "G2",
        Change(Spool.lay_ahead, (("bodies.keep(place.number)", "pass"),)),
    ),
    Mutant(
        "half of a body is written",
        "G2",
        Change(Bodies._lay, (("Table.BODIES, chunks)", "Table.BODIES, dict(list(chunks.items())[1:]))"),)),
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_what_would_lose_or_leave_a_body_is_found(mutant: Mutant) -> None:
    found = hunt(mutant, SOON)
    assert found.plan is not None, f"not found in {found.runs} runs"
    assert len(found.plan.ops) <= 4
