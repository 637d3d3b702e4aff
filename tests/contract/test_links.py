"""Nodes that reach each other: what holds inside a node holds between nodes, over a real transport."""

import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from callboard import (
    Actor,
    ActorRef,
    AskTimeout,
    Failure,
    IdReused,
    NameTaken,
    Node,
    NoSuchActor,
    NotStorable,
    Pickled,
    Refusal,
    Terminated,
    handler,
    open_node,
)
from callboard.cluster.errors import CannotListen, NotSecure
from callboard.cluster.peers import Peer
from callboard.mailbox.errors import BadName
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.soundness import find_damage

PATIENCE_S = 10


class OutOfRange(Refusal):
    pass


class Meter(Actor):
    value: int = 0
    log: list[int] = attrs.field(factory=list[int])

    @handler
    async def add(self, n: int) -> int:
        if n < 0:
            raise OutOfRange(f"{n} is below zero")
        self.value += n
        self.log = [*self.log, n]
        return self.value

    @handler
    async def show(self) -> list[int]:
        return self.log

    @handler
    async def me(self) -> ActorRef["Meter"]:
        return self.turn.ref

    @handler
    async def sender(self) -> str:
        return str(self.turn.sender)

    @handler
    async def boom(self) -> None:
        raise RuntimeError("boom")

    @handler
    async def run(self, job: Pickled[Any]) -> None:
        self.value = job()


class Reader(Actor):
    """Asks a meter that may be anywhere, and keeps what it hears."""

    meter: ActorRef[Meter]
    heard: list[str] = attrs.field(factory=list[str])

    @handler
    async def read(self, n: int) -> None:
        self.turn.request(self.meter, Meter.add(n), then=Reader.added, failed=Reader.refused, timeout=60)

    @handler
    async def added(self, value: int) -> None:
        self.heard = [*self.heard, f"{value} from {self.turn.sender}"]

    @handler
    async def refused(self, failure: Failure) -> None:
        self.heard = [*self.heard, f"{failure.reason} {failure.error} {failure.text}"]

    @handler
    async def ask_who(self) -> None:
        self.turn.request(self.meter, Meter.me(), then=Reader.met)
        self.turn.request(self.meter, Meter.sender(), then=Reader.named)

    @handler
    async def met(self, ref: ActorRef[Meter]) -> None:
        await ref.tell(Meter.add(5))
        self.heard = [*self.heard, f"met {ref}"]

    @handler
    async def named(self, name: str) -> None:
        self.heard = [*self.heard, name]

    @handler
    async def later(self) -> None:
        await self.meter.tell(Meter.add(1), delay=0.05)
        await self.meter.tell(Meter.add(2), delay=0.05, key="k")
        await self.meter.tell(Meter.add(3), delay=0.06, key="k")
        await self.meter.tell(Meter.add(4), delay=3600, key="gone")
        self.turn.cancel("gone", to=self.meter)

    @handler
    async def watch(self) -> None:
        self.turn.watch(self.meter, then=Reader.ended)

    @handler
    async def unwatch(self) -> None:
        self.turn.unwatch(self.meter)

    @handler
    async def stop_with_it(self) -> None:
        self.turn.stop_with(self.meter)

    @handler
    async def ended(self, told: Terminated) -> None:
        self.heard = [*self.heard, f"{told.ref} {type(told.exit).__name__}"]

    @handler
    async def breed(self, name: str) -> None:
        child = self.turn.spawn(Meter(7), name=name)
        await child.tell(Meter.add(1))

    @handler
    async def what(self) -> list[str]:
        return self.heard


@asynccontextmanager
async def cluster(
    tmp_path: Path, *names: str, stores: Mapping[str, MemoryStore | Path] | None = None, **options: Any
) -> AsyncGenerator[list[Node]]:
    """Nodes of these names, all linked."""
    listed = {name: f"unix:{tmp_path}/{name}" for name in names}
    options = {"peers": listed} | options
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                open_node(stores[name] if stores else MemoryStore(node=name), name=name, **options)
            )
            for name in names
        ]
        yield nodes
        for node in nodes:
            await node.wait_idle()
            assert not find_damage(node.store)


