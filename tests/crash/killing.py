"""Killing: the program of this folder, in the kill loop that users have."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from callboard.testing.journal import read_notes
from callboard.testing.killing import KillLoop
from callboard.testing.moments import Moment
from callboard.testing.programs import Importable, Process, Run
from callboard.testing.reckoning import reckon
from callboard.testing.remains import Remains

from .checking import Evidence, find_violations
from .program import PATIENCE_S, Final, Job

ROOT = Path(__file__).parents[2]
Heard = dict[tuple[str, str], list[int]]


UNENDED = "the last run waits for ever, and has not said what it found"
"""A violation like any other."""


def kill_loop(
    place: Path, *, seed: int, senders: int = 10, speculation: bool = True, bug: str = ""
) -> KillLoop:
    """A loop over the program, which keeps store, journals and effects in one place."""
    job = Job(place=str(place), run=0, seed=seed, senders=senders, speculation=speculation, bug=bug)

    def check(remains: Remains) -> Iterable[str]:
        if not (place / "final").exists():
            return [UNENDED]  # as where a message is lost whose answer somebody waits for
        return find_violations(evidence_in(place, remains))

    # The last run ends by itself, and says what it found; it may rest for all its patience before.
    return KillLoop(
        Jobs(job), store=place / "store", seed=seed, checks=[check], draw=draw_moment, quiet=2 * PATIENCE_S
    )


def loop_of_shifts(
    place: Path, program: str, shift: str, *, seed: int, heard: Callable[[Remains], Heard]
) -> KillLoop:
    """A loop over a program of this folder that works in shifts; the last one only handles what is left.

    Args:
        place: where its store and the journals of its senders are.
        program: the name of its file.
        shift: what it does until it is killed.
        seed: of the moments.
        heard: by mailbox and sender, the numbers that arrived, as they are found in what is left.
    """

    def words(shift: str) -> list[str]:
        file = Path(__file__).with_name(program)
        return [sys.executable, "-P", str(file), str(place / "store"), str(place / "notes"), shift]

    def each_arrived_once(remains: Remains) -> Iterable[str]:
        return reckon(read_notes(place / "notes"), heard(remains))

    return KillLoop(
        words(shift), store=place / "store", seed=seed, last=words("close"), checks=[each_arrived_once]
    )


def acked(loop: KillLoop) -> int:
    """How many calls were acknowledged in runs that were killed."""
    return sum(kill.said.count(".") for kill in loop.history)


def draw_moment(rng: random.Random, _: float) -> Moment:
    """A moment to kill: mostly at any time, sometimes as it opens, acknowledges, or closes; see `program`."""
    kind = rng.random()
    if kind < 0.1:
        return Moment("o", seconds=rng.uniform(0, 0.03))
    if kind < 0.2:
        return Moment("r", seconds=rng.uniform(0.02, 0.3), closing=rng.uniform(0, 0.05))
    if kind < 0.45:
        return Moment(".", rng.randrange(1, 150))
    return Moment("r", seconds=rng.uniform(0.02, 0.4))


class Jobs:
    """The program, told in each run what to do."""

    def __init__(self, base: Job) -> None:
        self._base = base
        self._rng = random.Random(base.seed)
        place = Path(base.place)
        self._program = Importable("tests.crash.program:run", place / "store", cwd=ROOT)

    def start(self, run: Run) -> Process:
        job = msgspec.structs.replace(self._base, run=run.number)
        if run.last:
            job = msgspec.structs.replace(job, drain=True, bug="")
        else:
            job = msgspec.structs.replace(
                job,
                writer=self._rng.choice(("inline", "thread", "adaptive")),
                lag=self._rng.choice((0.0, 0.0, 0.004, 0.02)),
            )
        return self._program.start_with(run, [msgspec.json.encode(job).decode()])

    def close(self) -> None:
        self._program.close()


def evidence_in(place: Path, remains: Remains) -> Evidence:
    """What the last run left."""
    final = msgspec.json.decode((place / "final").read_bytes(), type=Final)
    effects = place / "effects"
    lines = effects.read_text().splitlines() if effects.exists() else []
    return Evidence(final.shown, read_notes(place), remains.dead(), lines, final.left)
