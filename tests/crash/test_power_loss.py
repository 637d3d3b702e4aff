"""Power loss: what a real node wrote is replayed to a disk that loses its power, and every promise holds.

The node's calls to the system are recorded by strace, once; images of the disk are drawn from seeds. What a
disk may lose is told in `powerloss.py`.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from callboard.mailbox.preflight import Place, look_at
from callboard.testing.journal import Acked, read_notes

from .crashes import DATA, STORE, after_an_ack, crashes, judge, judge_all, laid_out, look, rebuild
from .lives import record_lives, record_making
from .powerloss import Disk, lay_out
from .recording import read_steps
from .steps import Make, Map, Rename, Step, SyncPart, Write
from .syscalls import why_not

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("strace")]
IMAGES = 100


@attrs.frozen
class Recorded:
    """A program's steps, and where they come from."""

    log: Path
    root: Path
    steps: list[Step] = attrs.field(repr=False)


@pytest.fixture(scope="module")
def strace() -> None:
    """Skip, and say why, where nothing can be recorded."""
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Path]:
    """Where images are laid out: in memory if possible, since they are written, synced and soon removed."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as place:
        yield Path(place)


@pytest.fixture(scope="module")
def lives(
    strace: None, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Recorded]:
    """Three lives of a node. The log, of many megabytes, stays only if a test of it has failed."""
    place = tmp_path_factory.mktemp("lives")
    failed = request.session.testsfailed
    yield recorded(place, seed=1)
    if request.session.testsfailed == failed:
        for log in place.glob("log*"):
            log.unlink()


def recorded(place: Path, seed: int, seconds: float = 0.3, attempt: int = 0) -> Recorded:
    """Record three lives below a directory."""
    (root := place / f"root{attempt}").mkdir()
    record_lives(root, log := place / f"log{attempt}", seed=seed, seconds=seconds)
    try:
        return Recorded(log, root, read_steps(log, root))
    except AssertionError as error:
        # Two threads were caught in calls whose order no log can tell: record it once more.
        if "which was first" not in str(error) or attempt == 4:
            raise
        return recorded(place, seed, seconds, attempt + 1)


def test_a_hundred_power_losses_lose_double_and_tear_nothing(lives: Recorded, images: Path) -> None:
    verdicts = judge_all(lives.steps, range(IMAGES), images)
    assert not verdicts.wrong, verdicts.told(lives.log, lives.root)
    assert verdicts.images == IMAGES
    assert verdicts.at_stake > IMAGES / 4
    assert verdicts.biggest > 100_000


@pytest.mark.hunt
def test_a_thousand_power_losses_lose_double_and_tear_nothing(images: Path, tmp_path: Path) -> None:
    first = random.SystemRandom().randrange(1 << 32)
    found = recorded(tmp_path, seed=first, seconds=1)
    verdicts = judge_all(found.steps, range(first, first + 1000), images)
    print(f"{verdicts}, {len(found.steps)} steps")
    assert not verdicts.wrong, verdicts.told(found.log, found.root)


def test_the_recorded_lives_are_worth_losing(lives: Recorded) -> None:
    data = [step for step in lives.steps if step.path == DATA]
    assert sum(isinstance(step, SyncPart) for step in data) > 30  # on a slow machine; else hundreds
    assert any(isinstance(step, Write) and len(step.data) > 16_000 for step in data)
    assert any(isinstance(step, Rename) and step.to == DATA for step in lives.steps)
    notes = read_notes(lives.root)
    assert sum(isinstance(line, Acked) for lines in notes.values() for line in lines) > 30


def test_what_is_in_a_store_is_never_written_through_a_map(lives: Recorded) -> None:
    mapped = {Path(step.path).name for step in lives.steps if isinstance(step, Map)}
    assert mapped == {"lock.mdb", "inhand"}


def test_the_doctor_finds_nothing_wrong_after_a_power_loss(lives: Recorded, images: Path) -> None:
    (crash,) = crashes(lives.steps, [1], moment=after_an_ack)
    with laid_out(crash, images / "image") as image:
        command = [sys.executable, "-P", "-m", "callboard", "doctor", "--store", str(image / STORE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "every record" in done.stdout


@pytest.mark.parametrize("lie", ["files", "writes", "names"])
def test_a_disk_that_only_pretends_to_sync_is_found(lives: Recorded, images: Path, lie: str) -> None:
    tries = (range(first, first + 20) for first in range(0, 200, 20))
    found = (judge_all(lives.steps, seeds, images, [lie], after_an_ack) for seeds in tries)
    verdicts = next(each for each in found if each.wrong)
    assert f"rebuild({str(lives.log)!r}" in verdicts.told(lives.log, lives.root)


def test_what_is_acknowledged_only_after_the_crash_would_be_missed(lives: Recorded, images: Path) -> None:
    (early,) = crashes(lives.steps[: len(lives.steps) * 2 // 3], [1000])
    late = {path.name: path.read_bytes() for path in lives.root.glob("*.log")}
    with laid_out(attrs.evolve(early, found={**early.found, **late}), images / "image") as image:
        assert any(text.startswith("acknowledged and never handled") for text in judge(image))


def test_an_image_can_be_built_again_from_its_seed(lives: Recorded, tmp_path: Path) -> None:
    (crash,) = crashes(lives.steps, [7])
    rebuild(str(lives.log), str(lives.root), 7, str(tmp_path / "again"))
    found = {
        str(path.relative_to(tmp_path / "again")): None if path.is_dir() else path.read_bytes()
        for path in (tmp_path / "again").rglob("*")
    }
    assert found == crash.found


@pytest.mark.parametrize("killed", [(), (2,), (3,), (4, 2)])
def test_a_store_in_new_directories_is_there_once_anybody_was_told(
    tmp_path: Path, images: Path, killed: tuple[int, ...]
) -> None:
    """Only the last directory above it had been synced, so the store could be gone with the others.

    So it could when the process that made a name was killed before its sync: no later opening synced it.
    """
    (root := tmp_path / "root").mkdir()
    record_making(root, tmp_path / "log", killed)
    steps = read_steps(tmp_path / "log", root)
    assert steps[-1] == Make("said")
    for at in range(len(steps) + 1) if not killed else [len(steps)]:
        for seed in range(5 if not killed else 20):
            disk = Disk()
            for step in steps[:at]:
                disk.take(step)
            found = disk.lose_power(random.Random(seed), lambda path: path == "said")
            (image := images / f"{at}-{seed}").mkdir()
            lay_out(found, image)
            store = image / "new/newer/store"
            assert look(store) == []
            if "said" in found:
                assert look_at(store) is Place.STORE
