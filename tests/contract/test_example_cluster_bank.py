"""The bank on three nodes counts its money right after kills and cuts, and prints what its page says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .test_examples import EXAMPLES, shown

pytestmark = pytest.mark.slow


def plain(text: str) -> set[str]:
    """Kinds of lines, without what chance decides."""
    without_numbers = [re.sub(r"[\d, ]*\d", "#", line) for line in text.splitlines()]
    return {re.sub(r"\b[abc]\b(?! \|)", "N", line) for line in without_numbers}


def test_the_money_is_right_after_some_chaos_and_the_page_shows_it(tmp_path: Path) -> None:
    command = [sys.executable, "-P", str(EXAMPLES / "cluster_bank"), "4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RIGHT: 900 of 900\n" in done.stdout
    page, *_ = shown("cluster_bank")
    assert plain(done.stdout) <= plain(page)


def test_it_runs_without_chaos_too(tmp_path: Path) -> None:
    bank = EXAMPLES / "cluster_bank/bank.py"
    command = [sys.executable, "-P", "-m", "callboard", "run", str(bank), "--nodes", "3"]
    command += ["--folder", str(tmp_path / "nodes")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a | RIGHT: 900 of 900\n" in done.stdout
