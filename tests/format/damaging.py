"""Damage to a store's data file, and a process of its own that looks at what is left.

LMDB maps its file, so a damaged page may end the process that reads it: whatever looks at damage here does so
in a child, and a child that dies is a result like any other.
"""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from random import Random
from typing import IO, Any

import attrs
import trio
from trio.testing import MockClock

from callboard import open_node
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.opening import open_disk, view_disk
from callboard.mailbox.store import Table, Writes

from .cast import TYPES, Ann

PAGE = 4096
EXAMINE = """
import hashlib, json, sys
from pathlib import Path
from callboard.console.examining import examine, looking_closely
from callboard.console.progress import Progress
from callboard.mailbox.errors import CallboardError
from callboard.mailbox.store import Table

for line in sys.stdin:
    path = Path(line.strip())
    answer = {"error": None, "places": [], "digest": None}
    try:
        answer["places"] = [found.place for found in examine(path, Progress())]
        if not answer["places"]:
            with looking_closely(path) as store:
                values = [sorted(row[1] for row in store.scan(table, limit=1 << 30)) for table in Table]
            answer["digest"] = hashlib.sha256(repr(values).encode()).hexdigest()
    except CallboardError as error:
        answer["error"] = type(error).__name__
    print(json.dumps(answer), flush=True)
"""
"""Examines the store named by each line, and says what it found, or what it read if it found nothing."""


@attrs.frozen
class Verdict:
    """What came of examining a store."""

    died: bool = False
    """The process did."""
    error: str | None = None
    places: Sequence[str] = ()
    digest: str | None = None
    """Of all values, if nothing was found. The keys have no checksum: a flipped bit in one is seen only where
    another record names it, which none does for a dead letter's or an unkeyed timer's."""


class Examiner:
    """A process that examines stores, and is started again when it has died."""

    def __init__(self, code: str = EXAMINE) -> None:
        self._code = code
        self._child: subprocess.Popen[str] | None = None

    def __call__(self, path: Path) -> Verdict:
        child = self._running()
        stdin, stdout = _pipes(child)
        try:
            stdin.write(f"{path}\n")
            stdin.flush()
            answer = stdout.readline()
        except BrokenPipeError:  # it died of the one before, after its answer
            answer = ""
        if not answer:
            self.close()
            return Verdict(died=True)
        found: dict[str, Any] = json.loads(answer)
        return Verdict(**found)

    def _running(self) -> "subprocess.Popen[str]":
        if self._child is None:
            command = [sys.executable, "-P", "-c", self._code]
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        return self._child

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            for pipe in _pipes(self._child):
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
            self._child.wait(timeout=30)
            self._child = None


def _pipes(child: "subprocess.Popen[str]") -> tuple[IO[str], IO[str]]:
    assert child.stdin is not None
    assert child.stdout is not None
    return child.stdin, child.stdout


@contextlib.contextmanager
def examiner(code: str = EXAMINE) -> Generator[Examiner]:
    """An `Examiner` for as long as the block lasts."""
    found = Examiner(code)
    try:
        yield found
    finally:
        found.close()


def make_store(path: Path) -> None:
    """A store of about a hundred pages with mail, states, timers and a list of free pages."""
    memory = MemoryStore(entropy=Random(1).randbytes)

    async def fill() -> None:
        async with open_node(memory, types=TYPES, seed=1) as node:
            for number in range(60):
                ann = await node.spawn(Ann(owner=f"{number}" * 40), name=f"ann/{number}")
                await ann.tell(Ann.remind(3600, f"{number}", f"{number}"))
                if number % 3 == 0:
                    await node.pause(ann)
                    for size in (10, 3000, 9000):
                        await ann.tell(Ann.hear("x" * size), id=f"{size}")
                else:
                    await ann.ask(Ann.add(number))

    trio.run(fill, clock=MockClock(autojump_threshold=0))
    write(memory, path)


def write(memory: MemoryStore, path: Path) -> None:
    """A store on disk with the records of a closed one in memory, and with free pages."""
    memory = memory.reopen()
    store = open_disk(path, entropy=bytes, now_ns=lambda: 0)
    passing: Writes = {Table.DEAD: {number.to_bytes(8, "big"): bytes(3000) for number in range(20)}}
    store.commit(passing)
    store.commit({Table.DEAD: dict.fromkeys(passing[Table.DEAD])})
    for table in Table:
        rows = memory.scan(table, limit=1 << 30)
        for at in range(0, len(rows), 50):
            store.commit({table: dict(rows[at : at + 50])})
    store.close()


def in_memory(path: Path) -> MemoryStore:
    """A store with the records of one on disk: a virtual clock does not wait for a disk."""
    memory, store = MemoryStore(), view_disk(path)
    memory.commit({table: dict(store.scan(table, limit=1 << 30)) for table in Table})
    store.close()
    memory.close()
    return memory.reopen()


def damage(data: bytes, kind: str, seed: int) -> bytes:
    """A data file with one kind of damage, at places drawn from a seed."""
    numbers, harmed = Random(seed), bytearray(data)
    pages = len(data) // PAGE
    one, other = numbers.randrange(pages), numbers.randrange(pages)
    here, there = slice(one * PAGE, (one + 1) * PAGE), slice(other * PAGE, (other + 1) * PAGE)
    if kind == "flip":
        for _ in range(numbers.choice([1, 1, 2, 8])):
            at = numbers.randrange(len(harmed))
            harmed[at] ^= 1 << numbers.randrange(8)
    elif kind == "flip in a head":
        at = one * PAGE + numbers.randrange(64)
        harmed[at] ^= 1 << numbers.randrange(8)
    elif kind == "zero":
        harmed[here] = bytes(PAGE)
    elif kind == "swap":
        harmed[here], harmed[there] = harmed[there], harmed[here]
    elif kind == "noise":
        harmed[here] = numbers.randbytes(PAGE)
    elif kind == "cut":
        del harmed[numbers.randrange(len(harmed)) :]
    elif kind == "sector":
        at = numbers.randrange(len(harmed) // 512) * 512
        harmed[at : at + 512] = bytes(512)
    return bytes(harmed)


KINDS = ["flip", "flip in a head", "zero", "swap", "noise", "cut", "sector"]


def put(data: bytes, path: Path) -> Path:
    """A store with this data file and nothing else but the marks of having been opened."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)
    (path / "data.mdb").write_bytes(data)
    (path / "LOCK").touch()
    return path
