"""Guard: a message must not become dearer unnoticed, and no clock says whether it has.

It counts bytecodes, calls, commits and blocks of memory for each message of four kinds of work, and
compares them with those recorded in `guard.json` for this version of Python. All that depends on time is
switched off, so the counts are the same on a slow and on a busy machine.

    python benchmarks/guard.py             # compare; ends with 1 if something costs 3 % more
    python benchmarks/guard.py --record    # a change is meant: record what it costs now
    python benchmarks/guard.py --where ask # whose bytecodes these are
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

import trio
from counting import Counts, blocks, counted, dearer
from measures import Player, Sink, Source, goal
from sizes import Miscounted

from callboard import Node, open_node
from callboard.actors import ledger, pace, visits
from callboard.cluster import opening
from callboard.mailbox.writer import Writer

RECORD = Path(__file__).with_name("guard.json")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
NEVER_S = 1e9
BLOCK = 100
FULL, QUICK = 1000, 100
"""Messages that are counted; as many more are counted to take away what comes once."""

Work = Callable[[Node, int], Awaitable[None]]


# The work: each does so many messages, and has them on disk.


async def _tell(node: Node, count: int) -> None:
    sink = await node.spawn(Sink())
    source = await node.spawn(Source(sink, count))
    goal.aim(count)
    await node.tell_all([(source, Source.send(BLOCK))] * (count // BLOCK))
    await goal.reached.wait()
    await node.wait_idle()


async def _ping_pong(node: Node, count: int) -> None:
    left, right = await node.spawn(Player()), await node.spawn(Player())
    goal.aim(0)
    await left.tell(Player.serve(right, count - 1))
    await goal.reached.wait()
    await node.wait_idle()


async def _ask(node: Node, count: int) -> None:
    sink = await node.spawn(Sink())
    for number in range(count):
        if await sink.ask(Sink.ask("ann", 1, "rent")) != number + 1:
            raise Miscounted("an answer is wrong")


async def _tell_all(node: Node, count: int) -> None:
    sink = await node.spawn(Sink())
    goal.aim(count)
    for _ in range(count // BLOCK):
        await node.tell_all([(sink, Sink.take("ann", 1, "rent")) for _ in range(BLOCK)])
    await goal.reached.wait()
    await node.wait_idle()


WORK: dict[str, Work] = {"tell": _tell, "ping-pong": _ping_pong, "ask": _ask, "tell_all": _tell_all}


# Counting it.


def switch_time_off() -> None:
    """Let turns, and nothing else, say when a slice is over and when a batch is sealed."""
    visits.SLICE_S = pace.SLICE_S = NEVER_S
    ledger.UNAWAITED_S = ledger.TOLD_S = pace.TOLD_S = NEVER_S
    pace.SAVED_S = -NEVER_S
    opening._writer = partial(Writer, clock=lambda: 0.0, mode="inline")
    trio_run: Any = sys.modules["trio._core._run"]
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True
    trio_run._r = random.Random(0)


def count_work(work: Work, messages: int) -> Counts:
    """What each message costs: the difference between two runs, of which one has twice as many."""
    one, two = (trio.run(_count, work, messages * times) for times in (1, 2))
    return {name: round((two[name] - one[name]) / messages, 4) for name in one}


async def _count(work: Work, messages: int, places: Counter[CodeType] | None = None) -> Counts:
    with tempfile.TemporaryDirectory(dir=".", suffix=".store") as folder:
        async with open_node(Path(folder) / "store", idle=NEVER_S, slow=None) as node:
            await work(node, messages)  # what is done at the first time is not counted
            commits, held = node.statistics().writer.commits, blocks()
            await work(node, messages)
            kept = blocks() - held
            commits = node.statistics().writer.commits - commits
            with counted():  # some versions of Python see a function's bytecodes only from its second call on
                await work(node, BLOCK)
            with counted(places) as counts:
                await work(node, messages)
            return counts | {"commits": commits, "blocks": kept}


def count_all(messages: int) -> dict[str, Counts]:
    """Every kind of work."""
    switch_time_off()
    return {name: count_work(work, messages) for name, work in WORK.items()}


def show_where(work: Work, messages: int) -> None:
    """Print which functions the bytecodes of one kind of work belong to, those with most of them first."""
    switch_time_off()
    places = Counter[CodeType]()
    trio.run(_count, work, messages, places)
    for code, bytecodes in places.most_common(40):
        path = Path(code.co_filename)
        where = f"{path.parent.name}/{path.name}:{code.co_firstlineno}"
        print(f"{bytecodes / messages:9.1f}  {where} {code.co_name}")


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks/guard.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--record", action="store_true", help="write what is counted to guard.json")
    parser.add_argument("--where", choices=WORK, help="show which functions the bytecodes belong to")
    parser.add_argument("--quick", action="store_true", help="few messages, printed and not compared")
    return parser.parse_args()


def main() -> None:
    """Count, and compare or record."""
    options = arguments()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets is drawn when an interpreter starts.
        again = [sys.executable, __file__, *sys.argv[1:]]
        raise SystemExit(subprocess.call(again, env=os.environ | {"PYTHONHASHSEED": "0"}))
    if options.where:
        show_where(WORK[options.where], FULL)
        return
    found = count_all(QUICK if options.quick else FULL)
    for work, counts in found.items():
        print(f"{work:10}" + "".join(f"{name} {value:<10g}" for name, value in counts.items()))
    if options.quick:
        return
    records: dict[str, dict[str, Counts]] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if options.record:
        RECORD.write_text(json.dumps(records | {PYTHON: found}, indent=1) + "\n")
        return
    if PYTHON not in records:
        raise SystemExit(f"nothing is recorded for Python {PYTHON}: benchmarks/guard.py --record")
    if complaints := dearer(found, records[PYTHON]):
        raise SystemExit("\n".join(["dearer than recorded:", *complaints]))


if __name__ == "__main__":
    main()
