"""Exits are values: they can be stored, sent, told apart and read."""

import pytest

from callboard.actors.exits import (
    LINE,
    Exit,
    Failed,
    Finished,
    GaveUp,
    Killed,
    Stopped,
    describe,
    is_normal,
)
from callboard.actors.record import Record
from callboard.actors.reply import Reply


class Terminated(Record, tag="terminated"):
    """A record that carries an exit."""

    name: str
    exit: Exit


EXITS: list[tuple[Exit, str]] = [
    (Finished(), "finished"),
    (Stopped("its supervisor 'shop'"), "was stopped by its supervisor 'shop'"),
    (Failed("ValueError", "boom\nand more"), "failed: ValueError: boom"),
    (Failed("ValueError"), "failed: ValueError"),
    (Killed("its patience of 5 s was over"), "was killed: its patience of 5 s was over"),
    (GaveUp("too often\n  'a' failed"), "gave up: too often"),
]


@pytest.mark.parametrize(("exit", "line"), EXITS)
def test_an_exit_is_one_line_for_people(exit: Exit, line: str) -> None:
    assert describe(exit) == line


@pytest.mark.parametrize(("exit", "_"), EXITS)
def test_an_exit_within_a_record_comes_back_the_same(exit: Exit, _: str) -> None:
    codec = Reply(Terminated, "the reply")
    value = codec.check(Terminated("a", exit))
    assert codec.decode(codec.encode(value), None) == value


def test_what_a_transient_child_is_not_restarted_after_is_normal() -> None:
    normal = [type(each) for each, _ in EXITS if is_normal(each)]
    assert normal == [Finished, Stopped, GaveUp]


def test_a_long_text_is_cut_where_a_line_is_wanted() -> None:
    assert len(describe(Killed("x" * 9999))) == len("was killed: ") + LINE
