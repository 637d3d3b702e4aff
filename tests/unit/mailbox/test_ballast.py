"""Ballast: thrown for what makes a full store smaller, and taken back when there is room (G17)."""

from pathlib import Path

import pytest

from callboard.mailbox import ballast
from callboard.mailbox.ballast import Ballast
from callboard.mailbox.errors import StoreFull
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.store import Table, Usage, Writes

SIZE = 1 << 20
KEYS = [bytes([number]) for number in range(10)]
OUT: Writes = {Table.MAIL: dict.fromkeys(KEYS[:2])}
"""Takes two messages out."""


class Place:
    """A ballast of one MiB beside a store with ten messages, and what else its file system has."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 4 * SIZE
        monkeypatch.setattr(ballast, "free_bytes", self.free_bytes)
        self.store = MemoryStore()
        self.store.commit({Table.MAIL: dict.fromkeys(KEYS, bytes(1000))})
        self.ballast = Ballast(path, lambda: Usage(used=0, file=0, limit=0), keep=True)
        self.file = path / "ballast"
        assert self.file.stat().st_size == SIZE

    def free_bytes(self, _: Path) -> int:
        return self.free

    def thrown_for(self, writes: Writes) -> bool:
        """Whether it was, for a batch that found no room."""
        return self.ballast.throw_for(writes, self.store)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def with_sent(size: int) -> Writes:
    """A batch that takes two messages out and brings one in."""
    return {Table.MAIL: {**OUT[Table.MAIL], b"new": bytes(size)}}


def test_it_is_thrown_once_and_only_for_a_batch_that_takes_mail_out(place: Place) -> None:
    assert not place.thrown_for({Table.MAIL: {b"new": b"x"}})
    assert not place.thrown_for({Table.STATES: {b"a": None}})
    assert place.file.exists()
    assert place.thrown_for(OUT)
    assert not place.file.exists()
    assert not place.thrown_for(OUT)


@pytest.mark.parametrize(("size", "thrown"), [(SIZE // 8, True), (SIZE // 8 + 3000, False)])
def test_it_is_not_thrown_for_a_batch_that_would_use_much_of_it_up(
    place: Place, size: int, thrown: bool
) -> None:
    assert place.thrown_for(with_sent(size)) is thrown


def test_while_it_is_out_what_makes_the_store_larger_is_refused_and_what_takes_out_passes(
    place: Place,
) -> None:
    place.ballast.keep_for_draining(with_sent(SIZE), place.store)
    assert place.thrown_for(OUT)
    place.free = SIZE // 2
    place.ballast.keep_for_draining(OUT, place.store)
    with pytest.raises(StoreFull, match="kept to take mail out"):
        place.ballast.keep_for_draining(with_sent(3000), place.store)
    place.free = SIZE
    place.ballast.keep_for_draining(with_sent(3000), place.store)


def test_room_is_scarce_until_there_is_half_as_much_again_and_with_twice_as_much_it_is_taken_back(
    place: Place,
) -> None:
    assert not place.ballast.is_scarce()
    assert place.thrown_for(OUT)
    for free, scarce, back in ((0, True, False), (3 * SIZE // 2, False, False), (2 * SIZE, False, True)):
        place.free = free
        assert (place.ballast.is_scarce(), place.file.exists()) == (scarce, back)
    assert not place.ballast.thrown
