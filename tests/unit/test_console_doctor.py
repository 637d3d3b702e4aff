"""`doctor`, `store info` and `store check`: on sound, damaged, running, foreign and missing stores."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callboard import Actor, handler, open_node
from callboard.console.holders import holder_of, mapped_elsewhere
from callboard.console.surroundings import measure_syncs
from callboard.mailbox.records import key
from callboard.mailbox.store import Table

from .test_console_store import NOW, call, envelope, shelf

COMMAND = [sys.executable, "-P", "-m", "callboard"]


class Clerk(Actor, type_name="doctor.Clerk"):
    @handler
    async def work(self) -> None: ...


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with shelf(tmp_path / "s") as made:
        made.box("ann", envelope(), state={"owner": "Ann"})
    return tmp_path / "s"


def doctor(path: Path, *options: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and what was found by what it is about."""
    result = call("doctor", "--json", "--store", path, *options)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {line["v"] for line in lines} == {1}
    return result.exit_code, {line["what"]: line for line in lines}


def levels(found: dict[str, dict[str, Any]], *names: str) -> list[str]:
    return [found[name]["level"] for name in names]


def test_a_sound_store_is_told_to_be_sound_and_stays_as_it_is(path: Path) -> None:
    before = (path / "data.mdb").read_bytes()
    code, found = doctor(path)
    assert code == 0
    assert (
        levels(found, "versions", "access", "node", "records", "size", "readers", "store", "clock")
        == ["ok"] * 8
    )
    assert found["store"]["text"] == "a node without a name, incarnation 1, closed cleanly"
    assert (path / "data.mdb").read_bytes() == before


def test_people_get_a_line_for_each_and_what_to_do_below(path: Path) -> None:
    (path / "data.mdb").chmod(0o644)
    result = call("doctor", "--quick", "--store", path)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    at = lines.index("warn  access: others may get at data.mdb: whoever reads a store reads all mail")
    assert lines[at + 1] == "      chmod 700 the directory, 600 its files"
    assert all(line.startswith(("ok    ", "warn  ", "      ")) for line in lines)


def test_where_no_store_is_yet_the_place_is_looked_at(tmp_path: Path) -> None:
    code, found = doctor(tmp_path / "none/yet")
    assert code == 0
    assert levels(found, "store") == ["warn"]
    assert {"file system", "disk", "syncs"} <= found.keys()
    assert list(tmp_path.iterdir()) == []


def test_something_else_than_a_store_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    for place in tmp_path, tmp_path / "notes.txt":
        code, found = doctor(place)
        assert (code, found["store"]["level"]) == (1, "fail")
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_a_damaged_record_is_named_with_what_becomes_of_it(path: Path) -> None:
    with shelf(path) as made:
        made.put(Table.STATES, key(1), b"damaged")
    code, found = doctor(path)
    assert code == 1
    assert found["STATES"]["level"] == "fail"
    assert found["STATES"]["remedy"] == "that actor is paused and keeps its mail; the others run"
    assert "records" not in found
    result = call("store", "check", "--store", path)
    assert result.exit_code == 1
    assert "the state of mailbox 1" in result.stdout
    result = call("store", "check", "--json", "--store", path)
    assert json.loads(result.stdout.splitlines()[0])["place"] == "STATES"


def test_a_damaged_page_is_found_and_lmdb_is_not_let_near_it(path: Path) -> None:
    data = bytearray((path / "data.mdb").read_bytes())
    data[2 * 4096 : 3 * 4096] = bytes(4096)
    data[3 * 4096 : 4 * 4096] = bytes(4096)
    data[4 * 4096 : 5 * 4096] = bytes(4096)
    (path / "data.mdb").write_bytes(data)
    code, found = doctor(path)
    assert (code, found["pages"]["level"]) == (1, "fail")
    assert "clock" not in found
    assert call("store", "check", "--store", path).exit_code == 1


