"""Plans of messages, accidents and crashes, against what must be true of any of them.

There is no second implementation here: what a message becomes follows from its program
(see `pawns.fate`), so the model is a few lines of arithmetic over tokens.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from .checking import check
from .driving import carry_out
from .pawns import Step
from .plans import ACCIDENTS, doomed, plans

pytestmark = pytest.mark.virtual


@given(plans(timed=True, extra=ACCIDENTS), st.booleans(), st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow])
async def test_every_message_is_somewhere_exactly_once_whatever_happens(
    plan: list[Step], speculation: bool, roundtrip: bool
) -> None:
    check(await carry_out(plan, speculation=speculation, roundtrip=roundtrip))


@given(st.lists(doomed, min_size=1, max_size=3), st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow])
async def test_what_was_heard_before_a_power_loss_is_never_taken_back(
    plan: list[Step], speculation: bool
) -> None:
    check(await carry_out(plan, speculation=speculation))
