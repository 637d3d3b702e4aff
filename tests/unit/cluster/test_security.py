"""Only certificates of the cluster's authority get through, and nothing leaves this machine in clear."""

import logging
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from callboard.cluster.accepting import Take
from callboard.cluster.addresses import Address, parse_address
from callboard.cluster.certificates import AUTHORITY, make_authority, make_node, pair_of
from callboard.cluster.errors import (
    BadCertificate,
    CannotListen,
    CannotReach,
    ClusterError,
    NotSecure,
    WireClosed,
)
from callboard.cluster.security import Tls, check_dial, check_listen
from callboard.cluster.tcp import TcpTransport
from callboard.cluster.unix import UnixTransport
from callboard.cluster.wire import Wire

LOOPBACK = parse_address("127.0.0.1:0")
EVERYWHERE = parse_address("0.0.0.0:0")


def found(folder: Path, cluster: str, *nodes: str) -> list[Tls]:
    """A cluster's authority, and what its nodes need."""
    authority = make_authority(folder, cluster)
    pairs = [make_node(folder, node) for node in nodes]
    return [Tls(pair.certificate, pair.key, authority.certificate) for pair in pairs]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> list[Tls]:
    return found(tmp_path_factory.mktemp("shop"), "shop", "till", "stöck/@1".replace("@", "-"))


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> list[Tls]:
    return found(tmp_path_factory.mktemp("bank"), "bank", "till")


async def greet(wire: Wire) -> None:
    await wire.receive(10)
    await wire.send(f"{wire.peer} of {wire.cluster}".encode())


@asynccontextmanager
async def listening(tls: Tls | None, take: Take = greet) -> AsyncGenerator[Address]:
    async with trio.open_nursery() as nursery:
        bound: Address = await nursery.start(TcpTransport(tls).listen, LOOPBACK, take)
        yield bound
        nursery.cancel_scope.cancel()


async def say_hello(dialler: Tls | None, address: Address) -> tuple[Wire, bytes]:
    """As a link does: dial, say something, and believe in the wire only when something comes back."""
    wire = await TcpTransport(dialler).dial(address)
    try:
        await wire.send(b"hello")
        return wire, await wire.receive(100)
    finally:
        await wire.aclose()


async def test_each_side_knows_the_other_by_its_certificate(shop: list[Tls]) -> None:
    till, stock = shop
    async with listening(till) as bound:
        wire, seen = await say_hello(stock, bound)
    assert (wire.peer, wire.cluster) == ("till", "shop")
    assert seen.decode() == "stöck/-1 of shop"


async def test_a_certificate_of_another_node_is_told_by_its_own_name(shop: list[Tls]) -> None:
    till, _ = shop
    async with listening(till) as bound:
        wire, seen = await say_hello(till, bound)
    assert (wire.peer, seen) == ("till", b"till of shop")


async def test_another_authority_is_refused_by_the_listener_too(shop: list[Tls], bank: list[Tls]) -> None:
    trusting = attrs.evolve(bank[0], authority=shop[0].authority)
    async with listening(shop[0]) as bound:
        with pytest.raises(CannotReach, match=r"TLS with 127\.0\.0\.1:[0-9]+ failed"):
            await say_hello(bank[0], bound)
        with pytest.raises(WireClosed, match=r"the connection with 127\.0\.0\.1"):
            await say_hello(trusting, bound)
        _, seen = await say_hello(shop[1], bound)
        assert seen


