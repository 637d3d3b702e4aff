# ruff: noqa: ASYNC240
"""One body of claims, held against every transport: TCP, TCP under TLS, Unix sockets, simulated."""

import logging
import os
import struct
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from callboard.cluster import sockets
from callboard.cluster.addresses import Address, parse_address
from callboard.cluster.certificates import AUTHORITY, make_authority, make_node, pair_of
from callboard.cluster.errors import CannotListen, CannotReach, FrameTooLarge, WireClosed
from callboard.cluster.security import Tls
from callboard.cluster.tcp import TcpTransport
from callboard.cluster.unix import UnixTransport
from callboard.cluster.wire import MOST_UNADMITTED, Transport, Wire
from callboard.testing.network import Network

KIB, MIB = 1024, 1024 * 1024
LARGE = 16 * MIB
"""More than the kernel holds for us on both sides."""
SOON = 0.1

Take = Callable[[Wire], Awaitable[None]]


@attrs.frozen
class Ground:
    """A transport, and an address of it at which nobody listens."""

    transport: Transport
    address: Address


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder = tmp_path_factory.mktemp("certs")
    make_authority(folder, "test")
    pair = make_node(folder, "a")
    return Tls(pair.certificate, pair.key, pair_of(folder, AUTHORITY).certificate)


def lay(kind: str, path: Path, tls: Tls) -> Ground:
    if kind == "unix":
        # Relative to where the test runs, since a temporary path may be longer than a socket's may be.
        return Ground(UnixTransport(), Address(path=os.path.relpath(path / "run" / "node.socket")))
    if kind == "simulated":
        return Ground(Network().transport("a"), parse_address("a:0"))
    return Ground(TcpTransport(tls if kind == "tls" else None), parse_address("127.0.0.1:0"))


@pytest.fixture(params=["tcp", "tls", "unix", "simulated"])
def ground(request: pytest.FixtureRequest, tmp_path: Path, tls: Tls) -> Ground:
    """Every transport; another one joins here."""
    return lay(request.param, tmp_path, tls)


@pytest.fixture(params=["tcp", "unix"])
def bare(request: pytest.FixtureRequest, tmp_path: Path, tls: Tls) -> Ground:
    """Transports that a plain socket can talk to."""
    return lay(request.param, tmp_path, tls)


@asynccontextmanager
async def listening(ground: Ground, take: Take) -> AsyncGenerator[Address]:
    async with trio.open_nursery() as nursery:
        bound: Address = await nursery.start(ground.transport.listen, ground.address, take)
        yield bound
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def taking(ground: Ground) -> AsyncGenerator[tuple[Address, trio.MemoryReceiveChannel[Wire]]]:
    """A listener that hands on what it takes."""
    put, taken = trio.open_memory_channel[Wire](1000)

    async def take(wire: Wire) -> None:
        put.send_nowait(wire)
        await trio.sleep_forever()

    async with listening(ground, take) as bound:
        yield bound, taken


@asynccontextmanager
async def joined(ground: Ground) -> AsyncGenerator[tuple[Wire, Wire]]:
    """Both ends of a wire: the dialler's, the listener's."""
    async with taking(ground) as (bound, taken):
        dialled = await ground.transport.dial(bound)
        try:
            yield dialled, await taken.receive()
        finally:
            await dialled.aclose()


async def raw(address: Address) -> trio.SocketStream:
    if address.is_unix:
        return await trio.open_unix_socket(address.path)
    return await trio.open_tcp_stream(address.host, address.port)


@asynccontextmanager
async def raw_joined(ground: Ground) -> AsyncGenerator[tuple[trio.SocketStream, Wire]]:
    async with taking(ground) as (bound, taken), await raw(bound) as stream:
        yield stream, await taken.receive()


async def flood(wire: Wire) -> None:
    while True:
        await wire.send(bytes(KIB))


async def echo(wire: Wire) -> None:
    while True:
        await wire.send(await wire.receive(MIB))


