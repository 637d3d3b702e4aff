"""A journal survives its writer, and the reckoning finds in it what was lost, doubled, swapped or made up."""

from pathlib import Path

import pytest

from callboard.testing.journal import Acked, Begun, Journal, Span, Tried, read_notes
from callboard.testing.reckoning import reckon


def test_numbers_go_on_where_the_last_run_ended(tmp_path: Path) -> None:
    first = Journal(tmp_path / "notes", "till")
    for _ in range(2):
        with first.call("ledger"):
            pass
    first.tried("tell", [first.take("ledger")])  # and is killed
    with Journal(tmp_path / "notes", "till").call("ledger") as number:
        assert number == 4
    assert read_notes(tmp_path / "notes")["till"] == [
        Begun({}),
        *(Tried("tell", [Span("ledger", "till", 1, 1)]), Acked()),
        *(Tried("tell", [Span("ledger", "till", 2, 2)]), Acked()),
        Tried("tell", [Span("ledger", "till", 3, 3)]),
        Begun({"ledger till": 4}),
        *(Tried("tell", [Span("ledger", "till", 4, 4)]), Acked()),
    ]


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_line_that_was_cut_short_was_not_written(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path, "till")
    with journal.call("ledger"):
        pass
    (path,) = tmp_path.glob("*.log")
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_notes(tmp_path)["till"][-1] == Tried("tell", [Span("ledger", "till", 1, 1)])
    assert Journal(tmp_path, "till").take("ledger").first == 2


def test_a_run_that_was_killed_before_it_noted_anything_hides_no_other(tmp_path: Path) -> None:
    Journal(tmp_path, "till").tried("tell", [Span("ledger", "till", 1, 8)])
    (tmp_path / "till.000002.log").write_bytes(b'{"type":"beg')
    assert Journal(tmp_path, "till").take("ledger").first == 9


def test_a_call_with_an_id_is_pending_until_it_is_acknowledged(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "till")
    span = journal.take("ledger")
    journal.tried("ask", [span], again=True)
    for _ in range(2):
        journal = Journal(tmp_path, "till")
        assert journal.pending == Tried("ask", [span], again=True)
    journal.tried("ask", [span], again=True)
    journal.acked(7)
    assert Journal(tmp_path, "till").pending is None


def test_a_call_that_raises_has_an_unknown_outcome(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "till")
    with pytest.raises(OSError), journal.call("ledger"):
        raise OSError
    with journal.call("ledger") as number:
        assert number == 2
    assert reckon(read_notes(tmp_path), {("ledger", "till"): [2]}) == []
    assert reckon(read_notes(tmp_path), {("ledger", "till"): [1, 2]}) == []


def test_a_journal_is_for_one_call_after_the_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "till")
    with journal.call("ledger"), pytest.raises(RuntimeError, match="one of its own"), journal.call("ledger"):
        pass


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "a b", "*"])
def test_a_name_that_cannot_be_a_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="letters"):
        Journal(tmp_path, name)


@pytest.mark.parametrize(
    ("heard", "violations"),
    [
        ([1, 2, 3], []),
        ([1, 3], ["acknowledged and never handled: ('ledger', 'till', 2)"]),
        ([1, 2, 3, 9], ["came from nowhere: ('ledger', 'till', 9)"]),
        (
            [1, 2, 2, 3],
            ["handled twice: ('ledger', 'till', 2)", "handled out of order at ('ledger', 'till'): (2, 2)"],
        ),
        ([2, 1, 3], ["handled out of order at ('ledger', 'till'): (2, 1)"]),
    ],
)
def test_the_reckoning_finds_what_is_wrong(tmp_path: Path, heard: list[int], violations: list[str]) -> None:
    journal = Journal(tmp_path, "till")
    for _ in range(3):
        with journal.call("ledger"):
            pass
    assert reckon(read_notes(tmp_path), {("ledger", "till"): heard}) == violations


def test_a_dead_letter_is_not_lost_and_what_is_odd_is_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "till")
    with journal.call("ledger"):
        pass
    journal.odd("two replies")
    assert reckon(read_notes(tmp_path), {}, dead=[("ledger", "till", 1)]) == ["till complains: two replies"]