async def until(check: Any, expected: Any) -> None:
    with trio.fail_after(PATIENCE_S):
        while (found := await check()) != expected:  # noqa: ASYNC110 - another node has to act
            await trio.sleep(0.01)
    assert found == expected


async def what(reader: ActorRef[Reader]) -> list[str]:
    return await reader.ask(Reader.what(), timeout=PATIENCE_S)


async def test_an_ask_is_answered_by_an_actor_of_another_node(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, b):
        await b.spawn(Meter(), name="m")
        meter = a.ref(Meter, "m@b")
        assert await meter.ask(Meter.add(3), timeout=PATIENCE_S) == 3
        await meter.tell(Meter.add(4))
        assert await meter.ask(Meter.show(), timeout=PATIENCE_S) == [3, 4]


async def test_a_refusal_keeps_its_type_and_a_failure_says_what_happened(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, b):
        await b.spawn(Meter(), name="m")
        with pytest.raises(OutOfRange, match="-1 is below zero"):
            await a.ref(Meter, "m@b").ask(Meter.add(-1), timeout=PATIENCE_S)
        with pytest.raises(NoSuchActor, match="'nobody' on node 'b'"):
            await a.ref(Meter, "nobody@b").ask(Meter.add(1), timeout=PATIENCE_S)


async def test_a_request_of_a_turn_is_answered_once_by_reply_or_refusal(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, b):
        await b.spawn(Meter(), name="m")
        reader = await a.spawn(Reader(a.ref(Meter, "m@b")), name="r")
        await reader.tell(Reader.read(4))
        await reader.tell(Reader.read(-4))
        expected = ["4 from m@b", "refused OutOfRange -4 is below zero"]
        await until(lambda: what(reader), expected)


async def test_refs_travel_and_mean_the_same_actor_everywhere(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, b):
        meter = await b.spawn(Meter(), name="m")
        reader = await a.spawn(Reader(a.ref(Meter, "m@b")), name="r")
        await reader.tell(Reader.ask_who())
        await until(lambda: what(reader), ["met m@b", "r@a"])
        await until(lambda: meter.ask(Meter.show()), [5])
        answered = await a.ref(Meter, "m@b").ask(Meter.me(), timeout=PATIENCE_S)
        assert answered == a.ref(Meter, "m@b")
        assert b.ref(Meter, "m@b") == meter


async def test_timers_run_at_the_sender_and_a_key_holds_until_they_fire(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, b):
        meter = await b.spawn(Meter(), name="m")
        reader = await a.spawn(Reader(a.ref(Meter, "m@b")), name="r")
        await reader.tell(Reader.later())
        await a.ref(Meter, "m@b").tell(Meter.add(9), delay=0.2)
        await until(lambda: meter.ask(Meter.show()), [1, 3, 9])


async def test_a_watch_hears_of_an_end_on_another_node_once(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, b):
        meter = await b.spawn(Meter(), name="m")
        reader = await a.spawn(Reader(a.ref(Meter, "m@b")), name="r")
        await reader.tell(Reader.watch())
        await a.ref(Meter, "m@b").ask(Meter.show(), timeout=PATIENCE_S)
        await b.stop(meter)
        await until(lambda: what(reader), ["m@b Stopped"])
        await reader.tell(Reader.watch())  # nobody lives there any more
        await until(lambda: what(reader), ["m@b Stopped", "m@b NoneType"])


async def test_a_watch_that_was_taken_back_hears_nothing(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, b):
        meter = await b.spawn(Meter(), name="m")
        reader = await a.spawn(Reader(a.ref(Meter, "m@b")), name="r")
        await reader.tell(Reader.watch())
        await reader.tell(Reader.unwatch())
        await reader.tell(Reader.ask_who())
        await until(lambda: what(reader), ["met m@b", "r@a"])
        await b.stop(meter)
        assert (await a.watch(a.ref(Meter, "m@b"))).ref == a.ref(Meter, "m@b")
        assert await what(reader) == ["met m@b", "r@a"]


