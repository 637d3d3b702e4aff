"""Killing: starts the program, kills it at a drawn moment, starts it again on the same store, and so on.

At the end one run is let live until all mail is handled. What everybody heard is then compared with
what the senders noted, and the store is looked through after every kill.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import attrs
import msgspec

from callboard.mailbox.opening import view_disk
from callboard.mailbox.preflight import Place, look_at
from callboard.mailbox.reading import list_dead
from callboard.mailbox.views import DeadView

from .checking import Evidence, find_violations
from .journal import read_all
from .program import Final, Job
from .soundness import find_damage
from .stable import BOOT

ROOT = Path(__file__).parents[2]
START_WITHIN_S = 30.0
DRAIN_WITHIN_S = 60.0
END_WITHIN_S = 20.0
NEVER = "\0"
"""A letter that the program never says."""
EXIT_CODES = {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 128 + signal.SIGINT}
"""How the program ends after a signal."""


class Ended(Exception):
    """The program ended by itself, or did not do what it should."""


@attrs.frozen
class Moment:
    """When to kill."""

    after: str
    """The letter the program says; see `program`."""
    count: int = 1
    """How often it says it before."""
    seconds: float = 0.0
    """How long after that."""
    closing: float | None = None
    """If it is to be closing when it is killed: how long after a SIGINT."""


def draw_moment(rng: random.Random) -> Moment:
    """A moment to kill: mostly at any time, sometimes as it opens, acknowledges, or closes."""
    kind = rng.random()
    if kind < 0.1:
        return Moment("o", seconds=rng.uniform(0, 0.03))
    if kind < 0.2:
        return Moment("r", seconds=rng.uniform(0.02, 0.3), closing=rng.uniform(0, 0.05))
    if kind < 0.45:
        return Moment(".", rng.randrange(1, 150))
    return Moment("r", seconds=rng.uniform(0.02, 0.4))


class Child:
    """One run of the program."""

    def __init__(self, pid: int, stdout: int) -> None:
        self.pid = pid
        self.said = ""
        self.code: int | None = None
        """Its exit code, or minus the signal; None while it runs."""
        self._stdout = stdout

    def listen(self, letter: str, count: int, within: float) -> bool:
        """Wait until it has said a letter so often; False if it ended, or time ran out."""
        until = time.monotonic() + within
        while self.said.count(letter) < count and self.code is None:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._stdout], [], [], left)[0]:
                return False
            self._hear()
        return self.said.count(letter) >= count

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, and wait until it is gone."""
        self.send(number)
        self.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; it may have ended without our having heard of it."""
        if self.code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self) -> None:
        """Wait until it is gone."""
        self.listen(NEVER, 1, END_WITHIN_S)
        if self.code is None:
            raise Ended("it does not end")

    def _hear(self) -> None:
        data = os.read(self._stdout, 65536)
        if not data:
            raise Ended("the stable is gone")
        self.said += data.decode()
        lines = self.said.split("\n")
        if len(lines) > 2:
            self.code = int(lines[-2])


class KillLoop:
    """Runs and kills the program over one store; a context manager."""

    def __init__(
        self, place: Path, *, seed: int, senders: int = 10, speculation: bool = True, bug: str = ""
    ) -> None:
        self.place = place
        self.kills = 0
        self.acked = 0
        self.violations: list[str] = []
        self._rng = random.Random(seed)
        self._base = Job(
            place=str(place), run=0, seed=seed, senders=senders, speculation=speculation, bug=bug
        )
        self._run = 0
        self._child: Child | None = None

    def __enter__(self) -> KillLoop:
        with ExitStack() as stack:
            errors = stack.enter_context((self.place / "stderr").open("ab"))
            self._stable = subprocess.Popen(
                [sys.executable, "-P", "-c", BOOT, str(ROOT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            self._child.send(signal.SIGKILL)
        assert self._stable.stdin is not None
        assert self._stable.stdout is not None
        self._stable.stdin.close()
        self._stable.wait(10)
        self._stable.stdout.close()

    def run(self, kills: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill so often, then drain and compare; complaints are in `violations`."""
        for _ in range(kills):
            self.kill_once(draw_moment(self._rng), number)
        self.settle()

    def kill_once(self, moment: Moment, number: signal.Signals = signal.SIGKILL) -> None:
        """Start, send a signal at a moment, and look through the store."""
        job = msgspec.structs.replace(
            self._base,
            run=self._run,
            writer=self._rng.choice(("inline", "thread", "adaptive")),
            lag=self._rng.choice((0.0, 0.0, 0.004, 0.02)),
        )
        child = self._start(job)
        heard = child.listen(moment.after, moment.count, START_WITHIN_S)
        if heard and moment.seconds:
            child.listen(NEVER, 1, moment.seconds)
        early = not heard or child.code is not None
        allowed = {EXIT_CODES[number]}
        if moment.closing is not None and not early:
            child.send(signal.SIGINT)
            child.listen(NEVER, 1, moment.closing)
            allowed.add(EXIT_CODES[signal.SIGINT])
        child.kill(number)
        if early or child.code not in allowed:
            raise Ended(
                f"run {job.run} was sent {number.name} at {moment}, ended with {child.code} and said "
                f"{child.said!r}\n{self.stderr()}"
            )
        self.kills += 1
        self.acked += child.said.count(".")
        if look_at(self.place / "store") is Place.STORE:
            self._look_through(f"after kill {self.kills}")

    def settle(self) -> None:
        """Let a last, healthy run handle all mail, and compare what was heard with what was sent."""
        child = self._start(msgspec.structs.replace(self._base, run=self._run, drain=True, bug=""))
        child.listen("d", 1, DRAIN_WITHIN_S)
        child.wait()
        if child.code or "d" not in child.said:
            raise Ended(f"the last run ended with {child.code} and said {child.said!r}\n{self.stderr()}")
        self._look_through("after the last run")
        final = msgspec.json.decode((self.place / "final").read_bytes(), type=Final)
        effects = self.place / "effects"
        evidence = Evidence(
            final.shown,
            read_all(self.place),
            self._dead_letters(),
            effects.read_text().splitlines() if effects.exists() else [],
            final.left,
        )
        self.violations += find_violations(evidence)

    def stderr(self) -> str:
        """The end of what the program said on stderr."""
        return (self.place / "stderr").read_text()[-4000:]

    def _start(self, job: Job) -> Child:
        assert self._stable.stdin is not None
        assert self._stable.stdout is not None
        self._run += 1
        self._stable.stdin.write(msgspec.json.encode(job) + b"\n")
        pid = b""
        while not pid.endswith(b"\n"):
            byte = self._stable.stdout.read(1)
            if not byte:
                raise Ended(f"the stable is gone\n{self.stderr()}")
            pid += byte
        self._child = Child(int(pid), self._stable.stdout.fileno())
        return self._child

    def _look_through(self, when: str) -> None:
        store = view_disk(self.place / "store")
        try:
            self.violations += [f"{when}: {damage}" for damage in find_damage(store)]
        finally:
            store.close()

    def _dead_letters(self) -> list[DeadView]:
        store = view_disk(self.place / "store")
        try:
            return list_dead(store, limit=1 << 30)
        finally:
            store.close()
