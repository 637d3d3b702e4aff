"""Every block of docs/testing.md is run: its tests fail and pass as it says, with the reports it shows."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/testing.md").read_text(encoding="utf-8")

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HASH = re.compile(r"trace hash is [0-9a-f]{24}\b")

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Stage(NamedTuple):
    """A command of the page."""

    code: list[str]
    """The blocks of Python above it."""
    arguments: list[str]
    """Of pytest."""
    shown: str
    """What it prints, as the page has it."""


def stages() -> Iterator[Stage]:
    """The page's commands; a block that belongs to none would not be run."""
    code: list[str] = []
    told = iter(BLOCK.findall(PAGE))
    for language, text in told:
        if language == "python":
            code.append(text)
        else:
            assert language == "sh", f"a block of {language} that no command prints: {text:.60}"
            name, *arguments = text.split()
            printed, shown = next(told)
            assert (name, printed) == ("pytest", "text"), text
            yield Stage([*code], arguments, shown)


def report_of(output: str) -> str:
    """From what pytest printed, the error and what is told of it, but for the digest."""
    told = [line[1:].rstrip() for line in output.splitlines() if re.match(r"E(\s|$)", line)]
    indent = min((len(line) - len(line.lstrip()) for line in told if line), default=0)
    text = "\n".join(line[indent:] for line in told)
    found = re.search(r"^[\w.]+: .*?trace hash is [0-9a-f]{24}\.$", text, re.DOTALL | re.MULTILINE)
    assert found, output
    return HASH.sub("trace hash is …", found[0])


class Suite:
    """The files that a reader would have by now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self, block: str) -> None:
        """Add a block to the file that its first line names; a definition takes the place of its namesake."""
        name, _, code = block.removeprefix("# ").partition("\n")
        assert re.fullmatch(r"\w+\.py", name), f"a block of Python begins with its file's name: {block[:60]}"
        path = self.folder / name
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(merged(text, code), encoding="utf-8")

    def pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run its tests as the page says."""
        command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", "-Werror"]
        return subprocess.run(
            [*command, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=300, check=False
        )


def merged(text: str, new: str) -> str:
    """A file after an edit: definitions replaced in place, imports at the top, all else at the end."""
    if not text:
        return new
    for part in parts(new):
        first, last = place(parts(text), part) or (len(text.splitlines()),) * 2
        text = spliced(text, first, last, source(new, part))
    return text


def place(there: list[ast.stmt], part: ast.stmt) -> tuple[int, int] | None:
    """The lines that a statement takes in a file; None is the end."""
    if isinstance(part, ast.Import | ast.ImportFrom):
        line = next(start(old) for old in there if not is_future(old))
        return line, line
    if isinstance(part, Definition):
        for old in there:
            if isinstance(old, Definition) and old.name == part.name:
                return start(old), old.end_lineno or 0
    return None


def parts(text: str) -> list[ast.stmt]:
    return ast.parse(text).body


def is_future(part: ast.stmt) -> bool:
    return isinstance(part, ast.ImportFrom) and part.module == "__future__"


def start(part: ast.stmt) -> int:
    """The index of its first line, which is a decorator's if it has one."""
    marks = part.decorator_list if isinstance(part, Definition) else []
    return min([part.lineno, *(mark.lineno for mark in marks)]) - 1


def source(text: str, part: ast.stmt) -> str:
    return "\n".join(text.splitlines()[start(part) : part.end_lineno])


def spliced(text: str, first: int, last: int, new: str) -> str:
    lines = text.splitlines()
    return "\n".join([*lines[:first], *new.splitlines(), *lines[last:], ""])


def keep_example(suite: Suite, test: str, plan: str) -> None:
    """Do what a report says: decorate the test with its plan."""
    path = suite.folder / "test_bank.py"
    text = path.read_text(encoding="utf-8")
    decorated = re.sub(
        rf"^(@simulate\(.*\)\nasync def {test}\b)", rf"@example({plan})\n\1", text, flags=re.MULTILINE
    )
    assert decorated != text
    path.write_text(decorated, encoding="utf-8")
    faults = "from callboard.testing.faults import *"
    suite.take(
        f"# test_bank.py\nfrom hypothesis import example\nfrom callboard.testing import Plan\n{faults}\n"
    )


def steps(plan: str) -> int:
    """How many operations a plan has."""
    call = ast.parse(plan, mode="eval").body
    assert isinstance(call, ast.Call)
    assert isinstance(call.args[0], ast.List)
    return len(call.args[0].elts)


PASSES = [stage for stage in stages() if "passed" in stage.shown]
FAILS = [stage for stage in stages() if "passed" not in stage.shown]


def begun(stage: Stage, folder: Path) -> Suite:
    """The files of a reader who has come to a command."""
    suite = Suite(folder)
    for block in stage.code:
        suite.take(block)
    return suite


def test_every_block_belongs_to_a_command() -> None:
    told = [text for language, text in BLOCK.findall(PAGE) if language == "python"]
    assert [*stages()][-1].code == told
    assert len(PASSES) == 3
    assert len(FAILS) == 2


def test_the_readme_shows_the_same_test_and_the_same_report() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, section = text.split("## Would yours lose money?\n")
    (_, code), (_, shown) = BLOCK.findall(section.partition("\n## ")[0])
    operation, test = code.split("\n\n\n")
    assert operation in FAILS[0].code[-1]
    assert test in FAILS[0].code[-1]
    lines = iter(FAILS[0].shown.splitlines())
    assert all(line in lines for line in shown.splitlines() if line != "  …")


@pytest.mark.slow
@pytest.mark.parametrize("stage", PASSES)
def test_what_is_said_to_pass_passes(stage: Stage, tmp_path: Path) -> None:
    done = begun(stage, tmp_path).pytest(*stage.arguments)
    assert done.returncode == 0, done.stdout
    assert f" {stage.shown.strip()} in " in done.stdout.replace("=", "")


@pytest.mark.slow
@pytest.mark.parametrize("stage", FAILS)
def test_what_is_said_to_fail_is_found_and_reported_as_shown(stage: Stage, tmp_path: Path) -> None:
    """Which of several smallest plans is found may vary with Hypothesis; what a plan does may not."""
    suite = begun(stage, tmp_path)
    done = suite.pytest(*stage.arguments)
    found = report_of(done.stdout)
    assert found.partition(":")[0] == stage.shown.partition(":")[0]
    for report in found, stage.shown:
        (plan,) = re.findall(r"^  @example\((.*)\)$", report, re.MULTILINE)
        assert steps(plan) <= 4
    (test,) = re.findall(r"^FAILED test_bank.py::(\w+)", done.stdout, re.MULTILINE)
    keep_example(suite, test, plan)
    assert report_of(suite.pytest(*stage.arguments).stdout) == HASH.sub(
        "trace hash is …", stage.shown.strip()
    )
