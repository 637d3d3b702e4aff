"""A simulation can be repeated exactly: in one process, and in others whose hashes differ."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from callboard.testing import Plan, faults, ops, run_simulation

from .workload import OPTIONS, ask, ask_once, later, live, pause, spawn, tell, tell_all, tell_once

ROOT = Path(__file__).parents[2]
PLANS = (
    Plan(
        [
            tell("a", (("tell", "b", (("sleep", 1.0),)), ("request", "b", (("refuse",),), 2.0))),
            ask_once("a", "x", (("effect",), ("spawn", "c"))),
            tell_all([("a", (("fail", 2),)), ("b", (("after", 2.0, "k", ()),)), ("c", ())]),
            faults.crash_at("turn.end", nth=4, down=0.1),
            tell_once("b", "x", (("stubborn",), ("stop",))),
            ops.wait(1.0),
            faults.slow_disk(1.0, 30.0),
            ask("b", (("sleep", 0.0), ("tell", "a", ()))),
        ],
        turns=[2, 0, 1, 3, 1],
        tasks=[0, 3, 1, 2, 2, 1],
    ),
    Plan(
        [
            faults.actor_raises(0, 4),
            later("b", (("request", "a", (("sleep", 1.0),), None),), 0.5, "l"),
            pause("b"),
            faults.clock_jump(3600.0),
            tell("a", (("after", 30.0, "k", ()), ("cancel", "k"))),
            faults.fsync_error(wrote=True),
            spawn("c"),
            faults.freeze(30.0),
            faults.restart(),
            faults.disk_full(1.0),
            tell("c", (("tell", "a", ()), ("tell", "b", ()))),
        ],
        turns=[1, 1, 0, 2],
        tasks=[1, 2, 3],
    ),
)
CHILD = """
import sys
sys.path.append(sys.argv[1])  # at the end, so that our mailbox/ does not stand before the standard library's
from tests.simulation.test_determinism import hashes
print(*hashes())
"""


def hashes() -> list[str]:
    """The trace hash of each plan."""
    return [run_simulation(live, plan, **OPTIONS).hash() for plan in PLANS]


@pytest.mark.slow
def test_a_plan_goes_the_same_way_a_hundred_times() -> None:
    assert len({tuple(hashes()) for _ in range(100)}) == 1


@pytest.mark.slow
def test_a_plan_goes_the_same_way_in_processes_with_other_hashes() -> None:
    found = {child(hash_seed) for hash_seed in ("0", "1", "4711")}
    assert found == {" ".join(hashes())}


def child(hash_seed: str) -> str:
    """What another process says."""
    ended = subprocess.run(
        [sys.executable, "-P", "-c", CHILD, str(ROOT)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ended.stdout.strip()