@pytest.mark.parametrize("size", [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB])
async def test_a_frame_arrives_as_it_was_sent(ground: Ground, size: int) -> None:
    frame = os.urandom(size)
    async with joined(ground) as (a, b), trio.open_nursery() as nursery:
        nursery.start_soon(a.send, frame)
        assert await b.receive(size) == frame
        nursery.start_soon(b.send, frame)
        assert await a.receive(size) == frame


async def test_a_thousand_frames_both_ways_at_once_arrive_in_order(ground: Ground) -> None:
    frames = [number.to_bytes(4) * (number % 50) for number in range(1000)]

    async def send(wire: Wire) -> None:
        for frame in frames:
            await wire.send(frame)

    async def receive(wire: Wire) -> None:
        assert [await wire.receive(200) for _ in frames] == frames

    async with joined(ground) as ends, trio.open_nursery() as nursery:
        for wire in ends:
            nursery.start_soon(send, wire)
            nursery.start_soon(receive, wire)


async def test_frames_of_many_senders_are_never_mixed(ground: Ground) -> None:
    frames = [bytes([number]) * 200 * KIB for number in range(20)]
    async with joined(ground) as (a, b), trio.open_nursery() as nursery:
        for frame in frames:
            nursery.start_soon(a.send, frame)
        assert sorted([await b.receive(MIB) for _ in frames]) == frames


async def test_a_frame_that_is_too_large_is_refused_and_ends_the_wire(ground: Ground) -> None:
    async with joined(ground) as (a, b):
        await a.send(bytes(10))
        await a.send(bytes(11))
        assert await b.receive(10) == bytes(10)
        with pytest.raises(FrameTooLarge, match="a frame of 11 bytes where at most 10 are taken"):
            await b.receive(10)
        with pytest.raises(WireClosed):
            await b.receive(100)
        with pytest.raises(WireClosed):
            await a.receive(100)


async def test_what_was_sent_before_the_end_still_arrives(ground: Ground) -> None:
    async with joined(ground) as (a, b):
        await a.send(b"last words")
        await a.aclose()
        assert await b.receive(100) == b"last words"
        with pytest.raises(WireClosed):
            await b.receive(100)


async def test_a_closed_wire_says_so_on_both_sides_and_to_all_who_wait(ground: Ground) -> None:
    async with joined(ground) as (a, b):

        async def wait(wire: Wire) -> None:
            with pytest.raises(WireClosed, match="the connection with "):
                await wire.receive(LARGE)

        async def fill() -> None:
            with pytest.raises(WireClosed):
                await a.send(bytes(LARGE))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, a)
            nursery.start_soon(fill)
            await trio.sleep(0.05)
            await a.aclose()
            nursery.start_soon(wait, b)
        with pytest.raises(WireClosed, match="was closed on this side"):
            await a.send(b"")
        with pytest.raises(WireClosed):
            await flood(b)


async def test_closing_is_idempotent_and_waits_for_nobody_even_when_cancelled(ground: Ground) -> None:
    async with joined(ground) as (a, _):
        with trio.CancelScope() as scope:
            scope.cancel()
            await a.aclose()
            await a.aclose()
        with pytest.raises(WireClosed):
            await a.send(b"")


async def test_a_send_that_is_cancelled_halfway_ends_the_wire(ground: Ground) -> None:
    async with joined(ground) as (a, b):
        await a.send(b"whole")
        with trio.move_on_after(SOON) as scope:
            await a.send(bytes(LARGE))
        assert scope.cancelled_caught
        with pytest.raises(WireClosed, match="a send was cancelled halfway"):
            await a.send(b"after")
        assert await b.receive(LARGE) == b"whole"
        with pytest.raises(WireClosed):
            await b.receive(LARGE)


