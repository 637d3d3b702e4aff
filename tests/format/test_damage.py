"""Damaged files: whatever bytes the disk gives back, an examination finds it or it does no harm.

Before these tests, the same damage under `ls` ended the process about once in seventy stores.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from callboard import open_node
from callboard.console.examining import examine
from callboard.console.progress import Progress
from callboard.mailbox.opening import open_disk
from callboard.mailbox.reading import list_dead
from callboard.mailbox.records import Box, key, open_pair, unpack
from callboard.mailbox.soundness import find_damage
from callboard.mailbox.store import Table

from .cast import TYPES, Ann
from .damaging import KINDS, PAGE, Examiner, Verdict, damage, examiner, make_store, put


class Scene:
    """A sound store's bytes, what an examination reads in it, and who examines."""

    def __init__(self, data: bytes, examine: Examiner, folder: Path) -> None:
        self.data = data
        self.examine = examine
        self.folder = folder
        self.sound = examine(put(data, folder / "copy"))

    def look(self, data: bytes) -> Verdict:
        return self.examine(put(data, self.folder / "damaged"))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Generator[Scene]:
    folder = tmp_path_factory.mktemp("damage")
    make_store(folder / "sound")
    data = (folder / "sound/data.mdb").read_bytes()
    with examiner() as examine_apart:
        yield Scene(data, examine_apart, folder)


@pytest.mark.slow
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 1 << 30))
def test_damage_is_found_or_harmless_and_never_ends_the_process(scene: Scene, kind: str, seed: int) -> None:
    """Harmless means: every value is read as it was written; see `Verdict.digest` about keys."""
    assert scene.sound.digest is not None
    verdict = scene.look(damage(scene.data, kind, seed))
    assert not verdict.died
    assert verdict.error or verdict.places or verdict.digest == scene.sound.digest


@pytest.mark.slow
@given(length=st.integers(0, 1 << 30))
def test_a_file_that_was_cut_off_is_found_unless_only_free_pages_are_missing(
    scene: Scene, length: int
) -> None:
    verdict = scene.look(scene.data[: length % len(scene.data)])
    assert not verdict.died
    assert verdict.places or verdict.digest == scene.sound.digest


@pytest.mark.slow
@given(seed=st.integers(0, 1 << 30))
def test_an_older_page_in_the_place_of_a_newer_one_never_ends_the_process(scene: Scene, seed: int) -> None:
    """A disk that loses writes: a sound page, of an earlier commit."""
    newer = _later(scene)
    pages = len(scene.data) // PAGE
    one = 2 + seed % (pages - 2)
    here = slice(one * PAGE, (one + 1) * PAGE)
    mixed = newer[: here.start] + scene.data[here] + newer[here.stop :]
    verdict = scene.look(mixed)
    assert not verdict.died
    assert verdict.error or verdict.places or verdict.digest == scene.look(newer).digest


def _later(scene: Scene) -> bytes:
    """The store after some more commits."""
    path = scene.folder / "later"
    if not path.exists():
        store = open_disk(put(scene.data, path), entropy=bytes, now_ns=lambda: 0)
        for number, (at, value) in enumerate(store.scan(Table.STATES)):
            store.commit({Table.STATES: {at: value}, Table.DEAD: {at: value * 10}})
            if number % 5 == 0:
                store.commit({Table.MAIL: {row: None for row, _ in store.scan(Table.MAIL, limit=2)}})
        store.close()
    return (path / "data.mdb").read_bytes()


def first_mail(path: Path) -> tuple[int, bytes, bytes]:
    """The mailbox, the key and the value of the first segment of mail."""
    store = open_disk(path, entropy=bytes, now_ns=lambda: 0)
    try:
        ((at, value),) = store.scan(Table.MAIL, limit=1)
        return open_pair(at)[0], at, value
    finally:
        store.close()


@pytest.mark.parametrize(
    ("place", "effect"),
    [
        (Table.MAIL, "dead letter"),
        (Table.STATES, "paused"),
        (Table.BOXES, "shut"),
        (Table.TIMERS, "dead letter"),
        (Table.KEYED, "cancelled"),
        (Table.MARKS, "counts as new"),
    ],
)
def test_a_damaged_record_is_named_with_what_becomes_of_it(
    scene: Scene, tmp_path: Path, place: Table, effect: str
) -> None:
    path = put(scene.data, tmp_path / "store")
    store = open_disk(path, entropy=bytes, now_ns=lambda: 0)
    ((at, value),) = store.scan(place, limit=1)
    store.commit({place: {at: value[:-1] + bytes([value[-1] ^ 4])}})
    store.close()
    found = [each for each in examine(path, Progress()) if each.place == place.name]
    assert len(found) == 1
    assert effect in found[0].effect


async def test_a_damaged_message_on_disk_becomes_a_dead_letter_and_the_others_run(
    scene: Scene, tmp_path: Path
) -> None:
    path = put(scene.data, tmp_path / "store")
    number, at, value = first_mail(path)
    store = open_disk(path, entropy=bytes, now_ns=lambda: 0)
    record = store.get(Table.BOXES, key(number))
    assert record is not None
    name = unpack(Box, record).name
    store.commit({Table.MAIL: {at: value[:20] + bytes([value[20] ^ 1]) + value[21:]}})
    store.close()
    async with open_node(path, types=TYPES) as node:
        ann = node.ref(Ann, name)
        await node.resume(ann)
        assert [len(each) for each in await ann.ask(Ann.show())][:2] == [3000, 9000]
        (dead,) = list_dead(node.store)
        assert (dead.box, dead.reason) == (name, "undecodable")
        assert await node.ref(Ann, "ann/1").ask(Ann.add(1)) == 2
        await node.wait_idle()
        assert find_damage(node.store) == []


def test_a_store_that_was_copied_as_a_file_while_it_ran_is_found_or_whole(
    scene: Scene, tmp_path: Path
) -> None:
    """Half of the file from before a run, half from after it."""
    newer = _later(scene)
    for cut in range(2 * PAGE, len(newer), 7 * PAGE):
        verdict = scene.look(newer[:cut] + scene.data[cut:])
        assert not verdict.died
        verdict = scene.look(scene.data[:cut] + newer[cut:])
        assert not verdict.died


@pytest.mark.parametrize("kind", KINDS)
def test_the_damage_of_the_tests_is_damage(scene: Scene, kind: str) -> None:
    assert any(damage(scene.data, kind, seed) != scene.data for seed in range(20))
