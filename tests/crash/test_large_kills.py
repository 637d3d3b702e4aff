"""Messages of a megabyte, in mailboxes, timers and turns, whenever the process is killed."""

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from callboard.mailbox.store import Table
from callboard.testing.journal import read_notes
from callboard.testing.killing import KillLoop
from callboard.testing.reckoning import reckon
from callboard.testing.remains import Remains, look_into

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).parent / "freight.py"


def test_no_kill_loses_doubles_or_leaves_a_large_body(tmp_path: Path) -> None:
    def command(shift: str) -> list[str]:
        return [sys.executable, "-P", str(PROGRAM), str(tmp_path / "store"), str(tmp_path / "notes"), shift]

    def all_freight_has_arrived(remains: Remains) -> Iterable[str]:
        arrived: dict[str, list[int]] = remains.state("yard")["arrived"]
        return reckon(
            read_notes(tmp_path / "notes"),
            {("depot", shipper): sorted(numbers) for shipper, numbers in arrived.items()},
        )

    loop = KillLoop(
        command("ship"),
        store=tmp_path / "store",
        seed=1,
        last=command("close"),
        checks=[all_freight_has_arrived],
    )
    loop.run(kills=6)
    loop.check()
    with look_into(tmp_path / "store") as remains:
        assert remains.store.scan(Table.BODIES) == []
        assert remains.state("yard")["arrived"]
