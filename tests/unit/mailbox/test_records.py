"""Records are what was written, or they say that they are not; newer ones may be longer."""

import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from callboard.mailbox.errors import Undecodable
from callboard.mailbox.records import (
    Box,
    Callback,
    Counters,
    Dead,
    Keyed,
    Mark,
    Request,
    Timer,
    key,
    mark_key,
    name_key,
    open_key,
    open_pair,
    pack,
    pack_number,
    pair_key,
    seal,
    timer_key,
    unpack,
    unpack_number,
    unseal,
)
from callboard.mailbox.segments import SEGMENT_BYTES, open_segment, pack_segments

KINDS: list[type[Any]] = [Box, Timer, Keyed, Request, Mark, Dead, Counters]
NUMBERS = st.integers(0, 2**64 - 1)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**64 - 1),
    str: st.text(max_size=20),
    bytes: st.binary(max_size=20),
    bool: st.booleans(),
}
VALUES[Callback | None] = st.none() | st.builds(
    Callback, handler=VALUES[str], version=VALUES[int], parameter=VALUES[str], body=VALUES[bytes]
)


@st.composite
def records(draw: st.DrawFn) -> Any:
    """A record of any kind with any values."""
    kind = draw(st.sampled_from(KINDS))
    return kind(*(draw(VALUES[field.type]) for field in msgspec.structs.fields(kind)))


def kind_of(record: Any) -> type[Any]:
    """Its class."""
    return type(record)  # pyright: ignore[reportUnknownVariableType]


# Keys.


@given(numbers=st.lists(NUMBERS))
def test_keys_are_in_the_order_of_their_numbers(numbers: list[int]) -> None:
    assert [open_key(data) for data in sorted(map(key, numbers))] == sorted(numbers)


@given(pairs=st.lists(st.tuples(NUMBERS, NUMBERS)))
def test_keys_of_two_are_in_the_order_of_their_pairs(pairs: list[tuple[int, int]]) -> None:
    assert [open_pair(data) for data in sorted(pair_key(*pair) for pair in pairs)] == sorted(pairs)


@given(first=st.text(), second=st.text(), box=NUMBERS)
def test_digests_have_one_width_and_tell_names_apart(first: str, second: str, box: int) -> None:
    makers: list[Callable[[str], bytes]] = [
        name_key,
        lambda text: timer_key("a", text, "b"),
        lambda text: mark_key(box, text),
    ]
    for make in makers:
        assert len(make(first)) == len(make(second)) <= 24
        assert (make(first) == make(second)) == (first == second)


def test_a_timers_key_belongs_to_its_setter_and_its_receiver() -> None:
    assert len({timer_key("ab", "c", "k"), timer_key("a", "bc", "k"), timer_key("c", "ab", "k")}) == 3


# Values.


@given(record=records())
def test_a_record_comes_back_as_it_was(record: Any) -> None:
    assert unpack(kind_of(record), pack(record)) == record


