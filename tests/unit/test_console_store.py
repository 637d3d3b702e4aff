"""A store written record by record, for the tests of the command line, and what becomes of broken ones."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import msgspec
import pytest
from click.testing import CliRunner, Result

from callboard.console.command import main
from callboard.console.viewing import looking, standing_still
from callboard.mailbox.disk import DiskStore
from callboard.mailbox.envelope import Codec, Envelope, encode_fields
from callboard.mailbox.errors import StoreDamaged, StoreError
from callboard.mailbox.meta import FORMAT_KEY
from callboard.mailbox.opening import open_disk, view_disk
from callboard.mailbox.reading import read_counters
from callboard.mailbox.records import (
    COUNTERS_KEY,
    Box,
    Counters,
    Dead,
    Timer,
    TimerKind,
    key,
    name_key,
    pack,
    pack_number,
    pack_segments,
    pair_key,
    seal,
)
from callboard.mailbox.store import Table, Writes

NOW = 1_800_000_000_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def envelope(handler: str = "deposit", number: int = (1 << 40) + 7, **fields: Any) -> bytes:
    """A message's bytes; `args` are its parameters."""
    args = fields.pop("args", {"amount": 30})
    made = Envelope(
        number=number,
        origin=b"",
        type="Account",
        handler=handler,
        version=1,
        codec=Codec.MSGPACK,
        body=msgspec.msgpack.encode(args),
        sender="",
        sent_at=NOW - 4 * MINUTE,
        cause=0,
        root=number,
        trace="",
        attempts=0,
        flags=0,
        extra={},
    )
    return encode_fields(msgspec.structs.replace(made, **fields))


@attrs.define
class Shelf:
    """A store in the making."""

    store: DiskStore
    writes: Writes = attrs.field(factory=lambda: {table: {} for table in Table})
    boxes: int = 0
    counters: Counters = attrs.field(factory=Counters)

    def box(self, name: str, *mail: bytes, type: str = "Account", state: Any = None, **fields: Any) -> int:
        """A mailbox with an actor and mail."""
        self.boxes += 1
        box = Box(name, 5, 5 + len(mail), type, 1, "", 0, 0, "", 0, 0, 0)
        self.put(Table.BOXES, key(self.boxes), pack(msgspec.structs.replace(box, **fields)))
        self.put(Table.NAMES, name_key(name), key(self.boxes))
        for first, _, value in pack_segments(5, mail):
            self.put(Table.MAIL, pair_key(self.boxes, first), value)
        if state is not None:
            self.put(Table.STATES, key(self.boxes), seal(msgspec.msgpack.encode(state)))
        self.counters.actors += bool(type)
        self.counters.accepted += len(mail)
        return self.boxes

    def timer(self, to: str, due: int, letter: bytes, *, setter: str = "", timer_key: str = "") -> None:
        """A message for later."""
        number = 1000 + len(self.writes[Table.TIMERS])
        record = Timer(TimerKind.MESSAGE, to, setter, timer_key, letter, 0, b"")
        self.put(Table.TIMERS, pair_key(due, number), pack(record))
        self.counters.accepted += 1
        self.counters.scheduled += 1

    def dead(self, number: int, letter: bytes, **fields: Any) -> None:
        """A dead letter."""
        made = Dead(
            "ann", "Account", letter, "failed", "ValueError", "no", "", 12, NOW - MINUTE, NOW - SECOND
        )
        self.put(Table.DEAD, key(number), pack(msgspec.structs.replace(made, **fields)))
        self.counters.accepted += 1
        self.counters.died += 1

    def put(self, table: Table, at: bytes, value: bytes | None) -> None:
        """Any record."""
        self.writes[table][at] = value


@contextmanager
def shelf(path: Path) -> Generator[Shelf, None, None]:
    """A store, made if it is not there, and written when the block is left."""
    store = open_disk(path, entropy=bytes, now_ns=lambda: NOW)
    try:
        made = Shelf(store, counters=read_counters(store))
        yield made
        made.writes[Table.META].setdefault(COUNTERS_KEY, pack(made.counters))
        store.commit(made.writes)
    finally:
        store.close()


