"""Every test that the page of reliability names exists, and every fault on it has one."""

import re

from .source import ROOT, agree

ROW = re.compile(r"^\| (?P<fault>[^|]+) \| [^|]+ \| (?P<tests>[^|]+) \| [^|]+ \|$", re.MULTILINE)


def unheld(text: str) -> list[str]:
    """Faults whose tests are not there."""
    rows = [row for row in ROW.finditer(text) if row["tests"] not in {"test", "---"}]
    found = [] if rows else ["there is no table of faults"]
    for row in rows:
        named = re.findall(r"`([^`]+)`", row["tests"])
        found += [f"{row['fault']}: there is no {name}" for name in named if not (ROOT / name).is_file()]
        found += [] if named else [f"{row['fault']}: no test is named"]
    return found


def test_every_fault_has_tests_that_exist() -> None:
    agree(unheld((ROOT / "docs/reliability.md").read_text(encoding="utf-8")))


def test_a_fault_without_a_test_that_exists_is_found() -> None:
    for tests in "`tests/none.py`", "some day":
        assert unheld(f"| rain | dry | {tests} | - |")
    assert unheld("no table")
