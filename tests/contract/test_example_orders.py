"""The orders example ends every order rightly: killed on the way, and through weeks of drawn faults."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .test_examples import EXAMPLES, passes_its_own_test, shown

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-P", str(EXAMPLES / "orders.py")]


def dayless(text: str) -> list[str]:
    """Its lines without the days: what falls due while the program is dead is done when it is back."""
    return [re.sub(r"day \d+ ", "", line) for line in text.splitlines()]


def test_killed_after_the_first_parcel_it_goes_on_and_prints_what_its_page_shows(tmp_path: Path) -> None:
    with subprocess.Popen(
        COMMAND, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    done = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "(the last run did not close it)" in done.stderr
    (block,) = shown("orders")
    assert dayless(done.stdout) == dayless(block)
    assert done.stdout.startswith(first)


def test_every_order_is_shipped_or_undone_through_weeks_of_faults() -> None:
    passes_its_own_test("--hypothesis-profile=callboard-dev", "examples/test_orders.py")
