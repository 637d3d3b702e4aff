"""The small examples print what examples/README.md says they print."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def shown(name: str) -> list[str]:
    """The blocks of the page under a heading, commands left out."""
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {re.escape(name)}$(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert section, f"examples/README.md has no ## {name}"
    return re.findall(r"^```text\n(.*?)^```$", section[1], re.DOTALL | re.MULTILINE)


def output(name: str, folder: Path) -> str:
    """What an example prints, both streams as one, in its own folder."""
    command = [sys.executable, "-P", str(EXAMPLES / name)]
    done = subprocess.run(
        command,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["counter.py", "bank"])
def test_an_example_prints_what_its_page_shows(name: str, tmp_path: Path) -> None:
    runs = shown(name)
    assert len(runs) == 2
    for run in runs:
        assert sorted(output(name, tmp_path).splitlines()) == sorted(run.splitlines())


def passes_its_own_test(*arguments: str) -> None:
    """Run an example's own test, as its page says."""
    assert f"pytest {' '.join(arguments)}\n" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
    command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(
        command, cwd=EXAMPLES.parent, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
    assert " 1 passed in " in done.stdout


@pytest.mark.slow
def test_the_bank_conserves_money_whatever_happens() -> None:
    passes_its_own_test("--hypothesis-profile=callboard-ci", "examples/bank")


def test_the_counter_is_short() -> None:
    lines = (EXAMPLES / "counter.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line]) <= 15
