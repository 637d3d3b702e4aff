"""Stores that were made before a table existed: tools read it as empty, and a node makes it."""

import json
from pathlib import Path

import lmdb
import pytest
from click.testing import CliRunner

from callboard.console.command import main
from callboard.mailbox.opening import open_disk, view_disk
from callboard.mailbox.soundness import find_damage
from callboard.mailbox.store import Table

from ..unit.test_console_store import NOW, envelope, shelf

LATER = [table for table in Table if table > Table.DEAD]
"""Tables that the first stores did not have."""


def drop(path: Path, *tables: Table) -> None:
    """Make a store as old as if these tables had not been thought of."""
    with lmdb.open(str(path), max_dbs=32, lib_version=0) as env:
        for table in tables:
            handle = env.open_db(table.name.lower().encode())
            with env.begin(write=True) as txn:
                txn.drop(handle)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old"
    with shelf(path) as made:
        made.box("ann", envelope(), state={})
    drop(path, *LATER)
    return path


@pytest.mark.parametrize(
    "look",
    [("ls",), ("show", "ann"), ("peek", "ann"), ("why", "ann"), ("dead", "ls"), ("tree",)],
    ids=" ".join,
)
def test_a_table_that_is_not_there_yet_reads_as_empty(look: tuple[str, ...], old: Path) -> None:
    """Found by reading: a tool could not look at an older store before a node had opened it."""
    result = CliRunner().invoke(main, [*look, "--store", str(old)])
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("table", LATER, ids=lambda table: table.name)
def test_every_read_of_a_missing_table_finds_nothing(old: Path, table: Table) -> None:
    store = view_disk(old)
    try:
        assert store.get(table, b"x") is None
        assert store.get(table, table.name.lower().encode()) is None
        assert (store.scan(table), store.last(table), store.prefixes(table, 8)) == ([], None, [])
        with store.snapshot() as reads:
            assert reads.get(table, b"x") is None
        assert find_damage(store) == []
        assert store.usage().used > 0
    finally:
        store.close()


def test_a_node_s_opening_makes_what_is_missing(old: Path) -> None:
    store = open_disk(old, entropy=bytes, now_ns=lambda: NOW)
    for table in LATER:
        store.commit({table: {b"x": b"1"}})
        assert store.get(table, b"x") == b"1"
    store.close()
    lines = CliRunner().invoke(main, ["ls", "--json", "--store", str(old)]).stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["ann"]