def test_a_store_that_was_cut_short_is_damaged_as_a_whole(path: Path) -> None:
    data = (path / "data.mdb").read_bytes()
    (path / "data.mdb").write_bytes(data[:6000])
    code, found = doctor(path)
    assert code == 1
    assert any(line["level"] == "fail" for line in found.values())
    (path / "data.mdb").unlink()
    code, found = doctor(path)
    assert (code, found["head"]["level"]) == (1, "fail")


def test_a_store_check_of_nothing_is_unreachable(tmp_path: Path) -> None:
    assert call("store", "check", "--store", tmp_path / "none").exit_code == 4
    assert call("store", "info", "--store", tmp_path / "none").exit_code == 4


def test_old_mail_dead_letters_and_paused_actors_are_told(path: Path) -> None:
    with shelf(path) as made:
        made.boxes = 1
        made.box("bob", envelope(number=8, sent_at=NOW - 86_400 * 10**9 * 3), state={}, paused="broken")
        made.dead(1, b"damaged", reason="undecodable")
        made.timer("ann", NOW - 10**9, envelope(number=9))
    code, found = doctor(path)
    assert code == 0
    assert levels(found, "paused", "mail", "dead letters", "timers") == ["warn", "warn", "warn", "ok"]
    assert "sent 3 d ago and waits in 'bob'" in found["mail"]["text"]
    assert "1 of the newest" in found["dead letters"]["text"]


async def test_beside_a_running_node_it_says_who_runs(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with open_node(path, types=[Clerk]) as node:
        ref = await node.spawn(Clerk(), name="ann")
        await ref.tell(Clerk.work())
        for command in ["doctor"], ["store", "info"], ["store", "check"]:
            done = subprocess.run(  # noqa: ASYNC221 - the node can wait
                [*COMMAND, *command, "--store", str(path)], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert "check" in command or f"process {os.getpid()}" in done.stdout
        holder = holder_of(path)
        assert holder is not None
        assert holder.pid == os.getpid()
    assert holder_of(path) is None


async def test_files_that_were_removed_or_replaced_under_a_node_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with open_node(path, types=[Clerk]):
        assert mapped_elsewhere(path, os.getpid(), ("data.mdb", "lock.mdb")) == []
        shutil.copy(path / "data.mdb", path / "copy")
        (path / "data.mdb").rename(path / "old")
        (path / "copy").rename(path / "data.mdb")
        (path / "old").unlink()
        assert mapped_elsewhere(path, os.getpid(), ("data.mdb", "lock.mdb")) == ["data.mdb"]
        code, found = doctor(path, "--quick")
        assert code == 1
        assert "data.mdb" in found["node"]["text"]


async def test_a_lock_file_that_was_deleted_under_a_node_does_not_hide_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with open_node(path, types=[Clerk]):
        (path / "LOCK").unlink()
        _, found = doctor(path, "--quick")
        assert levels(found, "files", "node") == ["warn", "ok"]
        assert "LOCK is not there" in found["files"]["text"]
        assert found["node"]["text"].startswith("run by a process")


def test_where_the_system_lists_no_locks_the_note_decides(path: Path, tmp_path: Path) -> None:
    assert holder_of(path, proc=tmp_path) is not None  # our own process opened it, and lives
    (path / "LOCK").write_text('{"pid": 1, "boot": "another"}')
    assert holder_of(path, proc=tmp_path) is None


def test_syncs_are_measured_and_nothing_is_left(tmp_path: Path) -> None:
    times = measure_syncs(tmp_path, tries=3)
    assert len(times) == 3
    assert all(time > 0 for time in times)
    assert measure_syncs(tmp_path / "none") == []
    assert list(tmp_path.iterdir()) == []


def test_info_shows_what_a_store_is_made_of(path: Path) -> None:
    shown = call("store", "info", "--store", path).stdout
    assert "format       1\n" in shown
    assert "messages     1 accepted, 0 handled, 0 sent, 1 queued" in shown
    told = json.loads(call("store", "info", "--json", "--store", path).stdout)
    assert told["counters"]["queued"] == 1
    assert told["running"] is False
    assert {table["name"]: table["entries"] for table in told["tables"]}["BOXES"] == 1
    assert told["file"] == (path / "data.mdb").stat().st_size
