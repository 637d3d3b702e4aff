"""Impostors: nodes written by hand, which send what they are told to, and the nodes they attack."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import trio

from callboard import Actor, Node, Retry, handler, open_node
from callboard.cluster.addresses import parse_address
from callboard.cluster.errors import WireClosed
from callboard.cluster.frames import MOST_FRAME, Frame, Kind, open_frame
from callboard.cluster.hello import (
    MOST_HELLO,
    Answer,
    Hello,
    Verdict,
    open_answer,
)
from callboard.cluster.unix import UnixTransport
from callboard.cluster.wire import Wire
from callboard.mailbox.envelope import Envelope, Extra, encode_fields
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.soundness import find_damage

PATIENCE_S = 3
SOON_S = 0.1
BOMB = b"\x91" * 100_000 + b"\xc0"
"""An array in an array, and so on."""


class Gauge(Actor):
    log: list[int] = attrs.field(factory=list[int])

    @handler
    async def add(self, n: int) -> None:
        self.log = [*self.log, n]

    @handler(retry=Retry(attempts=2))
    async def fail(self) -> None:
        raise RuntimeError("boom")

    @handler
    async def when(self) -> str:
        return str(self.turn.sent_at)

    @handler
    async def show(self) -> list[int]:
        return self.log


def letter(number: int, handler: str = "add", **changes: Any) -> bytes:
    """An envelope as another node's outbox has it; a message for gauge m unless changed."""
    extra = {Extra.TO: changes.pop("to", "m"), **changes.pop("extra", {})}
    body = msgspec.msgpack.encode({"n": number} if handler == "add" else {})
    given: dict[str, Any] = {
        "origin": b"",
        "type": "Gauge",
        "handler": handler,
        "version": 1,
        "codec": 1,
        "body": body,
    }
    rest: dict[str, Any] = {
        "sender": "",
        "sent_at": 1,
        "cause": 0,
        "root": number,
        "trace": "",
        "attempts": 0,
        "flags": 0,
    }
    whole: dict[str, Any] = {"number": number, **given, **rest, "extra": extra, **changes}
    return encode_fields(Envelope(**whole))


@attrs.define
class Fake:
    """A node written by hand, which sends what it is told to."""

    address: str
    node: str = "a"
    store: bytes = b"a" * 16
    connections: int = 0
    tail: int = 1000

    async def dial(self) -> Wire:
        return await UnixTransport().dial(parse_address(self.address))

    def hello(self, **changes: Any) -> Hello:
        self.connections += 1
        given: dict[str, Any] = {"epoch": (1 << 24) + self.connections, "incarnation": 1, "head": 0}
        names: dict[str, Any] = {"cluster": "callboard", "node": self.node, "to": "b"}
        whole: dict[str, Any] = {**given, "store": self.store, "tail": self.tail, **names, **changes}
        return Hello(**whole)

    async def greet(self, wire: Wire, **changes: Any) -> Answer:
        await wire.send(self.hello(**changes).encode())
        return open_answer(await wire.receive(MOST_HELLO))

    @asynccontextmanager
    async def linked(self) -> AsyncGenerator[tuple[Wire, Answer]]:
        """A good connection, and what the node said to it."""
        wire = await self.dial()
        try:
            answer = await self.greet(wire)
            assert answer.verdict is Verdict.WELCOME, answer.reason
            yield wire, answer
        finally:
            await wire.aclose()

    async def bring(self, *mail: bytes) -> None:
        """Hand mail over as a good node does, and wait until it is on the other disk."""
        async with self.linked() as (wire, answer):
            await wire.send(Frame(Kind.MAIL, answer.epoch, answer.next_sequence, mail).encode())
            while (await taken(wire)).sequence < answer.next_sequence + len(mail):
                pass


async def taken(wire: Wire) -> Frame:
    with trio.fail_after(PATIENCE_S):
        return open_frame(await wire.receive(MOST_FRAME))


async def closed(wire: Wire) -> None:
    """Wait until the other side has closed a wire, whatever it says before."""
    with trio.fail_after(PATIENCE_S), pytest.raises(WireClosed):  # noqa: PT012
        while True:
            await wire.receive(MOST_FRAME)


async def raw(address: str) -> trio.SocketStream:
    return await trio.open_unix_socket(parse_address(address).path)


async def ended(stream: trio.SocketStream) -> None:
    """Wait until the other side has closed a connection, whatever it says before, and close it here."""
    async with stream:
        with trio.fail_after(PATIENCE_S), suppress(trio.BrokenResourceError):  # something of ours was unread
            while await stream.receive_some(MOST_HELLO):
                pass


@attrs.define
class Ground:
    """Node b, which is attacked by a hand-written node a; and c, which means well."""

    b: Node
    c: Node
    fake: Fake
    told: int = 0

    async def check(self) -> None:
        """See that good mail of both others still comes, once and in order, and that the store is sound."""
        far, near = self.c.ref(Gauge, "m@b"), self.b.ref(Gauge, "m")
        before = await near.ask(Gauge.show())
        self.told += 2
        first = 1_000_000 + self.told
        await far.tell(Gauge.add(first))
        assert await far.ask(Gauge.show(), timeout=PATIENCE_S) == [*before, first]
        await self.fake.bring(letter(first + 1))
        assert await near.ask(Gauge.show()) == [*before, first, first + 1]
        await self.b.wait_idle()
        assert not find_damage(self.b.store)


@asynccontextmanager
async def ground(tmp_path: Path) -> AsyncGenerator[Ground]:
    listed = {name: f"unix:{tmp_path}/{name}" for name in "abc"}
    stores = [MemoryStore(node="b", entropy=lambda n: b"b" * n), MemoryStore(node="c")]
    async with (
        open_node(stores[0], name="b", peers=listed, types=[Gauge], drain=0) as b,
        open_node(stores[1], name="c", peers=listed, types=[Gauge], drain=0) as c,
    ):
        await b.spawn(Gauge(), name="m")
        yield Ground(b, c, Fake(listed["b"]))