async def test_an_actor_stops_with_one_of_another_node(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, b):
        await b.spawn(Meter(), name="m")
        reader = await a.spawn(Reader(a.ref(Meter, "m@b")), name="r")
        await reader.tell(Reader.stop_with_it())
        await a.ref(Meter, "m@b").ask(Meter.show(), timeout=PATIENCE_S)
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(b.stop, b.ref(Meter, "m"))
                told = await a.watch(reader)
        assert told.exit is not None


async def test_outside_callers_watch_and_stop_what_lives_elsewhere(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, b):
        await b.spawn(Meter(), name="m")
        told: list[Terminated] = []

        async def wait() -> None:
            told.append(await a.watch(a.ref(Meter, "m@b")))

        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await a.ref(Meter, "m@b").ask(Meter.show())
                await a.stop(a.ref(Meter, "m@b"))
        assert str(told[0].ref) == "m@b"
        assert type(told[0].exit).__name__ == "Stopped"


async def test_an_actor_is_spawned_on_another_node_which_has_its_type(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, b):
        with trio.fail_after(PATIENCE_S):
            meter = await a.spawn(Meter(6), name="m@b")
            assert str(meter) == "m@b"
            assert await b.ref(Meter, "m").ask(Meter.add(1)) == 7
            again = await a.spawn(Meter(100), name="m@b")
            assert await again.ask(Meter.add(1)) == 8
            with pytest.raises(NameTaken):
                await a.spawn(Meter(), name="m@b", fresh=True)
            with pytest.raises(NameTaken):
                await a.spawn(Reader(meter), name="m@b")
            reader = await a.spawn(Reader(meter), name="r")
            await reader.tell(Reader.breed("child@b"))
            assert await what(reader) == []
            assert await a.ref(Meter, "child@b").ask(Meter.show()) == [1]


async def test_a_node_without_the_type_says_so(tmp_path: Path) -> None:
    listed = {"a": f"unix:{tmp_path}/a", "b": f"unix:{tmp_path}/b"}
    async with (
        open_node(MemoryStore(node="a"), name="a", peers=listed) as a,
        open_node(MemoryStore(node="b"), name="b", peers=listed, types=[Reader]),
    ):
        with trio.fail_after(PATIENCE_S), pytest.raises(NotStorable, match="node 'b' has no type 'Meter'"):
            await a.spawn(Meter(), name="m@b")


async def test_an_id_makes_a_repeated_ask_safe_and_is_looked_up_at_the_receiver(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, b):
        meter = await b.spawn(Meter(), name="m")
        far = a.ref(Meter, "m@b")
        with trio.fail_after(PATIENCE_S):
            assert [await far.ask(Meter.add(1), id="x") for _ in range(3)] == [1, 1, 1]
            for _ in range(3):
                await far.tell(Meter.add(10), id="y")
            assert await far.ask(Meter.show()) == [1, 10]
            assert await meter.ask(Meter.add(1), id="x") == 1
            with pytest.raises(IdReused):
                await far.ask(Meter.add(2), id="x")
            with pytest.raises(OutOfRange):
                await far.ask(Meter.add(-1), id="z")
            with pytest.raises(OutOfRange):
                await far.ask(Meter.add(-1), id="z")


async def test_mail_for_a_node_that_is_down_waits_and_an_ask_says_that_its_outcome_is_unknown(
    tmp_path: Path,
) -> None:
    listed = {"a": f"unix:{tmp_path}/a", "b": f"unix:{tmp_path}/b"}
    async with open_node(MemoryStore(node="a"), name="a", peers=listed) as a:
        far = a.ref(Meter, "m@b")
        await far.tell(Meter.add(1))
        with pytest.raises(AskTimeout, match=r"wait for a link to it.*outcome is unknown"):
            await far.ask(Meter.add(2), timeout=0.05)
        assert a.links is not None
        (status,) = a.links.status()
        assert (status.node, status.connected, status.waiting) == ("b", False, 2)
        assert "There is no such socket" in status.trouble
        store = MemoryStore(node="b")
        async with open_node(store, name="b", peers=listed) as b:
            meter = await b.spawn(Meter(), name="m")
            await until(lambda: meter.ask(Meter.show()), [1, 2])
            assert a.links.status()[0].connected


