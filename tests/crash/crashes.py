"""Crashes: power losses drawn from seeds, laid out as directories, and judged.

The store lies on the disk that loses its power. What the senders noted and what actors did outside belong
to other machines, and are there up to the crash; so it is known exactly what was acknowledged before it.
"""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from callboard.mailbox.checking import check_pages, check_records, check_whole
from callboard.mailbox.errors import StoreError
from callboard.mailbox.opening import view_disk
from callboard.mailbox.preflight import Place, check_head, look_at
from callboard.testing.remains import look_into

from .checking import find_violations
from .killing import evidence_in
from .lives import SENDERS
from .powerloss import Disk, lay_out
from .program import Job, run_node
from .recording import read_steps
from .steps import Step, Write

STORE = "store"
DATA = f"{STORE}/data.mdb"
EARLY = 0.1
"""The part of all crashes that come while the first store is made."""
MAKING = 60
"""Steps in which it is."""

Moment = Callable[[int, Sequence[Step]], int]
"""Before which of these steps the power goes, for a seed."""


@attrs.frozen
class Crash:
    """A power loss of a recorded program."""

    seed: int
    at: int
    """Before which step."""
    found: dict[str, bytes | None] = attrs.field(repr=False)
    at_stake: int = 0
    """Pages of the data file that were not synced."""

    @property
    def size(self) -> int:
        """Bytes of the data file that is left."""
        return len(self.found.get(DATA) or b"")


def any_moment(seed: int, steps: Sequence[Step]) -> int:
    """Before which step the power of a seed goes."""
    rng = random.Random(f"{seed} moment")
    return rng.randint(0, MAKING if rng.random() < EARLY else len(steps))


def after_an_ack(seed: int, steps: Sequence[Step]) -> int:
    """One at which a sender has just noted that it was told."""
    acks = [n for n, step in enumerate(steps, 1) if isinstance(step, Write) and b"acked" in step.data[:20]]
    return random.Random(f"{seed} ack").choice(acks)


def crashes(
    steps: Sequence[Step], seeds: Iterable[int], lies: Iterable[str] = (), moment: Moment = any_moment
) -> Iterator[Crash]:
    """The crash of each seed, in the order of their moments."""
    disk, taken = Disk(frozenset(lies)), 0
    for at, seed in sorted((moment(seed, steps), seed) for seed in seeds):
        while taken < at:
            disk.take(steps[taken])
            taken += 1
        found = disk.lose_power(random.Random(f"{seed} losses"), survives)
        yield Crash(seed, at, found, disk.at_stake(DATA))


def rebuild(log: str, root: str, seed: int, place: str) -> None:
    """Lay out the image of a seed again, to be looked at."""
    (crash,) = crashes(read_steps(Path(log), Path(root)), [seed])
    Path(place).mkdir()
    lay_out(crash.found, Path(place))


def survives(path: str) -> bool:
    """Whether it belongs to another machine."""
    return path.partition("/")[0] != STORE


def look(store: Path) -> list[str]:
    """What a doctor says against the store of an image; nothing if there is none yet."""
    try:
        if look_at(store) is not Place.STORE:
            return []
        check_head(store)
        if pages := check_pages(store):
            return [f"{each.place}: {each.text}" for each in pages]
        view = view_disk(store)
        try:
            return [f"{each.place}: {each.text}" for each in (*check_records(view), *check_whole(view))]
        finally:
            view.close()
    except StoreError as error:
        return [f"the store does not open: {error}"]


def judge(place: Path) -> list[str]:
    """Look at an image; if it is sound, let a node handle all mail, and compare with what was promised."""
    if said := look(place / STORE):
        return said
    with quiet():
        run_node(Job(place=str(place), run=999, senders=SENDERS, drain=True))
    with look_into(place / STORE) as remains:
        return [*find_violations(evidence_in(place, remains)), *remains.damage()]


def judge_all(
    steps: Sequence[Step],
    seeds: Iterable[int],
    place: Path,
    lies: Iterable[str] = (),
    moment: Moment = any_moment,
) -> Verdicts:
    """Judge the crash of each seed."""
    verdicts = Verdicts()
    for crash in crashes(steps, seeds, lies, moment):
        with laid_out(crash, place / "image") as image:
            verdicts.add(crash, judge(image))
    return verdicts


@attrs.define
class Verdicts:
    """What became of many crashes."""

    images: int = 0
    at_stake: int = 0
    """Images of moments at which pages of the data file were not synced."""
    biggest: int = 0
    """Bytes of the biggest data file."""
    wrong: dict[int, list[str]] = attrs.Factory(dict[int, list[str]])
    """What was found, by seed."""

    def add(self, crash: Crash, found: list[str]) -> None:
        """Take down one."""
        self.images += 1
        self.at_stake += bool(crash.at_stake)
        self.biggest = max(self.biggest, crash.size)
        if found:
            self.wrong[crash.seed] = [f"power lost before step {crash.at}", *found]

    def told(self, log: Path, root: Path) -> str:
        """The first that went wrong, and how to have that image again."""
        seed, found = next(iter(self.wrong.items()))
        again = f"rebuild({str(log)!r}, {str(root)!r}, {seed}, 'image')"
        return "\n".join(
            [
                f"{len(self.wrong)} of {self.images} images are wrong. Seed {seed}:",
                *(f"  {each}" for each in found),
                "to have it again, with our root last on sys.path:",
                f"  from tests.crash.crashes import rebuild; {again}",
            ]
        )


@contextmanager
def laid_out(crash: Crash, place: Path) -> Generator[Path]:
    """The image of a crash, for as long as it is looked at."""
    place.mkdir()
    lay_out(crash.found, place)
    yield place
    shutil.rmtree(place)


@contextmanager
def quiet() -> Generator[None]:
    """Without the warnings of failures that the senders ask for."""
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
