"""Golden stores: what earlier releases wrote is read and run by today's code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import lmdb
import pytest
import trio

from callboard import StoreTooNew, open_node
from callboard.console.examining import examine
from callboard.console.progress import Progress
from callboard.mailbox.errors import StoreDamaged
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.meta import FORMAT_KEY
from callboard.mailbox.opening import open_disk, view_disk
from callboard.mailbox.reading import list_dead
from callboard.mailbox.records import FORMAT, pack_number
from callboard.mailbox.soundness import find_damage

from . import cast
from .cast import TYPES, Ann, Ben, tree
from .damaging import in_memory
from .make_golden import fill
from .records import differences, everything

HERE = Path(__file__).parent
FORMATS = sorted(int(path.stem) for path in HERE.glob("*.store"))


def golden(number: int, folder: Path) -> Path:
    """A copy of a golden store: even looking at one leaves a file beside it."""
    path = folder / "golden"
    path.mkdir(mode=0o700)
    shutil.copyfile(HERE / f"{number}.store/data.mdb", path / "data.mdb")
    return path


def test_there_is_a_golden_store_of_every_format() -> None:
    assert list(range(1, FORMAT + 1)) == FORMATS


@pytest.mark.parametrize("number", FORMATS)
def test_every_record_is_read_as_it_was_written(number: int, tmp_path: Path) -> None:
    written = json.loads((HERE / f"{number}.json").read_text(encoding="utf-8"))
    store = view_disk(golden(number, tmp_path))
    try:
        assert differences(written, everything(store)) == []
        assert find_damage(store) == []
    finally:
        store.close()


@pytest.mark.parametrize("number", FORMATS)
def test_nothing_is_found_wrong_with_a_golden_store(number: int, tmp_path: Path) -> None:
    assert list(examine(golden(number, tmp_path), Progress())) == []


@pytest.mark.virtual
async def test_the_newest_golden_store_has_every_kind_of_record_that_its_maker_makes() -> None:
    store = MemoryStore()
    await fill(store)
    made = everything(store.reopen())
    written = json.loads((HERE / f"{FORMAT}.json").read_text(encoding="utf-8"))
    assert {name: len(rows) for name, rows in made.items()} == {
        name: len(rows) for name, rows in written.items()
    }


def test_a_difference_is_found() -> None:
    written: dict[str, Any] = {"BOXES": {"01": {"name": "ann", "head": 1}}}
    assert differences(written, {"BOXES": {"01": {"name": "ann", "head": 1, "later": 5}}, "LINKS": {}}) == []
    assert differences(written, {"BOXES": {"01": {"name": "ann", "head": 2}}}) == [
        "/BOXES/01/head: 1 was written, 2 is read"
    ]
    assert len(differences(written, {"BOXES": {}})) == 1


@pytest.mark.virtual
@pytest.mark.parametrize("number", FORMATS)
async def test_a_node_goes_on_where_it_was(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cast, "MENDED", True)
    store = in_memory(golden(number, tmp_path))
    async with open_node(store, name="golden", types=TYPES) as node:
        await node.start(tree())
        ann, bob, cy = (node.ref(Ann, name) for name in ("ann", "bob", "cy"))
        assert await ann.ask(Ann.add(3), id="three", timeout=1) == 3  # not run again
        await trio.sleep(1100)
        assert await bob.ask(Ann.show()) == ["at last", "after the struggle"]
        await node.resume(ann)
        assert await ann.ask(Ann.show()) == ["fired", "späte Post", "x" * 5000, "keyed"]
        assert await ann.ask(Ann.add(0)) == 103
        await bob.tell(Ann.leave())
        await trio.sleep(1)
        assert await cy.ask(Ann.show()) == ["later", "the answer is 103", "bob ended"]
        await node.resume_type(Ben)
        assert await node.ref(Ben, "ben").ask(Ben.echo(5)) == 5
        await trio.sleep(4000)
        reasons = {(dead.box, dead.reason) for dead in list_dead(node.store)}
        assert reasons == {("ben", "misaddressed"), ("cy", "failed"), ("gone", "unclaimed")}
        assert find_damage(node.store) == []


@pytest.mark.parametrize("number", FORMATS)
async def test_a_node_opens_the_file_years_later_and_runs_what_is_overdue(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cast, "MENDED", True)
    async with open_node(golden(number, tmp_path), name="golden", types=TYPES) as node:
        assert not node.store.identity.created
        await node.start(tree())
        ann, bob, cy = (node.ref(Ann, name) for name in ("ann", "bob", "cy"))
        await node.resume(ann)
        await node.wait_idle()
        assert await bob.ask(Ann.show()) == ["at last", "after the struggle"]
        heard = await ann.ask(Ann.show())
        assert sorted(heard) == sorted(["fired", "späte Post", "x" * 5000, "keyed"])
        assert (await cy.ask(Ann.show()))[0] == "later"
        assert find_damage(node.store) == []


def renumber(path: Path, value: bytes) -> bytes:
    """Let a store say that it has another format."""
    with lmdb.open(str(path), max_dbs=32, lib_version=0) as env:
        table = env.open_db(b"meta")
        with env.begin(table, write=True) as txn:
            txn.put(FORMAT_KEY, value)
    return (path / "data.mdb").read_bytes()


def test_a_store_of_a_newer_format_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = golden(FORMAT, tmp_path)
    before = renumber(path, pack_number(FORMAT + 1))
    with pytest.raises(StoreTooNew, match="upgrade callboard"):
        open_disk(path, entropy=bytes, now_ns=lambda: 0)
    with pytest.raises(StoreTooNew):
        view_disk(path)
    with pytest.raises(StoreTooNew):
        list(examine(path, Progress()))
    assert (path / "data.mdb").read_bytes() == before


def test_a_format_that_cannot_be_read_is_damage(tmp_path: Path) -> None:
    path = golden(FORMAT, tmp_path)
    before = renumber(path, b"damaged")
    with pytest.raises(StoreDamaged):
        open_disk(path, entropy=bytes, now_ns=lambda: 0)
    assert [found.place for found in examine(path, Progress())] == ["head"]
    assert (path / "data.mdb").read_bytes() == before
