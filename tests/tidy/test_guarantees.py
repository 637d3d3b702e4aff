"""Every promise on the page of guarantees is held by tests that exist, or says what comes later."""

import ast
import re
from collections.abc import Iterator

import pytest

from .source import ROOT, agree, read

PROMISES = [f"G{number}" for number in range(1, 20)]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of the table: number, promise, held by, status."""
    for line in text.splitlines():
        if re.match(r"\| *(\*\*)?G\d+", line):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def unheld(text: str) -> Iterator[str]:
    """Promises that no existing test holds, although they are not for later."""
    found = list(rows(text))
    numbers = [row[0].strip("*") for row in found]
    if numbers != PROMISES:
        yield f"the table has {', '.join(numbers)}; it should have {PROMISES[0]} to {PROMISES[-1]}, in order"
    for number, _, held_by, status in found:
        if status != "kept" and not re.match(r"(kept; )?later: \w", status):
            yield f"{number}: the status is `kept`, `later: …` or `kept; later: …`, not `{status}`"
        if held_by == "–" and not status.startswith("later: "):
            yield f"{number} is held by no test"
        elif held_by != "–":
            yield from (f"{number}: {wrong}" for wrong in missing_tests(held_by))


def missing_tests(held_by: str) -> Iterator[str]:
    """Tests that are named, as `tests/….py::name`, and do not exist."""
    named = re.findall(r"`([^`]*)`", held_by)
    if not named:
        yield f"name tests in backticks, not {held_by}"
    for test in named:
        path, _, name = test.partition("::")
        if not (ROOT / path).is_file():
            yield f"there is no file {path}"
        elif not name or name.rpartition("::")[2] not in names(path):
            yield f"there is no {name} in {path}"


def names(path: str) -> set[str]:
    """Functions, classes and assigned names (a state machine's TestCase) of a file."""
    found: set[str] = set()
    for node in ast.walk(read(ROOT / path).tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.add(ast.unparse(node.targets[0]))
    return found


def test_every_promise_is_held_by_a_test() -> None:
    agree(unheld((ROOT / "docs/guarantees.md").read_text(encoding="utf-8")))


HERE = f"`tests/tidy/test_guarantees.py::{test_every_promise_is_held_by_a_test.__name__}`"


def table(held_by: str, status: str) -> str:
    """A page on which all but the first promise is held."""
    good = [f"| **{number}** | Yes. | {HERE} | kept |" for number in PROMISES[1:]]
    return "\n".join([f"| **G1** | Yes. | {held_by} | {status} |", *good])


@pytest.mark.parametrize(
    ("held_by", "status"),
    [
        ("–", "kept"),
        ("–", "kept; later: power loss"),
        ("–", "soon"),
        ("a test", "kept"),
        ("`tests/none.py::test_x`", "kept"),
        ("`tests/tidy/test_guarantees.py::test_none`", "kept"),
        ("`tests/tidy/test_guarantees.py`", "kept"),
    ],
)
def test_an_unheld_promise_is_found(held_by: str, status: str) -> None:
    assert list(unheld(table(held_by, status))) != []


def test_a_missing_promise_is_found() -> None:
    assert list(unheld(table(HERE, "kept").replace("G7", "G8"))) != []


@pytest.mark.parametrize(
    ("held_by", "status"),
    [(HERE, "kept"), ("–", "later: links"), (f"{HERE}<br>{HERE}", "kept; later: power loss")],
)
def test_a_held_promise_and_a_later_one_agree(held_by: str, status: str) -> None:
    assert list(unheld(table(held_by, status))) == []
