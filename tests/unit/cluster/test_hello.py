"""The hello is read exactly as it was sent; all else is refused in words, and nothing happens."""

from contextlib import suppress
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from callboard.cluster.errors import BadHello, NewerProtocol
from callboard.cluster.hello import (
    MOST_HELLO,
    MOST_REASON,
    OUR_VERSIONS,
    Answer,
    Hello,
    Verdict,
    choose_version,
    open_answer,
    open_hello,
)
from callboard.mailbox.errors import BadName
from callboard.mailbox.names import check_name


def is_name(text: str) -> bool:
    try:
        return not text or bool(check_name(text))
    except BadName:
        return False


U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
STORES = st.binary(min_size=16, max_size=16)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=80).filter(is_name)
VERSIONS = st.tuples(st.just(1), st.integers(1, 2**16 - 1))
HELLOS = st.builds(
    Hello,
    versions=VERSIONS,
    epoch=U64,
    incarnation=U64,
    store=STORES,
    head=U64,
    tail=U64,
    flags=U32,
    cluster=NAMES,
    node=NAMES,
    to=NAMES,
)
ANSWERS = st.builds(
    Answer,
    versions=VERSIONS,
    verdict=st.sampled_from(Verdict),
    version=U16,
    epoch=U64,
    next_sequence=U64,
    last_number=U64,
    window=U32,
    store=STORES,
    incarnation=U64,
    flags=U32,
    cluster=NAMES,
    node=NAMES,
    reason=st.text(),
)
HELLO = Hello(
    epoch=1,
    incarnation=2,
    store=b"s" * 16,
    head=3,
    tail=4,
    flags=1,
    cluster="c",
    node="a",
    to="b",
)
ANSWER = Answer(verdict=Verdict.NOT_ME, epoch=1, node="b", reason="I am b")


@given(HELLOS)
def test_a_hello_is_read_as_it_was_sent(hello: Hello) -> None:
    data = hello.encode()
    assert len(data) <= MOST_HELLO
    assert open_hello(data) == hello


@given(ANSWERS)
def test_an_answer_is_read_as_it_was_sent(answer: Answer) -> None:
    data = answer.encode()
    assert len(data) <= MOST_HELLO
    assert open_answer(data) == answer


def test_the_longest_names_fit() -> None:
    name = "n" * 255
    hello = attrs.evolve(HELLO, cluster=name, node=name, to=name)
    assert open_hello(hello.encode()) == hello
    answer = attrs.evolve(ANSWER, cluster=name, node=name, reason="r" * 1000)
    assert open_answer(answer.encode()) == answer


def test_the_bytes_of_a_hello_are_these_for_ever() -> None:
    assert HELLO.encode().hex(" ", -2) == (
        "4342 5244 0001 0001 003a 0000 0000 0000 0001 0000 0000 0000 0002 7373 7373 7373 7373 7373 7373 7373 "
        "7373 0000 0000 0000 0003 0000 0000 0000 0004 0000 0001 0163 0161 0162"
    )


def test_the_bytes_of_an_answer_are_these_for_ever() -> None:
    assert ANSWER.encode().hex(" ", -2) == (
        "4342 5244 0001 0001 0047 0004 0000 0000 0000 0000 0001 0000 0000 0000 0000 0000 0000 0000 0000 0000 "
        "0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0001 6200 0649 2061 "
        "6d20 62"
    )


@pytest.mark.parametrize("read", [open_hello, open_answer])
@given(data=st.data())
def test_any_bytes_are_read_or_refused_and_nothing_else(read: Any, data: st.DataObject) -> None:
    head = data.draw(st.sampled_from([b"", b"CBRD", HELLO.encode()[:10], ANSWER.encode()[:10]]))
    with suppress(BadHello, NewerProtocol):
        assert read(head + data.draw(st.binary(max_size=120)))


@pytest.mark.parametrize("read", [open_hello, open_answer])
@given(data=st.data())
def test_a_damaged_hello_is_read_or_refused_and_nothing_else(read: Any, data: st.DataObject) -> None:
    damaged = bytearray((HELLO if read is open_hello else ANSWER).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BadHello, NewerProtocol):
        assert read(bytes(damaged))


