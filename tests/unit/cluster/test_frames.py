"""Frames: every one comes back as it was, and no other bytes are one."""

import pytest
from hypothesis import given, strategies as st

from callboard.cluster.errors import BadFrame
from callboard.cluster.frames import MOST_TEXT, Frame, Kind, open_frame

U64 = st.integers(0, 2**64 - 1)
FRAMES = st.one_of(
    st.builds(Frame, st.just(Kind.MAIL), U64, U64, st.lists(st.binary(), min_size=1).map(tuple)),
    st.builds(Frame, st.just(Kind.TAKEN), U64, U64, again=st.booleans()),
    st.builds(Frame, st.just(Kind.PING), U64, U64),
    st.builds(Frame, st.just(Kind.BYE), U64, U64, text=st.text("abc äöü", max_size=100)),
)


@given(FRAMES)
def test_a_frame_comes_back_as_it_was(frame: Frame) -> None:
    assert open_frame(frame.encode()) == frame


@given(st.binary(max_size=200) | st.tuples(FRAMES, st.integers(0, 40)).map(lambda p: p[0].encode()[: p[1]]))
def test_other_bytes_are_a_bad_frame_and_nothing_worse(data: bytes) -> None:
    try:
        frame = open_frame(data)
    except BadFrame:
        return
    assert frame.kind is Kind.BYE or frame.encode() == data


def test_a_length_that_lies_is_a_bad_frame() -> None:
    whole = Frame(Kind.MAIL, 1, 2, (b"abc",)).encode()
    for size in (0, 2, 4, 2**32 - 1):
        with pytest.raises(BadFrame):
            open_frame(whole[:17] + size.to_bytes(4) + whole[21:])


def test_a_long_text_is_cut_and_one_that_steers_a_terminal_is_cleaned() -> None:
    frame = open_frame(Frame(Kind.BYE, 1, 8, text="\x1b[2J" + "x" * 1000).encode())
    assert "\x1b" not in frame.text
    assert len(frame.text) <= MOST_TEXT
