"""The page on operations: its commands are run in order, and must say what the page shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import trio

from callboard import open_node

from .cast import Ann

PAGE = Path(__file__).parents[2] / "docs/operations.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = f"{shlex.quote(sys.executable)} -P -m callboard"


def blocks() -> list[tuple[str, str]]:
    """Commands, each with what it prints."""
    found: list[tuple[str, str]] = []
    for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found.append((command, shown))
    return found


def pattern(shown: str) -> str:
    """What is shown, with … for any text."""
    return ".*?".join(re.escape(piece) for piece in shown.strip().split("…"))


def test_the_page_of_operations_shows_what_its_commands_say(tmp_path: Path) -> None:
    async def shop() -> None:
        async with open_node(tmp_path / "shop.store", name="shop", types=[Ann]) as node:
            ann = await node.spawn(Ann(), name="ann")
            await ann.ask(Ann.add(1))

    trio.run(shop)
    assert len(blocks()) == 8
    for command, shown in blocks():
        done = subprocess.run(
            ["bash", "-c", re.sub(r"^callboard", COMMAND, command)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert re.fullmatch(pattern(shown), done.stdout.strip(), re.DOTALL), f"{command}\n{done.stdout}"
