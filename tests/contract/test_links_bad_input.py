"""Links under bad input: a hand-written peer attacks a real node's door, and a hand-written listener its link.

Whatever comes, a good connection works afterwards, nothing is lost or doubled, and the store is sound.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import attrs
import msgspec
import pytest
import trio

from callboard import Actor, Node, handler, open_node
from callboard.cluster import door as door_module, link as link_module, session
from callboard.cluster.addresses import parse_address
from callboard.cluster.errors import WireClosed
from callboard.cluster.frames import MOST_FRAME, Frame, Kind, open_frame
from callboard.cluster.hello import (
    MOST_HELLO,
    Answer,
    Hello,
    Verdict,
    open_answer,
    open_hello,
)
from callboard.cluster.unix import UnixTransport
from callboard.cluster.wire import MOST_UNADMITTED, Wire
from callboard.mailbox.envelope import Envelope, Extra, Flag, encode_fields
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.soundness import find_damage

PATIENCE_S = 10
SOON_S = 0.1
BOMB = b"\x91" * 100_000 + b"\xc0"
"""An array in an array, and so on."""


class Gauge(Actor):
    log: list[int] = attrs.field(factory=list[int])
    sent: ClassVar[list[str]] = []

    @handler
    async def add(self, n: int) -> None:
        self.log = [*self.log, n]

    @handler
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
    given = {"origin": b"", "type": "Gauge", "handler": handler, "version": 1, "codec": 1, "body": body}
    rest = {"sender": "", "sent_at": 1, "cause": 0, "root": number, "trace": "", "attempts": 0, "flags": 0}
    return encode_fields(Envelope(**{"number": number, **given, **rest, "extra": extra, **changes}))


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
        names = {"cluster": "callboard", "node": self.node, "to": "b"}
        return Hello(**{**given, "store": self.store, "tail": self.tail, **names, **changes})

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
    with trio.fail_after(PATIENCE_S), pytest.raises(WireClosed):
        while True:
            await wire.receive(MOST_FRAME)


async def raw(address: str) -> trio.SocketStream:
    return await trio.open_unix_socket(parse_address(address).path)


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


# Before the hello.

STRANGERS: dict[str, bytes] = {
    "nothing": b"",
    "an empty frame": bytes(4),
    "another protocol": b"GET / HTTP/1.1\r\nHost: b\r\n\r\n",
    "a length that lies": b"\xff\xff\xff\xff" + b"CBRD",
    "a frame too large": (MOST_HELLO + 1).to_bytes(4) + bytes(MOST_HELLO + 1),
    "half a hello": (100).to_bytes(4) + b"CBRD" + bytes(50),
    "no hello": (8).to_bytes(4) + b"CBRDCBRD",
    "a nesting bomb": (1000).to_bytes(4) + BOMB[:1000],
    "a hello whose inner length lies": (12).to_bytes(4) + b"CBRD\0\1\0\1\xff\xff\xff\xff",
}


@pytest.mark.parametrize("what", STRANGERS)
async def test_a_stranger_that_sends_rubbish_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(door_module, "HELLO_S", SOON_S)
    async with ground(tmp_path) as here:
        async with await raw(here.fake.address) as stream:
            await stream.send_all(STRANGERS[what])
            with trio.fail_after(PATIENCE_S):
                try:
                    while await stream.receive_some(MOST_HELLO):
                        pass
                except trio.BrokenResourceError:
                    pass  # it was closed while something of ours lay unread
        monkeypatch.undo()
        await here.check()


async def test_a_stranger_whose_bytes_drip_is_closed_when_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "HELLO_S", SOON_S)
    async with ground(tmp_path) as here:
        stream = await raw(here.fake.address)
        with trio.fail_after(PATIENCE_S), pytest.raises(trio.BrokenResourceError):
            for byte in here.fake.hello().encode() * 100:
                await stream.send_all(bytes([byte]))
                await trio.sleep(0.005)
        await stream.aclose()
        monkeypatch.undo()
        await here.check()


async def test_strangers_that_hold_every_place_keep_no_link_from_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ground(tmp_path) as here:
        await here.check()
        monkeypatch.setattr(door_module, "HELLO_S", 2 * SOON_S)
        crowd = [await raw(here.fake.address) for _ in range(2 * MOST_UNADMITTED)]
        far = here.c.ref(Gauge, "m@b")
        assert len(await far.ask(Gauge.show(), timeout=PATIENCE_S)) == 2
        for stream in crowd:
            with trio.fail_after(PATIENCE_S):
                assert not await stream.receive_some(1)
            await stream.aclose()
        await here.check()


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({"cluster": "elsewhere"}, Verdict.OTHER_CLUSTER, "'callboard', not 'elsewhere'"),
        ({"to": "c"}, Verdict.NOT_ME, "this is node 'b', not 'c'"),
        ({"node": "stranger"}, Verdict.NOT_LISTED, "does not list 'stranger'"),
        ({"node": "b"}, Verdict.NOT_LISTED, "does not list 'b'"),
        ({"versions": (2, 9)}, Verdict.NO_COMMON_VERSION, "I speak up to 1"),
        ({"node": "c", "store": b"z" * 16}, Verdict.NAME_IN_USE, "another store is linked as 'c'"),
    ],
)
async def test_who_does_not_belong_here_hears_why(
    tmp_path: Path, changes: dict[str, Any], verdict: Verdict, words: str
) -> None:
    async with ground(tmp_path) as here:
        await here.check()
        wire = await here.fake.dial()
        answer = await here.fake.greet(wire, **changes)
        assert answer.verdict is verdict
        assert words in answer.reason
        await closed(wire)
        await here.check()


async def test_a_newer_peer_that_speaks_ours_too_is_welcome(tmp_path: Path) -> None:
    async with ground(tmp_path) as here:
        wire = await here.fake.dial()
        answer = await here.fake.greet(wire, versions=(1, 9))
        assert (answer.verdict, answer.version) == (Verdict.WELCOME, 1)
        await wire.aclose()
        await here.check()


async def test_two_hellos_of_one_store_at_a_time_leave_one_link(tmp_path: Path) -> None:
    """Both waited for the disk, both were welcome, and mail that came over both was taken twice."""
    async with ground(tmp_path) as here:
        assert isinstance(here.b.store, MemoryStore)
        wires = [await here.fake.dial() for _ in range(2)]
        here.b.store.hold()
        hellos = [here.fake.hello() for _ in wires]
        for wire, hello in zip(wires, hellos, strict=True):
            await wire.send(hello.encode())
        await trio.testing.wait_all_tasks_blocked(SOON_S)
        here.b.store.release()
        for wire, hello in zip(wires, hellos, strict=True):
            try:
                open_answer(await wire.receive(MOST_HELLO))
                await wire.send(Frame(Kind.MAIL, hello.epoch, 0, (letter(1),)).encode())
                await taken(wire)
            except WireClosed:
                continue
        assert await here.b.ref(Gauge, "m").ask(Gauge.show()) == [1]
        for wire in wires:
            await wire.aclose()
        await here.check()


# After the hello.

FRAMES: dict[str, Callable[[int], bytes]] = {
    "nothing": lambda epoch: b"",
    "garbage": lambda epoch: b"\xff" * 1000,
    "an unknown kind": lambda epoch: b"\x09" + epoch.to_bytes(8) + bytes(8),
    "mail without any": lambda epoch: Frame(Kind.MAIL, epoch, 0).encode(),
    "a length that lies": lambda epoch: Frame(Kind.MAIL, epoch, 0).encode() + b"\xff\xff\xff\xff" + b"abc",
    "half a length": lambda epoch: Frame(Kind.MAIL, epoch, 0).encode() + b"\0\0",
    "a word of the other side's": lambda epoch: Frame(Kind.TAKEN, epoch, 5).encode(),
    "a goodbye": lambda epoch: Frame(Kind.BYE, epoch, 0, text="so \x1b[31m long").encode(),
}


@pytest.mark.parametrize("what", FRAMES)
async def test_a_frame_that_means_nothing_ends_the_connection_and_nothing_else(
    tmp_path: Path, what: str
) -> None:
    async with ground(tmp_path) as here:
        async with here.fake.linked() as (wire, answer):
            await wire.send(Frame(Kind.MAIL, answer.epoch, 0, (letter(1),)).encode())
            await wire.send(FRAMES[what](answer.epoch))
            await closed(wire)
        await here.check()
        assert (await here.b.ref(Gauge, "m").ask(Gauge.show()))[0] == 1


@pytest.mark.parametrize("size", [MOST_FRAME + 1, 2**32 - 1])
async def test_a_frame_announced_as_too_large_is_neither_read_nor_allocated(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ground(tmp_path) as here:
        stream = await raw(here.fake.address)
        hello = here.fake.hello().encode()
        await stream.send_all(len(hello).to_bytes(4) + hello + size.to_bytes(4) + bytes(1000))
        with trio.fail_after(PATIENCE_S), pytest.raises(trio.BrokenResourceError):
            while await stream.receive_some(MOST_HELLO):
                pass
        await stream.aclose()
        await here.check()


async def test_frames_of_another_epoch_or_out_of_order_change_nothing(tmp_path: Path) -> None:
    async with ground(tmp_path) as here:
        async with here.fake.linked() as (wire, answer):
            for epoch, first in ((answer.epoch + 1, 0), (0, 0), (answer.epoch, 7), (answer.epoch, 2**64 - 1)):
                await wire.send(Frame(Kind.MAIL, epoch, first, (letter(1),)).encode())
                assert (await taken(wire)).sequence == 0
            for _ in range(3):
                await wire.send(Frame(Kind.MAIL, answer.epoch, 0, (letter(1), letter(2))).encode())
                while (await taken(wire)).sequence < 2:
                    pass
        await here.check()
        assert (await here.b.ref(Gauge, "m").ask(Gauge.show()))[:2] == [1, 2]


async def test_a_silent_connection_is_closed_and_a_new_one_is_welcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ground(tmp_path) as here:
        monkeypatch.setattr(door_module, "SILENT_S", SOON_S / 2)
        async with here.fake.linked() as (wire, _):
            await closed(wire)
        monkeypatch.undo()
        await here.check()
        await here.check()


# What letters hold.

NESTED: object = None
for _ in range(900):
    NESTED = [NESTED]

LETTERS: dict[str, bytes] = {
    "nothing": b"",
    "garbage": b"\xc1" * 100,
    "a nesting bomb": BOMB,
    "a nesting bomb for an extra": letter(1)[:-4] + b"\x01\x63" + BOMB,
    "a nesting bomb for a body": letter(1, body=BOMB),
    "a nesting bomb with an id": letter(1, body=BOMB, flags=Flag.MARKED, extra={Extra.MARK: "x"}),
    "a nest just small enough": letter(1, extra={Extra.MARK: NESTED}, body=b"\x81\xa1x\x01"),
    "an array whose length lies": b"\xdd\xff\xff\xff\xff",
    "a body whose length lies": letter(1, body=b"\xdf\xff\xff\xff\xff"),
    "an unknown flag": letter(1, flags=1 << 20),
    "nobody it is for": letter(1, to=""),
    "a receiver that is no name": letter(1, to="@b"),
    "a receiver that is no text": letter(1, to=7),
    "an act of a later release": letter(1, "$migrate"),
    "an id that is no text": letter(1, flags=Flag.MARKED, extra={Extra.MARK: [1]}),
    "an id that is missing": letter(1, flags=Flag.MARKED),
    "an id that is too long": letter(1, flags=Flag.MARKED, extra={Extra.MARK: "x" * 100}),
    "an answer to a request that cannot be": letter(
        1, "$reply", body=msgspec.msgpack.encode((1, b"\xc0")), extra={Extra.REQUEST: -1}
    ),
    "an answer to a request beyond all": letter(
        1, "$reply", body=msgspec.msgpack.encode((1, b"\xc0")), extra={Extra.REQUEST: 2**64 - 1}
    ),
    "a number below zero": letter(-1, body=b"\x80"),
    "a body of nothing": letter(1, body=b""),
    "a type that nobody knows, to spawn": letter(1, "$spawn", type="Nobody", body=b"\x92\xc2\xc4\x00"),
    "a watch with a wrong body": letter(1, "$watch", body=b"\x92\xc0\xc0"),
    "a watch of what is no name": letter(1, "$watch", to="$" * 300, body=b"\x92\x00\xc2", sender="x"),
}
UNHARMED = {"nothing", "an answer to a request beyond all", "a nest just small enough"}
"""What leaves no dead letter, or only for what else is wrong with it."""


@pytest.mark.parametrize("what", LETTERS)
async def test_a_letter_that_cannot_be_understood_is_a_dead_letter_and_holds_nothing_up(
    tmp_path: Path, what: str
) -> None:
    async with ground(tmp_path) as here:
        await here.fake.bring(letter(1), LETTERS[what], letter(2))
        assert await here.b.ref(Gauge, "m").ask(Gauge.show()) == [1, 2]
        dead = here.b.dead.letters()
        assert len(dead) == (what != "nothing") or what in UNHARMED
        await here.check()
        await here.check()


async def test_a_number_that_cannot_be_leaves_the_link_in_order(tmp_path: Path) -> None:
    """It was noted as the last one taken, and no answer to a later hello could be written."""
    async with ground(tmp_path) as here:
        await here.fake.bring(letter(-1, body=b"\x81\xa1n\x01"))
        await here.check()


async def test_attempts_that_another_node_claims_do_not_count_here(tmp_path: Path) -> None:
    """The sum was more than can be written, and the node died of it."""
    async with ground(tmp_path) as here:
        await here.fake.bring(letter(1, "fail", attempts=2**64 - 1), letter(2, "fail", attempts=-(2**63)))
        await here.b.wait_idle()
        await here.check()


@pytest.mark.parametrize("sent_at", [0, -(2**63), 2**64 - 1, 4_000_000_000 * 10**9])
async def test_a_clock_that_is_wrong_over_there_harms_nothing_here(tmp_path: Path, sent_at: int) -> None:
    async with ground(tmp_path) as here:
        await here.fake.bring(letter(1, sent_at=sent_at), letter(2, "when", sent_at=sent_at))
        await here.b.wait_idle()
        assert (await here.b.ref(Gauge, "m").ask(Gauge.show())) == [1]
        assert not here.b.dead.letters()
        await here.check()


# The other end: a hand-written listener for a real node's link.

Play = Callable[[Wire, Hello], Any]


async def good(wire: Wire, hello: Hello, took: list[bytes]) -> None:
    """Take mail as a good node does; `took` is its disk."""
    answer = welcome(hello, next_sequence=len(took))
    await wire.send(answer.encode())
    while True:
        frame = open_frame(await wire.receive(MOST_FRAME))
        took.extend(frame.mail[max(0, len(took) - frame.sequence) :])
        await wire.send(Frame(Kind.TAKEN, hello.epoch, len(took)).encode())


def welcome(hello: Hello, **changes: Any) -> Answer:
    given: dict[str, Any] = {"verdict": Verdict.WELCOME, "version": 1, "epoch": hello.epoch, "window": 1 << 20}
    who = {"store": b"b" * 16, "incarnation": 1, "cluster": "callboard", "node": "b"}
    return Answer(**{**given, **who, **changes})


async def first_says(wire: Wire, hello: Hello, *frames: bytes) -> None:
    for frame in frames:
        await wire.send(frame)
    await trio.sleep_forever()


async def stops_reading(wire: Wire, hello: Hello) -> None:
    await first_says(wire, hello, welcome(hello, next_sequence=0).encode())


def says(*make: Callable[[Hello], bytes]) -> Play:
    async def play(wire: Wire, hello: Hello) -> None:
        await first_says(wire, hello, *(each(hello) for each in make))

    return play


HI = lambda hello: welcome(hello).encode()  # noqa: E731
LISTENERS: dict[str, tuple[Play, str]] = {
    "garbage": (says(lambda _: b"\xff" * 100), "cannot be read"),
    "an answer too large": (says(lambda _: bytes(2000)), "frame of 2000 bytes"),
    "an answer of a newer release": (says(lambda _: b"CBRD\0\2\0\3\0\0"), "versions 2 to 3"),
    "nothing": (says(), "did not say hello within"),
    "an answer to another hello": (says(lambda h: welcome(h, epoch=7).encode()), "another hello than ours"),
    "another node": (says(lambda h: welcome(h, node="c").encode()), "another hello than ours"),
    "another cluster": (says(lambda h: welcome(h, cluster="z").encode()), "another hello than ours"),
    "a refusal": (
        says(lambda h: welcome(h, verdict=Verdict.BUSY, reason="later \x1b").encode()),
        "refuses: later ?",
    ),
    "a frame that means nothing": (says(HI, lambda _: b"\xff" * 20), "means nothing here"),
    "word of what was never sent": (
        says(HI, lambda h: Frame(Kind.TAKEN, h.epoch, 10**6).encode()),
        "only ",
    ),
    "mail": (says(HI, lambda h: Frame(Kind.MAIL, h.epoch, 0, (b"x",)).encode()), "the side that takes mail"),
    "a goodbye": (says(HI, lambda h: Frame(Kind.BYE, h.epoch, 0, text="bye").encode()), "leaves: bye"),
    "no further reading": (stops_reading, "takes nothing"),
    "silence, half open": (says(HI), "silent"),
}


@pytest.mark.parametrize("what", LISTENERS)
async def test_a_listener_that_misbehaves_costs_no_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    play, words = LISTENERS[what]
    if what == "nothing":
        monkeypatch.setattr(link_module, "HELLO_S", SOON_S)
    patience = SOON_S if what in {"no further reading", "silence, half open"} else PATIENCE_S
    monkeypatch.setattr(session, "SILENT_S", patience)
    monkeypatch.setattr(link_module, "SILENT_S", patience, raising=False)
    took: list[bytes] = []
    calls: list[Hello] = []

    async def take(wire: Wire) -> None:
        hello = open_hello(await wire.receive(MOST_HELLO))
        calls.append(hello)
        wire.admitted = True
        await (play(wire, hello) if len(calls) == 1 else good(wire, hello, took))

    listed = {name: f"unix:{tmp_path}/{name}" for name in "ab"}
    async with trio.open_nursery() as nursery, open_node(MemoryStore(), name="a", peers=listed, drain=0) as a:
        large = "x" * 60_000 if what == "no further reading" else ""
        await a.tell_all([(a.ref(Noted, "m@b"), Noted.note(f"{n} {large}")) for n in range(100)])
        await nursery.start(UnixTransport().listen, parse_address(listed["b"]), take)
        assert a.links is not None
        with trio.fail_after(PATIENCE_S):
            while words not in a.links.status()[0].trouble:  # noqa: ASYNC110
                a.links.dial_again("b") if not calls else None
                await trio.sleep(0.002)
            monkeypatch.setattr(session, "SILENT_S", PATIENCE_S)
            while a.links.status()[0].waiting:  # noqa: ASYNC110
                a.links.dial_again("b")
                await trio.sleep(0.002)
        texts = [msgspec.msgpack.decode(msgspec.msgpack.decode(each)[6])["text"] for each in took]
        assert [int(text.split()[0]) for text in texts] == list(range(100))
        assert calls[1].epoch > calls[0].epoch
        await a.wait_idle()
        assert not find_damage(a.store)
        nursery.cancel_scope.cancel()


class Noted(Actor):
    @handler
    async def note(self, text: str) -> None:
        pass


async def test_a_name_that_does_not_resolve_is_said_and_holds_up_no_other_link(tmp_path: Path) -> None:
    listed = {name: f"unix:{tmp_path}/{name}" for name in "ab"} | {"z": "no-such-host.invalid:7001"}
    options: dict[str, Any] = {"peers": listed, "insecure_network": True, "types": [Gauge], "drain": 0}
    async with (
        open_node(MemoryStore(), name="a", **options) as a,
        open_node(MemoryStore(entropy=lambda n: b"b" * n), name="b", **options) as b,
    ):
        await b.spawn(Gauge(), name="m")
        await a.ref(Gauge, "m@z").tell(Gauge.add(1))
        await a.ref(Gauge, "m@b").tell(Gauge.add(1))
        assert await a.ref(Gauge, "m@b").ask(Gauge.show(), timeout=PATIENCE_S) == [1]
        assert a.links is not None
        with trio.fail_after(PATIENCE_S):
            while "does not resolve" not in a.links.status()[1].trouble:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert a.links.status()[1].waiting == 1
