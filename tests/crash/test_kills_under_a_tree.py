"""kill -9 while supervisors restart their children: nothing lost, nothing twice, and the tree is up again."""

from pathlib import Path

import pytest

from callboard.mailbox.reading import list_supervisors
from callboard.testing.remains import Remains, look_into

from .killing import Heard, loop_of_shifts
from .trees import FIXED, POOL

pytestmark = pytest.mark.slow


def all_sales(remains: Remains) -> Heard:
    """What the tills have booked."""
    heard: Heard = {}
    for name in (*FIXED, *POOL):
        sales: dict[str, list[int]] = remains.state(name)["sales"]
        heard |= {(name, clerk): numbers for clerk, numbers in sales.items()}
    return heard


def test_kills_in_the_middle_of_restarts_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    loop = loop_of_shifts(tmp_path, "trees.py", "sell", seed=3, heard=all_sales)
    loop.run(kills=10)
    loop.check()
    assert loop.kills == 10
    with look_into(tmp_path / "store") as remains:
        assert len(remains.dead()) > 10
        children = {record.supervisor: record.names for record in list_supervisors(remains.store)}
        assert children == {"shop": ["tills", "pool"], "tills": [*FIXED], "pool": [*POOL]}
    said = [line for kill in loop.history for line in kill.said.splitlines() if line.startswith("pool ")]
    assert " ".join(("pool", *POOL)) in said  # those of a template came up again
