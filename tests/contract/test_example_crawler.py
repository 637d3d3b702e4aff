"""The crawler ends with all of the site, each page once, also if it is killed on the way."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from .test_examples import EXAMPLES, shown

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-P", str(EXAMPLES / "crawler")]
ROOT = EXAMPLES.parent


def plain(text: str) -> list[str]:
    """Lines without ages and numbers of letters, in any order: who dies first is up to the machine."""
    lines = [re.sub(r" +[\d.]+ m?s ago$", "", line) for line in text.splitlines() if line]
    return sorted(re.sub(r"^ +\d+  fetcher", "fetcher", line).rstrip() for line in lines)


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """One whole run, there."""
    return subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def running(folder: Path) -> Generator[IO[str]]:
    """What a run says, both streams as one; killed with SIGKILL when the block is left."""
    with subprocess.Popen(
        COMMAND,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL


def test_a_whole_run_prints_what_its_page_shows_and_another_finds_nothing_to_do(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    (block,) = shown("crawler")
    assert plain(first.stdout) == plain(block)
    again = run(tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "EQUAL to the site" in again.stdout
    assert "replay" not in again.stdout


def test_the_readme_shows_parts_of_it() -> None:
    (block,) = shown("crawler")
    text = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("## Supervised")[2].partition("\n## ")[0]
    )
    parts = re.findall(r"^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = [line for part in parts for line in part.splitlines() if line.strip() not in {"", "…"}]
    assert lines
    assert [line for line in lines if line not in block.splitlines()] == []


@pytest.mark.parametrize(("sign", "times"), [("pages are read", 2), ("replayed", 1)])
def test_killed_on_the_way_it_goes_on(tmp_path: Path, sign: str, times: int) -> None:
    with running(tmp_path) as said:
        for _ in range(times):
            assert any(sign in line for line in said), "it ended before it could be killed"
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(the last run did not close it)" in done.stderr
    assert "EQUAL to the site" in done.stdout
