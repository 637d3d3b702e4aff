"""What the failure lab has found: the shrunk plans, and the story of each."""

from __future__ import annotations

from functools import partial

from callboard.testing import Plan, faults, ops, run_simulation

from .workload import OPTIONS, live, tell


def test_a_node_whose_disk_breaks_while_it_closes_ends() -> None:
    """The closing node went round for ever, without giving way, in the hope of a last commit.

    One turn had ended, and the disk broke before its batch was sealed: nothing was on its way to
    the disk that could have failed, and what was left could not be committed any more (G17).
    """
    asleep = (("sleep", 1.0),)
    plan = Plan(
        [
            tell("a", asleep),
            tell("b", asleep),
            ops.wait(0.1),
            faults.crash_at("turn.resumed", nth=2),
            faults.restart(),
        ]
    )
    run_simulation(live, plan, **OPTIONS)


def test_an_actor_that_is_spawned_where_a_mailbox_was_forgotten_begins_anew() -> None:
    """The lab took its first life in the new mailbox for the first life in the old one."""
    plan = Plan([tell("a", (("stop",),)), ops.wait(60.0), tell("a", ())])
    run_simulation(partial(live, forgets=True), plan, **{**OPTIONS, "park": 3.0})