async def test_the_outbox_outlives_its_node(tmp_path: Path) -> None:
    stores = {name: MemoryStore(node=name) for name in "ab"}
    listed = {name: f"unix:{tmp_path}/{name}" for name in stores}
    async with open_node(stores["a"], name="a", peers=listed, drain=0.1) as a:
        await a.ref(Meter, "m@b").tell(Meter.add(1))
    stores["a"] = stores["a"].reopen()
    async with cluster(tmp_path, "a", "b", stores=stores) as (_, b):
        meter = await b.spawn(Meter(), name="m")
        await until(lambda: meter.ask(Meter.show()), [1])


async def test_what_was_sent_leaves_before_a_node_closes_if_it_can(tmp_path: Path) -> None:
    listed = {name: f"unix:{tmp_path}/{name}" for name in "ab"}
    async with open_node(MemoryStore(node="b"), name="b", peers=listed) as b:
        meter = await b.spawn(Meter(), name="m")
        async with open_node(MemoryStore(node="a"), name="a", peers=listed) as a:
            await a.ref(Meter, "m@b").ask(Meter.show(), timeout=PATIENCE_S)
            for n in range(100):
                await a.ref(Meter, "m@b").tell(Meter.add(n))
        assert await meter.ask(Meter.show()) == list(range(100))


async def test_many_messages_keep_their_order_and_come_once(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, b):
        meter = await b.spawn(Meter(), name="m")
        far = a.ref(Meter, "m@b")
        for start in range(0, 1000, 500):
            await a.tell_all([(far, Meter.add(n)) for n in range(start, start + 500)])
        with trio.fail_after(PATIENCE_S):
            assert await far.ask(Meter.show()) == list(range(1000))
            assert await meter.ask(Meter.show()) == list(range(1000))
        counters = a.statistics()
        assert counters.accepted == counters.handled + counters.queued + counters.sent


async def test_pickled_values_of_another_node_are_read_only_if_it_is_trusted(tmp_path: Path) -> None:
    addresses = {name: f"unix:{tmp_path}/{name}" for name in "ab"}
    async with cluster(tmp_path, "a", "b") as (a, b):
        meter = await b.spawn(Meter(), name="m")
        await a.ref(Meter, "m@b").tell(Meter.run(lambda: 42))
        await a.ref(Meter, "m@b").ask(Meter.show(), timeout=PATIENCE_S)
        (letter,) = b.dead.letters()
        assert letter.reason == "undecodable"
        assert "allow_pickle" in letter.text
        assert await meter.ask(Meter.add(0)) == 0
    trusting = {name: Peer(address, allow_pickle=True) for name, address in addresses.items()}
    async with cluster(tmp_path, "a", "b", peers=trusting) as (a, b):
        meter = await b.spawn(Meter(), name="m")
        await a.ref(Meter, "m@b").tell(Meter.run(lambda: 42))
        await a.ref(Meter, "m@b").ask(Meter.show(), timeout=PATIENCE_S)
        assert await meter.ask(Meter.add(0)) == 42


