"""kill -9 while supervisors restart their children: nothing lost, nothing twice, and the tree is up again."""

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from callboard.mailbox.reading import list_supervisors
from callboard.testing.journal import read_notes
from callboard.testing.killing import KillLoop
from callboard.testing.reckoning import reckon
from callboard.testing.remains import Remains, look_into

from .trees import FIXED, POOL

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).parent / "trees.py"


def test_kills_in_the_middle_of_restarts_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    def words(shift: str) -> list[str]:
        return [sys.executable, "-P", str(PROGRAM), str(tmp_path / "store"), str(tmp_path / "notes"), shift]

    def all_sales_are_booked_once(remains: Remains) -> Iterable[str]:
        heard: dict[tuple[str, str], list[int]] = {}
        for name in (*FIXED, *POOL):
            sales: dict[str, list[int]] = remains.state(name)["sales"]
            heard |= {(name, clerk): numbers for clerk, numbers in sales.items()}
        return reckon(read_notes(tmp_path / "notes"), heard)

    loop = KillLoop(
        words("sell"),
        store=tmp_path / "store",
        seed=3,
        last=words("close"),
        checks=[all_sales_are_booked_once],
    )
    loop.run(kills=10)
    loop.check()
    assert loop.kills == 10
    with look_into(tmp_path / "store") as remains:
        assert len(remains.dead()) > 10
        children = {record.supervisor: record.names for record in list_supervisors(remains.store)}
        assert children == {"shop": ["tills", "pool"], "tills": [*FIXED], "pool": [*POOL]}
    said = [line for kill in loop.history for line in kill.said.splitlines() if line.startswith("pool ")]
    assert " ".join(("pool", *POOL)) in said  # those of a template came up again