def call(*args: object, env: dict[str, str | None] | None = None) -> Result:
    """Run the command line in this process, at a second past `NOW`."""
    quiet: dict[str, str | None] = {"NO_COLOR": None, "FORCE_COLOR": None, "CALLBOARD_STORE": None}
    runner = CliRunner(env=quiet | (env or {}))
    with patch("callboard.console.viewing.time.time_ns", return_value=NOW + SECOND):
        return runner.invoke(main, [str(arg) for arg in args], prog_name="callboard")


LOOKS = [("ls",), ("show", "ann"), ("peek", "ann"), ("why", "ann"), ("dead", "ls"), ("dead", "show", "1")]
"""Every command that only looks."""


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_store_that_is_not_there_is_unreachable_and_is_not_made(
    look: tuple[str, ...], tmp_path: Path
) -> None:
    result = call(*look, "--store", tmp_path / "none")
    assert result.exit_code == 4
    assert result.stdout == ""
    assert f"there is no store in {tmp_path / 'none'}" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_directory_of_other_files_is_no_store_and_stays_as_it_is(
    look: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert call(*look, "--store", tmp_path).exit_code == 4
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_store_that_is_cut_short_is_damaged(look: tuple[str, ...], tmp_path: Path) -> None:
    with shelf(tmp_path / "s") as made:
        made.box("ann", *[envelope()] * 500)
    data = tmp_path / "s/data.mdb"
    data.write_bytes(data.read_bytes()[:6000])
    result = call(*look, "--store", tmp_path / "s")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "is damaged" in result.stderr


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_store_of_a_newer_release_asks_for_an_upgrade(look: tuple[str, ...], tmp_path: Path) -> None:
    with shelf(tmp_path / "s") as made:
        made.put(Table.META, FORMAT_KEY, pack_number(99))
    result = call(*look, "--store", tmp_path / "s")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "upgrade callboard" in result.stderr


def test_looking_changes_no_byte_of_the_data_and_adds_no_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with shelf(path) as made:
        made.box("ann", envelope(), state={"owner": "Ann"})
        made.dead(1, envelope())
    before = {file.name: file.read_bytes() for file in path.iterdir() if file.name != "lock.mdb"}
    stamp = (path / "data.mdb").stat().st_mtime_ns
    for look in LOOKS:
        assert call(*look, "--store", path).exit_code == 0
    assert {file.name for file in path.iterdir()} == {*before, "lock.mdb"}
    assert all((path / name).read_bytes() == data for name, data in before.items())
    assert (path / "data.mdb").stat().st_mtime_ns == stamp


def test_a_store_may_be_named_by_the_environment(tmp_path: Path) -> None:
    with shelf(tmp_path / "s") as made:
        made.box("ann")
    assert "ann" in call("ls", env={"CALLBOARD_STORE": str(tmp_path / "s")}).stdout


def test_without_a_store_a_command_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "--store shop.store" in call("ls").stderr
    with shelf(tmp_path / "bank.store"):
        pass
    result = call("ls")
    assert result.exit_code == 2
    assert "such as --store bank.store, or set CALLBOARD_STORE" in result.stderr


def test_a_store_that_moved_is_looked_at_where_it_is(tmp_path: Path) -> None:
    with shelf(tmp_path / "s") as made:
        made.box("ann")
    shutil.move(tmp_path / "s", tmp_path / "elsewhere")
    assert call("ls", "--store", tmp_path / "elsewhere").exit_code == 0


def test_what_looks_like_damage_while_a_node_commits_is_looked_at_again(tmp_path: Path) -> None:
    with shelf(tmp_path / "s") as made:
        made.box("ann")
    outcomes = [
        StoreDamaged("its end was cut off"),
        StoreDamaged("its end was cut off"),
        view_disk(tmp_path / "s"),
    ]
    with patch("callboard.mailbox.opening.view_disk", side_effect=outcomes):
        assert call("ls", "--store", tmp_path / "s").exit_code == 0


def test_a_store_that_stands_still_shows_one_commit_and_takes_none(tmp_path: Path) -> None:
    with shelf(tmp_path / "s") as made:
        with standing_still(made.store) as still:
            made.store.commit({Table.META: {b"x": b"1"}})
            assert still.get(Table.META, b"x") is None
            with still.snapshot() as reads:
                assert reads.get(Table.META, b"x") is None
            assert still.identity == made.store.identity
            assert still.usage().file > 0
            still.tend()
            still.close()
        assert made.store.get(Table.META, b"x") == b"1"
    with looking(tmp_path / "s") as store, standing_still(store) as still, pytest.raises(StoreError):
        still.commit({})
