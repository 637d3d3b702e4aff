"""An envelope comes back as it was; what a newer release added is skipped, and what it changed is refused."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from callboard.mailbox.envelope import KNOWN_FLAGS, Codec, Envelope, Extra, Flag, encode_fields, open_envelope
from callboard.mailbox.errors import Undecodable

U64 = st.integers(0, 2**64 - 1)
SMALL = st.text(max_size=20)
PLAIN = st.integers(-(2**63), 2**64 - 1) | SMALL | st.lists(st.integers(0, 9), max_size=3)

ENVELOPES = st.builds(
    Envelope,
    number=U64,
    origin=st.binary(max_size=16),
    type=SMALL,
    handler=SMALL,
    version=st.integers(0, 100),
    codec=st.integers(0, 9),
    body=st.binary(max_size=50),
    sender=SMALL,
    sent_at=U64,
    cause=U64,
    root=U64,
    trace=SMALL,
    attempts=st.integers(0, 100),
    flags=st.integers(0, int(KNOWN_FLAGS)).map(lambda flags: flags & KNOWN_FLAGS),
    extra=st.dictionaries(st.integers(1, 4), PLAIN, max_size=3),
)
PLAIN_ENVELOPE = Envelope(1, b"", "t", "h", 1, Codec.MSGPACK, b"\x80", "", 0, 0, 1, "", 0, 0, {})


def fields(envelope: Envelope) -> list[Any]:
    return [*msgspec.structs.astuple(envelope)]


@given(envelope=ENVELOPES)
def test_an_envelope_comes_back_as_it_was(envelope: Envelope) -> None:
    data = encode_fields(envelope)
    assert open_envelope(data) == envelope
    assert encode_fields(tuple(fields(envelope))) == data


@given(
    envelope=ENVELOPES,
    more=st.lists(PLAIN | st.none() | st.dictionaries(SMALL, PLAIN, max_size=2), max_size=3),
)
def test_fields_that_a_newer_release_appended_are_skipped(envelope: Envelope, more: list[Any]) -> None:
    assert open_envelope(encode_fields((*fields(envelope), *more))) == envelope


@given(envelope=ENVELOPES, number=st.integers(100, 2**63), value=PLAIN | st.none())
def test_extensions_of_a_newer_release_are_carried_and_do_no_harm(
    envelope: Envelope, number: int, value: Any
) -> None:
    envelope.extra[number] = value
    opened = open_envelope(encode_fields(envelope))
    assert opened == envelope
    assert (
        Extra.TIMER_KEY not in opened.extra
        or opened.extra[Extra.TIMER_KEY] == envelope.extra[Extra.TIMER_KEY]
    )


@pytest.mark.parametrize("bit", [bit for bit in range(64) if not 1 << bit & KNOWN_FLAGS])
def test_a_flag_we_do_not_know_is_refused(bit: int) -> None:
    data = encode_fields(msgspec.structs.replace(PLAIN_ENVELOPE, flags=1 << bit | Flag.ASKED))
    with pytest.raises(Undecodable, match="a newer release wrote: upgrade callboard"):
        open_envelope(data)


@given(envelope=ENVELOPES, end=st.integers(0))
def test_an_envelope_that_was_cut_off_is_undecodable(envelope: Envelope, end: int) -> None:
    data = encode_fields(envelope)
    with pytest.raises(Undecodable):
        open_envelope(data[: end % len(data)])


@given(data=st.binary(max_size=100))
def test_any_bytes_are_an_envelope_or_undecodable(data: bytes) -> None:
    with pytest.raises(Undecodable):
        open_envelope(data)


@given(
    envelope=ENVELOPES,
    which=st.integers(0, 14),
    value=st.none() | st.floats() | st.lists(st.none(), max_size=2),
)
def test_a_field_of_another_type_is_undecodable(envelope: Envelope, which: int, value: Any) -> None:
    wrong = fields(envelope)
    wrong[which] = value
    with pytest.raises(Undecodable):
        open_envelope(encode_fields(wrong))


@pytest.mark.parametrize(
    "data", [b"\x91" * 100_000, b"\x9f" + b"\x81" * 100_000, b"\xdd\xff\xff\xff\xff", b"\xc1"]
)
def test_hostile_nesting_and_lengths_are_undecodable(data: bytes) -> None:
    with pytest.raises(Undecodable):
        open_envelope(data)


def test_deep_nesting_in_the_extensions_is_undecodable() -> None:
    data = encode_fields(fields(PLAIN_ENVELOPE))[:-1] + b"\x81\x63" + b"\x91" * 100_000 + b"\x00"
    with pytest.raises(Undecodable):
        open_envelope(data)


def test_a_text_that_is_not_utf8_is_undecodable() -> None:
    data = encode_fields(fields(PLAIN_ENVELOPE)).replace(b"\xa1t", b"\xa1\xff", 1)
    with pytest.raises(Undecodable):
        open_envelope(data)
