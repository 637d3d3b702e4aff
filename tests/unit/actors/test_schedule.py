"""Who is next: a flood is favoured, and nobody starves beside it."""

from collections import deque
from typing import Any, cast

from hypothesis import given, strategies as st

from callboard.actors.cell import Cell
from callboard.actors.schedule import ASKED, FAVOUR, HASTE, Fair

QUANTUM = 256


class Letter:
    """As much of a message."""

    def __init__(self, flags: int = 0) -> None:
        self.flags = flags


PLAIN = Letter()


class Box:
    """As much of a cell as a schedule sees."""

    def __init__(self, name: str, waiting: int, *, asked: bool = False) -> None:
        self.name = name
        self.mail = deque([PLAIN] * waiting)
        if asked:
            self.mail.appendleft(Letter(ASKED))
        self.line: Any = None
        self.left = 0


def add(schedule: Fair, box: Box) -> None:
    schedule.add(cast(Cell, box))


def visit(schedule: Fair) -> str:
    """Give the next one its turns, and put it back if it has mail left."""
    box = cast(Any, schedule.next())
    turns = min(len(box.mail), schedule.quantum)
    for _ in range(turns):
        box.mail.popleft()
    schedule.spent += turns
    if box.mail:
        schedule.add(box)
    return cast(str, box.name)


def test_those_with_little_mail_are_first_come_first_served() -> None:
    schedule = Fair(QUANTUM)
    for name in "abc":
        add(schedule, Box(name, 1))
    assert [visit(schedule) for _ in range(3)] == ["a", "b", "c"]
    assert schedule.next() is None


