"""What tools show of a store: all that is there, from one moment, and damage beside what is whole."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from callboard.mailbox import reading
from callboard.mailbox.envelope import Codec, Extra, Flag, encode_fields
from callboard.mailbox.errors import Undecodable
from callboard.mailbox.letter import Letter, decode, open_letter
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.records import (
    COUNTERS_KEY,
    Box,
    Counters,
    Dead,
    Timer,
    TimerKind,
    key,
    name_key,
    pack,
    pack_segments,
    pair_key,
    seal,
)
from callboard.mailbox.store import Table, Writes
from callboard.mailbox.views import MailboxView


def envelope(number: int, **body: Any) -> bytes:
    data = msgspec.msgpack.encode(body)
    extra = {Extra.MARK: f"id {number}"} if number % 2 else {}
    fields = (
        number,
        b"",
        "Shop",
        "sell",
        1,
        Codec.MSGPACK,
        data,
        "till",
        1000 + number,
        0,
        number,
        "",
        0,
        0,
        extra,
    )
    return encode_fields(fields)


def box(name: str, **changes: Any) -> Box:
    plain = Box(name, 0, 0, "Shop", 1, "", 0, 0, "", 0, 0, 0)
    return msgspec.structs.replace(plain, **changes)


def mailbox(number: int, record: Box, mail: list[bytes] | None = None, first: int = 0) -> Writes:
    segments = pack_segments(first, mail or [])
    return {
        Table.NAMES: {name_key(record.name): key(number)},
        Table.BOXES: {key(number): pack(record)},
        Table.MAIL: {pair_key(number, start): value for start, _, value in segments},
    }


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


# Mailboxes.


def test_a_mailbox_is_shown_with_what_it_holds(store: MemoryStore) -> None:
    record = box("shop", head=2, tail=5, attempts=3, retry_at=9, error="boom", failed_at=8, handled=2)
    store.commit(mailbox(7, record, [envelope(n) for n in range(5)]))
    (view,) = reading.list_mailboxes(store)
    assert view == MailboxView(
        box=7,
        name="shop",
        type="Shop",
        condition="retrying",
        mail=3,
        oldest=1002,
        attempts=3,
        retry_at=9,
        error="boom",
        failed_at=8,
        life=1,
        handled=2,
    )
    assert reading.find_mailbox(store, "shop") == view


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({}, "running"),
        ({"attempts": 1}, "retrying"),
        ({"type": ""}, "no actor"),
        ({"type": "", "attempts": 1}, "no actor"),
        ({"paused": "by hand", "type": "", "attempts": 1}, "paused"),
    ],
)
def test_a_mailbox_has_one_condition(store: MemoryStore, changes: dict[str, Any], condition: str) -> None:
    store.commit(mailbox(1, box("shop", **changes)))
    assert reading.list_mailboxes(store)[0].condition == condition


def test_mailboxes_come_in_pages(store: MemoryStore) -> None:
    for number in range(1, 8):
        store.commit(mailbox(number, box(f"box {number}")))
    seen: list[str] = []
    after = 0
    while page := reading.list_mailboxes(store, after=after, limit=3):
        seen += [view.name for view in page]
        after = page[-1].box
    assert seen == [f"box {number}" for number in range(1, 8)]


def test_an_unknown_name_is_none(store: MemoryStore) -> None:
    assert reading.find_mailbox(store, "nobody") is None
    assert reading.show_mailbox(store, "nobody") is None
    assert reading.peek(store, "nobody") == []


def test_a_mailbox_is_shown_with_its_actors_state_and_timers(store: MemoryStore) -> None:
    store.commit(mailbox(1, box("shop")))
    state = {"stock": {"apples": 3}, "open": True}
    timers = {
        pair_key(50, 1): pack(Timer(TimerKind.MESSAGE, "shop", "", "", envelope(1), 0, b"")),
        pair_key(60, 2): pack(Timer(TimerKind.MESSAGE, "bank", "", "", envelope(2), 0, b"")),
        pair_key(70, 3): pack(Timer(TimerKind.PARK, "shop", "", "", b"", 0, b"")),
        pair_key(80, 4): b"garbage",
    }
    store.commit({Table.STATES: {key(1): seal(msgspec.msgpack.encode(state))}, Table.TIMERS: {**timers}})
    detail = reading.show_mailbox(store, "shop")
    assert detail
    assert detail.state == state
    assert detail.state_problem == ""
    assert detail.timers == 1
    assert detail.view.name == "shop"


def test_a_mailbox_without_an_actor_has_no_state(store: MemoryStore) -> None:
    store.commit(mailbox(1, box("shop", type="")))
    detail = reading.show_mailbox(store, "shop")
    assert detail
    assert detail.state is None


@pytest.mark.parametrize(
    "value", [b"", b"xxxxgarbage", seal(b"\xc1"), seal(b"\xa1\xff"), seal(b"\x91" * 100_000)]
)
def test_a_damaged_state_is_reported_beside_the_mailbox(store: MemoryStore, value: bytes) -> None:
    store.commit({**mailbox(1, box("shop")), Table.STATES: {key(1): value}})
    detail = reading.show_mailbox(store, "shop")
    assert detail
    assert detail.view.name == "shop"
    assert detail.state_problem


def test_a_damaged_mailbox_does_not_hide_the_others(store: MemoryStore) -> None:
    store.commit(mailbox(1, box("one"), [envelope(1)]))
    store.commit(mailbox(2, box("two")))
    store.commit({Table.BOXES: {key(1): b"xxxxgarbage"}})
    one, two = reading.list_mailboxes(store)
    assert "checksum" in one.problem
    assert two.name == "two"
    found = reading.find_mailbox(store, "one")
    assert found
    assert found.problem
    assert [letter.number for letter in reading.peek(store, "one")] == [1]


def test_a_name_that_leads_nowhere_or_astray_is_reported(store: MemoryStore) -> None:
    store.commit(mailbox(1, box("one")))
    store.commit({Table.NAMES: {name_key("lost"): key(9), name_key("astray"): key(1)}})
    lost, astray = reading.find_mailbox(store, "lost"), reading.find_mailbox(store, "astray")
    assert lost
    assert lost.problem == "its record is missing"
    assert astray
    assert astray.problem == "its name leads to the mailbox of 'one'"


# Mail.


def test_peeking_shows_the_next_messages_and_takes_none(store: MemoryStore) -> None:
    mail = [envelope(n, apples=n) for n in range(10)]
    store.commit(mailbox(1, box("shop", head=3, tail=10), mail))
    store.commit(mailbox(2, box("next", tail=1), [envelope(99)]))
    letters = reading.peek(store, "shop", limit=2)
    assert [(letter.sequence, letter.number, letter.id) for letter in letters] == [(3, 3, "id 3"), (4, 4, "")]
    assert letters[0].body == {"apples": 3}
    assert (letters[0].handler, letters[0].sender, letters[0].sent_at) == ("sell", "till", 1003)
    assert [letter.number for letter in reading.peek(store, "shop", limit=100)] == list(range(3, 10))
    assert reading.peek(store, "shop", limit=2) == letters


@given(
    sizes=st.lists(st.sampled_from([0, 500, 3000, 9000]), max_size=20),
    head=st.integers(0, 20),
    limit=st.integers(1, 25),
)
def test_peeking_finds_every_message_across_segments(sizes: list[int], head: int, limit: int) -> None:
    store = MemoryStore()
    head = min(head, len(sizes))
    mail = [envelope(n, text=bytes(size)) for n, size in enumerate(sizes)]
    store.commit(mailbox(1, box("shop", head=head, tail=len(sizes)), mail))
    letters = reading.peek(store, "shop", limit=limit)
    assert [letter.number for letter in letters] == list(range(head, len(sizes)))[:limit]
    assert not any(letter.problem for letter in letters)


def test_a_damaged_message_is_shown_in_its_place(store: MemoryStore) -> None:
    store.commit(mailbox(1, box("shop", tail=3), [envelope(n) for n in range(3)]))
    ((at, value),) = store.scan(Table.MAIL)
    broken = bytearray(value)
    broken[len(value) // 2] ^= 1
    store.commit({Table.MAIL: {at: bytes(broken)}})
    first, second, third = reading.peek(store, "shop")
    assert (first.number, third.number) == (0, 2)
    assert "checksum" in second.problem
    assert second.sequence == 1


def test_a_segment_that_was_cut_off_and_one_that_is_missing_are_said(store: MemoryStore) -> None:
    mail = [envelope(n, text=bytes(3000)) for n in range(4)]  # one to a segment
    store.commit(mailbox(1, box("shop", tail=4), mail))
    rows = store.scan(Table.MAIL)
    store.commit({Table.MAIL: {rows[0][0]: rows[0][1][:100], rows[1][0]: None, rows[2][0]: None}})
    cut, missing, last = reading.peek(store, "shop")
    assert "in the middle of a message" in cut.problem
    assert (missing.sequence, missing.problem) == (1, "2 messages are missing")
    assert last.number == 3


def test_the_oldest_message_of_a_damaged_head_is_unknown(store: MemoryStore) -> None:
    store.commit(mailbox(1, box("shop", tail=1), [b"garbage"]))
    assert reading.list_mailboxes(store)[0].oldest is None
    store.commit(mailbox(2, box("lost", tail=5)))
    assert reading.list_mailboxes(store, after=1)[0].oldest is None


def test_a_letter_says_what_of_it_cannot_be_read() -> None:
    assert "newer release" in open_letter(with_field(13, 128)).problem
    assert "where its body lies" in open_letter(with_field(13, Flag.CHUNKED)).problem
    other = open_letter(with_field(5, 9))
    assert other.problem == "its body is in codec 9, which this release does not read"
    assert other.handler == "sell"
    broken = open_letter(with_field(6, b"\xc1"))
    assert "not msgpack" in broken.problem
    assert broken.body == b"\xc1"
    assert open_letter(with_field(14, {Extra.MARK: 7})).id == ""
    assert open_letter(b"", sequence=4) == Letter(sequence=4, problem=open_letter(b"").problem)


def with_field(which: int, value: object) -> bytes:
    fields = msgspec.msgpack.decode(envelope(1))
    fields[which] = value
    return encode_fields(fields)


@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_letter_with_or_without_a_problem(data: bytes) -> None:
    assert open_letter(data).problem


@given(value=st.recursive(st.integers(-5, 5) | st.text(max_size=3) | st.none(), st.lists, max_leaves=9))
def test_msgpack_is_decoded_as_far_as_it_goes(value: object) -> None:
    assert decode(msgspec.msgpack.encode(value)) == value


# Dead letters, timers, counters.


def test_dead_letters_are_shown_in_the_order_of_death(store: MemoryStore) -> None:
    for number in (1, 2, 3):
        dead = Dead("shop", "Shop", envelope(number), "failed", "ValueError", "boom", "Traceback", 12, 5, 6)
        store.commit({Table.DEAD: {key(number): pack(dead)}})
    store.commit({Table.DEAD: {key(2): b"garbage!"}})
    one, two, three = reading.list_dead(store)
    assert (one.number, one.box, one.reason, one.letter.number) == (1, "shop", "failed", 1)
    assert (one.error, one.text, one.traceback, one.attempts) == ("ValueError", "boom", "Traceback", 12)
    assert "checksum" in two.problem
    assert reading.list_dead(store, after=2) == [three]
    assert reading.list_dead(store, limit=1) == [one]
    assert reading.show_dead(store, 3) == three
    assert reading.show_dead(store, 4) is None


def test_a_dead_letter_with_undecodable_bytes_keeps_its_reason(store: MemoryStore) -> None:
    dead = Dead("shop", "", b"garbage", "undecodable", "", "its checksum does not match", "", 0, 5, 6)
    store.commit({Table.DEAD: {key(1): pack(dead)}})
    (shown,) = reading.list_dead(store)
    assert shown.reason == "undecodable"
    assert shown.letter.problem


def test_timers_are_shown_in_the_order_in_which_they_are_due(store: MemoryStore) -> None:
    timers = {
        pair_key(70, 3): pack(Timer(TimerKind.PARK, "shop", "", "", b"", 0, b"")),
        pair_key(50, 1): pack(Timer(TimerKind.MESSAGE, "shop", "till", "k", envelope(1), 0, b"")),
        pair_key(60, 2): b"garbage!",
        pair_key(80, 4): pack(Timer(9, "shop", "", "", b"", 0, b"")),
    }
    store.commit({Table.TIMERS: {**timers}})
    message, damaged, park, newer = reading.list_timers(store)
    assert (message.due, message.number, message.kind, message.key) == (50, 1, "message", "k")
    assert message.letter
    assert message.letter.number == 1
    assert "checksum" in damaged.problem
    assert park.letter is None
    assert "newer release" in newer.kind
    assert reading.list_timers(store, limit=1) == [message]


def test_counters_are_read_and_a_new_store_has_none(store: MemoryStore) -> None:
    assert reading.read_counters(store) == Counters()
    store.commit({Table.META: {COUNTERS_KEY: pack(Counters(accepted=3, handled=2))}})
    assert reading.read_counters(store).accepted == 3
    store.commit({Table.META: {COUNTERS_KEY: b"garbage!"}})
    with pytest.raises(Undecodable):
        reading.read_counters(store)


# Anything at all.

READERS: list[Callable[[MemoryStore], object]] = [
    reading.list_mailboxes,
    reading.list_dead,
    reading.list_timers,
    lambda store: reading.find_mailbox(store, "shop"),
    lambda store: reading.show_mailbox(store, "shop"),
    lambda store: reading.peek(store, "shop"),
]


@given(
    damage=st.lists(
        st.tuples(
            st.sampled_from([Table.BOXES, Table.MAIL, Table.STATES, Table.TIMERS, Table.DEAD]),
            st.integers(0),
            st.binary(max_size=30) | st.binary(max_size=30).map(seal),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_damage_to_a_value_raises(damage: list[tuple[Table, int, bytes]]) -> None:
    store = MemoryStore()
    store.commit(mailbox(1, box("shop", head=1, tail=4), [envelope(n) for n in range(4)]))
    store.commit(mailbox(2, box("bank", tail=1), [envelope(5)]))
    store.commit(
        {
            Table.STATES: {key(1): seal(b"\x80")},
            Table.TIMERS: {pair_key(1, 1): pack(Timer(0, "shop", "", "", envelope(6), 0, b""))},
            Table.DEAD: {key(1): pack(Dead("shop", "", envelope(7), "failed", "", "", "", 0, 0, 0))},
        }
    )
    for table, which, value in damage:
        keys = [at for at, _ in store.scan(table)]
        store.commit({table: {keys[which % len(keys)]: value}})
    for read in READERS:
        read(store)
