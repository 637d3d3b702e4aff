"""Trial: the program is started, killed part-way with SIGKILL and started again, until it has its index."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .bar import Bar

PACKAGE = "stdlib_index"
FOLDER = Path(__file__).resolve().parent.parent


class Broken(Exception):
    """The trial found something that must never be."""


@dataclass
class Trial:
    """One index, made in spite of kills."""

    store: Path
    root: Path
    result: Path
    kills: int
    killed_at: list[int] = field(default_factory=list[int])
    """How many files were done at each kill."""
    resumed: bool = field(init=False)
    """The store held a part of the index before the first start."""

    def __post_init__(self) -> None:
        self.resumed = self.store.is_dir() and any(self.store.iterdir())

    def run(self, bar: Bar) -> None:
        """Start the program until it ends by itself.

        Raises:
            Broken: it failed, lost what it had said was done, or was too fast for the kills.
        """
        while not self._run_once(bar):
            pass
        if len(self.killed_at) < self.kills and not self.resumed:
            few = f"killed only {len(self.killed_at)} times of {self.kills}"
            raise Broken(f"{few}: there is too little to index in {self.root}")

    def _run_once(self, bar: Bar) -> bool:
        """Start the program and perhaps kill it; whether it came to its end."""
        with started("program", self.store, self.root, self.result, stdout=subprocess.PIPE) as child:
            done = self._follow(child, bar)
            if done is not None:
                child.kill()
            code = child.wait()
        if done is not None and code == -signal.SIGKILL:
            self.killed_at.append(done)
            bar.say(f"kill -9 after {done:,} files")
            return False
        if code:
            raise Broken(f"the program ended with {code}")
        return True

    def _follow(self, child: subprocess.Popen[bytes], bar: Bar) -> int | None:
        """Watch the program until it ends or is to be killed; how many files were done then."""
        first: int | None = None
        for done, total in progress(child):
            bar.show(done, total)
            if first is None:
                first = done
                self._compare(first)
            if len(self.killed_at) < self.kills and self._is_time(done, total):
                return done
        return None

    def _compare(self, first: int) -> None:
        """What was said to be done before a kill must still be done after it (G1, G2)."""
        if self.killed_at and first < self.killed_at[-1]:
            raise Broken(f"{self.killed_at[-1]} files were done before the kill, {first} after it")

    def _is_time(self, done: int, total: int) -> bool:
        """Kills are spread evenly over the files, and never fall on the last one."""
        share = (len(self.killed_at) + 1) / (self.kills + 1)
        return total * share <= done < total


def progress(child: subprocess.Popen[bytes]) -> Iterator[tuple[int, int]]:
    """What the program says of how far it is, until it ends."""
    assert child.stdout is not None
    for line in child.stdout:
        done, total = map(int, line.split())
        yield done, total


@contextmanager
def started(module: str, *arguments: Path, stdout: int | None = None) -> Generator[subprocess.Popen[bytes]]:
    """A module of this package as a child process, which never outlives the block."""
    path = os.pathsep.join(filter(None, [str(FOLDER), os.environ.get("PYTHONPATH")]))
    # What the parsed files are warned of is not about us; both sides must see the same.
    command = [sys.executable, "-W", "ignore", "-m", f"{PACKAGE}.{module}", *map(str, arguments)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=stdout) as child:
        try:
            yield child
        finally:
            child.kill()
