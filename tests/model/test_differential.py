"""One plan, run in different ways: what must be equal is.

Plans here hold no race between a timer, a stop or a time-out and something else, so that only
the order between different senders may differ from run to run.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from callboard.actors.schedule import Fair

from .checking import check
from .driving import Story, carry_out
from .pawns import Step
from .plans import plans
from .schedules import Drawn

pytestmark = pytest.mark.virtual

patient = settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
any_plan = plans(timed=False)


def outcome(story: Story) -> Any:
    """What does not depend on who was first."""
    ended, counters = story.ended, story.ended.counters
    return (
        {name: sorted(log) for name, log in ended.logs.items()},
        sorted(ended.dead),
        (counters.accepted, counters.handled, counters.died, counters.discarded, counters.actors),
        [root.outcome for root in story.roots],
    )


async def runs_alike(plan: list[Step], *ways: dict[str, Any]) -> None:
    outcomes: list[Any] = []
    for way in ways:
        story = await carry_out(plan, **way)
        check(story)
        outcomes.append(outcome(story))
    for way, found in zip(ways, outcomes, strict=True):
        assert found == outcomes[0], f"{way} differs from {ways[0]}"


@given(any_plan)
@patient
async def test_turns_that_run_ahead_of_the_disk_end_like_turns_that_wait(plan: list[Step]) -> None:
    await runs_alike(plan, {"speculation": True}, {"speculation": False})


@given(any_plan)
@patient
async def test_encoding_every_hop_changes_nothing(plan: list[Step]) -> None:
    await runs_alike(plan, {"roundtrip": False}, {"roundtrip": True})


@given(any_plan)
@patient
async def test_one_turn_at_a_time_ends_like_many(plan: list[Step]) -> None:
    await runs_alike(plan, {"schedule": Fair(256)}, {"schedule": Fair(1)})


@given(any_plan, st.integers(0, 1000), st.integers(0, 1000))
@patient
async def test_whoever_is_next_the_end_is_the_same(plan: list[Step], one: int, other: int) -> None:
    await runs_alike(plan, {"schedule": Drawn(one)}, {"schedule": Drawn(other, quantum=3)})