async def test_a_send_that_is_cancelled_before_its_turn_has_sent_nothing(ground: Ground) -> None:
    async with joined(ground) as (a, b), trio.open_nursery() as nursery:
        nursery.start_soon(a.send, bytes(LARGE))
        await trio.sleep(0.05)
        with trio.move_on_after(0.05) as scope:
            await a.send(b"never")
        assert scope.cancelled_caught
        assert len(await b.receive(LARGE)) == LARGE
        await a.send(b"next")
        assert await b.receive(10) == b"next"


async def test_a_receive_that_is_cancelled_loses_nothing(ground: Ground) -> None:
    frame = os.urandom(8 * MIB)
    async with joined(ground) as (a, b), trio.open_nursery() as nursery:
        nursery.start_soon(a.send, frame)
        received, cuts = None, 0
        while received is None:
            with trio.move_on_after(0.001) as scope:
                received = await b.receive(len(frame))
            cuts += scope.cancelled_caught
        assert received == frame
        nursery.start_soon(a.send, b"next")
        assert await b.receive(10) == b"next"


async def test_a_listener_survives_those_who_use_its_wires_badly(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    async def take(wire: Wire) -> None:
        if await wire.receive(10) == b"fail":
            raise ZeroDivisionError
        await echo(wire)

    async with listening(ground, take) as bound:
        bad = await ground.transport.dial(bound)
        await bad.send(b"fail")
        with pytest.raises(WireClosed):
            await bad.receive(10)
        good = await ground.transport.dial(bound)
        await good.send(b"well")
        await good.send(b"said")
        assert await good.receive(10) == b"said"
        await good.aclose()
    failed = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.exc_info is not None for record in failed] == [True]


async def test_a_wire_is_closed_when_its_taker_returns(ground: Ground) -> None:
    async def take(wire: Wire) -> None:
        await wire.send(b"bye")

    async with listening(ground, take) as bound:
        wire = await ground.transport.dial(bound)
        assert await wire.receive(10) == b"bye"
        with pytest.raises(WireClosed):
            await wire.receive(10)


async def test_strangers_beyond_the_limit_are_closed_until_one_is_admitted(ground: Ground) -> None:
    wires: list[Wire] = []
    async with taking(ground) as (bound, taken):
        try:
            here: list[Wire] = []
            for _ in range(MOST_UNADMITTED):
                wires.append(await ground.transport.dial(bound))
                here.append(await taken.receive())
            with pytest.raises((WireClosed, CannotReach)):
                await (await ground.transport.dial(bound)).receive(10)
            here[0].admitted = True
            wires.append(await ground.transport.dial(bound))
            await (await taken.receive()).send(b"welcome")
            assert await wires[-1].receive(10) == b"welcome"
            await wires[0].aclose()
        finally:
            for wire in wires:
                await wire.aclose()


async def test_a_listener_that_ends_closes_its_wires_and_frees_its_address(ground: Ground) -> None:
    async with taking(ground) as (bound, _):
        wire = await ground.transport.dial(bound)
    with pytest.raises(WireClosed):
        await wire.receive(10)
    with pytest.raises(CannotReach, match="cannot be reached"):
        await ground.transport.dial(bound)
    async with listening(attrs.evolve(ground, address=bound), echo):
        wire = await ground.transport.dial(bound)
        await wire.send(b"again")
        assert await wire.receive(10) == b"again"
        await wire.aclose()


async def test_an_address_has_one_listener(ground: Ground) -> None:
    async with listening(ground, echo) as bound:
        with pytest.raises(CannotListen):
            await ground.transport.listen(bound, echo)
        wire = await ground.transport.dial(bound)
        await wire.send(b"still here")
        assert await wire.receive(10) == b"still here"
        await wire.aclose()


async def test_a_length_that_lies_allocates_nothing(bare: Ground) -> None:
    async with raw_joined(bare) as (stream, wire):
        await stream.send_all((2**32 - 1).to_bytes(4) + b"x")
        tracemalloc.start()
        try:
            with trio.move_on_after(SOON):
                await wire.receive(2**32)
            assert tracemalloc.get_traced_memory()[1] < MIB
        finally:
            tracemalloc.stop()


