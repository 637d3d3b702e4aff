"""From an installed wheel both checkers accept `good.py` and find all of `mistakes.py` and no more."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections import defaultdict
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
MARK = re.compile(r"# error: mypy\[(?P<mypy>[^]]*)\] pyright\[(?P<pyright>[^]]*)\]$")
SWITCH = re.compile(r"^# (mypy|pyright): .*$", re.MULTILINE)

Findings = dict[tuple[str, int], set[str]]
"""Codes by file and line."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of somebody else's: the two files, and an environment with the wheel in it."""
    path = tmp_path_factory.mktemp("project")
    install(build(path), path / "env")
    shutil.copy(HERE / "good.py", path)
    mistakes = (HERE / "mistakes.py").read_text(encoding="utf-8")
    (path / "mistakes.py").write_text(SWITCH.sub("#", mistakes), encoding="utf-8")
    settings = {"typeCheckingMode": "strict", "include": ["*.py"]}
    (path / "pyrightconfig.json").write_text(json.dumps(settings))
    return path


def build(path: Path) -> Path:
    """The wheel, built in a copy, since setuptools writes beside what it reads."""
    tree = path / "tree"
    shutil.copytree(
        ROOT, tree, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "tests")
    )
    run(sys.executable, "-P", "-c", BUILD, str(path), cwd=tree)
    (wheel,) = path.glob("*.whl")
    shutil.rmtree(tree)
    return wheel


def install(wheel: Path, env: Path) -> None:
    """Unpack a wheel into an environment that borrows everything else from this one."""
    venv.create(env, symlinks=True, with_pip=False)
    (site,) = env.glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")


def run(*command: str, cwd: Path) -> str:
    """What a command says; a status of 1 means that a checker found something."""
    clean = {name: value for name, value in os.environ.items() if name not in ("MYPYPATH", "PYTHONPATH")}
    done = subprocess.run(
        command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(project: Path) -> Findings:
    python = str(project / "env/bin/python")
    switches = ("--strict", "--config-file=", "--no-error-summary", "--python-executable", python)
    files = ("good.py", "mistakes.py")
    said = run(sys.executable, "-P", "-m", "mypy", *switches, *files, cwd=project)
    found: Findings = defaultdict(set)
    for line in said.splitlines():
        if match := re.fullmatch(r"(\S+):(\d+): error: .*\[([\w-]+)\]", line):
            found[match[1], int(match[2])].add(match[3])
        else:
            assert ": note: " in line, line
    return found


def pyright(project: Path) -> Findings:
    python = str(project / "env/bin/python")
    said = json.loads(
        run(sys.executable, "-P", "-m", "pyright", "--outputjson", "--pythonpath", python, cwd=project)
    )
    assert said["summary"]["filesAnalyzed"] == 2
    found: Findings = defaultdict(set)
    for finding in said["generalDiagnostics"]:
        place = Path(finding["file"]).name, finding["range"]["start"]["line"] + 1
        found[place].add(finding.get("rule", finding["message"]))
    return found


def marked(checker: str) -> Findings:
    """What the comments in `mistakes.py` promise."""
    found: Findings = {}
    for number, line in enumerate((HERE / "mistakes.py").read_text(encoding="utf-8").splitlines(), 1):
        if match := MARK.search(line):
            found["mistakes.py", number] = set(match[checker].split(", "))
    return found


def test_every_mistake_is_marked_for_both() -> None:
    assert marked("mypy").keys() == marked("pyright").keys()
    assert len(marked("mypy")) > 30


def test_mypy_finds_the_mistakes_and_nothing_else(project: Path) -> None:
    assert mypy(project) == marked("mypy")


def test_pyright_finds_the_mistakes_and_nothing_else(project: Path) -> None:
    assert pyright(project) == marked("pyright")
