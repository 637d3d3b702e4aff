"""Links under bad input: a hand-written peer attacks a node's door, and a hand-written listener its link.

Whatever comes, a good connection works afterwards, nothing is lost or doubled, and the store is sound.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from callboard import Actor, handler, open_node
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
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.soundness import find_damage

from .impostors import BOMB, PATIENCE_S, SOON_S, Gauge, closed, ended, ground, letter, raw, taken

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
        stream = await raw(here.fake.address)
        await stream.send_all(STRANGERS[what])
        await ended(stream)
        monkeypatch.undo()
        await here.check()


async def test_a_stranger_whose_bytes_drip_is_closed_when_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "HELLO_S", SOON_S)
    async with ground(tmp_path) as here:
        stream = await raw(here.fake.address)
        with trio.fail_after(PATIENCE_S), pytest.raises(trio.BrokenResourceError):  # noqa: PT012
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
        await ended(stream)
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


# The other end: a hand-written listener for a real node's link.

Play = Callable[[Wire, Hello], Any]


async def good(wire: Wire, hello: Hello, took: list[bytes]) -> None:
    """Take mail as a good node does; `took` is its disk."""
    answer = welcome(hello, next_sequence=len(took), flags=link_module.KNOWN if took else 0)
    await wire.send(answer.encode())
    while True:
        frame = open_frame(await wire.receive(MOST_FRAME))
        took.extend(frame.mail[max(0, len(took) - frame.sequence) :])
        await wire.send(Frame(Kind.TAKEN, hello.epoch, len(took)).encode())


def welcome(hello: Hello, **changes: Any) -> Answer:
    given: dict[str, Any] = {
        "verdict": Verdict.WELCOME,
        "version": 1,
        "epoch": hello.epoch,
        "window": 1 << 20,
    }
    who: dict[str, Any] = {"store": b"b" * 16, "incarnation": 1, "cluster": "callboard", "node": "b"}
    whole: dict[str, Any] = {**given, **who, **changes}
    return Answer(**whole)


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


def hi(hello: Hello) -> bytes:
    return welcome(hello).encode()


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
    "a frame that means nothing": (says(hi, lambda _: b"\xff" * 20), "means nothing here"),
    "word of what was never sent": (
        says(hi, lambda h: Frame(Kind.TAKEN, h.epoch, 10**6).encode()),
        "only ",
    ),
    "mail": (says(hi, lambda h: Frame(Kind.MAIL, h.epoch, 0, (b"x",)).encode()), "the side that takes mail"),
    "a goodbye": (says(hi, lambda h: Frame(Kind.BYE, h.epoch, 0, text="bye").encode()), "leaves: bye"),
    "no further reading": (stops_reading, "silent"),
    "silence, half open": (says(hi), "silent"),
}


@pytest.mark.parametrize("what", LISTENERS)
async def test_a_listener_that_misbehaves_costs_no_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    play, words = LISTENERS[what]
    caplog.set_level("INFO", "callboard.cluster")
    if what == "nothing":
        monkeypatch.setattr(link_module, "HELLO_S", SOON_S)
    patience = SOON_S if what in {"no further reading", "silence, half open"} else PATIENCE_S
    monkeypatch.setattr(session, "SILENT_S", patience)
    monkeypatch.setattr(link_module, "SILENT_S", patience)
    took: list[bytes] = []
    calls: list[Hello] = []

    async def take(wire: Wire) -> None:
        hello = open_hello(await wire.receive(MOST_HELLO))
        calls.append(hello)
        wire.admitted = True
        await (play(wire, hello) if len(calls) == 1 else good(wire, hello, took))

    listed = {name: f"unix:{tmp_path}/{name}" for name in "ab"}
    store = MemoryStore(node="a")
    async with trio.open_nursery() as nursery, open_node(store, name="a", peers=listed, drain=0) as a:
        large = "x" * 60_000 if what == "no further reading" else ""
        await a.tell_all([(a.ref(Noted, "m@b"), Noted.note(f"{n} {large}")) for n in range(100)])
        await nursery.start(UnixTransport().listen, parse_address(listed["b"]), take)
        assert a.links is not None
        with trio.fail_after(PATIENCE_S):
            while words not in caplog.text:
                if not calls:
                    a.links.dial_again("b")
                await trio.sleep(0.002)
            monkeypatch.setattr(session, "SILENT_S", PATIENCE_S)
            monkeypatch.setattr(link_module, "SILENT_S", PATIENCE_S)
            while a.links.status()[0].waiting:
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
        open_node(MemoryStore(node="a"), name="a", **options) as a,
        open_node(MemoryStore(node="b", entropy=lambda n: b"b" * n), name="b", **options) as b,
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
