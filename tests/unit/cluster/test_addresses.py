"""Addresses are read as people write them, and what is none is refused with what is missing."""

from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from callboard.cluster.addresses import MOST_UNIX_BYTES, Address, parse_address
from callboard.cluster.errors import BadAddress

HOSTS = st.one_of(
    st.ip_addresses().map(str),
    st.from_regex(r"[a-z][a-z0-9]{0,10}(-[a-z0-9]{1,5})?(\.[a-z]{2,5})?", fullmatch=True),
)
TCP = st.builds(Address, HOSTS, st.integers(0, 65535))
UNIX = st.builds(
    Address,
    path=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=25),
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7001", Address("127.0.0.1", 7001)),
        ("[::1]:7001", Address("::1", 7001)),
        ("localhost:0", Address("localhost", 0)),
        ("tcp:a.example.org:65535", Address("a.example.org", 65535)),
        ("tcp:[fe80::1%eth0]:1", Address("fe80::1%eth0", 1)),
        ("my_host-1.:80", Address("my_host-1.", 80)),
        ("unix:/run/a.socket", Address(path="/run/a.socket")),
        ("unix:run/a:b", Address(path="run/a:b")),
    ],
)
def test_an_address_is_read_as_people_write_it(text: str, address: Address) -> None:
    assert parse_address(text) == address


@given(TCP | UNIX)
def test_an_address_is_shown_as_it_is_read(address: Address) -> None:
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the port is missing"),
        ("localhost", "the port is missing"),
        ("7001", "the host is missing"),
        (":7001", "the host is missing"),
        ("[]:7001", "brackets are for IPv6 only"),
        ("tcp:", "the port is missing"),
        ("localhost:", "no number from 0 to 65535"),
        ("localhost:http", "no number from 0 to 65535"),
        ("localhost:65536", "no number from 0 to 65535"),
        ("localhost:-1", "no number from 0 to 65535"),
        ("localhost:+1", "no number from 0 to 65535"),
        ("localhost:٧", "no number from 0 to 65535"),
        ("::1:7001", "an IPv6 address stands in brackets"),
        ("[127.0.0.1]:7001", "brackets are for IPv6 only"),
        ("[::g]:7001", "is no IP address"),
        ("127.0.0.256:7001", "is no IP address"),
        ("127.1:7001", "is no IP address"),
        ("0:7001", "is no IP address"),
        ("a b:7001", "cannot be the name of a host"),
        ("a..b:7001", "cannot be the name of a host"),
        ("-a:7001", "cannot be the name of a host"),
        (f"{'a' * 64}:7001", "cannot be the name of a host"),
        ("bücher.example:7001", "write others in punycode"),
        ("unix:", "nothing is named"),
        ("unix:\0abstract", "abstract sockets have no permissions"),
        ("unix:\ud800", "a lone surrogate"),
        (f"unix:{'a' * (MOST_UNIX_BYTES + 1)}", "choose a shorter one"),
        (f"unix:{'ä' * 60}", f"120 bytes and a socket's may have {MOST_UNIX_BYTES}"),
        (7001, "an address is a str, not int"),
    ],
)
def test_what_is_no_address_is_refused_with_what_is_missing(text: str, problem: str) -> None:
    with pytest.raises(BadAddress) as caught:
        parse_address(text)
    assert problem in str(caught.value)


@given(st.text())
def test_any_text_is_an_address_or_a_bad_one(text: str) -> None:
    with suppress(BadAddress):
        assert str(parse_address(text))


@pytest.mark.parametrize("text", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "LocalHost:1", "unix:a"])
def test_what_only_this_machine_can_reach_is_loopback(text: str) -> None:
    assert parse_address(text).is_loopback


@pytest.mark.parametrize(
    "text", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "localhost.example.org:1", "a:1", "[::ffff:1.2.3.4]:1"]
)
def test_what_others_may_reach_is_not_loopback(text: str) -> None:
    assert not parse_address(text).is_loopback


def test_an_address_that_is_put_together_is_checked_too() -> None:
    with pytest.raises(BadAddress):
        Address("localhost", 65536)
    with pytest.raises(BadAddress):
        Address()
