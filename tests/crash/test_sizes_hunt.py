"""An hour of everything, with kills: memory stays flat and the file bounded. And stores of real size.

`CALLBOARD_SOAK_S` says how many seconds the soak takes, if not an hour; `CALLBOARD_SIZE` which share of a
million actors and ten million messages, if not all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import trio

from callboard import open_node
from callboard.mailbox.opening import open_disk

from . import crowding
from .crowding import Sink, Sleeper

pytestmark = [pytest.mark.hunt, pytest.mark.slow]

SOAK_S = float(os.environ.get("CALLBOARD_SOAK_S", "3600"))
SHARE = float(os.environ.get("CALLBOARD_SIZE", "1"))
ACTORS, MESSAGES = int(1_000_000 * SHARE), int(10_000_000 * SHARE)
KILLS = 6
MB = 1_000_000

Said = dict[str, float]


def soak(path: Path, seconds: float, *, kill: bool) -> list[Said]:
    """One life of the node, and what it said; it is killed at the end, or leaves by itself."""
    life = seconds + (1e6 if kill else 0)
    command = [sys.executable, "-P", str(Path(__file__).with_name("soaking.py")), str(path), str(life)]
    said: list[Said] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            said.append(json.loads(line))
            if kill and said[-1]["at"] >= seconds:
                child.kill()
    assert kill or child.returncode == 0
    return said


def is_flat(said: list[Said], what: str, slack: float) -> tuple[float, float]:
    """The median of the second quarter and of the last one, of which the latter is hardly larger."""
    quarter = len(said) // 4
    early = median(one[what] for one in said[quarter : 2 * quarter])
    late = median(one[what] for one in said[-quarter:])
    assert late <= 1.1 * early + slack, f"{what} grew from {early:,.0f} to {late:,.0f}"
    return early, late


def test_an_hour_of_everything_with_kills_takes_no_more_memory_and_disk_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "soak"
    said: list[Said] = []
    for number in range(KILLS + 1):
        said += soak(path, SOAK_S / 3 / (KILLS + 1), kill=number < KILLS)
    last = soak(path, SOAK_S * 2 / 3, kill=False)
    assert not [one for one in said + last if one["books"]]
    for what, slack in (("memory", 4 * MB), ("file", 2 * MB), ("waiting", 200)):
        print(what, *is_flat(last, what, slack))
    print("handled", last[-1]["handled"], "highest file", max(one["file"] for one in said + last))
    check = [sys.executable, "-P", "-m", "callboard", "store", "check", "--store", str(path)]
    assert subprocess.run(check, check=False, capture_output=True).returncode == 0


def own_memory() -> int:
    """Bytes of this process's own."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


@pytest.mark.parametrize("boxes", [1, 1000])
def test_a_million_actors_and_ten_million_messages_are_filled_opened_drained_and_woken_in_bounded_memory(
    tmp_path: Path, boxes: int
) -> None:
    before = own_memory()
    found: dict[str, Any] = {}

    async def drain() -> None:
        await crowding.fill(tmp_path / "store", ACTORS, boxes, MESSAGES)
        found["filled"] = own_memory()
        async with open_node(tmp_path / "store", types=[Sink, Sleeper]) as node:
            most = 0
            while node.statistics().queued:
                most = max(most, own_memory())
                await trio.sleep(0.2)
            found["drained"] = most
            wrong = [await node.ref(Sink, f"sink/{number}").ask(Sink.look()) for number in range(boxes)]
            assert {tuple(one) for one in wrong} == {(MESSAGES // boxes, 0)}
            for first in range(0, ACTORS, 1000):
                await node.tell_all(
                    [(node.ref(Sleeper, f"sleeper/{n}"), Sleeper.wake()) for n in range(first, first + 1000)]
                )
                assert node.statistics().active < 150_000
            await node.wait_idle()
            found["woken"] = own_memory()
            assert node.statistics().handled >= MESSAGES + ACTORS

    trio.run(drain)
    print({name: f"{(size - before) / MB:.0f} MB" for name, size in found.items()})
    assert found["filled"] - before < 200 * MB
    assert found["drained"] - before < 200 * MB
    assert found["woken"] - before < 400 * MB
    open_disk(tmp_path / "store", node="", entropy=os.urandom, now_ns=lambda: 0).close()