async def test_bytes_that_come_one_by_one_are_a_frame_in_the_end(bare: Ground) -> None:
    async with raw_joined(bare) as (stream, wire), trio.open_nursery() as nursery:

        async def drip() -> None:
            for byte in b"\0\0\0\3abc\0\0\0\0":
                await stream.send_all(bytes([byte]))
                await trio.sleep(0.001)

        nursery.start_soon(drip)
        assert await wire.receive(3) == b"abc"
        assert await wire.receive(3) == b""


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\0\0\5", b"\0\0\0\5four"])
async def test_half_a_frame_is_never_received(bare: Ground, sent: bytes) -> None:
    async with raw_joined(bare) as (stream, wire):
        await stream.send_all(sent)
        await stream.send_eof()
        with pytest.raises(WireClosed, match="ended by the other side"):
            await wire.receive(10)
        assert await stream.receive_some(1) == b""


async def test_a_reset_ends_the_wire(tmp_path: Path, tls: Tls) -> None:
    async with raw_joined(lay("tcp", tmp_path, tls)) as (stream, wire):
        await stream.send_all(b"\0\0\0\5four")
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()
        with pytest.raises(WireClosed, match="Connection reset by peer"):
            await wire.receive(10)
        with pytest.raises(WireClosed, match="Connection reset by peer"):
            await wire.send(b"")


async def test_a_dialler_that_never_shakes_hands_is_closed(
    tmp_path: Path, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "HANDSHAKE_S", 0.05)
    async with taking(lay("tls", tmp_path, tls)) as (bound, _), await raw(bound) as stream:
        assert await stream.receive_some(1) == b""


async def test_a_unix_socket_is_for_its_owner_only_and_goes_with_its_listener(
    tmp_path: Path, tls: Tls
) -> None:
    ground = lay("unix", tmp_path, tls)
    file = Path(ground.address.path)
    async with listening(ground, echo):
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
    assert not file.exists()


async def test_the_socket_of_a_dead_node_is_replaced(tmp_path: Path, tls: Tls) -> None:
    ground = lay("unix", tmp_path, tls)
    file = Path(ground.address.path)
    file.parent.mkdir()
    with trio.socket.socket(trio.socket.AF_UNIX) as dead:
        await dead.bind(ground.address.path)
    with pytest.raises(CannotReach, match="A node was there and died"):
        await ground.transport.dial(ground.address)
    async with joined(ground) as (a, b):
        await a.send(b"alive")
        assert await b.receive(10) == b"alive"


async def test_a_file_that_is_no_socket_is_never_removed(tmp_path: Path, tls: Tls) -> None:
    ground = lay("unix", tmp_path, tls)
    file = Path(ground.address.path)
    file.parent.mkdir()
    file.write_text("a letter")
    with pytest.raises(CannotListen, match="no socket"):
        await ground.transport.listen(ground.address, echo)
    assert file.read_text() == "a letter"


async def test_the_socket_of_a_successor_is_left_alone(tmp_path: Path, tls: Tls) -> None:
    ground = lay("unix", tmp_path, tls)
    file = Path(ground.address.path)
    async with listening(ground, echo):
        file.unlink()
        file.touch()
    assert file.exists()


async def test_a_unix_socket_takes_nobody_elses_process(
    tmp_path: Path, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = lay("unix", tmp_path, tls)
    me = os.geteuid()
    async with listening(ground, echo):
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)
        with pytest.raises(CannotReach, match="process of another user listens there"):
            await ground.transport.dial(ground.address)
        async with await raw(ground.address) as stream:
            assert await stream.receive_some(1) == b""


async def test_a_name_that_does_not_resolve_cannot_be_reached() -> None:
    with pytest.raises(CannotReach, match="does not resolve"):
        await TcpTransport(insecure_network=True).dial(parse_address("no-such-host.invalid:7001"))