async def test_a_ref_to_a_node_that_is_not_listed_is_refused_at_the_sender(tmp_path: Path) -> None:
    async with cluster(tmp_path, "a", "b") as (a, _):
        far = a.ref(Meter, "m@z")
        with pytest.raises(NoSuchActor, match=r"no link to it.*listed are: b"):
            await far.tell(Meter.add(1))
        with pytest.raises(NoSuchActor):
            await far.ask(Meter.add(1))
        with pytest.raises(NoSuchActor):
            await a.spawn(Meter(), name="m@z")
        with pytest.raises(NoSuchActor):
            await a.pause(a.ref(Meter, "m@b"))
    async with open_node(MemoryStore()) as alone:
        with pytest.raises(NoSuchActor, match="listed are: none"):
            await alone.ref(Meter, "m@b").tell(Meter.add(1))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"name": "", "peers": {"b": "unix:b"}}, ValueError, "needs a name="),
        ({"name": "a", "peers": {"b@c": "unix:b"}}, BadName, "@ is reserved"),
        ({"name": "a", "peers": ["b"]}, TypeError, "mapping"),
        ({"name": "a", "listen": "unix:b"}, ValueError, "needs peers="),
        ({"name": "a", "peers": {"b": "nowhere"}}, ValueError, "nowhere"),
        ({"name": "a", "lisen": "unix:b"}, TypeError, "no option 'lisen'"),
        ({"name": "a", "peers": {"a": "0.0.0.0:0", "b": "unix:b"}}, NotSecure, "Tls"),
        ({"name": "a", "peers": {"a": "unix:/dev/null/a", "b": "unix:b"}}, CannotListen, "/dev/null/a"),
    ],
)
async def test_what_cannot_be_joined_is_said_at_the_start(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        async with open_node(MemoryStore(node=options["name"]), **options):
            pass


async def test_a_store_that_was_restored_stops_the_link_until_a_person_accepts_it(tmp_path: Path) -> None:
    stores = {name: tmp_path / f"{name}.store" for name in "ab"}
    async with cluster(tmp_path, "a", "b", stores=stores) as (a, b):
        await b.spawn(Meter(), name="m")
        await a.ref(Meter, "m@b").ask(Meter.add(1), timeout=PATIENCE_S)
    shutil.copytree(stores["a"], tmp_path / "backup")
    async with cluster(tmp_path, "a", "b", stores=stores) as (a, b):
        for n in (2, 3):
            await a.ref(Meter, "m@b").ask(Meter.add(n), timeout=PATIENCE_S)
    async with cluster(tmp_path, "a", "b", stores=stores | {"a": tmp_path / "backup"}) as (a, b):
        assert a.links is not None
        assert b.links is not None
        await a.ref(Meter, "m@b").tell(Meter.add(100))
        with trio.fail_after(PATIENCE_S):
            while "old copy" not in a.links.status()[0].trouble:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert await b.ref(Meter, "m").ask(Meter.show()) == [1, 2, 3]
        assert await b.links.accept("a")
        assert not await b.links.accept("a")
        a.links.dial_again("b")
        await until(lambda: b.ref(Meter, "m").ask(Meter.show()), [1, 2, 3, 100])


async def test_mail_for_a_node_that_is_not_listed_any_more_is_listed_and_can_be_redirected(
    tmp_path: Path,
) -> None:
    store = MemoryStore(node="a")
    listed = {name: f"unix:{tmp_path}/{name}" for name in "ab"}
    async with open_node(store, name="a", peers=listed, drain=0) as a:
        await a.tell_all([(a.ref(Meter, "m@b"), Meter.add(n)) for n in range(1200)])
    store = store.reopen()
    moved = {name: f"unix:{tmp_path}/{name}" for name in "ac"}
    async with cluster(tmp_path, "c", peers=moved) as (c,), open_node(store, name="a", peers=moved) as a:
        meter = await c.spawn(Meter(), name="m")
        assert a.links is not None
        gone = a.links.status()[0]
        assert (gone.node, gone.waiting, gone.address) == ("b", 1200, "")
        with pytest.raises(NoSuchActor):
            await a.links.redirect("b", to="z")
        with pytest.raises(ValueError, match="listed"):
            await a.links.redirect("c", to="c")
        assert await a.links.redirect("b", to="c") == 1200
        await until(lambda: meter.ask(Meter.show()), list(range(1200)))
        assert not find_damage(store)
