"""The slot of what is in hand: what the next life makes of it, and what it makes nothing of (G8)."""

import stat
import time
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from callboard import open_node
from callboard.mailbox import inhand
from callboard.mailbox.inhand import BOX, FILE, LONE, NUMBER, OOM, SIZE, InHand, Left


@pytest.fixture
def grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inhand, "GRACE_S", 0.01)


def begun(path: Path) -> InHand:
    """A slot in use."""
    slot = InHand(path)
    slot.begin()
    return slot


def test_the_next_life_finds_who_was_in_hand(tmp_path: Path) -> None:
    words = begun(tmp_path).words
    words[BOX], words[NUMBER] = 7, 2**64 - 1
    assert InHand(tmp_path).left() == Left(number=2**64 - 1, box=7, lone=0, sudden=True)
    words[NUMBER] = 0
    assert InHand(tmp_path).left() == Left(number=0, box=7, lone=0, sudden=True)


def test_the_file_is_private_and_of_one_size(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"x" * 1000)
    (tmp_path / FILE).chmod(0o600)
    begun(tmp_path)
    found = (tmp_path / FILE).stat()
    assert (stat.S_IMODE(found.st_mode), found.st_size) == (0o600, SIZE)


def mapped() -> str:
    """What is mapped in this process."""
    return Path("/proc/self/maps").read_text()


async def test_nothing_of_its_store_is_mapped_any_more_when_a_node_was_closed(tmp_path: Path) -> None:
    """The slot was, for as long as somebody held on to the node: its file system stayed busy."""
    async with open_node(tmp_path / "store", types=[]) as node:
        assert str(tmp_path / "store" / FILE) in mapped()
    assert str(tmp_path) not in mapped()
    del node  # which was held on to so long


def test_nothing_is_made_before_it_begins(tmp_path: Path) -> None:
    slot = InHand(tmp_path)
    assert slot.left() is None
    slot.words[NUMBER] = 1
    assert not (tmp_path / FILE).exists()


def test_an_opening_that_does_not_begin_leaves_it_as_it_is(tmp_path: Path) -> None:
    words = begun(tmp_path).words
    words[NUMBER] = 5
    before = (tmp_path / FILE).read_bytes()
    InHand(tmp_path).left()
    assert (tmp_path / FILE).read_bytes() == before
    begun(tmp_path)
    left = InHand(tmp_path).left()
    assert left is not None
    assert left.number == 0


@pytest.mark.parametrize("boot", ["another", ""])
def test_another_boot_or_an_unknown_one_blames_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boot: str
) -> None:
    if not boot:
        monkeypatch.setattr(inhand, "boot_id", lambda: "")
    begun(tmp_path).words[NUMBER] = 5
    monkeypatch.setattr(inhand, "boot_id", lambda: boot)
    assert InHand(tmp_path).left() is None


@given(garbage=st.binary(max_size=2 * SIZE))
def test_garbage_blames_nobody(garbage: bytes) -> None:
    assert InHand(left=garbage).left() is None


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"")
    (tmp_path / FILE).symlink_to(tmp_path / "victim")
    begun(tmp_path).words[NUMBER] = 5
    assert (tmp_path / "victim").read_bytes() == b""
    assert InHand(tmp_path).left() is None


@pytest.mark.usefixtures("grace")
def test_a_long_step_alone_is_not_sudden_and_the_next_one_is_again(tmp_path: Path) -> None:
    slot = begun(tmp_path)
    slot.begin_alone(5)
    slot.watch()
    wait_until_survived(tmp_path)
    slot.watch()
    slot.rest()
    left = InHand(tmp_path).left()
    assert left is not None
    assert left.sudden
    slot.end_alone()
    assert slot.words[LONE] == 0


@pytest.mark.usefixtures("grace")
def test_a_long_step_is_sudden_all_the_same_if_memory_ran_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inhand, "oom_kills", lambda: 3)
    slot = begun(tmp_path)
    slot.begin_alone(5)
    slot.watch()
    wait_until_survived(tmp_path)
    assert slot.words[OOM] == 3
    monkeypatch.setattr(inhand, "oom_kills", lambda: 4)
    left = InHand(tmp_path).left()
    assert left is not None
    assert left.sudden
    slot.end_alone()


def wait_until_survived(path: Path) -> None:
    """Wait until the step has lasted for longer than a sudden one does."""
    end = time.monotonic() + 10
    while (left := InHand(path).left()) is None or left.sudden:
        assert time.monotonic() < end
        time.sleep(0.005)


def test_in_memory_a_crash_keeps_it_as_it_was(tmp_path: Path) -> None:
    slot = InHand()
    assert slot.left() is None
    slot.begin()
    slot.words[NUMBER], slot.words[BOX] = 9, 2
    image = slot.image()
    slot.words[NUMBER] = 0
    assert InHand(left=image).left() == Left(number=9, box=2, lone=0, sudden=True)
    assert InHand(left=image).image() == image