@given(record=records(), at=st.integers(0), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(record: Any, at: int, bit: int) -> None:
    data = bytearray(pack(record))
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(Undecodable, match="checksum"):
        unpack(kind_of(record), bytes(data))


@given(record=records(), end=st.integers(0))
def test_a_record_that_was_cut_off_is_noticed(record: Any, end: int) -> None:
    data = pack(record)
    with pytest.raises(Undecodable, match="checksum"):
        unpack(kind_of(record), data[: end % len(data)])


@given(record=records(), more=st.lists(NUMBERS | st.text() | st.none(), max_size=3))
def test_fields_that_a_newer_release_appended_are_skipped(record: Any, more: list[Any]) -> None:
    longer = [*msgspec.structs.astuple(record), *more]
    assert unpack(kind_of(record), seal(msgspec.msgpack.encode(longer))) == record


@given(kind=st.sampled_from(KINDS), payload=st.binary(max_size=50))
def test_a_sound_checksum_over_a_wrong_shape_is_undecodable(kind: type[Any], payload: bytes) -> None:
    said = kind.__name__
    try:
        assert isinstance(unpack(kind, seal(payload)), kind)
    except Undecodable as error:
        said = str(error)
    assert kind.__name__ in said


@pytest.mark.parametrize("text", [b"\xff\xfe", b"\xed\xa0\x80"])
def test_a_text_that_is_not_utf8_is_undecodable(text: bytes) -> None:
    payload = b"\x9c" + bytes([0xA0 + len(text)]) + text + b"\x00\x00\xa0\x00\xa0\x00\x00\xa0\x00\x00\x00"
    with pytest.raises(Undecodable, match="Box"):
        unpack(Box, seal(payload))


def test_counters_of_an_older_release_lack_nothing() -> None:
    assert unpack(Counters, seal(msgspec.msgpack.encode([7, 3]))) == Counters(accepted=7, handled=3)


@given(number=NUMBERS)
def test_a_number_comes_back_as_it_was(number: int) -> None:
    assert unpack_number(pack_number(number)) == number


@pytest.mark.parametrize("payload", [b"", b"\xa1x", b"\xc0", b"\x00\x00"])
def test_what_is_not_one_number_is_undecodable(payload: bytes) -> None:
    with pytest.raises(Undecodable, match="number"):
        unpack_number(seal(payload))


@given(payload=st.binary(max_size=100))
def test_a_seal_takes_four_bytes(payload: bytes) -> None:
    assert unseal(seal(payload)) == payload
    assert len(seal(payload)) == len(payload) + 4


# Segments.

ENVELOPES = st.lists(
    st.binary(max_size=30) | st.sampled_from([1000, 3990, 5000, 70_000]).map(bytes), max_size=30
)


@given(first=st.integers(0, 2**40), envelopes=ENVELOPES)
def test_segments_hold_every_message_once_and_in_order(first: int, envelopes: list[bytes]) -> None:
    segments = pack_segments(first, envelopes)
    opened: list[bytes | None] = []
    for start, end, value in segments:
        assert start == first + len(opened)
        opened += open_segment(value)
        assert end == first + len(opened)
    assert opened == envelopes


@given(envelopes=ENVELOPES)
def test_a_segment_fits_one_page_unless_one_message_does_not(envelopes: list[bytes]) -> None:
    for start, end, value in pack_segments(0, envelopes):
        assert len(value) <= SEGMENT_BYTES or end - start == 1


@given(envelopes=ENVELOPES)
def test_neighbouring_segments_could_not_have_been_one(envelopes: list[bytes]) -> None:
    segments = pack_segments(0, envelopes)
    for (_, _, one), (at, _, _) in itertools.pairwise(segments):
        assert len(one) + 8 + len(envelopes[at]) > SEGMENT_BYTES


@given(envelopes=st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=9), data=st.data())
def test_a_damaged_message_does_not_take_the_others_along(
    envelopes: list[bytes], data: st.DataObject
) -> None:
    ((_, _, value),) = pack_segments(0, envelopes)
    which = data.draw(st.integers(0, len(envelopes) - 1))
    at = sum(8 + len(envelope) for envelope in envelopes[:which]) + 4  # its checksum
    broken = bytearray(value)
    broken[at + data.draw(st.integers(0, 3 + len(envelopes[which])))] ^= 1 << data.draw(st.integers(0, 7))
    expected: list[bytes | None] = [*envelopes]
    expected[which] = None
    assert open_segment(bytes(broken)) == expected


@given(envelopes=st.lists(st.binary(max_size=30), min_size=1, max_size=9), end=st.integers(0))
def test_a_segment_that_was_cut_off_gives_a_beginning_or_says_so(envelopes: list[bytes], end: int) -> None:
    ((_, _, value),) = pack_segments(0, envelopes)
    try:
        opened = open_segment(value[: end % len(value)])
    except Undecodable:
        return
    assert opened == envelopes[: len(opened)]


@given(value=st.binary(max_size=100))
def test_any_bytes_are_a_segment_or_not_and_never_crash(value: bytes) -> None:
    try:
        open_segment(value)
    except Undecodable:
        return
