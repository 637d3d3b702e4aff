"""Messages of a megabyte, in mailboxes, timers and turns, whenever the process is killed."""

from pathlib import Path

import pytest

from callboard.mailbox.store import Table
from callboard.testing.remains import Remains, look_into

from .killing import Heard, loop_of_shifts

pytestmark = pytest.mark.slow


def all_freight(remains: Remains) -> Heard:
    """What has arrived."""
    arrived: dict[str, list[int]] = remains.state("yard")["arrived"]
    return {("depot", shipper): sorted(numbers) for shipper, numbers in arrived.items()}


def test_no_kill_loses_doubles_or_leaves_a_large_body(tmp_path: Path) -> None:
    loop = loop_of_shifts(tmp_path, "freight.py", "ship", seed=1, heard=all_freight)
    loop.run(kills=6)
    loop.check()
    with look_into(tmp_path / "store") as remains:
        assert remains.store.scan(Table.BODIES) == []
        assert remains.state("yard")["arrived"]
