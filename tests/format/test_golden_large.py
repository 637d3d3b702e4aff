"""The golden store of large bodies is read as it was written, and a node goes on where it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import trio

from callboard import open_node
from callboard.console.examining import examine
from callboard.console.progress import Progress
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.opening import view_disk
from callboard.mailbox.reading import list_dead, list_timers, peek
from callboard.mailbox.soundness import find_damage
from callboard.mailbox.store import Table

from .cast import TYPES, Ann
from .damaging import in_memory
from .make_golden_large import LARGE, fill
from .records import differences, everything

HERE = Path(__file__).parent
KEPT = HERE / "1.large"


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A copy: even looking at a store leaves a file beside it."""
    path = tmp_path / "golden"
    path.mkdir(mode=0o700)
    shutil.copyfile(KEPT / "data.mdb", path / "data.mdb")
    return path


def test_every_record_is_read_as_it_was_written_and_nothing_is_wrong(golden: Path) -> None:
    written = json.loads((HERE / "1.large.json").read_text(encoding="utf-8"))
    store = view_disk(golden)
    try:
        assert differences(written, everything(store)) == []
        assert find_damage(store) == []
        assert [letter.apart for letter in peek(store, "ann")] == [0, 70_016]
        assert [letter.apart for letter in peek(store, "@far")] == [70_017]
        timers = [timer.letter for timer in list_timers(store) if timer.letter is not None]
        assert [letter.apart for letter in timers] == [70_016, 70_016]
        assert [dead.letter.apart for dead in list_dead(store)] == [70_015]
    finally:
        store.close()
    assert list(examine(golden, Progress())) == []


@pytest.mark.virtual
async def test_it_has_what_its_maker_makes() -> None:
    store = MemoryStore()
    await fill(store)
    made = everything(store.reopen())
    written = json.loads((HERE / "1.large.json").read_text(encoding="utf-8"))
    assert {name: len(rows) for name, rows in made.items()} == {
        name: len(rows) for name, rows in written.items()
    }


@pytest.mark.virtual
async def test_a_node_goes_on_where_it_was(golden: Path) -> None:
    store = in_memory(golden)
    async with open_node(store, name="golden", types=TYPES) as node:
        ann = node.ref(Ann, "ann")
        await node.dead.redirect(ann, reason="misaddressed")
        await node.resume(ann)
        await trio.sleep(1000)
        heard = await ann.ask(Ann.show())
        large = [f"{LARGE}{word}" for word in ("waits", "dead", "later", "keyed")]
        assert heard == ["small", *large]
        await node.wait_idle()
        left = {at[:8] for at, _ in store.scan(Table.BODIES)}
        assert len(left) == 1  # what is for the other node
        assert find_damage(store) == []
