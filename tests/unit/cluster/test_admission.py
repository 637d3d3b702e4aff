"""Admission: who is let in, and which stores are noticed to be old copies."""

from typing import Any

import attrs
import pytest

from callboard.cluster.admission import FROM_ITS_HEAD, House, differs, judge
from callboard.cluster.hello import Hello, Verdict
from callboard.mailbox.records import Link

HOUSE = House("bank", "b", ["a", "b", "c"])
HELLO = Hello(epoch=50, incarnation=5, store=b"s" * 16, head=10, tail=20, cluster="bank", node="a", to="b")
KNOWN = Link("a", 5, 40, 15, 99)


def verdict(hello: Hello = HELLO, record: Link | None = None, **more: Any) -> Verdict:
    return judge(hello, HOUSE, record, **more).verdict


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"versions": (2, 3)}, Verdict.NO_COMMON_VERSION),
        ({"versions": (1, 9)}, Verdict.WELCOME),
        ({"cluster": "other"}, Verdict.OTHER_CLUSTER),
        ({"to": "c"}, Verdict.NOT_ME),
        ({"node": "x"}, Verdict.NOT_LISTED),
        ({"node": "b"}, Verdict.NOT_LISTED),
    ],
)
def test_a_stranger_is_turned_away_with_a_reason(change: dict[str, Any], expected: Verdict) -> None:
    admitted = judge(attrs.evolve(HELLO, **change), HOUSE, None)
    assert admitted.verdict is expected
    assert bool(admitted.reason) == (expected is not Verdict.WELCOME)
    assert (admitted.record is None) == (expected is not Verdict.WELCOME)


def test_a_certificate_has_to_be_that_of_the_node_that_says_hello() -> None:
    assert verdict(proven=("bank", "a")) is Verdict.WELCOME
    assert verdict(proven=("bank", "c")) is Verdict.WRONG_CERTIFICATE
    assert verdict(proven=("other", "a")) is Verdict.WRONG_CERTIFICATE


def test_two_stores_of_one_name_are_not_linked_at_once() -> None:
    assert verdict(linked=b"t" * 16) is Verdict.NAME_IN_USE
    assert verdict(linked=HELLO.store) is Verdict.WELCOME


def test_a_store_that_was_never_seen_begins_at_its_head() -> None:
    admitted = judge(HELLO, HOUSE, None)
    assert admitted.record == Link("a", 5, 50, 10, 0)
    assert not admitted.known


def test_a_store_that_is_known_goes_on_where_it_was() -> None:
    admitted = judge(HELLO, HOUSE, KNOWN)
    assert admitted.record == Link("a", 5, 50, 15, 99)
    assert admitted.known


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"incarnation": 4}, "opened 4 times"),
        ({"epoch": 40}, "repeats a connection"),
        ({"epoch": 3}, "repeats a connection"),
        ({"tail": 14, "head": 3}, "knows of only 14"),
        ({"head": 16}, "this store is an old copy"),
    ],
)
def test_an_old_copy_is_noticed_and_the_link_stops_until_it_is_accepted(
    change: dict[str, Any], why: str
) -> None:
    first = judge(attrs.evolve(HELLO, **change), HOUSE, KNOWN)
    assert first.verdict is Verdict.REWOUND
    assert why in first.reason
    assert first.record is not None
    assert first.record.stopped == first.reason
    later = judge(HELLO, HOUSE, first.record)
    assert later.verdict is Verdict.REWOUND
    assert later.record is None
    accepted = judge(HELLO, HOUSE, Link("a", 0, 0, FROM_ITS_HEAD, 0))
    assert accepted.verdict is Verdict.WELCOME
    assert accepted.record == Link("a", 5, 50, 10, 0)


def test_the_last_message_must_be_the_same_on_both_sides_where_both_know_it() -> None:
    assert not differs(14, 99, 99)
    assert not differs(14, 99, 0)
    assert not differs(14, 0, 99)
    assert "old copy" in differs(14, 99, 98)
