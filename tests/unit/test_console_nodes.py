"""`callboard nodes`: what lies on disk for others, and what a running node says of its links."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from callboard import Actor, handler, open_node
from callboard.console.command import main

PROGRAM = """
import sys, trio
from callboard import Actor, handler, open_node

class Parcel(Actor):
    @handler
    async def take(self, n: int) -> None:
        pass

async def run(folder, name, *others):
    peers = {each: f"unix:{folder}/{each}" for each in {"a", "b", *others}}
    async with open_node(f"{folder}/{name}.store", name=name, peers=peers, types=[Parcel], drain=0.2) as node:
        for other in others:
            await node.ref(Parcel, f"p@{other}").tell(Parcel.take(1))
        if others and others[0] != "gone":
            while not node.links.status()[0].connected:
                await trio.sleep(0.01)
        print("up", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)

trio.run(run, *sys.argv[1:])
"""


class Letter(Actor):
    @handler
    async def take(self, n: int) -> None:
        pass


def nodes(store: Path, *options: str) -> tuple[int, str]:
    found = CliRunner().invoke(main, ["nodes", "--store", str(store), *options])
    return found.exit_code, found.output


def rows(store: Path) -> list[dict[str, object]]:
    code, out = nodes(store, "--json")
    assert code == 0
    return [json.loads(line) for line in out.splitlines()]


@contextmanager
def running(folder: Path, name: str, *others: str) -> Generator[None]:
    command = [sys.executable, "-P", "-c", PROGRAM, str(folder), name, *others]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        try:
            yield
        finally:
            child.stdin.close()
            assert child.wait(10) == 0


def test_a_store_without_others_says_how_to_get_some(tmp_path: Path) -> None:
    async def make() -> None:
        async with open_node(tmp_path / "s"):
            pass

    trio.run(make)
    assert nodes(tmp_path / "s") == (0, "no other nodes: give open_node(peers=...) a list\n")


@pytest.mark.slow
def test_links_of_a_running_node_are_shown_and_what_waits_when_it_rests(tmp_path: Path) -> None:
    with running(tmp_path, "b"), running(tmp_path, "a", "b"):
        (row,) = rows(tmp_path / "a.store")
        assert (row["node"], row["connected"], row["stopped"]) == ("b", True, "")
        code, out = nodes(tmp_path / "a.store")
        assert code == 0
        assert "up" in out
    (row,) = rows(tmp_path / "a.store")
    assert row == {"v": 1, "node": "b", "waiting": 0, "stopped": ""}


@pytest.mark.slow
def test_mail_for_a_node_off_the_list_is_shown_and_redirected(tmp_path: Path) -> None:
    with running(tmp_path, "a", "gone"):
        pass
    assert {row["node"]: row["waiting"] for row in rows(tmp_path / "a.store")} == {"b": 0, "gone": 1}
    code, out = nodes(tmp_path / "a.store", "--redirect", "gone", "--to", "b")
    assert code == 4
    assert "no node" in out.lower()
    with running(tmp_path, "b"), running(tmp_path, "a", "b"):
        assert {row["node"]: row["waiting"] for row in rows(tmp_path / "a.store")}["gone"] == 1
        assert nodes(tmp_path / "a.store", "--redirect", "gone", "--to", "c")[0] == 3
        assert nodes(tmp_path / "a.store", "--redirect", "gone", "--to", "b")[0] == 0
        assert {row["node"]: row["waiting"] for row in rows(tmp_path / "a.store")}["gone"] == 0


def test_options_that_belong_together_are_asked_for_together(tmp_path: Path) -> None:
    code, out = nodes(tmp_path, "--redirect", "gone")
    assert code == 2
    assert "belong together" in out


@pytest.mark.slow
def test_accepting_a_link_that_was_not_stopped_says_so(tmp_path: Path) -> None:
    with running(tmp_path, "b"):
        pass
    code, out = nodes(tmp_path / "b.store", "--accept", "a")
    assert code == 3
    assert "no link from a node 'a' was stopped here" in out
