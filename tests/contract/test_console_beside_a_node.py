"""Looking at a store while its node runs in another process, and after it was killed.

The node's one actor counts its turns and sends one message a turn to a mailbox where nobody
lives. So in every commit the turns it has handled are as many as the messages that wait there.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from callboard.console.command import main

pytestmark = pytest.mark.slow

PATIENCE = 30
"""Seconds in which a node must have got on."""

PROGRAM = """
from callboard import Actor, ActorRef, Node, Retry, handler
import trio

class Counter(Actor):
    sink: ActorRef["Counter"]
    turns: int = 0

    @handler
    async def tick(self, left: int) -> None:
        self.turns += 1
        await self.sink.tell(Counter.tick(left))
        if left:
            await self.turn.ref.tell(Counter.tick(left - 1))

    @handler(retry=Retry(attempts=1))
    async def break_(self) -> None:
        raise ValueError("broken on purpose")

async def main(node: Node) -> None:
    counter = await node.spawn(Counter(node.ref(Counter, "nobody")), name="counter")
    await counter.tell(Counter.break_())
    await counter.tell(Counter.tick(9), delay=3600, key="later")
    await counter.tell(Counter.tick(1_000_000_000))
    print("running", flush=True)
    await trio.sleep_forever()
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A node in a process of its own, its store in `s`."""
    (tmp_path / "counting.py").write_text(PROGRAM)
    command = [sys.executable, "-P", "-m", "callboard", "run", "counting.py", "--store", "s"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            yield process
        finally:
            process.kill()


def look(path: Path, *arguments: str) -> list[dict[str, Any]]:
    """The objects that a command prints as JSON."""
    result = CliRunner().invoke(main, [*arguments, "--json", "--store", str(path)])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def turns_and_mail(path: Path) -> tuple[int, int]:
    """Turns of the counter, and messages that it sent."""
    found = {view["name"]: view for view in look(path, "ls")}
    return found["counter"]["handled"], found["nobody"]["mail"] if "nobody" in found else 0


def test_what_is_shown_beside_a_node_is_always_one_commit_and_none_is_taken_back_by_a_kill(
    node: subprocess.Popen[str], tmp_path: Path
) -> None:
    seen: list[int] = []
    end = time.monotonic() + PATIENCE
    while len(seen) < 30 or seen[-1] == seen[0]:
        assert time.monotonic() < end
        turns, mail = turns_and_mail(tmp_path / "s")
        assert turns == mail
        seen.append(turns)
    assert seen == sorted(seen)
    node.send_signal(signal.SIGKILL)
    node.wait()
    turns, mail = turns_and_mail(tmp_path / "s")
    assert turns == mail >= seen[-1]


def test_show_and_peek_beside_a_node_see_state_and_mail_of_one_commit(
    node: subprocess.Popen[str], tmp_path: Path
) -> None:
    for _ in range(20):
        (counter,) = look(tmp_path / "s", "show", "counter")
        assert counter["state"]["turns"] == counter["handled"]
        assert counter["head"] is None or counter["head"]["handler"] in {"tick", "break_"}
        assert [timer["key"] for timer in counter["timers"]] in ([], ["later"])
    for _ in range(5):
        lefts = [letter["body"]["left"] for letter in look(tmp_path / "s", "peek", "nobody", "-n", "50")]
        assert lefts == list(range(1_000_000_000, 1_000_000_000 - len(lefts), -1))


def test_a_node_goes_on_undisturbed_while_it_is_looked_at(
    node: subprocess.Popen[str], tmp_path: Path
) -> None:
    before = {path.name for path in (tmp_path / "s").iterdir()}
    for _ in range(10):
        look(tmp_path / "s", "ls")
        look(tmp_path / "s", "dead", "ls")
    assert {path.name for path in (tmp_path / "s").iterdir()} == before
    turns, _ = turns_and_mail(tmp_path / "s")
    end = time.monotonic() + PATIENCE
    while turns_and_mail(tmp_path / "s")[0] == turns:
        assert node.poll() is None
        assert time.monotonic() < end
    (letter,) = look(tmp_path / "s", "dead", "show", "1")
    assert (letter["message"]["handler"], letter["error"]) == ("break_", "ValueError")
    assert "broken on purpose" in letter["traceback"]
    node.send_signal(signal.SIGTERM)
    assert node.wait(30) == 143


def test_a_stopped_store_shows_what_the_node_left(node: subprocess.Popen[str], tmp_path: Path) -> None:
    node.send_signal(signal.SIGINT)
    assert node.wait(30) == 130
    turns, mail = turns_and_mail(tmp_path / "s")
    (counter,) = look(tmp_path / "s", "show", "counter")
    assert turns == mail == counter["state"]["turns"]
    assert counter["head"]["body"] == {"left": 1_000_000_000 - turns}