@pytest.mark.parametrize(("value", "read"), [(HELLO, open_hello), (ANSWER, open_answer)])
def test_what_is_cut_or_longer_is_refused(value: Hello | Answer, read: Any) -> None:
    data = value.encode()
    for end in range(len(data)):
        with pytest.raises(BadHello):
            read(data[:end])
        with pytest.raises(BadHello):  # its length fits, and it ends too early all the same
            read(data[:8] + max(end - 10, 0).to_bytes(2) + data[10 : max(end, 10)])
    with pytest.raises(BadHello, match="announces"):
        read(data + b"\0")
    with pytest.raises(BadHello, match="1 bytes too many"):
        read(data[:8] + (len(data) - 9).to_bytes(2) + data[10:] + b"\0")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "does not begin as one"),
        (b"CBRD", "ends too early"),
        (HELLO.encode() + bytes(MOST_HELLO), "1024 is the most"),
        (b"CBRD\0\0\0\1\0\0", "versions 0 to 1 are no range"),
        (b"CBRD\0\2\0\1\0\0", "versions 2 to 1 are no range"),
        (HELLO.encode().replace(b"\1a", b"\1\xff"), "not UTF-8"),
        (HELLO.encode().replace(b"\1a", b"\1\n"), "control character"),
        (HELLO.encode().replace(b"\1a", b"\1@"), "@ is reserved"),
    ],
)
def test_the_refusal_says_what_is_wrong(data: bytes, problem: str) -> None:
    with pytest.raises(BadHello, match=r"the hello cannot be read: .*callboard") as caught:
        open_hello(data)
    assert problem in str(caught.value)


def test_a_verdict_that_means_nothing_is_refused() -> None:
    data = bytearray(ANSWER.encode())
    data[11] = max(Verdict) + 1
    with pytest.raises(BadHello, match="means nothing"):
        open_answer(bytes(data))


def test_a_reason_that_is_too_long_is_refused() -> None:
    data = bytearray(attrs.evolve(ANSWER, reason="").encode()[:-2] + (301).to_bytes(2) + b"r" * 301)
    data[8:10] = (len(data) - 10).to_bytes(2)
    with pytest.raises(BadHello, match="301 bytes, and 300 is the most"):
        open_answer(bytes(data))


@pytest.mark.parametrize("read", [open_hello, open_answer])
@given(more=st.integers(1, 9), body=st.binary(max_size=50))
def test_a_newer_hello_is_read_to_its_prefix_only(read: Any, more: int, body: bytes) -> None:
    lowest = OUR_VERSIONS[1] + 1
    data = b"CBRD" + lowest.to_bytes(2) + (lowest + more).to_bytes(2) + b"\xff\xff" + body
    with pytest.raises(NewerProtocol, match="Upgrade callboard here") as caught:
        read(data)
    assert (caught.value.lowest, caught.value.highest) == (lowest, lowest + more)


@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [((1, 1), (1, 1), 1), ((1, 3), (2, 5), 3), ((2, 5), (1, 3), 3), ((1, 2), (3, 4), 0), ((3, 4), (1, 2), 0)],
)
def test_the_highest_common_version_is_chosen(
    ours: tuple[int, int], theirs: tuple[int, int], chosen: int
) -> None:
    assert choose_version(ours, theirs) == chosen
    assert choose_version(theirs, ours) == chosen


@given(st.text())
def test_a_reason_is_cut_to_what_fits_and_steers_no_terminal(text: str) -> None:
    reason = Answer(verdict=Verdict.BUSY, reason=text).reason
    assert len(reason.encode()) <= MOST_REASON
    assert reason.isprintable()


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": -1},
        {"tail": 2**64},
        {"flags": 2**32},
        {"store": b""},
        {"versions": (2, 1)},
        {"versions": (0, 1)},
        {"node": "a@b"},
        {"to": "n" * 256},
    ],
)
def test_a_hello_that_could_not_be_sent_cannot_be_made(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        attrs.evolve(HELLO, **change)
