"""`callboard tree`: the tree as the node last ran it."""

from __future__ import annotations

import json
from pathlib import Path

import trio
from click.testing import CliRunner

from callboard import Actor, Child, Dynamic, Supervisor, handler, open_node
from callboard.console.command import main


class Clerk(Actor, type_name="tree.Clerk"):
    count: int = 0

    @handler
    async def add(self, amount: int) -> None:
        self.count += amount


TREE = Supervisor(
    "shop",
    [
        Child(Clerk(), name="stock"),
        Supervisor("tills", [Child(Clerk(), name="till")], strategy="one_for_all", intensity=1, period=60),
        Dynamic("pool", Clerk),
    ],
)
DRAWN = """\
shop  one_for_one, 3 restarts in 5 s
├─ stock  tree.Clerk  paused  1 message
├─ tills  one_for_all, 1 restart in 60 s
│  └─ till  tree.Clerk  running
└─ pool  dynamic, 3 restarts in 5 s
   └─ p1  tree.Clerk  running
"""


def make(path: Path) -> None:
    async def fill() -> None:
        async with open_node(path) as node:
            tree = await node.start(TREE)
            await tree.start_child("pool", "p1")
            await node.pause(node.ref(Clerk, "stock"))
            await node.ref(Clerk, "stock").tell(Clerk.add(1))

    trio.run(fill)


def test_the_tree_is_drawn_with_budgets_and_what_waits(tmp_path: Path) -> None:
    make(tmp_path / "store")
    shown = CliRunner().invoke(main, ["tree", "--store", str(tmp_path / "store")])
    assert shown.output == DRAWN
    shown = CliRunner().invoke(main, ["tree", "--json", "--store", str(tmp_path / "store")])
    lines = {line["supervisor"]: line for line in map(json.loads, shown.output.splitlines())}
    assert lines["pool"]["parent"] == "shop"
    assert lines["shop"]["children"][0] == {
        "name": "stock",
        "type": "tree.Clerk",
        "condition": "paused",
        "mail": 1,
    }


def test_a_store_without_a_tree_says_so(tmp_path: Path) -> None:
    async def open_once() -> None:
        async with open_node(tmp_path / "store"):
            pass

    trio.run(open_once)
    shown = CliRunner().invoke(main, ["tree", "--store", str(tmp_path / "store")])
    assert shown.exit_code == 0
    assert "no supervision tree" in shown.stderr
