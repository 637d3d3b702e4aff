"""The checkers of the kill loop find what they are there to find, and nothing in a run that went well."""

import attrs
import pytest

from callboard.mailbox.letter import Letter
from callboard.mailbox.views import DeadView
from callboard.testing.journal import Acked, Begun, Line, Odd, Span, Tried

from .cast import Shown
from .checking import Evidence, find_violations
from .senders import AGAIN


def sent(how: str, *spans: Span, reply: int | None = None, acked: bool = True) -> list[Line]:
    tried = Tried(how, list(spans), again=how in AGAIN)
    return [tried, Acked(reply)] if acked else [tried]


def dead(number: int, handler: str = "doomed", reason: str = "failed") -> DeadView:
    body = {"stream": "s1", "number": number}
    return DeadView(number, box="rec", reason=reason, letter=Letter(handler=handler, body=body))


GOOD = Evidence(
    shown={
        "rec": Shown({"s1": [1, 3, 5, 8], "s1.keyed": [2, 2]}, [], {"count": 7, "open": 0}),
        "ann": Shown({}, [], {"balance": 1700, "open": 0}),
        "bob": Shown({}, [], {"balance": 300, "open": 0}),
    },
    notes={
        "s1": [
            Begun({}),
            *sent("tell", Span("rec", "s1", 1, 1)),
            *sent("all", Span("rec", "s1", 2, 3)),
            *sent("tell", Span("rec", "s1", 4, 4), acked=False),
            *sent("ask", Span("rec", "s1", 5, 5), reply=4),
            *sent("id", Span("rec", "s1", 6, 6), acked=False),
            *sent("all", Span("rec", "s1", 7, 8), acked=False),
            *sent("doomed", Span("rec", "s1", 9, 9)),
            *sent("keyed", Span("rec", "s1.keyed", 1, 1)),
            *sent("keyed", Span("rec", "s1.keyed", 2, 2)),
        ]
    },
    dead=[dead(9)],
    effects=["k5 rec s1 5 3", "k5 rec s1 5 3"],
)


def heard(*spans: int, count: int, **streams: list[int]) -> Evidence:
    rec = Shown({"s1": list(spans), "s1.keyed": [2, 2], **streams}, [], {"count": count, "open": 0})
    return attrs.evolve(GOOD, shown={**GOOD.shown, "rec": rec})


def more(*lines: Line) -> Evidence:
    return attrs.evolve(GOOD, notes={"s1": [*GOOD.notes["s1"], *lines]})


def test_a_run_that_went_well_has_no_violation() -> None:
    assert find_violations(GOOD) == []


@pytest.mark.parametrize(
    ("evidence", "violation"),
    [
        (heard(1, 3, 6, 8, count=6), "acknowledged and never handled: ('rec', 's1', 5)"),
        (heard(1, 3, 5, 5, 7, 8, count=6), "acknowledged and never handled: ('rec', 's1', 6)"),
        (heard(1, 3, 5, 8, 11, 11, count=8), "came from nowhere: ('rec', 's1', 11)"),
        (heard(1, 3, 3, 8, count=9), "handled twice: ('rec', 's1', 3)"),
        (heard(1, 3, 6, 8, 5, 5, count=7), "handled out of order at ('rec', 's1'): (8, 5)"),
        (heard(1, 3, 5, 9, count=8), "handled and dead: ('rec', 's1', 9)"),
        (heard(1, 2, 5, 8, count=6), "sent together and handled in part: ('rec', 's1', 2)"),
        (heard(1, 3, 5, 8, count=8), "rec counted 8 messages and lists 7"),
        (
            attrs.evolve(heard(1, 3, 5, 8, count=7), effects=["k rec s1 4 3"]),
            "effect whose message was never handled: ('rec', 's1', 4)",
        ),
        (attrs.evolve(GOOD, effects=["k rec s1 5 3", "k rec s1 5 2"]), "effect repeated over another state"),
        (attrs.evolve(GOOD, effects=["k rec s1 5 3", "j rec s1 5 3"]), "message with two effect keys"),
        (attrs.evolve(GOOD, dead=[dead(9), dead(9)]), "dead twice: ('rec', 's1', 9)"),
        (attrs.evolve(GOOD, dead=[dead(9), dead(4)]), "dead out of order at ('rec', 's1'): (9, 4)"),
        (attrs.evolve(GOOD, dead=[dead(9, "note")]), "dead letters nobody expected: ('note', 'failed')"),
        (attrs.evolve(GOOD, dead=[dead(9), dead(4, "late", "unclaimed")]), "0 chicks were told something"),
        (attrs.evolve(GOOD, left=2), "2 messages were never handled"),
        (more(*sent("keyed", Span("rec", "s1.keyed", 3, 3))), "the last timer of its key and never fired"),
        (more(*sent("ask", Span("rec", "s1", 10, 10), reply=4)), "replies of rec seen twice: 4"),
        (more(*sent("ask", Span("rec", "s1", 10, 10), reply=8)), "replies of rec beyond its count 7: 8"),
        (more(Odd("two replies")), "s1 complains: two replies"),
        (
            attrs.evolve(GOOD, shown={**GOOD.shown, "bob": Shown({}, [], {"balance": 299, "open": 0})}),
            "the bank has 1999 and had 2000",
        ),
        (
            attrs.evolve(
                GOOD, shown={**GOOD.shown, "ann": Shown({}, ["twice"], {"balance": 1700, "open": 1})}
            ),
            "ann complains: twice",
        ),
        (
            attrs.evolve(GOOD, shown={**GOOD.shown, "ann": Shown({}, [], {"balance": 1700, "open": 1})}),
            "ann waits for ever",
        ),
    ],
)
def test_a_broken_promise_is_found(evidence: Evidence, violation: str) -> None:
    found = find_violations(evidence)
    assert any(line.startswith(violation) for line in found), found