@given(neighbours=st.integers(1, 50))
def test_a_flood_delays_all_its_neighbours_together_by_one_favour(neighbours: int) -> None:
    schedule = Fair(QUANTUM)
    add(schedule, Box("flood", 100_000))
    for number in range(neighbours):
        add(schedule, Box(f"n{number}", 1))
    order = [visit(schedule) for _ in range(neighbours + FAVOUR // QUANTUM)]
    assert order == ["flood"] * (FAVOUR // QUANTUM) + [f"n{number}" for number in range(neighbours)]


def test_neighbours_that_always_have_mail_and_a_flood_have_equal_shares() -> None:
    schedule = Fair(QUANTUM)
    add(schedule, Box("flood", 1_000_000))
    boxes = [Box(f"n{number}", 0) for number in range(10)]
    for box in boxes:
        box.mail.append(PLAIN)
        add(schedule, box)
    turns = {"flood": 0, "others": 0}
    for _ in range(20_000):
        name = visit(schedule)
        turns["flood" if name == "flood" else "others"] += QUANTUM if name == "flood" else 1
        for box in boxes:
            if box.name == name:
                box.mail.append(PLAIN)
                add(schedule, box)
    assert 0.8 < turns["flood"] / turns["others"] < 1.25


def test_a_flood_that_was_alone_for_long_owes_its_neighbours_no_more_than_one_favour() -> None:
    schedule = Fair(QUANTUM)
    add(schedule, Box("flood", 1_000_000))
    for _ in range(1000):
        visit(schedule)
    add(schedule, Box("late", 200))
    add(schedule, Box("later", 1))
    assert [visit(schedule) for _ in range(3)] == ["late", "later", "flood"]


def test_a_receiver_that_fills_up_comes_before_the_other_senders() -> None:
    schedule = Fair(QUANTUM)
    sink = Box("sink", 1)
    for name in "abc":
        add(schedule, Box(name, 1))
    visit(schedule)
    add(schedule, sink)  # with the first message that it got
    sink.mail.extend([PLAIN] * QUANTUM)
    schedule.filled(cast(Cell, sink))
    assert visit(schedule) == "sink"


def test_a_flood_is_drained_before_it_stands_with_the_others_again() -> None:
    schedule = Fair(QUANTUM)
    add(schedule, Box("flood", 2 * QUANTUM + 1))
    add(schedule, Box("neighbour", 1))
    assert [visit(schedule) for _ in range(4)] == ["flood"] * 3 + ["neighbour"]
    add(schedule, Box("few", QUANTUM - 1))
    add(schedule, Box("neighbour", 1))
    assert [visit(schedule) for _ in range(2)] == ["few", "neighbour"]


def test_who_is_asked_comes_before_a_flood_and_before_those_who_were_there_first() -> None:
    schedule = Fair(QUANTUM)
    for box in (Box("flood", 1000), Box("told", 1), Box("asked", 0, asked=True)):
        add(schedule, box)
    assert schedule.urgent
    assert [visit(schedule) for _ in range(2)] == ["asked", "flood"]
    assert not schedule.urgent


def test_who_is_asked_while_other_mail_waits_there_comes_before_a_flood_too() -> None:
    schedule = Fair(QUANTUM)
    late = Box("late", 3)
    add(schedule, Box("flood", 1000))
    add(schedule, late)
    late.mail.append(Letter(ASKED))
    schedule.hasten(cast(Cell, late))
    assert schedule.urgent
    assert [visit(schedule) for _ in range(2)] == ["late", "flood"]


def test_a_flood_does_not_come_first_because_it_is_asked() -> None:
    schedule = Fair(QUANTUM)
    flood = Box("flood", 1000)
    add(schedule, flood)
    schedule.hasten(cast(Cell, flood))
    add(schedule, Box("other flood", 1000, asked=True))
    assert not schedule.urgent
    add(schedule, Box("asked", 0, asked=True))
    assert visit(schedule) == "asked"


@given(askers=st.integers(1, 400), floods=st.integers(0, 3), told=st.integers(0, 3))
def test_a_flood_of_questions_takes_half_of_the_turns_at_most(askers: int, floods: int, told: int) -> None:
    schedule = Fair(QUANTUM)
    others = [Box(f"flood {number}", QUANTUM) for number in range(floods)]
    others += [Box(f"told {number}", 200) for number in range(told)]
    asked = [Box("asked", 0, asked=True) for _ in range(askers)]
    for box in others + asked:
        add(schedule, box)
    turns = {True: 0, False: 0}
    for _ in range(1000):
        box = cast(Any, schedule.next())
        count = min(len(box.mail), QUANTUM)
        schedule.spent += count
        turns[box.name == "asked"] += count
        add(schedule, box)  # somebody asks, or tells, again
        assert not others or turns[True] <= turns[False] + HASTE


def test_questions_alone_wait_for_nobody() -> None:
    schedule = Fair(QUANTUM)
    for _ in range(3 * HASTE):
        add(schedule, Box("asked", 0, asked=True))
        assert schedule.urgent
        assert visit(schedule) == "asked"


def test_a_mailbox_stands_in_line_once() -> None:
    schedule = Fair(QUANTUM)
    box = Box("a", 1)
    for _ in range(3):
        add(schedule, box)
        schedule.hasten(cast(Cell, box))
        schedule.filled(cast(Cell, box))
    assert len(schedule) == 1
    assert visit(schedule) == "a"
    assert schedule.next() is None


@given(st.lists(st.tuples(st.sampled_from(["add", "filled", "hasten", "next"]), st.integers(0, 3))))
def test_whoever_changes_lines_stands_nowhere_else(steps: list[tuple[str, int]]) -> None:
    schedule, boxes = Fair(QUANTUM), [Box(str(number), 1) for number in range(4)]
    ready, others = list[Box](), list[Box]()
    for step, number in steps:
        box = boxes[number]
        if step == "add" and box not in ready + others:
            add(schedule, box)
            ready.append(box)
        elif step in ("filled", "hasten"):
            getattr(schedule, step)(cast(Cell, box))
            if box in ready:
                ready.remove(box)
                others.append(box)
        elif step == "next":
            found = cast(Any, schedule.next())
            schedule.spent = 0  # so nobody comes to owe anything
            assert (found is None) == (not ready + others)
            if found in others:
                others.remove(found)
                found.mail.clear()  # or it would stay where it was until it is empty
            elif found is not None:
                assert not others
                assert found is ready.pop(0)
        assert len(schedule) == len(ready + others)
