"""The guard of `benchmarks/`: that it counts, and that it counts the same every time; not what it counts."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
WORK = ("tell", "ping-pong", "ask", "tell_all")


def load(name: str) -> Any:
    """A file of the benchmarks, which are scripts and no package."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


counting = load("counting")


def nothing() -> None:
    pass


def some(times: int) -> None:
    for _ in range(times):
        nothing()
        len("")


def cost(work: Callable[[int], None], times: int) -> dict[str, float]:
    with counting.counted() as counts:
        work(times)
    return dict(counts)


def test_each_call_and_each_bytecode_is_counted() -> None:
    cost(some, 1)  # some versions of Python see a function's bytecodes only from its second call on
    once, twice, thrice = (cost(some, times) for times in (10, 20, 30))
    first = {name: twice[name] - once[name] for name in once}
    assert first == {name: thrice[name] - twice[name] for name in once}
    assert first["calls"] == first["c_calls"] == 10
    assert first["bytecodes"] >= 50


def test_what_watched_before_watches_again() -> None:
    before = sys.gettrace(), sys.getprofile()
    cost(some, 1)
    assert (sys.gettrace(), sys.getprofile()) == before


@pytest.mark.parametrize(
    ("was", "found", "complaints"),
    [(100.0, 102.9, 0), (100.0, 103.1, 1), (100.0, 50.0, 0), (0.001, 0.02, 0), (0.001, 0.03, 1)],
)
def test_three_percent_more_are_dearer(was: float, found: float, complaints: int) -> None:
    assert len(counting.dearer({"tell": {"calls": found}}, {"tell": {"calls": was}})) == complaints


def test_what_was_never_recorded_is_not_compared() -> None:
    assert counting.dearer({"tell": {"calls": 9.0, "new": 5.0}}, {"tell": {"calls": 9.0}}) == []
    assert counting.dearer({"new": {"calls": 9.0}}, {}) == []


def counts_in(table: str) -> dict[str, dict[str, float]]:
    """What the guard printed, by kind of work."""
    lines = [line.split() for line in table.splitlines()]
    return {work: dict(zip(cells[::2], map(float, cells[1::2]), strict=True)) for work, *cells in lines}


@pytest.mark.slow
def test_two_runs_of_the_guard_count_the_same(tmp_path: Path) -> None:
    """Side by side, on whatever else the machine does: with a clock in it, they would differ."""
    command = [sys.executable, str(BENCHMARKS / "guard.py"), "--quick"]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    runs = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    tables = [run.communicate(timeout=60)[0] for run in runs]
    one, other = map(counts_in, tables)
    assert list(one) == list(WORK)
    for work, counts in one.items():
        assert counts | {"blocks": 0.0} == other[work] | {"blocks": 0.0}
        # What Python keeps for its next use varies a little.
        assert abs(counts["blocks"] - other[work]["blocks"]) < 0.05
        assert counts["bytecodes"] > counts["calls"] > 1
        assert counts["c_calls"] > 1
    assert one["ask"]["commits"] == 1
