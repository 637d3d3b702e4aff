"""Makes the golden store of large bodies: `.venv/bin/pytest tests/format/make_golden_large.py`, once.

Format 1 had a flag reserved for them from its first day; they came later, so they have a store of their own.
"""

from __future__ import annotations

from pathlib import Path

import trio

from callboard import open_node
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.records import FORMAT

from .cast import TYPES, Ann, Ben
from .making import make_golden

LARGE = "Ä" * 35_000


async def fill(store: MemoryStore) -> None:
    """Run a node that leaves a large body in mail, in timers, in a dead letter and in an outbox."""
    listed = {name: f"unix:/nowhere/{name}" for name in ("golden", "far")}
    async with open_node(store, name="golden", peers=listed, types=TYPES, seed=1, drain=0) as node:
        ann = await node.spawn(Ann(owner="Ännchen"), name="ann")
        await node.ref(Ann, "ben").tell(Ann.hear(LARGE + "dead"))  # who will live there is of another class
        await node.spawn(Ben(), name="ben")
        await ann.tell(Ann.hear(LARGE + "later"), delay=600)
        await ann.tell(Ann.hear(LARGE + "keyed"), delay=900, key="k")
        await trio.sleep(1)
        await node.pause(ann, "for the picture")
        await ann.tell(Ann.hear("small"))
        await ann.tell(Ann.hear(LARGE + "waits"))
        await node.ref(Ann, "bob@far").tell(Ann.hear(LARGE + "leaves"))


def test_make_the_golden_store(tmp_path: Path) -> None:
    """Make the store and what is to be read in it; no test run collects this file by itself."""
    make_golden(f"{FORMAT}.large", fill, tmp_path)
