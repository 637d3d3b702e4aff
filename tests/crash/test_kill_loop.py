"""The kill loop as its users have it: ordinary programs, none of which knows that it will be killed."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from callboard.testing.child import wait_free
from callboard.testing.errors import InvariantBroken
from callboard.testing.journal import read_notes
from callboard.testing.killing import KillLoop
from callboard.testing.kills import ProgramFailed
from callboard.testing.moments import Moment, Stage
from callboard.testing.reckoning import reckon
from callboard.testing.remains import Remains, look_into

from .killing import ROOT

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).parent / "tills.py"


def tills(tmp_path: Path, shift: str) -> list[str]:
    return [sys.executable, "-P", str(PROGRAM), str(tmp_path / "store"), str(tmp_path / "notes"), shift]


def selling(tmp_path: Path, shift: str = "sell") -> KillLoop:
    """A loop over the tills."""

    def all_sales_are_booked(remains: Remains) -> Iterable[str]:
        sales: dict[str, list[int]] = remains.state("ledger")["sales"]
        return reckon(
            read_notes(tmp_path / "notes"), {("ledger", till): numbers for till, numbers in sales.items()}
        )

    return KillLoop(
        tills(tmp_path, shift),
        store=tmp_path / "store",
        seed=1,
        last=tills(tmp_path, "close"),
        checks=[all_sales_are_booked],
    )


def test_a_script_that_keeps_journals_loses_nothing_by_kills(tmp_path: Path) -> None:
    loop = selling(tmp_path)
    loop.run(kills=5)
    loop.check()
    assert loop.kills == 5
    assert sum(kill.said.count("\n") for kill in loop.history) > 20


def test_a_script_that_believes_too_early_is_found_and_the_report_can_be_read(tmp_path: Path) -> None:
    with selling(tmp_path, "sell-carelessly") as loop:
        loop.kill(Moment("north", count=20))
        loop.drain()
    with pytest.raises(InvariantBroken) as found:
        loop.check()
    report = str(found.value)
    assert " in 1 kill (seed 1):\n" in report
    assert "after the last run: acknowledged and never handled: ('ledger', 'north', " in report
    assert "kill 1: SIGKILL as soon as it said 'north' 20 times (run 1)" in report
    assert "callboard: made a new store in " in report
    assert f"callboard ls --store {tmp_path / 'store'}" in report


def test_the_bank_of_the_examples_pays_its_rent_once_whenever_it_is_killed(tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples/bank/bank.py", tmp_path)
    store = tmp_path / "bank.store"
    loop = KillLoop([sys.executable, "-P", "bank.py"], store=store, seed=2, cwd=tmp_path)
    loop.run(kills=3)
    loop.check()
    with look_into(store) as remains:
        assert remains.state("bob")["balance"] == 60
        assert remains.state("ann")["balance"] == 100 + 30 - 50 - 60


def test_the_bank_of_the_examples_can_be_run_again_and_again(tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples/bank/bank.py", tmp_path)
    for _ in range(4):
        said = subprocess.check_output([sys.executable, "-P", "bank.py"], cwd=tmp_path, text=True)
        assert "Ann withdraws 50: 80 left" in said


def test_a_function_is_run_over_the_store_and_killed_as_well(tmp_path: Path) -> None:
    loop = KillLoop("counter:main", store=tmp_path / "store", seed=1, cwd=ROOT / "examples")
    loop.run(kills=10)
    loop.check()
    with look_into(tmp_path / "store") as remains:
        assert remains.state("counter")["count"] >= 1


def test_a_polite_signal_counts_as_a_kill(tmp_path: Path) -> None:
    with selling(tmp_path) as loop:
        for number in (signal.SIGTERM, signal.SIGINT):
            kill = loop.kill(Moment("\n", count=5), number)
            assert kill is not None
            assert kill.code == 128 + number
    assert loop.violations == []


def test_a_program_is_killed_as_it_starts_opens_and_closes(tmp_path: Path) -> None:
    with selling(tmp_path) as loop:
        assert loop.kill(Moment(Stage.STARTED, seconds=0.01)) is not None
        assert not (tmp_path / "store").exists()
        assert loop.kill(Moment(Stage.OPENED)) is not None
        assert loop.kill(Moment("\n", count=5, closing=0.001)) is not None
    assert loop.violations == []


def test_a_program_behind_a_shell_is_killed_too(tmp_path: Path) -> None:
    script = '"$@"; true'
    store = tmp_path / "store"
    with KillLoop(["sh", "-c", script, "sh", *tills(tmp_path, "sell")], store=store) as loop:
        loop.kill(Moment("\n", count=5))
        loop.kill(Moment("\n", count=5))
    wait_free(store)
    assert loop.violations == []


def test_a_last_run_that_stays_open_is_ended_when_it_has_nothing_more_to_do(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with KillLoop("tests.crash.tills:stay_open", store=store, cwd=ROOT, quiet=0.1) as loop:
        loop.drain()
    loop.check()
    with look_into(store) as remains:
        assert remains.store.identity.clean


def test_damage_is_told_with_the_kill_after_which_it_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damage(_: Remains) -> list[str]:
        return ["a mailbox is missing"]

    monkeypatch.setattr(Remains, "damage", damage)
    loop = selling(tmp_path)
    loop.run(kills=3)
    (violation,) = loop.violations
    assert violation.startswith(f"after kill {loop.kills}: SIGKILL ")
    assert violation.endswith(": a mailbox is missing")


def test_a_program_that_does_not_start_again_after_a_kill_is_told_with_it(tmp_path: Path) -> None:
    once = f"test -e {tmp_path}/was-here && exit 7; touch {tmp_path}/was-here; "
    command = ["sh", "-c", once + '"$@"', "sh", *tills(tmp_path, "sell")]
    with KillLoop(command, store=tmp_path / "store") as loop:
        loop.kill(Moment("\n"))
        with pytest.raises(
            ProgramFailed, match=r"(?s)run 2, the one after kill 1: SIGKILL .* with exit code 7"
        ):
            loop.kill(Moment("\n"))


@contextmanager
def ctrl_c_after(seconds: float) -> Generator[None]:
    """Raise what Ctrl-C raises."""

    def press(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, press)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("importable", [False, True], ids=["command", "function"])
def test_a_ctrl_c_in_the_middle_leaves_no_process(tmp_path: Path, importable: bool) -> None:
    store = tmp_path / "store"
    program = "tests.crash.tills:stay_open" if importable else tills(tmp_path, "sell")
    loop = KillLoop(program, store=store, cwd=ROOT)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), ctrl_c_after(1.0), loop:
        loop.kill(Moment("never said"))
    assert time.monotonic() - began < 10
    wait_free(store)
