"""Links fuzzed: whatever bytes come, before and after the hello, the node lives and its books are right.

And an audit hook, in a process of its own since hooks stay, proves that nothing is imported or unpickled for
somebody who has not been let in, and no pickle at all for a peer that is not trusted with them.
"""

import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import msgspec
import pytest
import trio
from hypothesis import given, strategies as st

from callboard import Actor, ActorRef, Node, Terminated, handler, open_node
from callboard.cluster import door as door_module
from callboard.cluster.errors import ClusterError
from callboard.cluster.frames import Frame, Kind, open_frame
from callboard.cluster.hello import Answer, Hello, Verdict, open_answer, open_hello
from callboard.mailbox.envelope import Envelope, Extra, Flag, encode_fields
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.soundness import find_damage

from .impostors import BOMB, Fake, Gauge, ground, letter, taken

PATIENCE_S = 5

encode = msgspec.msgpack.encode


class Funnel(Actor):
    log: list[int] = attrs.field(factory=list[int])
    other: ActorRef["Funnel"] | None = None

    @handler
    async def add(self, n: int) -> int:
        self.log = [*self.log, n]
        return n

    @handler
    async def reach(self, ref: ActorRef["Funnel"]) -> None:
        self.turn.watch(ref, then=Funnel.ended)
        self.turn.request(ref, Funnel.add(1), then=Funnel.answered, failed=None)

    @handler
    async def answered(self, n: int) -> None:
        self.log = [*self.log, n]

    @handler
    async def ended(self, told: Terminated) -> None:
        pass

    @handler
    async def show(self) -> list[int]:
        return self.log


# What comes.

NUMBERS = st.sampled_from([0, 1, 2, -1, -(2**63), 2**31, 2**40 + 1, 2**63, 2**64 - 1])
TEXTS = st.sampled_from(["", "m", "n", "@a", "@", "m@b", "Funnel", "x" * 300, "\0", "$stop", "é"]) | st.text(
    max_size=5
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.binary(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS | NUMBERS, inner, max_size=3),
    max_leaves=6,
)


