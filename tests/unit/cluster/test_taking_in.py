"""What a link brings is taken in as fast as it is handled, so that little of it is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from callboard import Actor, handler, open_node
from callboard.cluster.errors import WireClosed
from callboard.cluster.frames import Frame, Kind, open_frame
from callboard.cluster.hello import Hello
from callboard.mailbox.envelope import Codec, Envelope, Extra, encode_fields

from ..counted import Counted

pytestmark = pytest.mark.virtual
TURN_S = 0.000012
"""What a turn takes: a slice has fewer than count as one."""
EPOCH = 1 << 24
FRAMES, FRAME = 20, 1000


looks: list[Callable[[], None]] = []
"""Called in every turn."""


class Reader(Actor, type_name="taking.Reader"):
    read: int = 0

    @handler
    async def note(self, number: int) -> None:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        clock.jump(TURN_S)
        assert number == self.read
        self.read += 1
        for look in looks:
            look()


class Bringing:
    """A wire whose other end says hello, brings frames of mail, and leaves when all of it is taken."""

    peer = cluster = ""
    admitted = False

    def __init__(self, frames: list[bytes]) -> None:
        store, tail = b"1" * 16, FRAMES * FRAME
        hello = Hello(
            epoch=EPOCH, incarnation=1, store=store, head=0, tail=tail, cluster="callboard", node="a", to="b"
        )
        self.taken = 0
        self._frames = [hello.encode(), *frames]
        self._all_taken = trio.Event()

    async def send(self, frame: bytes) -> None:
        if self.admitted:
            self.taken = open_frame(frame).sequence
        if self.taken == FRAMES * FRAME:
            self._all_taken.set()

    async def receive(self, most: int) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._frames:
            return self._frames.pop(0)
        await self._all_taken.wait()
        raise WireClosed("all is said")

    async def aclose(self) -> None:
        pass


def parcel(number: int) -> bytes:
    body = encode_fields({"number": number})
    to: dict[int, object] = {Extra.TO: "reader"}
    kind = ("taking.Reader", "note", 1, Codec.MSGPACK)
    return encode_fields(Envelope(number + 1, b"", *kind, body, "", 0, 0, number + 1, "", 0, 0, to))


def frame(first: int) -> bytes:
    mail = tuple(parcel(number) for number in range(first, first + FRAME))
    return Frame(Kind.MAIL, EPOCH, first, mail).encode()


async def test_what_a_link_brings_is_handled_before_its_batch_and_not_written(tmp_path: Path) -> None:
    store, wire = Counted(node="b"), Bringing([frame(at * FRAME) for at in range(FRAMES)])
    peers = {name: f"unix:{tmp_path}/{name}" for name in "ab"}
    async with open_node(store, name="b", peers=peers) as node:
        assert node.links is not None
        await node.spawn(Reader(), name="reader")
        waiting: list[int] = []
        looks[:] = [lambda: waiting.append(node.statistics().queued)]
        await node.links.door.take(wire)
        await node.wait_idle()
        assert node.statistics().handled == FRAMES * FRAME
    assert wire.taken == FRAMES * FRAME
    assert store.written < FRAMES * FRAME / 4
    assert max(waiting) < FRAME / 2
