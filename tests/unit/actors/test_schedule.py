"""Who is next: a flood is favoured, and nobody starves beside it."""

from collections import deque
from typing import Any, cast

from hypothesis import given, strategies as st

from callboard.actors.cell import Cell
from callboard.actors.schedule import FAVOUR, Fair

QUANTUM = 256


class Box:
    """As much of a cell as a schedule sees."""

    def __init__(self, name: str, waiting: int) -> None:
        self.name = name
        self.mail = deque[int](range(waiting))


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
        box.mail.append(0)
        add(schedule, box)
    turns = {"flood": 0, "others": 0}
    for _ in range(20_000):
        name = visit(schedule)
        turns["flood" if name == "flood" else "others"] += QUANTUM if name == "flood" else 1
        for box in boxes:
            if box.name == name:
                box.mail.append(0)
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
    sink.mail.extend(range(QUANTUM))
    schedule.filled(cast(Cell, sink))
    assert visit(schedule) == "sink"
