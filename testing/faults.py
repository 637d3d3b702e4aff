"""Faults: accidents as operations of a plan. Each shrinks away if the failure does not need it.

`plans(pay, *faults.ALL)`, or only some, or with arguments of your own: `faults.crash.drawn(down=st.just(0))`.
Durations come from short lists, so that what is left after shrinking is easy to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from .accidents import LINK_POINTS, POINTS, Accidents
from .plan import Verb
from .severing import Severing

if TYPE_CHECKING:
    from ..actors.actor import Actor
    from .simulation import Simulation

MOMENTS = st.sampled_from([0.0, 0.1, 1.0, 30.0])
SPELLS = st.sampled_from([0.1, 1.0, 30.0])
FEW = st.integers(1, 4)


crash = Verb(Accidents.crash, {"after": st.integers(0, 8), "down": MOMENTS}, is_fault=True)
"""Kill the node, `after` some rounds of the scheduler; it starts again after `down` seconds."""
crash_at = Verb(
    Accidents.crash_at,
    {"point": st.sampled_from(POINTS), "nth": FEW, "down": MOMENTS},
    is_fault=True,
)
"""Kill the node at a named point of its code."""
restart = Verb(Accidents.restart, {}, is_fault=True)
"""Close the node and open it again."""
freeze = Verb(Accidents.freeze, {"seconds": SPELLS}, is_fault=True)
"""The node does nothing for a time: a stopped process."""
clock_jump = Verb(
    Accidents.clock_jump, {"seconds": st.sampled_from([1.0, -1.0, 3600.0, -60.0])}, is_fault=True
)
"""Its wall clock is set forward, or back."""
clock_drift = Verb(Accidents.clock_drift, {"rate": st.sampled_from([1.0, 0.5, 2.0])}, is_fault=True)
"""Its wall clock goes too slowly, or too fast."""
disk_full = Verb(Accidents.disk_full, {"seconds": SPELLS}, is_fault=True)
"""The disk takes only what frees room, for a time."""
slow_disk = Verb(Accidents.slow_disk, {"lag": st.sampled_from([0.01, 1.0]), "seconds": SPELLS}, is_fault=True)
"""Every commit takes `lag`, for a time."""
fsync_error = Verb(Accidents.fsync_error, {"wrote": st.booleans()}, is_fault=True)
"""The next commit fails, and ends the node."""
corrupt_record = Verb(Accidents.corrupt_record, {"which": st.integers(0, 5)}, is_fault=True)
"""A record on disk is damaged. What it held cannot be saved, so checks of your own must allow for that."""
actor_raises = Verb(Accidents.actor_raises, {"which": st.integers(0, 3), "times": FEW}, is_fault=True)
"""The next turns of some actor fail."""

ALL = (
    crash,
    crash_at,
    restart,
    freeze,
    clock_jump,
    clock_drift,
    disk_full,
    slow_disk,
    fsync_error,
    actor_raises,
)
"""Every fault that loses nothing; `corrupt_record` stands apart."""


partition = Verb(
    Severing.partition, {"seconds": SPELLS, "both": st.sampled_from([True, False])}, is_fault=True
)
"""Nothing comes through between two nodes, or one way only, for a time."""
hold = Verb(Severing.hold, {"seconds": SPELLS}, is_fault=True)
"""What is sent from one node to another waits for a time."""
delay = Verb(Severing.delay, {"by": st.sampled_from([0.01, 0.1, 3.0])}, is_fault=True)
"""Everything from one node to another takes its time."""
drop = Verb(Severing.drop, {"count": FEW}, is_fault=True)
"""The next frames from one node to another are lost."""
duplicate = Verb(Severing.duplicate, {"count": FEW, "late": MOMENTS}, is_fault=True)
"""The next frames from one node to another come twice."""
reorder = Verb(
    Severing.reorder, {"count": FEW, "by": st.sampled_from([0.05, 1.0, 30.0])}, is_fault=True, name="overtake"
)
"""The next frames from one node to another are overtaken; named so, as machines have a rule `reorder`."""
overtake = reorder
cut = Verb(Severing.cut, {"heard": st.sampled_from([True, False])}, is_fault=True)
"""All wires between two nodes break."""
crash_at_link = Verb(
    Accidents.crash_at,
    {"point": st.sampled_from(LINK_POINTS), "nth": FEW, "down": MOMENTS},
    is_fault=True,
    name="crash_at_link",
)
"""Kill the node at a named point of its links."""

NETWORK = (partition, hold, delay, drop, duplicate, reorder, cut, crash_at_link)
"""Every fault of the network and of links; none loses anything. `plans(nodes=2)` draws them by itself."""


def upgrade(types: list[type[Actor]]) -> Verb:
    """Close the node and open it with other code, over the mail that the old code left."""

    async def restart_with(sim: Simulation, node: int = 0) -> None:
        await sim.restart(node=node, types=types)

    return Verb(restart_with, {}, is_fault=True, name="upgrade")
