"""Signals, self-kills, forks and rivals: whatever ends a process, its store goes on from there."""

import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from callboard.mailbox.opening import view_disk
from callboard.mailbox.reading import peek, read_counters, show_mailbox
from callboard.mailbox.soundness import find_damage

from .killing import ROOT, acked, kill_loop
from .orders import BOOT

pytestmark = pytest.mark.slow
PATIENCE_S = 30


class Running:
    """One of the programs of `orders`, running."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdout
        assert process.stderr
        self.stdout, self.stderr = process.stdout, process.stderr

    def wait_for(self, word: str) -> None:
        """Wait until it says a line on stdout."""
        line = self.stdout.readline()
        assert word in line, line + self.stderr.read()

    def end(self) -> tuple[int, str, str]:
        """Its exit code, and the rest of what it said on stdout and stderr."""
        said, complained = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said, complained


@contextmanager
def running(name: str, *arguments: object) -> Generator[Running]:
    """Start a program of `orders`, and kill it at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", BOOT, str(ROOT), name, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(process)
    finally:
        process.kill()
        process.communicate()


def done_by_sleeper(store: Path) -> tuple[int, int, bool]:
    """How much the sleeper did, how much mail waits for it, and whether the node had closed the store."""
    view = view_disk(store)
    try:
        assert find_damage(view) == []
        detail = show_mailbox(view, "sleeper")
        assert detail is not None
        state: Any = detail.state
        return state["done"], len(peek(view, "sleeper")), view.identity.clean
    finally:
        view.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_lets_the_turn_in_hand_finish_and_begins_no_other(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with running("sleepy", tmp_path / "store", 0.3) as program:
        program.wait_for("asleep")
        program.process.send_signal(number)
        ended, _, complained = program.end()
    assert ended == code, complained
    assert f"{number.name}: finishing the turns in hand" in complained
    assert "stopped cleanly" in complained
    assert done_by_sleeper(tmp_path / "store") == (1, 1, True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_ends_a_long_drain_at_once_and_loses_nothing(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with running("sleepy", tmp_path / "store", 60) as program:
        program.wait_for("asleep")
        program.process.send_signal(signal.SIGINT)
        while "finishing" not in program.stderr.readline():
            pass
        began = time.monotonic()
        program.process.send_signal(number)
        ended, _, complained = program.end()
    assert ended == code
    assert time.monotonic() - began < 5
    assert "stopped" not in complained
    assert done_by_sleeper(tmp_path / "store") == (0, 2, False)


def test_ctrl_c_at_any_moment_ends_a_program_of_ones_own_and_harms_nothing(tmp_path: Path) -> None:
    loop = kill_loop(tmp_path, seed=1)
    loop.run(30, signal.SIGINT)
    loop.check()
    assert acked(loop) > 30


def test_ctrl_c_in_one_handler_does_not_leave_another_waiting_for_a_commit(tmp_path: Path) -> None:
    """It ended the leading worker, and nobody else committed."""
    with running("pressed_inside", tmp_path / "store") as program:
        ended, _, complained = program.end()
    assert ended == -signal.SIGINT, complained
    assert done_by_sleeper(tmp_path / "store") == (0, 1, True)


def test_the_second_ctrl_c_ends_a_program_whose_disk_does_not_answer() -> None:
    """The kill loop found it: the node had given up closing, and a turn went on waiting for a commit."""
    with running("held_up") as program:
        program.wait_for("asleep")
        for _ in range(2):
            time.sleep(0.2)  # until it waits for the disk; until it closes
            program.process.send_signal(signal.SIGINT)
        ended, _, complained = program.end()
    assert ended == -signal.SIGINT, complained


@pytest.mark.parametrize(("how", "code"), [("exit", 9), ("segfault", -signal.SIGSEGV)])
def test_a_handler_that_ends_its_own_process_costs_nobody_a_message(
    tmp_path: Path, how: str, code: int
) -> None:
    fuse = tmp_path / "fuse"
    fuse.touch()
    arguments = ("explosive", tmp_path / "store", fuse, how)
    with running(*arguments) as program:
        assert program.end()[0] == code
    with running(*arguments) as program:
        ended, said, complained = program.end()
    assert (ended, said) == (0, "101 0\n"), complained
    view = view_disk(tmp_path / "store")
    try:
        assert find_damage(view) == []
        assert read_counters(view).handled == 102
    finally:
        view.close()


def test_a_forked_child_is_refused_and_the_node_of_its_parent_goes_on(tmp_path: Path) -> None:
    with running("forking", tmp_path / "store") as program:
        ended, said, complained = program.end()
    assert ended == 0, complained
    assert said.startswith("StoreForked: ")
    assert said.endswith("\n1\n")


def test_the_second_process_on_a_store_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    with running("second", tmp_path / "store") as first:
        first.wait_for("opened")
        with running("second", tmp_path / "store") as rival:
            ended, said, complained = rival.end()
        assert ended == 0, complained
        assert f"in use by process {first.process.pid} " in said
        first.process.kill()
        first.process.wait()
        with running("second", tmp_path / "store") as heir:
            heir.wait_for("opened")
