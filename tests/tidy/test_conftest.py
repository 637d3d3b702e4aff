"""The test suite's own machinery, tried on small suites of its own."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio
from hypothesis import given, strategies as st

from .source import ROOT


def run_suite(folder: Path, text: str, *options: str) -> str:
    """What pytest prints about a file of tests that has our conftest beside it."""
    shutil.copy(ROOT / "tests/conftest.py", folder)
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    hunt\n    virtual\n", encoding="utf-8")
    pytest_ = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", *options]
    return subprocess.run(pytest_, cwd=folder, capture_output=True, text=True, check=False).stdout


async def test_an_async_test_runs_on_trio() -> None:
    assert trio.lowlevel.in_trio_task()


@pytest.mark.virtual
async def test_a_virtual_hour_takes_no_time() -> None:
    before = time.monotonic()
    await trio.sleep(3600)
    assert time.monotonic() - before < 60


@given(number=st.integers())
async def test_an_async_test_can_be_given_examples(number: int) -> None:
    await trio.lowlevel.checkpoint()
    assert isinstance(number, int)


class TestInAClass:
    @given(number=st.integers())
    async def test_a_method_can_be_given_examples(self, number: int) -> None:
        assert trio.lowlevel.in_trio_task()
        assert isinstance(number, int)

    async def test_a_method_can_be_async(self, tmp_path: Path) -> None:
        assert await trio.Path(tmp_path).exists()


@pytest.mark.slow
def test_what_a_test_leaves_running_is_an_error(tmp_path: Path) -> None:
    text = """
import subprocess, threading
stop = threading.Event()
def test_thread(): threading.Thread(target=stop.wait, name="forgotten", daemon=True).start()
def test_child():
    global child
    child = subprocess.Popen(["sleep", "100"])
def test_clean():
    child.kill()
    child.wait()
    subprocess.run(["true"])
    thread = threading.Thread(target=print)
    thread.start()
    thread.join()
"""
    printed = run_suite(tmp_path, text)
    assert "3 passed, 2 errors" in printed
    assert "threads left running: forgotten" in printed
    assert "child processes left" in printed


@pytest.mark.slow
def test_a_hunt_runs_only_when_asked(tmp_path: Path) -> None:
    text = "import pytest\n@pytest.mark.hunt\ndef test_long(): pass\ndef test_short(): pass\n"
    assert "1 passed, 1 deselected" in run_suite(tmp_path, text)
    assert "2 passed" in run_suite(tmp_path, text, "--hunt")
