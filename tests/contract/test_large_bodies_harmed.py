"""Large bodies where something is wrong: too large, damaged, lied about, cut off from their message."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from callboard import ActorRef, AskFailed, MessageTooLarge, Node, Overloaded, open_node
from callboard.mailbox.bodies import Body, apart
from callboard.mailbox.checking import check_records, check_whole
from callboard.mailbox.envelope import MAX_BODY, Codec, Envelope, Extra, encode_fields
from callboard.mailbox.memory import MemoryStore
from callboard.mailbox.reading import list_dead, list_mailboxes
from callboard.mailbox.soundness import find_damage
from callboard.mailbox.store import Table

from .test_large_bodies import LARGE, Counting, Shelf, bodies, reader, sound

TOO_LARGE = "x" * MAX_BODY
PATIENCE_S = 10


# Too large.


@pytest.mark.virtual
async def test_what_is_too_large_is_refused_where_it_is_sent_and_leaves_nothing() -> None:
    store = Counting()
    async with open_node(store, types=[Shelf]) as node:
        shelf = await reader(node)
        accepted = node.statistics().accepted
        for send in (
            partial(shelf.tell, Shelf.put(TOO_LARGE)),
            partial(shelf.tell, Shelf.put(TOO_LARGE), delay=5, key="k"),
            partial(shelf.tell, Shelf.put(TOO_LARGE), id="x"),
            partial(shelf.ask, Shelf.copy(TOO_LARGE)),
            partial(node.ref(Shelf, "nobody").tell, Shelf.put(TOO_LARGE)),
            partial(node.tell_all, [(shelf, Shelf.put("fits")), (shelf, Shelf.put(TOO_LARGE))]),
        ):
            with pytest.raises(MessageTooLarge, match=f"{MAX_BODY} is the most: nothing was sent"):
                await send()
        assert node.statistics().accepted == accepted
        assert [view.name for view in list_mailboxes(store)] == ["shelf"]
        assert store.written == 0
        sound(store)


@pytest.mark.virtual
async def test_what_can_never_fit_under_the_quota_says_so() -> None:
    async with open_node(MemoryStore(), types=[Shelf], quota=1_000_000) as node:
        shelf = await reader(node)
        with pytest.raises(Overloaded, match="can never fit"):
            await shelf.tell(Shelf.put("x" * 1_000_001))
        await shelf.tell(Shelf.put("x" * 900_000))
        assert await shelf.ask(Shelf.show()) == [900_000]


@pytest.mark.virtual
async def test_large_bodies_count_against_the_quota_until_they_are_handled() -> None:
    async with open_node(MemoryStore(), types=[Shelf], quota=1_000_000) as node:
        shelf = await reader(node)
        await node.pause(shelf)
        for _ in range(2):
            await shelf.tell(Shelf.put("x" * 600_000))
        with trio.move_on_after(60) as patience:
            await shelf.tell(Shelf.put("waits"))
        assert patience.cancelled_caught
        await node.resume(shelf)
        with trio.fail_after(60):
            await shelf.tell(Shelf.put("comes in"))
        assert await shelf.ask(Shelf.show()) == [600_000, 600_000, 8]


@pytest.mark.virtual
async def test_a_reply_that_is_too_large_fails_its_turn() -> None:
    async with open_node(MemoryStore(), types=[Shelf]) as node:
        shelf = await reader(node)
        with pytest.raises(AskFailed, match=f"{MAX_BODY} is the most: return a reference"):
            await shelf.ask(Shelf.grow(MAX_BODY))
        await node.wait_idle()
        sound(node.store)


# Damaged.


async def three_waiting(store: MemoryStore) -> None:
    """A store in which three large messages wait, the second of them to be harmed."""
    async with open_node(store, types=[Shelf]) as node:
        shelf = await reader(node)
        await node.pause(shelf)
        for length in (1, 2, 3):
            await shelf.tell(Shelf.put(LARGE * length))


@pytest.mark.virtual
@pytest.mark.parametrize("harm", ["flip", "lose one", "lose all", "cut"])
async def test_a_harmed_body_makes_one_dead_letter_and_the_others_are_handled(harm: str) -> None:
    store = MemoryStore()
    await three_waiting(store)
    store = store.reopen()
    harmed = sorted(bodies(store))[1]
    rows = store.scan(Table.BODIES, harmed.to_bytes(8, "big"), limit=49)
    if harm == "flip":
        store.damage(Table.BODIES, rows[7][0], at=100)
    elif harm == "cut":
        store.commit({Table.BODIES: {rows[48][0]: rows[48][1][:-1]}})
    else:
        store.commit({Table.BODIES: {at: None for at, _ in (rows if harm == "lose all" else rows[5:6])}})
    found = [(finding.place, finding.text) for finding in check_records(store)]
    assert [place for place, _ in found] == ["MAIL"]
    assert "message 1 of mailbox 1" in found[0][1]
    assert bool(check_whole(store)) is (harm != "flip")
    async with open_node(store, types=[Shelf]) as node:
        shelf = await reader(node)
        await node.resume(shelf)
        assert await shelf.ask(Shelf.show()) == [len(LARGE), 3 * len(LARGE)]
        [dead] = node.dead.letters()
        assert (dead.reason, dead.letter.handler, dead.letter.apart) == ("undecodable", "put", 200_011)
        assert "its body" in dead.text
        await node.dead.replay(reason="*")  # it is no better for it, and nothing else suffers
        await node.wait_idle()
        assert [dead.replays for dead in node.dead.letters()] == [1]
        await node.dead.drop(reason="*")
        await node.wait_idle()
        assert bodies(store) == {}
        sound(store)


@pytest.mark.virtual
async def test_a_body_that_no_message_has_is_found() -> None:
    store = MemoryStore()
    store.commit({Table.BODIES: {(7).to_bytes(8, "big") + bytes(4): b"x"}})
    assert find_damage(store) == ["there are bodies of no message: [7]"]
    store.commit({Table.BODIES: {b"short": b"x", (8).to_bytes(8, "big") + bytes(4): b""}})
    assert [finding.place for finding in check_records(store)] == ["BODIES", "BODIES"]


# Between nodes.


@asynccontextmanager
async def opened(tmp_path: Path, store: MemoryStore, name: str, **options: Any) -> AsyncGenerator[Node]:
    listed = {each: f"unix:{tmp_path}/{each}" for each in "ab"}
    async with open_node(store, name=name, peers=listed, types=[Shelf], drain=0, **options) as node:
        yield node
        await node.wait_idle()
        assert find_damage(store) == []


def new(name: str) -> MemoryStore:
    return MemoryStore(node=name, entropy=name.encode().__mul__)


async def heard(shelf: ActorRef[Shelf], count: int) -> list[int]:
    with trio.fail_after(PATIENCE_S):
        while len(found := await shelf.ask(Shelf.show())) < count:  # noqa: ASYNC110 - another node has to act
            await trio.sleep(0.01)
    return found


async def emptied(store: MemoryStore) -> None:
    with trio.fail_after(PATIENCE_S):
        while bodies(store):  # noqa: ASYNC110 - another node has to act
            await trio.sleep(0.01)


async def test_the_largest_message_goes_over_a_link_and_leaves_nothing_behind(tmp_path: Path) -> None:
    most = MAX_BODY - 20
    here, there = new("a"), new("b")
    async with opened(tmp_path, here, "a") as a:
        far = a.ref(Shelf, "shelf@b")
        await far.tell(Shelf.put("before"))
        await far.tell(Shelf.put("x" * most))
        await far.tell(Shelf.put("behind"))
        await far.tell(Shelf.put("x" * 100_000), delay=0.01)
        await trio.sleep(0.05)
        assert len(bodies(here)) == 2
    here = here.reopen()
    async with opened(tmp_path, here, "a") as a, opened(tmp_path, there, "b") as b:
        shelf = await reader(b)
        assert await heard(shelf, 4) == [6, most, 6, 100_000]
        far = a.ref(Shelf, "shelf@b")
        assert len(await far.ask(Shelf.copy("y" * 5_000_000), timeout=PATIENCE_S)) == 5_000_000
        asker = await reader(a, "asker")
        await asker.tell(Shelf.wonder(far, 3_000_000))
        assert await heard(asker, 1) == [3_000_000]
        await emptied(here)
        await emptied(there)


async def test_a_body_that_is_lost_on_its_way_out_is_a_dead_letter_of_the_sender(tmp_path: Path) -> None:
    here = new("a")
    async with opened(tmp_path, here, "a") as a:
        far = a.ref(Shelf, "shelf@b")
        for length in (1, 2, 3):
            await far.tell(Shelf.put(LARGE * length))
    here = here.reopen()
    here.damage(Table.BODIES, here.scan(Table.BODIES)[30][0])
    async with opened(tmp_path, here, "a") as a, opened(tmp_path, new("b"), "b") as b:
        assert await heard(await reader(b), 2) == [len(LARGE), len(LARGE) * 3]
        with trio.fail_after(PATIENCE_S):
            while not list_dead(here):  # noqa: ASYNC110 - another node has to act
                await trio.sleep(0.01)
        assert [(dead.reason, dead.letter.apart) for dead in list_dead(here)] == [("undecodable", 200_011)]
        await a.dead.drop(reason="*")
        await emptied(here)


@pytest.mark.virtual
async def test_an_envelope_of_another_store_cannot_speak_of_chunks_here() -> None:
    """Its dead letter, taken back or dropped, would have read or removed another message's body."""
    store = MemoryStore()
    async with open_node(store, types=[Shelf]) as node:
        shelf = await reader(node)
        await node.pause(shelf)
        await shelf.tell(Shelf.put(LARGE))
        await node.wait_idle()
        [number] = bodies(store)
        length = 100_011
        lying = Envelope(
            number=5,
            origin=b"",
            type="large.Shelf",
            handler="put",
            version=1,
            codec=Codec.MSGPACK,
            body=b"",
            sender="",
            sent_at=0,
            cause=0,
            root=5,
            trace="",
            attempts=0,
            flags=0,
            extra={Extra.TO: "shelf"},
        )
        node._runtime.arrivals.take("b", b"b" * 16, encode_fields(apart(lying, Body(number, length, 0))))
        await node.wait_idle()
        assert [(dead.reason, dead.letter.apart) for dead in node.dead.letters()] == [("undecodable", 0)]
        await node.dead.drop(reason="*")
        await node.wait_idle()
        assert list(bodies(store)) == [number]
        await node.resume(shelf)
        assert await shelf.ask(Shelf.show()) == [len(LARGE)]
        sound(store)


async def test_a_foreign_message_that_cannot_be_delivered_is_a_dead_letter_with_its_body() -> None:
    store = MemoryStore()
    async with open_node(store, types=[Shelf]) as node:
        raw = encode_fields(
            (5, b"", "t", "put", 1, 1, b"x" * 100_000, "", 0, 0, 5, "", 0, 0, {Extra.TO: "\0 no name"})
        )
        node._runtime.arrivals.take("b", b"b" * 16, raw)
        await node.wait_idle()
        assert [dead.letter.apart for dead in node.dead.letters()] == [100_000]
        assert list(bodies(store).values()) == [25]
        sound(store)
