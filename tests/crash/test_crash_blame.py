"""Crash blame (G8): processes that are ended by a message, and processes that are ended by others."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from callboard.mailbox.inhand import FILE, SIZE
from callboard.mailbox.opening import view_disk
from callboard.mailbox.reading import list_dead, show_mailbox
from callboard.mailbox.soundness import find_damage
from callboard.mailbox.suspects import Suspect, read_suspects

from .blamed import BOOT, GRACE_S, OTHERS
from .killing import ROOT
from .memory_limit import GROUP, limited

pytestmark = pytest.mark.slow
PATIENCE_S = 30


class Programs:
    """Runs of the program over one store, and what they leave."""

    def __init__(self, place: Path, how: str) -> None:
        self.store, self.fuse, self._how = place / "store", place / "fuse", how
        self.fuse.touch()

    def start(self) -> "subprocess.Popen[str]":
        """Start it."""
        return subprocess.Popen(
            [sys.executable, "-P", "-c", BOOT, str(ROOT), str(self.store), self._how, str(self.fuse)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> int:
        """Run it to its end; how it ended."""
        process = self.start()
        try:
            _, complained = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
        assert "Traceback" not in complained, complained
        return process.returncode

    def kill_in_hand(self, after_s: float) -> None:
        """Run it, and kill it so long after its handler has begun."""
        process = self.start()
        assert process.stdout
        try:
            assert "in hand" in process.stdout.readline()
            time.sleep(after_s)
        finally:
            process.kill()
            process.communicate()

    def crashes(self) -> int:
        """Run it until it ends well; how often it did not."""
        for count in range(10):
            if self.run() == 0:
                return count
        raise AssertionError("it crashes for ever")

    def dead(self) -> list[str]:
        """Why each dead letter died."""
        view = view_disk(self.store)
        try:
            assert find_damage(view) == []
            return [letter.reason for letter in list_dead(view)]
        finally:
            view.close()

    def suspects(self) -> list[Suspect]:
        """Whom the last run suspected."""
        view = view_disk(self.store)
        try:
            return list(read_suspects(view).values())
        finally:
            view.close()

    def done(self, name: str) -> int:
        """How many messages an actor has counted."""
        view = view_disk(self.store)
        try:
            detail = show_mailbox(view, name)
            assert detail is not None
            assert detail.view.mail == 0
            state: Any = detail.state
            return int(state["done"])
        finally:
            view.close()


@pytest.mark.parametrize("how", ["exit", "segfault", "kill", "exit/later"])
def test_a_message_dies_after_three_crashes_alone_and_nobody_else_is_blamed(tmp_path: Path, how: str) -> None:
    programs = Programs(tmp_path, how)
    assert programs.crashes() == 4  # the one that made it a suspect, and three alone
    assert programs.dead() == ["crashed"]
    assert programs.suspects() == []
    assert programs.done("poison") == 1
    assert [programs.done(other) for other in OTHERS] == [1] * len(OTHERS)


def test_a_message_that_uses_up_the_memory_dies_after_three_crashes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limited() as group:
        if group is None:
            pytest.skip("no control group can be made here, in which memory is scarce")
        monkeypatch.setenv(GROUP, str(group))
        programs = Programs(tmp_path, "memory")
        assert programs.run() == -9, "the kernel kills with SIGKILL"
        assert programs.crashes() == 3
        assert programs.dead() == ["crashed"]
        assert programs.done("poison") == 1
        assert [programs.done(other) for other in OTHERS] == [1] * len(OTHERS)


def test_a_poison_that_never_reached_the_disk_is_found_by_letting_nothing_run_ahead(tmp_path: Path) -> None:
    programs = Programs(tmp_path, "exit/sent")
    assert programs.crashes() == 5  # the first one named a message that nobody has
    assert programs.dead() == ["crashed"]
    assert [programs.done(other) for other in OTHERS] == [1] * len(OTHERS)


@pytest.mark.parametrize("how", ["wait", "sleep", "spin"])
def test_an_operators_kill_in_a_slow_handler_never_makes_a_dead_letter(tmp_path: Path, how: str) -> None:
    programs = Programs(tmp_path, how)
    for _ in range(10):
        programs.kill_in_hand(0.1 if how == "wait" else 3 * GRACE_S)
    assert all(suspect.crashes == 0 for suspect in programs.suspects())
    programs.fuse.unlink()
    assert programs.run() == 0
    assert (programs.dead(), programs.suspects()) == ([], [])
    assert programs.done("poison") == 2
    assert [programs.done(other) for other in OTHERS] == [1] * len(OTHERS)


def test_a_message_that_is_mended_after_three_crashes_alone_is_dead(tmp_path: Path) -> None:
    programs = Programs(tmp_path, "exit")
    for crashes in (None, 0, 1, 2):
        assert programs.run() == 9
        assert [suspect.crashes for suspect in programs.suspects()] == ([] if crashes is None else [crashes])
    programs.fuse.unlink()
    # Three crashes alone are three: that the bug is gone helps only before the third.
    assert programs.run() == 0
    assert (programs.dead(), programs.suspects()) == (["crashed"], [])


def test_a_message_that_is_mended_in_time_is_handled_and_suspected_no_more(tmp_path: Path) -> None:
    programs = Programs(tmp_path, "exit")
    assert [programs.run() for _ in range(3)] == [9] * 3
    programs.fuse.unlink()
    assert programs.run() == 0
    assert (programs.dead(), programs.suspects(), programs.done("poison")) == ([], [], 2)


@pytest.mark.parametrize("harm", ["another boot", "garbage", "cut off", "gone"])
def test_after_a_power_loss_nobody_is_blamed(tmp_path: Path, harm: str) -> None:
    programs = Programs(tmp_path, "exit")
    slot = programs.store / FILE
    for _ in range(5):
        assert programs.run() == 9
        assert programs.suspects() == []
        image = bytearray(slot.read_bytes())
        assert len(image) == SIZE
        if harm == "another boot":
            image[8:24] = bytes(range(16))
        elif harm == "garbage":
            image[:] = b"\xa5" * SIZE
        elif harm == "cut off":
            del image[40:]
        slot.write_bytes(image)
        if harm == "gone":
            slot.unlink()
    programs.fuse.unlink()
    assert programs.run() == 0
    assert (programs.dead(), programs.done("poison")) == ([], 2)
