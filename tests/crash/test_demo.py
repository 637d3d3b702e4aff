"""`callboard demo crash` kills a bank at work, counts its money, and leaves what is not its own alone."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from callboard.mailbox.opening import open_disk

pytestmark = pytest.mark.slow

DEMO = [sys.executable, "-P", "-m", "callboard", "demo", "crash"]
KILL = re.compile(
    r"kill -9 (\d+) after ([\d,]+) bookings; on disk: ([\d,-]+) in accounts, ([\d,-]+) under way"
)
ROOT = Path(__file__).parents[2]


def demo(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One whole run there."""
    return subprocess.run(
        [*DEMO, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def normal(text: str) -> list[str]:
    """Lines without the numbers that are up to the machine."""
    return [re.sub(r"(?<!\d)-?\d[\d,]*", "N", line) if "kill -9" in line or "process" in line else line
            for line in text.splitlines()]  # fmt: skip


def test_money_is_conserved_over_three_kills_as_the_readme_shows(tmp_path: Path) -> None:
    done = demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    kills = KILL.findall(done.stdout)
    assert len(kills) == 3, done.stdout
    for pid, _, in_accounts, under_way in kills:
        assert not is_alive(int(pid))
        money = [int(number.replace(",", "")) for number in (in_accounts, under_way)]
        assert sum(money) == 20_000
    assert any(under_way != "0" for *_, under_way in kills), "it was never killed within a transfer"
    assert "4/4 total is 20,000, each account as a plain loop says" in done.stdout
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    for shown in (text, page):
        (block,) = re.findall(r"^\$ callboard demo crash\n(.*?)^```$", shown, re.DOTALL | re.MULTILINE)
        assert normal(block) == normal(done.stdout)


def test_ctrl_c_leaves_no_process_behind_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with subprocess.Popen(
        DEMO,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert any("kill -9" in line for line in process.stdout)
        time.sleep(0.3)  # into the life after that kill
        children = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait() == 130
        assert "Traceback" not in rest
    assert len(children) == 1
    assert not any(map(is_alive, children))
    again = demo(tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert re.search(r"two bookings each \([\d,]+ are done\)", again.stdout)
    assert "4/4 total is 20,000" in again.stdout


def descendants(pid: int) -> list[int]:
    """The children of a process."""
    return [
        int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    ]


def test_a_store_that_is_not_the_demos_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    open_disk(path, entropy=os.urandom, now_ns=time.time_ns).close()
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    told = demo(tmp_path, "--data", "mine")
    assert told.returncode == 6
    assert told.stderr == (
        "Error: mine is a store that this demo has not made, and it is left alone: "
        "name another directory with --store\n"
    )
    assert told.stdout == ""
    after = {file.name: file.read_bytes() for file in path.iterdir()}
    assert {name: data for name, data in after.items() if name != "lock.mdb"} == {
        name: data for name, data in before.items() if name != "lock.mdb"
    }


def test_what_cannot_be_a_store_or_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear", encoding="utf-8")
    for path in ("full", "full/letter.txt", "/proc/bank"):
        told = demo(tmp_path, "--store", path)
        assert told.returncode == 4
        assert told.stderr.startswith("Error: ")
        assert "Traceback" not in told.stderr
        assert told.stdout == ""
    assert [each.name for each in (tmp_path / "full").iterdir()] == ["letter.txt"]


def test_a_bank_that_fails_by_itself_is_told_with_what_it_said(tmp_path: Path) -> None:
    program = tmp_path / "broken.py"
    program.write_text(
        "import callboard.console.victim as victim, sys\n"
        "sys.executable = '/bin/false'\n"
        "sys.argv[1:] = ['demo', 'crash']\n"
        "from callboard.__main__ import main\n"
        "main()\n",
        encoding="utf-8",
    )
    told = subprocess.run(
        [sys.executable, "-P", str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 1
    assert "the bank ended by itself with exit code 1" in told.stderr


def test_the_source_is_the_program_that_is_killed(tmp_path: Path) -> None:
    told = demo(tmp_path, "--source")
    assert told.returncode == 0
    assert told.stdout == (ROOT / "console" / "demo_bank.py").read_text(encoding="utf-8")
    assert len(told.stdout.splitlines()) <= 70
    assert not list(tmp_path.iterdir())