async def test_another_cluster_of_the_same_authority_is_told_by_its_own_name(
    shop: list[Tls], bank: list[Tls], tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(shop[0].authority.read_bytes() + bank[0].authority.read_bytes())
    async with listening(attrs.evolve(shop[0], authority=both)) as bound:
        wire, seen = await say_hello(attrs.evolve(bank[0], authority=both), bound)
    assert (wire.cluster, seen) == ("shop", b"till of bank")


async def test_a_dialler_without_a_certificate_never_gets_through(
    shop: list[Tls], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    naked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    naked.check_hostname = False
    naked.load_verify_locations(shop[0].authority)
    dialler = TcpTransport(shop[1])
    monkeypatch.setattr(dialler, "_dialling", naked)
    taken: list[Wire] = []

    async def take(wire: Wire) -> None:
        taken.append(wire)

    async with listening(shop[0], take) as bound:
        wire = await dialler.dial(bound)  # the trap: TLS 1.3 lets a dialler believe it is in
        with pytest.raises(WireClosed, match=r"may have refused this one.s certificate|[Cc]onnection reset"):
            await wire.receive(100)
    assert not taken
    assert "peer did not return a certificate" in caplog.text


async def test_the_authoritys_own_certificate_is_no_nodes(shop: list[Tls]) -> None:
    pair = pair_of(shop[0].authority.parent, AUTHORITY)
    async with listening(shop[0]) as bound:
        with pytest.raises(ClusterError):
            await say_hello(Tls(pair.certificate, pair.key, pair.certificate), bound)


async def test_an_older_tls_is_refused(shop: list[Tls]) -> None:
    old = shop[1].for_dialling()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with listening(shop[0]) as bound:
        plain = await trio.open_tcp_stream(bound.host, bound.port)
        async with plain:
            with pytest.raises(trio.BrokenResourceError):
                await trio.SSLStream(plain, old).do_handshake()


async def test_who_speaks_no_tls_is_told_so_on_either_side(shop: list[Tls]) -> None:
    async with listening(shop[0]) as bound:
        with pytest.raises(WireClosed):
            await say_hello(None, bound)
    async with listening(None) as bound:
        with pytest.raises(CannotReach, match="Both nodes need tls="):
            await say_hello(shop[0], bound)


@pytest.mark.parametrize("text", ["0.0.0.0:0", "[::]:0", "10.1.2.3:7001", "example.org:7001"])
def test_beyond_this_machine_needs_tls_or_a_spelled_out_word(
    text: str, shop: list[Tls], caplog: pytest.LogCaptureFixture
) -> None:
    address = parse_address(text)
    for check in (check_listen, check_dial):
        with pytest.raises(NotSecure, match=r"callboard cert init.*insecure_network=True"):
            check(address, None)
        check(address, shop[0])
    assert not caplog.records
    check_listen(address, None, insecure_network=True)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    check_dial(address, None, insecure_network=True)


@pytest.mark.parametrize("text", ["127.0.0.1:0", "[::1]:0", "localhost:0", "unix:a"])
def test_this_machine_alone_needs_no_tls(text: str) -> None:
    check_listen(parse_address(text), None)
    check_dial(parse_address(text), None)


async def test_the_transport_itself_refuses_what_is_not_secure() -> None:
    with pytest.raises(NotSecure):
        await TcpTransport().listen(EVERYWHERE, greet)
    with pytest.raises(NotSecure):
        await TcpTransport().dial(parse_address("192.0.2.1:1"))


async def test_each_transport_refuses_the_addresses_of_the_other() -> None:
    for transport, address in ((TcpTransport(), parse_address("unix:a")), (UnixTransport(), LOOPBACK)):
        with pytest.raises(CannotReach, match="write "):
            await transport.dial(address)
        with pytest.raises(CannotListen, match="write "):
            await transport.listen(address, greet)


def test_files_that_cannot_be_used_are_named_at_the_start(shop: list[Tls], tmp_path: Path) -> None:
    till, stock = shop
    junk, none = tmp_path / "junk", tmp_path / "none"
    junk.write_text("junk")
    for broken, problem in (
        (attrs.evolve(till, certificate=none), "none cannot be read"),
        (attrs.evolve(till, key=none), "none cannot be read"),
        (attrs.evolve(till, authority=none), "none cannot be read"),
        (attrs.evolve(till, certificate=junk), "no certificate and its unencrypted key"),
        (attrs.evolve(till, key=junk), "no certificate and its unencrypted key"),
        (attrs.evolve(till, key=stock.key), "(?i)key.values.mismatch"),
        (attrs.evolve(till, authority=junk), "no certificate of an authority"),
    ):
        with pytest.raises(BadCertificate, match=problem):
            TcpTransport(broken)
