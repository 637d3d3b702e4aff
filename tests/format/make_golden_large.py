"""Makes the golden store of large bodies: `.venv/bin/pytest tests/format/make_golden_large.py`, once.

Format 1 had a flag reserved for them from its first day; they came later, so they have a store of their own.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import trio
from trio.testing import MockClock

from callboard import open_node
from callboard.mailbox.copying import back_up
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.opening import view_disk
from callboard.mailbox.records import FORMAT

from .cast import TYPES, Ann, Ben
from .damaging import write
from .records import everything

HERE = Path(__file__).parent
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
    memory = MemoryStore(entropy=bytes(range(100, 116)).ljust)
    trio.run(fill, memory, clock=MockClock(autojump_threshold=0))
    write(memory, tmp_path / "store")
    target = HERE / f"{FORMAT}.large"
    shutil.rmtree(target, ignore_errors=True)
    store = view_disk(tmp_path / "store")
    back_up(store, target, lambda _: None)
    text = json.dumps(everything(store), indent=1, ensure_ascii=False, sort_keys=True)
    store.close()
    (HERE / f"{FORMAT}.large.json").write_text(f"{text}\n", encoding="utf-8")
