"""A program whose supervision tree gives up ends with a code of its own and one report for people."""

import subprocess
import sys
from pathlib import Path

import pytest

from callboard.cluster.running import GAVE_UP
from callboard.console.exits import Exit

PROGRAM = """
import sys

import trio

from callboard import Actor, Child, Node, Retry, Supervisor, handler, run


class Till(Actor):
    async def started(self) -> None:
        if "torn" in sys.argv:
            raise OSError("no paper")

    @handler(retry=Retry(attempts=1))
    async def sell(self, what: str) -> None:
        if what == "poison":
            raise ValueError("never heard of poison")


async def main(node: Node) -> None:
    till = node.ref(Till, "till")
    await node.start(Supervisor("shop", [Child(Till(), name="till")], intensity=1))
    for what in ("apple", "poison", "poison", "pear"):
        await till.tell(Till.sell(what))
    try:
        await trio.sleep(30)
    finally:
        if "clumsy" in sys.argv:
            raise LookupError("the lights went out")


async def within(node: Node) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(main, node)


async def count(node: Node) -> None:
    print(node.statistics().queued, node.statistics().died)


if __name__ == "__main__":
    run({"count": count, "within": within}.get(sys.argv[-1], main), store="shop.store")
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A program whose tree allows one restart and needs two, in a folder of its own."""
    (tmp_path / "shop.py").write_text(PROGRAM, encoding="utf-8")
    return tmp_path


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run something there to its end."""
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_line_and_run_agree_on_the_code() -> None:
    assert Exit.GAVE_UP == GAVE_UP == 70


@pytest.mark.slow
@pytest.mark.parametrize("command", [["shop.py"], ["-m", "callboard", "run", "shop.py"]], ids=" ".join)
def test_a_tree_that_gives_up_ends_the_program_with_its_report(shop: Path, command: list[str]) -> None:
    done = python(shop, *command)
    assert (done.returncode, done.stdout) == (GAVE_UP, "")
    report = done.stderr.partition("callboard: supervisor ")[2].splitlines()
    assert report[0].startswith("'shop' gave up: 2 restarts were needed within 5 s and intensity=1 allows 1")
    assert [line.partition("  'till' ")[2] for line in report[1:3]] == [
        "failed: ValueError: never heard of poison"
    ] * 2
    assert report[3:] == [
        "callboard: the node is closed, and no mail is lost: what was waiting goes on at the next start"
    ]
    assert done.stderr.count("'shop' gave up") == 1


@pytest.mark.slow
def test_what_was_waiting_when_the_tree_gave_up_is_there_at_the_next_start(shop: Path) -> None:
    assert python(shop, "shop.py").returncode == GAVE_UP
    assert python(shop, "shop.py", "count").stdout == "1 2\n"


@pytest.mark.slow
def test_a_nursery_of_mains_own_hides_nothing(shop: Path) -> None:
    done = python(shop, "shop.py", "torn", "within")
    assert done.returncode == GAVE_UP
    assert "Traceback" not in done.stderr
    assert "OSError: no paper" in done.stderr


@pytest.mark.slow
def test_a_tree_that_does_not_start_ends_the_program_in_the_same_way(shop: Path) -> None:
    done = python(shop, "shop.py", "torn")
    assert done.returncode == GAVE_UP
    assert "Traceback" not in done.stderr
    assert "'shop' gave up: 'till' did not start" in done.stderr
    assert "OSError: no paper" in done.stderr


@pytest.mark.slow
def test_what_main_raises_on_the_way_out_is_not_lost(shop: Path) -> None:
    done = python(shop, "shop.py", "clumsy")
    assert done.returncode == GAVE_UP
    assert "'shop' gave up" in done.stderr
    assert "LookupError: the lights went out" in done.stderr
