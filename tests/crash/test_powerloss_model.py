"""The disk that loses its power: it keeps what was synced, and may lose all the rest, piece by piece."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from .powerloss import PAGE, SECTOR, Disk
from .recording import read_steps
from .steps import Make, Remove, Rename, Resize, Step, Sync, SyncPart, Write

A, B = b"a" * PAGE, b"b" * PAGE
MADE: tuple[Step, ...] = (Make("f"), Write("f", 0, A * 2), Sync("f"), Sync("."))


def outcomes(steps: Sequence[Step]) -> set[tuple[tuple[str, bytes | None], ...]]:
    """All that is found after two hundred power losses behind these steps."""
    disk = Disk()
    for step in steps:
        disk.take(step)
    losses = (disk.lose_power(random.Random(seed), lambda _: False) for seed in range(200))
    return {tuple(sorted(each.items())) for each in losses}


def contents(steps: Sequence[Step]) -> set[bytes | None]:
    """All that is found in `f`."""
    return {dict(found)["f"] for found in outcomes(steps)}


def test_what_was_synced_is_there() -> None:
    assert contents(MADE) == {A * 2}
    assert contents([*MADE, Write("f", 0, B), Sync("f")]) == {B + A}
    assert contents([*MADE, Write("f", PAGE, B), SyncPart("f", PAGE, PAGE)]) == {A + B}


def test_each_page_that_was_not_synced_is_lost_or_kept_by_itself() -> None:
    found = contents([*MADE, Write("f", 0, B * 2)])
    assert {A + A, A + B, B + A, B + B} <= found


def test_pages_are_torn_between_sectors_and_no_sector_is() -> None:
    found = contents([*MADE, Write("f", 0, B)])
    sectors = {each[at : at + SECTOR] for each in found if each for at in range(0, PAGE, SECTOR)}
    assert sectors == {A[:SECTOR], B[:SECTOR]}
    assert len(found) > 10


def test_a_synced_part_leaves_the_rest_in_danger() -> None:
    found = contents([*MADE, Write("f", 0, B * 2), SyncPart("f", PAGE, PAGE)])
    assert {each[PAGE:] for each in found if each} == {B}
    assert {A + B, B + B} <= found


def test_a_file_that_grew_has_any_of_its_sizes_and_zeros_where_pages_were_lost() -> None:
    found = contents([*MADE, Write("f", 2 * PAGE, B * 2)])
    assert {len(each) for each in found if each} == {2 * PAGE, 4 * PAGE}
    assert A * 2 + bytes(PAGE) + B in found


def test_a_file_that_was_cut_off_may_be_long_still() -> None:
    assert {A * 2, A} <= contents([*MADE, Resize("f", PAGE)])


def test_a_name_is_safe_only_when_its_directory_was_synced() -> None:
    found = outcomes([Make("f"), Write("f", 0, A), Sync("f")])
    assert found == {(), (("f", A),)}
    assert outcomes([*MADE, Remove("f")]) == {(), (("f", A * 2),)}


def test_a_rename_happens_whole_or_not_at_all() -> None:
    directory: list[Step] = [Make("d", directory=True), Make("d/f"), Write("d/f", 0, A)]
    directory += [Sync("d/f"), Sync("d"), Sync(".")]
    before: tuple[tuple[str, bytes | None], ...] = (("d", None), ("d/f", A))
    after: tuple[tuple[str, bytes | None], ...] = (("d", None), ("f", A))
    assert outcomes([*directory, Rename("d/f", "f")]) == {before, after}
    assert outcomes([*directory, Rename("d/f", "f"), Sync(".")]) == {after}


def test_the_sync_of_a_directory_says_nothing_of_its_own_name() -> None:
    assert () in outcomes([Make("d", directory=True), Make("d/f"), Sync("d")])


def hexed(text: str) -> str:
    return "".join(f"\\x{each:02x}" for each in text.encode())


F = hexed("/r/f")
OPENED = f'7 openat(AT_FDCWD<{hexed("/r")}>, "{F}", O_RDWR|O_CREAT|O_DSYNC, 0600) = 5<{F}>'


def read(tmp_path: Path, *lines: str) -> list[Step]:
    (tmp_path / "log").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    return read_steps(tmp_path / "log", Path("/r"))


def test_a_write_stands_where_it_begins_and_its_sync_where_it_has_returned(tmp_path: Path) -> None:
    steps = read(
        tmp_path,
        OPENED,
        f'7 pwrite64(5<{F}>, "{hexed("xy")}", 2, 10 <unfinished ...>',
        f'8 openat(AT_FDCWD<{hexed("/r")}>, "{hexed("/r/g")}", O_RDWR|O_CREAT, 0600) = 6<{hexed("/r/g")}>',
        "7 <... pwrite64 resumed>) = 2",
    )
    assert steps == [Make("f"), Write("f", 10, b"xy"), Make("g"), SyncPart("f", 10, 2)]


def test_a_call_that_was_cut_off_by_a_kill_has_only_begun(tmp_path: Path) -> None:
    cut = f'7 pwrite64(5<{F}>, "{hexed("xy")}", 2, 10 <unfinished ...>) = ?'
    assert read(tmp_path, OPENED, cut, "7 +++ killed by SIGKILL +++") == [Make("f"), Write("f", 10, b"xy")]


def test_what_cannot_be_replayed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="do not know how to replay"):
        read(tmp_path, OPENED, f"7 copy_file_range(5<{F}>, NULL, 5<{F}>, NULL, 4096, 0) = 4096")
    with pytest.raises(AssertionError, match="cut off"):
        read(tmp_path, OPENED, f'7 pwrite64(5<{F}>, "{hexed("xy")}"..., 9, 0) = 9')
    with pytest.raises(AssertionError, match="which was first"):
        read(
            tmp_path,
            OPENED,
            f"7 fdatasync(5<{F}> <unfinished ...>",
            f'8 pwrite64(5<{F}>, "{hexed("x")}", 1, 0) = 1',
            "7 <... fdatasync resumed>) = 0",
        )