def _bomb(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


def _spawn(given: tuple[bool, Any]) -> bytes:
    return encode((given[0], encode(given[1])))


BODIES = st.one_of(
    st.binary(max_size=20),
    VALUES.map(encode),
    st.fixed_dictionaries({"n": VALUES}).map(encode),
    st.tuples(NUMBERS, VALUES).map(encode),
    st.tuples(NUMBERS, st.booleans(), VALUES.map(encode)).map(encode),
    st.tuples(st.booleans(), VALUES).map(_spawn),
    st.sampled_from([10, 500, 900, 5000]).map(_bomb),
)
HANDLERS = st.sampled_from(
    ["add", "reach", "show", "$reply", "$watch", "$unwatch", "$ended", "$spawn", "$stop", "$new", "none", ""]
)
EXTRAS = st.dictionaries(st.integers(0, 9) | NUMBERS, VALUES, max_size=3)


@st.composite
def letters(draw: st.DrawFn) -> bytes:
    """An envelope whose parts are each right or wild; sometimes with a few bytes changed as well."""
    extra = draw(EXTRAS)
    if draw(st.integers(0, 9)):
        extra[Extra.TO] = draw(st.sampled_from(["m", "m", "n", ""]) | TEXTS)
    if draw(st.booleans()):
        extra[Extra.REQUEST] = draw(NUMBERS)
    envelope = Envelope(
        number=draw(NUMBERS),
        origin=draw(st.binary(max_size=16)),
        type=draw(st.just("Funnel") | TEXTS),
        handler=draw(HANDLERS | TEXTS),
        version=draw(st.just(1) | NUMBERS),
        codec=draw(st.just(1) | NUMBERS),
        body=draw(BODIES),
        sender=draw(TEXTS),
        sent_at=draw(NUMBERS),
        cause=draw(NUMBERS),
        root=draw(NUMBERS),
        trace=draw(TEXTS),
        attempts=draw(NUMBERS),
        flags=draw(st.integers(0, 63) | NUMBERS),
        extra=extra,
    )
    data = encode_fields(envelope)
    return draw(mutated(data)) if draw(st.integers(0, 3)) == 0 else data


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes of which some were changed, left out or put in."""
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        new = draw(st.binary(max_size=3))
        data = data[:at] + new + data[at + draw(st.integers(0, 3)) :]
    return data


GOOD_HELLO = Hello(
    epoch=1 << 24, incarnation=1, store=b"a" * 16, head=0, tail=9, cluster="callboard", node="a", to="b"
).encode()
GOOD_ANSWER = Answer(verdict=Verdict.WELCOME, cluster="callboard", node="b", reason="r").encode()
GOOD_FRAME = Frame(Kind.MAIL, 1 << 24, 0, (b"one", b"two")).encode()


@asynccontextmanager
async def node(path: str) -> AsyncGenerator[tuple[Node, Fake]]:
    """Node b, which asks and watches an actor of the hand-written node a; sound at the end."""
    listed = {name: f"unix:{path}/{name}" for name in "ab"}
    store = MemoryStore(node="b", entropy=lambda n: b"b" * n)
    async with open_node(store, name="b", peers=listed, types=[Funnel], drain=0) as b:
        await b.spawn(Funnel(), name="good")
        asker = await b.spawn(Funnel(), name="m")
        await asker.tell(Funnel.reach(b.ref(Funnel, "far@a")))
        fake = Fake(listed["b"])
        yield b, fake
        await fake.bring(good(7))
        assert (await b.ref(Funnel, "good").ask(Funnel.show(), timeout=PATIENCE_S))[-1] == 7
        await b.wait_idle()
        assert not find_damage(store)


def good(n: int) -> bytes:
    rest: dict[str, Any] = {"cause": 0, "root": n, "trace": "", "attempts": 0, "flags": 0}
    who: dict[str, Any] = {"origin": b"", "type": "Funnel", "handler": "add", "version": 1, "codec": 1}
    what: dict[str, Any] = {"body": encode({"n": n}), "sender": "", "sent_at": 1}
    return encode_fields(Envelope(number=n, **who, **what, **rest, extra={Extra.TO: "good"}))


# Pure: nothing but the errors that are promised.


@given(st.binary(max_size=200) | mutated(GOOD_HELLO) | mutated(GOOD_ANSWER) | mutated(GOOD_FRAME))
def test_bytes_are_read_or_refused_in_the_words_of_the_protocol(data: bytes) -> None:
    for read in (open_hello, open_answer, open_frame):
        with suppress(ClusterError):
            read(data)


# Against a node.


@given(st.lists(letters(), max_size=12))
async def test_letters_of_any_kind_are_taken_in_counted_and_hold_nothing_up(mail: list[bytes]) -> None:
    with TemporaryDirectory() as path:
        async with node(path) as (b, fake):
            before = b.statistics()
            if mail:
                await fake.bring(*mail)
            await fake.bring(good(1))
            after = b.statistics()
            assert after.accepted >= before.accepted + 1
            assert await b.ref(Funnel, "good").ask(Funnel.show(), timeout=PATIENCE_S) == [1]


@given(letters())
async def test_a_letter_of_any_kind_never_makes_the_arrivals_raise(mail: bytes) -> None:
    with TemporaryDirectory() as path:
        async with node(path) as (b, _):
            number = b._runtime.arrivals.take("a", b"a" * 16, mail)
            assert 0 <= number < 2**64
            b._runtime.workers.wake()


@given(st.lists(st.binary(max_size=100) | mutated(GOOD_HELLO), max_size=4))
async def test_a_hello_of_any_kind_harms_nobody(hellos: list[bytes]) -> None:
    with TemporaryDirectory() as path, pytest.MonkeyPatch.context() as patch:
        patch.setattr(door_module, "HELLO_S", 0.02)
        async with node(path) as (b, fake):
            for hello in hellos:
                wire = await fake.dial()
                with suppress(ClusterError), trio.move_on_after(0.02):
                    await wire.send(hello)
                    open_answer(await wire.receive(2000))
                await wire.aclose()
            patch.undo()
            fake.store = b"n" * 16  # a hello may have told of a future of the other one
            assert b.links is not None
            with trio.fail_after(PATIENCE_S):
                while b.links.door.inside:  # noqa: ASYNC110 - it has not seen yet that those have gone
                    await trio.sleep(0.001)


@given(st.lists(st.binary(max_size=60) | mutated(GOOD_FRAME), min_size=1, max_size=6))
async def test_frames_of_any_kind_harm_nobody(frames: list[bytes]) -> None:
    with TemporaryDirectory() as path:
        async with node(path) as (_, fake), fake.linked() as (wire, _):
            with suppress(ClusterError):
                for frame in frames:
                    await wire.send(frame)
                await wire.send(Frame(Kind.PING, 0, 0).encode())
                await taken(wire)


# What letters hold.


def _nested(depth: int) -> object:
    found: object = None
    for _ in range(depth):
        found = [found]
    return found


NESTED = _nested(900)

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


# The audit.

AUDIT = """
import sys
from typing import Any
import trio
from callboard import Actor, Pickled, handler, open_node
from callboard.cluster.addresses import parse_address
from callboard.cluster.errors import ClusterError
from callboard.cluster.frames import Frame, Kind, open_frame
from callboard.cluster.hello import Hello, open_answer
from callboard.cluster.peers import Peer
from callboard.cluster.unix import UnixTransport
from callboard.mailbox.envelope import Envelope, Extra, encode_fields
from callboard.mailbox.memory import MemoryStore

path, trusted = sys.argv[1], sys.argv[2] == "trusted"
seen = []
WATCHED = {"import", "pickle.find_class", "exec", "compile", "marshal.loads", "marshal.load", "os.system"}
EVIL = b"cos\\ngetpid\\n(tR."

class Runner(Actor):
    @handler
    async def run(self, job: Pickled[Any]) -> None: pass

def watch(event, args):
    if event in WATCHED:
        seen.append((event, str(args[0])[:80]))

def hello(n, **changes):
    given = dict(epoch=(1 << 24) + n, incarnation=1, store=b"a" * 16, head=0, tail=9,
                 cluster="callboard", node="a", to="b")
    return Hello(**{**given, **changes})

async def turned_away(data):
    wire = await UnixTransport().dial(parse_address(f"unix:{path}/b"))
    try:
        await wire.send(data)
        with trio.move_on_after(0.05):
            await wire.receive(2000)
    except ClusterError:
        pass
    await wire.aclose()

async def main():
    peers = {"a": Peer(f"unix:{path}/a", allow_pickle=trusted), "b": Peer(f"unix:{path}/b")}
    async with open_node(MemoryStore(node="b"), name="b", peers=peers, types=[Runner], drain=0) as b:
        await b.spawn(Runner(), name="m")
        await b.wait_idle()
        await turned_away(b"warm")
        sys.addaudithook(watch)
        for data in (EVIL, b"CBRD" + EVIL, b"\\x80\\x05" + EVIL, hello(1, cluster="z").encode(),
                     hello(2, node="os").encode(), hello(3, node="cloudpickle", to="pickle").encode(),
                     b"CBRD\\0\\2\\0\\2\\0\\0", hello(4).encode()[:-1]):
            await turned_away(data)
        print("before:", seen)
        wire = await UnixTransport().dial(parse_address(f"unix:{path}/b"))
        good = hello(9)
        await wire.send(good.encode())
        open_answer(await wire.receive(2000))
        body = b"\\x81\\xa3job\\xc4" + bytes([len(EVIL)]) + EVIL
        spawn = b"\\x92\\xc2\\xc4" + bytes([len(EVIL)]) + EVIL
        for at, (handled, content) in enumerate((("run", body), ("$spawn", spawn), ("$reply", spawn))):
            letter = encode_fields(Envelope(at + 1, b"", "Runner", handled, 1, 1, content, "x", 1, 0, 1, "",
                                            0, 0, {Extra.TO: "m" if handled == "run" else "new"}))
            await wire.send(Frame(Kind.MAIL, good.epoch, at, (letter,)).encode())
            while open_frame(await wire.receive(2000)).sequence <= at:
                pass
        await b.wait_idle()
        print("after:", [each for each in seen
                         if each[0] not in {"import", "compile"} or "pickle" in each[1]])
        print("dead:", len(b.dead.letters()), "cloudpickle" in sys.modules)
        await wire.aclose()

trio.run(main)
"""


def audited(path: Path, trust: str) -> dict[str, str]:
    """What an audit hook saw in a node of its own process."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", AUDIT, str(path), trust],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


def test_nothing_is_imported_or_unpickled_for_a_stranger_nor_a_pickle_read_of_a_peer(tmp_path: Path) -> None:
    seen = audited(tmp_path, "untrusted")
    assert seen == {"before": "[]", "after": "[]", "dead": "3 False"}


def test_the_audit_sees_the_pickle_of_a_peer_that_is_trusted(tmp_path: Path) -> None:
    seen = audited(tmp_path, "trusted")
    assert seen["before"] == "[]"
    assert "pickle.find_class" in seen["after"]
    assert seen["dead"] == "2 True"
