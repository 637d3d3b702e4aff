"""The main example on a small tree: killed on the way, and yet equal to the plain computation, or exit 1."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/stdlib_index"
LARGE = Path(sysconfig.get_path("stdlib"), "typing.py")
"""A file that takes long enough to parse for a kill to hit somebody."""

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree of files that take a second or two to parse, and one that does not parse."""
    root = tmp_path / "tree"
    (root / "package").mkdir(parents=True)
    (root / "package/__init__.py").write_text("from . import module_00\n")
    (root / "bad.py").write_text("print 'no'\n")
    for number in range(30):
        (root / f"package/module_{number:02}.py").write_bytes(
            b"from . import module_00\n" + LARGE.read_bytes()
        )
    return root


def index(root: Path, store: Path, kills: int) -> subprocess.CompletedProcess[str]:
    """Run the example."""
    command = [
        sys.executable,
        "-P",
        str(EXAMPLE),
        "--root",
        str(root),
        "--store",
        str(store),
        "--kills",
        str(kills),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_index_is_equal_after_a_kill_and_a_later_change_is_found(root: Path, tmp_path: Path) -> None:
    done = index(root, tmp_path / "store", kills=1)
    assert done.returncode == 0, done.stderr + done.stdout
    killed = re.search(
        r"^EQUAL to the plain computation; kills after so many files: (\d+)$", done.stdout, re.MULTILINE
    )
    assert killed, done.stdout
    assert 16 <= int(killed[1]) < 32
    assert "do not parse: 1 files\n  bad.py: SyntaxError: Missing parentheses" in done.stdout
    assert re.search(r"^  package +31 +31$", done.stdout, re.MULTILINE)
    assert "kill -9 after" in done.stderr
    assert "(the last run did not close it)" in done.stderr
    assert f"ls --store {tmp_path / 'store'}" in done.stdout

    # The same store again: there is nothing left to do, so nothing to kill.
    (root / "package/module_07.py").write_text("import extra\n")
    done = index(root, tmp_path / "store", kills=1)
    assert done.returncode == 1
    assert done.stdout.startswith("DIFFERENT from the plain computation in ")
    assert "extra is imported by package.module_07: 0 instead of 1\n" in done.stdout


def test_too_few_kills_are_no_proof(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/one.py").write_text("import os\n")
    done = index(tmp_path / "tree", tmp_path / "store", kills=1)
    assert done.returncode == 1
    assert "killed only 0 times of 1" in done.stderr


def test_a_store_of_another_folder_is_refused(tmp_path: Path) -> None:
    for name in ("tree", "other"):
        (tmp_path / name).mkdir()
    assert index(tmp_path / "tree", tmp_path / "store", kills=0).returncode == 0
    done = index(tmp_path / "other", tmp_path / "store", kills=0)
    assert done.returncode == 1
    assert "give another --store" in done.stderr
